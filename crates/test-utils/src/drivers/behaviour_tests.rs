// SPDX-License-Identifier: GPL-2.0-or-later
//! A driver and a card without a machine around them.

use super::super::table::driver_named;
use super::*;
use core::cell::Cell;

#[derive(Default)]
struct Card {
    frozen: Cell<bool>,
    enabled: Cell<bool>,
    registers: [Cell<u32>; 2],
}

impl Card {
    fn reset(&self) {
        self.frozen.set(false);
        self.enabled.set(false);
        self.registers.iter().for_each(|r| r.set(0));
    }
    fn cell(&self, offset: u64) -> &Cell<u32> {
        if offset == SETTINGS { &self.registers[0] } else { &self.registers[1] }
    }
    fn dead(&self) -> bool {
        self.frozen.get() || !self.enabled.get()
    }
}

impl DeviceIo for Card {
    fn has_registers(&self) -> bool {
        true
    }
    fn read(&self, offset: u64) -> u32 {
        if self.dead() { ALL_ONES } else { self.cell(offset).get() }
    }
    fn write(&self, offset: u64, value: u32) {
        if !self.dead() {
            self.cell(offset).set(value);
        }
    }
    fn enable(&self) {
        self.enabled.set(true);
    }
    fn answers(&self) -> bool {
        !self.frozen.get()
    }
    fn dma(&self) -> bool {
        !self.dead()
    }
    fn trip(&self) {
        self.frozen.set(true);
    }
}

fn driver(temper: &str) -> Driver {
    let entry = driver_named("nvme").expect("in the table");
    let temper = if temper.is_empty() { Temperament::default() } else { temper.parse().expect("valid") };
    Driver::new(entry, "nvme", temper, 7)
}

#[test]
fn a_reset_is_noticed_and_healed_by_slot_reset() {
    let (card, driver) = (Card::default(), driver(""));
    driver.probe(&card).expect("healthy");
    assert_eq!(driver.beat(&card), Ok(()));
    card.frozen.set(true);
    assert_eq!(driver.beat(&card), Err(NotWorking::AllOnes));
    assert_eq!(driver.handle(Step::ErrorDetected, &card), ErsResult::NeedReset);
    card.reset();
    assert_eq!(driver.handle(Step::SlotReset, &card), ErsResult::Recovered);
    driver.handle(Step::Resume, &card);
    assert_eq!(driver.beat(&card), Ok(()));
    assert_eq!(driver.forgotten(), 1);
}

#[test]
fn a_reset_behind_the_drivers_back_is_found() {
    let (card, driver) = (Card::default(), driver(""));
    driver.probe(&card).expect("healthy");
    card.reset();
    card.enabled.set(true);
    assert_eq!(driver.beat(&card), Err(NotWorking::Forgot));
}

#[test]
fn without_a_reset_nothing_is_forgotten() {
    let (card, driver) = (Card::default(), driver("can-recover"));
    driver.probe(&card).expect("healthy");
    assert_eq!(driver.handle(Step::ErrorDetected, &card), ErsResult::CanRecover);
    assert_eq!(driver.handle(Step::MmioEnabled, &card), ErsResult::Recovered);
    driver.handle(Step::Resume, &card);
    assert_eq!((driver.beat(&card), driver.forgotten()), (Ok(()), 0));
}

#[test]
fn refreeze_happens_once() {
    let (card, driver) = (Card::default(), driver("refreeze"));
    driver.probe(&card).expect("healthy");
    driver.handle(Step::Resume, &card);
    assert!(card.frozen.get());
    card.reset();
    driver.handle(Step::SlotReset, &card);
    driver.handle(Step::Resume, &card);
    assert_eq!(driver.beat(&card), Ok(()));
}

#[test]
fn failing_steps_give_the_device_up() {
    let card = Card::default();
    assert_eq!(driver("fail=probe").probe(&card), Err(ProbeError::Asked));
    assert_eq!(driver("fail=error_detected").handle(Step::ErrorDetected, &card), ErsResult::Disconnect);
    assert_eq!(driver("fail=slot_reset").handle(Step::SlotReset, &card), ErsResult::Disconnect);
    let resumed = driver("fail=resume");
    resumed.handle(Step::Resume, &card);
    assert_eq!(resumed.beat(&card), Err(NotWorking::GivenUp));
}
