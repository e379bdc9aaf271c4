// SPDX-License-Identifier: GPL-2.0-or-later
//! The same checks, done the way Linux 7.3's C does them, operation by operation.
//!
//! A check of a device:
//!
//! 1. count the check in a global counter;
//! 2. walk the list of PHB PEs to the device's PHB;
//! 3. take the global lock with interrupts off; if the PHB's PE is not known as isolated, ask
//!    firmware for its state; release the lock;
//! 4. take the global lock again; if the device's PE is known as isolated, count the read and
//!    answer; else ask firmware for its state;
//! 5. if it is frozen, ask firmware about each parent below the PHB, mark the PE and everything
//!    below it, release the lock;
//! 6. allocate an event, put it at the head of a global list under the list's lock.
//!
//! A check of an address first looks the address up in a binary tree under that tree's lock, with
//! interrupts off.
//!
//! Interrupts are "switched off" as powerpc does it, by a store to a byte of the CPU's own. Where C
//! does more than this, the difference favours C here. Left out are:
//!
//! * `eeh_token_to_phys`: the walk of the kernel's page table from the token to the address (both sides
//!   get the address); a red-black tree is up to twice as deep as the balanced one here;
//! * `eeh_phb_check_failure`: the test of `EEH_PROBE_MODE_DEV`; `eeh_phb_pe_get`: that of `pe->type`;
//!   `eeh_dev_check_failure`: `eeh_pe_passed`;
//! * the call through `eeh_ops`, and within `pnv_eeh_get_state` that through `phb->get_pe_state`, the
//!   chase of `pe->phb->private_data` and the translation into `EEH_STATE_*`;
//! * `eeh_pe_mark_isolated`: the walk over the PE's devices, to set `error_state`;
//!   `__eeh_send_failure_event`: the stack trace, `complete`.

use core::cell::Cell;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

use eeh_powernv::opal::{FreezeStatus, Opal, error, stopped};

use crate::machine::{Machine, PHBS};

/// C: `EEH_PE_ISOLATED`
const ISOLATED: u32 = 1;
/// C: `EEH_PE_RECOVERING`
const RECOVERING: u32 = 2;
/// C: `EEH_ENABLED`
const ENABLED: u32 = 1;
/// C: `EEH_FORCE_DISABLED`
const FORCE_DISABLED: u32 = 2;
/// C: `EEH_MAX_FAILS`
const MAX_FAILS: u32 = 2_100_000;

thread_local! {
    /// The CPU's soft mask of interrupts.
    static SOFT_MASK: Cell<u8> = const { Cell::new(0) };
}

/// A spinlock taken with interrupts off.
struct IrqLock<T>(spin::Mutex<T>);

impl<T> IrqLock<T> {
    fn new(value: T) -> Self {
        Self(spin::Mutex::new(value))
    }

    fn with<R>(&self, work: impl FnOnce(&mut T) -> R) -> R {
        let flags = SOFT_MASK.replace(1);
        let result = work(&mut self.0.lock());
        SOFT_MASK.set(flags);
        result
    }
}

/// Global counters, written without atomic operations, as in C.
#[derive(Default)]
struct Stats {
    no_device: AtomicU64,
    no_dn: AtomicU64,
    ignored_check: AtomicU64,
    total_mmio_ffs: AtomicU64,
    false_positives: AtomicU64,
    slot_resets: AtomicU64,
}

fn count(counter: &AtomicU64) {
    counter.store(counter.load(Relaxed).wrapping_add(1), Relaxed);
}

/// `word |= bits`
fn set(word: &AtomicU32, bits: u32) {
    word.store(word.load(Relaxed) | bits, Relaxed);
}

/// A PE, in memory of its own. C: `struct eeh_pe`
#[repr(align(64))]
struct Pe {
    phb: usize,
    number: u32,
    state: AtomicU32,
    check_count: AtomicU32,
    false_positives: AtomicU32,
}

impl Pe {
    fn new(phb: usize, number: u32) -> Self {
        Self {
            phb,
            number,
            state: AtomicU32::new(0),
            check_count: AtomicU32::new(0),
            false_positives: AtomicU32::new(0),
        }
    }
}

/// A device, in memory of its own. C: `struct eeh_dev`
#[repr(align(64))]
struct Device {
    pe: Option<usize>,
}

