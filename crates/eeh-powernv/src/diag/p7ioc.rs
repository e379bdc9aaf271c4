// SPDX-License-Identifier: GPL-2.0-or-later
//! P7IOC. C: `struct OpalIoP7IOCPhbErrorData`, `pnv_pci_dump_p7ioc_diag_data`

use super::fields::Layout;
use super::{pest, shared};

/// C: `OPAL_P7IOC_NUM_PEST_REGS`
const PES: usize = 128;

pub(super) const LAYOUT: Layout = Layout {
    size: 2320,
    print: |fields, line| {
        shared::root_complex(fields, line);
        shared::bridge(fields, line);
        pest::print(fields, PES, line);
    },
};

#[cfg(test)]
mod tests {
    use crate::diag::fields::Fields;

    #[test]
    fn size_is_where_the_printer_ends() {
        let mut fields = Fields::new(&[]);
        let _: [u32; 3] = fields.words();
        (super::LAYOUT.print)(&mut fields, &mut |_| {});
        assert_eq!(fields.position(), super::LAYOUT.size);
    }
}
