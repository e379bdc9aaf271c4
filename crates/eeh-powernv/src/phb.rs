// SPDX-License-Identifier: GPL-2.0-or-later
//! What the environment knows of each PHB, and the back end built on it.

use core::fmt;

use eeh_pe::PeNumber;
use eeh_recovery::FirmwareError;

use crate::opal::Opal;

/// Model of a PHB, as far as error handling differs. C: `enum pnv_phb_model`
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PhbModel {
    /// POWER7's P7IOC (`ibm,p7ioc-pciex`).
    P7ioc,
    /// POWER8's PHB3 (`ibm,ioda2-phb`).
    Phb3,
    /// POWER9's PHB4 and POWER10's PHB5 (`ibm,ioda3-phb`).
    Phb4,
}

impl PhbModel {
    /// Whether the PHB refuses configuration cycles to a frozen PE, so that the registers that a log
    /// shows can be read only after MMIO is thawed. C: `EEH_ENABLE_IO_FOR_LOG`
    #[must_use]
    pub const fn blocks_config_while_frozen(self) -> bool {
        matches!(self, Self::P7ioc)
    }

    /// Whether a hit leaves the error injection registers armed. C: `PNV_PHB_MODEL_P7IOC`
    #[must_use]
    pub const fn keeps_injected_error(self) -> bool {
        matches!(self, Self::P7ioc)
    }
}

/// Facts of one PHB that do not change while it exists.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PhbFacts {
    /// Its model.
    pub model: PhbModel,
    /// The hub's OPAL id (`ibm,opal-hubid`); means something with [`PhbModel::P7ioc`] only.
    pub hub: u64,
    /// Bytes of the PHB's diag data (`ibm,phb-diag-data-size`; C's default is
    /// [`PhbFacts::DEFAULT_DIAG_SIZE`]).
    pub diag_size: usize,
    /// How many PE numbers it has (`ibm,opal-num-pes`).
    pub pe_count: u32,
}

impl PhbFacts {
    /// Size of diag data where the device tree does not tell. C: `PNV_PCI_DIAG_BUF_SIZE`
    pub const DEFAULT_DIAG_SIZE: usize = 8192;
}

/// What a number is among the PEs of a PHB.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    /// The PHB has no such PE.
    Outside,
    /// A PE by itself.
    Alone,
    /// One of several that are one PE.
    Compound,
}

/// The environment's PHBs, by their OPAL id.
pub trait Phbs {
    /// A PHB's facts; `None` when there is no such PHB (any more).
    ///
    /// # Context
    ///
    /// Any but NMI, under any lock: [`crate::PowerNv`]'s state query calls it.
    fn facts(&self, phb: u64) -> Option<PhbFacts>;

    /// The PE that stands for `pe` in the tree: its master when `pe` is a slave of a compound PE,
    /// else itself. C: `PNV_IODA_PE_SLAVE`
    ///
    /// # Context
    ///
    /// As [`Phbs::facts`].
    fn master(&self, phb: u64, pe: PeNumber) -> PeNumber {
        let _ = phb;
        pe
    }

    /// The `nth` slave of the compound PE `master`, from 0 on; `None` ends them. C: `pe->slaves`
    ///
    /// # Context
    ///
    /// As [`Phbs::facts`].
    fn slave(&self, phb: u64, master: PeNumber, nth: u32) -> Option<PeNumber> {
        let _ = (phb, master, nth);
        None
    }

    /// What `pe` stands for among the numbers of its PHB.
    ///
    /// # Context
    ///
    /// As [`Phbs::facts`].
    fn standing(&self, phb: u64, pe: PeNumber) -> Standing {
        if self.facts(phb).is_some_and(|facts| pe.0 >= facts.pe_count) {
            return Standing::Outside;
        }
        if self.master(phb, pe) == pe && self.slave(phb, pe, 0).is_none() {
            return Standing::Alone;
        }
        Standing::Compound
    }

    /// Arms the PHB's part of the OPAL error event again. C: `enable_irq(eeh_event_irq)`
    ///
    /// # Context
    ///
    /// The worker.
    fn rearm(&self, phb: u64);

    /// Prints one line that belongs to no PE: the I/O hub's error data.
    ///
    /// # Context
    ///
    /// The worker.
    fn line(&self, phb: u64, line: fmt::Arguments<'_>);
}

/// The same PHBs, borrowed.
impl<P: Phbs + ?Sized> Phbs for &P {
    fn facts(&self, phb: u64) -> Option<PhbFacts> {
        (**self).facts(phb)
    }
    fn master(&self, phb: u64, pe: PeNumber) -> PeNumber {
        (**self).master(phb, pe)
    }
    fn slave(&self, phb: u64, master: PeNumber, nth: u32) -> Option<PeNumber> {
        (**self).slave(phb, master, nth)
    }
    fn rearm(&self, phb: u64) {
        (**self).rearm(phb);
    }
    fn line(&self, phb: u64, line: fmt::Arguments<'_>) {
        (**self).line(phb, line);
    }
}

/// The PowerNV back end: eeh-recovery's firmware traits over OPAL.
///
/// It holds no state of its own, so one serves all PHBs and all threads that its parts allow.
#[derive(Clone, Copy, Debug)]
pub struct PowerNv<O, P> {
    pub(crate) opal: O,
    pub(crate) phbs: P,
}

impl<O: Opal, P: Phbs> PowerNv<O, P> {
    /// A back end over `opal` for the PHBs that `phbs` knows.
    pub const fn new(opal: O, phbs: P) -> Self {
        Self { opal, phbs }
    }

    /// The firmware.
    pub const fn opal(&self) -> &O {
        &self.opal
    }

    /// The PHBs.
    pub const fn phbs(&self) -> &P {
        &self.phbs
    }

    /// The PHB's facts, or an error that says they are missing.
    pub(crate) fn facts(&self, phb: u64) -> Result<PhbFacts, FirmwareError> {
        self.phbs.facts(phb).ok_or(FirmwareError::Missing { call: "PHB with this id" })
    }

    /// The numbers that make up `pe`: its master, then the master's slaves.
    pub(crate) fn members(&self, phb: u64, pe: PeNumber) -> impl Iterator<Item = PeNumber> + '_ {
        let master = self.phbs.master(phb, pe);
        // A PHB has 4096 PE numbers at most, so a lookup that never ends does not hold us.
        let slaves = (0..4096).map_while(move |nth| self.phbs.slave(phb, master, nth));
        core::iter::once(master).chain(slaves)
    }
}
