// SPDX-License-Identifier: GPL-2.0-or-later
//! What firmware is told of PHBs, PEs and devices, and what it answers of them.

use core::time::Duration;

use eeh_pe::{Bdf, DeviceFlags, DeviceId, PeId, PeNumber, PeType, PhbNumber, TreeId};

/// A PHB as firmware is told of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PhbTarget {
    /// The PHB's tree.
    pub tree: TreeId,
    /// Linux's number of the PHB.
    pub number: PhbNumber,
    /// The firmware's: OPAL's PHB id, PAPR's BUID.
    pub firmware: u64,
}

/// A PE as firmware is told of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PeTarget {
    /// The PE.
    pub pe: PeId,
    /// Its PHB.
    pub phb: PhbTarget,
    /// Its number there. Of a PHB's own PE: 0, and [`PeType::PHB`] in `kind`.
    pub number: PeNumber,
    /// Its kind.
    pub kind: PeType,
}

impl PeTarget {
    /// Its number, unless it is a PHB's own PE.
    #[must_use]
    pub const fn below_phb(&self) -> Option<PeNumber> {
        if self.kind.contains(PeType::PHB) { None } else { Some(self.number) }
    }
}

/// A device as firmware is told of it: enough to reach its configuration space.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DeviceTarget {
    /// The device.
    pub device: DeviceId,
    /// Its PHB.
    pub phb: PhbTarget,
    /// Its number on the PHB.
    pub bdf: Bdf,
    /// Its flags when it was looked at.
    pub flags: DeviceFlags,
    /// Offset of the PCI Express capability, 0 when it has none.
    pub pcie_cap: u16,
    /// Offset of the Advanced Error Reporting capability, 0 when it has none.
    pub aer_cap: u16,
    /// Offset of the Advanced Features capability, 0 when it has none.
    pub af_cap: u16,
    /// Offset of the PCI-X capability, 0 when it has none.
    pub pcix_cap: u16,
    /// A bridge that the device tree tells to reset through firmware (`ibm,reset-by-firmware`).
    pub reset_by_firmware: bool,
    /// A port that reports its link's state (Data Link Layer Link Active).
    pub link_active_reporting: bool,
    /// A conventional PCI device: no PCI Express capability, no Request Retry Status.
    pub conventional: bool,
}

impl DeviceTarget {
    /// A function of which nothing is known but where it is: enough to read what it has.
    #[must_use]
    pub const fn bare(phb: PhbTarget, bdf: Bdf) -> Self {
        Self {
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
        }
    }
}

/// Where a reset of a PE is applied. C: the decisions of `pnv_eeh_reset`
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ResetPoint {
    /// The whole PHB.
    Phb,
    /// The PHB's root port: the PE's bus is the root bus or the one behind the root port.
    RootBus,
    /// A bridge further down.
    Bridge(DeviceTarget),
    /// A virtual function, by its own registers.
    Function(DeviceTarget),
    /// Below a bridge that is in no PE of ours: firmware that resets PEs by name knows where.
    Unknown,
}

/// Strength of a reset. C: `EEH_RESET_HOT`, `EEH_RESET_FUNDAMENTAL`
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ResetKind {
    /// In-band: PCIe hot reset, secondary bus reset.
    Hot,
    /// Out of band: PERST#.
    Fundamental,
}

/// What to let through again. C: `EEH_OPT_THAW_MMIO`, `EEH_OPT_THAW_DMA`
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Thaw {
    /// Loads, stores and configuration cycles.
    Mmio,
    /// Requests of the device: DMA and MSI.
    Dma,
    /// Both.
    All,
}

/// A PE's state as firmware reports it. C: `EEH_STATE_*`
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FreezeState {
    /// Works.
    Active,
    /// MMIO is stopped, DMA runs.
    MmioFrozen,
    /// DMA is stopped, MMIO runs.
    DmaFrozen,
    /// Both are stopped.
    Frozen,
    /// In reset.
    InReset,
    /// Firmware cannot tell yet and asks to be asked again.
    Unavailable {
        /// How long firmware wants us to wait.
        wait: Duration,
    },
    /// Firmware has given the PE up, or does not support EEH for it.
    NotSupported,
    /// The PE's whole PHB is fenced.
    PhbFenced,
}

impl FreezeState {
    /// Whether both MMIO and DMA run. C: `eeh_state_active`
    #[must_use]
    pub const fn is_active(self) -> bool {
        matches!(self, Self::Active)
    }

    /// Linux's bits, as in the first word of sysfs `eeh_pe_state`. PowerNV's; whoever has a back end
    /// asks [`crate::SlotState::linux_bits`]. C: `EEH_STATE_*`
    #[must_use]
    pub const fn linux_bits(self) -> u32 {
        match self {
            Self::Active => 0x78,
            Self::MmioFrozen => 0x50,
            Self::DmaFrozen => 0x28,
            Self::Frozen | Self::PhbFenced => 0,
            Self::InReset => 0x4,
            Self::Unavailable { .. } => 0x1,
            Self::NotSupported => 0x2,
        }
    }
}

/// Width of a configuration access.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Width {
    /// 8 bits.
    Byte,
    /// 16 bits.
    Half,
    /// 32 bits.
    Word,
}

/// The most severe error that firmware knows of on a PHB. C: `EEH_NEXT_ERR_*`
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NextError {
    /// None.
    None,
    /// Something to print and forget; the PHB's data say more.
    Informative,
    /// A PE is frozen.
    FrozenPe(PeNumber),
    /// The PHB is fenced.
    FencedPhb,
    /// The PHB is dead.
    DeadPhb,
    /// The I/O hub with all its PHBs is dead.
    DeadIoc,
}

/// A firmware call that failed, with the code as firmware gave it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum FirmwareError {
    /// The call answered an error.
    #[error("firmware call {call} failed: {code}")]
    Failed {
        /// Name of the call.
        call: &'static str,
        /// OPAL or RTAS return code.
        code: i64,
    },
    /// The call answered something its specification does not know.
    #[error("firmware call {call} answered {code}, which is outside its specification")]
    Garbage {
        /// Name of the call.
        call: &'static str,
        /// The raw value.
        code: i64,
    },
    /// Firmware lacks the service.
    #[error("firmware has no {call}")]
    Missing {
        /// Name of the call.
        call: &'static str,
    },
    /// The call asked for more time than it gets, or was given up.
    #[error("firmware call {call} did not come to an end")]
    Unfinished {
        /// Name of the call.
        call: &'static str,
    },
}
