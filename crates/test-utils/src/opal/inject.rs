// SPDX-License-Identifier: GPL-2.0-or-later
//! OPAL_PCI_ERR_INJECT.

use eeh_pe::Bdf;
use eeh_powernv::opal::rc;

use super::{Call, Version};
use crate::hw::{InjectOn, Injection};
use crate::topology::PhbKind;

/// Where a configuration address has the RID (IBM's bits 4 to 19).
const RID_SHIFT: u32 = 44;

impl Call<'_> {
    /// Arms an error that the next matching access meets. skiboot's PHB4 and PHB5 have it for
    /// configuration space only.
    pub(super) fn err_inject(&self, pe: u32, kind: u32, function: u32, address: u64, mask: u64) -> i64 {
        let Some(on) = InjectOn::by_function(function).filter(|_| kind <= 1) else { return rc::PARAMETER };
        // The last PE is reserved.
        if pe.saturating_add(1) >= self.phb.pe_count() {
            return rc::PARAMETER;
        }
        let new = matches!(self.phb.kind(), PhbKind::Phb4 | PhbKind::Phb5);
        let unsupported = new && self.firmware.version != Version::Ideal;
        let (address, mask) = match on {
            InjectOn::ConfigRead | InjectOn::ConfigWrite => {
                let members = self.phb.members(pe);
                if members.is_empty() {
                    return rc::PARAMETER;
                }
                let rid = (address >> RID_SHIFT) as u16;
                (u64::from(rid), if members.contains(&Bdf(rid)) { 0xffff } else { 0 })
            }
            _ if unsupported => return rc::UNSUPPORTED,
            InjectOn::MemRead | InjectOn::MemWrite => (self.phb.cpu_address(address), mask),
            InjectOn::DmaRead | InjectOn::DmaWrite => (address, mask),
        };
        self.phb.inject(Injection { pe, on, address, mask });
        rc::SUCCESS
    }
}
