// SPDX-License-Identifier: GPL-2.0-or-later
//! PHB3. C: `struct OpalIoPhb3ErrorData`, `pnv_pci_dump_phb3_diag_data`

use super::fields::{Layout, status};
use super::{pest, shared};

/// C: `OPAL_PHB3_NUM_PEST_REGS`
const PES: usize = 256;

pub(super) const LAYOUT: Layout = Layout {
    size: 4392,
    print: |fields, line| {
        shared::root_complex(fields, line);
        status(line, "nFir:        ", &fields.quads::<3>());
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
