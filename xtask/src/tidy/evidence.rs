// SPDX-License-Identifier: GPL-2.0-or-later
//! Each row of the protocol and each hazard names what shows it, and that exists.

use std::path::{Path, PathBuf};

use crate::context::{Context, Fallible};
use crate::mutants::{self, Mutant};
use crate::report::Findings;

const PROTOCOL: &str = "docs/protocol.md";
const HAZARDS: &str = "docs/hazards.md";
/// The hazards are numbered 5.1 to 5.19.
const LAST_HAZARD: usize = 19;

/// What a cell may name.
struct Known {
    files: Vec<PathBuf>,
    cases: String,
    shapes: String,
}

pub(super) fn check(ctx: &Context) -> Fallible<Findings> {
    let mut findings = Findings::default();
    let text = |path: &str| -> Fallible<String> { Ok(ctx.read(Path::new(path))?.unwrap_or_default()) };
    let known = Known {
        files: ctx.files()?,
        cases: text("xtask/src/kernel/cases/mod.rs")?,
        shapes: text("docs/design/0012-power.md")?,
    };
    let (protocol, hazards) = (text(PROTOCOL)?, text(HAZARDS)?);
    for row in rows(&protocol, |header| header.last().is_some_and(|cell| cell.starts_with("test"))) {
        let cell = row.last().copied().unwrap_or_default();
        if let Err(missing) = evidence(ctx, &known, cell) {
            findings.failures.push(format!("{PROTOCOL}: {missing}: {}", row.join(" | ")));
        } else {
            findings.passed += 1;
        }
    }
    let promised = mutants::promised(ctx)?;
    for file in known.files.iter().filter(|file| file.starts_with("crates") && mutants::is_model(file)) {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let named = protocol.contains(&format!("`{name}`"));
        findings.check(named, || format!("{PROTOCOL} does not name the model {name}"));
        let promises = promised.iter().any(|mutant| mutant.file == *file);
        findings.check(promises, || format!("{name}: promises to notice no mutant"));
    }
    let rows = rows(&hazards, |header| header.last() == Some(&"switch"));
    findings.check(rows.len() == LAST_HAZARD, || format!("{HAZARDS}: {} rows", rows.len()));
    for (nth, row) in (1..).zip(&rows) {
        let whole = is_hazard(&promised, nth, row);
        findings.check(whole, || format!("{HAZARDS}: no test that notices its switch: {}", row.join(" | ")));
    }
    Ok(findings)
}

/// The rows of all tables whose header is `wanted`.
fn rows(text: &str, wanted: impl Fn(&[&str]) -> bool) -> Vec<Vec<&str>> {
    let mut found = Vec::new();
    let mut header = None;
    for line in text.lines() {
        let cells: Vec<&str> = match line.strip_prefix('|').and_then(|rest| rest.strip_suffix('|')) {
            Some(inner) => inner.split('|').map(str::trim).collect(),
            None => {
                header = None;
                continue;
            }
        };
        match header {
            None => header = Some(wanted(&cells)),
            Some(true) if !line.starts_with("|--") => found.push(cells),
            Some(_) => {}
        }
    }
    found
}

/// Whether a cell names what shows its row; the error says what is missing.
fn evidence(ctx: &Context, known: &Known, cell: &str) -> Result<(), String> {
    let mut shown = false;
    for part in cell.split(';').map(str::trim) {
        if part.starts_with("argued here: ") {
            shown = true;
        } else if let Some(shapes) = part.strip_prefix("argued") {
            let mut shapes = shapes.trim_start_matches(':').split(',').map(str::trim);
            if let Some(unknown) = shapes.find(|shape| !known.shapes.contains(shape)) {
                return Err(format!("no shape {unknown}"));
            }
            shown = true;
        }
        let quoted: Vec<&str> = part.split('`').collect();
        let is_case = part.starts_with("case");
        let mut file = None;
        for (between, name) in quoted.chunks_exact(2).map(|pair| (pair[0], pair[1])) {
            let found = if is_case {
                known.cases.contains(&format!("\"{name}\""))
            } else if let Some(command) = name.strip_prefix("cargo xtask ") {
                let command = command.split(' ').next().unwrap_or_default();
                ["", ".rs"].iter().any(|end| ctx.root.join(format!("xtask/src/{command}{end}")).exists())
            } else if name.ends_with(".rs") {
                file = test_file(known, name);
                file.is_some()
            } else if let (Some(file), " ") = (&file, between) {
                let text = ctx.read(file).ok().flatten().unwrap_or_default();
                text.contains(&format!("fn {name}("))
            } else {
                continue;
            };
            if !found {
                return Err(format!("there is no {name}"));
            }
            shown = true;
        }
    }
    if shown { Ok(()) } else { Err("nothing shows this".to_owned()) }
}

/// A file by the end of its path: of eeh-pe's tests before others.
fn test_file(known: &Known, name: &str) -> Option<PathBuf> {
    let tests = |path: &&PathBuf| path.components().any(|part| part.as_os_str() == "tests");
    let ours = Path::new("crates/eeh-pe/tests").join(name);
    let any = || known.files.iter().filter(tests).find(|path| path.ends_with(name));
    known.files.iter().find(|path| **path == ours).or_else(any).cloned()
}

/// Whether a row is of this hazard, is filled, and its test promises to notice its switch.
fn is_hazard(promised: &[Mutant], nth: usize, row: &[&str]) -> bool {
    let [number, .., test, switch] = row else { return false };
    let bare = |cell: &str| cell.trim_matches('`').to_owned();
    let noticed = |mutant: &Mutant| mutant.name == bare(switch) && mutant.file == Path::new(&bare(test));
    *number == format!("5.{nth}")
        && row.len() == 5
        && row.iter().all(|cell| !cell.is_empty())
        && promised.iter().any(noticed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_those_of_wanted_tables() {
        let text = "| a | test |\n|---|---|\n| b | c |\n\n| d | e |\n|---|---|\n| f | g |\n";
        assert_eq!(rows(text, |header| header.last() == Some(&"test")), [["b", "c"]]);
    }

    #[test]
    fn a_row_without_evidence_or_with_a_wrong_name_is_found() -> Fallible<()> {
        let ctx = Context::new()?;
        let file = "crates/eeh-pe/tests/marks.rs".into();
        let known = Known { files: vec![file], cases: "(\"one\")".into(), shapes: "load buffering".into() };
        let judge = |cell| evidence(&ctx, &known, cell);
        assert!(judge("`marks.rs`; argued: load buffering").is_ok());
        assert!(judge("case `one`; the checkers of `cargo xtask sim`").is_ok());
        assert!(judge("none").is_err() && judge("`other.rs`").is_err() && judge("case `two`").is_err());
        assert!(judge("`marks.rs` `there_is_no_such_test`").is_err());
        assert!(judge("argued: store buffering").is_err() && judge("`cargo xtask nothing`").is_err());
        Ok(())
    }
}
