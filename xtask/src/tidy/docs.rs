// SPDX-License-Identifier: GPL-2.0-or-later
//! Documents name files and tests that exist.

use std::path::Path;

use crate::context::{Context, Fallible};
use crate::report::Findings;

pub(super) fn check(ctx: &Context) -> Fallible<Findings> {
    let mut findings = Findings::default();
    for file in ctx.files()? {
        if file.extension().is_none_or(|ext| ext != "md") {
            continue;
        }
        let Some(text) = ctx.read(&file)? else { continue };
        for name in quoted(&text) {
            if let Some((path, item)) = name.split_once(".rs::") {
                let path = format!("{path}.rs");
                let found = names_item(ctx, Path::new(&path), item);
                findings.check(found, || format!("{}: there is no {path}::{item}", file.display()));
            } else if looks_like_path(name) {
                let found = ctx.root.join(name).exists();
                findings.check(found, || format!("{}: there is no {name}", file.display()));
            }
        }
    }
    Ok(findings)
}

/// Text between single back quotes.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.starts_with("```")).flat_map(|line| line.split('`').skip(1).step_by(2))
}

fn looks_like_path(name: &str) -> bool {
    let ours = ["crates/", "docs/", "fixtures/", "benches/", "xtask/", ".ci/"]
        .iter()
        .any(|dir| name.starts_with(dir));
    ours && !name.contains([' ', '*', '<', '{'])
}

/// Words before the name of something that a file defines.
const DEFINES: [&str; 9] =
    ["fn", "struct", "enum", "trait", "type", "const", "static", "mod", "macro_rules!"];

fn names_item(ctx: &Context, path: &Path, item: &str) -> bool {
    let name = item.rsplit("::").next().unwrap_or(item);
    let text = ctx.read(path).ok().flatten().unwrap_or_default();
    DEFINES.iter().any(|word| defines(&text, word, name))
}

fn defines(text: &str, word: &str, name: &str) -> bool {
    text.match_indices(&format!("{word} {name}")).any(|(at, found)| {
        let after = text[at + found.len()..].chars().next();
        after.is_none_or(|c| !c.is_alphanumeric() && c != '_')
    })
}

#[cfg(test)]
mod tests {
    use super::{defines, looks_like_path, quoted};

    #[test]
    fn quoted_names_are_found() {
        assert_eq!(quoted("a `b` c `d`\n```\n").collect::<Vec<_>>(), ["b", "d"]);
    }

    #[test]
    fn only_whole_names_are_defined() {
        let text = "pub struct Walk<'r> {}\nfn step(&self) {}\nconst MOST: u8 = 1;";
        assert!(
            defines(text, "struct", "Walk") && defines(text, "fn", "step") && defines(text, "const", "MOST")
        );
        assert!(
            !defines(text, "struct", "Wal") && !defines(text, "fn", "ste") && !defines(text, "fn", "Walk")
        );
    }

    #[test]
    fn patterns_are_no_paths() {
        assert!(looks_like_path("docs/hazards.md"));
        assert!(!looks_like_path("crates/*/tests"));
        assert!(!looks_like_path("src/id.rs"));
    }
}