/// The list of PHB PEs. C: `eeh_phb_pe`
struct PhbNode {
    pe: Pe,
    next: Option<Box<PhbNode>>,
}

/// A range of the address cache. C: `struct pci_io_addr_range`
struct RangeNode {
    low: u64,
    high: u64,
    device: Option<usize>,
    left: Option<Box<RangeNode>>,
    right: Option<Box<RangeNode>>,
}

/// An event. C: `struct eeh_event`
struct Event {
    _pe: usize,
    next: Option<Box<Event>>,
}

/// The whole of it.
pub struct CLike<O> {
    opal: O,
    stats: Stats,
    confirm_error_lock: IrqLock<()>,
    phbs: Option<Box<PhbNode>>,
    pes: Vec<Pe>,
    /// C: `struct eeh_dev`
    devices: Vec<Device>,
    /// C: `eeh_subsystem_flags`
    flags: AtomicU32,
    addresses: IrqLock<Option<Box<RangeNode>>>,
    events: IrqLock<Option<Box<Event>>>,
}

impl<O: Opal> CLike<O> {
    /// EEH for all devices of `machine`, over `opal`.
    #[must_use]
    pub fn new(machine: &Machine, opal: O) -> Self {
        let mut phbs = None;
        for phb in (0..PHBS).rev() {
            phbs = Some(Box::new(PhbNode { pe: Pe::new(phb, 0), next: phbs }));
        }
        let mut ranges: Vec<(u64, u64, usize)> = Vec::new();
        for (index, device) in machine.devices.iter().enumerate() {
            ranges.extend(device.ranges.iter().map(|&(low, high)| (low, high, index)));
        }
        ranges.sort_unstable();
        Self {
            opal,
            stats: Stats::default(),
            confirm_error_lock: IrqLock::new(()),
            phbs,
            pes: machine.devices.iter().map(|device| Pe::new(device.phb, device.pe)).collect(),
            devices: (0..machine.devices.len()).map(|index| Device { pe: Some(index) }).collect(),
            flags: AtomicU32::new(ENABLED),
            addresses: IrqLock::new(balanced(&ranges)),
            events: IrqLock::new(None),
        }
    }

    /// C: `eeh_check_failure`
    #[must_use]
    pub fn check_failure(&self, address: u64) -> bool {
        match self.addresses.with(|root| find(root.as_deref(), address)) {
            Some(device) => self.dev_check_failure(Some(device)),
            None => {
                count(&self.stats.no_device);
                false
            }
        }
    }

    /// C: `eeh_dev_check_failure`
    #[must_use]
    pub fn dev_check_failure(&self, device: Option<usize>) -> bool {
        count(&self.stats.total_mmio_ffs);
        if self.flags.load(Relaxed) & (ENABLED | FORCE_DISABLED) != ENABLED {
            return false;
        }
        let Some(edev) = device.and_then(|device| self.devices.get(device)) else {
            count(&self.stats.no_dn);
            return false;
        };
        let Some(pe) = edev.pe.and_then(|pe| self.pes.get(pe)) else {
            count(&self.stats.ignored_check);
            return false;
        };
        if self.phb_check_failure(pe.phb) {
            return true;
        }
        let frozen = self.confirm_error_lock.with(|()| self.confirm(pe));
        match frozen {
            Confirmed::Known => true,
            Confirmed::Healthy => false,
            Confirmed::New => {
                self.send(device.unwrap_or(0), pe);
                true
            }
        }
    }

    /// C: `eeh_phb_check_failure`
    fn phb_check_failure(&self, phb: usize) -> bool {
        let mut node = self.phbs.as_deref();
        while let Some(candidate) = node {
            if candidate.pe.phb == phb {
                break;
            }
            node = candidate.next.as_deref();
        }
        let Some(PhbNode { pe, .. }) = node else { return false };
        let fenced = self.confirm_error_lock.with(|()| {
            if pe.state.load(Relaxed) & ISOLATED != 0 || self.status(pe).pci_error_type != error::PHB {
                return false;
            }
            set(&pe.state, ISOLATED);
            true
        });
        if fenced {
            self.send(usize::MAX, pe);
        }
        fenced
    }

