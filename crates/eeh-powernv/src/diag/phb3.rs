// SPDX-License-Identifier: GPL-2.0-or-later
//! PHB3. C: `struct OpalIoPhb3ErrorData`, `pnv_pci_dump_phb3_diag_data`

use super::fields::{Group, Layout};
use super::shared::{BRIDGE, ROOT_COMPLEX};

pub(super) const LAYOUT: Layout = Layout {
    size: 4392,
    groups: &[&ROOT_COMPLEX, &[Group::status("nFir:        ", 3)], &BRIDGE],
    // C: `OPAL_PHB3_NUM_PEST_REGS`
    pes: 256,
};

#[cfg(test)]
mod tests {
    #[test]
    fn size_is_where_the_printer_ends() {
        crate::diag::ends_where_it_says(&super::LAYOUT);
    }
}
