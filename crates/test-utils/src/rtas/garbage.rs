// SPDX-License-Identifier: GPL-2.0-or-later
//! Firmware that answers what its specification does not know. Calls that lie do nothing.

use eeh_pseries::rtas::{Address, ErrorClass, Rtas, Services, SlotResetState, info};

use super::Firmware;
use crate::lies::{Liar, Told};

/// The calls that can lie.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Named {
    /// `ibm,set-eeh-option`
    SetEehOption,
    /// `ibm,set-slot-reset`
    SetSlotReset,
    /// `ibm,read-slot-reset-state2` and its elder
    ReadState,
    /// `ibm,get-config-addr-info2`, the PE's address, and its elder
    GetAddress,
    /// `ibm,get-config-addr-info2`, whether there is a PE
    GetMode,
    /// `ibm,configure-pe` and its elder
    Configure,
    /// `ibm,slot-error-detail`
    ErrorDetail,
    /// `ibm,open-sriov-allow-unfreeze`
    AllowUnfreeze,
    /// `ibm,open-errinjct`
    OpenErrinjct,
    /// `ibm,errinjct`
    Errinjct,
    /// `ibm,close-errinjct`
    CloseErrinjct,
    /// `ibm,read-pci-config`
    ReadConfig,
    /// `ibm,write-pci-config`
    WriteConfig,
}

impl Named {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::SetEehOption,
        Self::SetSlotReset,
        Self::ReadState,
        Self::GetAddress,
        Self::GetMode,
        Self::Configure,
        Self::ErrorDetail,
        Self::AllowUnfreeze,
        Self::OpenErrinjct,
        Self::Errinjct,
        Self::CloseErrinjct,
        Self::ReadConfig,
        Self::WriteConfig,
    ];
}

/// A lie.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Lie {
    /// The call.
    pub call: Named,
    /// How many calls from now on answer the truth first.
    pub after: u32,
    /// How many lie.
    pub times: u32,
    /// The status word.
    pub status: i32,
    /// The outputs, as far as the call has some: state, capabilities and wait; address, mode, session or
    /// value.
    pub words: [u32; 3],
    /// The error log.
    pub log: Vec<u8>,
}

impl Lie {
    /// A status word that is told for ever.
    #[must_use]
    pub const fn status(call: Named, status: i32) -> Self {
        Self { call, after: 0, times: u32::MAX, status, words: [0; 3], log: Vec::new() }
    }

    /// Outputs that are told for ever, with success.
    #[must_use]
    pub fn words(call: Named, words: [u32; 3]) -> Self {
        Self { words, ..Self::status(call, 0) }
    }

    /// The same, told so often only.
    #[must_use]
    pub fn only(self, times: u32) -> Self {
        Self { times, ..self }
    }

    /// The same, after so many answers that are true.
    #[must_use]
    pub fn after(self, after: u32) -> Self {
        Self { after, ..self }
    }
}

impl Told for Lie {
    type Call = Named;

    fn call(&self) -> Named {
        self.call
    }

    fn turns(&mut self) -> (&mut u32, &mut u32) {
        (&mut self.after, &mut self.times)
    }
}

/// Firmware that tells the truth until it is told to lie.
pub type Garbage = Liar<Firmware, Lie>;

impl Garbage {
    /// A call without outputs.
    fn plain(&self, call: Named, honest: impl FnOnce(&Firmware) -> i32) -> i32 {
        self.next(call).map_or_else(|| honest(self.honest()), |lie| lie.status)
    }

    /// A call with one output.
    fn word(&self, call: Named, out: &mut u32, honest: impl FnOnce(&Firmware, &mut u32) -> i32) -> i32 {
        match self.next(call) {
            Some(lie) => {
                [*out, ..] = lie.words;
                lie.status
            }
            None => honest(self.honest(), out),
        }
    }
}

impl Rtas for Garbage {
    fn services(&self) -> Services {
        self.honest().services()
    }

    fn error_log_max(&self) -> usize {
        self.honest().error_log_max()
    }

    fn errinjct_token(&self, class: ErrorClass) -> Option<u32> {
        self.honest().errinjct_token(class)
    }

    fn set_eeh_option(&self, pe: Address, function: u32) -> i32 {
        self.plain(Named::SetEehOption, |f| f.set_eeh_option(pe, function))
    }

    fn set_slot_reset(&self, pe: Address, function: u32) -> i32 {
        self.plain(Named::SetSlotReset, |f| f.set_slot_reset(pe, function))
    }

    fn read_slot_reset_state2(&self, pe: Address, out: &mut SlotResetState) -> i32 {
        match self.next(Named::ReadState) {
            Some(lie) => {
                let [state, capabilities, unavailable_ms] = lie.words;
                *out = SlotResetState { state, capabilities, unavailable_ms };
                lie.status
            }
            None => self.honest().read_slot_reset_state2(pe, out),
        }
    }

    fn read_slot_reset_state(&self, pe: Address, out: &mut SlotResetState) -> i32 {
        self.read_slot_reset_state2(pe, out)
    }

    fn get_config_addr_info2(&self, device: Address, function: u32, out: &mut u32) -> i32 {
        let call = if function == info::PE_MODE { Named::GetMode } else { Named::GetAddress };
        self.word(call, out, |f, out| f.get_config_addr_info2(device, function, out))
    }

    fn get_config_addr_info(&self, device: Address, function: u32, out: &mut u32) -> i32 {
        self.get_config_addr_info2(device, function, out)
    }

    fn configure_pe(&self, pe: Address) -> i32 {
        self.plain(Named::Configure, |f| f.configure_pe(pe))
    }

    fn configure_bridge(&self, pe: Address) -> i32 {
        self.plain(Named::Configure, |f| f.configure_bridge(pe))
    }

    fn slot_error_detail(&self, pe: Address, driver: &[u8], log: &mut [u8], function: u32) -> i32 {
        match self.next(Named::ErrorDetail) {
            Some(lie) => {
                log.iter_mut().zip(&lie.log).for_each(|(to, from)| *to = *from);
                lie.status
            }
            None => self.honest().slot_error_detail(pe, driver, log, function),
        }
    }

    fn open_sriov_allow_unfreeze(&self, pf: Address, pes: &[u16]) -> i32 {
        self.plain(Named::AllowUnfreeze, |f| f.open_sriov_allow_unfreeze(pf, pes))
    }

    fn open_errinjct(&self, session: &mut u32) -> i32 {
        self.word(Named::OpenErrinjct, session, |f, session| f.open_errinjct(session))
    }

    fn errinjct(&self, class: u32, session: u32, work: &[u32]) -> i32 {
        self.plain(Named::Errinjct, |f| f.errinjct(class, session, work))
    }

    fn close_errinjct(&self, session: u32) -> i32 {
        self.plain(Named::CloseErrinjct, |f| f.close_errinjct(session))
    }

    fn read_pci_config(&self, register: Address, size: u32, out: &mut u32) -> i32 {
        self.word(Named::ReadConfig, out, |f, out| f.read_pci_config(register, size, out))
    }

    fn write_pci_config(&self, register: Address, size: u32, value: u32) -> i32 {
        self.plain(Named::WriteConfig, |f| f.write_pci_config(register, size, value))
    }

    fn log_error(&self, log: &[u8]) -> bool {
        self.honest().log_error(log)
    }
}
