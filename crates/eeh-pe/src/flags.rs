// SPDX-License-Identifier: GPL-2.0-or-later
//! The flags of PEs and devices, with Linux's names and bits (`asm/eeh.h`).

use bitflags::bitflags;

bitflags! {
    /// State of a PE: the 12 flag bits of its word.
    ///
    /// Bits 0 to 3 and 8 to 11 are Linux's and are what sysfs shows; bits 4 to 7 are ours and are
    /// masked out there ([`PeFlags::LINUX`]).
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash)]
    pub struct PeFlags: u16 {
        /// Isolated: the PE is frozen, or believed to be. C: `EEH_PE_ISOLATED`
        const ISOLATED = 1 << 0;
        /// A recovery of the PE is under way. C: `EEH_PE_RECOVERING`
        const RECOVERING = 1 << 1;
        /// Configuration space is blocked for everyone but the recovery. C: `EEH_PE_CFG_BLOCKED`
        const CFG_BLOCKED = 1 << 2;
        /// The PE is being reset. C: `EEH_PE_RESET`
        const RESET = 1 << 3;
        /// A report waits in the PHB's queue, which holds a reference.
        const PENDING = 1 << 4;
        /// Passed through to a guest or to user space, which handles freezes: one of its devices is open.
        const PASSED = 1 << 5;
        /// The PE stays while it has no device. C: `EEH_PE_KEEP`
        const KEEP = 1 << 8;
        /// Configuration access while frozen would fence the PHB. C: `EEH_PE_CFG_RESTRICTED`
        const CFG_RESTRICTED = 1 << 9;
        /// Permanently failed and taken away. C: `EEH_PE_REMOVED`
        const REMOVED = 1 << 10;
        /// The primary bus is known. C: `EEH_PE_PRI_BUS`
        const PRI_BUS = 1 << 11;

        /// What sysfs shows.
        const LINUX = 0xf0f;
        /// What the platform knows of a PE: neither a mark of a recovery, nor of the queue, nor its owner's.
        const FACTS = Self::CFG_RESTRICTED.bits() | Self::PRI_BUS.bits();
        /// What a PE linked below a marked parent is born with.
        const INHERITED = Self::ISOLATED.bits() | Self::RECOVERING.bits() | Self::CFG_BLOCKED.bits();
    }
}

bitflags! {
    /// What kind of PE it is. C: `pe->type`
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash)]
    pub struct PeType: u8 {
        /// Has no device, only children that have. C: `EEH_PE_INVALID`
        const INVALID = 1 << 0;
        /// The PHB itself, root of its tree. C: `EEH_PE_PHB`
        const PHB = 1 << 1;
        /// One device. C: `EEH_PE_DEVICE`
        const DEVICE = 1 << 2;
        /// The devices of a bus. C: `EEH_PE_BUS`
        const BUS = 1 << 3;
        /// A virtual function. C: `EEH_PE_VF`
        const VF = 1 << 4;
    }
}

bitflags! {
    /// State of a device: the 12 flag bits of its word. Names of `edev->mode`.
    ///
    /// Bits 0 to 4 and 8 to 10 are Linux's and are what sysfs shows ([`DeviceFlags::LINUX`]); the others are
    /// ours.
    #[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash)]
    pub struct DeviceFlags: u16 {
        /// A PCI-to-PCI bridge. C: `EEH_DEV_BRIDGE`
        const BRIDGE = 1 << 0;
        /// A PCIe root port. C: `EEH_DEV_ROOT_PORT`
        const ROOT_PORT = 1 << 1;
        /// A switch's downstream port. C: `EEH_DEV_DS_PORT`
        const DS_PORT = 1 << 2;
        /// EEH has disabled the device's interrupt. C: `EEH_DEV_IRQ_DISABLED`
        const IRQ_DISABLED = 1 << 3;
        /// Removed by EEH, to be added again. C: `EEH_DEV_DISCONNECTED`
        const DISCONNECTED = 1 << 4;
        /// Its driver has seen `error_detected` in this recovery. C: `edev->in_error`
        const IN_ERROR = 1 << 5;
        /// `error_state` is permanent failure. C: `pci_channel_io_perm_failure`
        const PERM_FAILURE = 1 << 6;
        /// Its `device_lock` is lost: a handler never came back. EEH calls it no more.
        const LOCK_LOST = 1 << 7;
        /// The driver was bound too late for this recovery. C: `EEH_DEV_NO_HANDLER`
        const NO_HANDLER = 1 << 8;
        /// Its sysfs files exist. C: `EEH_DEV_SYSFS`
        const SYSFS = 1 << 9;
        /// Permanently removed; configuration space is hidden. C: `EEH_DEV_REMOVED`
        const REMOVED = 1 << 10;
        /// Added in the middle of a recovery: its driver's probe met a blocked or frozen device, and is
        /// made again.
        const LATE = 1 << 11;

        /// What sysfs shows.
        const LINUX = 0x71f;
    }
}
