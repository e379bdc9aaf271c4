// SPDX-License-Identifier: GPL-2.0-or-later
//! What must hold for any machine at rest, whatever was done to it.

use std::sync::Arc;

use eeh_pe::{DeviceFlags, PeFlags, PeId, PeNumber, PeRef};

use super::check::{Checker, Verdict};
use super::owners::{self, Account};
use super::plan::Plan;
use super::run::Evidence;
use super::vfs;
use crate::hw::{Phb, Stopped};
use crate::linux::{SimDevice, SimEnv, SimLinux, SimPhb};

/// Flags of a PE that are no mark of a recovery.
const LASTING: PeFlags = PeFlags::PRI_BUS.union(PeFlags::CFG_RESTRICTED);
/// Marks of a recovery on a device.
const MARKS: DeviceFlags =
    DeviceFlags::IRQ_DISABLED.union(DeviceFlags::DISCONNECTED).union(DeviceFlags::NO_HANDLER);
/// Flags of a device that is given up.
const LOST: DeviceFlags = DeviceFlags::PERM_FAILURE.union(DeviceFlags::LOCK_LOST).union(DeviceFlags::REMOVED);

/// What the end of a run tells beside the machine.
pub(super) fn check(evidence: &Evidence<'_>, verdict: &mut Verdict) {
    let run = &evidence.run;
    // A partition's PHB that died cannot be taken away then, and whoever looks at it begins a recovery.
    if evidence.linux.rtas().is_some() && evidence.hotplug_stuck && evidence.plan.has_stuck_drivers() {
        return;
    }
    verdict.expect(Checker::Liveness, !run.timed_out, || "it does not come to rest".to_owned());
    for recovery in run.recoveries.iter().filter(|r| r.ended.is_none()) {
        verdict.add(Checker::Liveness, format!("recovery {:?} never ended", recovery.id));
    }
    let hangs = evidence.plan.has_stuck_drivers();
    verdict.expect(Checker::Deadlock, run.stuck == 0 || hangs, || {
        format!("{} tasks wait for ever, and no driver hangs", run.stuck)
    });
    check_machine(evidence.plan, evidence.linux, (&evidence.account, false), verdict);
    no_owners(evidence.linux, verdict);
}

/// In the end nothing is anybody's.
fn no_owners(linux: &SimLinux, verdict: &mut Verdict) {
    for phb in linux.phbs() {
        let Some(tree) = linux.registry().tree(phb.tree()) else { continue };
        let guard = tree.lock();
        let held = PeFlags::PASSED | PeFlags::RESET;
        for pe in guard.root().into_iter().flat_map(|root| root.subtree()) {
            verdict.expect(Checker::Owners, !pe.flags().intersects(held), || {
                format!("{phb:?} PE {} is {:?} when all is given back", pe.number(), pe.flags())
            });
        }
    }
}

/// The machine by itself.
///
/// `lent`: somebody may have what he has asked for still.
pub(super) fn check_machine(
    plan: &Plan,
    linux: &SimLinux,
    (account, lent): (&Account, bool),
    verdict: &mut Verdict,
) {
    let stuck = plan.has_stuck_drivers();
    vfs::check(plan, linux, verdict);
    for phb in linux.phbs() {
        let Some(hardware) = linux.hardware(phb.number().0) else {
            verdict.expect(Checker::Tree, stuck, || format!("{phb:?} has no hardware"));
            continue;
        };
        marks((plan, linux), &phb, &hardware, account, verdict);
        frozen((plan, linux), &phb, &hardware, (account, lent), verdict);
        owners::check(plan, linux, &phb, account, verdict);
        orphans(linux, &phb, verdict);
        tree(linux, &phb, verdict);
        for device in phb.devices() {
            device_at_rest(linux, &phb, &device, verdict);
        }
        // What a PHB that broke has begun stays so.
        if hardware.is_dead() {
            continue;
        }
        let (asserted, released) = hardware.wire().pairs();
        verdict.expect(Checker::Resets, asserted == released, || {
            format!("{phb:?}: {asserted} resets asserted, {released} released")
        });
        for bdf in hardware.homes() {
            let resets = hardware.resets(bdf).unwrap_or_default();
            verdict.expect(Checker::Resets, resets.asserted == resets.released, || {
                format!("{phb:?} {bdf}: {resets:?}")
            });
        }
    }
}

fn marks(
    (plan, linux): (&Plan, &SimLinux),
    phb: &SimPhb,
    hardware: &Phb,
    account: &Account,
    verdict: &mut Verdict,
) {
    let Some(tree) = linux.registry().tree(phb.tree()) else { return };
    // A dead PHB stays isolated, and so does one that is given up.
    let lost = hardware.is_dead() || hardware.is_fenced();
    let may = if lost { LASTING | PeFlags::ISOLATED } else { LASTING };
    let guard = tree.lock();
    let Some(root) = guard.root() else { return };
    for pe in root.subtree() {
        // A PE stays isolated with a device whose driver never came back, and so do those below; also when
        // hotplug has taken the device away since.
        let left = plan.has_stuck_drivers();
        let may = if left { may | PeFlags::ISOLATED } else { may };
        let may = may | lent(pe, account);
        let blocked = may.contains(PeFlags::ISOLATED) && pe.flags().contains(PeFlags::CFG_RESTRICTED);
        let may = if blocked { may | PeFlags::CFG_BLOCKED } else { may };
        let kept = pe.flags().difference(may);
        verdict
            .expect(Checker::Marks, kept.is_empty(), || format!("{phb:?} PE {} keeps {kept:?}", pe.number()));
    }
}

