// SPDX-License-Identifier: GPL-2.0-or-later
//! The traits of the environment, split by the context that may call them.
//!
//! | trait            | context                       | who implements it            |
//! |------------------|-------------------------------|------------------------------|
//! | [`SlotState`]    | any but NMI, never waits      | a firmware back end          |
//! | [`Wake`]         | any, never waits              | the environment              |
//! | [`ConfigSpace`]  | the worker, never waits long  | a firmware back end          |
//! | [`SlotControl`]  | the worker, may sleep         | a firmware back end          |
//! | [`ErrorLog`]     | the worker, may sleep         | a firmware back end          |
//! | [`ErrorSource`]  | the worker, may sleep         | a firmware back end          |
//! | [`PciCore`]      | the worker, may sleep         | the environment              |
//! | [`Helper`]       | starts what may take for ever | the environment              |
//!
//! Nothing here waits for time to pass: whatever must wait says until when, and the caller's loop
//! waits. So the same code runs in a kernel thread and over virtual time.

use core::time::Duration;

use eeh_pe::{Bdf, DeviceFlags, DeviceId, Env, PeId, PeNumber, PeType, PhbNumber, Time, TreeId};

use crate::job::{Job, JobId};

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
    /// A bridge that the device tree tells to reset through firmware (`ibm,reset-by-firmware`).
    pub reset_by_firmware: bool,
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

    /// Linux's bits, as in the first word of sysfs `eeh_pe_state`. C: `EEH_STATE_*`
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

/// Queries and the freezing of a PE. C: `eeh_ops->get_state`, `eeh_ops->set_option(FREEZE_PE)`
///
/// # Context
///
/// Any but NMI: hard interrupt, interrupts off, under raw spinlocks. Never waits.
pub trait SlotState {
    /// The PE's state; one firmware call.
    ///
    /// # Errors
    ///
    /// The firmware's own.
    fn state(&self, pe: &PeTarget) -> Result<FreezeState, FirmwareError>;

    /// Freezes the PE in hardware: MMIO and DMA.
    ///
    /// # Errors
    ///
    /// The firmware's own.
    fn freeze(&self, pe: &PeTarget) -> Result<(), FirmwareError>;
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

/// Raw configuration cycles: not stopped by `CFG_BLOCKED`. C: `eeh_ops->{read,write}_config`
///
/// # Context
///
/// The worker. May take the platform's configuration lock; does not wait for devices.
pub trait ConfigSpace {
    /// Reads `width` at `offset`; all ones when nobody answers or the PE is frozen.
    ///
    /// # Errors
    ///
    /// The firmware's own.
    fn read(&self, device: &DeviceTarget, offset: u16, width: Width) -> Result<u32, FirmwareError>;

    /// Writes `width` at `offset`; dropped when nobody answers or the PE is frozen.
    ///
    /// # Errors
    ///
    /// The firmware's own.
    fn write(
        &self,
        device: &DeviceTarget,
        offset: u16,
        width: Width,
        value: u32,
    ) -> Result<(), FirmwareError>;
}

/// Why something waits, and which text asks for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Wait {
    /// OPAL answered a positive number of milliseconds (OPAL_PCI_RESET, OPAL_PCI_POLL).
    OpalPoll,
    /// Secondary Bus Reset is held for Trst, 1 ms at least (PCI 3.0 4.3.2; PCIe 6.0 7.5.1.3.13).
    ResetHold,
    /// 100 ms after link up or release of reset before the first access (PCIe 6.0 6.6.1).
    LinkSettle,
    /// Link training after release of reset: 1 s at most (PCIe 6.0 6.6.1).
    LinkUp,
    /// Trhfa, 2^25 clocks: a conventional device after reset (PCI 3.0 4.3.2).
    ConventionalSettle,
    /// The device answers all ones or Request Retry Status (PCIe 6.0 6.6.1, 2.3.1).
    DeviceReady,
    /// 100 ms after a Function Level Reset (PCIe 6.0 6.6.2).
    FlrSettle,
    /// Pending transactions before a Function Level Reset (PCIe 6.0 6.6.2).
    TransactionsPending,
    /// Firmware says "temporarily unavailable for n ms" (PAPR R1-7.3.11-1; OPAL: 1 s).
    FirmwareUnavailable,
    /// An extended busy code asks to call again later (PAPR 7.3.3).
    RtasBusy,
    /// An error handler, or adding or removing a device, is running in the helper.
    Helper,
    /// The pause before devices are added back (a parameter; C: 5 s).
    AddBack,
}

/// What a reset attempt wants next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ResetPoll {
    /// Poll again at `until`.
    Wait {
        /// When.
        until: Time,
        /// Who asks for it.
        why: Wait,
    },
    /// Asserted, held and released.
    Done,
    /// Refused or failed; released again if it had been asserted.
    Failed(FirmwareError),
}

/// Changes of a slot. C: `eeh_ops->{set_option,reset,configure_bridge,restore_config}`
///
/// # Context
///
/// The worker, without any lock. A call may take as long as firmware does, but does not wait.
pub trait SlotControl {
    /// One reset attempt in progress.
    type Reset: Send;

    /// Lets MMIO or DMA through again.
    ///
    /// # Errors
    ///
    /// The firmware's own.
    fn thaw(&self, pe: &PeTarget, what: Thaw) -> Result<(), FirmwareError>;

