// SPDX-License-Identifier: GPL-2.0-or-later
//! What runs have come to: rows of the table of recovery, and drivers' temperaments in its phases.

use eeh_recovery::{Cue, Phase, next};

use crate::drivers::{Temperament, WORDS};

const PHASES: usize = Phase::ALL.len();

/// What one run, or many, came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Coverage {
    /// By phase, a bit for each cue that moved it.
    rows: [u32; PHASES],
    /// By phase, a bit for each word of [`WORDS`] that a driver of the PE had.
    met: [u16; PHASES],
}

/// The words of a temperament, as bits.
#[must_use]
pub(super) fn words_of(temperament: &Temperament) -> u16 {
    let text = temperament.to_string();
    let names = text.split(',').filter_map(|word| word.split('=').next());
    names
        .filter_map(|name| WORDS.iter().position(|(word, _)| word.split(['=', '[']).next() == Some(name)))
        .fold(0, |bits, at| bits | 1 << at)
}

/// One word, as a bit.
#[must_use]
pub(super) fn word(name: &str) -> u16 {
    name.parse().map_or(0, |temperament| words_of(&temperament))
}

impl Coverage {
    /// A row was taken.
    pub fn take(&mut self, phase: Phase, cue: Cue) {
        if let Some(cues) = self.rows.get_mut(phase as usize) {
            *cues |= 1 << cue as u32;
        }
    }

    /// A recovery of a PE with such drivers entered a phase.
    pub fn meet(&mut self, phase: Phase, words: u16) {
        if let Some(met) = self.met.get_mut(phase as usize) {
            *met |= words;
        }
    }

    /// Adds another run's.
    pub fn add(&mut self, other: &Self) {
        self.rows.iter_mut().zip(other.rows).for_each(|(mine, theirs)| *mine |= theirs);
        self.met.iter_mut().zip(other.met).for_each(|(mine, theirs)| *mine |= theirs);
    }

    /// How many rows the table has.
    #[must_use]
    pub fn rows_in_all() -> usize {
        Phase::ALL
            .into_iter()
            .map(|phase| Cue::ALL.into_iter().filter(|&cue| next(phase, cue).is_some()).count())
            .sum()
    }

    /// How many words and phases could meet.
    #[must_use]
    pub const fn pairs_in_all() -> usize {
        // In the phase that ends it, a recovery does nothing.
        WORDS.len() * (PHASES - 1)
    }

    /// The rows that were not taken.
    #[must_use]
    pub fn rows_missed(&self) -> Vec<(Phase, Cue)> {
        let taken = |phase: Phase, cue: Cue| {
            self.rows.get(phase as usize).is_some_and(|cues| cues & 1 << cue as u32 != 0)
        };
        let rows = Phase::ALL.into_iter().flat_map(|phase| Cue::ALL.map(|cue| (phase, cue)));
        rows.filter(|&(phase, cue)| next(phase, cue).is_some() && !taken(phase, cue)).collect()
    }

    /// The words and phases that did not meet.
    #[must_use]
    pub fn pairs_missed(&self) -> Vec<(&'static str, Phase)> {
        let mut missed = Vec::new();
        for phase in Phase::ALL.into_iter().filter(|&phase| phase != Phase::Done) {
            let met = self.met.get(phase as usize).copied().unwrap_or(0);
            let names = WORDS.iter().enumerate().filter(|(at, _)| met & 1 << at == 0);
            missed.extend(names.map(|(_, (word, _))| (word.split(['=', '[']).next().unwrap_or(word), phase)));
        }
        missed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_has_its_bit() {
        let of = |text: &str| words_of(&text.parse().expect("a temperament"));
        assert_eq!(of("none"), 1);
        assert_eq!(of("aware,can-recover").count_ones(), 2);
        assert_eq!(of("slow=2s,hang=resume,vfs=slot_reset").count_ones(), 3);
        assert_eq!(of("adds,removes"), word("adds") | word("removes"));
    }

    #[test]
    fn what_was_taken_is_not_missed() {
        let mut coverage = Coverage::default();
        assert_eq!(coverage.rows_missed().len(), Coverage::rows_in_all());
        coverage.take(Phase::Presence, Cue::NoCard);
        coverage.meet(Phase::Presence, 1);
        assert!(!coverage.rows_missed().contains(&(Phase::Presence, Cue::NoCard)));
        assert!(!coverage.pairs_missed().contains(&("none", Phase::Presence)));
        assert!(coverage.pairs_missed().contains(&("aware", Phase::Presence)));
    }
}
