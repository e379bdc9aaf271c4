// SPDX-License-Identifier: GPL-2.0-or-later
//! A firmware back end, split by the context of its calls.

use eeh_pe::{PeNumber, Time};

use super::{
    DeviceTarget, FirmwareError, FreezeState, InjectError, Injection, NextError, PeTarget, PhbTarget,
    ResetKind, ResetPoint, Thaw, Wait, Width,
};

/// Queries and the freezing of a PE. C: `eeh_ops->get_state`, `eeh_ops->set_option(FREEZE_PE)`
///
/// # Context
///
/// Any but NMI: hard interrupt, interrupts off, under raw spinlocks. Never waits.
pub trait SlotState {
    /// The state of a PE, or of the PHB's own (`None`), by firmware's name of the PHB; one firmware
    /// call.
    ///
    /// Each check asks, so it is compiled where it is called: what is not the way of a PE that works
    /// belongs out of line.
    ///
    /// # Errors
    ///
    /// The firmware's own.
    fn state_at(&self, phb: u64, pe: Option<PeNumber>) -> Result<FreezeState, FirmwareError>;

    /// The PE's state; one firmware call.
    ///
    /// # Errors
    ///
    /// The firmware's own.
    #[inline(never)]
    fn state(&self, pe: &PeTarget) -> Result<FreezeState, FirmwareError> {
        self.state_at(pe.phb.firmware, pe.below_phb())
    }

    /// Freezes the PE in hardware: MMIO and DMA.
    ///
    /// # Errors
    ///
    /// The firmware's own.
    fn freeze(&self, pe: &PeTarget) -> Result<(), FirmwareError>;

    /// A state in Linux's bits, as the platform's C code composes them. C: `EEH_STATE_*`
    fn linux_bits(&self, state: FreezeState) -> u32 {
        state.linux_bits()
    }
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

/// What a configuration of bridges wants next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ConfigurePoll {
    /// Poll again at `until`.
    Wait {
        /// When.
        until: Time,
        /// Who asks for it.
        why: Wait,
    },
    /// Configured, or there was nothing to be configured.
    Done,
    /// Refused, or not done in time.
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

    /// One configuration of bridges in progress. It may be dropped at any point.
    type Configure: Send;

    /// Lets MMIO or DMA through again.
    ///
    /// # Errors
    ///
    /// The firmware's own.
    fn thaw(&self, pe: &PeTarget, what: Thaw) -> Result<(), FirmwareError>;

    /// Whether a reset needs to be told where it is applied. PAPR's firmware resets PEs by name.
    fn needs_point(&self) -> bool {
        true
    }

    /// Begins one attempt; nothing happens on the wire before the first poll.
    fn begin_reset(&self, pe: &PeTarget, point: &ResetPoint, kind: ResetKind) -> Self::Reset;

    /// Moves an attempt on: asserts, waits, releases.
    fn poll_reset(&self, reset: &mut Self::Reset, now: Time) -> ResetPoll;

    /// Gives an attempt up: releases the reset if it is asserted. Harmless at any point.
    fn abandon_reset(&self, reset: &mut Self::Reset);

    /// Begins to set bridges up after a reset, where firmware does that; nothing is called before the
    /// first poll.
    fn begin_configure(&self, pe: &PeTarget) -> Self::Configure;

    /// Moves a configuration on. It comes to an end however long firmware is busy.
    fn poll_configure(&self, configure: &mut Self::Configure, now: Time) -> ConfigurePoll;

    /// Sets a device up after its BARs were restored. C: `eeh_ops->restore_config`
    ///
    /// # Errors
    ///
    /// The firmware's own.
    fn reinit(&self, device: &DeviceTarget) -> Result<(), FirmwareError>;

    /// Injects an error into a PE. Any task may call this. C: `eeh_ops->err_inject`
    ///
    /// # Errors
    ///
    /// What no firmware knows, before one is called; the firmware's own.
    fn inject(&self, pe: &PeTarget, error: &Injection) -> Result<(), InjectError>;
}

/// What error data are fetched for. C: `EEH_LOG_TEMP`, `EEH_LOG_PERM`
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Severity {
    /// The PE will be recovered.
    Temporary,
    /// The PE is given up. PAPR's firmware calls it permanently unavailable from now on.
    Permanent,
}

/// Firmware's error data of a PHB or PE.
///
/// # Context
///
/// The worker. Data that PEs share are fetched before any call that changes state on the PHB, a PE's own
/// when they are printed.
pub trait ErrorLog {
    /// Fetches the data into `buffer` and answers their length, 0 when there are none. `driver`: what Linux
    /// knows of the PE's devices, for a firmware that wants it in its log; empty where data are shared.
    ///
    /// # Errors
    ///
    /// The firmware's own.
    fn capture(
        &self,
        pe: &PeTarget,
        severity: Severity,
        driver: &[u8],
        buffer: &mut [u8],
    ) -> Result<usize, FirmwareError>;

    /// Whether all PEs of the PHB share one set of data, which any change of any of them may
    /// overwrite. Otherwise each PE has its own.
    fn is_shared(&self, phb: &PhbTarget) -> bool;

    /// Whether MMIO must be let through before configuration space of a frozen PE of the PHB can be
    /// read. C: `EEH_ENABLE_IO_FOR_LOG`
    fn needs_mmio(&self, phb: &PhbTarget) -> bool;

    /// Decodes data that [`ErrorLog::capture`] fetched into the lines Linux prints. Data that
    /// cannot be decoded give one line that says so.
    fn print(&self, phb: &PhbTarget, data: &[u8], line: &mut dyn FnMut(core::fmt::Arguments<'_>));
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
    /// interrupt may be armed again. Called once for each request that [`crate::Wake::take_check`] gave.
    fn rearm(&self, phb: &PhbTarget);

    /// Clears a freeze of a PE number that no PE of ours has.
    ///
    /// # Errors
    ///
    /// The firmware's own.
    fn clear_unknown(&self, phb: &PhbTarget, number: PeNumber) -> Result<(), FirmwareError>;
}
