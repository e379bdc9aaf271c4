// SPDX-License-Identifier: GPL-2.0-or-later
//! Passes devices through to guests, which reset and thaw them and meet their freezes, and takes them back.

use core::time::Duration;
use std::collections::BTreeSet;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

use eeh_pe::{Bdf, DeviceId, PeFlags, PeId};
use eeh_recovery::{OwnerError, OwnerReset, PcieReset, SetOption};
use test_utils::drivers::Temperament;
use test_utils::hw::Phb;
use test_utils::linux::{SimDevice, SimLinux, Wish};
use test_utils::task::block_on;

use super::field::{Actor, Field, count};
use super::journal::Unit;
use super::{Plant, settle};

const WISHES: [Wish; 13] = [
    Wish::Recover,
    Wish::Recover,
    Wish::Recover,
    Wish::Step(OwnerReset::Hot),
    Wish::Step(OwnerReset::Fundamental),
    Wish::Step(OwnerReset::Deassert),
    Wish::Step(OwnerReset::Deassert),
    Wish::Option(SetOption::Enable),
    Wish::Option(SetOption::ThawMmio),
    Wish::Option(SetOption::ThawDma),
    Wish::Option(SetOption::Freeze),
    Wish::ResetAndRecover,
    Wish::Configure,
];

/// How often a guest looks whether its PE is frozen still.
const LOOK: Duration = Duration::from_micros(500);
/// So often in a row it is not, while nobody recovers anything.
const LOOKS: u32 = 20;
/// The host's recoveries end within that.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is passed through together: the functions of a PE.
pub(super) struct Slot {
    phb: u32,
    pub(super) functions: Vec<Bdf>,
}

/// The slots that somebody has. He who has one is its devices' only driver.
pub(super) type Slots = BTreeSet<(u32, Bdf)>;

/// While this lives, nobody else takes the slot.
pub(super) struct Mine<'f, 'a>(&'f Field<'a>, Vec<(u32, Bdf)>);

impl Drop for Mine<'_, '_> {
    fn drop(&mut self) {
        let mut all = slots(self.0);
        self.1.iter().for_each(|at| {
            all.remove(at);
        });
    }
}

