// SPDX-License-Identifier: GPL-2.0-or-later
//! What a driver does in its callbacks, and how it tells that its device works.
//!
//! A driver programs a token into its device's first register and later finds it there, or does
//! not: a device that was reset has forgotten it. Its heartbeat writes the register behind it and
//! reads it back.

use std::sync::{Mutex, PoisonError};

use eeh_recovery::ErsResult;

use super::step::Step;
use super::table::DriverEntry;
use super::temperament::Temperament;

/// Reads as all ones when nobody answers.
pub const ALL_ONES: u32 = u32::MAX;

/// The register that holds the driver's settings.
const SETTINGS: u64 = 0;
/// The register of the heartbeat.
const SCRATCH: u64 = 4;

/// How a driver reaches its device.
pub trait DeviceIo {
    /// Whether the device has registers at all.
    fn has_registers(&self) -> bool;
    /// Reads a register as `readl` does: all ones are checked with EEH.
    fn read(&self, offset: u64) -> u32;
    /// Writes a register as `writel` does.
    fn write(&self, offset: u64, value: u32);
    /// `pci_enable_device` and `pci_set_master`.
    fn enable(&self);
    /// Whether the function answers in configuration space.
    fn answers(&self) -> bool;
    /// Whether the device reaches memory, and its interrupts the CPU.
    fn dma(&self) -> bool;
    /// Touches a register that is not there, so that the PE freezes.
    fn trip(&self);
}

/// Where a driver stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    /// Not probed, or unbound.
    Idle,
    /// Does its work.
    Running,
    /// Between `error_detected` and `resume`.
    Stopped,
    /// Told of a permanent failure, or failed itself.
    Dead,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    token: u32,
    beats: u32,
    refrozen: bool,
    forgotten: u32,
    kept: u32,
    gave_up: bool,
}

/// A driver bound to one device.
#[derive(Debug)]
pub struct Driver {
    entry: &'static DriverEntry,
    name: String,
    temper: Temperament,
    state: Mutex<State>,
}

/// Why a device does not work.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NotWorking {
    /// Its driver has stopped it and waits for `resume`.
    #[error("its driver waits for `resume`")]
    Stopped,
    /// Its driver has given it up.
    #[error("its driver has given it up")]
    GivenUp,
    /// It reads as all ones.
    #[error("it reads as all ones")]
    AllOnes,
    /// It has lost the driver's settings: it was reset, and the driver does not know.
    #[error("it has forgotten its driver's settings")]
    Forgot,
    /// It does not keep what is written to it.
    #[error("it does not keep what its driver writes")]
    Deaf,
    /// Its DMA or interrupts do not get through.
    #[error("its DMA does not get through")]
    NoDma,
    /// No driver is bound, where one was.
    #[error("no driver is bound to it")]
    NoDriver,
    /// It is not there.
    #[error("it is gone")]
    Gone,
}

/// A probe that failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ProbeError {
    /// The device does not answer.
    #[error("the device does not answer")]
    NoDevice,
    /// The temperament says so.
    #[error("probe failed by request")]
    Asked,
}

impl Driver {
    /// A driver that is about to be probed. `token` tells its settings from another driver's.
    #[must_use]
    pub fn new(entry: &'static DriverEntry, name: &str, temper: Temperament, token: u32) -> Self {
        let state = State {
            phase: Phase::Idle,
            token: token.clamp(1, ALL_ONES - 1),
            beats: 0,
            refrozen: false,
            forgotten: 0,
            kept: 0,
            gave_up: false,
        };
        Self { entry, name: name.to_owned(), temper, state: Mutex::new(state) }
    }

