// SPDX-License-Identifier: GPL-2.0-or-later
//! A device is not removed under a PE that is being looked at.

use eeh_pe::{DeviceId, Env, PeId, Time, Tree};

pub fn case<E: Env>(tree: &Tree<'_, E>, id: PeId, device: DeviceId) -> Option<PeId> {
    let mut guard = tree.lock();
    let _ = guard.remove_device(device, Time::ZERO);
    let pe = guard.pe(id);
    let _ = guard.remove_device(device, Time::ZERO); //~ E0502
    pe.map(|pe| pe.id())
}
