// SPDX-License-Identifier: GPL-2.0-or-later
//! What is wrong with an input, and where.

use std::path::{Path, PathBuf};

/// An input that is not what it should be.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{}{}: expected {expected}, found {found}", .path.display(), LineSuffix(*.line))]
pub struct TopologyError {
    /// The file or directory.
    pub path: PathBuf,
    /// The line, from 1; `None` when the whole file is meant.
    pub line: Option<usize>,
    /// What should have been there.
    pub expected: String,
    /// What was there.
    pub found: String,
}

/// `:12`, or nothing.
struct LineSuffix(Option<usize>);

impl core::fmt::Display for LineSuffix {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.0.map_or(Ok(()), |line| write!(f, ":{line}"))
    }
}

impl TopologyError {
    /// An error about a whole file.
    pub(super) fn of_file(path: &Path, expected: impl Into<String>, found: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line: None, expected: expected.into(), found: found.into() }
    }
}

/// An error in a text whose file the caller knows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct LineError {
    /// From 1.
    pub(super) line: usize,
    pub(super) expected: String,
    pub(super) found: String,
}

impl LineError {
    pub(super) fn new(line: usize, expected: impl Into<String>, found: impl Into<String>) -> Self {
        Self { line, expected: expected.into(), found: found.into() }
    }

    pub(super) fn in_file(self, path: &Path) -> TopologyError {
        let Self { line, expected, found } = self;
        TopologyError { path: path.to_owned(), line: Some(line), expected, found }
    }
}

/// A piece of input for a message: in backticks, escaped, cut when long.
pub(super) fn quote(text: &str) -> String {
    const MOST: usize = 48;
    let text = text.trim_end();
    let mut quoted: String = text.chars().take(MOST).flat_map(char::escape_debug).collect();
    if text.chars().nth(MOST).is_some() {
        quoted.push_str("...");
    }
    format!("`{quoted}`")
}

/// The lines of a file that may be anything, numbered from 1, without their ends.
pub(super) fn lines(bytes: &[u8]) -> impl Iterator<Item = (usize, std::borrow::Cow<'_, str>)> {
    let body = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let lines = body.split(|byte| *byte == b'\n').enumerate();
    lines.map(|(index, line)| (index + 1, String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(line))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_names_file_line_expectation_and_finding() {
        let error = LineError::new(12, "two hex digits", quote("0\u{1}z")).in_file(Path::new("a/b.txt"));
        assert_eq!(error.to_string(), "a/b.txt:12: expected two hex digits, found `0\\u{1}z`");
        let error = TopologyError::of_file(Path::new("x"), "a file", "none");
        assert_eq!(error.to_string(), "x: expected a file, found none");
    }

    #[test]
    fn long_findings_are_cut() {
        assert_eq!(quote(&"a".repeat(1_000_000)).len(), 48 + 3 + 2);
    }

    #[test]
    fn lines_end_in_every_way() {
        let found: Vec<_> = lines(b"a\r\nb\n\n\xff").map(|(at, line)| (at, line.into_owned())).collect();
        assert_eq!(found, [(1, "a".into()), (2, "b".into()), (3, String::new()), (4, "\u{fffd}".into())]);
    }
}
