// SPDX-License-Identifier: GPL-2.0-or-later
//! What EEH wants to know of a device, read from its configuration space at probe.

use eeh_pe::{Bdf, BridgeInfo, DeviceFlags, DeviceId, DeviceInfo};
use eeh_recovery::{ConfigSpace, DeviceTarget, PhbTarget, SlotControl, Width};

use crate::firmware::Firmware;
use crate::pci::PciDev;
use crate::{bindings, platform};

const STATUS: u16 = 0x06;
const STATUS_CAP_LIST: u32 = 0x10;
const CAPABILITIES: u16 = 0x34;
const CAP_PCIX: u32 = 0x07;
const CAP_EXPRESS: u32 = 0x10;
const CAP_AF: u32 = 0x13;
const EXT_CAP_AER: u32 = 1;
const CLASS_PCI_BRIDGE: u32 = 0x0604;
const COMMAND: u16 = 4;
/// Bus mastering: a bridge needs it before anything behind it works.
const MASTER: u32 = 4;

/// Configuration space of one function, past what EEH blocks.
pub(crate) struct Config<'f> {
    firmware: &'f Firmware,
    target: DeviceTarget,
}

impl Config<'_> {
    /// A function's; `None` before EEH is started.
    pub(crate) fn new(phb: PhbTarget, bdf: Bdf) -> Option<Self> {
        let target = DeviceTarget {
            device: DeviceId::NONE,
            phb,
            bdf,
            flags: DeviceFlags::empty(),
            pcie_cap: 0,
            aer_cap: 0,
            af_cap: 0,
            pcix_cap: 0,
            reset_by_firmware: false,
            link_active_reporting: false,
            conventional: false,
        };
        Some(Self { firmware: &platform()?.firmware, target })
    }

    /// All ones of what nobody answers.
    fn read(&self, offset: u16, width: Width) -> u32 {
        let ones = match width {
            Width::Byte => 0xff,
            Width::Half => 0xffff,
            Width::Word => u32::MAX,
        };
        self.firmware.read(&self.target, offset, width).unwrap_or(ones)
    }

    fn byte(&self, offset: u16) -> u16 {
        u16::try_from(self.read(offset, Width::Byte)).unwrap_or(0)
    }

    /// C: `pnv_eeh_find_cap`
    fn capability(&self, id: u32) -> u16 {
        if self.read(STATUS, Width::Half) & STATUS_CAP_LIST == 0 {
            return 0;
        }
        let mut at = self.byte(CAPABILITIES) & !3;
        for _ in 0..48 {
            if at < 0x40 {
                return 0;
            }
            match self.read(at, Width::Byte) {
                0xff => return 0,
                found if found == id => return at,
                _ => at = self.byte(at + 1) & !3,
            }
        }
        0
    }

    /// C: `pnv_eeh_find_ecap`
    fn extended(&self, id: u32) -> u16 {
        let mut at = 0x100;
        for _ in 0..480 {
            let header = self.read(at, Width::Word);
            if header == 0 || header == u32::MAX {
                return 0;
            }
            if header & 0xffff == id {
                return at;
            }
            at = u16::try_from(header >> 20).unwrap_or(0) & !3;
            if at < 0x100 {
                return 0;
            }
        }
        0
    }

    /// What kind of bridge it is, and whether it reports its link's state.
    fn bridge(&self, pcie_cap: u16) -> (DeviceFlags, bool) {
        if pcie_cap == 0 {
            return (DeviceFlags::BRIDGE, false);
        }
        let kind = match (self.read(pcie_cap + 2, Width::Half) >> 4) & 0xf {
            4 => DeviceFlags::ROOT_PORT,
            6 => DeviceFlags::DS_PORT,
            _ => DeviceFlags::empty(),
        };
        let reports = self.read(pcie_cap + 0x0c, Width::Word) & 1 << 20 != 0;
        (DeviceFlags::BRIDGE | kind, reports)
    }

    /// Firmware sets the function up as at boot; one that it does not know stays as it is.
    pub(crate) fn reinit(&self) {
        let _ = self.firmware.reinit(&self.target);
    }

    /// All of it. C: the middle of `pnv_eeh_probe` and `pseries_eeh_init_edev`
    pub(crate) fn info(&self, device: &PciDev) -> DeviceInfo {
        // SAFETY: the device is held; these are set when it is found.
        let (vendor, id, class) = unsafe {
            let raw = &*device.as_raw();
            (raw.vendor, raw.device, raw.class)
        };
        let pcie_cap = self.capability(CAP_EXPRESS);
        let (flags, link_active_reporting) = if class >> 8 == CLASS_PCI_BRIDGE {
            self.bridge(pcie_cap)
        } else {
            (DeviceFlags::empty(), false)
        };
        DeviceInfo {
            bdf: device.bdf(),
            vendor,
            device: id,
            class,
            pcie_cap,
            aer_cap: if pcie_cap == 0 { 0 } else { self.extended(EXT_CAP_AER) },
            af_cap: self.capability(CAP_AF),
            pcix_cap: self.capability(CAP_PCIX),
            flags,
            bridge: buses(device),
            reset_by_firmware: has_property(device, c"ibm,reset-by-firmware"),
            link_active_reporting,
            conventional: pcie_cap == 0,
            physfn: device.physical().map(|physical| physical.bdf()),
        }
    }

    /// The first 16 words. C: `eeh_save_bars`
    pub(crate) fn first_words(&self, bridge: bool) -> [u32; 16] {
        let mut words = [0; 16];
        for (word, offset) in words.iter_mut().zip((0..).step_by(4)) {
            *word = self.read(offset, Width::Word);
            if bridge && offset == COMMAND {
                *word |= MASTER;
            }
        }
        words
    }
}

/// A bridge's bus numbers.
fn buses(device: &PciDev) -> Option<BridgeInfo> {
    // SAFETY: the device is held; the bus below it was made before it is added, and stays while the
    // caller adds it.
    let bus = unsafe { (*device.as_raw()).subordinate.as_ref() }?;
    let subordinate = u8::try_from(bus.busn_res.end).unwrap_or(u8::MAX);
    Some(BridgeInfo { secondary: bus.number, subordinate })
}

/// Whether the device tree says something of the device.
fn has_property(device: &PciDev, name: &core::ffi::CStr) -> bool {
    // SAFETY: the device is held, and its node with it; null is allowed.
    let found = unsafe {
        bindings::of_find_property(
            (*device.as_raw()).dev.of_node,
            name.as_ptr().cast(),
            core::ptr::null_mut(),
        )
    };
    !found.is_null()
}
