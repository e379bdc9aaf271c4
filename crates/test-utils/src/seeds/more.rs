// SPDX-License-Identifier: GPL-2.0-or-later
//! What a seed decides beside faults and hotplug: virtual functions, what owners, drivers and
//! administrators ask for, and what meets a recovery in a certain phase.

use core::time::Duration;

use eeh_pe::Bdf;
use eeh_recovery::{OwnerReset, PcieReset, Phase, SetOption};

use super::dice::Dice;
use super::plan::{ACTION, EVENTS, Plan};
use crate::engine::Fault;
use crate::linux::Wish;
use crate::topology::config::{find_ext_cap, u16_at, u32_at};
use crate::topology::{FunctionSpec, PciAddress};

/// The SR-IOV extended capability, and where it is put into a function that has none.
const EXT_CAP_SRIOV: u16 = 0x10;
const SRIOV_AT: usize = 0xe00;
/// Virtual functions that are switched on.
const VFS: u16 = 2;

const VF_GENTLE: [&str; 6] = ["unaware", "aware", "can-recover", "slow=0s", "none", "slow=700ms"];
const VF_WILD: [&str; 4] = ["disconnect", "fail=slot_reset", "fail=resume", "fail=probe"];
const PF: [&str; 5] = [
    "vfs=slot_reset",
    "vfs=error_detected",
    "vfs=error_detected,vfs=slot_reset",
    "vfs=resume",
    "vfs=mmio_enabled,can-recover",
];

const WISHES: [Wish; 36] = [
    Wish::Open,
    Wish::Open,
    Wish::Open,
    Wish::Open,
    Wish::Open,
    Wish::Release,
    Wish::Release,
    Wish::Release,
    Wish::Recover,
    Wish::Recover,
    Wish::WriteState,
    Wish::WriteState,
    Wish::Reset,
    Wish::Reset,
    Wish::ResetAndRecover,
    Wish::ResetAndRecover,
    Wish::Option(SetOption::Disable),
    Wish::Option(SetOption::Enable),
    Wish::Option(SetOption::Enable),
    Wish::Option(SetOption::ThawMmio),
    Wish::Option(SetOption::ThawDma),
    Wish::Option(SetOption::Freeze),
    Wish::Option(SetOption::Freeze),
    Wish::Step(OwnerReset::Hot),
    Wish::Step(OwnerReset::Fundamental),
    Wish::Step(OwnerReset::Deassert),
    Wish::Step(OwnerReset::Deassert),
    Wish::Pcie(PcieReset::Warm),
    Wish::Pcie(PcieReset::Hot),
    Wish::Pcie(PcieReset::Deassert),
    Wish::Pcie(PcieReset::Deassert),
    Wish::Configure,
    Wish::Inject,
    Wish::Inject,
    Wish::Thaw,
    Wish::Mark,
];

impl Plan {
    pub(super) fn choose_more(&mut self, dice: &mut Dice) {
        let vfs = if dice.chance(45) { self.choose_functions(dice) } else { Vec::new() };
        if dice.chance(55) {
            self.choose_wishes(dice, &vfs);
        }
        if dice.chance(70) {
            self.choose_phases(dice, &vfs);
        }
        for pf in self.pfs.clone() {
            self.spare(pf);
        }
    }

