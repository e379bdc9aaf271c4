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

/// Notes that wait to be told: a few, as the machine tells them before it goes on.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    queue: [Option<Note>; 8],
}

impl Notes {
    /// Appends a note. One that does not fit is dropped: notes decide nothing.
    pub(crate) fn push(&mut self, note: Note) {
        if let Some(free) = self.queue.iter_mut().find(|n| n.is_none()) {
            *free = Some(note);
        }
    }

    /// Whether none waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.queue.iter().all(Option::is_none)
    }

    /// Takes the oldest note.
    pub(crate) fn pop(&mut self) -> Option<Note> {
        let note = self.queue.first_mut()?.take()?;
        self.queue.rotate_left(1);
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
}
