// SPDX-License-Identifier: GPL-2.0-or-later
//! The project's edits of the kernel tree: each names lines that must be there exactly once.
//!
//! Applied to the file as fetched, never to an edited one, so that applying twice is the same as once. A
//! tree that does not match is refused before anything of it is changed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::cache::write_if_changed;
use crate::context::Fallible;

/// Which files of a build tree differ from the source.
const LIST: &str = ".eeh-edited";

/// One TOML file: edits of one file of the kernel.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EditFile {
    /// Path in the kernel tree.
    file: PathBuf,
    /// What the file's SPDX line must say: the edit stands under the same.
    license: Option<String>,
    /// Only in builds with this configuration.
    config: Option<String>,
    /// What the edits are for.
    #[serde(rename = "why")]
    _why: Option<String>,
    edit: Vec<Edit>,
}

/// One change: `replace`, or `before` or `after` or both.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Edit {
    /// Text that the file has exactly once.
    find: String,
    /// What stands there instead.
    replace: Option<String>,
    /// What stands before it.
    before: Option<String>,
    /// What stands behind it.
    after: Option<String>,
}

/// The edited files, by path in the tree.
pub(crate) type Edited = BTreeMap<PathBuf, String>;

/// Applies the `*.toml` of `dirs`, in order of their names, to the files of `source`.
pub(crate) fn plan(source: &Path, dirs: &[PathBuf], config: &str) -> Fallible<Edited> {
    let mut edited = Edited::new();
    let mut refused = Vec::new();
    for dir in dirs {
        for path in tomls(dir)? {
            let shown = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let text = std::fs::read_to_string(&path)?;
            let edits: EditFile = toml::from_str(&text).map_err(|error| format!("{shown}: {error}"))?;
            if edits.config.as_ref().is_some_and(|only| only != config) {
                continue;
            }
            let old = match edited.get(&edits.file) {
                Some(text) => text.clone(),
                None => match std::fs::read_to_string(source.join(&edits.file)) {
                    Ok(text) => text,
                    Err(error) => {
                        refused.push(format!("{shown}: {}: {error}", edits.file.display()));
                        continue;
                    }
                },
            };
            match apply(&old, &edits) {
                Ok(new) => drop(edited.insert(edits.file, new)),
                Err(why) => refused.push(format!("{shown}: {}: {why}", edits.file.display())),
            }
        }
    }
    if refused.is_empty() {
        return Ok(edited);
    }
    Err(format!(
        "this kernel source is not one that the edits are made for; nothing was changed:\n  {}",
        refused.join("\n  ")
    )
    .into())
}

