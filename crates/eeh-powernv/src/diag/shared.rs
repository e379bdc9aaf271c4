// SPDX-License-Identifier: GPL-2.0-or-later
//! What P7IOC's and PHB3's error data have in common.

use super::Line;
use super::fields::{Fields, Quads, any, quads, status, words};

/// The root complex: control, UTL and configuration registers, AER, and the two quads that name the
/// call which allocated the record.
pub(super) fn root_complex(fields: &mut Fields<'_>, line: &mut Line<'_>) {
    words(line, "brdgCtl:     ", &fields.words::<1>());
    words(line, "UtlSts:      ", &fields.words::<3>());
    words(line, "RootSts:     ", &fields.words::<5>());
    let [root, uncorrectable, correctable] = fields.words();
    words(line, "RootErrSts:  ", &[root, uncorrectable, correctable]);
    words(line, "RootErrLog:  ", &fields.words::<4>());
    let [source, _reserved] = fields.words();
    let record = fields.quads::<2>();
    if source != 0 || any(&record) {
        line(format_args!("RootErrLog1: {source:08x} {}", Quads(&record)));
    }
}

/// The bridge's status, its LEM, and the four groups of error registers.
pub(super) fn bridge(fields: &mut Fields<'_>, line: &mut Line<'_>) {
    quads(line, "PhbSts:      ", &fields.quads::<2>());
    status(line, "Lem:         ", &fields.quads::<3>());
    status(line, "PhbErr:      ", &fields.quads::<4>());
    status(line, "OutErr:      ", &fields.quads::<4>());
    status(line, "InAErr:      ", &fields.quads::<4>());
    status(line, "InBErr:      ", &fields.quads::<4>());
}
