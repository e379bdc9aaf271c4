// SPDX-License-Identifier: GPL-2.0-or-later
//! What the machine has to say before it goes on.

use eeh_pe::{Bdf, PeNumber};

use super::state::Phase;
use crate::{DeviceEvent, FreezeState, ResetEvent, Step};

/// Something to tell the observer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Note {
    /// A phase begins.
    Entered(Phase),
    /// Of the recovery.
    Step(Step),
    /// Of its reset.
    Reset(ResetEvent),
    /// Of its reset: the PE is not active after it.
    SlotInactive {
        /// Its state.
        state: FreezeState,
        /// Counts from 1.
        attempt: u32,
    },
    /// Of a device, with the number of its PE.
    Device(Bdf, PeNumber, DeviceEvent),
}

/// How many notes can wait.
const ROOM: usize = 8;

/// Notes that wait to be told: a few, as the machine tells them before it goes on.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    queue: [Option<Note>; ROOM],
    /// The place of the oldest.
    first: usize,
    waiting: usize,
}

impl Notes {
    /// Appends a note. One that does not fit is dropped: notes decide nothing.
    #[inline(never)]
    pub(crate) fn push(&mut self, note: Note) {
        if let Some(free @ None) = self.queue.get_mut(self.first.wrapping_add(self.waiting) % ROOM) {
            *free = Some(note);
            self.waiting = self.waiting.saturating_add(1);
        }
    }

    /// Whether none waits.
    pub(crate) const fn is_empty(&self) -> bool {
        self.waiting == 0
    }

    /// Takes the oldest note.
    pub(crate) fn pop(&mut self) -> Option<Note> {
        let note = self.queue.get_mut(self.first)?.take()?;
        self.first = self.first.wrapping_add(1) % ROOM;
        self.waiting = self.waiting.saturating_sub(1);
        Some(note)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_come_out_in_order() {
        let mut notes = Notes::default();
        assert_eq!(notes.pop(), None);
        notes.push(Note::Entered(Phase::Reset));
        notes.push(Note::Step(Step::Empty));
        assert_eq!(notes.pop(), Some(Note::Entered(Phase::Reset)));
        notes.push(Note::Step(Step::Unable));
        assert_eq!(notes.pop(), Some(Note::Step(Step::Empty)));
        assert_eq!(notes.pop(), Some(Note::Step(Step::Unable)));
        assert_eq!(notes.pop(), None);
    }

    #[test]
    fn what_does_not_fit_is_dropped() {
        let mut notes = Notes::default();
        for count in 0..u32::try_from(ROOM).expect("a few") + 1 {
            notes.push(Note::Step(Step::TooManyFailures { count }));
        }
        for count in 0..u32::try_from(ROOM).expect("a few") {
            assert_eq!(notes.pop(), Some(Note::Step(Step::TooManyFailures { count })));
        }
        assert!(notes.is_empty());
        assert_eq!(notes.pop(), None);
    }
}
