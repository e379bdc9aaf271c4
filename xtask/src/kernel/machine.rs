// SPDX-License-Identifier: GPL-2.0-or-later
//! The machines: QEMU's command line, and what the guest finds there.

use std::path::{Path, PathBuf};
use std::process::Command;

use clap::ValueEnum;

use crate::context::Fallible;

/// Which machine QEMU is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Machine {
    /// PowerNV with PHB3.
    Powernv8,
    /// PowerNV with PHB4.
    Powernv9,
    /// PowerNV with PHB5.
    Powernv10,
    /// PAPR, under QEMU's own hypervisor.
    Pseries,
}

impl Machine {
    /// As QEMU calls it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Powernv8 => "powernv8",
            Self::Powernv9 => "powernv9",
            Self::Powernv10 => "powernv10",
            Self::Pseries => "pseries",
        }
    }

    /// What is in it.
    pub(crate) fn functions(self) -> &'static [Function] {
        match self {
            Self::Powernv8 => POWERNV.split_at(FUNCTIONS_OF_THREE).0,
            Self::Powernv9 | Self::Powernv10 => &POWERNV,
            Self::Pseries => &PSERIES,
        }
    }
}

/// What a function is good for in a test.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// A disk behind this controller.
    Disk,
    /// A network card; the number is that of its subnet 10.N.0.0/24.
    Net(u8),
    /// Nothing to read or write.
    Other,
}

/// A function that a driver is bound to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Function {
    /// Domain, bus, device and function.
    pub(crate) address: &'static str,
    /// The driver's name.
    pub(crate) driver: &'static str,
    /// QEMU's type, as its trace names it.
    pub(crate) qemu: &'static str,
    /// How to see that it works.
    pub(crate) kind: Kind,
    /// Whether a PCIe switch is above it.
    pub(crate) below_switch: bool,
}

const fn function(
    address: &'static str,
    driver: &'static str,
    qemu: &'static str,
    kind: Kind,
    below_switch: bool,
) -> Function {
    Function { address, driver, qemu, kind, below_switch }
}

/// The functions of the PAPR machine, each on a PHB of its own.
const PSERIES: [Function; 3] = [
    function("0000:00:01.0", "nvme", "nvme", Kind::Disk, false),
    function("0001:00:01.0", "e1000e", "e1000e", Kind::Net(1), false),
    function("0002:00:01.0", "xhci_hcd", "qemu-xhci", Kind::Other, false),
];

/// How many of [`POWERNV`], and of [`POWERNV_DEVICES`], are on the first three PHBs: PHB3's machine has no more.
const FUNCTIONS_OF_THREE: usize = 5;
const DEVICES_OF_THREE: usize = 9;

/// The functions of the PowerNV machines.
pub(crate) const POWERNV: [Function; 8] = [
    function("0000:01:00.0", "nvme", "nvme", Kind::Disk, false),
    function("0001:01:00.0", "e1000e", "e1000e", Kind::Net(1), false),
    function("0002:03:00.0", "nvme", "nvme", Kind::Disk, true),
    function("0002:04:00.0", "e1000e", "e1000e", Kind::Net(2), true),
    function("0002:05:00.0", "xhci_hcd", "qemu-xhci", Kind::Other, true),
    function("0003:01:00.0", "igb", "igb", Kind::Net(3), false),
    function("0004:01:00.0", "ahci", "ich9-ahci", Kind::Disk, false),
    function("0005:01:00.0", "nvme", "nvme", Kind::Disk, false),
];

/// Functions of a PowerNV machine that has those classes below a root port that [`POWERNV`] has behind a switch
/// only, and the other way round.
pub(crate) const SWAPPED: [Function; 3] = [
    function("0000:01:00.0", "xhci_hcd", "qemu-xhci", Kind::Other, false),
    function("0002:03:00.0", "igb", "igb", Kind::Net(1), true),
    function("0002:04:00.0", "ahci", "ich9-ahci", Kind::Disk, true),
];

