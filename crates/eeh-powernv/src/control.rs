// SPDX-License-Identifier: GPL-2.0-or-later
//! Changes of a slot, put together. C: `eeh_ops->{set_option,reset,configure_bridge,restore_config}`

use eeh_pe::Time;
use eeh_recovery::{
    ConfigurePoll, DeviceTarget, FirmwareError, InjectError, Injection, PeTarget, ResetKind, ResetPoint,
    ResetPoll, SlotControl, Thaw,
};

use crate::call::{done, name};
use crate::opal::{Opal, REINIT_PCI_DEV};
use crate::{Phbs, PowerNv, Reset};

impl<O: Opal, P: Phbs> SlotControl for PowerNv<O, P> {
    type Reset = Reset;
    type Configure = ();

    fn thaw(&self, pe: &PeTarget, what: Thaw) -> Result<(), FirmwareError> {
        self.thaw_pe(pe, what)
    }

    fn begin_reset(&self, pe: &PeTarget, point: &ResetPoint, kind: ResetKind) -> Reset {
        Reset::new(self.phbs.facts(pe.phb.firmware), pe, point, kind)
    }

    fn poll_reset(&self, reset: &mut Reset, now: Time) -> ResetPoll {
        reset.poll(self, now)
    }

    fn abandon_reset(&self, reset: &mut Reset) {
        reset.abandon(self);
    }

    /// Nothing: the PHB keeps its bridges' configuration, and recovery restores the others.
    fn begin_configure(&self, _pe: &PeTarget) {}

    fn poll_configure(&self, _configure: &mut (), _now: Time) -> ConfigurePoll {
        ConfigurePoll::Done
    }

    /// C: `pnv_eeh_restore_config`, which is not called for VFs: firmware does not know them.
    fn reinit(&self, device: &DeviceTarget) -> Result<(), FirmwareError> {
        let (phb, bdf) = (device.phb.firmware, u64::from(device.bdf.0));
        done(name::REINIT, self.opal.pci_reinit(phb, REINIT_PCI_DEV, bdf))
    }

    fn inject(&self, pe: &PeTarget, error: &Injection) -> Result<(), InjectError> {
        // The inherent function.
        Self::inject(self, pe, error)
    }
}
