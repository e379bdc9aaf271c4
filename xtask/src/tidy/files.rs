// SPDX-License-Identifier: GPL-2.0-or-later
//! Rules for each file by itself.

use std::path::Path;

use crate::context::{Context, Fallible};
use crate::report::Findings;

/// Lines that a source file may have.
const MAX_LINES: usize = 500;
const LICENCE: &str = "SPDX-License-Identifier: GPL-2.0-or-later";

pub(super) fn check(ctx: &Context) -> Fallible<Findings> {
    let mut findings = Findings::default();
    for file in ctx.files()? {
        let Some(text) = ctx.read(&file)? else { continue };
        let shown = file.display();
        let rust = file.extension().is_some_and(|ext| ext == "rs");
        if rust || has_comments(&file) {
            let head: Vec<&str> = text.lines().take(2).collect();
            findings.check(head.iter().any(|line| line.contains(LICENCE)), || {
                format!("{shown}: no line {LICENCE}")
            });
        }
        if rust {
            let lines = text.lines().count();
            findings.check(lines <= MAX_LINES, || format!("{shown}: {lines} lines, more than {MAX_LINES}"));
            for (marker, what) in markers() {
                findings.check(!text.contains(&marker), || format!("{shown}: {what} ({marker})"));
            }
        }
        if !file.starts_with("fixtures") && file.extension().is_none_or(|ext| ext != "lock") {
            findings.check(machine_path(&text).is_none(), || {
                format!("{shown}: a path of somebody's machine: {}", machine_path(&text).unwrap_or_default())
            });
        }
    }
    Ok(findings)
}

fn has_comments(file: &Path) -> bool {
    file.extension().is_some_and(|ext| ext == "toml" || ext == "sh") || file.starts_with(".ci")
}

/// Put together here, so that this file does not hold them.
fn markers() -> [(String, &'static str); 4] {
    [
        (["TO", "DO"].concat(), "a left-over"),
        (["FIX", "ME"].concat(), "a left-over"),
        (["#[ign", "ore"].concat(), "a test that does not run"),
        (["To be ", "filled"].concat(), "a stub"),
    ]
}

/// A directory name that only one machine has, with a letter behind it.
fn machine_path(text: &str) -> Option<String> {
    for root in ["work", "home", "root", "farm", "var/tmp"] {
        let prefix = format!("/{root}/");
        for (at, _) in text.match_indices(&prefix) {
            let before = text[..at].chars().next_back();
            let after = text[at + prefix.len()..].chars().next();
            let own_start = before.is_none_or(|c| !c.is_alphanumeric() && !"._-/}".contains(c));
            if own_start && after.is_some_and(|c| c.is_ascii_lowercase()) {
                return Some(text[at..].chars().take(40).collect());
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::machine_path;

    #[test]
    fn a_path_of_a_machine_is_told_from_part_of_another_path() {
        assert!(machine_path(&["see /wo", "rk/shared"].concat()).is_some());
        assert!(machine_path("a/work/shared").is_none());
        assert!(machine_path("/work/<name>").is_none());
    }
}