const POWERNV_DEVICES: [&str; 13] = [
    "nvme,bus=pcie.0,addr=0x0,drive=nvme0,serial=nvme0",
    "e1000e,bus=pcie.1,addr=0x0,romfile=,netdev=net1",
    "x3130-upstream,bus=pcie.2,id=up",
    "xio3130-downstream,bus=up,id=ds0,chassis=1,slot=1,addr=0.0",
    "xio3130-downstream,bus=up,id=ds1,chassis=1,slot=2,addr=1.0",
    "xio3130-downstream,bus=up,id=ds2,chassis=1,slot=3,addr=2.0",
    "nvme,bus=ds0,drive=nvme1,serial=nvme1",
    "e1000e,bus=ds1,romfile=,netdev=net2",
    "qemu-xhci,bus=ds2,id=xhci",
    "igb,bus=pcie.3,addr=0x0,romfile=,netdev=net3",
    "ich9-ahci,bus=pcie.4,addr=0x0,id=ahci",
    "ide-hd,bus=ahci.0,drive=ahci",
    "nvme,bus=pcie.5,addr=0x0,drive=nvme2,serial=nvme2",
];

const SWAPPED_DEVICES: [&str; 7] = [
    "qemu-xhci,bus=pcie.0,addr=0x0,id=xhci",
    "x3130-upstream,bus=pcie.2,id=up",
    "xio3130-downstream,bus=up,id=ds0,chassis=1,slot=1,addr=0.0",
    "xio3130-downstream,bus=up,id=ds1,chassis=1,slot=2,addr=1.0",
    "igb,bus=ds0,romfile=,netdev=net1",
    "ich9-ahci,bus=ds1,id=ahci",
    "ide-hd,bus=ahci.0,drive=ahci",
];

/// Where one run keeps its files.
pub(crate) struct Files {
    /// All of the run's files.
    pub(crate) dir: PathBuf,
    /// What the guest wrote to its console.
    pub(crate) console: PathBuf,
    /// QEMU's trace of resets.
    pub(crate) trace: PathBuf,
    /// The socket of QEMU's monitor.
    pub(crate) monitor: PathBuf,
}

impl Files {
    /// An empty directory with disks and a file to fetch.
    pub(crate) fn new(dir: PathBuf) -> Fallible<Self> {
        if dir.exists() {
            std::fs::remove_dir_all(&dir)?;
        }
        std::fs::create_dir_all(dir.join("tftp"))?;
        for disk in ["nvme0", "nvme1", "nvme2", "ahci"] {
            std::fs::File::create(dir.join(format!("{disk}.img")))?.set_len(64 << 20)?;
        }
        std::fs::write(dir.join("events"), TRACED.join("\n") + "\n")?;
        let [console, trace, monitor] = ["console.log", "trace.log", "monitor"].map(|name| dir.join(name));
        Ok(Self { dir, console, trace, monitor })
    }
}

/// Events that show a device being reset: the second names its type, and no driver can cause it alone.
const TRACED: [&str; 3] = ["resettable_reset_assert_begin", RESET_EVENT, CONFIG_WRITE];
/// A device in reset, with its type in parentheses.
pub(crate) const RESET_EVENT: &str = "resettable_phase_hold_exec";
/// A write to configuration space, by the kernel or by firmware.
pub(crate) const CONFIG_WRITE: &str = "pci_cfg_write";

/// What is booted.
pub(crate) struct Boot<'a> {
    pub(crate) machine: Machine,
    pub(crate) image: &'a Path,
    pub(crate) initramfs: &'a Path,
    /// Behind `console=hvc0`.
    pub(crate) append: &'a str,
    /// Mebibytes.
    pub(crate) memory: u32,
    /// Whether it must be the packaged QEMU, whose pseries gives emulated devices no EEH.
    pub(crate) stock: bool,
    /// Whether the clock counts instructions, on one CPU.
    pub(crate) counting: bool,
    /// How many CPUs otherwise.
    pub(crate) cpus: u8,
    /// Whether the switch's ports offer hotplug, for which Linux would leave bus numbers free between them if it
    /// numbers them anew; firmware's device tree, by which it finds configuration spaces, does not.
    pub(crate) hotplug: bool,
    /// Whether a PowerNV machine has the devices of [`SWAPPED`].
    pub(crate) swapped: bool,
}

/// The program that is the machine.
pub(crate) struct Qemu {
    /// The packaged one, unpacked; its firmware serves both.
    pub(crate) packaged: PathBuf,
    /// The one whose host bridges freeze, if it was built.
    pub(crate) freezing: Option<PathBuf>,
}

