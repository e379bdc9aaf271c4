// SPDX-License-Identifier: GPL-2.0-or-later
//! QEMU's source with the patches.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::Options;
use crate::context::{Context, Fallible};
use crate::kernel::apt::{Archive, Sources};
use crate::kernel::cache::Cache;
use crate::kernel::fetch::Missing;

/// The series that the patches are made for; the first of the suites that has it wins.
const SERIES: &str = "10.0.";
const SUITES: [&str; 2] = ["bookworm-backports", "trixie"];
/// Holds what the tree was made of.
const STAMP: &str = ".made-of";

/// The patched tree.
pub(super) struct Tree {
    pub(super) dir: PathBuf,
    /// As QEMU says.
    pub(super) version: String,
    /// Archive and patches: what a build is a build of.
    pub(super) made_of: String,
}

/// The patches in order.
fn patches(ctx: &Context) -> Fallible<Vec<PathBuf>> {
    let dir = ctx.root.join("qemu/patches");
    let mut found = Vec::new();
    for entry in std::fs::read_dir(&dir).map_err(|error| format!("{}: {error}", dir.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|ext| ext == "patch") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Text that differs whenever a patch does.
pub(super) fn of_patches(ctx: &Context) -> Fallible<String> {
    let mut text = String::new();
    for patch in patches(ctx)? {
        text += &std::fs::read_to_string(patch)?;
    }
    Ok(text)
}

/// Unpacks and patches, unless that has been done with these patches.
pub(super) fn prepare(ctx: &Context, cache: &Cache, options: &Options) -> Fallible<Result<Tree, Missing>> {
    let archive = match archive(cache, options)? {
        Ok(archive) => archive,
        Err(missing) => return Ok(Err(missing)),
    };
    let dir = cache.path("qemu/src");
    let made_of = format!("{}\n{}", archive.display(), of_patches(ctx)?);
    if std::fs::read_to_string(dir.join(STAMP)).is_ok_and(|old| old == made_of) {
        return Ok(Ok(Tree { version: version(&dir)?, dir, made_of }));
    }
    let scratch = tempfile::tempdir_in(cache.dir("qemu")?)?;
    run(Command::new("tar")
        .args(["--strip-components=1", "-xf"])
        .arg(&archive)
        .arg("-C")
        .arg(scratch.path()))?;
    let version = version(scratch.path())?;
    for patch in patches(ctx)? {
        let mut command = Command::new("patch");
        command.args(["-p1", "-s", "-N", "--no-backup-if-mismatch", "-d"]).arg(scratch.path());
        run(command.arg("-i").arg(&patch))
            .map_err(|error| format!("{} does not apply to QEMU {version}: {error}", patch.display()))?;
    }
    // What is the same stays as old as it is, so that ninja builds only what is not.
    let _ = std::fs::remove_file(dir.join(STAMP));
    update(scratch.path(), &dir)?;
    std::fs::write(dir.join(STAMP), &made_of)?;
    Ok(Ok(Tree { dir, version, made_of }))
}

/// The source archive: the user's, the cache's, or Debian's.
fn archive(cache: &Cache, options: &Options) -> Fallible<Result<PathBuf, Missing>> {
    if let Some(own) = &options.source {
        return Ok(Ok(own.canonicalize().map_err(|error| format!("{}: {error}", own.display()))?));
    }
    let dir = cache.dir("qemu")?;
    if let Some(cached) = tarball(&dir)? {
        return Ok(Ok(cached));
    }
    let sources = Sources { name: "qemu-source", suites: &SUITES, foreign: None, source: true };
    let debian = Archive::new(cache, &sources, options.offline)?;
    if options.offline {
        return Ok(Err(Missing("QEMU's source is not in the cache, and --offline".into())));
    }
    debian.update()?;
    let versions = debian.source_versions("qemu")?;
    let mut of_series: Vec<(u32, &String)> =
        versions.iter().filter_map(|version| Some((point_release(version)?, version))).collect();
    // The oldest is what the patches were made against.
    of_series.sort();
    for (_, version) in of_series {
        debian.tarball(&format!("qemu={version}"), &dir)?;
        if let Some(fetched) = tarball(&dir)? {
            return Ok(Ok(fetched));
        }
    }
    Ok(Err(Missing(format!("Debian's archive has no source of QEMU {SERIES}x any more; give --source TAR"))))
}

/// The 2 of Debian's `1:10.0.2+ds-2`; nothing of another series.
fn point_release(version: &str) -> Option<u32> {
    let upstream = version.split_once(':').map_or(version, |(_, upstream)| upstream);
    let rest = upstream.strip_prefix(SERIES)?;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

fn tarball(dir: &Path) -> Fallible<Option<PathBuf>> {
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with(&format!("qemu_{SERIES}")) && name.ends_with(".orig.tar.xz") {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

/// As the tree says; refuses another series.
fn version(tree: &Path) -> Fallible<String> {
    let file = tree.join("VERSION");
    let text = std::fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
    let version = text.trim();
    if version.starts_with(SERIES) {
        Ok(version.to_owned())
    } else {
        Err(format!("{} is QEMU {version}; the patches are made for {SERIES}x", tree.display()).into())
    }
}

fn run(command: &mut Command) -> Fallible<()> {
    let shown = command.get_program().to_string_lossy().into_owned();
    let out = command.output().map_err(|error| format!("{shown}: {error}"))?;
    if out.status.success() {
        return Ok(());
    }
    let said = format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    Err(format!("{shown}: {}", crate::process::tail(&said, 10)).into())
}

/// Makes `to` the same as `from`; leaves alone what is the same already.
fn update(from: &Path, to: &Path) -> Fallible<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(to)? {
        let old = entry?;
        if from.join(old.file_name()).symlink_metadata().is_err() {
            if old.file_type()?.is_dir() {
                std::fs::remove_dir_all(old.path())?;
            } else {
                std::fs::remove_file(old.path())?;
            }
        }
    }
    for entry in std::fs::read_dir(from)? {
        let new = entry?;
        let (source, target) = (new.path(), to.join(new.file_name()));
        if new.file_type()?.is_dir() {
            update(&source, &target)?;
        } else if new.file_type()?.is_symlink() {
            let link = std::fs::read_link(&source)?;
            if std::fs::read_link(&target).is_ok_and(|old| old == link) {
                continue;
            }
            let _ = std::fs::remove_file(&target);
            std::os::unix::fs::symlink(link, &target)?;
        } else if !std::fs::read(&target).is_ok_and(|old| std::fs::read(&source).is_ok_and(|new| new == old))
        {
            std::fs::copy(&source, &target)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{point_release, update};

    #[test]
    fn a_point_release_is_a_number() {
        assert_eq!(point_release("1:10.0.2+ds-2+deb13u1~bpo12+1"), Some(2));
        assert_eq!(point_release("1:10.0.13+ds-0+deb13u1"), Some(13));
        assert_eq!(point_release("1:7.2+dfsg-7"), None);
    }

    #[test]
    fn only_what_differs_is_written() {
        let dir = tempfile::tempdir().expect("a directory");
        let (new, old) = (dir.path().join("new"), dir.path().join("old"));
        for (tree, text) in [(&new, "2"), (&old, "1")] {
            std::fs::create_dir_all(tree.join("sub")).expect("a tree");
            std::fs::write(tree.join("sub/same"), "same").expect("a file");
            std::fs::write(tree.join("sub/differs"), text).expect("a file");
        }
        std::fs::write(old.join("gone"), "").expect("a file");
        let before = std::fs::metadata(old.join("sub/same")).expect("it").modified().expect("a time");
        update(&new, &old).expect("the update");
        let after = std::fs::metadata(old.join("sub/same")).expect("it").modified().expect("a time");
        assert_eq!(before, after);
        assert_eq!(std::fs::read_to_string(old.join("sub/differs")).expect("it"), "2");
        assert!(!old.join("gone").exists());
    }
}
