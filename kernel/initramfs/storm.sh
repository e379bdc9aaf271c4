# SPDX-License-Identifier: GPL-2.0-or-later
# The guest's part of a storm: actors, each a loop in a process of its own that does its kind of thing until
# it is told to stop. An actor's steps follow from its seed; how they fall together does not.

storm=/tmp/storm

# roll N: a number below N.
roll() {
    state=$((state * 6364136223846793005 + 1442695040888963407))
    rolled=$(((state >> 33 & 0x7fffffff) % $1))
}

pick() {
    roll $#
    shift "$rolled"
    picked=$1
}

# rest MS: up to so many milliseconds.
rest() {
    roll "$1"
    usleep $((rolled * 1000))
}

# put TEXT FILE
put() {
    echo "$1" >"$2"
}

# step KIND COMMAND...: does it, counts it, and lets the watchdog see what the actor is at.
step() {
    local kind=$1
    shift
    echo "$((steps += 1)) $*" >$storm/"$me".at
    if "$@" 2>/dev/null; then
        eval "done_$kind=\$((done_$kind + 1))"
    else
        eval "not_$kind=\$((not_$kind + 1))"
    fi
    eval "echo \$((done_$kind)) \$((not_$kind))" >$storm/"$me.$kind".count
    echo "$steps rests" >$storm/"$me".at
}

# actor NAME SEED WHAT...
actor() {
    me=$1 state=$2 steps=0
    shift 2
    echo "0 rests" >$storm/"$me".at
    until [ -e $storm/stop ]; do "act_$me" "$@"; done
    echo >$storm/"$me".ended
}

# start NAME SEED WHAT...: in a process of its own.
start() {
    mkdir -p $storm
    actor "$@" </dev/null >/dev/null 2>&1 &
}

# Breaks by MMIO, found by a check or by whoever reads next.
act_break() {
    pick "$@"
    step break put "$picked" $eeh_debug/eeh_dev_break
    roll 3
    [ "$rolled" = 0 ] || step check put "$picked" $eeh_debug/eeh_dev_check
    rest 3000
}

# Recoveries on request, and firmware asked for errors.
act_force() {
    pick "$@"
    step force recover "$picked"
    roll 4
    [ "$rolled" != 0 ] || step hwcheck put hwcheck $eeh_debug/eeh_force_recover
    rest 4000
}

# Errors of the next configuration read of a PE.
act_inject() {
    pick "$@"
    step inject put "$(pe "$picked"):1:4:0:0" $eeh_debug/PCI"$(phb "$picked")"/err_injct
    step config head -c 64 $pci/"$picked"/config
    step check put "$picked" $eeh_debug/eeh_dev_check
    rest 4000
}

# Fences of a whole PHB.
act_fence() {
    pick "$@"
    step fence put 0x8000000000000000 $eeh_debug/PCI"$(phb "$picked")"/err_injct_outbound
    rest 500
    step check put "$picked" $eeh_debug/eeh_dev_check
    rest 30000
}

# Functions, and in another actor bridges with all below them, go and come back.
go_and_come() {
    step removal remove "$1"
    rest "$2"
    step rescan rescan
    rest "$3"
}

act_leaf() {
    pick "$@"
    go_and_come "$picked" 500 4000
}

act_switch() {
    pick "$@"
    go_and_come "$picked" 1500 15000
}

# Drivers go and come back; WHAT is FUNCTION=DRIVER.
act_bind() {
    local at tries=5
    pick "$@"
    at=$picked
    step unbind put "${at%=*}" /sys/bus/pci/drivers/"${at#*=}"/unbind
    rest 800
    # A device in reset has no probe that succeeds.
    until bound "${at%=*}" "${at#*=}" || [ $((tries -= 1)) = 0 ]; do
        step bind put "${at%=*}" /sys/bus/pci/drivers/"${at#*=}"/bind
        rest 1000
    done
    rest 4000
}

# Virtual functions of a physical one that nobody removes.
act_vfs() {
    step vfs_on put 2 $pci/"$1"/sriov_numvfs
    rest 8000
    step vfs_off put 0 $pci/"$1"/sriov_numvfs
    rest 4000
}

