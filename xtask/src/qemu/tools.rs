// SPDX-License-Identifier: GPL-2.0-or-later
//! Programs and libraries that a build of QEMU takes from the machine, and meson, which it does not.

use core::time::Duration;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::context::Fallible;
use crate::kernel::cache::Cache;
use crate::kernel::fetch::Missing;
use crate::kernel::tools::has;
use crate::process;

/// A program, and the Debian package that has it.
const PROGRAMS: [(&str, &str); 8] = [
    ("gcc", "gcc"),
    ("ninja", "ninja-build"),
    ("pkg-config", "pkg-config"),
    ("python3", "python3"),
    ("patch", "patch"),
    ("tar", "tar"),
    ("xz", "xz-utils"),
    ("apt-get", "apt"),
];
/// A library as pkg-config knows it, and the Debian package that has it.
const LIBRARIES: [(&str, &str); 3] =
    [("glib-2.0", "libglib2.0-dev"), ("slirp", "libslirp-dev"), ("zlib", "zlib1g-dev")];
/// Of Python's index, in the versions that QEMU 10.0 asks for; Debian 12 has an older meson.
const PYTHON: [&str; 2] = ["meson==1.5.2", "pycotap==1.3.1"];
const LIMIT: Duration = Duration::from_secs(600);

/// An error names the command that installs what is missing.
pub(super) fn check() -> Fallible<()> {
    let mut missing: Vec<&str> =
        PROGRAMS.iter().filter(|(program, _)| !has(program)).map(|(_, package)| *package).collect();
    if has("pkg-config") {
        let absent = LIBRARIES.iter().filter(|(name, _)| !succeeds("pkg-config", &["--exists", name]));
        missing.extend(absent.map(|(_, package)| *package));
    } else {
        missing.extend(LIBRARIES.map(|(_, package)| package));
    }
    if !Path::new("/usr/include/libfdt.h").exists() {
        missing.push("libfdt-dev");
    }
    if has("python3") && !succeeds("python3", &["-c", "import venv, ensurepip"]) {
        missing.push("python3-venv");
    }
    if missing.is_empty() {
        return Ok(());
    }
    let packages = missing.join(" ");
    Err(format!("missing; run: apt-get update && apt-get install --no-install-recommends {packages}").into())
}

fn succeeds(program: &str, args: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(args).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// A Python that has what QEMU's configure looks for.
pub(super) fn python(cache: &Cache, offline: bool) -> Fallible<Result<PathBuf, Missing>> {
    let venv = cache.path("qemu/venv");
    let python = venv.join("bin/python3");
    let complete = venv.join("complete");
    if complete.exists() {
        return Ok(Ok(python));
    }
    if offline {
        return Ok(Err(Missing("meson is not in the cache, and --offline".into())));
    }
    let log = cache.log("qemu-venv")?;
    let made = process::run_to(
        &log,
        Command::new("python3").args(["-m", "venv", "--clear"]).arg(&venv),
        LIMIT,
        &mut |_| (),
    )?;
    let mut pip = Command::new(&python);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]).args(PYTHON);
    if !made.ok() || !process::run_to(&log, &mut pip, LIMIT, &mut |_| ())?.ok() {
        return Err(format!("no meson from Python's index; log {}", log.display()).into());
    }
    std::fs::write(complete, "")?;
    Ok(Ok(python))
}
