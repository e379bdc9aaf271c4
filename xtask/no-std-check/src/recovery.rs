// SPDX-License-Identifier: GPL-2.0-or-later
//! eeh-recovery over a platform of which nothing is known but its traits.

use core::fmt;
use core::hint::black_box;

use eeh_pe::{DeviceId, Memory, PeId, Registry, Report, Time, Tree, TreeId};
use eeh_powernv::PowerNv;
use eeh_recovery::render::{AddressCache, HistoryReport, OrphanReport, Proc, TreeDump};
use eeh_recovery::{
    ChannelState, Check, Context, DiagBuffer, Driver, ErsResult, Event, FirmwareError, Handler, Helper,
    History, Injection, Job, JobAnswer, JobId, Location, Next, Observer, OwnerError, OwnerReset, OwnerState,
    Params, PciCore, PcieReset, PhbTarget, Platform, RecoveryId, RecoveryTable, Request, RequestPoll,
    SetOption, Tagged, Wake, Worker, WorkerStorage, check_failure, dev_check_failure, driver_bound,
    force_recover, freeze, inject, mark_isolated, may_call, owner_state, release,
};

use crate::firmware::{POWERNV, Unknown, print};
use crate::tree::{Bare, InPlace};

/// A platform behind whose calls anything may be.
pub struct Anything;

impl PciCore<Bare> for Anything {
    fn set_channel_state(&self, device: &u64, state: ChannelState) {
        black_box((device, state));
    }
    fn disable_irq(&self, device: &u64) -> bool {
        black_box(*device) != 0
    }
    fn enable_irq(&self, device: &u64) {
        black_box(device);
    }
    fn driver(&self, _device: &u64) -> Option<Driver> {
        black_box(None)
    }
    fn needs_fundamental(&self, device: &u64) -> bool {
        black_box(*device) != 0
    }
    fn location(&self, _device: &u64) -> Location {
        black_box(Location::EMPTY)
    }
    fn phb_location(&self, _phb: &PhbTarget) -> Location {
        black_box(Location::EMPTY)
    }
    fn save_state(&self, device: &u64) {
        black_box(device);
    }
    fn restore_state(&self, device: &u64) {
        black_box(device);
    }
    fn reenable(&self, device: &u64) -> bool {
        black_box(*device) != 0
    }
    fn uevent(&self, device: &u64, result: ErsResult) {
        black_box((device, result));
    }
    fn notify_resume(&self, device: &u64) -> Result<(), FirmwareError> {
        black_box(device);
        Ok(())
    }
}

impl Helper<Bare> for Anything {
    fn start(&self, tree: TreeId, id: JobId, job: Job<Bare>) {
        black_box((tree, id, job));
    }
    fn abandon(&self, tree: TreeId, id: JobId) {
        black_box((tree, id));
    }
}

impl Wake for Anything {
    fn wake(&self, tree: TreeId) {
        black_box(tree);
    }
    fn request_check(&self, tree: TreeId) {
        black_box(tree);
    }
    fn take_check(&self, tree: TreeId) -> bool {
        black_box(tree).slot() != 0
    }
}

impl Observer for Anything {
    fn event(&self, now: Time, event: &Event) {
        black_box(now);
        let mut history = black_box(History::<4>::new());
        history.note(now, event);
        black_box(history);
        print(format_args!("{}", Tagged(event.recovery, event)));
    }
    fn line(&self, now: Time, _: &PhbTarget, recovery: Option<RecoveryId>, line: fmt::Arguments<'_>) {
        black_box(now);
        print(format_args!("{}", Tagged(recovery, line)));
    }
}

impl Platform for Anything {
    type Env = Bare;
    type Firmware = PowerNv<Unknown, Unknown>;
    type Core = Self;
    type Helper = Self;
    type Wake = Self;
    type Observer = Self;

    fn firmware(&self) -> &Self::Firmware {
        &POWERNV
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
        black_box(Params::default())
    }
    fn enabled(&self) -> bool {
        black_box(true)
    }
    fn now(&self) -> Time {
        black_box(Time::ZERO)
    }
}