    /// Virtual functions of one function, and what is done to them; where they will be.
    fn choose_functions(&mut self, dice: &mut Dice) -> Vec<PciAddress> {
        let has = |f: &FunctionSpec| find_ext_cap(&f.config, EXT_CAP_SRIOV).is_some();
        let ready: Vec<PciAddress> =
            self.spec.functions().filter(|(_, f)| has(f)).map(|(at, _)| at).collect();
        let pf = match dice.pick(&ready).copied() {
            Some(pf) => Some(pf),
            None => self.make_physical(dice),
        };
        let Some(pf) = pf else { return Vec::new() };
        self.pfs.push(pf);
        let vfs = self.vfs_of(pf);
        for vf in &vfs {
            let words = match dice.below(10) {
                0..=3 => dice.word(&VF_GENTLE),
                4 if !self.gentle => dice.word(&VF_WILD),
                _ => continue,
            };
            self.set_driver(*vf, words);
        }
        if dice.chance(35) && !self.options.temperaments.contains_key(&pf) {
            let words = dice.word(&PF);
            self.set_driver(pf, words);
        }
        let write = Fault::WriteNumVfs(pf.phb, pf.bdf);
        if dice.chance(75) {
            self.timed.push((Duration::from_millis(1), write));
        }
        for _ in 0..1 + dice.below(5) {
            let vf = dice.pick(&vfs).copied().unwrap_or(pf);
            let fault = match dice.below(10) {
                0..=2 => write,
                3..=5 => Fault::Freeze(vf.phb, vf.bdf),
                6..=8 => Fault::Break(pf.phb, pf.bdf),
                _ => Fault::Fence(pf.phb),
            };
            self.some_time(dice, fault);
        }
        vfs
    }

    /// Virtual functions are switched on, and nothing else is done with them.
    pub(super) fn switch_on_functions(&mut self) {
        let mut dice = Dice::new(self.seed);
        let has = |f: &FunctionSpec| find_ext_cap(&f.config, EXT_CAP_SRIOV).is_some();
        let ready = self.spec.functions().find(|(_, f)| has(f)).map(|(at, _)| at);
        if let Some(pf) = ready.or_else(|| self.make_physical(&mut dice)) {
            self.pfs.push(pf);
            self.spare(pf);
            // In the end, when everything else has come to rest.
            self.timed.push((Duration::from_secs(600), Fault::WriteNumVfs(pf.phb, pf.bdf)));
        }
    }

    /// The same, right after boot.
    pub(super) fn switch_on_at_boot(&mut self, dice: &mut Dice) {
        let has = |f: &FunctionSpec| find_ext_cap(&f.config, EXT_CAP_SRIOV).is_some();
        let ready = self.spec.functions().find(|(_, f)| has(f)).map(|(at, _)| at);
        if let Some(pf) = ready.or_else(|| self.make_physical(dice)) {
            self.pfs.push(pf);
            self.timed.push((Duration::from_millis(1), Fault::WriteNumVfs(pf.phb, pf.bdf)));
        }
    }

    pub(super) fn set_driver(&mut self, at: PciAddress, words: &str) {
        if let Ok(temperament) = words.parse() {
            self.options.temperaments.insert(at, temperament);
        }
    }

    /// Gives a function that has none the capability.
    fn make_physical(&mut self, dice: &mut Dice) -> Option<PciAddress> {
        let alone = |at: PciAddress| {
            let mut others =
                self.spec.functions().filter(|(o, _)| o.phb == at.phb && o.bdf.bus() == at.bdf.bus());
            others.all(|(o, _)| o.bdf.device() < 16)
        };
        let fits = |at: PciAddress, f: &FunctionSpec| {
            !f.is_bridge()
                && f.pe.is_some()
                && f.find_cap(0x10).is_some()
                && at.bdf.0 & 0xff == 0
                && alone(at)
        };
        let all: Vec<PciAddress> =
            self.spec.functions().filter(|(at, f)| fits(*at, f)).map(|(at, _)| at).collect();
        let at = *dice.pick(&all)?;
        let phb = self.spec.phbs.iter_mut().find(|phb| phb.number == at.phb)?;
        let function = phb.functions.iter_mut().find(|f| f.bdf == at.bdf)?;
        add_sriov(&mut function.config);
        Some(at)
    }

