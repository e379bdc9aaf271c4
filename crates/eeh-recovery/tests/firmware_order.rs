// SPDX-License-Identifier: GPL-2.0-or-later
//! Calls of firmware whose order, number or absence is the contract.
#![expect(unused_parens, reason = "the mock of a closure argument needs its lifetime named")]

mod common;

use core::fmt::Arguments;
use core::time::Duration;

use common::*;
use eeh_pe::{PeNumber, Time};
use eeh_recovery::*;
use mockall::{Sequence, mock};

mock! {
    Firmware {}
    impl SlotState for Firmware {
        fn state_at(&self, phb: u64, pe: Option<PeNumber>) -> Result<FreezeState, FirmwareError>;
        fn freeze(&self, pe: &PeTarget) -> Result<(), FirmwareError>;
    }
    impl ConfigSpace for Firmware {
        fn read(&self, device: &DeviceTarget, offset: u16, width: Width) -> Result<u32, FirmwareError>;
        fn write(&self, device: &DeviceTarget, offset: u16, width: Width, value: u32) -> Result<(), FirmwareError>;
    }
    impl SlotControl for Firmware {
        type Reset = u32;
        type Configure = ();
        fn thaw(&self, pe: &PeTarget, what: Thaw) -> Result<(), FirmwareError>;
        fn begin_reset(&self, pe: &PeTarget, point: &ResetPoint, kind: ResetKind) -> u32;
        fn poll_reset(&self, reset: &mut u32, now: Time) -> ResetPoll;
        fn abandon_reset(&self, reset: &mut u32);
        fn begin_configure(&self, pe: &PeTarget);
        fn poll_configure(&self, configure: &mut (), now: Time) -> ConfigurePoll;
        fn reinit(&self, device: &DeviceTarget) -> Result<(), FirmwareError>;
        fn inject(&self, pe: &PeTarget, error: &Injection) -> Result<(), InjectError>;
    }
    impl ErrorLog for Firmware {
        fn capture(&self, pe: &PeTarget, severity: Severity, driver: &[u8], buffer: &mut [u8]) -> Result<usize, FirmwareError>;
        fn is_shared(&self, phb: &PhbTarget) -> bool;
        fn print<'a>(&self, phb: &PhbTarget, data: &[u8], line: &mut (dyn FnMut(Arguments<'_>) + 'a));
        fn needs_mmio(&self, phb: &PhbTarget) -> bool;
    }
    impl ErrorSource for Firmware {
        fn next_error(&self, phb: &PhbTarget) -> Result<NextError, FirmwareError>;
        fn rearm(&self, phb: &PhbTarget);
        fn clear_unknown(&self, phb: &PhbTarget, number: PeNumber) -> Result<(), FirmwareError>;
    }
}

/// The world, but for its firmware.
struct Mocked {
    firmware: MockFirmware,
    world: &'static World,
}

impl Platform for Mocked {
    type Env = TestEnv;
    type Firmware = MockFirmware;
    type Core = World;
    type Helper = World;
    type Wake = World;
    type Observer = World;
    fn firmware(&self) -> &MockFirmware {
        &self.firmware
    }
    fn core(&self) -> &World {
        self.world
    }
    fn helper(&self) -> &World {
        self.world
    }
    fn wake(&self) -> &World {
        self.world
    }
    fn observer(&self) -> &World {
        self.world
    }
    fn params(&self) -> Params {
        self.world.params()
    }
    fn enabled(&self) -> bool {
        true
    }
    fn now(&self) -> Time {
        self.world.now()
    }
}

/// A rig without worker, and the mock in place of its firmware.
fn mocked(driver: Option<Driver>, firmware: MockFirmware) -> (Rig, Mocked) {
    let mut rig = Rig::new(single(driver));
    rig.worker = None;
    let world = rig.world;
    (rig, Mocked { firmware, world })
}

