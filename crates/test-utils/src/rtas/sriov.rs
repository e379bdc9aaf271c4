// SPDX-License-Identifier: GPL-2.0-or-later
//! Virtual functions of physical functions that the partition has (open SR-IOV).

use eeh_pe::Bdf;

use super::{Call, Firmware, buid_of, rc};

impl Firmware {
    /// A virtual function of a physical function has this PE number (`ibm,open-sriov-map-pe-number`).
    pub fn map_pe_number(&self, phb: u32, pf: Bdf, pe: u32) -> i32 {
        self.run(buid_of(phb), |c| match u16::try_from(pe) {
            Ok(pe) if c.phb.pe_of(pf).is_some() => {
                c.state.functions.entry(pf).or_default().insert(pe);
                rc::SUCCESS
            }
            _ => rc::PARAMETER,
        })
    }

    /// What it was allowed to unfreeze, in order: physical function and PE numbers.
    #[must_use]
    pub fn allowed(&self, phb: u32) -> Vec<(Bdf, Vec<u16>)> {
        self.call(buid_of(phb)).map(|c| c.state.allowed.clone()).unwrap_or_default()
    }
}

impl Call<'_> {
    /// `ibm,open-sriov-allow-unfreeze`: refused for what is no physical function, and for numbers that
    /// none of its functions has.
    pub(super) fn allow_unfreeze(&mut self, config_addr: u32, pes: &[u16]) -> i32 {
        let [0, bus, devfn, 0] = config_addr.to_be_bytes() else { return rc::PARAMETER };
        let pf = Bdf(u16::from_be_bytes([bus, devfn]));
        let Some(known) = self.state.functions.get(&pf) else { return rc::PARAMETER };
        if pes.is_empty() || !pes.iter().all(|pe| known.contains(pe)) {
            return rc::PARAMETER;
        }
        self.state.allowed.push((pf, pes.to_vec()));
        rc::SUCCESS
    }
}
