// SPDX-License-Identifier: GPL-2.0-or-later
//! PHB4 and PHB5. C: `struct OpalIoPhb4ErrorData`, `pnv_pci_dump_phb4_diag_data`

use super::Line;
use super::fields::{Fields, Layout, Quads, quads, status, words};
use super::pest;

/// C: `OPAL_PHB4_NUM_PEST_REGS`
const PES: usize = 512;

pub(super) const LAYOUT: Layout = Layout {
    size: 8576,
    print: |fields, line| {
        root_complex(fields, line);
        bridge(fields, line);
        pest::print(fields, PES, line);
    },
};

fn root_complex(fields: &mut Fields<'_>, line: &mut Line<'_>) {
    words(line, "brdgCtl:    ", &fields.words::<1>());
    words(line, "RootSts:    ", &fields.words::<5>());
    words(line, "RootErrSts: ", &fields.words::<3>());
    words(line, "RootErrLog: ", &fields.words::<4>());
    words(line, "sourceId:   ", &fields.words::<1>());
}

fn bridge(fields: &mut Fields<'_>, line: &mut Line<'_>) {
    status(line, "nFir:       ", &fields.quads::<3>());
    quads(line, "PhbSts:     ", &fields.quads::<2>());
    status(line, "Lem:        ", &fields.quads::<3>());
    status(line, "PhbErr:     ", &fields.quads::<4>());
    status(line, "PhbTxeErr:  ", &fields.quads::<4>());
    status(line, "RxeArbErr:  ", &fields.quads::<4>());
    status(line, "RxeMrgErr:  ", &fields.quads::<4>());
    status(line, "RxeTceErr:  ", &fields.quads::<4>());
    status(line, "PblErr:     ", &fields.quads::<4>());
    let [log1, log2, status_register] = fields.quads();
    if status_register != 0 {
        line(format_args!("PcieDlp:    {}", Quads(&[log1, log2, status_register])));
    }
    status(line, "RegbErr:    ", &fields.quads::<4>());
}

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
