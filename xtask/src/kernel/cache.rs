// SPDX-License-Identifier: GPL-2.0-or-later
//! The directory outside the repository in which everything fetched and built is kept.

use std::fs::File;
use std::path::{Path, PathBuf};

use crate::context::Fallible;

/// `$EEH_CACHE`, or `eeh-kernel` in the user's cache directory.
///
/// | path | what |
/// |---|---|
/// | `apt/NAME` | private apt configurations: lists, downloaded packages |
/// | `src/` | the kernel source as fetched; build trees are hard links to it |
/// | `tools/` | what runs on this machine or in the guest, unpacked |
/// | `build/VARIANT-CONFIG` | a kernel tree: source, edits, objects |
/// | `log/` | one log per step |
/// | `versions.txt` | what was fetched |
/// | `lock` | held by the one command that uses it |
pub(crate) struct Cache {
    root: PathBuf,
    /// Held while the command runs: two in one cache would build in one tree.
    _lock: File,
}

impl Cache {
    /// Finds or makes it.
    pub(crate) fn open() -> Fallible<Self> {
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let root = set("EEH_CACHE")
            .or_else(|| set("XDG_CACHE_HOME").map(|dir| dir.join("eeh-kernel")))
            .or_else(|| set("HOME").map(|dir| dir.join(".cache/eeh-kernel")))
            .ok_or("no cache directory: set EEH_CACHE")?;
        std::fs::create_dir_all(&root)?;
        let lock = File::create(root.join("lock"))?;
        if lock.try_lock().is_err() {
            println!("another cargo xtask kernel uses {}: waiting for it", root.display());
            lock.lock()?;
        }
        Ok(Self { root: root.canonicalize()?, _lock: lock })
    }

    /// A path in it.
    pub(crate) fn path(&self, relative: impl AsRef<Path>) -> PathBuf {
        self.root.join(relative)
    }

    /// A directory in it, made if missing.
    pub(crate) fn dir(&self, relative: impl AsRef<Path>) -> Fallible<PathBuf> {
        let dir = self.path(relative);
        std::fs::create_dir_all(&dir)?;
        Ok(dir)
    }

    /// The log of a step.
    pub(crate) fn log(&self, step: &str) -> Fallible<PathBuf> {
        Ok(self.dir("log")?.join(format!("{step}.log")))
    }

    /// Notes which version of a thing is in use.
    pub(crate) fn record(&self, thing: &str, version: &str) -> Fallible<()> {
        let path = self.path("versions.txt");
        let old = std::fs::read_to_string(&path).unwrap_or_default();
        let mut lines: Vec<String> = old
            .lines()
            .filter(|line| line.split_whitespace().next() != Some(thing))
            .map(str::to_owned)
            .collect();
        lines.push(format!("{thing} {version}"));
        lines.sort();
        write_if_changed(&path, (lines.join("\n") + "\n").as_bytes())?;
        Ok(())
    }
}

/// Writes a file as a new inode, never into one that something else may be linked to, and only when
/// the text differs, so that times say what changed. Answers whether it wrote.
pub(crate) fn write_if_changed(path: &Path, data: &[u8]) -> Fallible<bool> {
    if std::fs::read(path).is_ok_and(|old| old == data) {
        return Ok(false);
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let new = path.with_file_name(format!(".{name}.new"));
    let dir = path.parent().ok_or("no directory")?;
    std::fs::create_dir_all(dir)?;
    std::fs::write(&new, data).map_err(|error| format!("{}: {error}", new.display()))?;
    std::fs::rename(&new, path)?;
    Ok(true)
}
