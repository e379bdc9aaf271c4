// SPDX-License-Identifier: GPL-2.0-or-later
//! Takes random subtrees away and finds them again, politely or by surprise.

use test_utils::task::block_on;

use super::field::{Actor, count};

/// Removes and adds until the storm is calm.
pub(super) fn run(mut actor: Actor<'_, '_>) {
    while !actor.field.is_calm() {
        turn(&mut actor);
        actor.rest(1, 8);
    }
    actor.pulse.rests();
}

fn turn(actor: &mut Actor<'_, '_>) {
    let linux = actor.linux();
    // Virtual functions come and go with what is written.
    let Some(device) = actor.device(|device| device.identity().physfn.is_none()) else { return };
    let (phb, bdf) = (device.phb_number(), device.bdf());
    let surprise = actor.percent(40);
    actor.pulse.does(format_args!("removing {device}"));
    // Somebody else may have taken the device, or its whole PHB.
    let gone = {
        let _nobody = actor.field.removing(phb);
        block_on(async { if surprise { linux.pull(phb, bdf).await } else { linux.remove(phb, bdf).await } })
    };
    if actor.percent(50) {
        actor.rest(0, 4);
    }
    actor.pulse.does(format_args!("adding {device}"));
    let back =
        block_on(async { if surprise { linux.push(phb, bdf).await } else { linux.rescan(phb).await } });
    if gone.is_ok() && back.is_ok() {
        count(&actor.field.counts.hotplugs);
    }
}
