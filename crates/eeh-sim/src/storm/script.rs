// SPDX-License-Identifier: GPL-2.0-or-later
//! Provokes what chance brings about too seldom: a walk that stands on what was removed, a PE replaced
//! during its recovery, events absorbed by that of a PE above, handles kept beyond a removal.
//!
//! Everybody else goes on meanwhile, so that each scene may fail; each is played again and again.

use core::time::Duration;
use std::sync::Arc;
use std::time::Instant;

use eeh_pe::{Bdf, Isolate, PeFlags, PeId, Walk};
use eeh_recovery::Check;
use test_utils::linux::SimDevice;
use test_utils::task::block_on;

use super::field::{Actor, count};
use super::ledger::Cover;

/// Plays the scenes until the storm is calm.
pub(super) fn run(mut actor: Actor<'_, '_>) {
    while !actor.field.is_calm() {
        for scene in [tombstone, successor, absorbed, stale] {
            actor.pulse.does("playing a scene");
            // Who was to take part is gone, or somebody came in between.
            let _ = scene(&mut actor);
            actor.rest(2, 12);
        }
    }
    actor.pulse.rests();
}

/// A device, the PE that it is in, and a PE above that one.
struct Cast {
    device: Arc<SimDevice>,
    phb: u32,
    bdf: Bdf,
    pe: PeId,
    above: PeId,
    /// The hardware's number of the PE above.
    above_number: u32,
}

/// An endpoint whose PE has another above it.
fn cast(actor: &mut Actor<'_, '_>) -> Option<Cast> {
    let plain = |device: &SimDevice| !device.is_bridge() && device.identity().physfn.is_none();
    let device = actor.device(|device| plain(device) && device.eeh().is_some())?;
    let (phb, bdf) = (device.phb_number(), device.bdf());
    let registry = actor.linux().registry();
    let pe = registry.peek(registry.peek_device(device.eeh()?)?.pe)?;
    let above = registry.peek(pe.parent?)?;
    let spec = actor.field.specs.iter().find(|spec| spec.number == phb)?;
    let above_number = Cover::of(spec, &*actor.linux().hardware(phb)?).parent(pe.number.0)?;
    Some(Cast { device, phb, bdf, pe: pe.id, above: above.id, above_number })
}

/// Removes a device.
fn remove(actor: &Actor<'_, '_>, phb: u32, bdf: Bdf) -> Option<()> {
    let _nobody = actor.field.removing(phb);
    block_on(actor.linux().remove(phb, bdf)).ok()
}

/// A walk continues from a PE that was removed while the walk stood on it.
fn tombstone(actor: &mut Actor<'_, '_>) -> Option<()> {
    let linux = actor.linux();
    let Cast { device, phb, bdf, pe, .. } = cast(actor)?;
    let tree = linux.registry().tree(pe.tree())?;
    let root = linux.registry().get(tree.phb_pe()?)?;
    let mut walk = Walk::new(root);
    let found = walk.by_ref().find(|at| at.id() == pe)?;
    actor.pulse.does(format_args!("removing {device} under a walk"));
    remove(actor, phb, bdf)?;
    if walk.next().is_some_and(|next| next.id() == found.id()) {
        actor.field.find(format!("a walk stands still on {pe:?}, which was removed"));
    }
    drop(walk);
    drop(found);
    block_on(linux.rescan(phb)).ok()?;
    Some(())
}

/// A device is removed and found again while a PE above it recovers: its new PE succeeds the old.
fn successor(actor: &mut Actor<'_, '_>) -> Option<()> {
    let linux = actor.linux();
    let Cast { device, phb, bdf, pe, above, above_number } = cast(actor)?;
    linux.hardware(phb)?.freeze(above_number);
    // The error interrupt has told the worker.
    let recovers = || linux.registry().peek(pe).map(|pe| pe.flags.contains(PeFlags::RECOVERING));
    let until = Instant::now() + Duration::from_millis(20);
    while !recovers()? {
        if Instant::now() > until {
            return None;
        }
        std::thread::yield_now();
    }
    actor.pulse.does(format_args!("replacing {device} during its recovery"));
    remove(actor, phb, bdf)?;
    let recovers = || {
        let above = linux.registry().peek(above);
        above.is_some_and(|above| above.flags.contains(PeFlags::RECOVERING))
    };
    while linux.device(phb, bdf).is_err() && recovers() {
        block_on(linux.rescan(phb)).ok()?;
    }
    block_on(linux.rescan(phb)).ok()?;
    Some(())
}

/// A PE and the one above it freeze together: one recovery for both.
fn absorbed(actor: &mut Actor<'_, '_>) -> Option<()> {
    let linux = actor.linux();
    let Cast { device, phb, bdf, above, above_number, .. } = cast(actor)?;
    let bridge = linux.phb(phb)?.bridge_to(bdf.bus())?;
    let (hardware, number) = actor.hardware(phb, bdf)?;
    let _ = linux.registry().get(above)?;
    hardware.freeze(above_number);
    hardware.freeze(number);
    let _ = linux.check_device(device.eeh()?);
    let _ = linux.check_device(bridge.eeh()?);
    Some(())
}

/// Handles of what was removed name nothing, also when everything is there again.
fn stale(actor: &mut Actor<'_, '_>) -> Option<()> {
    let linux = actor.linux();
    let registry = linux.registry();
    let Cast { device, phb, bdf, pe, .. } = cast(actor)?;
    let id = device.eeh()?;
    actor.pulse.does(format_args!("replacing {device}"));
    remove(actor, phb, bdf)?;
    block_on(linux.rescan(phb)).ok()?;
    let refused = [
        linux.check_device(id) == Check::Unknown,
        registry.get_device(id).is_none(),
        registry.peek_device(id).is_none(),
        // Other devices may keep the PE.
        registry.peek(pe).is_some() || registry.isolate(pe) == Isolate::Stale,
    ];
    if refused == [true; 4] {
        count(&actor.field.counts.stale);
    } else {
        actor.field.find(format!("{device} was removed, but its handles still work: {refused:?}"));
    }
    Some(())
}
