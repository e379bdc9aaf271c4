// SPDX-License-Identifier: GPL-2.0-or-later
//! Diagnostic data of PHBs and of the hub.

use eeh_powernv::opal::rc;

use super::{Call, Firmware};
use crate::hw::HubError;
use crate::topology::PhbKind;

/// Size of `struct OpalIoP7IOCErrorData`.
const HUB_SIZE: usize = 128;
/// `OPAL_P7IOC_DIAG_TYPE_RGC`
const HUB_RGC: u16 = 1;
/// `OPAL_P7IOC_DIAG_TYPE_MISC`
const HUB_MISC: u16 = 4;

impl Call<'_> {
    pub(super) fn phb_diag(&self, buffer: &mut [u8]) -> i64 {
        let Some(room) = buffer.get_mut(..self.phb.diag_size()) else { return rc::PARAMETER };
        if self.phb.is_dead() {
            return rc::HARDWARE;
        }
        self.spend(self.firmware.quirks().diag_takes);
        room.copy_from_slice(&self.phb.diag());
        rc::SUCCESS
    }
}

impl Firmware {
    /// Data of the hub of all P7IOC PHBs; PHBs of later kinds hang from none. Fetching them ends an
    /// informative error.
    pub(super) fn hub_diag(&self, _hub: u64, buffer: &mut [u8]) -> i64 {
        let mut below = self.machine.phbs().filter(|p| p.kind() == PhbKind::P7ioc).peekable();
        let Some(room) = buffer.get_mut(..HUB_SIZE).filter(|_| below.peek().is_some()) else {
            return rc::PARAMETER;
        };
        room.fill(0);
        let mut kind = 0;
        for phb in below {
            match phb.hub() {
                Some(HubError::Dead) => kind = HUB_RGC,
                Some(HubError::Informative) => {
                    kind = if kind == 0 { HUB_MISC } else { kind };
                    phb.end_hub_error();
                }
                None => {}
            }
        }
        room[..2].copy_from_slice(&kind.to_be_bytes());
        rc::SUCCESS
    }
}
