// SPDX-License-Identifier: GPL-2.0-or-later
//! A small machine with one PHB: hardware, firmware, PCI core and observer in one value.

use core::fmt::Arguments;
use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};

use std::sync::{Arc, Mutex, MutexGuard};

use eeh_pe::{Bdf, PeNumber, Time, TreeId};
use eeh_recovery::*;

use super::env::TestEnv;

/// A device's driver and state, as a PCI core has them.
pub struct Dev {
    pub bdf: Bdf,
    pub driver: Mutex<Option<Driver>>,
    pub channel: Mutex<ChannelState>,
    /// How often its INTx is disabled.
    pub irq_depth: Mutex<i32>,
    pub intx: bool,
    pub fundamental: bool,
}

#[derive(Default)]
pub struct State {
    pub now: Time,
    /// PEs that are not active.
    pub frozen: BTreeMap<u32, FreezeState>,
    pub fenced: bool,
    /// PEs whose freeze cannot be cleared.
    pub stuck: Vec<u32>,
    pub config: BTreeMap<u16, [u8; 256]>,
    /// From when a device answers after a reset, and what it says before.
    pub ready_after: BTreeMap<u16, (Duration, u16)>,
    pub ready_at: BTreeMap<u16, Time>,
    /// How long after a reset links come up, for ports that report it.
    pub link_after: Option<Duration>,
    pub link_at: Time,
    /// Resets that firmware will refuse.
    pub refuse: u32,
    pub asserted: i32,
    pub resets: Vec<(ResetPoint, ResetKind)>,
    pub calls: Vec<String>,
    pub lines: Vec<String>,
    pub events: Vec<(Time, Event)>,
    pub jobs: VecDeque<(JobId, Job<TestEnv>)>,
    pub abandoned: Vec<JobId>,
    pub requested: Vec<TreeId>,
    pub woken: u32,
    pub rearmed: u32,
    pub errors: VecDeque<NextError>,
    /// The answer of `state` to a query, once each, before the real one.
    pub states: VecDeque<FreezeState>,
    pub params: Params,
    pub enabled: bool,
    pub capture: Option<usize>,
    /// Devices that cannot be enabled again.
    pub dead: Vec<u16>,
    /// Firmware keeps a log of each PE.
    pub own_logs: bool,
    /// What it was given for them.
    pub driver_logs: Vec<String>,
    /// What a configuration of bridges answers, once each, before it is done: busy for as long, or not.
    pub configures: VecDeque<Result<Duration, FirmwareError>>,
    /// What firmware says to a driver that goes on.
    pub resume_refused: Option<FirmwareError>,
}

#[derive(Default)]
pub struct World {
    pub state: Mutex<State>,
}

impl World {
    pub fn new() -> Self {
        let world = Self::default();
        world.get().enabled = true;
        world
    }
    pub fn get(&self) -> MutexGuard<'_, State> {
        self.state.try_lock().expect("called back")
    }
    fn call(&self, text: String) {
        self.get().calls.push(text);
    }
    pub fn word(&self, bdf: u16, offset: usize) -> u32 {
        let state = self.get();
        u32::from_le_bytes(state.config[&bdf][offset..offset + 4].try_into().unwrap())
    }
}

impl SlotState for World {
    fn state_at(&self, _: u64, pe: Option<PeNumber>) -> Result<FreezeState, FirmwareError> {
        let number = pe.map_or(0, |pe| pe.0);
        let mut state = self.get();
        state.calls.push(format!("state {number:x}"));
        if let Some(answer) = state.states.pop_front() {
            return Ok(answer);
        }
        if state.fenced {
            return Ok(FreezeState::PhbFenced);
        }
        Ok(state.frozen.get(&number).copied().unwrap_or(FreezeState::Active))
    }
    fn freeze(&self, pe: &PeTarget) -> Result<(), FirmwareError> {
        self.call(format!("freeze {:x}", pe.number.0));
        self.get().frozen.insert(pe.number.0, FreezeState::Frozen);
        Ok(())
    }
}

