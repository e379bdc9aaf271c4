// SPDX-License-Identifier: GPL-2.0-or-later
//! A PE in a firmware that follows PAPR's table of state transitions to the letter.

use core::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::vec::Vec;

use crate::rtas::{Address, ErrorClass, Rtas, Services, SlotResetState, option, reset};

use super::ADDRESS;

/// A call that changes or looks at the PE.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Called {
    Option(u32),
    Reset(u32),
    State,
    Configure,
}

/// One PE. Answers of `script` come first, and change nothing.
#[derive(Default)]
pub(crate) struct Slot {
    /// PAPR's state.
    pub(crate) state: Cell<u32>,
    /// How often the PE says that it is away after a reset, for 500 ms each time.
    pub(crate) away: Cell<u32>,
    /// How often it says that it is away in any state, for 3 s each time, and refuses whatever is asked.
    pub(crate) fenced: Cell<u32>,
    /// Whether there is a fundamental reset for it, and the status when there is not.
    pub(crate) no_fundamental: Cell<i32>,
    /// What a configuration answers.
    pub(crate) configured: Cell<i32>,
    pub(crate) calls: RefCell<Vec<Called>>,
    pub(crate) script: RefCell<VecDeque<i32>>,
}

impl Slot {
    pub(crate) fn new(state: u32) -> Self {
        Self { state: Cell::new(state), ..Self::default() }
    }

    /// Answers scripted for the calls to come.
    pub(crate) fn scripted(state: u32, script: &[i32]) -> Self {
        let slot = Self::new(state);
        slot.script.borrow_mut().extend(script);
        slot
    }

    fn note(&self, pe: Address, call: Called) -> Option<i32> {
        assert_eq!(pe, ADDRESS);
        self.calls.borrow_mut().push(call);
        self.script.borrow_mut().pop_front()
    }
}

impl Rtas for Slot {
    fn services(&self) -> Services {
        Services::all()
    }

    fn error_log_max(&self) -> usize {
        0
    }

    fn errinjct_token(&self, _class: ErrorClass) -> Option<u32> {
        None
    }

    fn set_eeh_option(&self, pe: Address, function: u32) -> i32 {
        if let Some(status) = self.note(pe, Called::Option(function)) {
            return status;
        }
        match (function, self.state.get()) {
            (option::THAW_MMIO, 2) => self.state.set(4),
            (option::THAW_DMA, 4) => self.state.set(0),
            (option::THAW_MMIO, 0 | 4) | (option::THAW_DMA, 0) => return -3,
            (option::THAW_MMIO | option::THAW_DMA, _) => return -7,
            _ => {}
        }
        0
    }

    fn set_slot_reset(&self, pe: Address, function: u32) -> i32 {
        if let Some(status) = self.note(pe, Called::Reset(function)) {
            return status;
        }
        if self.fenced.get() > 0 {
            return -7;
        }
        if function == reset::FUNDAMENTAL && self.no_fundamental.get() != 0 {
            return self.no_fundamental.get();
        }
        match (function, self.state.get()) {
            (reset::DEACTIVATE, 1) => self.state.set(0),
            (reset::DEACTIVATE, 0) => {}
            (reset::DEACTIVATE, 4) => return -3,
            (_, 5) | (reset::DEACTIVATE, _) => return -7,
            _ => self.state.set(1),
        }
        0
    }

    fn read_slot_reset_state2(&self, pe: Address, out: &mut SlotResetState) -> i32 {
        if let Some(status) = self.note(pe, Called::State) {
            return status;
        }
        *out = SlotResetState { state: self.state.get(), capabilities: 1, unavailable_ms: 0 };
        if let Some(left) = self.fenced.get().checked_sub(1) {
            self.fenced.set(left);
            *out = SlotResetState { state: 5, capabilities: 0, unavailable_ms: 3000 };
            return 0;
        }
        if let Some(left) = self.away.get().checked_sub(1).filter(|_| out.state == 0) {
            self.away.set(left);
            *out = SlotResetState { state: 5, capabilities: 0, unavailable_ms: 500 };
        }
        0
    }

    fn configure_pe(&self, pe: Address) -> i32 {
        self.note(pe, Called::Configure).unwrap_or(self.configured.get())
    }

    fn read_slot_reset_state(&self, _: Address, _: &mut SlotResetState) -> i32 {
        panic!("there is a newer call")
    }
    fn configure_bridge(&self, _: Address) -> i32 {
        panic!("there is a newer call")
    }
    fn get_config_addr_info2(&self, _: Address, function: u32, out: &mut u32) -> i32 {
        *out = [ADDRESS.config_addr, 2][function as usize];
        0
    }
    fn get_config_addr_info(&self, _: Address, _: u32, _: &mut u32) -> i32 {
        panic!("there is a newer call")
    }
    fn slot_error_detail(&self, _: Address, _: &[u8], _: &mut [u8], _: u32) -> i32 {
        1
    }
    fn open_sriov_allow_unfreeze(&self, _: Address, _: &[u16]) -> i32 {
        -3
    }
    fn open_errinjct(&self, _: &mut u32) -> i32 {
        -1
    }
    fn errinjct(&self, _: u32, _: u32, _: &[u32]) -> i32 {
        -4
    }
    fn close_errinjct(&self, _: u32) -> i32 {
        -4
    }
    fn read_pci_config(&self, _: Address, _: u32, _: &mut u32) -> i32 {
        -1
    }
    fn write_pci_config(&self, _: Address, _: u32, _: u32) -> i32 {
        -1
    }
    fn log_error(&self, _: &[u8]) -> bool {
        false
    }
}
