// SPDX-License-Identifier: GPL-2.0-or-later
//! Decoders of firmware's error data, into the lines that Linux prints.
//! C: `pnv_pci_dump_phb_diag_data`, `pnv_eeh_get_and_dump_hub_diag`
//!
//! Structures of `asm/opal-api.h`: big-endian, naturally aligned. Registers that are zero are left
//! out, as there.

mod fields;
mod hub;
mod p7ioc;
mod pest;
mod phb3;
mod phb4;
mod shared;

use core::fmt;

use eeh_pe::PhbNumber;

use self::fields::{Fields, Layout};

pub use self::hub::{HUB_SIZE, print_hub};

/// Where lines go.
pub type Line<'a> = dyn FnMut(fmt::Arguments<'_>) + 'a;

/// C: `OPAL_PHB_ERROR_DATA_TYPE_*`
const P7IOC: u32 = 1;
const PHB3: u32 = 2;
const PHB4: u32 = 3;

/// Prints a PHB's error data. Data that are cut short, or of an unknown kind, give one line.
pub fn print(phb: PhbNumber, data: &[u8], line: &mut Line<'_>) {
    let mut fields = Fields::new(data);
    // C: struct OpalIoPhbErrorCommon
    let [version, kind, _length] = [fields.word(), fields.word(), fields.word()];
    let (version, have) = (version.cast_signed(), data.len());
    if have < fields.position() {
        let size = fields.position();
        return line(format_args!("PHB#{phb} Diag-data: only {have} of {size} bytes"));
    }
    let (name, layout): (_, &Layout) = match kind {
        P7IOC => ("P7IOC", &p7ioc::LAYOUT),
        PHB3 => ("PHB3", &phb3::LAYOUT),
        PHB4 => ("PHB4", &phb4::LAYOUT),
        unknown => {
            let kind = unknown.cast_signed();
            return line(format_args!("pnv_pci_dump_phb_diag_data: Unrecognized ioType {kind}"));
        }
    };
    let size = layout.size;
    if have < size {
        return line(format_args!("{name} PHB#{phb} Diag-data: only {have} of {size} bytes"));
    }
    if kind == PHB4 {
        // Linux prints this one's number in decimal.
        line(format_args!("{name} PHB#{} Diag-data (Version: {version})", phb.0));
    } else {
        line(format_args!("{name} PHB#{phb} Diag-data (Version: {version})"));
    }
    registers(layout, &mut fields, line);
}

/// What is behind the header.
fn registers(layout: &Layout, fields: &mut Fields<'_>, line: &mut Line<'_>) {
    for group in layout.groups.iter().copied().flatten() {
        group.print(fields, line);
    }
    pest::print(fields, layout.pes, line);
}

/// A layout's registers fill its size.
#[cfg(test)]
fn ends_where_it_says(layout: &Layout) {
    let mut fields = Fields::new(&[]);
    let _header = [fields.word(), fields.word(), fields.word()];
    registers(layout, &mut fields, &mut |_| {});
    assert_eq!(fields.position(), layout.size);
}