    /// Begins one attempt; nothing happens on the wire before the first poll.
    fn begin_reset(&self, pe: &PeTarget, point: &ResetPoint, kind: ResetKind) -> Self::Reset;

    /// Moves an attempt on: asserts, waits, releases.
    fn poll_reset(&self, reset: &mut Self::Reset, now: Time) -> ResetPoll;

    /// Gives an attempt up: releases the reset if it is asserted. Harmless at any point.
    fn abandon_reset(&self, reset: &mut Self::Reset);

    /// Sets bridges up after a reset, where firmware does that.
    ///
    /// # Errors
    ///
    /// The firmware's own.
    fn configure(&self, pe: &PeTarget) -> Result<(), FirmwareError>;

    /// Sets a device up after its BARs were restored. C: `eeh_ops->restore_config`
    ///
    /// # Errors
    ///
    /// The firmware's own.
    fn reinit(&self, device: &DeviceTarget) -> Result<(), FirmwareError>;
}

/// Firmware's error data of a PHB.
///
/// # Context
///
/// The worker. [`ErrorLog::capture`] is called before any call that changes state on the PHB.
pub trait ErrorLog {
    /// Fetches the PHB's data into `buffer` and answers their length.
    ///
    /// # Errors
    ///
    /// The firmware's own.
    fn capture(&self, pe: &PeTarget, buffer: &mut [u8]) -> Result<usize, FirmwareError>;

    /// Decodes data that [`ErrorLog::capture`] fetched into the lines Linux prints. Data that
    /// cannot be decoded give one line that says so.
    fn print(&self, phb: &PhbTarget, data: &[u8], line: &mut dyn FnMut(core::fmt::Arguments<'_>));
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

/// Where errors come from that nobody read all ones for. C: `eeh_ops->next_error`
///
/// # Context
///
/// The worker.
pub trait ErrorSource {
    /// Asks for the PHB's next error; never waits.
    ///
    /// # Errors
    ///
    /// The firmware's own.
    fn next_error(&self, phb: &PhbTarget) -> Result<NextError, FirmwareError>;

    /// The PHB has been asked until it had no more, or could not be asked: its part of the error
    /// interrupt may be armed again.
    fn rearm(&self, phb: &PhbTarget);

    /// Clears a freeze of a PE number that no PE of ours has.
    ///
    /// # Errors
    ///
    /// The firmware's own.
    fn clear_unknown(&self, phb: &PhbTarget, number: PeNumber) -> Result<(), FirmwareError>;
}

/// Wakes a PHB's worker. Any context, never waits; waking twice is once.
pub trait Wake {
    /// Wakes the worker of `tree`, if it has one.
    fn wake(&self, tree: TreeId);
}

/// State of the path to a device. C: `pci_channel_state_t`
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ChannelState {
    /// C: `pci_channel_io_normal`
    Normal,
    /// C: `pci_channel_io_frozen`
    Frozen,
    /// C: `pci_channel_io_perm_failure`
    PermFailure,
}

/// What a device's driver can do about errors.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DriverKind {
    /// No driver is bound.
    None,
    /// Bound, without `error_detected` and `slot_reset`.
    Unaware,
    /// Bound, with both: it survives a reset.
    Aware,
}

/// The PCI core, where it needs no driver's code and no lock shared between PHBs.
///
/// # Context
///
/// The worker. None of these calls an error handler, takes the rescan lock or waits for a device.
pub trait PciCore {
    /// The environment.
    type Env: Eeh;

    /// Sets `pdev->error_state`.
    fn set_channel_state(&self, device: &Device<Self>, state: ChannelState);

    /// Disables the device's INTx, and answers whether it did: not with MSI, not without a handler.
    /// C: `eeh_disable_irq`
    fn disable_irq(&self, device: &Device<Self>) -> bool;

    /// Enables the INTx that [`PciCore::disable_irq`] disabled. C: `eeh_enable_irq`
    fn enable_irq(&self, device: &Device<Self>);

    /// What the device's driver can do.
    fn driver(&self, device: &Device<Self>) -> DriverKind;

    /// Whether the device wants PERST# (`pdev->needs_freset`).
    fn needs_fundamental(&self, device: &Device<Self>) -> bool;

    /// Sends the uevent of an outcome. C: `pci_uevent_ers`
    fn uevent(&self, device: &Device<Self>, result: crate::ErsResult);
}

/// The platform's counted device of a [`PciCore`].
pub type Device<C> = <<C as PciCore>::Env as Env>::Device;

/// The environment of recovery: that of the tree.
pub trait Eeh: Env {}
impl<E: Env> Eeh for E {}

/// Runs what may take for ever: error handlers, and adding and removing devices.
///
/// One job of a worker runs at a time. Its answer comes back as [`crate::JobAnswer`] with the job's
/// id; the answer of a job whose id is void touches nothing.
pub trait Helper<E: Env> {
    /// Starts a job and returns at once.
    fn start(&self, tree: TreeId, id: JobId, job: Job<E>);

    /// The running job of `tree` will not be waited for: its helper is lost, with the `device_lock`
    /// that it holds. A new helper serves the next job.
    fn abandon(&self, tree: TreeId, id: JobId);
}