impl ConfigSpace for World {
    fn read(&self, device: &DeviceTarget, offset: u16, width: Width) -> Result<u32, FirmwareError> {
        let state = self.get();
        let bdf = device.bdf.0;
        let late = state.ready_at.get(&bdf).is_some_and(|&at| state.now < at);
        if late {
            let says = state.ready_after.get(&bdf).map_or(0xffff, |r| r.1);
            return Ok(if offset == 0 { u32::from(says) } else { u32::MAX });
        }
        let Some(config) = state.config.get(&bdf) else { return Ok(u32::MAX) };
        let at = usize::from(offset);
        if offset == 0x52 && state.link_after.is_some() {
            return Ok(if state.now < state.link_at { 0x1011 } else { 0x3011 });
        }
        Ok(match width {
            Width::Byte => u32::from(config[at]),
            Width::Half => u32::from(u16::from_le_bytes([config[at], config[at + 1]])),
            Width::Word => u32::from_le_bytes(config[at..at + 4].try_into().unwrap()),
        })
    }
    fn write(
        &self,
        device: &DeviceTarget,
        offset: u16,
        width: Width,
        value: u32,
    ) -> Result<(), FirmwareError> {
        let mut state = self.get();
        state.calls.push(format!("write {} {offset:02x}", device.bdf));
        let len = match width {
            Width::Byte => 1,
            Width::Half => 2,
            Width::Word => 4,
        };
        let at = usize::from(offset);
        if let Some(config) = state.config.get_mut(&device.bdf.0) {
            config[at..at + len].copy_from_slice(&value.to_le_bytes()[..len]);
        }
        Ok(())
    }
}

/// A reset attempt: asserted at the first poll, held 2 ms.
pub struct Reset {
    point: ResetPoint,
    until: Option<Time>,
    done: bool,
}

impl World {
    /// The devices that a reset reaches.
    fn reached(&self, point: &ResetPoint) -> Vec<u16> {
        let state = self.get();
        let bus = |bdf: u16| bdf >> 8;
        state
            .config
            .keys()
            .copied()
            .filter(|&bdf| match point {
                ResetPoint::Phb => true,
                ResetPoint::RootBus => bus(bdf) > 0,
                ResetPoint::Bridge(bridge) => {
                    let config = state.config[&bridge.bdf.0];
                    (u16::from(config[0x19])..=u16::from(config[0x1a])).contains(&bus(bdf))
                }
                ResetPoint::Function(device) => bdf == device.bdf.0,
                ResetPoint::Unknown => false,
            })
            .collect()
    }
    fn forget(&self, point: &ResetPoint) {
        let reached = self.reached(point);
        let mut state = self.get();
        let now = state.now;
        for bdf in reached {
            let config = state.config.get_mut(&bdf).unwrap();
            config[4..8].fill(0);
            config[0xc..0xe].fill(0);
            config[0x10..0x40].fill(0);
            let after = state.ready_after.get(&bdf).map_or(Duration::ZERO, |r| r.0);
            state.ready_at.insert(bdf, now.after(after));
        }
        state.link_at = now.after(state.link_after.unwrap_or_default());
        if *point == ResetPoint::Phb {
            state.fenced = false;
        }
    }
}

/// What a fenced PHB answers to a thaw.
const FENCED: FirmwareError = FirmwareError::Failed { call: "OPAL_PCI_EEH_FREEZE_CLEAR", code: -6 };

