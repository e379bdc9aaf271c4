// SPDX-License-Identifier: GPL-2.0-or-later
//! Unbinds drivers and binds them again.

use test_utils::linux::SimDevice;
use test_utils::task::block_on;

use super::field::{Actor, count};

/// Unbinds and binds until the storm is calm.
pub(super) fn run(mut actor: Actor<'_, '_>) {
    let (linux, field) = (actor.linux(), actor.field);
    // Whoever binds a function again that a recovery has unbound, to remove it, lets `sriov_numvfs` in between.
    let fits =
        |device: &SimDevice| !device.is_bridge() && !field.is_physical(device.phb_number(), device.bdf());
    while !actor.field.is_calm() {
        if let Some(device) = actor.device(fits) {
            let (phb, bdf) = (device.phb_number(), device.bdf());
            actor.pulse.does(format_args!("unbinding {device}"));
            let unbound = block_on(linux.unbind(phb, bdf));
            actor.rest(0, 4);
            actor.pulse.does(format_args!("binding {device}"));
            if block_on(linux.bind(phb, bdf)).is_ok() && unbound.is_ok() {
                count(&actor.field.counts.binds);
            }
        }
        actor.rest(2, 16);
    }
    actor.pulse.rests();
}