    /// Its entry in the table.
    #[must_use]
    pub const fn entry(&self) -> &'static DriverEntry {
        self.entry
    }

    /// Its name in sysfs.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How it departs from the table.
    #[must_use]
    pub const fn temper(&self) -> &Temperament {
        &self.temper
    }

    /// Whether it has `error_detected` and `slot_reset`.
    #[must_use]
    pub fn aware(&self) -> bool {
        self.temper.aware.unwrap_or(self.entry.aware)
    }

    /// How often `slot_reset` found that the device had really been reset.
    #[must_use]
    pub fn forgotten(&self) -> u32 {
        self.with(|state| state.forgotten)
    }

    /// How often `slot_reset` found the device as it was before: it was not reset.
    #[must_use]
    pub fn kept(&self) -> u32 {
        self.with(|state| state.kept)
    }

    fn with<T>(&self, f: impl FnOnce(&mut State) -> T) -> T {
        f(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The device did not answer in time: the driver does not work with it any more.
    pub fn give_up(&self) {
        self.with(|state| state.gave_up = true);
    }

    fn gave_up(&self) -> bool {
        self.with(|state| state.gave_up)
    }

    /// Writes the settings and looks whether they arrived.
    fn program(&self, io: &dyn DeviceIo) -> bool {
        io.enable();
        if !io.has_registers() {
            return io.answers();
        }
        let token = self.with(|state| state.token);
        io.write(SETTINGS, token);
        io.read(SETTINGS) == token
    }

    /// `probe`.
    ///
    /// # Errors
    ///
    /// A device that does not answer, and a temperament that asks for failure.
    pub fn probe(&self, io: &dyn DeviceIo) -> Result<(), ProbeError> {
        if self.temper.fails.has(Step::Probe) {
            return Err(ProbeError::Asked);
        }
        if self.gave_up() {
            return Err(ProbeError::NoDevice);
        }
        self.start(io)?;
        self.read_if_asked(Step::Probe, io);
        Ok(())
    }

    /// `probe` at boot, before any temperament shows.
    ///
    /// # Errors
    ///
    /// A device that does not answer.
    pub fn start(&self, io: &dyn DeviceIo) -> Result<(), ProbeError> {
        if !self.program(io) {
            return Err(ProbeError::NoDevice);
        }
        self.with(|state| state.phase = Phase::Running);
        Ok(())
    }

    /// `remove`: leaves the device alone from here on.
    pub fn remove(&self, io: &dyn DeviceIo) {
        self.read_if_asked(Step::Remove, io);
        self.with(|state| state.phase = Phase::Idle);
    }

    /// An error handler, but for the time it takes.
    pub fn handle(&self, step: Step, io: &dyn DeviceIo) -> ErsResult {
        if step == Step::SlotReset {
            // A device fresh from reset decodes no memory: reading before this would freeze it again.
            io.enable();
        }
        self.read_if_asked(step, io);
        if self.gave_up() {
            self.with(|state| state.phase = Phase::Dead);
            return ErsResult::Disconnect;
        }
        match step {
            Step::ErrorDetected => self.error_detected(),
            Step::Failure => {
                self.with(|state| state.phase = Phase::Dead);
                ErsResult::Disconnect
            }
            Step::MmioEnabled => self.mmio_enabled(io),
            Step::SlotReset => self.slot_reset(io),
            Step::Resume => {
                self.resume(io);
                ErsResult::None
            }
            Step::Probe | Step::Remove => ErsResult::None,
        }
    }

    fn error_detected(&self) -> ErsResult {
        self.with(|state| state.phase = Phase::Stopped);
        if self.temper.disconnects || self.temper.fails.has(Step::ErrorDetected) {
            self.with(|state| state.phase = Phase::Dead);
            return ErsResult::Disconnect;
        }
        if self.temper.thaws { ErsResult::CanRecover } else { ErsResult::NeedReset }
    }

    fn mmio_enabled(&self, io: &dyn DeviceIo) -> ErsResult {
        if self.temper.fails.has(Step::MmioEnabled) {
            return ErsResult::Disconnect;
        }
        // Also one that a reset of somebody else's has made forget its settings.
        if io.has_registers() && io.read(SETTINGS) != self.with(|state| state.token) {
            return ErsResult::NeedReset;
        }
        ErsResult::Recovered
    }

    fn slot_reset(&self, io: &dyn DeviceIo) -> ErsResult {
        if self.temper.fails.has(Step::SlotReset) {
            return ErsResult::Disconnect;
        }
        if io.has_registers() {
            let kept = io.read(SETTINGS) == self.with(|state| state.token);
            self.with(|state| {
                let counter = if kept { &mut state.kept } else { &mut state.forgotten };
                *counter = counter.saturating_add(1);
            });
        }
        if self.program(io) { ErsResult::Recovered } else { ErsResult::Disconnect }
    }

    fn resume(&self, io: &dyn DeviceIo) {
        if self.temper.fails.has(Step::Resume) {
            self.with(|state| state.phase = Phase::Dead);
            return;
        }
        self.with(|state| state.phase = Phase::Running);
        let again =
            self.temper.refreezes && self.with(|state| !core::mem::replace(&mut state.refrozen, true));
        if again {
            io.trip();
            let _ = io.read(SETTINGS);
        }
    }

    fn read_if_asked(&self, step: Step, io: &dyn DeviceIo) {
        if self.temper.mmio.has(step) && io.has_registers() {
            let _ = io.read(SETTINGS);
        }
    }

    /// One turn of the driver's ordinary work.
    ///
    /// # Errors
    ///
    /// Why the work could not be done.
    pub fn beat(&self, io: &dyn DeviceIo) -> Result<(), NotWorking> {
        let (phase, token, beats) = self.with(|state| {
            state.beats = state.beats.wrapping_add(1);
            (state.phase, state.token, state.beats & 0xffff)
        });
        match phase {
            Phase::Idle => return Err(NotWorking::NoDriver),
            Phase::Stopped => return Err(NotWorking::Stopped),
            Phase::Dead => return Err(NotWorking::GivenUp),
            Phase::Running => {}
        }
        check_registers(io, Some(token), beats)?;
        if io.dma() { Ok(()) } else { Err(NotWorking::NoDma) }
    }
}

/// Whether a device's registers work: settings in place, the scratch register keeps a value.
///
/// # Errors
///
/// What is wrong with it.
pub fn check_registers(io: &dyn DeviceIo, token: Option<u32>, value: u32) -> Result<(), NotWorking> {
    if !io.has_registers() {
        return if io.answers() { Ok(()) } else { Err(NotWorking::AllOnes) };
    }
    if let Some(token) = token {
        let settings = io.read(SETTINGS);
        if settings == ALL_ONES {
            return Err(NotWorking::AllOnes);
        }
        if settings != token {
            return Err(NotWorking::Forgot);
        }
    }
    io.write(SCRATCH, value);
    match io.read(SCRATCH) {
        ALL_ONES => Err(NotWorking::AllOnes),
        read if read == value => Ok(()),
        _ => Err(NotWorking::Deaf),
    }
}

#[cfg(test)]
#[path = "behaviour_tests.rs"]
mod tests;
