// SPDX-License-Identifier: GPL-2.0-or-later
//! What PowerNV knows of each PHB, by its OPAL id.

use core::fmt;
use core::ptr;

use eeh_pe::PeNumber;
use eeh_powernv::{PhbFacts, PhbModel, Phbs, Standing};
use eeh_recovery::Level;

use crate::once::Once;
use crate::{MAX_PHBS, bindings, interrupt, printk};

/// C: `PNV_IODA_PE_MASTER`
const MASTER: usize = 1 << 3;
/// C: `PNV_IODA_PE_SLAVE`
const SLAVE: usize = 1 << 4;

/// A PHB of PowerNV, which has no hotplug of PHBs: what is learned holds for good.
#[derive(Clone, Copy)]
struct Entry {
    id: u64,
    facts: PhbFacts,
    pes: ptr::NonNull<bindings::pnv_ioda_pe>,
}

// SAFETY: the PEs of a `pnv_phb` are never freed, and are shared between CPUs by design.
unsafe impl Send for Entry {}
// SAFETY: as above.
unsafe impl Sync for Entry {}

/// Open addressing by the low bits of the id: skiboot's ids are small and dense.
static TABLE: [Once<Entry>; MAX_PHBS] = [const { Once::new() }; MAX_PHBS];

/// The table's places, the id's own first.
fn places(id: u64) -> impl Iterator<Item = &'static Once<Entry>> {
    let first = usize::try_from(id).unwrap_or(0) % MAX_PHBS;
    let (before, from) = TABLE.split_at(first);
    from.iter().chain(before)
}

/// Most PHBs are where their id says.
#[inline(always)]
fn entry(id: u64) -> Option<&'static Entry> {
    let first = usize::try_from(id).unwrap_or(0) % MAX_PHBS;
    let first = TABLE.get(first).and_then(Once::get).filter(|entry| entry.id == id);
    first.or_else(|| elsewhere(id))
}

#[cold]
#[inline(never)]
fn elsewhere(id: u64) -> Option<&'static Entry> {
    places(id).map_while(Once::get).find(|entry| entry.id == id)
}

/// Remembers a PHB. `false`: there is no room.
///
/// # Safety
///
/// `phb` points to a PowerNV PHB that is never freed, and is set up but for its PEs.
///
/// # Context
///
/// Boot.
pub(crate) unsafe fn learn(phb: ptr::NonNull<bindings::pnv_phb>) -> bool {
    // SAFETY: the caller's promise; nobody changes these fields any more.
    let (id, hub, size, count, pes, model) = unsafe {
        let phb = phb.as_ref();
        (phb.opal_id, phb.hub_id, phb.diag_data_size, phb.ioda.total_pe_num, phb.ioda.pe_array, phb.model)
    };
    let model = match model {
        bindings::pnv_phb_model_PNV_PHB_MODEL_P7IOC => PhbModel::P7ioc,
        bindings::pnv_phb_model_PNV_PHB_MODEL_PHB3 => PhbModel::Phb3,
        _ => PhbModel::Phb4,
    };
    let diag_size = usize::try_from(size).unwrap_or(PhbFacts::DEFAULT_DIAG_SIZE);
    let Some(pes) = ptr::NonNull::new(pes) else { return false };
    let new = Entry { id, facts: PhbFacts { model, hub, diag_size, pe_count: count }, pes };
    for place in places(id) {
        match place.get() {
            Some(old) if old.id == id => return true,
            Some(_) => {}
            None if place.set(new).is_ok() => return true,
            None => {}
        }
    }
    false
}

/// Linux's description of a PE.
///
/// # Invariants
///
/// It points to an element of a PHB's array of PEs, which is never freed. Others write to it: it is read as C reads
/// it, without a lock, words that change only when a bus is set up.
#[derive(Clone, Copy)]
struct Ioda(ptr::NonNull<bindings::pnv_ioda_pe>);

impl Ioda {
    #[inline(always)]
    fn flags(self) -> usize {
        // SAFETY: the element is never freed, and read as the type says.
        unsafe { (*self.0.as_ptr()).flags }
    }

    fn number(self) -> PeNumber {
        // SAFETY: as above.
        PeNumber(unsafe { (*self.0.as_ptr()).pe_number })
    }

    /// The PE that it is part of; `None` while it is of none.
    fn master(self) -> Option<Self> {
        // SAFETY: as above; a PE's master is another element of the same array, or null.
        ptr::NonNull::new(unsafe { bindings::eeh_glue_pe_master(self.0.as_ptr()) }).map(Self)
    }
}

impl Entry {
    /// Linux's description of a PE.
    #[inline(always)]
    fn pe(&self, number: PeNumber) -> Option<Ioda> {
        if number.0 >= self.facts.pe_count {
            return None;
        }
        let at = usize::try_from(number.0).ok()? * bindings::eeh_layout_EEH_SIZE_pnv_ioda_pe as usize;
        // SAFETY: the PHB lives for ever, with an array of `total_pe_num` PEs. (Their size is C's: see
        // `layout`.)
        Some(Ioda(unsafe { self.pes.byte_add(at) }))
    }
}

/// The PHBs of a PowerNV machine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KernelPhbs;

impl Phbs for KernelPhbs {
    fn facts(&self, phb: u64) -> Option<PhbFacts> {
        entry(phb).map(|entry| entry.facts)
    }

    fn master(&self, phb: u64, pe: PeNumber) -> PeNumber {
        let Some(found) = entry(phb).and_then(|entry| entry.pe(pe)) else { return pe };
        if found.flags() & SLAVE == 0 {
            return pe;
        }
        found.master().map_or(pe, Ioda::number)
    }

    #[inline(always)]
    fn standing(&self, phb: u64, pe: PeNumber) -> Standing {
        let Some(entry) = entry(phb) else { return Standing::Alone };
        match entry.pe(pe) {
            None => Standing::Outside,
            Some(found) if found.flags() & (SLAVE | MASTER) == 0 => Standing::Alone,
            Some(_) => Standing::Compound,
        }
    }

    fn slave(&self, phb: u64, master: PeNumber, nth: u32) -> Option<PeNumber> {
        let master = entry(phb).and_then(|entry| entry.pe(master))?;
        if master.flags() & MASTER == 0 {
            return None;
        }
        // SAFETY: the list's head is in the element, which is never freed.
        let head = unsafe { bindings::eeh_glue_pe_slaves(master.0.as_ptr()) };
        let mut at = head;
        for _ in 0..=nth {
            // SAFETY: slaves are linked when a bus is set up, before its devices are known to
            // anybody, and unlinked after they are gone; all are elements of the array.
            at = unsafe { (*at).next };
            if ptr::eq(at, head) {
                return None;
            }
        }
        // SAFETY: `at` is the `list` of a PE, as it is not the head.
        let slave = unsafe { bindings::eeh_glue_pe_of_list(at) };
        // SAFETY: an element of the array, as all that are linked.
        Some(PeNumber(unsafe { (*slave).pe_number }))
    }

    fn rearm(&self, phb: u64) {
        interrupt::rearm(phb);
    }

    fn line(&self, _phb: u64, line: fmt::Arguments<'_>) {
        printk::print(Level::Info, line);
    }
}