impl SlotControl for World {
    type Reset = Reset;
    type Configure = PeNumber;
    fn thaw(&self, pe: &PeTarget, what: Thaw) -> Result<(), FirmwareError> {
        self.call(format!("thaw {:x} {what:?}", pe.number.0));
        let mut state = self.get();
        if state.fenced {
            return Err(FENCED);
        }
        if state.stuck.contains(&pe.number.0) {
            return Ok(());
        }
        let now = state.frozen.get(&pe.number.0).copied().unwrap_or(FreezeState::Active);
        let after = match (now, what) {
            (_, Thaw::All) | (FreezeState::MmioFrozen, Thaw::Mmio) | (FreezeState::DmaFrozen, Thaw::Dma) => {
                FreezeState::Active
            }
            (FreezeState::Frozen, Thaw::Mmio) => FreezeState::DmaFrozen,
            (FreezeState::Frozen, Thaw::Dma) => FreezeState::MmioFrozen,
            (other, _) => other,
        };
        state.frozen.insert(pe.number.0, after);
        Ok(())
    }
    fn begin_reset(&self, _: &PeTarget, point: &ResetPoint, kind: ResetKind) -> Reset {
        self.get().resets.push((*point, kind));
        Reset { point: *point, until: None, done: false }
    }
    fn poll_reset(&self, reset: &mut Reset, now: Time) -> ResetPoll {
        match reset.until {
            None => {
                let mut state = self.get();
                if state.refuse > 0 {
                    state.refuse -= 1;
                    state.calls.push("refused".into());
                    reset.done = true;
                    return ResetPoll::Failed(FirmwareError::Failed { call: "reset", code: -6 });
                }
                state.asserted += 1;
                state.calls.push("assert".into());
                let until = now.after(Duration::from_millis(2));
                reset.until = Some(until);
                ResetPoll::Wait { until, why: Wait::ResetHold }
            }
            Some(until) if now < until => ResetPoll::Wait { until, why: Wait::ResetHold },
            Some(_) => {
                self.abandon_reset(reset);
                self.forget(&reset.point);
                ResetPoll::Done
            }
        }
    }
    fn abandon_reset(&self, reset: &mut Reset) {
        if reset.until.is_some() && !reset.done {
            reset.done = true;
            let mut state = self.get();
            state.asserted -= 1;
            state.calls.push("release".into());
        }
    }
    fn begin_configure(&self, pe: &PeTarget) -> PeNumber {
        pe.number
    }
    fn poll_configure(&self, configure: &mut PeNumber, now: Time) -> ConfigurePoll {
        self.call(format!("configure {:x}", configure.0));
        match self.get().configures.pop_front() {
            None => ConfigurePoll::Done,
            Some(Ok(busy)) => ConfigurePoll::Wait { until: now.after(busy), why: Wait::RtasBusy },
            Some(Err(error)) => ConfigurePoll::Failed(error),
        }
    }
    fn reinit(&self, device: &DeviceTarget) -> Result<(), FirmwareError> {
        self.call(format!("reinit {}", device.bdf));
        Ok(())
    }
    fn inject(&self, pe: &PeTarget, error: &Injection) -> Result<(), InjectError> {
        self.call(format!("inject {:x}", pe.number.0));
        if error.kind > 1 { Err(InjectError::Kind(error.kind)) } else { Ok(()) }
    }
}

