// SPDX-License-Identifier: GPL-2.0-or-later
//! What a build and a boot need and the machine does not have: kernel source, the core library's source,
//! bindgen, QEMU with its firmware, a userland for the guest.

use core::time::Duration;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::apt::{Archive, Sources, unpack};
use super::cache::Cache;
use super::tools::Tools;
use crate::context::{Context, Fallible};
use crate::process;

const SERIES: &str = "7.3";
const SOURCE_PACKAGE: &str = "linux-source-7.3";
const LIMIT: Duration = Duration::from_secs(1800);
/// Suites with the kernel's source and the core library's, the first that has them wins.
const NEW_SUITES: [&str; 2] = ["trixie-backports", "sid"];
const USERLAND: [&str; 4] = ["busybox-static", "pciutils", "kexec-tools", "powerpc-ibm-utils"];
const QEMU_RELEASE: &str = "bookworm-backports";

/// A kernel source tree as fetched.
pub(crate) struct Source {
    /// Its directory.
    pub(crate) dir: PathBuf,
    /// As its Makefile says.
    pub(crate) version: String,
}

/// Something cannot be had here: the reason of a NOT RUN.
#[derive(Debug)]
pub(crate) struct Missing(pub(crate) String);

impl core::fmt::Display for Missing {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(&self.0)
    }
}

impl core::error::Error for Missing {}

/// Whatever goes wrong while fetching is the network's fault or the archive's, not this project's.
fn or_missing<T>(fetched: Fallible<T>) -> Fallible<T> {
    fetched.map_err(|error| Missing(error.to_string()).into())
}

/// The kernel source: the user's, or Debian's.
pub(crate) fn source(cache: &Cache, own: Option<&Path>, offline: bool) -> Fallible<Source> {
    if let Some(dir) = own {
        let dir = dir.canonicalize().map_err(|error| format!("{}: {error}", dir.display()))?;
        if dir.join(".config").exists() || dir.join("include/config").exists() {
            return Err(format!("{} has been built in; run make mrproper there", dir.display()).into());
        }
        return Ok(Source { version: version(&dir)?, dir });
    }
    let dir = cache.path("src").join(SOURCE_PACKAGE);
    if !dir.join("Makefile").exists() {
        or_missing(debian_source(cache, offline))?;
    }
    // A tree is known by where its source is, whatever links lead there.
    let dir = dir.canonicalize()?;
    Ok(Source { version: version(&dir)?, dir })
}

fn debian_source(cache: &Cache, offline: bool) -> Fallible<()> {
    let archive = new_suites(cache, offline)?;
    let mut versions = archive.versions(SOURCE_PACKAGE)?;
    if versions.is_empty() {
        archive.update()?;
        versions = archive.versions(SOURCE_PACKAGE)?;
    }
    let newest = versions.first().ok_or_else(|| {
        format!("Debian's archive has no {SOURCE_PACKAGE} any more; give --kernel-source DIR with a Linux {SERIES}")
    })?;
    let deb = archive.download(SOURCE_PACKAGE, newest)?;
    cache.record(SOURCE_PACKAGE, newest)?;
    unpack_source(cache, &deb)
}

fn new_suites(cache: &Cache, offline: bool) -> Fallible<Archive<'_>> {
    Archive::new(cache, &Sources { name: "new", suites: &NEW_SUITES, foreign: None, source: false }, offline)
}

/// The package holds a compressed tar.
fn unpack_source(cache: &Cache, deb: &Path) -> Fallible<()> {
    let dir = cache.dir("src")?;
    let scratch = tempfile::tempdir_in(&dir)?;
    unpack(deb, scratch.path())?;
    let tar = scratch.path().join("usr/src").join(format!("{SOURCE_PACKAGE}.tar.xz"));
    let out = Command::new("tar").arg("-C").arg(scratch.path()).arg("-xf").arg(&tar).output()?;
    if !out.status.success() {
        return Err(format!("tar -xf {}: {}", tar.display(), String::from_utf8_lossy(&out.stderr)).into());
    }
    std::fs::rename(scratch.path().join(SOURCE_PACKAGE), dir.join(SOURCE_PACKAGE))?;
    Ok(())
}

