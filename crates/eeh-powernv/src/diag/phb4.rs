// SPDX-License-Identifier: GPL-2.0-or-later
//! PHB4 and PHB5. C: `struct OpalIoPhb4ErrorData`, `pnv_pci_dump_phb4_diag_data`

use super::fields::{Group, Layout};

pub(super) const LAYOUT: Layout = Layout {
    size: 8576,
    groups: &[&ROOT_COMPLEX, &BRIDGE],
    // C: `OPAL_PHB4_NUM_PEST_REGS`
    pes: 512,
};

const ROOT_COMPLEX: [Group; 5] = [
    Group::words("brdgCtl:    ", 1),
    Group::words("RootSts:    ", 5),
    Group::words("RootErrSts: ", 3),
    Group::words("RootErrLog: ", 4),
    Group::words("sourceId:   ", 1),
];

const BRIDGE: [Group; 11] = [
    Group::status("nFir:       ", 3),
    Group::quads("PhbSts:     ", 2),
    Group::status("Lem:        ", 3),
    Group::status("PhbErr:     ", 4),
    Group::status("PhbTxeErr:  ", 4),
    Group::status("RxeArbErr:  ", 4),
    Group::status("RxeMrgErr:  ", 4),
    Group::status("RxeTceErr:  ", 4),
    Group::status("PblErr:     ", 4),
    Group::status_last("PcieDlp:    ", 3),
    Group::status("RegbErr:    ", 4),
];

#[cfg(test)]
mod tests {
    #[test]
    fn size_is_where_the_printer_ends() {
        crate::diag::ends_where_it_says(&super::LAYOUT);
    }
}
