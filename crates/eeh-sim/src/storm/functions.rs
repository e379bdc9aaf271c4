// SPDX-License-Identifier: GPL-2.0-or-later
//! Switches virtual functions on and off, as administrators do by `sriov_numvfs`.

use std::sync::{Arc, PoisonError, RwLockReadGuard};

use eeh_pe::Bdf;
use test_utils::linux::{SimDevice, SimLinux};
use test_utils::task::block_on;
use test_utils::topology::{FunctionSpec, PciAddress, PhbSpec};

use super::field::{Actor, Field, count};
use super::{Plant, settle};

/// The functions of a machine that have virtual ones.
pub(super) fn physical(specs: &[Arc<PhbSpec>]) -> Vec<PciAddress> {
    let of = |phb: &Arc<PhbSpec>| {
        let all = phb.functions.iter().filter(|function| function.has_virtual_functions());
        all.map(|function| PciAddress { phb: phb.number, bdf: function.bdf }).collect::<Vec<_>>()
    };
    specs.iter().flat_map(of).collect()
}

impl Field<'_> {
    /// Whether that has virtual functions.
    pub(super) fn is_physical(&self, phb: u32, bdf: Bdf) -> bool {
        self.pfs.contains(&PciAddress { phb, bdf })
    }

    /// While this lives nobody writes a `sriov_numvfs` of that PHB: that takes the `device_lock` before the
    /// rescan lock, and whoever removes the device takes them the other way round. The PCI core locks itself up
    /// so, here as there; nothing of EEH's.
    pub(super) fn removing(&self, phb: u32) -> Option<RwLockReadGuard<'_, ()>> {
        let has = self.pfs.iter().any(|pf| pf.phb == phb);
        has.then(|| self.numvfs.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Switches until the storm is calm.
pub(super) fn run(mut actor: Actor<'_, '_>) {
    let field = actor.field;
    while !field.is_calm() {
        let Some(pf) = actor.choose(&field.pfs).copied() else { return };
        turn(&mut actor, pf);
        actor.rest(4, 30);
    }
    actor.pulse.rests();
}

fn turn(actor: &mut Actor<'_, '_>, pf: PciAddress) {
    let linux = actor.linux();
    actor.pulse.does(format_args!("writing sriov_numvfs of {pf}"));
    let written = {
        let _nobody = actor.field.numvfs.write().unwrap_or_else(PoisonError::into_inner);
        block_on(linux.write_numvfs(pf.phb, pf.bdf))
    };
    if written != Ok(true) {
        return;
    }
    count(&actor.field.counts.numvfs);
    // Like any other device one breaks, also with its function's.
    let vf = actor.choose(&shown(linux, pf)).cloned();
    if let Some(vf) = vf.filter(|_| actor.percent(50))
        && let Some((hardware, pe)) = actor.hardware(pf.phb, vf.bdf())
    {
        hardware.freeze(pe);
    }
}

/// The virtual functions of a function that Linux has.
fn shown(linux: &SimLinux, pf: PciAddress) -> Vec<Arc<SimDevice>> {
    let all = linux.phb(pf.phb).map(|phb| phb.devices()).unwrap_or_default();
    all.into_iter().filter(|device| device.identity().physfn == Some(pf.bdf)).collect()
}

/// All are switched off, on, and off again, on a machine where nothing else happens.
pub(super) fn judge(field: &Field<'_>, plant: Option<Plant>) -> Vec<String> {
    let linux = field.linux;
    let mut wrong = Vec::new();
    for on in [false, true, false] {
        for pf in &field.pfs {
            let has = linux.device(pf.phb, pf.bdf).is_ok_and(|device| device.vfs() > 0);
            if has != on {
                let written = block_on(linux.write_numvfs(pf.phb, pf.bdf));
                if written != Ok(true) {
                    wrong.push(format!("{pf}: sriov_numvfs could not be written: {written:?}"));
                }
            }
            let barren = plant.filter(|plant| !plant.sow_function(linux, *pf, on));
            wrong.extend(barren.map(|plant| format!("{plant:?} could not be planted")));
        }
        wrong.extend(settle::quiet(field));
        for pf in &field.pfs {
            wrong.extend(check(field, *pf, on));
        }
        let when = if on { "with virtual functions" } else { "without virtual functions" };
        wrong.extend(settle::check(field, when));
    }
    wrong
}

/// Those that are switched on are there, and no others.
fn check(field: &Field<'_>, pf: PciAddress, on: bool) -> Vec<String> {
    let linux = field.linux;
    let spec = field.specs.iter().find(|spec| spec.number == pf.phb);
    let function = spec.and_then(|spec| spec.function(pf.bdf));
    let switched = if on { linux.device(pf.phb, pf.bdf).map_or(0, |device| device.vfs()) } else { 0 };
    let mut wrong = Vec::new();
    if on && switched == 0 {
        wrong.push(format!("{pf} has no virtual functions although they are switched on"));
    }
    let due: Vec<Bdf> =
        (0..switched).filter_map(|n| function.and_then(|f: &FunctionSpec| f.virtual_function(n))).collect();
    let there: Vec<Bdf> = shown(linux, pf).iter().map(|vf| vf.bdf()).collect();
    let missing = due.iter().filter(|vf| !there.contains(vf));
    wrong.extend(missing.map(|vf| format!("{:04x}:{vf} is switched on, and not there", pf.phb)));
    let left = there.iter().filter(|vf| !due.contains(vf));
    wrong.extend(left.map(|vf| format!("{:04x}:{vf} is there, and not switched on", pf.phb)));
    wrong
}