/// The version in a kernel's Makefile; refuses another series.
fn version(dir: &Path) -> Fallible<String> {
    let makefile = std::fs::read_to_string(dir.join("Makefile"))
        .map_err(|error| format!("{}: {error}", dir.join("Makefile").display()))?;
    let value = |key: &str| {
        makefile
            .lines()
            .filter_map(|line| line.split_once('='))
            .find_map(|(name, value)| (name.trim() == key).then(|| value.trim().to_owned()))
            .unwrap_or_default()
    };
    let series = format!("{}.{}", value("VERSION"), value("PATCHLEVEL"));
    if series == SERIES {
        Ok(format!("{series}.{}", value("SUBLEVEL")))
    } else {
        Err(format!("{} is Linux {series}; the edits are made for {SERIES}", dir.display()).into())
    }
}

/// The core library's source of exactly the compiler in use.
pub(crate) fn rust_library(cache: &Cache, offline: bool) -> Fallible<PathBuf> {
    let sysroot = output(Command::new("rustc").args(["--print", "sysroot"]))?;
    let component = Path::new(sysroot.trim()).join("lib/rustlib/src/rust/library");
    if component.join("core/src/lib.rs").exists() {
        return Ok(component);
    }
    let release = rustc_release()?;
    let at = cache.path("unpack/rust-src");
    let library = at.join(format!("usr/src/rustc-{release}/library"));
    if !library.join("core/src/lib.rs").exists() {
        or_missing(debian_library(cache, &release, &at, offline))?;
    }
    Ok(library)
}

fn debian_library(cache: &Cache, release: &str, at: &Path, offline: bool) -> Fallible<()> {
    let archive = new_suites(cache, offline)?;
    let found = |archive: &Archive<'_>| -> Fallible<Option<String>> {
        let versions = archive.versions("rust-src")?;
        Ok(versions.into_iter().find(|version| version.starts_with(&format!("{release}+"))))
    };
    let mut version = found(&archive)?;
    if version.is_none() {
        archive.update()?;
        version = found(&archive)?;
    }
    let version = version
        .ok_or_else(|| format!("Debian has no rust-src {release}; run: rustup component add rust-src"))?;
    unpack(&archive.download("rust-src", &version)?, at)?;
    cache.record("rust-src", &version)
}