fn slots<'f>(field: &'f Field<'_>) -> MutexGuard<'f, Slots> {
    field.slots.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Slot {
    /// That of a device; `None` where a bridge or a physical function is in it.
    pub(super) fn of(field: &Field<'_>, device: &SimDevice) -> Option<Self> {
        let (phb, bdf) = (device.phb_number(), device.bdf());
        let spec = field.specs.iter().find(|spec| spec.number == phb)?;
        let functions = match device.identity().physfn {
            // Its PE is its own.
            Some(_) => vec![bdf],
            // Also those that are not there at this moment.
            None => {
                let beside = spec.functions.iter().filter(|function| function.bdf.bus() == bdf.bus());
                beside.map(|function| function.bdf).collect()
            }
        };
        let registry = field.linux.registry();
        let pe = registry.peek_device(device.eeh()?)?.pe;
        let mates: Vec<Bdf> = {
            let tree = registry.tree(pe.tree())?;
            let guard = tree.lock();
            guard.pe(pe)?.devices().map(|device| device.info().bdf).collect()
        };
        let wide = functions.iter().any(|bdf| {
            field.is_physical(phb, *bdf) || spec.function(*bdf).is_some_and(|function| function.is_bridge())
        });
        let fits = !wide && mates.iter().all(|mate| functions.contains(mate));
        fits.then_some(Self { phb, functions })
    }

    /// Takes it, if nobody has it.
    pub(super) fn take<'f, 'a>(&self, field: &'f Field<'a>) -> Option<Mine<'f, 'a>> {
        let mine: Vec<_> = self.functions.iter().map(|bdf| (self.phb, *bdf)).collect();
        let mut all = slots(field);
        if mine.iter().any(|at| all.contains(at)) {
            return None;
        }
        all.extend(&mine);
        drop(all);
        Some(Mine(field, mine))
    }

    /// From now on no driver is bound to any of it, also when it comes again. C: `driver_override`
    fn override_drivers(&self, linux: &SimLinux) {
        for bdf in &self.functions {
            linux.set_temperament(self.phb, *bdf, Temperament { none: true, ..Temperament::default() });
            // It may not be there.
            let _ = block_on(linux.unbind(self.phb, *bdf));
        }
    }

    /// Its drivers are bound again.
    fn give_drivers(&self, linux: &SimLinux) {
        for bdf in &self.functions {
            linux.set_temperament(self.phb, *bdf, Temperament::default());
            let _ = block_on(linux.bind(self.phb, *bdf));
        }
    }
}

/// A device that a guest has open.
struct Guest {
    device: Arc<SimDevice>,
    id: DeviceId,
    pe: PeId,
    opens: u32,
}

impl Guest {
    fn of(linux: &SimLinux, device: Arc<SimDevice>) -> Option<Self> {
        let id = device.eeh()?;
        let pe = linux.registry().peek_device(id)?.pe;
        Some(Self { device, id, pe, opens: 0 })
    }

    fn at(&self) -> (u32, Bdf) {
        (self.device.phb_number(), self.device.bdf())
    }

    /// How often EEH takes it for open; `None` when it is gone, with all that was opened.
    fn counted(&self, linux: &SimLinux) -> Option<u32> {
        let tree = linux.registry().tree(self.id.tree())?;
        let opens = tree.lock().opens(self.id);
        // Linux lets go of it before EEH does, and what is released in between is nobody's.
        (self.device.eeh() == Some(self.id)).then_some(opens)
    }

    fn check_opens(&self, field: &Field<'_>) {
        if let Some(counted) = self.counted(field.linux).filter(|counted| *counted != self.opens) {
            field.find(format!("{} is open {counted} times, expected {}", self.device, self.opens));
        }
    }

    /// Gives back what was opened, if it is there still.
    fn release(&mut self, actor: &mut Actor<'_, '_>) {
        let (phb, bdf) = self.at();
        for _ in 0..core::mem::take(&mut self.opens) {
            // Another may be in its place: that one nobody has opened.
            let _ = actor.ask(phb, bdf, Wish::Release);
        }
        self.check_opens(actor.field);
    }
}

/// Passes through until the storm is calm.
pub(super) fn run(mut actor: Actor<'_, '_>) {
    let field = actor.field;
    while !field.is_calm() {
        let device = actor.device(|device| !device.is_bridge() && device.eeh().is_some());
        if let Some(device) = device
            && let Some(slot) = Slot::of(field, &device)
            && let Some(_mine) = slot.take(field)
        {
            actor.pulse.does(format_args!("taking the drivers of {device} away"));
            slot.override_drivers(field.linux);
            if let Some(mut guest) = Guest::of(field.linux, device) {
                // Whoever removes what is open has its PE recovered, whatever its state.
                actor.wishing(guest.at(), |actor| turn(actor, &mut guest));
            }
            actor.pulse.does("giving drivers back");
            slot.give_drivers(field.linux);
        }
        actor.rest(1, 8);
    }
    actor.pulse.rests();
}

/// A guest's life.
fn turn(actor: &mut Actor<'_, '_>, guest: &mut Guest) {
    let (phb, bdf) = guest.at();
    for _ in 0..=actor.below(3) {
        if actor.ask(phb, bdf, Wish::Open).is_ok() {
            guest.opens += 1;
        }
    }
    if guest.counted(actor.linux()).is_none() {
        // It went meanwhile, and what was opened may be what came in its place.
        return give_back(actor, phb, bdf);
    }
    guest.check_opens(actor.field);
    if guest.opens > 0 {
        count(&actor.field.counts.opened);
        for _ in 0..1 + actor.below(4) {
            if actor.percent(40) {
                freezes(actor, guest);
            } else if let Some(wish) = actor.choose(&WISHES).copied() {
                let _ = actor.ask(phb, bdf, wish);
            }
        }
    }
    guest.release(actor);
    if guest.counted(actor.linux()).is_none() {
        give_back(actor, phb, bdf);
    }
}

/// Whoever is there has been opened no more often than that.
fn give_back(actor: &mut Actor<'_, '_>, phb: u32, bdf: Bdf) {
    for _ in 0..4 {
        let _ = actor.ask(phb, bdf, Wish::Release);
    }
}

/// A PE freezes in its owner's hands, and stays so whatever the host recovers around it.
fn freezes(actor: &mut Actor<'_, '_>, guest: &Guest) {
    let (phb, bdf) = guest.at();
    let Some((hardware, pe)) = actor.hardware(phb, bdf) else { return };
    let since = actor.linux().now();
    hardware.freeze(pe);
    actor.rest(0, 3);
    actor.pulse.does(format_args!("looking whether {} stays frozen", guest.device));
    let kept = stays_frozen(actor.field, guest, &hardware, pe);
    // Somebody asked for it.
    if kept == Some(false) && !actor.field.journal.was_asked(phb, since) {
        actor.field.find(format!("{} froze in its owner's hands, and the host has thawed it", guest.device));
    }
    if kept == Some(true) {
        count(&actor.field.counts.kept);
    }
}

/// Whether a PE is frozen when nobody recovers it; `None`: it is gone, or cannot be told. A partition has no
/// way to freeze again what a reset has thawed.
fn stays_frozen(field: &Field<'_>, guest: &Guest, hardware: &Arc<Phb>, pe: u32) -> Option<bool> {
    let linux = field.linux;
    let (begun, mut thawed) = (Instant::now(), 0);
    while begun.elapsed() < PATIENCE {
        let there = linux.hardware(guest.at().0).is_some_and(|now| Arc::ptr_eq(&now, hardware));
        if !there || hardware.is_dead() || linux.rtas().is_some() {
            return None;
        }
        let rests = is_at_rest(linux, guest.pe)?;
        if rests && hardware.stopped(pe).any() {
            return Some(true);
        }
        thawed = if rests && is_at_rest(linux, guest.pe)? && !hardware.is_fenced() { thawed + 1 } else { 0 };
        if thawed > LOOKS {
            return Some(false);
        }
        thread::sleep(LOOK);
    }
    None
}

/// Whether the host recovers neither a PE that is passed through nor one above it; `None`: it is gone, or not
/// passed through any more.
fn is_at_rest(linux: &SimLinux, pe: PeId) -> Option<bool> {
    let registry = linux.registry();
    let view = registry.peek(pe)?;
    if !view.flags.contains(PeFlags::PASSED) {
        return None;
    }
    let busy = PeFlags::ISOLATED | PeFlags::RECOVERING | PeFlags::RESET;
    let mut above = view.parent;
    let mut rests = !view.flags.contains(PeFlags::RECOVERING);
    while let Some(view) = above.and_then(|above| registry.peek(above)) {
        rests &= !view.flags.intersects(busy);
        above = view.parent;
    }
    Some(rests)
}

/// A driver that has had its slot reset, and could not have that ended, asks until it can.
pub(super) fn let_go(actor: &mut Actor<'_, '_>, phb: u32, bdf: Bdf) {
    let linux = actor.linux();
    let held = || {
        let id = linux.device(phb, bdf).ok()?.eeh()?;
        let pe = linux.registry().peek(linux.registry().peek_device(id)?.pe)?;
        Some(pe.flags.contains(PeFlags::RESET))
    };
    while held() == Some(true) {
        let _ = actor.ask(phb, bdf, Wish::Pcie(PcieReset::Deassert));
    }
}

/// When all is quiet, one device is passed through, freezes, and comes back.
pub(super) fn judge(field: &Field<'_>, plant: Option<Plant>) -> Vec<String> {
    let linux = field.linux;
    let all = linux.phbs().into_iter().flat_map(|phb| phb.devices());
    let mut fit = all.filter(|device| device.driver().is_some() && device.identity().physfn.is_none());
    let Some((slot, mut guest)) =
        fit.find_map(|device| Some((Slot::of(field, &device)?, Guest::of(linux, device)?)))
    else {
        // A machine without such a device.
        return Vec::new();
    };
    let mut actor = field.actor("judge", u64::MAX);
    let (phb, bdf) = guest.at();
    let mut wrong = Vec::new();
    slot.override_drivers(linux);
    guest.opens = u32::from(actor.ask(phb, bdf, Wish::Open).is_ok());
    let Some((hardware, pe)) = actor.hardware(phb, bdf).filter(|_| guest.opens == 1) else {
        return vec![format!("{} cannot be passed through", guest.device)];
    };
    hardware.freeze(pe);
    wrong.extend(settle::quiet(field));
    if plant == Some(Plant::ThawPassed) {
        let _ = actor.ask(phb, bdf, Wish::Thaw);
    }
    if stays_frozen(field, &guest, &hardware, pe) == Some(false) {
        wrong.push(format!("{} froze in its owner's hands, and the host has thawed it", guest.device));
    }
    if plant != Some(Plant::KeepOpen) {
        guest.release(&mut actor);
    }
    guest.opens = 0;
    wrong.extend(settle::quiet(field));
    guest.check_opens(field);
    slot.give_drivers(linux);
    wrong.extend(settle::quiet(field));
    wrong.extend(settle::check(field, "after a guest had a device"));
    wrong
}

impl Actor<'_, '_> {
    /// Asks for something, and has that in the journal and in the counts.
    pub(super) fn ask(&mut self, phb: u32, bdf: Bdf, wish: Wish) -> Result<(), OwnerError> {
        let (field, linux) = (self.field, self.linux());
        self.pulse.does(format_args!("{wish} of {phb:04x}:{bdf}"));
        let ask = |_: &mut Self| block_on(linux.grant(phb, bdf, wish));
        let answer = if stops(wish) { self.wishing((phb, bdf), ask) } else { ask(self) };
        if !field.is_calm() {
            count(if answer.is_ok() { &field.counts.granted } else { &field.counts.refused });
        }
        self.pulse.rests();
        answer
    }

    /// Does something for which a PE may be reported although it has not frozen.
    fn wishing<T>(&mut self, (phb, bdf): (u32, Bdf), what: impl FnOnce(&mut Self) -> T) -> T {
        let (journal, linux) = (self.field.journal, self.linux());
        let unit = self.hardware(phb, bdf).map(|(_, pe)| Unit::Pe(pe));
        if let Some(unit) = unit {
            journal.wishes(linux.now(), phb, unit);
        }
        let done = what(self);
        if let Some(unit) = unit {
            journal.wished(linux.now(), phb, unit);
        }
        done
    }
}

/// Whether a PE may be reported for it although it has not frozen.
fn stops(wish: Wish) -> bool {
    wish.stops() || matches!(wish, Wish::Force)
}
