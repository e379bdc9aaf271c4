// SPDX-License-Identifier: GPL-2.0-or-later
//! A device borrowed from the lock is not used after the lock is released.

use eeh_pe::{DeviceId, Env, Tree};

pub fn case<E: Env>(tree: &Tree<'_, E>, id: DeviceId) -> Option<DeviceId> {
    let guard = tree.lock();
    let device = guard.device(id);
    drop(guard); //~ E0505
    device.map(|device| device.id())
}
