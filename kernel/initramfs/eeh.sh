# SPDX-License-Identifier: GPL-2.0-or-later
# Functions of the guest; the test harness calls them by name. Each says what it found and answers 0 if
# that is as it should be.

eeh_debug=/sys/kernel/debug/powerpc
pci=/sys/bus/pci/devices

fail() {
    echo "FAIL: $*"
    return 1
}

# Seconds since boot, with two digits behind the point.
now() {
    read -r up _ </proc/uptime
    echo "$up"
}

# Puts a line into the kernel's log, from which log_since looks.
mark() {
    echo "<6>@mark $1" >/dev/kmsg
}

log_since() {
    dmesg | sed -n "/@mark $1\$/,\$p"
}

# log_wait MARK PATTERN COUNT SECONDS: until the log has PATTERN so often since MARK.
log_wait() {
    local tries=$(($4 * 10))
    while [ "$(log_since "$1" | grep -c -e "$2")" -lt "$3" ]; do
        tries=$((tries - 1))
        if [ "$tries" -le 0 ]; then
            fail "only $(log_since "$1" | grep -c -e "$2") of $3 times in $4 s: $2"
            return 1
        fi
        usleep 100000
    done
}

# wait_for SECONDS COMMAND...: until the command succeeds.
wait_for() {
    local tries=$(($1 * 10))
    shift
    until "$@" >/dev/null 2>&1; do
        tries=$((tries - 1))
        [ "$tries" -gt 0 ] || fail "not within the time: $*" || return 1
        usleep 100000
    done
}

# PE number of a function, without 0x.
pe() {
    local number
    number=$(cat $pci/"$1"/eeh_pe_config_addr) && echo "${number#0x}"
}

# The PHB's number as debugfs wants it: the PCI domain.
phb() {
    echo "${1%%:*}"
}

driver() {
    basename "$(readlink $pci/"$1"/driver)" 2>/dev/null
}

# recover FUNCTION: asks for a recovery of its PE and does not wait.
recover() {
    echo "$(phb "$1"):$(pe "$1")" >$eeh_debug/eeh_force_recover
}

# recovery FUNCTION SECONDS: a whole recovery, and how long it took from request to the last log line.
recovery() {
    local name="recovery-$1-$(now)" start
    mark "$name"
    recover "$1" || fail "eeh_force_recover refused $1" || return 1
    log_wait "$name" 'EEH: Recovery successful' 1 "$2" || return 1
    log_since "$name" | sed -n -e '/EEH: Recovering PHB/p' -e '/EEH: Recovery successful/p'
}

