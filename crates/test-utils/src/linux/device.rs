// SPDX-License-Identifier: GPL-2.0-or-later
//! A device of simulated Linux: `struct pci_dev`.

use core::fmt;
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicU8, AtomicU16, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use eeh_pe::{Bdf, DeviceId};
use eeh_recovery::ChannelState;

use super::phb::SimPhb;
use crate::drivers::Driver;
use crate::task::SleepLock;
use crate::topology::BarSpec;

/// The buses below a bridge.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Buses {
    /// The bus right below.
    pub secondary: u8,
    /// The last one below.
    pub subordinate: u8,
}

/// What the scan found out about a device.
#[derive(Clone, Debug)]
pub struct Identity {
    /// Where it is.
    pub bdf: Bdf,
    /// Vendor ID.
    pub vendor: u16,
    /// Device ID.
    pub device: u16,
    /// Class, subclass, interface: 24 bits.
    pub class: u32,
    /// A bridge's buses.
    pub buses: Option<Buses>,
    /// Its resources.
    pub bars: Vec<BarSpec>,
    /// The driver that the dump names.
    pub named_driver: Option<String>,
    /// Location code of its bus.
    pub location: Option<String>,
    /// A virtual function's physical function.
    pub physfn: Option<Bdf>,
}

/// A device. What is not behind [`SimDevice::device_lock`] is atomic or in small locks that are
/// never held while anything waits.
pub struct SimDevice {
    identity: Identity,
    phb: Weak<SimPhb>,
    number: u32,
    device_lock: SleepLock,
    work: SleepLock,
    driver: Mutex<Option<Arc<Driver>>>,
    eeh: Mutex<Option<DeviceId>>,
    channel: AtomicU8,
    irq_depth: AtomicI32,
    uevents: AtomicU32,
    saved: Mutex<Option<[u32; 16]>>,
    vfs: AtomicU16,
    gone: AtomicBool,
}

impl SimDevice {
    /// A device of `phb`, not yet known to EEH and without a driver.
    #[must_use]
    pub fn new(phb: &Arc<SimPhb>, identity: Identity) -> Self {
        Self {
            identity,
            phb: Arc::downgrade(phb),
            number: phb.number().0,
            device_lock: SleepLock::new(),
            work: SleepLock::new(),
            driver: Mutex::new(None),
            eeh: Mutex::new(None),
            channel: AtomicU8::new(0),
            irq_depth: AtomicI32::new(0),
            uevents: AtomicU32::new(0),
            saved: Mutex::new(None),
            vfs: AtomicU16::new(0),
            gone: AtomicBool::new(false),
        }
    }

    /// What the scan found out about it.
    #[must_use]
    pub const fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Where it is.
    #[must_use]
    pub const fn bdf(&self) -> Bdf {
        self.identity.bdf
    }

    /// Its PHB, while that exists.
    #[must_use]
    pub fn phb(&self) -> Option<Arc<SimPhb>> {
        self.phb.upgrade()
    }

    /// Linux's number of its PHB.
    #[must_use]
    pub const fn phb_number(&self) -> u32 {
        self.number
    }

    /// Whether it is a bridge.
    #[must_use]
    pub const fn is_bridge(&self) -> bool {
        self.identity.buses.is_some()
    }

    /// Its `device_lock`: held by whoever binds, unbinds or calls an error handler.
    #[must_use]
    pub const fn device_lock(&self) -> &SleepLock {
        &self.device_lock
    }

    /// Held by what the driver does outside its callbacks: `remove` waits for its end, as drivers flush
    /// their work.
    pub(super) const fn work(&self) -> &SleepLock {
        &self.work
    }

    /// The driver bound at this moment.
    #[must_use]
    pub fn driver(&self) -> Option<Arc<Driver>> {
        self.driver.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Binds or unbinds, and answers what was bound.
    pub(super) fn set_driver(&self, driver: Option<Arc<Driver>>) -> Option<Arc<Driver>> {
        core::mem::replace(&mut *self.driver.lock().unwrap_or_else(PoisonError::into_inner), driver)
    }

    /// Its name in EEH; `None` before the probe and after the removal. C: `archdata.edev`
    #[must_use]
    pub fn eeh(&self) -> Option<DeviceId> {
        *self.eeh.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set_eeh(&self, id: Option<DeviceId>) -> Option<DeviceId> {
        core::mem::replace(&mut *self.eeh.lock().unwrap_or_else(PoisonError::into_inner), id)
    }

    /// C: `pdev->error_state`
    #[must_use]
    pub fn channel_state(&self) -> ChannelState {
        match self.channel.load(Ordering::Acquire) {
            0 => ChannelState::Normal,
            1 => ChannelState::Frozen,
            _ => ChannelState::PermFailure,
        }
    }

    pub(super) fn set_channel_state(&self, state: ChannelState) {
        let value = match state {
            ChannelState::Normal => 0,
            ChannelState::Frozen => 1,
            ChannelState::PermFailure => 2,
        };
        self.channel.store(value, Ordering::Release);
    }

    /// How often its INTx is disabled more often than enabled. Not 0 after a recovery: unbalanced.
    #[must_use]
    pub fn irq_depth(&self) -> i32 {
        self.irq_depth.load(Ordering::Acquire)
    }

    pub(super) fn disable_irq(&self) {
        self.irq_depth.fetch_add(1, Ordering::AcqRel);
    }

    pub(super) fn enable_irq(&self) {
        self.irq_depth.fetch_sub(1, Ordering::AcqRel);
    }

    /// Uevents sent for it.
    #[must_use]
    pub fn uevents(&self) -> u32 {
        self.uevents.load(Ordering::Relaxed)
    }

    pub(super) fn count_uevent(&self) {
        self.uevents.fetch_add(1, Ordering::Relaxed);
    }

    /// Virtual functions that it has. C: `pci_num_vf`
    #[must_use]
    pub fn vfs(&self) -> u16 {
        self.vfs.load(Ordering::Acquire)
    }

    pub(crate) fn set_vfs(&self, count: u16) {
        self.vfs.store(count, Ordering::Release);
    }

    /// What `pci_save_state` saved, until it is restored; `saved` replaces it.
    pub(super) fn swap_saved(&self, saved: Option<[u32; 16]>) -> Option<[u32; 16]> {
        core::mem::replace(&mut *self.saved.lock().unwrap_or_else(PoisonError::into_inner), saved)
    }

    /// Whether Linux has removed it.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Acquire)
    }

    /// Marks it removed; answers whether it was not before.
    pub(super) fn mark_gone(&self) -> bool {
        !self.gone.swap(true, Ordering::AcqRel)
    }
}

/// `0002:03:00.0`, as `pci_name`.
impl fmt::Display for SimDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04x}:{}", self.number, self.identity.bdf)
    }
}

impl fmt::Debug for SimDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SimDevice({self})")
    }
}
