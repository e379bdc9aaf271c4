// SPDX-License-Identifier: GPL-2.0-or-later
//! Error injection: open a session, inject, close it. Linux leaves it to user space.

use eeh_recovery::{FirmwareError, InjectError, Injection, PeTarget};

use crate::PSeries;
use crate::pseries::{NO_PHB, address};
use crate::rtas::{Address, ErrorClass, Rtas};
use crate::status::{CLOSE_ERRINJCT, ERRINJCT, OPEN_ERRINJCT, rc};

/// C: `EEH_ERR_FUNC_MAX`
const LAST_FUNCTION: u32 = 19;

/// The work buffer of an error: up to eight words.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Work {
    Narrow([u32; 6]),
    Wide([u32; 8]),
}

impl Work {
    fn new(pe: Address, error: &Injection) -> Result<Self, InjectError> {
        let [high, low] = pe.unit_id();
        let function = error.function;
        let narrow = |value: u64| u32::try_from(value).map_err(|_| InjectError::Address(value));
        match error.kind {
            0 => {
                let (address, mask) = (narrow(error.address)?, narrow(error.mask)?);
                Ok(Self::Narrow([address, mask, pe.config_addr, high, low, function]))
            }
            1 => {
                let [address, mask] = [error.address, error.mask].map(words);
                let [a, b, c, d] = [address[0], address[1], mask[0], mask[1]];
                Ok(Self::Wide([a, b, c, d, pe.config_addr, high, low, function]))
            }
            kind => Err(InjectError::Kind(kind)),
        }
    }

    const fn class(&self) -> ErrorClass {
        match self {
            Self::Narrow(_) => ErrorClass::IoaBus,
            Self::Wide(_) => ErrorClass::IoaBus64,
        }
    }

    const fn words(&self) -> &[u32] {
        match self {
            Self::Narrow(words) => words,
            Self::Wide(words) => words,
        }
    }
}

const fn words(value: u64) -> [u32; 2] {
    Address { buid: value, config_addr: 0 }.unit_id()
}

impl<R: Rtas> PSeries<R> {
    /// Injects an error into a PE.
    ///
    /// # Errors
    ///
    /// What cannot be an error's description, before firmware is called; firmware's own. A session that
    /// was opened is closed in any case.
    ///
    /// # Context
    ///
    /// May sleep.
    pub fn inject(&self, pe: &PeTarget, error: &Injection) -> Result<(), InjectError> {
        let work = Work::new(address(pe).ok_or(NO_PHB)?, error)?;
        if error.function > LAST_FUNCTION {
            return Err(InjectError::Function(error.function));
        }
        // All three, before the first is called: a session that cannot be closed is not opened.
        for call in [&OPEN_ERRINJCT, &ERRINJCT, &CLOSE_ERRINJCT] {
            self.require(call)?;
        }
        let class = self.rtas.errinjct_token(work.class()).ok_or(ERRINJCT.missing())?;
        let session = self.open_session()?;
        let injected = ERRINJCT.at_once(|| self.rtas.errinjct(class, session, work.words()));
        let closed = CLOSE_ERRINJCT.at_once(|| self.rtas.close_errinjct(session));
        Ok(injected.and(closed)?)
    }

    fn open_session(&self) -> Result<u32, FirmwareError> {
        let mut session = 0;
        let mut enabled = true;
        OPEN_ERRINJCT.at_once(|| match self.rtas.open_errinjct(&mut session) {
            rc::NOT_ENABLED => {
                enabled = false;
                rc::SUCCESS
            }
            status => status,
        })?;
        if enabled { Ok(session) } else { Err(OPEN_ERRINJCT.missing()) }
    }
}

#[cfg(test)]
#[path = "inject_tests.rs"]
mod tests;