# Modules with bound devices; WHAT is FUNCTION=DRIVER, for our own module, and names of modules.
act_module() {
    pick "$@"
    case "$picked" in
    *=*) borrow "${picked%=*}" "${picked#*=}" ;;
    *)
        step unload rmmod "$picked"
        rest 1500
        step load insmod /modules/*-"$picked".ko
        ;;
    esac
    rest 8000
}

# Gives a device to our own module, which goes with the device bound to it.
borrow() {
    step unbind put "$1" /sys/bus/pci/drivers/"$2"/unbind
    step override put eeh_fault $pci/"$1"/driver_override
    step bind put "$1" /sys/bus/pci/drivers/eeh_fault/bind
    rest 3000
    step unload rmmod eeh_fault
    rest 500
    step load insmod /modules/*-eeh_fault.ko
    step override put "" $pci/"$1"/driver_override
    step bind put "$1" /sys/bus/pci/drivers/"$2"/bind
}

act_read() {
    roll 5
    case "$rolled" in
    0) step read cat $eeh_debug/eeh_pe_tree $eeh_debug/eeh_pe_debug ;;
    1) step read cat $eeh_debug/eeh_history $eeh_debug/eeh_address_cache /proc/powerpc/eeh ;;
    2) step read cat $pci/*/eeh_pe_state $pci/*/eeh_mode $pci/*/eeh_pe_config_addr ;;
    3) step read lspci -D -xxxx ;;
    4) step read cat $eeh_debug/PCI*/err_injct_outbound $eeh_debug/eeh_enable $eeh_debug/eeh_max_freezes ;;
    esac
    rest 300
}

# Disks at work.
act_disk() {
    pick /dev/nvme*n1
    step disk dd if="$picked" of=/dev/null bs=64k count=16 iflag=direct
    rest 1500
}

# An actor that a test plants: it does not come back.
act_stuck() {
    step stuck sleep 100000
}

# Complaints that are not EEH's. igb: it reads all ones of a device whose configuration space answers, which is what
# a freeze looks like. pnv_php keeps the interrupt of a slot's port that is removed. Virtual functions that are
# disabled while configuration space is cut off are still enabled by what it reads there. libata's is no warning.
storm_complaints() {
    grep -v -e 'WARNING: .* at igb_rd32' -e 'WARNING: .* at irq_domain_remove' -e 'WARNING: .* at msi_device_data_release' \
        -e 'WARNING: .* at pci_iov_update_resource' -e 'ata[0-9]*: WARNING: synchronous SCSI scan failed' |
        but_disabling | complaints_in
}

# What came into the log since, into the whole log; the first complaint of it
# (complaint TEXT).
drain() {
    dmesg -c >$storm/chunk
    cat $storm/chunk >>$storm/log
    storm_complaints <$storm/chunk | sed -n '1s/^/complaint /p'
}

# A line for each actor (at STEP NAME WHAT, or ended NAME) and for each kind of step (count ACTOR.KIND DONE REFUSED).
look() {
    local file what name good bad
    for file in $storm/*.at; do
        [ -e "$file" ] || continue
        name=${file##*/}
        name=${name%.at}
        if [ -e $storm/"$name".ended ]; then
            echo "ended $name"
        else
            what=$(cat "$file")
            [ -n "$what" ] || what="0 rests"
            echo "at ${what%% *} $name ${what#* }"
        fi
    done
    for file in $storm/*.count; do
        [ -e "$file" ] || continue
        read -r good bad <"$file"
        name=${file##*/}
        echo "count ${name%.count} $good $bad"
    done
}

# settled FUNCTION=DRIVER...: all of them are there, bound and healthy.
settled() {
    local at
    for at; do
        bound "${at%=*}" "${at#*=}" && healthy "${at%=*}" || return 1
    done
}

# seconds: since boot.
seconds() {
    read -r up _ </proc/uptime
    echo "${up%.*}"
}

# settle SECONDS FUNCTION=DRIVER...: a freeze that nobody has found is found, what is gone is scanned for, what
# has no driver or another gets its own back; until all are well. A scan takes the lock that recoveries want: one in five seconds.
settle() {
    local until at scan
    until=$(($(seconds) + $1)) scan=0
    shift
    for at; do
        put "${at%=*}" $eeh_debug/eeh_dev_check 2>/dev/null
    done
    until settled "$@" 2>/dev/null || [ "$(seconds)" -ge "$until" ]; do
        for at; do
            if gone "${at%=*}"; then
                [ "$(seconds)" -lt "$scan" ] || { rescan; scan=$(($(seconds) + 5)); }
            elif ! bound "${at%=*}" "${at#*=}"; then
                # Our own module's may have stayed: it could not be unloaded in its handler.
                [ ! -e $pci/"${at%=*}"/driver ] || put "${at%=*}" $pci/"${at%=*}"/driver/unbind
                put "" $pci/"${at%=*}"/driver_override
                put "${at%=*}" /sys/bus/pci/drivers_probe
            fi
        done 2>/dev/null
        sleep 1
    done
    echo "settled $((until - $(seconds))) s ahead of time"
    for at; do
        bound "${at%=*}" "${at#*=}" || fail "${at%=*} is not bound to ${at#*=}"
        healthy "${at%=*}" || fail "${at%=*} is in state $(cat $pci/"${at%=*}"/eeh_pe_state)"
    done
    settled "$@"
}

# words: what is blocked, and who holds locks, into the log.
words() {
    local key
    for key in w d l; do echo "$key" >/proc/sysrq-trigger; done
    drain
}
