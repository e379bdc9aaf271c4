// SPDX-License-Identifier: GPL-2.0-or-later
//! Boots a kernel: to a shell for a person, or with a harness at the other end of the console.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use super::build::{Kernel, say};
use super::cache::Cache;
use super::guest::Guest;
use super::machine::{self, Boot, Files, Machine, Qemu};
use super::tools::Tools;
use super::{Config, Options, fetch, guest_code, initramfs};
use crate::context::{Context, Fallible};

/// What a guest for tests is to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Wanted<'a> {
    /// Kernel parameters.
    pub(crate) append: &'a str,
    /// More memory, and the kernel in its root, for kexec.
    pub(crate) kexec: bool,
    /// The packaged QEMU.
    pub(crate) stock: bool,
    /// One CPU, and a clock that counts instructions: one takes a nanosecond.
    pub(crate) counting: bool,
    /// How many CPUs otherwise.
    pub(crate) cpus: u8,
    /// The devices of `machine::SWAPPED`.
    pub(crate) swapped: bool,
    /// Whether the switch's ports offer hotplug ([`Boot::hotplug`]).
    pub(crate) hotplug: bool,
}

impl<'a> Wanted<'a> {
    /// With these parameters, and nothing else that is special.
    pub(crate) const fn plain(append: &'a str) -> Self {
        Self { append, kexec: false, stock: false, counting: false, cpus: 2, swapped: false, hotplug: true }
    }
}

/// What a boot needs beside the kernel.
pub(crate) struct Rig {
    qemu: Qemu,
    initramfs: PathBuf,
    /// One that holds the kernel and the other one too, for kexec.
    second: PathBuf,
    runs: PathBuf,
    image: PathBuf,
    /// What the configuration wants on the command line.
    append: &'static str,
}

/// Freed memory is poisoned, and what stands around an object is looked at.
/// A busy host stops both CPUs for half a minute at times, which is no lockup of theirs.
const CHECKED: &str = "slab_debug=FZP watchdog_thresh=60";

impl Rig {
    /// Fetches what is missing and packs the guest's root.
    pub(crate) fn new(ctx: &Context, cache: &Cache, options: &Options, kernel: &Kernel) -> Fallible<Self> {
        let packaged = fetch::qemu(cache, options.offline)?;
        let qemu = Qemu { packaged, freezing: crate::qemu::built(ctx, cache)? };
        let userland = fetch::userland(cache, options.offline)?;
        let runs = cache.dir(format!("run/{}-{}", options.variant.name(), options.config.name()))?;
        let archive = runs.join("initramfs.gz");
        let own = guest_code::built(&kernel.tree);
        initramfs::pack(ctx, &userland, &kernel.tree, own.clone(), &archive)?;
        let second = runs.join("kexec.gz");
        let stripped = runs.join("vmlinux");
        strip(&kernel.image, &stripped)?;
        let whole = [("boot/vmlinux", &stripped), ("boot/initramfs.gz", &archive)];
        let whole = whole.map(|(name, file)| (name.to_owned(), file.clone()));
        initramfs::pack(ctx, &userland, &kernel.tree, own.into_iter().chain(whole).collect(), &second)?;
        let append = if options.config == Config::Check { CHECKED } else { "" };
        Ok(Self { qemu, initramfs: archive, second, runs, image: stripped, append })
    }

    /// Whether devices of its machines really freeze.
    pub(crate) fn freezes(&self) -> bool {
        self.qemu.freezing.is_some()
    }

    fn boot<'a>(&'a self, machine: Machine, wanted: Wanted<'a>) -> Boot<'a> {
        let (initramfs, memory) = if wanted.kexec { (&self.second, 4096) } else { (&self.initramfs, 2048) };
        Boot {
            machine,
            image: &self.image,
            initramfs,
            append: wanted.append,
            memory,
            stock: wanted.stock,
            counting: wanted.counting,
            cpus: wanted.cpus,
            hotplug: wanted.hotplug,
            swapped: wanted.swapped,
        }
    }

    /// A guest for tests; its files stand in a directory of this name.
    ///
    /// QEMU dies of an assertion of its own at times (`xive_source_esb_eoi`, in firmware's first seconds): it is
    /// started once more then.
    pub(crate) fn guest(&self, name: &str, machine: Machine, wanted: Wanted<'_>) -> Fallible<Guest> {
        let booted = self.booted(name, machine, wanted);
        let log = self.runs.join(name).join("qemu.log");
        if booted.is_err() && std::fs::read_to_string(log).is_ok_and(|text| text.contains("Assertion `")) {
            say(Instant::now(), "QEMU died of an assertion, and is started once more");
            return self.booted(name, machine, wanted);
        }
        booted
    }

    fn booted(&self, name: &str, machine: Machine, wanted: Wanted<'_>) -> Fallible<Guest> {
        let files = Files::new(self.runs.join(name))?;
        fetched_by_guests(&files.dir.join("tftp"))?;
        let append = format!("eeh.agent {} {}", self.append, wanted.append);
        let boot = self.boot(machine, Wanted { append: &append, ..wanted });
        Guest::boot(machine::command(&self.qemu, &boot, &files), files)
    }

    /// A shell on this terminal, until the guest powers off or Ctrl-A X.
    pub(crate) fn shell(&self, machine: Machine, append: &str) -> Fallible<bool> {
        let files = Files::new(self.runs.join("shell"))?;
        fetched_by_guests(&files.dir.join("tftp"))?;
        let mut command = machine::command(&self.qemu, &self.boot(machine, Wanted::plain(append)), &files);
        say(Instant::now(), &format!("Ctrl-A X ends QEMU; console log {}", files.console.display()));
        Ok(command.status()?.success())
    }
}

/// The image without what only debuggers read.
fn strip(image: &Path, to: &Path) -> Fallible<()> {
    let tools = Tools::find()?;
    let mut command = Command::new(format!("llvm-strip{}", tools.llvm));
    fetch::output(command.arg(image).arg("-o").arg(to)).map(drop)
}

/// A file with a checksum, for network cards to fetch.
fn fetched_by_guests(dir: &Path) -> Fallible<()> {
    // Numbers that compress badly and need no source of randomness.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let data: Vec<u8> = (0..256 * 1024)
        .flat_map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()
        })
        .take(512 * 1024)
        .collect();
    std::fs::write(dir.join("file"), data)?;
    let sum = fetch::output(Command::new("sha256sum").arg("file").current_dir(dir))?;
    std::fs::write(dir.join("file.sha256"), sum)?;
    Ok(())
}
