// SPDX-License-Identifier: GPL-2.0-or-later
//! A borrowed PE does not leave the function that holds the lock.

use eeh_pe::{Env, PeId, PeRef, Tree};

pub fn case<'r, E: Env>(tree: &Tree<'r, E>, id: PeId) -> Option<PeRef<'r, 'r, E>> {
    let guard = tree.lock();
    if guard.is_live() {
        return guard.pe(id); //~ E0515
    }
    None
}