    /// Where a function's virtual ones will be.
    pub(super) fn vfs_of(&self, pf: PciAddress) -> Vec<PciAddress> {
        let function = self.spec.functions().find(|(at, _)| *at == pf).map(|(_, f)| f);
        let cap = function.and_then(|f| Some((f, usize::from(find_ext_cap(&f.config, EXT_CAP_SRIOV)?))));
        let Some((function, cap)) = cap else { return Vec::new() };
        let half = |at: usize| u16_at(&function.config, cap + at);
        let (first, stride) = (pf.bdf.0.wrapping_add(half(0x14)), half(0x16));
        let at = |n: u16| PciAddress { phb: pf.phb, bdf: Bdf(first.wrapping_add(n.wrapping_mul(stride))) };
        (0..VFS.min(half(0x0e))).map(at).collect()
    }

    /// Whoever removes a function while somebody writes its `sriov_numvfs` meets the PCI core's own
    /// inversion of locks: one of the two is left out.
    #[expect(clippy::wildcard_enum_match_arm, reason = "nothing else removes or binds")]
    pub(super) fn spare(&mut self, pf: PciAddress) {
        let bridges: Vec<PciAddress> =
            self.spec.functions().filter(|(_, f)| f.is_bridge()).map(|(at, _)| at).collect();
        let removes = |fault: &Fault| match *fault {
            Fault::Remove(phb, bdf) | Fault::Pull(phb, bdf) | Fault::Push(phb, bdf) => {
                let at = PciAddress { phb, bdf };
                at == pf || (phb == pf.phb && bridges.contains(&at))
            }
            Fault::RemovePhb(phb) | Fault::AddPhb(phb) => phb == pf.phb,
            Fault::Bind(phb, bdf) => (phb, bdf) == (pf.phb, pf.bdf),
            _ => false,
        };
        self.timed.retain(|(_, fault)| !removes(fault));
        self.moments.retain(|(_, fault)| !removes(fault));
        self.phases.retain(|(.., fault)| !removes(fault));
        self.meets.retain(|(.., fault)| !removes(fault));
    }

    /// At some time, after some events, or in some phase.
    fn some_time(&mut self, dice: &mut Dice, fault: Fault) {
        match dice.below(3) {
            0 => self.timed.push((dice.span(ACTION), fault)),
            1 => self.moments.push((usize::try_from(1 + dice.below(EVENTS)).unwrap_or(0), fault)),
            _ => {
                if let Some(phase) = dice.pick(&Phase::ALL).copied() {
                    self.phases.push((phase, dice.span(Duration::from_millis(80)), fault));
                }
            }
        }
    }

    /// The device that the first fault is about, else any.
    #[expect(clippy::wildcard_enum_match_arm, reason = "the first fault is one of these, or of a PHB")]
    pub(super) fn first(&self, dice: &mut Dice) -> Option<PciAddress> {
        let of = |fault: &Fault| match *fault {
            Fault::Break(phb, bdf) | Fault::Freeze(phb, bdf) => Some(PciAddress { phb, bdf }),
            _ => None,
        };
        let ends: Vec<PciAddress> =
            self.spec.functions().filter(|(_, f)| !f.is_bridge()).map(|(at, _)| at).collect();
        let first = self.timed.iter().find_map(|(_, fault)| of(fault)).filter(|at| ends.contains(at));
        first.or_else(|| dice.pick(&ends).copied())
    }

    fn choose_wishes(&mut self, dice: &mut Dice, vfs: &[PciAddress]) {
        let ends: Vec<PciAddress> =
            self.spec.functions().filter(|(_, f)| !f.is_bridge()).map(|(at, _)| at).collect();
        for _ in 0..1 + dice.below(3) {
            let at = match dice.below(4) {
                0 => dice.pick(&ends).copied(),
                1 if !vfs.is_empty() => dice.pick(vfs).copied(),
                _ => self.first(dice),
            };
            let Some(at) = at else { continue };
            self.owned.insert(at);
            for _ in 0..2 + dice.below(8) {
                if let Some(wish) = dice.pick(&WISHES).copied() {
                    self.some_time(dice, Fault::Wish(at.phb, at.bdf, wish));
                }
                if dice.chance(40) {
                    self.some_time(dice, Fault::Freeze(at.phb, at.bdf));
                }
            }
        }
    }

