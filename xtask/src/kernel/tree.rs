// SPDX-License-Identifier: GPL-2.0-or-later
//! A build tree: the source as hard links, the edits, and the project's crates beside the kernel's code.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::cache::{Cache, write_if_changed};
use super::edits;
use super::fetch::Source;
use super::workspace;
use super::{Config, Variant};
use crate::context::{Context, Fallible};

/// Where the project stands in a kernel tree.
pub(crate) const PLACE: &str = "arch/powerpc/eeh-rs";
/// Where the code that counts instructions stands in one, with the speed configuration.
const COUNT_PLACE: &str = "arch/powerpc/eeh-count";
/// The kernel parameter that makes it count: a device.
pub(crate) const COUNT_PARAMETER: &str = "eeh_count";
/// Which source a tree was made from; written last.
const STAMP: &str = ".eeh-source";

/// A kernel tree in the cache, built in place.
pub(crate) struct Tree {
    /// Its directory.
    pub(crate) dir: PathBuf,
    /// How many files the preparation wrote: 0 when all was as before.
    pub(crate) written: usize,
}

/// Makes the tree or brings it up to date.
pub(crate) fn prepare(
    ctx: &Context,
    cache: &Cache,
    source: &Source,
    (variant, config): (Variant, Config),
    offline: bool,
) -> Fallible<Tree> {
    let mut dirs = vec![ctx.root.join("kernel/edits")];
    if variant == Variant::Rust {
        dirs.push(ctx.root.join("crates/kernel-shim/linux/edits"));
    }
    // Before anything is changed: a tree that does not match is refused.
    let edited = edits::plan(&source.dir, &dirs, config.name())?;
    let dir = cache.dir("build")?.join(format!("{}-{}", variant.name(), config.name()));
    link(source, &dir)?;
    let mut written = edits::install(&source.dir, &dir, &edited)?;
    if config == Config::Speed {
        written += mirror(&ctx.root.join("kernel/count"), &dir.join(COUNT_PLACE), &[])?;
    }
    if variant == Variant::Rust {
        let place = dir.join(PLACE);
        written += mirror(&ctx.root.join("crates/kernel-shim/linux/eeh-rs"), &place, &workspace::OWN)?;
        written += workspace::install(ctx, cache, &place, offline)?;
    }
    Ok(Tree { dir, written })
}

/// A tree to compare what the C files become: as fetched, or with the edits and Kbuild's files of ours.
pub(crate) fn plain(ctx: &Context, cache: &Cache, source: &Source, edit: bool) -> Fallible<Tree> {
    let linux = ctx.root.join("crates/kernel-shim/linux");
    let dirs: &[PathBuf] = if edit { &[linux.join("edits")] } else { &[] };
    let edited = edits::plan(&source.dir, dirs, Config::Speed.name())?;
    let dir = cache.dir("build")?.join(if edit { "plain-edited" } else { "plain" });
    link(source, &dir)?;
    let mut written = edits::install(&source.dir, &dir, &edited)?;
    if edit {
        written += mirror(&linux.join("eeh-rs"), &dir.join(PLACE), &[])?;
    }
    Ok(Tree { dir, written })
}

/// A copy of the source that shares its files.
fn link(source: &Source, dir: &Path) -> Fallible<()> {
    let wanted = format!("{} {}\n", source.version, source.dir.display());
    let found = std::fs::read_to_string(dir.join(STAMP)).unwrap_or_default();
    if found == wanted {
        return Ok(());
    }
    if dir.exists() {
        std::fs::remove_dir_all(dir)?;
    }
    let new = dir.with_extension("new");
    if new.exists() {
        std::fs::remove_dir_all(&new)?;
    }
    let copied = |how: &str| -> Fallible<bool> {
        Ok(Command::new("cp").arg(how).arg(&source.dir).arg(&new).output()?.status.success())
    };
    if !copied("-al")? {
        // Another file system.
        let _ = std::fs::remove_dir_all(&new);
        if !copied("-a")? {
            return Err(format!("cannot copy {} to {}", source.dir.display(), new.display()).into());
        }
    }
    std::fs::write(new.join(STAMP), wanted)?;
    std::fs::rename(&new, dir)?;
    Ok(())
}

/// Makes `to` hold the files of `from`, and no others than the entries `keep`; what is the same stays
/// untouched. Answers how many files it wrote or removed.
pub(crate) fn mirror(from: &Path, to: &Path, keep: &[&str]) -> Fallible<usize> {
    std::fs::create_dir_all(to)?;
    let mut written = 0;
    let mut names = BTreeSet::new();
    for entry in std::fs::read_dir(from).map_err(|error| format!("{}: {error}", from.display()))? {
        let entry = entry?;
        let (path, name) = (entry.path(), entry.file_name());
        if path.is_dir() {
            written += mirror(&path, &to.join(&name), &[])?;
        } else {
            written += usize::from(write_if_changed(&to.join(&name), &std::fs::read(&path)?)?);
        }
        names.insert(name);
    }
    for entry in std::fs::read_dir(to)? {
        let entry = entry?;
        let name = entry.file_name();
        let shown = name.to_string_lossy();
        if names.contains(&name) || keep.contains(&shown.as_ref()) || is_product(&shown) {
            continue;
        }
        written += 1;
        if entry.path().is_dir() {
            std::fs::remove_dir_all(entry.path())?;
        } else {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(written)
}

/// What Kbuild puts beside sources.
fn is_product(name: &str) -> bool {
    name.starts_with('.')
        || [".o", ".a", ".order", ".mod", "bindings_generated.rs"].iter().any(|end| name.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::mirror;
    use crate::context::Fallible;

    #[test]
    fn a_mirror_writes_what_differs_and_removes_what_is_gone() -> Fallible<()> {
        let dir = tempfile::tempdir()?;
        let (from, to) = (dir.path().join("a"), dir.path().join("b"));
        std::fs::create_dir_all(from.join("src"))?;
        std::fs::write(from.join("src/one.rs"), "1")?;
        std::fs::write(from.join("src/two.rs"), "2")?;
        assert_eq!(mirror(&from, &to, &["vendor"])?, 2);
        for made in ["vendor/x", "src/one.o"] {
            std::fs::create_dir_all(to.join("vendor"))?;
            std::fs::write(to.join(made), "")?;
        }
        assert_eq!(mirror(&from, &to, &["vendor"])?, 0);
        std::fs::remove_file(from.join("src/two.rs"))?;
        std::fs::write(from.join("src/one.rs"), "3")?;
        assert_eq!(mirror(&from, &to, &["vendor"])?, 2);
        assert!(to.join("vendor/x").exists() && to.join("src/one.o").exists());
        assert!(!to.join("src/two.rs").exists());
        Ok(())
    }
}
