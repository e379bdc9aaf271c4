// SPDX-License-Identifier: GPL-2.0-or-later
//! What administrators, hotplug drivers and drivers ask of EEH while everything else goes on.

use test_utils::linux::{SimDevice, Wish};
use test_utils::task::block_on;

use super::field::Actor;
use super::owner::{self, Slot};

/// Writes to `eeh_pe_state`, thaws, marks and forced recoveries.
const WISHES: [Wish; 4] = [Wish::WriteState, Wish::Thaw, Wish::Mark, Wish::Force];

/// Asks until the storm is calm.
pub(super) fn run(mut actor: Actor<'_, '_>) {
    while !actor.field.is_calm() {
        if actor.percent(75) {
            writes(&mut actor);
        } else {
            resets(&mut actor);
        }
        actor.rest(2, 20);
    }
    actor.pulse.rests();
}

/// Something for one PE, which may have frozen a moment ago.
fn writes(actor: &mut Actor<'_, '_>) {
    let Some(device) = actor.device(|device| device.eeh().is_some()) else { return };
    let (phb, bdf) = (device.phb_number(), device.bdf());
    if actor.percent(60)
        && let Some((hardware, pe)) = actor.hardware(phb, bdf)
    {
        hardware.freeze(pe);
    }
    if let Some(wish) = actor.choose(&WISHES).copied() {
        let _ = actor.ask(phb, bdf, wish);
    }
}

/// A driver has its slot reset. It sets its device up anew, as do those of the others of the slot.
fn resets(actor: &mut Actor<'_, '_>) {
    let fits = |device: &SimDevice| device.driver().is_some() && device.identity().physfn.is_none();
    let Some(device) = actor.device(fits) else { return };
    let field = actor.field;
    let Some(slot) = Slot::of(field, &device) else { return };
    let Some(_mine) = slot.take(field) else { return };
    let (phb, bdf) = (device.phb_number(), device.bdf());
    if actor.ask(phb, bdf, Wish::Reset).is_err() {
        owner::let_go(actor, phb, bdf);
    }
    for bdf in &slot.functions {
        actor.pulse.does(format_args!("binding {phb:04x}:{bdf} anew"));
        // One that went meanwhile is set up by whoever adds it again.
        let _ = block_on(field.linux.unbind(phb, *bdf));
        let _ = block_on(field.linux.bind(phb, *bdf));
    }
}