/// What a PE may be besides: an owner has it, or one above it, or somebody holds it in reset.
fn lent(pe: PeRef<'_, '_, SimEnv>, account: &Account) -> PeFlags {
    let mut may = PeFlags::empty();
    for pe in core::iter::successors(Some(pe), |pe| pe.parent()) {
        if pe.flags().contains(PeFlags::PASSED) {
            may |= PeFlags::PASSED | PeFlags::ISOLATED;
        }
        if account.touched(pe.id()) {
            may |= PeFlags::ISOLATED;
        }
        if account.holds(pe.id()) {
            may |= PeFlags::RESET | PeFlags::CFG_BLOCKED;
        }
    }
    may
}

fn isolated(linux: &SimLinux, phb: &SimPhb) -> bool {
    let Some(tree) = linux.registry().tree(phb.tree()) else { return false };
    let guard = tree.lock();
    guard.root().is_some_and(|root| root.flags().contains(PeFlags::ISOLATED))
}

/// Whether a PE is left isolated; that it may be so, `marks` sees to. Or firmware has given it up.
fn given_up(linux: &SimLinux, phb: &SimPhb, pe: u32, account: &Account) -> bool {
    let number = match (linux.rtas(), linux.hardware(phb.number().0)) {
        (Some(rtas), Some(hardware)) => {
            if rtas.honest().has_given_up(phb.number().0, pe) {
                return true;
            }
            let member = hardware.homes().into_iter().find(|bdf| hardware.pe_of(*bdf) == Some(pe));
            member.and_then(|bdf| rtas.honest().pe_number(phb.number().0, bdf)).unwrap_or(pe)
        }
        _ => pe,
    };
    let Some(tree) = linux.registry().tree(phb.tree()) else { return false };
    let guard = tree.lock();
    let lent = |pe: PeRef<'_, '_, SimEnv>| {
        pe.flags().intersects(PeFlags::ISOLATED | PeFlags::PASSED | PeFlags::RESET)
            || account.touched(pe.id())
    };
    guard.find(PeNumber(number)).is_some_and(lent)
}

fn frozen(
    (plan, linux): (&Plan, &SimLinux),
    phb: &SimPhb,
    hardware: &Phb,
    (account, lent): (&Account, bool),
    verdict: &mut Verdict,
) {
    if hardware.is_dead() {
        return;
    }
    // A PHB that is given up stays isolated, for which there must be a reason.
    if isolated(linux, phb) {
        return;
    }
    // A partition is told by nobody: what no driver reads from stays stopped.
    let used = |pe: Option<u32>| {
        let reads = |d: &Arc<SimDevice>| {
            d.driver().is_some()
                && d.identity().bars.iter().any(|bar| !bar.io && bar.size >= 16)
                && pe.is_none_or(|pe| hardware.pe_of(d.bdf()) == Some(pe))
        };
        phb.devices().iter().any(reads)
    };
    let read = |pe: Option<u32>| linux.rtas().is_none() || used(pe);
    if !read(None) {
        return;
    }
    // Nor is a fence seen before somebody asks.
    let fenced = linux.rtas().is_none() && hardware.is_fenced();
    verdict.expect(Checker::Frozen, !fenced, || format!("{phb:?} is fenced"));
    for pe in 0..hardware.pe_count() {
        let stopped = hardware.stopped(pe);
        if stopped == Stopped::NO || given_up(linux, phb, pe, account) || !read(Some(pe)) {
            continue;
        }
        // Firmware tells of one frozen PE at a time: one that somebody keeps hides others.
        let number = phb.number().0;
        let kept = account.touched_number(number, pe) || (account.touches(number) && !used(Some(pe)));
        if lent && kept || is_left_over(plan, phb, hardware, pe) {
            continue;
        }
        let members: Vec<String> = phb
            .devices()
            .iter()
            .filter(|d| hardware.pe_of(d.bdf()) == Some(pe))
            .map(|d| d.to_string())
            .collect();
        verdict.add(Checker::Frozen, format!("{phb:?} PE {pe:x} of {members:?}: {stopped:?}"));
    }
}

/// Whether a PE is one of virtual functions that were switched off: nobody has it.
fn is_left_over(plan: &Plan, phb: &SimPhb, hardware: &Phb, pe: u32) -> bool {
    let mut members = hardware.homes().into_iter().filter(|bdf| hardware.pe_of(*bdf) == Some(pe)).peekable();
    members.peek().is_some()
        && members
            .all(|bdf| plan.physical_function(phb.number().0, bdf).is_some() && phb.device(bdf).is_none())
}

