// SPDX-License-Identifier: GPL-2.0-or-later
//! P7IOC. C: `struct OpalIoP7IOCPhbErrorData`, `pnv_pci_dump_p7ioc_diag_data`

use super::fields::Layout;
use super::shared::{BRIDGE, ROOT_COMPLEX};

pub(super) const LAYOUT: Layout = Layout {
    size: 2320,
    groups: &[&ROOT_COMPLEX, &BRIDGE],
    // C: `OPAL_P7IOC_NUM_PEST_REGS`
    pes: 128,
};

#[cfg(test)]
mod tests {
    #[test]
    fn size_is_where_the_printer_ends() {
        crate::diag::ends_where_it_says(&super::LAYOUT);
    }
}
