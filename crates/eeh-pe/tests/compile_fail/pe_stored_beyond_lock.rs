// SPDX-License-Identifier: GPL-2.0-or-later
//! A borrowed PE is not kept in a place that lives longer than the lock.

use eeh_pe::{Env, PeId, Tree};

pub fn case<E: Env>(tree: &Tree<'_, E>, id: PeId) {
    let mut kept = None;
    {
        let guard = tree.lock();
        kept = guard.pe(id); //~ E0597
        let _ = guard.is_live();
    }
    let _: Option<PeId> = kept.map(|pe: eeh_pe::PeRef<'_, '_, E>| pe.id());
}
