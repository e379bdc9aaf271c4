// SPDX-License-Identifier: GPL-2.0-or-later
//! INVALID belongs to the type, not to the state (hazard 5.8).

use eeh_pe::{PeFlags, PeType};

pub fn case(flags: PeFlags, kind: PeType) -> bool {
    let invalid = kind.contains(PeType::INVALID);
    let invalid = flags.contains(PeType::INVALID); //~ E0308
    invalid
}
