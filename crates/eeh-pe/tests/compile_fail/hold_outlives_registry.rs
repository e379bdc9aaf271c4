// SPDX-License-Identifier: GPL-2.0-or-later
//! A counted reference does not outlive the registry that its slot is in.

use eeh_pe::{Env, PeHold, PeId, Registry, RegistryStorage};

pub fn case<E: Env>(storage: RegistryStorage<E>, id: PeId) -> bool {
    let registry = Registry::new(storage);
    let hold: Option<PeHold<'_, E>> = registry.get(id);
    drop(registry); //~ E0505
    hold.is_some_and(|hold| hold.is_live())
}