fn orphans(linux: &SimLinux, phb: &SimPhb, verdict: &mut Verdict) {
    let tree = || linux.registry().tree(phb.tree());
    if let Some(tree) = tree() {
        tree.reap();
    }
    let orphans: Vec<_> = tree().into_iter().flat_map(|tree| tree.orphans(linux.now())).collect();
    verdict.expect(Checker::Orphans, orphans.is_empty(), || format!("{phb:?}: {orphans:?}"));
}

/// The PE that a bus's devices have above theirs: that of the nearest bridge above that is in another.
fn parent_of(linux: &SimLinux, phb: &SimPhb, pe: PeId, bus: u8) -> Option<PeId> {
    let mut bus = bus;
    loop {
        let bridge = phb.bridge_to(bus)?;
        let above = bridge.eeh().and_then(|id| linux.registry().peek_device(id))?.pe;
        if above != pe {
            return Some(above);
        }
        bus = bridge.bdf().bus();
    }
}

fn tree(linux: &SimLinux, phb: &SimPhb, verdict: &mut Verdict) {
    let Some(tree) = linux.registry().tree(phb.tree()).filter(|tree| tree.is_live()) else {
        return verdict.add(Checker::Tree, format!("{phb:?} has no tree"));
    };
    let (pes, root) = {
        let guard = tree.lock();
        let Some(root) = guard.root() else { return };
        let all = root.subtree().map(|pe| {
            let buses: Vec<u8> = pe.devices().map(|d| d.info().bdf.bus()).collect();
            let due = 1 + pe.devices().count() + pe.children().count();
            let refs = (pe.references(), due, pe.devices().all(|device| device.references() == 1));
            let physfn = pe.devices().find_map(|device| device.info().physfn);
            let idle = pe.devices().next().is_none() && pe.children().next().is_none();
            (pe.id(), pe.number(), pe.parent().map(|p| p.id()), buses, (idle, refs, physfn))
        });
        (all.collect::<Vec<_>>(), root.id())
    };
    let known = phb.devices().iter().filter(|d| d.eeh().is_some()).count();
    let count: usize = pes.iter().map(|(.., buses, _)| buses.len()).sum();
    verdict.expect(Checker::Tree, known == count, || {
        format!("{phb:?}: {count} devices in the tree, {known} in Linux")
    });
    for (_, number, _, _, (_, (has, due, devices), _)) in &pes {
        verdict.expect(Checker::Ledger, *has as usize == *due && *devices, || {
            format!("{phb:?} PE {number} has {has} references, not {due}, or a device has more than one")
        });
    }
    for (id, number, parent, buses, (idle, _, physfn)) in pes.into_iter().filter(|(id, ..)| *id != root) {
        verdict.expect(Checker::Tree, !idle, || format!("{phb:?} PE {number} is empty"));
        let Some(bus) = buses.into_iter().min() else { continue };
        let pf = physfn.and_then(|pf| phb.device(pf)).and_then(|pf| pf.eeh());
        let pf = pf.and_then(|id| linux.registry().peek_device(id)).map(|view| view.pe);
        let expected = pf.or_else(|| parent_of(linux, phb, id, bus)).unwrap_or(root);
        verdict.expect(Checker::Tree, parent == Some(expected), || {
            format!("{phb:?} PE {number} is below {parent:?}, not {expected:?}")
        });
    }
}

fn device_at_rest(linux: &SimLinux, phb: &SimPhb, device: &SimDevice, verdict: &mut Verdict) {
    let wired = phb.spec().function(device.bdf()).and_then(|f| f.pe);
    let of_vf = || device.identity().physfn.map(|_| eeh_pseries::pe_of_vf(device.bdf()).0);
    let wanted = linux
        .rtas()
        .map_or(wired, |rtas| of_vf().or_else(|| rtas.honest().pe_number(phb.number().0, device.bdf())));
    let isa = device.identity().class >> 8 == 0x0601;
    let Some(number) = wanted.filter(|_| !isa) else { return };
    let id = device.eeh();
    let Some((id, view)) = id.and_then(|id| Some((id, linux.registry().peek_device(id)?))) else {
        return verdict.add(Checker::Tree, format!("{device} is unknown to EEH"));
    };
    let pe = linux.registry().peek(view.pe).map(|pe| pe.number.0);
    verdict.expect(Checker::Tree, view.bdf == device.bdf() && pe == Some(number), || {
        format!("{device} is {} in PE {pe:?}, not {number}", view.bdf)
    });
    for bar in device.identity().bars.iter().filter(|_| !device.is_bridge()) {
        for address in [bar.start, bar.last()] {
            let found = linux.registry().lookup(address);
            verdict.expect(Checker::Addresses, found == Some(id), || {
                format!("{device}: {address:#x} leads to {found:?}, not {id:?}")
            });
        }
    }
    let lost = view.flags.intersects(LOST);
    let kept = view.flags & MARKS;
    verdict.expect(Checker::Marks, lost || kept.is_empty(), || format!("{device} keeps {kept:?}"));
    let depth = device.irq_depth();
    verdict.expect(Checker::Interrupts, lost || depth == 0, || format!("{device}: depth {depth}"));
}