fn check(rig: &Rig, platform: &Mocked, context: Context) -> Check {
    dev_check_failure(platform, rig.registry, rig.device(0x0100).unwrap(), context)
}

fn run(rig: &Rig, platform: &Mocked) {
    let storage =
        WorkerStorage { phb_diag: Box::new(DiagBuffer::new()), recovery_diag: Box::new(DiagBuffer::new()) };
    let mut worker = Worker::new(platform, rig.tree(), storage);
    for _ in 0..10_000 {
        let now = rig.now();
        match worker.step(now) {
            Next::Idle | Next::Exit => return,
            Next::Again => {}
            Next::WaitUntil { at, .. } => rig.world.get().now = at,
            Next::AwaitJob { .. } => {
                let (id, job) = rig.world.get().jobs.pop_front().unwrap();
                let answer = rig.do_job(&job).unwrap();
                assert!(worker.answer(id, answer, now));
            }
        }
    }
    panic!("the worker does not come to rest");
}

/// Calls that change nothing, as often as they come.
fn harmless(firmware: &mut MockFirmware) {
    firmware.expect_read().returning(|_, offset, _| Ok(if offset == 0 { 0x1b36 } else { 0 }));
    firmware.expect_needs_mmio().return_const(false);
    firmware.expect_is_shared().return_const(true);
    firmware.expect_print().return_const(());
}

#[test]
fn a_check_of_a_healthy_pe_is_one_query_and_nothing_else() {
    let mut firmware = MockFirmware::new();
    firmware.expect_state_at().times(1).returning(|_, _| Ok(FreezeState::Active));
    let (rig, platform) = mocked(aware("nvme"), firmware);
    assert_eq!(check(&rig, &platform, Context::Normal), Check::Healthy);
}

#[test]
fn a_frozen_pe_is_asked_about_once_however_many_checks_there_are() {
    let mut firmware = MockFirmware::new();
    firmware.expect_state_at().times(1).returning(|_, _| Ok(FreezeState::Frozen));
    let (rig, platform) = mocked(aware("nvme"), firmware);
    for _ in 0..100 {
        assert!(check(&rig, &platform, Context::Normal).is_failure());
    }
}

#[test]
fn a_state_that_makes_no_sense_is_told_once_and_isolates_the_pe_until_firmware_is_asked_again() {
    let nonsense = FirmwareError::Garbage { call: "state", code: 1 << 31 };
    let mut firmware = MockFirmware::new();
    firmware.expect_state_at().times(1).returning(move |_, _| Err(nonsense));
    let (rig, platform) = mocked(aware("nvme"), firmware);
    for _ in 0..100 {
        assert!(check(&rig, &platform, Context::Normal).is_failure());
    }
    let told = rig.lines().iter().filter(|line| line.contains("2147483648")).count();
    assert_eq!(told, 1, "{:?}", rig.lines());
    // Firmware that fails, as PAPR or OPAL let it, has not told of a freeze.
    let mut firmware = MockFirmware::new();
    let failed = FirmwareError::Failed { call: "state", code: -1 };
    firmware.expect_state_at().times(3).returning(move |_, _| Err(failed));
    let (rig, platform) = mocked(aware("nvme"), firmware);
    for _ in 0..3 {
        assert_eq!(check(&rig, &platform, Context::Normal), Check::Healthy);
    }
}

#[test]
fn in_an_nmi_firmware_is_never_called() {
    let (rig, platform) = mocked(aware("nvme"), MockFirmware::new());
    assert_eq!(check(&rig, &platform, Context::Nmi), Check::Healthy);
}

