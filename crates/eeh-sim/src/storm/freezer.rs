// SPDX-License-Identifier: GPL-2.0-or-later
//! Breaks devices: loads that nobody answers, stray DMA, errors that only firmware sees, fences.

use super::field::Actor;

/// Breaks until the storm is calm.
pub(super) fn run(mut actor: Actor<'_, '_>) {
    while !actor.field.is_calm() {
        actor.pulse.does("breaking a device");
        turn(&mut actor);
        actor.rest(2, 20);
    }
    actor.pulse.rests();
}

fn turn(actor: &mut Actor<'_, '_>) {
    let linux = actor.linux();
    let Some(device) = actor.device(|_| true) else { return };
    let (phb, bdf) = (device.phb_number(), device.bdf());
    let Some((hardware, pe)) = actor.hardware(phb, bdf) else { return };
    match actor.below(100) {
        // As debugfs does, and then its driver reads.
        0..50 => linux.break_device(phb, bdf),
        // Noticed by firmware's interrupt, or by whoever reads first.
        50..75 => {
            hardware.freeze(pe);
        }
        75..85 => {
            // A device that cannot master the bus cannot stray.
            let _ = hardware.stray_dma(bdf);
        }
        // The driver's own work finds it.
        85..97 => {
            hardware.freeze(pe);
            let _ = linux.beat(phb, bdf);
        }
        _ => hardware.fence(),
    }
}
