// SPDX-License-Identifier: GPL-2.0-or-later
//! Finding by number: chains of what is in the tree, live or removed, in buckets that grow with the
//! tree's storage.

use crate::env::Env;
use crate::links::{HasNode, Links};

impl<E: Env, L: HasNode + Send + Sync> Links<E, L> {
    /// What is in the tree under `key`, removed ones included.
    pub(crate) fn with_key(&self, key: u32) -> impl Iterator<Item = u16> {
        let first = self.bucket(self.bucket_of(key)).copied().flatten();
        core::iter::successors(first, |&at| self.node(at)?.chain)
            .filter(move |&at| self.node(at).is_some_and(|node| node.key == key))
    }

    /// Enters what was linked under its number.
    pub(crate) fn enter(&mut self, index: u16, key: u32) {
        let bucket = self.bucket_of(key);
        let first = self.bucket(bucket).copied().flatten();
        if let Some(node) = self.node_mut(index) {
            node.key = key;
            node.chain = first;
        }
        if let Some(head) = self.bucket_mut(bucket) {
            *head = Some(index);
        }
    }

    /// Takes out what is freed.
    pub(crate) fn leave(&mut self, index: u16) {
        let Some((key, next)) = self.node(index).map(|node| (node.key, node.chain)) else { return };
        let bucket = self.bucket_of(key);
        let first = self.bucket(bucket).copied().flatten();
        if first == Some(index) {
            if let Some(head) = self.bucket_mut(bucket) {
                *head = next;
            }
            return;
        }
        let before = core::iter::successors(first, |&at| self.node(at)?.chain)
            .find(|&at| self.node(at).is_some_and(|node| node.chain == Some(index)));
        if let Some(node) = before.and_then(|before| self.node_mut(before)) {
            node.chain = next;
        }
    }

    /// Spreads everything over twice as many buckets, when there is room for them.
    pub(crate) fn grow_buckets(&mut self) {
        let room = self.capacity();
        let wanted = if room.is_power_of_two() { room } else { room.next_power_of_two() >> 1 };
        if wanted == self.buckets() {
            return;
        }
        self.set_buckets(wanted);
        for index in self.indices() {
            if let Some(head) = self.bucket_mut(index) {
                *head = None;
            }
        }
        for index in self.indices() {
            if let Some(key) = self.node(index).filter(|node| node.is_in_tree()).map(|node| node.key) {
                self.enter(index, key);
            }
        }
    }

    fn bucket_of(&self, key: u32) -> u16 {
        // Numbers are small and dense, or multiples of something: their upper bits say little, so
        // a multiplication brings all of them up.
        let spread = key.wrapping_mul(0x9e37_79b1) >> 16;
        let last = u32::try_from(self.buckets().saturating_sub(1)).unwrap_or(0);
        u16::try_from(spread & last).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use std::boxed::Box;
    use std::vec::Vec;

    use super::*;
    use crate::links::{LinkChunk, PeLinks};
    use crate::sync::SpinLock;

    struct Host;

    impl Env for Host {
        type Lock<T: Send> = SpinLock<T>;
        type Mutex<T: Send> = SpinLock<T>;
        type Own<T: Send + Sync> = Box<T>;
        type Slice<T: Send + Sync> = Box<[T]>;
        type Once<T: Send + Sync> = crate::sync::Once<T>;
        type Device = ();

        fn cpu() -> usize {
            0
        }
    }

    /// Entered, found, left and grown in turns, against a list; keys that collide and equal keys too.
    #[test]
    fn what_is_in_the_tree_is_found_under_its_key_and_nothing_else() {
        let chunks = (0..16).map(|_| None).collect();
        let mut links: Links<Host, PeLinks> = Links::new(chunks);
        let mut list: Vec<(u16, u32)> = Vec::new();
        assert_eq!(links.with_key(5).count(), 0, "no storage yet");
        for round in 0..400_u32 {
            if !links.has_free() {
                links.add_chunk(Box::new(LinkChunk::new()));
            }
            let index = links.take_free().expect("there is a free one");
            let key = (round * 0x100) % 0x3700;
            links.enter(index, key);
            list.push((index, key));
            if round % 3 == 0 {
                let (gone, _) = list.swap_remove((round as usize * 7) % list.len());
                links.free(gone);
            }
            for key in (0..0x3700).step_by(0x80) {
                let mut found: Vec<u16> = links.with_key(key).collect();
                let mut listed: Vec<u16> =
                    list.iter().filter(|(_, k)| *k == key).map(|(index, _)| *index).collect();
                found.sort_unstable();
                listed.sort_unstable();
                assert_eq!(found, listed, "key {key:x} in round {round}");
            }
        }
        assert!(links.buckets() >= 256, "they grow with what is there");
    }
}
