// SPDX-License-Identifier: GPL-2.0-or-later
//! Virtual functions at rest: those that are switched on are there, and no others; and one that failed
//! for good has gone.

use std::sync::Arc;

use eeh_pe::{Bdf, DeviceFlags};
use eeh_recovery::Outcome;

use super::check::{Checker, Verdict};
use super::plan::Plan;
use super::run::Evidence;
use crate::linux::{SimDevice, SimLinux};

/// The virtual functions of a function that Linux has.
fn vfs_of(linux: &SimLinux, phb: u32, pf: Bdf) -> Vec<Arc<SimDevice>> {
    let all = linux.phb(phb).map(|phb| phb.devices()).unwrap_or_default();
    all.into_iter().filter(|device| device.identity().physfn == Some(pf)).collect()
}

/// The machine at rest.
pub(super) fn check(plan: &Plan, linux: &SimLinux, verdict: &mut Verdict) {
    if plan.has_stuck_drivers() {
        return;
    }
    for pf in &plan.pfs {
        let vfs = vfs_of(linux, pf.phb, pf.bdf);
        let on = linux.device(pf.phb, pf.bdf).map(|pf| pf.vfs()).unwrap_or(0);
        let shown = plan.vfs_of(*pf).into_iter().take(usize::from(on));
        let shown: Vec<Bdf> = shown.map(|at| at.bdf).collect();
        for vf in vfs {
            verdict.expect(Checker::Vfs, shown.contains(&vf.bdf()), || {
                format!("{vf} is there, and its physical function has {on}")
            });
            let view = vf.eeh().and_then(|id| linux.registry().peek_device(id));
            let flags = view.map_or(DeviceFlags::empty(), |view| view.flags);
            let failed = flags.contains(DeviceFlags::PERM_FAILURE) && !flags.contains(DeviceFlags::LOCK_LOST);
            verdict.expect(Checker::Vfs, !failed, || format!("{vf} has failed for good and stays"));
        }
    }
}

/// On a machine whose drivers all behave, every virtual function that is switched on is there, unless a
/// recovery has given devices up.
pub(super) fn check_all(evidence: &Evidence<'_>, verdict: &mut Verdict) {
    let plan = evidence.plan;
    if !plan.gentle {
        return;
    }
    for pf in &plan.pfs {
        let mut of_phb = evidence.run.recoveries.iter().filter(|r| r.phb == pf.phb);
        if of_phb.any(|r| r.ended.is_none_or(|(_, outcome)| outcome != Outcome::Recovered)) {
            continue;
        }
        let on = evidence.linux.device(pf.phb, pf.bdf).map(|pf| pf.vfs()).unwrap_or(0);
        for vf in plan.vfs_of(*pf).into_iter().take(usize::from(on)) {
            let there = evidence.linux.device(vf.phb, vf.bdf).is_ok();
            verdict.expect(Checker::Vfs, there, || format!("{vf} is switched on, and not there"));
        }
    }
}
