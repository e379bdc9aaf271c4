// SPDX-License-Identifier: GPL-2.0-or-later
//! Boots a kernel: to a shell for a person, or with a harness at the other end of the console.

use std::path::{Path, PathBuf};
use std::time::Instant;

use super::build::{Kernel, say};
use super::cache::Cache;
use super::guest::Guest;
use super::machine::{self, Boot, Files, Machine, Qemu};
use super::{Options, fetch, initramfs};
use crate::context::{Context, Fallible};

/// What a boot needs beside the kernel.
pub(crate) struct Rig {
    qemu: Qemu,
    initramfs: PathBuf,
    runs: PathBuf,
    image: PathBuf,
}

impl Rig {
    /// Fetches what is missing and packs the guest's root.
    pub(crate) fn new(ctx: &Context, cache: &Cache, options: &Options, kernel: &Kernel) -> Fallible<Self> {
        let packaged = fetch::qemu(cache, options.offline)?;
        let qemu = Qemu { packaged, freezing: crate::qemu::built(ctx, cache)? };
        let userland = fetch::userland(cache, options.offline)?;
        let runs = cache.dir(format!("run/{}-{}", options.variant.name(), options.config.name()))?;
        let archive = runs.join("initramfs.gz");
        initramfs::pack(ctx, &userland, &kernel.tree, &archive)?;
        Ok(Self { qemu, initramfs: archive, runs, image: kernel.image.clone() })
    }

    /// Whether devices of its machines really freeze.
    pub(crate) fn freezes(&self) -> bool {
        self.qemu.freezing.is_some()
    }

    fn boot<'a>(&'a self, machine: Machine, append: &'a str) -> Boot<'a> {
        Boot { machine, image: &self.image, initramfs: &self.initramfs, append, memory: 2048 }
    }

    /// A guest for tests; its files stand in a directory of this name.
    pub(crate) fn guest(&self, name: &str, machine: Machine, append: &str) -> Fallible<Guest> {
        let files = Files::new(self.runs.join(name))?;
        fetched_by_guests(&files.dir.join("tftp"))?;
        let append = format!("eeh.agent {append}");
        let boot = self.boot(machine, &append);
        Guest::boot(machine::command(&self.qemu, &boot, &files), files)
    }

    /// A shell on this terminal, until the guest powers off or Ctrl-A X.
    pub(crate) fn shell(&self, machine: Machine, append: &str) -> Fallible<bool> {
        let files = Files::new(self.runs.join("shell"))?;
        fetched_by_guests(&files.dir.join("tftp"))?;
        let mut command = machine::command(&self.qemu, &self.boot(machine, append), &files);
        say(Instant::now(), &format!("Ctrl-A X ends QEMU; console log {}", files.console.display()));
        Ok(command.status()?.success())
    }
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
    let sum = fetch::output(std::process::Command::new("sha256sum").arg("file").current_dir(dir))?;
    std::fs::write(dir.join("file.sha256"), sum)?;
    Ok(())
}