#[test]
fn error_data_are_fetched_before_anything_is_changed_and_the_freeze_is_cleared_last() {
    let mut firmware = MockFirmware::new();
    let mut order = Sequence::new();
    // Queries do no harm and may come at any time.
    firmware.expect_state_at().returning(|_, _| Ok(FreezeState::Active)).times(3..);
    harmless(&mut firmware);
    firmware.expect_capture().once().in_sequence(&mut order).returning(|_, _, _, _| Ok(16));
    // The log's, before the reset.
    firmware.expect_begin_configure().once().in_sequence(&mut order).return_const(());
    firmware.expect_poll_configure().once().in_sequence(&mut order).return_const(ConfigurePoll::Done);
    firmware.expect_freeze().once().in_sequence(&mut order).returning(|_| Ok(()));
    firmware.expect_begin_reset().once().in_sequence(&mut order).return_const(7_u32);
    firmware.expect_poll_reset().once().in_sequence(&mut order).returning(|_, now| ResetPoll::Wait {
        until: now.after(Duration::from_millis(5)),
        why: Wait::OpalPoll,
    });
    firmware.expect_poll_reset().once().in_sequence(&mut order).return_const(ResetPoll::Done);
    firmware.expect_begin_configure().once().in_sequence(&mut order).return_const(());
    firmware.expect_poll_configure().once().in_sequence(&mut order).return_const(ConfigurePoll::Done);
    firmware.expect_write().times(11).in_sequence(&mut order).returning(|_, _, _, _| Ok(()));
    firmware.expect_reinit().once().in_sequence(&mut order).returning(|_| Ok(()));
    firmware
        .expect_thaw()
        .once()
        .in_sequence(&mut order)
        .withf(|_, what| *what == Thaw::All)
        .returning(|_, _| Ok(()));
    firmware.expect_abandon_reset().never();
    let (rig, platform) = mocked(aware("nvme"), firmware);
    let _ = rig.registry.isolate(rig.pe(0x1fd).unwrap());
    run(&rig, &platform);
    assert_eq!(rig.outcomes(), [Outcome::Recovered]);
}

#[test]
fn a_recovery_without_reset_touches_no_reset_and_no_configuration_space() {
    let mut firmware = MockFirmware::new();
    let mut thawed = Sequence::new();
    firmware
        .expect_state_at()
        .withf(|_, pe| *pe == Some(PeNumber(0x1fe)))
        .returning(|_, _| Ok(FreezeState::Active));
    firmware.expect_state_at().returning(|_, _| Ok(FreezeState::Frozen)).times(3);
    harmless(&mut firmware);
    firmware.expect_capture().returning(|_, _, _, _| Ok(16));
    firmware.expect_begin_configure().return_const(());
    firmware.expect_poll_configure().return_const(ConfigurePoll::Done);
    let mmio = |_: &PeTarget, what: &Thaw| *what == Thaw::Mmio;
    let dma = |_: &PeTarget, what: &Thaw| *what == Thaw::Dma;
    firmware.expect_thaw().once().in_sequence(&mut thawed).withf(mmio).returning(|_, _| Ok(()));
    firmware.expect_state_at().once().in_sequence(&mut thawed).returning(|_, _| Ok(FreezeState::DmaFrozen));
    firmware.expect_state_at().once().in_sequence(&mut thawed).returning(|_, _| Ok(FreezeState::DmaFrozen));
    firmware.expect_thaw().once().in_sequence(&mut thawed).withf(dma).returning(|_, _| Ok(()));
    firmware.expect_state_at().once().in_sequence(&mut thawed).returning(|_, _| Ok(FreezeState::Active));
    firmware.expect_freeze().never();
    firmware.expect_begin_reset().never();
    firmware.expect_write().never();
    firmware.expect_reinit().never();
    let (rig, platform) = mocked(aware("cxgb4"), firmware);
    let answers = Answers { error_detected: ErsResult::CanRecover, ..Answers::default() };
    rig.answers.lock().unwrap().insert(0x0100, answers);
    let _ = rig.registry.isolate(rig.pe(0x1fd).unwrap());
    run(&rig, &platform);
    assert_eq!(rig.outcomes(), [Outcome::Recovered]);
}

