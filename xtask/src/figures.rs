// SPDX-License-Identifier: GPL-2.0-or-later
//! Figures in `docs/verification.md`, written by the commands that measure them (`--record`).
//!
//! A block is a table between two comments; a row is replaced by the next of the same first cell.

use crate::context::{Context, Fallible};

const FILE: &str = "docs/verification.md";

/// Writes rows into the block of `command`, a command line of `cargo xtask`.
pub(crate) fn record(ctx: &Context, command: &str, rows: &[Vec<String>]) -> Fallible<()> {
    let path = ctx.root.join(FILE);
    let text = std::fs::read_to_string(&path)?;
    let text = with_rows(&text, command, rows)
        .ok_or_else(|| format!("{FILE}: no block of `cargo xtask {command}`"))?;
    Ok(std::fs::write(path, text)?)
}

fn with_rows(text: &str, command: &str, rows: &[Vec<String>]) -> Option<String> {
    let begin = format!("<!-- figures: cargo xtask {command} -->\n");
    let (before, rest) = text.split_once(&begin)?;
    let (block, after) = rest.split_once("<!-- end of figures -->")?;
    let mut lines: Vec<String> = block.lines().map(str::to_owned).collect();
    for row in rows {
        let line = format!("| {} |", row.join(" | "));
        match lines.iter_mut().find(|line| first(line) == row.first().map(String::as_str)) {
            Some(old) => *old = line,
            None => lines.push(line),
        }
    }
    Some(format!("{before}{begin}{}\n<!-- end of figures -->{after}", lines.join("\n")))
}

/// The first cell of a row.
fn first(line: &str) -> Option<&str> {
    Some(line.strip_prefix("| ")?.split_once(" |")?.0)
}

/// A number with its thousands apart.
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOC: &str =
        "a\n<!-- figures: cargo xtask x -->\n| n | v |\n|---|---|\n| p | 1 |\n<!-- end of figures -->\nb\n";

    #[test]
    fn rows_are_replaced_by_their_first_cell_or_added() {
        let rows = [["q", "2"], ["p", "3"]].map(|row| row.map(str::to_owned).to_vec());
        let expected = DOC.replace("| p | 1 |\n", "| p | 3 |\n| q | 2 |\n");
        assert_eq!(with_rows(DOC, "x", &rows), Some(expected));
        assert_eq!(with_rows(DOC, "y", &rows), None);
    }

    #[test]
    fn thousands_are_apart() {
        assert_eq!([0, 999, 1000, 1_234_567].map(thousands), ["0", "999", "1,000", "1,234,567"]);
    }
}