    /// The part of `eeh_dev_check_failure` under the lock.
    fn confirm(&self, pe: &Pe) -> Confirmed {
        if pe.state.load(Relaxed) & ISOLATED != 0 {
            let reads = pe.check_count.load(Relaxed).wrapping_add(1);
            pe.check_count.store(reads, Relaxed);
            if reads == MAX_FAILS {
                eprintln!("EEH: {reads} reads ignored for recovering device");
            }
            return Confirmed::Known;
        }
        if self.status(pe).freeze_state == stopped::NOT_FROZEN {
            count(&self.stats.false_positives);
            pe.false_positives.store(pe.false_positives.load(Relaxed).wrapping_add(1), Relaxed);
            return Confirmed::Healthy;
        }
        // The parent is the PHB's own PE, which C does not ask about here.
        count(&self.stats.slot_resets);
        set(&pe.state, ISOLATED);
        Confirmed::New
    }

    fn status(&self, pe: &Pe) -> FreezeStatus {
        let mut status = FreezeStatus::default();
        let phb = u64::try_from(pe.phb).unwrap_or(u64::MAX);
        let _code = self.opal.pci_eeh_freeze_status(phb, u64::from(pe.number), &mut status);
        status
    }

    /// C: `eeh_send_failure_event`
    fn send(&self, device: usize, pe: &Pe) {
        let mut event = Box::new(Event { _pe: device, next: None });
        set(&pe.state, RECOVERING);
        self.events.with(|head| {
            event.next = head.take();
            *head = Some(event);
        });
    }

    /// Takes all events and makes the PEs of `devices` healthy again.
    pub fn heal(&self, devices: &[usize]) {
        let mut events = self.events.with(Option::take);
        while let Some(mut event) = events {
            events = event.next.take();
        }
        for &device in devices {
            self.pes[device].state.store(0, Relaxed);
        }
    }

    /// Takes the ranges of `device` out, or puts them back. The tree keeps its shape: less work
    /// than C's, which takes the nodes out one by one and starts again after each.
    pub fn plug(&self, machine: &Machine, device: usize, present: bool) {
        self.addresses.with(|root| {
            for &(low, _) in &machine.devices[device].ranges {
                let mut node = root.as_deref_mut();
                while let Some(at) = node {
                    if at.low == low {
                        at.device = present.then_some(device);
                        break;
                    }
                    node = if low < at.low { at.left.as_deref_mut() } else { at.right.as_deref_mut() };
                }
            }
        });
    }
}

enum Confirmed {
    Known,
    Healthy,
    New,
}

fn balanced(ranges: &[(u64, u64, usize)]) -> Option<Box<RangeNode>> {
    let (left, rest) = ranges.split_at(ranges.len() / 2);
    let (&(low, high, device), right) = rest.split_first()?;
    let (left, right) = (balanced(left), balanced(right));
    Some(Box::new(RangeNode { low, high, device: Some(device), left, right }))
}

/// C: `__eeh_addr_cache_get_device`
fn find(mut node: Option<&RangeNode>, address: u64) -> Option<usize> {
    while let Some(at) = node {
        if address < at.low {
            node = at.left.as_deref();
        } else if address > at.high {
            node = at.right.as_deref();
        } else {
            return at.device;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::CLike;
    use crate::firmware::{freeze, skiboot};
    use crate::machine::Machine;

    #[test]
    fn a_frozen_device_is_found_by_device_and_by_address() {
        let machine = Machine::new(256);
        let firmware = skiboot(&machine);
        let clike = CLike::new(&machine, &firmware);
        for index in 0..machine.devices.len() {
            assert!(!clike.dev_check_failure(Some(index)));
            freeze(&firmware, &machine, &[index], true);
            assert!(clike.check_failure(machine.address(index, 1)));
            freeze(&firmware, &machine, &[index], false);
            assert!(clike.dev_check_failure(Some(index)), "isolated until healed");
            clike.heal(&[index]);
            assert!(!clike.check_failure(machine.address(index, 0)));
        }
    }

    #[test]
    fn an_address_between_two_ranges_belongs_to_nobody() {
        let machine = Machine::new(256);
        let firmware = skiboot(&machine);
        let clike = CLike::new(&machine, &firmware);
        freeze(&firmware, &machine, &[0], true);
        assert!(!clike.check_failure(machine.gap(0, 0)));
        clike.plug(&machine, 0, false);
        assert!(!clike.check_failure(machine.address(0, 0)));
        clike.plug(&machine, 0, true);
        assert!(clike.check_failure(machine.address(0, 0)));
    }
}