impl Qemu {
    fn command(&self, stock: bool) -> Command {
        let mut command = if let Some(program) = self.freezing.as_ref().filter(|_| !stock) {
            Command::new(program)
        } else {
            let mut command = Command::new(self.packaged.join("usr/bin/qemu-system-ppc64"));
            let libraries = ["usr/lib", "lib"].map(|dir| self.packaged.join(dir).join("x86_64-linux-gnu"));
            let libraries: Vec<String> = libraries.iter().map(|dir| dir.display().to_string()).collect();
            command.env("LD_LIBRARY_PATH", libraries.join(":"));
            command
        };
        command.arg("-L").arg(self.packaged.join("usr/share/qemu"));
        command
    }
}

/// QEMU's command line, with the console on standard input and output.
pub(crate) fn command(qemu: &Qemu, boot: &Boot<'_>, files: &Files) -> Command {
    let mut command = qemu.command(boot.stock);
    command.args(["-M", boot.machine.name(), "-no-reboot"]);
    if boot.counting {
        command.args(["-smp", "1", "-accel", "tcg,thread=single", "-icount", "shift=0,sleep=off"]);
    } else {
        command.args(["-smp", &boot.cpus.to_string(), "-accel", "tcg,thread=multi"]);
    }
    command.args(["-m", &boot.memory.to_string(), "-display", "none", "-vga", "none", "-nic", "none"]);
    command.args(["-monitor", "none", "-serial", "chardev:console"]);
    command.arg("-qmp").arg(format!("unix:{},server=on,wait=off", files.monitor.display()));
    command
        .arg("-chardev")
        .arg(format!("stdio,id=console,signal=off,mux=off,logfile={}", files.console.display()));
    command.arg("-trace").arg(format!("events={}", files.dir.join("events").display()));
    command.arg("-D").arg(&files.trace);
    command.arg("-kernel").arg(boot.image).arg("-initrd").arg(boot.initramfs);
    command.arg("-append").arg(format!("console=hvc0 panic=1 log_buf_len=4M {}", boot.append));
    let devices = match boot.machine {
        Machine::Pseries => pseries(files, qemu.freezing.is_some() && !boot.stock),
        Machine::Powernv8 => powernv(files, POWERNV_DEVICES.split_at(DEVICES_OF_THREE).0),
        Machine::Powernv9 | Machine::Powernv10 => {
            powernv(files, if boot.swapped { &SWAPPED_DEVICES } else { &POWERNV_DEVICES })
        }
    };
    command.args(devices);
    if !boot.hotplug {
        command.args(["-global", "xio3130-downstream.hotplug=off"]);
    }
    command
}

fn drive(files: &Files, id: &str) -> [String; 2] {
    let image = files.dir.join(format!("{id}.img"));
    ["-drive".into(), format!("file={},format=raw,if=none,id={id}", image.display())]
}

fn subnet(files: &Files, number: u8) -> [String; 2] {
    let tftp = files.dir.join("tftp");
    let host =
        format!("net=10.{number}.0.0/24,host=10.{number}.0.2,dns=10.{number}.0.3,dhcpstart=10.{number}.0.15");
    ["-netdev".into(), format!("user,id=net{number},restrict=on,{host},tftp={}", tftp.display())]
}

fn powernv(files: &Files, devices: &[&str]) -> Vec<String> {
    let mut args: Vec<String> = Vec::new();
    for id in ["nvme0", "nvme1", "nvme2", "ahci"] {
        args.extend(drive(files, id));
    }
    for number in 1..=3 {
        args.extend(subnet(files, number));
    }
    for device in devices {
        args.extend(["-device".into(), (*device).into()]);
    }
    args
}

fn pseries(files: &Files, freezing: bool) -> Vec<String> {
    let mut args: Vec<String> = Vec::new();
    args.extend(drive(files, "nvme0"));
    args.extend(subnet(files, 1));
    for device in [
        "spapr-pci-host-bridge,index=1,id=phb1",
        "spapr-pci-host-bridge,index=2,id=phb2",
        "nvme,bus=pci.0,addr=0x1,drive=nvme0,serial=nvme0",
        "e1000e,bus=phb1.0,addr=0x1,romfile=,netdev=net1",
        "qemu-xhci,bus=phb2.0,addr=0x1,id=xhci",
    ] {
        args.extend(["-device".into(), device.into()]);
    }
    if freezing {
        args.extend(["-global".into(), "spapr-pci-host-bridge.x-eeh=on".into()]);
    }
    args
}