    /// What meets a recovery of the device that the first fault is about.
    fn choose_phases(&mut self, dice: &mut Dice, vfs: &[PciAddress]) {
        for _ in 0..1 + dice.below(4) {
            let (Some(at), Some(phase)) = (self.first(dice), dice.pick(&Phase::ALL).copied()) else {
                continue;
            };
            let (phb, bdf) = (at.phb, at.bdf);
            let fault = match dice.below(16) {
                0..=3 => Fault::Remove(phb, bdf),
                4..=5 => Fault::RemovePhb(phb),
                6..=7 => Fault::Fence(phb),
                8 => Fault::Freeze(phb, bdf),
                9 => Fault::Unbind(phb, bdf),
                10..=11 => Fault::Bind(phb, bdf),
                12 => Fault::Rescan(phb),
                13 if !self.gentle && bdf.bus() > 1 => Fault::Pull(phb, bdf),
                14 if !self.gentle => Fault::Kill(phb),
                _ => match dice.pick(vfs) {
                    Some(vf) => Fault::Freeze(vf.phb, vf.bdf),
                    None => Fault::Break(phb, bdf),
                },
            };
            let after = if dice.chance(70) { Duration::ZERO } else { dice.span(Duration::from_millis(80)) };
            self.phases.push((phase, after, fault));
        }
    }

    /// The function of which one could be a virtual one.
    pub(super) fn physical_function(&self, phb: u32, vf: Bdf) -> Option<Bdf> {
        let mut mine = self.pfs.iter().filter(|pf| pf.phb == phb);
        let vf = PciAddress { phb, bdf: vf };
        mine.find(|pf| self.vfs_of(**pf).contains(&vf)).map(|pf| pf.bdf)
    }
}

/// Adds the capability to a function's configuration space: VFs half a bus behind it, every second one.
fn add_sriov(config: &mut Vec<u8>) {
    config.resize(4096, 0);
    let mut last = 0x100;
    let empty = matches!(u32_at(config, last), 0 | u32::MAX);
    while !empty && u32_at(config, last) >> 20 >= 0x100 {
        last = (u32_at(config, last) >> 20) as usize & 0xffc;
    }
    let at = if empty { 0x100 } else { SRIOV_AT };
    let mut put = |offset: usize, bytes: &[u8]| {
        if let Some(to) = config.get_mut(offset..offset + bytes.len()) {
            to.copy_from_slice(bytes);
        }
    };
    put(at, &[0; 0x40]);
    put(at, &(u32::from(EXT_CAP_SRIOV) | 1 << 16).to_le_bytes());
    // InitialVFs, TotalVFs.
    put(at + 0x0c, &[7, 0, 7, 0]);
    put(at + 0x14, &[0x80, 0, 2, 0]);
    put(at + 0x1a, &[0xca, 0x10]);
    if !empty {
        let header = u32_at(config, last) & 0x000f_ffff | (SRIOV_AT as u32) << 20;
        if let Some(to) = config.get_mut(last..last + 4) {
            to.copy_from_slice(&header.to_le_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_capability_is_found_behind_what_was_there() {
        let mut config = vec![0; 4096];
        config[0x100..0x104].copy_from_slice(&(0x0001_u32 | 1 << 16 | 0x150 << 20).to_le_bytes());
        config[0x150..0x154].copy_from_slice(&(0x000d_u32 | 1 << 16).to_le_bytes());
        add_sriov(&mut config);
        assert_eq!(find_ext_cap(&config, 0x0d), Some(0x150));
        assert_eq!(find_ext_cap(&config, EXT_CAP_SRIOV), Some(SRIOV_AT as u16));
        let mut bare = vec![0; 256];
        add_sriov(&mut bare);
        assert_eq!(find_ext_cap(&bare, EXT_CAP_SRIOV), Some(0x100));
    }
}
