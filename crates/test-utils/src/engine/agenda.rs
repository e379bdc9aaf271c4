// SPDX-License-Identifier: GPL-2.0-or-later
//! What happens when: a queue of events by virtual time, and by the order of entering among equals.

use core::cmp::Reverse;
use std::collections::BinaryHeap;

use eeh_pe::Time;

struct Entry<T> {
    at: Time,
    serial: u64,
    what: T,
}

impl<T> Entry<T> {
    const fn key(&self) -> (Time, u64) {
        (self.at, self.serial)
    }
}

impl<T> PartialEq for Entry<T> {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl<T> Eq for Entry<T> {}

impl<T> PartialOrd for Entry<T> {
    fn partial_cmp(&self, other: &Self) -> Option<core::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Entry<T> {
    fn cmp(&self, other: &Self) -> core::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

/// Events to come.
pub(super) struct Agenda<T> {
    heap: BinaryHeap<Reverse<Entry<T>>>,
    serial: u64,
}

impl<T> Default for Agenda<T> {
    fn default() -> Self {
        Self { heap: BinaryHeap::new(), serial: 0 }
    }
}

impl<T> Agenda<T> {
    /// Enters an event.
    pub(super) fn add(&mut self, at: Time, what: T) {
        self.serial += 1;
        self.heap.push(Reverse(Entry { at, serial: self.serial, what }));
    }

    /// When the next event is.
    pub(super) fn next_at(&self) -> Option<Time> {
        self.heap.peek().map(|Reverse(entry)| entry.at)
    }

    /// Takes the next event out.
    pub(super) fn pop(&mut self) -> Option<(Time, T)> {
        self.heap.pop().map(|Reverse(entry)| (entry.at, entry.what))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equals_leave_in_the_order_of_entering() {
        let mut agenda = Agenda::default();
        for (at, what) in [(5, "c"), (1, "a"), (5, "d"), (1, "b")] {
            agenda.add(Time::from_nanos(at), what);
        }
        let order: String = core::iter::from_fn(|| agenda.pop()).map(|(_, what)| what).collect();
        assert_eq!(order, "abcd");
    }
}
