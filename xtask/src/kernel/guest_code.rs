// SPDX-License-Identifier: GPL-2.0-or-later
//! What the guest runs of `kernel/guest`: a driver that misbehaves, and a user of VFIO; and the kernel's
//! own modules.

use core::time::Duration;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::cache::{Cache, write_if_changed};
use super::tools::Tools;
use crate::context::{Context, Fallible, cpus};
use crate::process;

const LIMIT: Duration = Duration::from_secs(900);
/// In the kernel's tree.
const PLACE: &str = "eeh-guest";
const SOURCES: [&str; 3] = ["Kbuild", "eeh_fault.c", "eeh_vfio.c"];
const PROGRAM: &str = "eeh_vfio";
/// Modules that a configuration may have; those that others need come first.
const MODULES: [&str; 10] = [
    "eeh-guest/eeh_fault.ko",
    "drivers/net/ethernet/intel/e1000e/e1000e.ko",
    "virt/lib/irqbypass.ko",
    "drivers/vfio/vfio.ko",
    "drivers/vfio/vfio_iommu_spapr_tce.ko",
    "drivers/vfio/pci/vfio-pci-core.ko",
    "drivers/vfio/pci/vfio-pci.ko",
    "drivers/pci/hotplug/pnv-php.ko",
    "drivers/pci/hotplug/rpaphp.ko",
    "drivers/pci/hotplug/rpadlpar_io.ko",
];

/// Builds them against a kernel that was built with its modules.
pub(crate) fn build(
    ctx: &Context,
    cache: &Cache,
    tools: &Tools,
    (tree, name): (&Path, &str),
    make: impl Fn() -> Command,
) -> Fallible<()> {
    let place = tree.join(PLACE);
    std::fs::create_dir_all(&place)?;
    for source in SOURCES {
        write_if_changed(&place.join(source), &std::fs::read(ctx.root.join("kernel/guest").join(source))?)?;
    }
    let log = cache.log(&format!("guest-{name}"))?;
    if !tree.join("usr/include/linux/vfio.h").exists() {
        finished(&log, make().arg(format!("-j{}", cpus())).arg("headers"))?;
    }
    finished(&log, make().arg(format!("M={PLACE}")).arg("modules"))?;
    let mut clang = Command::new(format!("clang{}", tools.llvm));
    clang
        .current_dir(tree)
        .args(["--target=powerpc64le-linux-gnu", "-static", "-nostdlib", "-fno-stack-protector", "-Os"])
        .arg("-fuse-ld=lld")
        .args(["-isystem", "usr/include", "-include", "tools/include/nolibc/nolibc.h"])
        .arg(place.join(format!("{PROGRAM}.c")))
        .args(["-o", &format!("{PLACE}/{PROGRAM}")]);
    finished(&log, &mut clang)
}

fn finished(log: &Path, command: &mut Command) -> Fallible<()> {
    let run = process::run_to(log, command, LIMIT, &mut |_| ())?;
    if run.ok() {
        return Ok(());
    }
    Err(format!("the guest's own code: log {}:\n{}", log.display(), process::tail(&run.output, 12)).into())
}

/// What of it was built: path in the guest, file here.
pub(crate) fn built(tree: &Path) -> Vec<(String, PathBuf)> {
    let modules = MODULES.iter().enumerate().filter_map(|(at, path)| {
        let name = Path::new(path).file_name()?.to_string_lossy();
        Some((format!("modules/{at}-{name}"), tree.join(path)))
    });
    let program = (format!("bin/{PROGRAM}"), tree.join(PLACE).join(PROGRAM));
    modules.chain([program]).filter(|(_, file)| file.exists()).collect()
}
