// SPDX-License-Identifier: GPL-2.0-or-later
//! The table: what it says, what it is held against, and where it is written.

use std::path::Path;
use std::process::Command;

use super::{Entry, Measured, checks};
use crate::context::Fallible;
use crate::kernel::cache::{Cache, write_if_changed};
use crate::kernel::fetch;
use crate::kernel::tools::Tools;
use crate::report::Findings;

const BEGIN: &str = "<!-- written by cargo xtask kernel compare -->";
const END: &str = "<!-- end -->";

/// The most that ours may be.
enum Most {
    This(f64),
    TimesC(f64),
}

/// By the beginning of the row's name; those of instructions are with what counts them.
const LIMITS: [(&str, Most); 15] = [
    ("NVMe under a root port: s of its own", Most::This(0.5)),
    ("NVMe under a root port: s that", Most::This(f64::INFINITY)),
    ("NVMe under a root port: s", Most::This(2.8)),
    ("NVMe behind a switch: s of its own", Most::This(0.5)),
    ("NVMe behind a switch: s that", Most::This(f64::INFINITY)),
    ("NVMe behind a switch: s", Most::This(1.0)),
    ("four PHBs at once", Most::This(1.3)),
    ("six PHBs at once", Most::This(1.3)),
    ("removal while another PHB recovers", Most::This(0.3)),
    ("`eeh-basic.sh`", Most::This(30.0)),
    ("check, healthy by device: firmware calls", Most::This(1.0)),
    ("longest lock, healthy check", Most::This(0.0)),
    ("longest lock, recovery of an NVMe, rescan lock", Most::This(0.0)),
    ("text and constants", Most::TimesC(2.2)),
    ("of it what C has too", Most::TimesC(1.6)),
];

/// One line of the table.
pub(super) struct Row {
    what: String,
    c: Option<Entry>,
    rust: Option<Entry>,
    most: Option<f64>,
}

impl Row {
    fn reached(&self) -> bool {
        match (self.most, self.rust.as_ref()) {
            (Some(most), Some(rust)) => rust.value.is_some_and(|value| value <= most),
            _ => true,
        }
    }
}

/// Both variants side by side, by what the first that has it says.
pub(super) fn rows(all: &Measured) -> Vec<Row> {
    let none = Vec::new();
    let mut rows: Vec<Row> = Vec::new();
    for part in all.values() {
        let of = |variant: &str| part.get(variant).unwrap_or(&none);
        let mut names: Vec<&String> = Vec::new();
        for entry in of("rust").iter().chain(of("c")) {
            if !names.contains(&&entry.what) {
                names.push(&entry.what);
            }
        }
        for what in names {
            let find = |variant: &str| of(variant).iter().find(|entry| entry.what == *what).cloned();
            let (c, rust) = (find("c"), find("rust"));
            let known = LIMITS.iter().find(|(name, _)| what.starts_with(name)).map(|(_, most)| match most {
                Most::This(most) => *most,
                Most::TimesC(times) => c.as_ref().and_then(|entry| entry.value).unwrap_or(0.0) * times,
            });
            let most = known.or_else(|| checks::limit(what));
            let most = most.filter(|most| most.is_finite());
            rows.push(Row { what: what.clone(), c, rust, most });
        }
    }
    rows
}

/// Each row that has a limit is a check.
pub(super) fn judge(rows: &[Row], findings: &mut Findings) {
    for row in rows.iter().filter(|row| row.most.is_some()) {
        findings.check(row.reached(), || {
            let shown = row.rust.as_ref().map_or("not measured", |entry| &entry.shown);
            format!("{}: {shown}, wanted at most {}", row.what, short(row.most.unwrap_or_default()))
        });
    }
}

/// What it was measured with.
pub(super) fn versions(cache: &Cache, linux: &str) -> Fallible<String> {
    let first = |command: &mut Command| -> Fallible<String> {
        Ok(fetch::output(command)?.lines().next().unwrap_or_default().trim().to_owned())
    };
    let recorded = std::fs::read_to_string(cache.path("versions.txt")).unwrap_or_default();
    let qemu = recorded.lines().find_map(|line| line.strip_prefix("qemu-eeh ")).unwrap_or("10.0");
    let rustc = first(Command::new("rustc").arg("--version"))?;
    let clang = first(Command::new(format!("clang{}", Tools::find()?.llvm)).arg("--version"))?;
    Ok(format!(
        "Linux {linux}, speed configuration, both variants from one source; QEMU {qemu} with the patches of `qemu/`, powernv10, \
         2 vCPUs; {rustc}; {clang}."
    ))
}

/// Writes the table between its marks.
pub(super) fn write(page: &Path, rows: &[Row], versions: &str) -> Fallible<()> {
    let old = std::fs::read_to_string(page)?;
    write_if_changed(page, replaced(&old, &markdown(rows, versions))?.as_bytes())?;
    Ok(())
}

fn replaced(old: &str, table: &str) -> Fallible<String> {
    let marks = old.split_once(BEGIN).and_then(|(before, rest)| Some((before, rest.split_once(END)?.1)));
    let (before, after) = marks.ok_or_else(|| format!("no place for the table: {BEGIN} ... {END}"))?;
    Ok(format!("{before}{BEGIN}\n{table}{END}{after}"))
}

fn markdown(rows: &[Row], versions: &str) -> String {
    let mut text = format!("{versions}\n\n| what | C | here | wanted at most |\n|---|---|---|---|\n");
    for row in rows {
        let shown =
            |entry: &Option<Entry>| entry.as_ref().map_or("not measured".to_owned(), |e| e.shown.clone());
        let most = match row.most {
            Some(most) if row.reached() => short(most),
            Some(most) => format!("{}: **not reached**", short(most)),
            None => String::new(),
        };
        text += &format!("| {} | {} | {} | {most} |\n", row.what, shown(&row.c), shown(&row.rust));
    }
    text
}

fn short(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").unwrap_or(&text).to_owned()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::Part;
    use super::{BEGIN, END, Entry, judge, markdown, replaced, rows};
    use crate::context::Fallible;
    use crate::report::Findings;

    #[test]
    fn a_row_has_both_variants_and_a_verdict() {
        let of = |value: f64| vec![Entry::number("four PHBs at once: times", value, 1)];
        let part = BTreeMap::from([("c".to_owned(), of(3.0)), ("rust".to_owned(), of(1.4))]);
        let rows = rows(&BTreeMap::from([(Part::Together, part)]));
        let text = markdown(&rows, "versions");
        assert!(
            text.ends_with("| four PHBs at once: times | 3.0 | 1.4 | 1.3: **not reached** |\n"),
            "{text}"
        );
        let mut findings = Findings::default();
        judge(&rows, &mut findings);
        assert_eq!((findings.passed, findings.failures.len()), (0, 1));
    }

    #[test]
    fn only_what_is_between_the_marks_is_replaced() -> Fallible<()> {
        let page = format!("before\n{BEGIN}\nold\n{END}\nafter\n");
        assert_eq!(replaced(&page, "new\n")?, format!("before\n{BEGIN}\nnew\n{END}\nafter\n"));
        assert!(replaced("no marks", "new").is_err());
        Ok(())
    }
}