#[unsafe(no_mangle)]
pub fn recovery_worker<'r>(platform: &'r Anything, tree: Tree<'r, Bare>) -> Option<Worker<'r, Anything>> {
    let phb_diag: InPlace<DiagBuffer> = Bare::own(DiagBuffer::new())?;
    let recovery_diag = Bare::own(DiagBuffer::new())?;
    Some(Worker::new(platform, tree, WorkerStorage { phb_diag, recovery_diag }))
}

#[unsafe(no_mangle)]
pub fn recovery_step(worker: &mut Worker<'_, Anything>, now: Time) -> Next {
    worker.step(now)
}

#[unsafe(no_mangle)]
pub fn recovery_answer(worker: &mut Worker<'_, Anything>, id: JobId, answer: JobAnswer, now: Time) -> bool {
    worker.answer(id, answer, now)
}

#[unsafe(no_mangle)]
pub fn recovery_check(platform: &Anything, pes: &Registry<Bare>, address: u64) -> Check {
    check_failure(platform, pes, address, Context::Normal)
}

#[unsafe(no_mangle)]
pub fn recovery_check_device(platform: &Anything, pes: &Registry<Bare>, device: DeviceId) -> Check {
    dev_check_failure(platform, pes, device, Context::Nmi)
}

#[unsafe(no_mangle)]
pub fn recovery_force(platform: &Anything, pes: &Registry<Bare>, pe: PeId) -> Report {
    force_recover(platform, pes, pe)
}

#[unsafe(no_mangle)]
pub fn recovery_poll_request(request: &mut Request<'_, Anything>, now: Time) -> RequestPoll {
    request.poll(now)
}

#[unsafe(no_mangle)]
pub fn recovery_requests<'a>(
    platform: &'a Anything,
    pes: &'a Registry<Bare>,
    (pe, device): (PeId, DeviceId),
    number: i32,
    text: &[u8],
) -> Option<Request<'a, Anything>> {
    Some(match number {
        0 => Request::open(platform, pes, device),
        1 => Request::set_option(platform, pes, pe, SetOption::from_linux(number)?),
        2 => Request::reset(platform, pes, pe, OwnerReset::from_linux(number)?),
        3 => Request::configure(platform, pes, pe),
        4 => Request::unfreeze(platform, pes, pe),
        5 => Request::reset_and_recover(platform, pes, pe),
        6 => Request::pcie_reset(platform, pes, device, PcieReset::from_linux(number.unsigned_abs())?),
        _ => Request::write_state(platform, pes, device, text),
    })
}

#[unsafe(no_mangle)]
pub fn recovery_owner(
    platform: &Anything,
    pes: &Registry<Bare>,
    (pe, device): (PeId, DeviceId),
    error: &Injection,
) -> Result<OwnerState, OwnerError> {
    let _ = mark_isolated(platform, pes, pe);
    freeze(platform, pes, pe)?;
    inject(platform, pes, pe, error)?;
    release(platform, pes, device);
    owner_state(platform, pes, pe)
}

#[unsafe(no_mangle)]
pub fn recovery_may_call(pes: &Registry<Bare>, device: DeviceId, handler: Handler) -> bool {
    driver_bound(pes, device);
    may_call(pes, device, handler)
}

#[unsafe(no_mangle)]
pub fn recovery_reports(registry: &Registry<Bare>, history: &History<4>, now: Time) {
    print(format_args!("{}", Proc { registry: Some(registry), enabled: black_box(true) }));
    print(format_args!("{}{}", AddressCache(registry), TreeDump(registry)));
    print(format_args!("{}", OrphanReport { registry, now }));
    print(format_args!("{}", HistoryReport { registry, next: |last| history.after(last) }));
}

#[unsafe(no_mangle)]
pub fn recovery_table() {
    print(format_args!("{RecoveryTable}"));
}
