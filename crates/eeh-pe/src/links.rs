// SPDX-License-Identifier: GPL-2.0-or-later
//! The part of PEs and devices that lives inside the tree's lock.

use crate::budget::Budget;
use crate::device::DeviceInfo;
use crate::env::Env;
use crate::name::Name;
use crate::request::{Errand, Request};
use crate::slot::{CHUNK, first_of, place};
use crate::time::Time;

/// What a slot is used for, as the holder of the lock sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Use {
    /// On the free list, or retired.
    #[default]
    Free,
    /// Linked into the tree: live or a tombstone.
    Linked,
    /// A tombstone nobody holds that a running recovery's mark keeps; see `reap`.
    Parked,
    /// It was parked, and its successor carries the mark in its place.
    Replaced,
}

/// A place among siblings, birth and death: what PEs and devices have in common.
#[derive(Clone, Copy, Default)]
pub(crate) struct Node {
    pub(crate) used: Use,
    /// Of the occupant.
    pub(crate) generation: u32,
    /// PE: its parent. Device: its PE.
    pub(crate) owner: Option<u16>,
    pub(crate) prev: Option<u16>,
    /// Of a free slot: the next free one.
    pub(crate) next: Option<u16>,
    /// PE: its number. Device: its address.
    pub(crate) key: u32,
    /// The next one in the bucket of its key.
    pub(crate) chain: Option<u16>,
    /// The birth stamp.
    pub(crate) born: u64,
    /// When it was removed.
    pub(crate) died: Time,
    /// The hold of the lock in which it was removed: what a later one frees was an orphan.
    pub(crate) died_in: u64,
}

impl Node {
    pub(crate) fn is_in_tree(&self) -> bool {
        self.used != Use::Free
    }
}

/// A list of nodes.
#[derive(Clone, Copy, Default)]
pub(crate) struct List {
    pub(crate) first: Option<u16>,
    pub(crate) last: Option<u16>,
}

/// A PE's part.
#[derive(Clone, Copy, Default)]
pub(crate) struct PeLinks {
    pub(crate) node: Node,
    pub(crate) children: List,
    pub(crate) devices: List,
    pub(crate) budget: Budget,
    /// Of a tombstone: the PE that was inserted at its hardware number and inherited from it.
    pub(crate) successor: Option<Name>,
    /// The last sweep that came by; see `marks`.
    pub(crate) swept: u64,
    /// The next PE whose subtree that sweep has to visit.
    pub(crate) to_sweep: Option<u16>,
    /// What the worker is asked to do with it, and somebody waits for.
    pub(crate) request: Option<Request>,
    /// The same, and nobody waits.
    pub(crate) errand: Option<Errand>,
    /// Of a virtual function's PE: its function as it was probed last, also while it is not there.
    pub(crate) vf: Option<(Name, DeviceInfo)>,
}

/// A device's part.
pub(crate) struct DeviceLinks<E: Env> {
    pub(crate) node: Node,
    pub(crate) info: DeviceInfo,
    pub(crate) platform: Option<E::Device>,
    /// The first 16 words of configuration space, as EEH saved them.
    pub(crate) saved_config: [u32; 16],
    /// How often it is open for pass-through.
    pub(crate) opens: u32,
}

impl<E: Env> Default for DeviceLinks<E> {
    fn default() -> Self {
        let info = DeviceInfo::default();
        Self { node: Node::default(), info, platform: None, saved_config: [0; 16], opens: 0 }
    }
}

/// Something with a place in the tree.
pub(crate) trait HasNode: Default {
    fn node(&self) -> &Node;
    fn node_mut(&mut self) -> &mut Node;
}

impl HasNode for PeLinks {
    fn node(&self) -> &Node {
        &self.node
    }
    fn node_mut(&mut self) -> &mut Node {
        &mut self.node
    }
}

impl<E: Env> HasNode for DeviceLinks<E> {
    fn node(&self) -> &Node {
        &self.node
    }
    fn node_mut(&mut self) -> &mut Node {
        &mut self.node
    }
}

/// A chunk of links, as memory is reserved for it.
pub(crate) struct LinkChunk<L> {
    links: [L; CHUNK],
    /// As many buckets as places.
    buckets: [Option<u16>; CHUNK],
}

impl<L: Default> LinkChunk<L> {
    pub(crate) fn new() -> Self {
        Self { links: core::array::from_fn(|_| L::default()), buckets: [None; CHUNK] }
    }
}

/// A place of the directory.
pub(crate) type LinkCell<E, L> = Option<<E as Env>::Own<LinkChunk<L>>>;

/// All links of one kind of one tree.
pub(crate) struct Links<E: Env, L: HasNode + Send + Sync> {
    chunks: E::Slice<LinkCell<E, L>>,
    /// Chunks present: the first ones.
    present: usize,
    free: Option<u16>,
    /// Buckets that are used: a power of two, or none.
    buckets: usize,
}