# Block device of a function.
disk() {
    local found
    found=$(ls -d /sys/block/*/device 2>/dev/null | while read -r link; do
        case "$(readlink -f "$link")" in
        */"$1"/*) basename "$(dirname "$link")" ;;
        esac
    done | head -n 1)
    [ -n "$found" ] && echo "$found"
}

# disk_check FUNCTION: writes a megabyte past the page cache, reads it back past it, compares.
disk_check() {
    local dev
    wait_for 30 disk "$1" || return 1
    dev=/dev/$(disk "$1")
    wait_for 10 test -b "$dev" || return 1
    dd if=/dev/urandom of=/tmp/out bs=64k count=16 2>/dev/null
    dd if=/tmp/out of="$dev" bs=64k count=16 oflag=direct 2>/dev/null || fail "write to $dev" || return 1
    dd if="$dev" of=/tmp/in bs=64k count=16 iflag=direct 2>/dev/null || fail "read from $dev" || return 1
    cmp /tmp/out /tmp/in || fail "$dev gave back other data"
}

# Network interface of a function.
net() {
    ls $pci/"$1"/net 2>/dev/null | head -n 1 | grep .
}

# net_check FUNCTION SUBNET: fetches the harness's file over the interface and compares its checksum.
net_check() {
    local dev
    wait_for 30 net "$1" || return 1
    dev=$(net "$1")
    ip addr flush dev "$dev"
    ip addr add "10.$2.0.15/24" dev "$dev"
    ip link set "$dev" up
    wait_for 20 grep -q 1 /sys/class/net/"$dev"/carrier || return 1
    rm -f /tmp/file /tmp/file.sha256
    tftp -g -r file -l /tmp/file "10.$2.0.2" || fail "no file over $dev" || return 1
    tftp -g -r file.sha256 -l /tmp/file.sha256 "10.$2.0.2" || fail "no checksum over $dev" || return 1
    (cd /tmp && sha256sum -c -s file.sha256) || fail "the file came over $dev with other data"
}

# net_down FUNCTION: closes its interface.
net_down() {
    ip link set "$(net "$1")" down
}

# remove FUNCTION, and rescan: the files of hotplug.
remove() {
    echo 1 >$pci/"$1"/remove
}

rescan() {
    echo 1 >/sys/bus/pci/rescan
}

# What the kernel complained about in its log.
complaints() {
    dmesg | complaints_in
}

complaints_in() {
    grep -E 'BUG|WARNING:|possible circular|possible recursive|inconsistent lock|INFO: task .* blocked|INFO: rcu|soft lockup|unreferenced object|DEBUG_LOCKS_WARN|Oops|refcount_t|corruption'
}

# The same without what igb and e1000e do, removed between their error_detected and their slot_reset: they
# disable a device that they have disabled.
complaints_but_disabling() {
    dmesg | but_disabling | complaints_in
}

# The same without what rpadlpar does, which adds a PHB's devices without the rescan lock: when the PHB comes back with
# its PE in reset, EEH recovers it meanwhile, and the device is added twice.
complaints_but_dlpar() {
    dmesg | but_disabling | sed '/proc_dir_entry .* already registered/{N;/WARNING: fs\/proc\/generic.c/d}' | complaints_in
}

but_disabling() {
    sed '/disabling already-disabled device/{N;/WARNING: drivers\/pci\/pci.c/d}'
}

# bound FUNCTION DRIVER
bound() {
    [ "$(driver "$1")" = "$2" ]
}

gone() {
    [ ! -e $pci/"$1" ]
}

# A PE number that is none is all ones.
has_pe() {
    case "$(cat $pci/"$1"/eeh_pe_config_addr)" in
    0x*[!f]* | 0xfe | 0xf) ;;
    *) fail "$1 has PE $(cat $pci/"$1"/eeh_pe_config_addr)" ;;
    esac
}

# healthy FUNCTION: neither isolated (1) nor recovering (2) nor blocked (4) nor removed (0x400).
healthy() {
    local software
    read -r _ software <$pci/"$1"/eeh_pe_state && [ $((software & 0x407)) = 0 ]
}

# refused FILE TEXT: writing it is -EINVAL or -ENODEV.
refused() {
    local said
    # A program of its own says why a write failed; the shell's printf does not.
    said=$(printf '%s\n' "$2" | dd of=$eeh_debug/"$1" bs=4k 2>&1) && fail "$1 took '$2'" && return 1
    case "$said" in
    *"Invalid argument"* | *"No such device"*) ;;
    *) fail "$1: '$2': $said" ;;
    esac
}

# rebind FUNCTION DRIVER: at once, and again until it succeeds; a device in reset has no probe that does.
rebind() {
    echo "$1" >/sys/bus/pci/drivers/"$2"/unbind
    wait_for 60 bound_again "$1" "$2"
}

bound_again() {
    bound "$1" "$2" || { echo "$1" >/sys/bus/pci/drivers/"$2"/bind && bound "$1" "$2"; }
}

# Scans until a function is there.
found_again() {
    rescan
    ! gone "$1"
}

# What kmemleak finds, where the kernel has it.
leaks() {
    leaks_but cat
}

# leaks_but FILTER: what is left of it.
leaks_but() {
    local file=/sys/kernel/debug/kmemleak found
    [ -e $file ] || return 0
    # A piece is told of that has not changed since the scan before, is 5 s old and is on no stack; one that
    # has switched itself off refuses to scan.
    echo scan >$file && sleep 6 && echo scan >$file || fail kmemleak does not scan || return 1
    found=$($1 <$file)
    [ -z "$found" ] || fail "$found"
}

# Without what Linux forgets of a PHB that goes by DLPAR, by the functions that allocated it: device tree nodes
# that dlpar_hp_dt_remove() detaches, their properties and names, and the pci_dn of the PHB's nodes.
but_dlpar() {
    awk 'function flush() {
            if (text != "" && !(node || name && dlpar || pdn && dynamic)) printf "%s", text
            text = ""; node = name = dlpar = pdn = dynamic = 0
        }
        /^unreferenced object/ { flush() }
        { text = text $0 "\n" }
        / (dlpar_configure_connector|ddw_property_create)\+/ { node = 1 }
        / __of_attach_node_sysfs\+/ { name = 1 }
        / dlpar_store\+/ { dlpar = 1 }
        / pci_add_device_node_info\+/ { pdn = 1 }
        / init_phb_dynamic\+/ { dynamic = 1 }
        END { flush() }'
}

# lockdep, where the kernel has it, is on: it switches itself off at its first complaint and at others' mistakes.
lockdep_is_on() {
    [ ! -e /proc/lockdep_stats ] || grep -q 'debug_locks: *1' /proc/lockdep_stats || fail lockdep is off
}

# hold FUNCTION: keeps a reference to its pci_dev until another is held, or none.
hold() { echo "$1" >/sys/module/eeh_fault/parameters/held; }

# give FUNCTION DRIVER: takes its driver away and gives it this one.
give() {
    [ ! -e $pci/"$1"/driver ] || echo "$1" >$pci/"$1"/driver/unbind
    echo "$2" >$pci/"$1"/driver_override
    echo "$1" >/sys/bus/pci/drivers/"$2"/bind
    wait_for 30 bound "$1" "$2"
}

# Allocations of EEH may fail, and no others: the PCI core panics without memory for a scan.
failures_on() {
    local at=/sys/kernel/debug/failslab
    echo N >$at/ignore-gfp-wait
    echo 1 >$at/verbose
    echo 32 >$at/stacktrace-depth
    # Its text is in one piece; what runs at boot only stands behind all other text.
    set -- $(grep -E ' _etext$|11kernel_shim' /proc/kallsyms | sort |
        awk '/_etext$/ { print first, last } { last = $1 } first == "" { first = $1 }')
    echo "0x$1" >$at/require-start
    echo "0x$2" >$at/require-end
}

# scan_without N: a rescan in which EEH's Nth allocation fails; answers 1 when it does not make so many.
scan_without() {
    (
        me=$(exec sh -c 'echo $PPID')
        echo "$1" >/proc/self/fail-nth
        echo 1 >/sys/bus/pci/rescan
        left=$(cat /proc/"$me"/fail-nth)
        echo 0 >/proc/self/fail-nth
        [ "$left" = 0 ]
    )
}

# phb_remove N, phb_add N: as drmgr does for a PHB, whose index as a connector follows from its number. A connector
# that stays configured can be configured again.
phb_remove() {
    echo "PHB $1" >/sys/bus/pci/slots/control/remove_slot &&
        echo "dt remove index $(printf '0x%x' $((0x20000000 + $1)))" >/sys/kernel/dlpar
}

phb_add() {
    echo "dt add index $(printf '0x%x' $((0x20000000 + $1)))" >/sys/kernel/dlpar &&
        echo "PHB $1" >/sys/bus/pci/slots/control/add_slot
}
