// SPDX-License-Identifier: GPL-2.0-or-later
//! Lines with the recovery that they are of.

use core::fmt::{self, Write as _};

use crate::observe::RecoveryId;

/// Text with ` (recovery 2.7)` at the end of each line; without a recovery, the text alone.
///
/// The lines that Linux has stay as they are, because tools compare them; so the id is a suffix for those
/// who ask for one (`docs/design/0007-reports.md`).
pub struct Tagged<T>(pub Option<RecoveryId>, pub T);

impl<T: fmt::Display> fmt::Display for Tagged<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(id) = self.0 else { return self.1.fmt(f) };
        let mut lines = Lines { f, id };
        write!(lines, "{}", self.1)?;
        lines.tag()
    }
}

struct Lines<'a, 'b> {
    f: &'a mut fmt::Formatter<'b>,
    id: RecoveryId,
}

impl Lines<'_, '_> {
    fn tag(&mut self) -> fmt::Result {
        write!(self.f, " (recovery {})", self.id)
    }
}

impl fmt::Write for Lines<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some((line, after)) = rest.split_once('\n') {
            self.f.write_str(line)?;
            self.tag()?;
            self.f.write_char('\n')?;
            rest = after;
        }
        self.f.write_str(rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_tagged_and_nothing_without_a_recovery() {
        let id = RecoveryId { tree: eeh_pe::TreeId::NONE, serial: 7 };
        assert_eq!(format!("{}", Tagged(None, "a\nb")), "a\nb");
        let text = format!("{}", Tagged(Some(id), format_args!("a{}b", '\n')));
        assert_eq!(text, "a (recovery 65535.7)\nb (recovery 65535.7)");
    }
}
