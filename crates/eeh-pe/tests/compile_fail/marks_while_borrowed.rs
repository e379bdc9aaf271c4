// SPDX-License-Identifier: GPL-2.0-or-later
//! Marks do not change under a PE that is being looked at.

use eeh_pe::{Env, PeFlags, PeId, Tree};

pub fn case<E: Env>(tree: &Tree<'_, E>, id: PeId) -> Option<PeId> {
    let mut guard = tree.lock();
    let _ = guard.mark_subtree(id, PeFlags::RECOVERING);
    let pe = guard.pe(id);
    let _ = guard.mark_subtree(id, PeFlags::ISOLATED); //~ E0502
    pe.map(|pe| pe.id())
}