fn tomls(dir: &Path) -> Fallible<Vec<PathBuf>> {
    if !dir.is_dir() {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.extension().is_some_and(|ext| ext == "toml") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn apply(old: &str, edits: &EditFile) -> Result<String, String> {
    if let Some(license) = &edits.license
        && !old.lines().take(3).any(|line| line.contains("SPDX-License-Identifier") && line.contains(license))
    {
        return Err(format!("its licence is not {license}"));
    }
    edits.edit.iter().enumerate().try_fold(old.to_owned(), |text, (at, edit)| {
        change(&text, edit).map_err(|why| format!("edit {}: {why}", at + 1))
    })
}

fn change(text: &str, edit: &Edit) -> Result<String, String> {
    let find = edit.find.as_str();
    let first = find.lines().find(|line| !line.trim().is_empty()).unwrap_or_default().trim();
    match text.matches(find).count() {
        1 => {}
        0 => {
            let near = text.lines().position(|line| !first.is_empty() && line.contains(first));
            let near = near.map_or_else(String::new, |line| {
                format!(" (its first line is there in line {}, what follows differs)", line + 1)
            });
            return Err(format!("the tree has no text {first:?} as the edit expects it{near}"));
        }
        count => return Err(format!("the tree has {first:?} {count} times, not once")),
    }
    let new = match (&edit.replace, &edit.before, &edit.after) {
        (Some(new), None, None) => new.clone(),
        (None, before, after) if before.is_some() || after.is_some() => {
            let text = |of: &Option<String>| of.clone().unwrap_or_default();
            format!("{}{find}{}", text(before), text(after))
        }
        _ => return Err("wants either replace, or before or after".to_owned()),
    };
    Ok(text.replacen(find, &new, 1))
}

/// Brings a build tree to `edited`: writes what changed, and restores what is no longer edited.
pub(crate) fn install(source: &Path, tree: &Path, edited: &Edited) -> Fallible<usize> {
    let mut written = 0;
    let before = std::fs::read_to_string(tree.join(LIST)).unwrap_or_default();
    for path in before.lines().map(Path::new).filter(|path| !edited.contains_key(*path)) {
        let original = std::fs::read(source.join(path))?;
        written += usize::from(write_if_changed(&tree.join(path), &original)?);
    }
    let list: String = edited.keys().map(|path| format!("{}\n", path.display())).collect();
    // First the list: what is interrupted here is restored or written again.
    std::fs::write(tree.join(LIST), format!("{before}{list}"))?;
    for (path, text) in edited {
        written += usize::from(write_if_changed(&tree.join(path), text.as_bytes())?);
    }
    std::fs::write(tree.join(LIST), list)?;
    Ok(written)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edit(find: &str, replace: &str) -> Edit {
        Edit { find: find.to_owned(), replace: Some(replace.to_owned()), before: None, after: None }
    }

    #[test]
    fn an_anchor_must_be_there_once() {
        assert_eq!(change("a b c", &edit("b", "x")).as_deref(), Ok("a x c"));
        assert!(change("a b b", &edit("b", "x")).is_err_and(|why| why.contains("2 times")));
        assert!(change("a c", &edit("b", "x")).is_err_and(|why| why.contains("no text")));
    }

    #[test]
    fn text_goes_before_or_behind_an_anchor() {
        let before = Edit { before: Some("1".into()), replace: None, ..edit("b", "") };
        let after = Edit { after: Some("2".into()), replace: None, ..edit("b", "") };
        assert_eq!(change("abc", &before).as_deref(), Ok("a1bc"));
        assert_eq!(change("abc", &after).as_deref(), Ok("ab2c"));
        let both = Edit { before: Some("1".into()), ..after };
        assert_eq!(change("abc", &both).as_deref(), Ok("a1b2c"));
        assert!(change("abc", &Edit { after: Some("2".into()), ..edit("b", "x") }).is_err());
        assert!(change("abc", &Edit { replace: None, ..edit("b", "") }).is_err());
    }

    #[test]
    fn a_tree_that_does_not_match_is_left_alone_and_one_no_longer_edited_is_restored() -> Fallible<()> {
        let dir = tempfile::tempdir()?;
        let (source, tree, edits) = (dir.path().join("s"), dir.path().join("t"), dir.path().join("e"));
        for made in [&source, &tree, &edits] {
            std::fs::create_dir(made)?;
        }
        std::fs::write(source.join("Kbuild"), "# SPDX-License-Identifier: GPL-2.0\nobj-y += a/\n")?;
        std::fs::hard_link(source.join("Kbuild"), tree.join("Kbuild"))?;
        let text = "file = \"Kbuild\"\nlicense = \"GPL-2.0\"\n[[edit]]\nfind = \"a/\"\nafter = \" b/\"\n";
        std::fs::write(edits.join("10-a.toml"), text)?;
        let dirs = [edits.clone()];
        for _ in 0..2 {
            install(&source, &tree, &plan(&source, &dirs, "speed")?)?;
            assert!(std::fs::read_to_string(tree.join("Kbuild"))?.ends_with("obj-y += a/ b/\n"));
            assert!(std::fs::read_to_string(source.join("Kbuild"))?.ends_with("obj-y += a/\n"));
        }
        std::fs::write(edits.join("20-b.toml"), text.replace("\"a/\"", "\"c/\""))?;
        assert!(plan(&source, &dirs, "speed").is_err_and(|why| why.to_string().contains("20-b.toml")));
        std::fs::write(edits.join("20-b.toml"), text.replace("GPL-2.0", "MIT"))?;
        assert!(plan(&source, &dirs, "speed").is_err());
        std::fs::write(edits.join("20-b.toml"), format!("config = \"check\"\n{}", text.replace("a/", "c/")))?;
        assert!(plan(&source, &dirs, "speed").is_ok());
        install(&source, &tree, &Edited::new())?;
        assert!(std::fs::read_to_string(tree.join("Kbuild"))?.ends_with("obj-y += a/\n"));
        Ok(())
    }
}
