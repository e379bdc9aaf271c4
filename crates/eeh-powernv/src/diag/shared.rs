// SPDX-License-Identifier: GPL-2.0-or-later
//! What P7IOC's and PHB3's error data have in common.

use super::fields::Group;

/// The root complex: control, UTL and configuration registers, AER, and the two quads that name the
/// call which allocated the record.
pub(super) const ROOT_COMPLEX: [Group; 6] = [
    Group::words("brdgCtl:     ", 1),
    Group::words("UtlSts:      ", 3),
    Group::words("RootSts:     ", 5),
    Group::words("RootErrSts:  ", 3),
    Group::words("RootErrLog:  ", 4),
    Group::source("RootErrLog1: ", 2),
];

/// The bridge's status, its LEM, and the four groups of error registers.
pub(super) const BRIDGE: [Group; 6] = [
    Group::quads("PhbSts:      ", 2),
    Group::status("Lem:         ", 3),
    Group::status("PhbErr:      ", 4),
    Group::status("OutErr:      ", 4),
    Group::status("InAErr:      ", 4),
    Group::status("InBErr:      ", 4),
];
