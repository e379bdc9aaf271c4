// SPDX-License-Identifier: GPL-2.0-or-later
//! Devices that leave.

use eeh_pe::{DeviceId, Registry, RemovedDevice};

use crate::{Platform, Wake};

/// Forgets a device that the platform removes: its addresses, its place in the tree, and its PE when that
/// is empty. The worker is woken when that one leaves a freeze behind. `None` when it is gone already.
/// C: `eeh_remove_device`
///
/// # Context
///
/// May sleep; takes the map's mutex and the tree's lock, one at a time. The result holds the platform's
/// device, to be dropped where sleeping is allowed.
pub fn remove_device<P: Platform>(
    platform: &P,
    registry: &Registry<P::Env>,
    device: DeviceId,
) -> Option<RemovedDevice<P::Env>> {
    let tree = registry.tree(device.tree())?;
    tree.map().remove_device(device);
    let removed = tree.remove_device(device, platform.now())?;
    if removed.reported {
        platform.wake().wake(device.tree());
    }
    Some(removed)
}
