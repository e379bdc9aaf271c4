// SPDX-License-Identifier: GPL-2.0-or-later
//! A PE borrowed from the lock is not used after the lock is released.

use eeh_pe::{Env, PeId, Tree};

pub fn case<E: Env>(tree: &Tree<'_, E>, id: PeId) -> Option<PeId> {
    let guard = tree.lock();
    let pe = guard.pe(id);
    drop(guard); //~ E0505
    pe.map(|pe| pe.id())
}
