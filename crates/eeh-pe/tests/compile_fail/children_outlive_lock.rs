// SPDX-License-Identifier: GPL-2.0-or-later
//! What a borrowed PE leads to is borrowed from the same lock.

use eeh_pe::{Env, PeId, Tree};

pub fn case<E: Env>(tree: &Tree<'_, E>, id: PeId) -> Option<PeId> {
    let guard = tree.lock();
    let parent = guard.pe(id).and_then(|pe| pe.parent());
    drop(guard); //~ E0505
    parent.map(|pe| pe.id())
}
