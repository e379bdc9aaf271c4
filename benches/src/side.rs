// SPDX-License-Identifier: GPL-2.0-or-later
//! What both implementations are asked to do, so that one text measures both.

use eeh_powernv::opal::Opal;

use crate::clike::CLike;
use crate::firmware;
use crate::machine::Machine;

/// An implementation of the checks over a [`Machine`].
pub trait Side: Sync {
    /// What a check by device is given.
    type Device: Copy + Send + Sync;

    /// Tells the thread which CPU it is.
    fn enter(&self, cpu: usize);
    /// The device with this index.
    fn device(&self, index: usize) -> Self::Device;
    /// A device that does not exist.
    fn no_device(&self) -> Self::Device;
    /// A read of all ones by the driver of `device`.
    fn check_device(&self, device: Self::Device) -> bool;
    /// A read of all ones at `address`.
    fn check_address(&self, address: u64) -> bool;
    /// Freezes the PEs of `devices` in firmware, or thaws them and forgets what was found.
    fn freeze(&self, devices: &[usize], frozen: bool);
    /// Takes the device's addresses out of the map, or puts them back, as hotplug does.
    fn plug(&self, device: usize, present: bool);
}

/// The C-like side of a machine.
pub struct CLikeSide<'a, O> {
    clike: CLike<&'a O>,
    machine: &'a Machine,
    firmware: &'a O,
}

impl<'a, O: Opal> CLikeSide<'a, O> {
    /// EEH as C does it for `machine`, over `firmware`.
    #[must_use]
    pub fn new(machine: &'a Machine, firmware: &'a O) -> Self {
        Self { clike: CLike::new(machine, firmware), machine, firmware }
    }
}

impl<O: Opal + Sync> Side for CLikeSide<'_, O> {
    type Device = Option<usize>;

    fn enter(&self, _cpu: usize) {}

    fn device(&self, index: usize) -> Self::Device {
        Some(index)
    }

    fn no_device(&self) -> Self::Device {
        None
    }

    fn check_device(&self, device: Self::Device) -> bool {
        self.clike.dev_check_failure(device)
    }

    fn check_address(&self, address: u64) -> bool {
        self.clike.check_failure(address)
    }

    fn freeze(&self, devices: &[usize], frozen: bool) {
        firmware::freeze(self.firmware, self.machine, devices, frozen);
        if !frozen {
            self.clike.heal(devices);
        }
    }

    fn plug(&self, device: usize, present: bool) {
        self.clike.plug(self.machine, device, present);
    }
}