fn rustc_release() -> Fallible<String> {
    let text = output(Command::new("rustc").arg("-vV"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("release: "));
    Ok(line.ok_or("rustc -vV says no release")?.to_owned())
}

/// Standard output of a command that must succeed.
pub(crate) fn output(command: &mut Command) -> Fallible<String> {
    let shown = command.get_program().to_string_lossy().into_owned();
    let out = command.output().map_err(|error| format!("{shown}: {error}"))?;
    if out.status.success() {
        Ok(String::from_utf8_lossy(&out.stdout).into_owned())
    } else {
        Err(format!("{shown}: {}", String::from_utf8_lossy(&out.stderr)).into())
    }
}

/// bindgen, built into the cache.
pub(crate) fn bindgen(ctx: &Context, cache: &Cache, offline: bool) -> Fallible<PathBuf> {
    let program = cache.path("tools/bin/bindgen");
    if !program.exists() {
        let log = cache.log("bindgen")?;
        let mut cargo = ctx.cargo();
        cargo.args(["install", "bindgen-cli", "--locked", "--root"]).arg(cache.dir("tools")?);
        cargo.env_remove("CARGO_TARGET_DIR");
        if offline {
            cargo.arg("--offline");
        }
        let run = process::run_to(&log, &mut cargo, LIMIT, &mut |_| ())?;
        if !run.ok() {
            let why = format!("cargo install bindgen-cli failed; log {}", log.display());
            return Err(Missing(why).into());
        }
    }
    cache.record("bindgen", output(Command::new(&program).arg("--version"))?.trim())?;
    Ok(program)
}

/// QEMU with its libraries and firmware, unpacked in the cache.
pub(crate) fn qemu(cache: &Cache, offline: bool) -> Fallible<PathBuf> {
    let at = cache.path("tools/qemu");
    if !at.join("usr/bin/qemu-system-ppc64").exists() {
        let suites = ["bookworm", QEMU_RELEASE];
        let sources = Sources { name: "qemu", suites: &suites, foreign: None, source: false };
        let packages = ["qemu-system-ppc", "qemu-system-data"];
        or_missing(installed(cache, &sources, (&packages, Some(QEMU_RELEASE)), &at, offline))?;
    }
    Ok(at)
}

/// Programs for the guest, with the libraries they need.
pub(crate) fn userland(cache: &Cache, offline: bool) -> Fallible<PathBuf> {
    let at = cache.path("tools/ppc64el");
    if !["bin/busybox", "usr/sbin/errinjct"].iter().all(|program| at.join(program).exists()) {
        let sources =
            Sources { name: "ppc64el", suites: &["bookworm"], foreign: Some("ppc64el"), source: false };
        or_missing(installed(cache, &sources, (&USERLAND, None), &at, offline))?;
    }
    Ok(at)
}

/// Fetches packages with all they need, and unpacks them.
pub(crate) fn installed(
    cache: &Cache,
    sources: &Sources<'_>,
    (packages, release): (&[&str], Option<&str>),
    at: &Path,
    offline: bool,
) -> Fallible<()> {
    let archive = Archive::new(cache, sources, offline)?;
    if archive.versions(packages[0])?.is_empty() {
        archive.update()?;
    }
    install(&archive.closure(packages, release)?, at)?;
    for package in packages {
        let versions = archive.versions(package)?;
        cache.record(package, versions.first().map_or("?", String::as_str))?;
    }
    Ok(())
}

/// Unpacks beside the place and renames, so that an interrupted run leaves nothing half there.
fn install(debs: &[PathBuf], at: &Path) -> Fallible<()> {
    let parent = at.parent().ok_or("no directory")?;
    std::fs::create_dir_all(parent)?;
    let scratch = tempfile::tempdir_in(parent)?;
    let whole = scratch.path().join("whole");
    for deb in debs {
        unpack(deb, &whole)?;
    }
    if at.exists() {
        std::fs::remove_dir_all(at)?;
    }
    std::fs::rename(whole, at)?;
    Ok(())
}

/// The environment and first arguments of every `make`.
pub(crate) fn make(tools: &Tools, tree: &Path, bindgen: &Path, library: &Path) -> Command {
    let mut command = Command::new("make");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut dirs: Vec<PathBuf> = bindgen.parent().map(Path::to_path_buf).into_iter().collect();
    dirs.extend(std::env::split_paths(&path));
    if let Ok(joined) = std::env::join_paths(dirs) {
        command.env("PATH", joined);
    }
    for inherited in ["MAKEFLAGS", "MAKELEVEL", "RUSTFLAGS", "CARGO_TARGET_DIR", "CARGO_ENCODED_RUSTFLAGS"] {
        command.env_remove(inherited);
    }
    command
        .current_dir(tree)
        .env("LIBCLANG_PATH", &tools.libclang)
        .env("RUST_LIB_SRC", library)
        .env("LC_ALL", "C")
        .arg(format!("LLVM={}", tools.llvm))
        .args([
            "ARCH=powerpc",
            "KBUILD_BUILD_TIMESTAMP=@0",
            "KBUILD_BUILD_USER=eeh",
            "KBUILD_BUILD_HOST=eeh",
        ]);
    command
}
