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
                let found = names_function(ctx, Path::new(&path), item);
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

fn names_function(ctx: &Context, path: &Path, item: &str) -> bool {
    let function = item.rsplit("::").next().unwrap_or(item);
    let text = ctx.read(path).ok().flatten().unwrap_or_default();
    text.contains(&format!("fn {function}(")) || text.contains(&format!("fn {function}<"))
}

#[cfg(test)]
mod tests {
    use super::{looks_like_path, quoted};

    #[test]
    fn quoted_names_are_found() {
        assert_eq!(quoted("a `b` c `d`\n```\n").collect::<Vec<_>>(), ["b", "d"]);
    }

    #[test]
    fn patterns_are_no_paths() {
        assert!(looks_like_path("docs/hazards.md"));
        assert!(!looks_like_path("crates/*/tests"));
        assert!(!looks_like_path("src/id.rs"));
    }
}
