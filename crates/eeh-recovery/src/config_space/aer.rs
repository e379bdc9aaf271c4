// SPDX-License-Identifier: GPL-2.0-or-later
//! Advanced Error Reporting, by name (PCIe 6.0 7.8.4).

use core::fmt;

/// Which errors.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AerKind {
    /// Uncorrectable Error Status, Mask, Severity, and the first one that came.
    Uncorrectable {
        /// A bit is set for a fatal error.
        severity: u32,
        /// Number of the bit that was set first.
        first: u8,
    },
    /// Correctable Error Status and Mask.
    Correctable,
}

/// The errors that a function has found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AerErrors {
    /// Which.
    pub kind: AerKind,
    /// Found.
    pub status: u32,
    /// Not reported.
    pub mask: u32,
}

/// Names of bits as Linux's AER driver prints them. C: `aer_uncorrectable_error_string`
const UNCORRECTABLE: [(u8, &str); 18] = [
    (0, "Undefined"),
    (4, "DLP"),
    (5, "SDES"),
    (12, "TLP"),
    (13, "FCP"),
    (14, "CmpltTO"),
    (15, "CmpltAbrt"),
    (16, "UnxCmplt"),
    (17, "RxOF"),
    (18, "MalfTLP"),
    (19, "ECRC"),
    (20, "UnsupReq"),
    (21, "ACSViol"),
    (22, "UncorrIntErr"),
    (23, "BlockedTLP"),
    (24, "AtomicOpBlocked"),
    (25, "TLPBlockedErr"),
    (26, "PoisonTLPBlocked"),
];

/// C: `aer_correctable_error_string`
const CORRECTABLE: [(u8, &str); 8] = [
    (0, "RxErr"),
    (6, "BadTLP"),
    (7, "BadDLLP"),
    (8, "Rollover"),
    (12, "Timeout"),
    (13, "NonFatalErr"),
    (14, "CorrIntErr"),
    (15, "HeaderOF"),
];

impl AerErrors {
    /// Whether there is anything to tell: an error, and not all ones for want of an answer.
    pub(crate) const fn is_telling(&self) -> bool {
        self.status != 0 && self.status != u32::MAX
    }

    fn error(&self, f: &mut fmt::Formatter<'_>, bit: u8) -> fmt::Result {
        let (names, severity): (&[(u8, &str)], _) = match self.kind {
            AerKind::Uncorrectable { severity, first } => (&UNCORRECTABLE, Some((severity, first))),
            AerKind::Correctable => (&CORRECTABLE, None),
        };
        match names.iter().find(|(known, _)| *known == bit) {
            Some((_, name)) => f.write_str(name)?,
            None => write!(f, "bit {bit}")?,
        }
        let is_set = |register: u32| register.checked_shr(u32::from(bit)).is_some_and(|bits| bits & 1 != 0);
        let (masked, fatal) = (is_set(self.mask), severity.is_some_and(|(severity, _)| is_set(severity)));
        let first = severity.is_some_and(|(_, first)| first == bit);
        let mut before = " (";
        for (holds, word) in [(masked, "masked"), (fatal, "fatal"), (first, "first")] {
            if holds {
                write!(f, "{before}{word}")?;
                before = ", ";
            }
        }
        if before == ", " { f.write_str(")") } else { Ok(()) }
    }
}

/// `uncorrectable: CmpltTO (fatal, first), UnsupReq (masked)`
impl fmt::Display for AerErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            AerKind::Uncorrectable { .. } => "uncorrectable:",
            AerKind::Correctable => "correctable:",
        })?;
        let mut before = " ";
        for bit in
            (0..32_u8).filter(|bit| self.status.checked_shr(u32::from(*bit)).is_some_and(|s| s & 1 != 0))
        {
            f.write_str(before)?;
            self.error(f, bit)?;
            before = ", ";
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_have_names_and_marks() {
        let kind = AerKind::Uncorrectable { severity: 1 << 14 | 1 << 5, first: 14 };
        let errors = AerErrors { kind, status: 1 << 14 | 1 << 20 | 1 << 5 | 1 << 31, mask: 1 << 20 | 1 << 5 };
        let text = format!("{errors}");
        assert_eq!(
            text,
            "uncorrectable: SDES (masked, fatal), CmpltTO (fatal, first), UnsupReq (masked), bit 31"
        );
        let errors = AerErrors { kind: AerKind::Correctable, status: 0x2041, mask: 0x2000 };
        assert_eq!(format!("{errors}"), "correctable: RxErr, BadTLP, NonFatalErr (masked)");
        assert!(!AerErrors { status: u32::MAX, ..errors }.is_telling());
        assert!(!AerErrors { status: 0, ..errors }.is_telling());
    }
}
