// SPDX-License-Identifier: GPL-2.0-or-later
//! A linker for ppc64le and QEMU's user emulation: the system's, or Debian's packages unpacked in the cache.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::context::Fallible;
use crate::kernel::apt::Sources;
use crate::kernel::cache::Cache;
use crate::kernel::fetch::installed;

const LINKER: &str = "powerpc64le-linux-gnu-gcc";
const QEMU: &str = "qemu-ppc64le";
const PACKAGES: [&str; 3] = ["gcc-powerpc64le-linux-gnu", "libc6-dev-ppc64el-cross", "qemu-user"];

/// Where they are.
pub(super) struct Tools {
    /// What stands for `/`; `None`: they are installed.
    root: Option<PathBuf>,
}

/// Finds or fetches them.
pub(super) fn find() -> Fallible<Tools> {
    let runs = |program: &str| Command::new(program).arg("--version").output().is_ok();
    if runs(LINKER) && runs(QEMU) {
        return Ok(Tools { root: None });
    }
    let cache = Cache::open()?;
    let root = cache.path("tools/cross");
    if !root.join("usr/bin").join(QEMU).exists() {
        let sources = Sources { name: "cross", suites: &["bookworm"], foreign: None, source: false };
        installed(&cache, &sources, (&PACKAGES, None), &root, false)
            .map_err(|error| format!("{} (Debian) cannot be had: {error}", PACKAGES.join(" and ")))?;
    }
    Ok(Tools { root: Some(root) })
}

impl Tools {
    /// Tells cargo how to link and to run.
    pub(super) fn prepare(&self, cargo: &mut Command) {
        const KEY: &str = "CARGO_TARGET_POWERPC64LE_UNKNOWN_LINUX_GNU";
        let root = self.root.as_deref().unwrap_or(Path::new("/"));
        let program = |name: &str| match &self.root {
            Some(root) => root.join("usr/bin").join(name).display().to_string(),
            None => name.to_owned(),
        };
        let libraries = root.join("usr/powerpc64le-linux-gnu");
        cargo.env(format!("{KEY}_LINKER"), program(LINKER));
        cargo.env(format!("{KEY}_RUNNER"), format!("{} -L {}", program(QEMU), libraries.display()));
        if self.root.is_some() {
            let (root, bin, lib) = (root.display(), root.join("usr/bin"), libraries.join("lib"));
            let (bin, lib) = (bin.display(), lib.display());
            let flags =
                [format!("--sysroot={root}"), format!("-B{bin}"), format!("-B{lib}/"), format!("-L{lib}")];
            let flags: Vec<String> = flags.iter().map(|flag| format!("-Clink-arg={flag}")).collect();
            cargo.env("RUSTFLAGS", flags.join(" "));
            // The linker's own libraries.
            cargo.env("LD_LIBRARY_PATH", libraries.join("../lib/x86_64-linux-gnu"));
        }
    }
}