#[test]
fn the_interrupt_is_armed_after_the_last_question_and_unknown_freezes_are_logged_first() {
    let mut firmware = MockFirmware::new();
    let mut order = Sequence::new();
    harmless(&mut firmware);
    let unknown = NextError::FrozenPe(PeNumber(0x77));
    firmware.expect_next_error().once().in_sequence(&mut order).return_const(Ok(unknown));
    firmware.expect_capture().once().in_sequence(&mut order).returning(|_, _, _, _| Ok(16));
    firmware.expect_clear_unknown().once().in_sequence(&mut order).returning(|_, _| Ok(()));
    firmware.expect_next_error().once().in_sequence(&mut order).return_const(Ok(NextError::None));
    firmware.expect_rearm().once().in_sequence(&mut order).return_const(());
    let (rig, platform) = mocked(aware("nvme"), firmware);
    rig.world.request_check(rig.tree);
    run(&rig, &platform);
}

#[test]
fn firmware_that_cannot_be_asked_gets_its_interrupt_back() {
    let mut firmware = MockFirmware::new();
    let error = FirmwareError::Failed { call: "next_error", code: -6 };
    firmware.expect_next_error().once().return_const(Err(error));
    firmware.expect_rearm().once().return_const(());
    let (rig, platform) = mocked(aware("nvme"), firmware);
    rig.world.request_check(rig.tree);
    run(&rig, &platform);
}

#[test]
fn a_dead_phb_is_not_touched() {
    let mut firmware = MockFirmware::new();
    let mut order = Sequence::new();
    // The second time before the interrupt is armed: firmware is quiet only when it has told.
    firmware.expect_next_error().times(2).in_sequence(&mut order).return_const(Ok(NextError::DeadPhb));
    firmware.expect_rearm().once().in_sequence(&mut order).return_const(());
    let (rig, platform) = mocked(aware("nvme"), firmware);
    rig.world.request_check(rig.tree);
    run(&rig, &platform);
    assert_eq!(rig.outcomes(), [Outcome::Failed]);
}

#[test]
fn a_reset_in_progress_is_released_once_when_the_phb_goes_away() {
    let mut firmware = MockFirmware::new();
    firmware.expect_state_at().returning(|_, _| Ok(FreezeState::Active));
    harmless(&mut firmware);
    firmware.expect_capture().returning(|_, _, _, _| Ok(16));
    firmware.expect_begin_configure().return_const(());
    firmware.expect_poll_configure().return_const(ConfigurePoll::Done);
    firmware.expect_freeze().returning(|_| Ok(()));
    firmware.expect_begin_reset().return_const(7_u32);
    firmware.expect_poll_reset().returning(|_, now| ResetPoll::Wait {
        until: now.after(Duration::from_secs(1)),
        why: Wait::OpalPoll,
    });
    firmware.expect_abandon_reset().once().return_const(());
    firmware.expect_thaw().never();
    let (rig, platform) = mocked(aware("nvme"), firmware);
    *rig.hook.lock().unwrap() = None;
    let _ = rig.registry.isolate(rig.pe(0x1fd).unwrap());
    let storage =
        WorkerStorage { phb_diag: Box::new(DiagBuffer::new()), recovery_diag: Box::new(DiagBuffer::new()) };
    let mut worker = Worker::new(&platform, rig.tree(), storage);
    while worker.recovering().map(|r| r.2) != Some(Phase::Reset)
        || !matches!(worker.step(rig.now()), Next::WaitUntil { .. })
    {
        let now = rig.now();
        if worker.step(now) == (Next::AwaitJob { deadline: now.after(Duration::from_secs(10)) }) {
            let (id, job) = rig.world.get().jobs.pop_front().unwrap();
            assert!(worker.answer(id, rig.do_job(&job).unwrap(), now));
        }
    }
    let now = rig.now();
    drop(rig.registry.remove_phb(rig.tree, now));
    assert_eq!(worker.step(now), Next::Exit);
    drop(worker);
}
