// SPDX-License-Identifier: GPL-2.0-or-later
//! No PE is removed while one is being looked at.

use eeh_pe::{Env, PeId, Time, Tree};

pub fn case<E: Env>(tree: &Tree<'_, E>, id: PeId) -> Option<PeId> {
    let mut guard = tree.lock();
    guard.remove_empty(id, Time::ZERO);
    let pe = guard.pe(id);
    guard.remove_empty(id, Time::ZERO); //~ E0502
    pe.map(|pe| pe.id())
}
