// SPDX-License-Identifier: GPL-2.0-or-later
//! The recovery table: its picture in the documentation, and that nothing in it is out of reach.

use std::collections::BTreeSet;
use std::path::Path;

use eeh_recovery::{Cue, ENTRIES, Phase, RecoveryTable, next};

#[test]
fn the_documentation_shows_the_table() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/recovery-table.md");
    let drawn = RecoveryTable.to_string();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &drawn).unwrap();
    }
    let shown = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(shown == drawn, "docs/recovery-table.md is not what the table draws; UPDATE_DOCS=1 writes it");
}

fn reachable() -> BTreeSet<Phase> {
    let mut found: BTreeSet<Phase> = ENTRIES.into_iter().map(|(phase, _)| phase).collect();
    loop {
        let more: Vec<Phase> = found
            .iter()
            .flat_map(|&from| Cue::ALL.into_iter().filter_map(move |cue| next(from, cue)))
            .collect();
        let before = found.len();
        found.extend(more);
        if found.len() == before {
            return found;
        }
    }
}

#[test]
fn every_phase_can_be_entered() {
    assert_eq!(reachable(), Phase::ALL.into_iter().collect());
}

#[test]
fn every_phase_leads_to_the_end_and_the_end_nowhere() {
    for start in Phase::ALL {
        let mut seen = BTreeSet::from([start]);
        while !seen.contains(&Phase::Done) {
            let more: Vec<Phase> =
                seen.iter().flat_map(|&p| Cue::ALL.into_iter().filter_map(move |c| next(p, c))).collect();
            let before = seen.len();
            seen.extend(more);
            assert!(seen.len() > before, "no way out of {start:?}");
        }
    }
    assert!(Cue::ALL.into_iter().all(|cue| next(Phase::Done, cue).is_none()));
}

#[test]
fn whatever_is_going_on_a_removed_pe_is_released_and_a_removed_phb_ends_it() {
    for phase in Phase::ALL.into_iter().filter(|&p| p != Phase::Done) {
        assert_eq!(next(phase, Cue::Cancelled), Some(Phase::Done), "{phase:?}");
        // What was only asked for leaves no marks behind.
        if !matches!(phase, Phase::Release | Phase::Asked) {
            assert_eq!(next(phase, Cue::PeGone), Some(Phase::Release), "{phase:?}");
        }
    }
}

#[test]
fn a_permanent_failure_never_turns_into_a_recovery() {
    let mut seen = BTreeSet::from([Phase::PermLog]);
    for _ in Phase::ALL {
        let more: Vec<Phase> =
            seen.iter().flat_map(|&p| Cue::ALL.into_iter().filter_map(move |c| next(p, c))).collect();
        seen.extend(more);
    }
    let way_out = [Phase::PermLog, Phase::ReportFailure, Phase::RemoveFailed, Phase::Release, Phase::Done];
    assert_eq!(seen, way_out.into_iter().collect());
}
