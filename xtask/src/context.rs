// SPDX-License-Identifier: GPL-2.0-or-later
//! Where the workspace is and what cargo knows about it.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Errors are text for the person at the terminal; nothing here handles them.
pub(crate) type Fallible<T> = Result<T, Box<dyn core::error::Error>>;

/// The crates that are compiled into a kernel.
pub(crate) const SHIPPING: [&str; 4] = ["eeh-pe", "eeh-recovery", "eeh-powernv", "eeh-pseries"];

/// The workspace, as cargo describes it.
pub(crate) struct Context {
    /// Directory of the workspace's `Cargo.toml`.
    pub(crate) root: PathBuf,
    /// Cargo's target directory; every other build directory is below it.
    pub(crate) target: PathBuf,
    /// The cargo that runs us.
    pub(crate) cargo: PathBuf,
    /// `cargo metadata --no-deps`.
    pub(crate) metadata: Value,
}

/// One member of the workspace.
pub(crate) struct Member<'a> {
    /// Package name.
    pub(crate) name: &'a str,
    /// Directory of its `Cargo.toml`.
    pub(crate) dir: PathBuf,
    /// Its entry of the metadata.
    pub(crate) package: &'a Value,
}

impl Context {
    /// Asks cargo.
    pub(crate) fn new() -> Fallible<Self> {
        let cargo = PathBuf::from(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let out = Command::new(&cargo)
            .args(["metadata", "--no-deps", "--format-version=1"])
            .current_dir(here)
            .output()?;
        if !out.status.success() {
            return Err(format!("cargo metadata: {}", String::from_utf8_lossy(&out.stderr)).into());
        }
        let metadata: Value = serde_json::from_slice(&out.stdout)?;
        let dir = |key: &str| -> Fallible<PathBuf> {
            let text = metadata[key].as_str().ok_or_else(|| format!("cargo metadata has no {key}"))?;
            Ok(PathBuf::from(text))
        };
        Ok(Self { root: dir("workspace_root")?, target: dir("target_directory")?, cargo, metadata })
    }

    /// A cargo command in the workspace's root, free of what the outer cargo put into the environment.
    pub(crate) fn cargo(&self) -> Command {
        self.like_cargo(&self.cargo)
    }

    /// Another program, run like cargo.
    pub(crate) fn like_cargo(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.root).env("CARGO_TERM_COLOR", "never").env("RUST_BACKTRACE", "0");
        for inherited in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "RUSTC_WORKSPACE_WRAPPER"] {
            command.env_remove(inherited);
        }
        command
    }

    /// The members, by name.
    pub(crate) fn members(&self) -> Vec<Member<'_>> {
        let packages = self.metadata["packages"].as_array().map(Vec::as_slice).unwrap_or_default();
        let mut members: Vec<_> = packages
            .iter()
            .filter_map(|package| {
                let manifest = Path::new(package["manifest_path"].as_str()?);
                Some(Member {
                    name: package["name"].as_str()?,
                    dir: manifest.parent()?.to_path_buf(),
                    package,
                })
            })
            .collect();
        members.sort_by_key(|member| member.name);
        members
    }

    /// The member that `path` (relative to the root) belongs to.
    pub(crate) fn member_of(&self, path: &Path) -> Option<String> {
        let full = self.root.join(path);
        self.members()
            .iter()
            .find(|member| full.starts_with(&member.dir))
            .map(|member| member.name.to_owned())
    }

    /// Files that git tracks or would track, relative to the root; all files when there is no git.
    pub(crate) fn files(&self) -> Fallible<Vec<PathBuf>> {
        let listed = Command::new("git")
            .args(["ls-files", "--cached", "--others", "--exclude-standard"])
            .current_dir(&self.root)
            .output();
        let mut files: Vec<PathBuf> = match listed {
            Ok(out) if out.status.success() => {
                String::from_utf8(out.stdout)?.lines().map(PathBuf::from).collect()
            }
            Ok(_) | Err(_) => walk(&self.root)?,
        };
        files.retain(|file| self.root.join(file).is_file());
        files.sort();
        files.dedup();
        Ok(files)
    }

    /// Text of a file below the root; `None` for what is not UTF-8.
    pub(crate) fn read(&self, path: &Path) -> Fallible<Option<String>> {
        Ok(String::from_utf8(std::fs::read(self.root.join(path))?).ok())
    }
}

/// All files below `root` but build products and hidden directories other than ours.
fn walk(root: &Path) -> Fallible<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut open = vec![root.to_path_buf()];
    while let Some(dir) = open.pop() {
        for entry in std::fs::read_dir(&dir)? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_dir() {
                if name != "target" && name != ".git" {
                    open.push(path);
                }
            } else if let Ok(relative) = path.strip_prefix(root) {
                found.push(relative.to_path_buf());
            }
        }
    }
    Ok(found)
}

/// How many things to run at once.
pub(crate) fn cpus() -> usize {
    std::thread::available_parallelism().map_or(1, core::num::NonZero::get)
}