impl ErrorLog for World {
    fn capture(
        &self,
        pe: &PeTarget,
        severity: Severity,
        driver: &[u8],
        buffer: &mut [u8],
    ) -> Result<usize, FirmwareError> {
        self.get().driver_logs.push(String::from_utf8(driver.to_vec()).unwrap());
        if severity == Severity::Permanent {
            self.call(format!("capture {:x} for good", pe.number.0));
            return Ok(0);
        }
        self.call(format!("capture {:x}", pe.number.0));
        let len = self.get().capture.unwrap_or(4);
        buffer[..len].fill(7);
        Ok(len)
    }
    fn print(&self, _: &PhbTarget, data: &[u8], line: &mut dyn FnMut(Arguments<'_>)) {
        line(format_args!("diag {} bytes", data.len()));
    }
    fn is_shared(&self, _: &PhbTarget) -> bool {
        !self.get().own_logs
    }
    fn needs_mmio(&self, _: &PhbTarget) -> bool {
        false
    }
}

impl ErrorSource for World {
    fn next_error(&self, _: &PhbTarget) -> Result<NextError, FirmwareError> {
        self.call("next_error".into());
        Ok(self.get().errors.pop_front().unwrap_or(NextError::None))
    }
    fn rearm(&self, _: &PhbTarget) {
        self.get().rearmed += 1;
    }
    fn clear_unknown(&self, _: &PhbTarget, number: PeNumber) -> Result<(), FirmwareError> {
        self.call(format!("clear_unknown {:x}", number.0));
        if self.get().fenced { Err(FENCED) } else { Ok(()) }
    }
}

impl PciCore<TestEnv> for World {
    fn set_channel_state(&self, device: &Arc<Dev>, state: ChannelState) {
        *device.channel.lock().unwrap() = state;
    }
    fn disable_irq(&self, device: &Arc<Dev>) -> bool {
        if device.intx {
            *device.irq_depth.lock().unwrap() += 1;
        }
        device.intx
    }
    fn enable_irq(&self, device: &Arc<Dev>) {
        *device.irq_depth.lock().unwrap() -= 1;
    }
    fn driver(&self, device: &Arc<Dev>) -> Option<Driver> {
        *device.driver.lock().unwrap()
    }
    fn needs_fundamental(&self, device: &Arc<Dev>) -> bool {
        device.fundamental
    }
    fn location(&self, _: &Arc<Dev>) -> Location {
        Location::new("pcie.0")
    }
    fn phb_location(&self, _: &PhbTarget) -> Location {
        Location::new("N/A")
    }
    fn save_state(&self, device: &Arc<Dev>) {
        self.call(format!("save {}", device.bdf));
    }
    fn restore_state(&self, device: &Arc<Dev>) {
        self.call(format!("restore {}", device.bdf));
    }
    fn reenable(&self, device: &Arc<Dev>) -> bool {
        self.call(format!("reenable {}", device.bdf));
        !self.get().dead.contains(&device.bdf.0)
    }
    fn uevent(&self, device: &Arc<Dev>, result: ErsResult) {
        self.call(format!("uevent {} {result}", device.bdf));
    }
    fn notify_resume(&self, device: &Arc<Dev>) -> Result<(), FirmwareError> {
        self.call(format!("notify_resume {}", device.bdf));
        self.get().resume_refused.map_or(Ok(()), Err)
    }
}

impl Helper<TestEnv> for World {
    fn start(&self, _: TreeId, id: JobId, job: Job<TestEnv>) {
        self.get().jobs.push_back((id, job));
    }
    fn abandon(&self, _: TreeId, id: JobId) {
        self.get().abandoned.push(id);
    }
}

impl Wake for World {
    fn wake(&self, _: TreeId) {
        self.get().woken += 1;
    }
    fn request_check(&self, tree: TreeId) {
        self.get().requested.push(tree);
    }
    fn take_check(&self, tree: TreeId) -> bool {
        let mut state = self.get();
        let before = state.requested.len();
        state.requested.retain(|&t| t != tree);
        state.requested.len() != before
    }
}

impl Observer for World {
    fn event(&self, now: Time, event: &Event) {
        let mut state = self.get();
        if event.is_logged() {
            state.lines.extend(event.to_string().lines().map(str::to_owned));
        }
        state.events.push((now, *event));
    }
    fn line(&self, _: Time, _: &PhbTarget, _: Option<RecoveryId>, line: Arguments<'_>) {
        self.get().lines.push(line.to_string());
    }
}

impl Platform for World {
    type Env = TestEnv;
    type Firmware = Self;
    type Core = Self;
    type Helper = Self;
    type Wake = Self;
    type Observer = Self;
    fn firmware(&self) -> &Self {
        self
    }
    fn core(&self) -> &Self {
        self
    }
    fn helper(&self) -> &Self {
        self
    }
    fn wake(&self) -> &Self {
        self
    }
    fn observer(&self) -> &Self {
        self
    }
    fn params(&self) -> Params {
        self.get().params
    }
    fn enabled(&self) -> bool {
        self.get().enabled
    }
    fn now(&self) -> Time {
        self.get().now
    }
}