impl<E: Env, L: HasNode + Send + Sync> Links<E, L> {
    pub(crate) fn new(chunks: E::Slice<LinkCell<E, L>>) -> Self {
        Self { chunks, present: 0, free: None, buckets: 0 }
    }

    pub(crate) fn get(&self, index: u16) -> Option<&L> {
        let (chunk, place) = place(index);
        self.chunks.get(chunk)?.as_ref()?.links.get(place)
    }

    pub(crate) fn get_mut(&mut self, index: u16) -> Option<&mut L> {
        let (chunk, place) = place(index);
        self.chunks.get_mut(chunk)?.as_mut()?.links.get_mut(place)
    }

    pub(crate) const fn buckets(&self) -> usize {
        self.buckets
    }

    pub(crate) const fn set_buckets(&mut self, buckets: usize) {
        self.buckets = buckets;
    }

    pub(crate) fn bucket(&self, bucket: u16) -> Option<&Option<u16>> {
        let (chunk, place) = place(bucket);
        self.chunks.get(chunk)?.as_ref()?.buckets.get(place)
    }

    pub(crate) fn bucket_mut(&mut self, bucket: u16) -> Option<&mut Option<u16>> {
        let (chunk, place) = place(bucket);
        self.chunks.get_mut(chunk)?.as_mut()?.buckets.get_mut(place)
    }

    /// Slots that there is memory for.
    pub(crate) const fn capacity(&self) -> usize {
        self.present.saturating_mul(CHUNK)
    }

    pub(crate) fn node(&self, index: u16) -> Option<&Node> {
        self.get(index).map(HasNode::node)
    }

    pub(crate) fn node_mut(&mut self, index: u16) -> Option<&mut Node> {
        self.get_mut(index).map(HasNode::node_mut)
    }

    /// All indices that exist.
    pub(crate) fn indices(&self) -> impl Iterator<Item = u16> + use<E, L> {
        (0..self.capacity()).map_while(|i| u16::try_from(i).ok())
    }

    pub(crate) fn has_free(&self) -> bool {
        self.free.is_some()
    }

    /// The next chunk that memory could be brought for; `None` when the directory is full.
    pub(crate) fn next_chunk(&self) -> Option<usize> {
        (self.present < self.chunks.len() && first_of(self.present.saturating_add(1)).is_some())
            .then_some(self.present)
    }

    /// Adds memory for the chunk that [`next_chunk`](Self::next_chunk) named.
    pub(crate) fn add_chunk(&mut self, links: E::Own<LinkChunk<L>>) {
        let Some(cell) = self.chunks.get_mut(self.present) else { return };
        *cell = Some(links);
        let Some(first) = first_of(self.present) else { return };
        self.present = self.present.saturating_add(1);
        let end = first.saturating_add(u16::try_from(CHUNK).unwrap_or(u16::MAX));
        for index in (first..end).rev() {
            self.release(index);
        }
        self.grow_buckets();
    }

    /// Takes a slot off the free list.
    pub(crate) fn take_free(&mut self) -> Option<u16> {
        let index = self.free?;
        let node = self.node_mut(index)?;
        let next = node.next;
        *node = Node { used: Use::Linked, ..Node::default() };
        self.free = next;
        Some(index)
    }

    /// Forgets the occupant and keeps the slot off the free list for ever.
    pub(crate) fn retire(&mut self, index: u16) {
        self.leave(index);
        if let Some(links) = self.get_mut(index) {
            *links = L::default();
        }
    }

    /// Forgets the occupant and puts the slot on the free list.
    pub(crate) fn free(&mut self, index: u16) {
        self.retire(index);
        self.release(index);
    }

    fn release(&mut self, index: u16) {
        let next = self.free;
        if let Some(node) = self.node_mut(index) {
            node.next = next;
            self.free = Some(index);
        }
    }

    /// Appends `index` to `list`.
    pub(crate) fn append(&mut self, list: &mut List, index: u16) {
        if let Some(node) = self.node_mut(index) {
            node.prev = list.last;
            node.next = None;
        }
        match list.last {
            Some(last) => {
                if let Some(node) = self.node_mut(last) {
                    node.next = Some(index);
                }
            }
            None => list.first = Some(index),
        }
        list.last = Some(index);
    }

    /// Takes `index` out of `list`.
    pub(crate) fn unlink(&mut self, list: &mut List, index: u16) {
        let Some(Node { prev, next, .. }) = self.node(index).copied() else { return };
        match prev.and_then(|p| self.node_mut(p)) {
            Some(node) => node.next = next,
            None => list.first = next,
        }
        match next.and_then(|n| self.node_mut(n)) {
            Some(node) => node.prev = prev,
            None => list.last = prev,
        }
    }
}
