// SPDX-License-Identifier: GPL-2.0-or-later
//! The table as text: Markdown with a Mermaid picture. `docs/recovery-table.md` is this.

use core::fmt;

use super::state::{Cue, Phase};
use super::table::next;

/// The phases that a recovery can begin with, and for what.
pub const ENTRIES: [(Phase, &str); 6] = [
    (Phase::Presence, "frozen PE or fenced PHB"),
    (Phase::ReportFailure, "dead PHB or I/O hub"),
    (Phase::Asked, "an owner asks for a thaw"),
    (Phase::Reset, "an owner asks for a reset"),
    (Phase::Settle, "an owner or a driver ends its reset"),
    (Phase::SaveState, "a driver or a new owner needs a reset"),
];

/// The recovery table; its `Display` is the document.
#[derive(Clone, Copy, Debug, Default)]
pub struct RecoveryTable;

/// Cues that lead the same way from almost everywhere, and would hide the others in the picture.
const fn is_exit(cue: Cue) -> bool {
    matches!(cue, Cue::PeGone | Cue::Cancelled)
}

impl RecoveryTable {
    /// The cues that lead from `from` to `to`, as a list.
    fn cues(f: &mut fmt::Formatter<'_>, from: Phase, to: Phase, exits: bool) -> fmt::Result {
        let mut first = true;
        for cue in Cue::ALL {
            if next(from, cue) == Some(to) && (exits || !is_exit(cue)) {
                write!(f, "{}{cue:?}", if first { "" } else { ", " })?;
                first = false;
            }
        }
        Ok(())
    }

    fn leads(from: Phase, to: Phase, exits: bool) -> bool {
        Cue::ALL.into_iter().any(|cue| next(from, cue) == Some(to) && (exits || !is_exit(cue)))
    }
}

impl fmt::Display for RecoveryTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "<!-- SPDX-License-Identifier: GPL-2.0-or-later -->\n\
             <!-- Drawn by crates/eeh-recovery from its table; UPDATE_DOCS=1 cargo test -p eeh-recovery writes it. -->\n\n\
             # The recovery table\n\n\
             A recovery is in one phase; a cue, an answer reduced to what matters, moves it. Not drawn in the \
             picture, because they lead out of almost every phase: `PeGone` (the PE was removed by hotplug) to \
             `Release`, and `Cancelled` (the PHB was removed) to `Done`. A pair that is not in the table cannot \
             meet; it is listed as such in the source.\n\n\
             ```mermaid\nstateDiagram-v2\n",
        )?;
        for (phase, why) in ENTRIES {
            writeln!(f, "    [*] --> {phase:?}: {why}")?;
        }
        for from in Phase::ALL {
            for to in Phase::ALL {
                if Self::leads(from, to, false) {
                    write!(f, "    {from:?} --> {to:?}: ")?;
                    Self::cues(f, from, to, false)?;
                    f.write_str("\n")?;
                }
            }
        }
        f.write_str("    Done --> [*]\n```\n\n| phase | does | cue | next |\n|---|---|---|---|\n")?;
        for from in Phase::ALL {
            let mut first = true;
            for to in Phase::ALL {
                if Self::leads(from, to, true) {
                    if first {
                        write!(f, "| {from:?} | {} | ", from.summary())?;
                    } else {
                        f.write_str("| | | ")?;
                    }
                    first = false;
                    Self::cues(f, from, to, true)?;
                    writeln!(f, " | {to:?} |")?;
                }
            }
        }
        Ok(())
    }
}

impl Phase {
    /// What the phase does, in a few words.
    #[must_use]
    pub const fn summary(self) -> &'static str {
        match self {
            Self::Presence => "asks each device's slot for a card, then counts the freeze",
            Self::ReportFrozen => "`error_detected(IO frozen)`",
            Self::SlotState => "waits until firmware knows the slot's state",
            Self::TempLog => "collects the temporary log",
            Self::ThawMmio => "lets MMIO through",
            Self::ReportMmio => "`mmio_enabled`",
            Self::ThawDma => "lets DMA through",
            Self::RemoveAll => "removes all devices",
            Self::RemoveUnaware => "removes the devices whose drivers are unaware",
            Self::Reset => "one reset attempt",
            Self::Settle => "link up and 100 ms",
            Self::Restore => "readiness and configuration space, bridges first",
            Self::Unfreeze => "clears the freeze of each PE",
            Self::RemoveLate => "removes the devices whose drivers were bound since `error_detected`",
            Self::Pause => "the pause before devices are added back",
            Self::AddBack => "adds back what was removed",
            Self::ReportReset => "`slot_reset`",
            Self::ReportResume => "`resume`",
            Self::ClearAttention => "switches the slots' attention indicators off",
            Self::PermLog => "collects the permanent log",
            Self::ReportFailure => "`error_detected(permanent failure)`",
            Self::RemoveFailed => "removes the devices for good",
            Self::Release => "releases the reset, clears the freeze, hands a successor over",
            Self::AddVfs => "adds back the virtual functions that were removed",
            Self::Asked => "lets through what was asked for, or sets bridges up",
            Self::SaveState => "saves the devices' state",
            Self::RestoreState => "restores it, or enables what an owner had enabled",
            Self::Done => "nothing",
        }
    }
}
