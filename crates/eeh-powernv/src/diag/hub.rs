// SPDX-License-Identifier: GPL-2.0-or-later
//! The P7IOC hub itself. C: `struct OpalIoP7IOCErrorData`, `pnv_eeh_get_and_dump_hub_diag`

use super::Line;
use super::fields::{Fields, Quads, any, quads};

/// Bytes of the hub's data.
pub const HUB_SIZE: usize = 128;

/// C: `OPAL_P7IOC_DIAG_TYPE_*`
const RGC: u16 = 1;
const BI: u16 = 2;
const CI: u16 = 3;
const MISC: u16 = 4;
const I2C: u16 = 5;

/// Prints the error data of the hub with OPAL id `hub`. Data that are cut short, or of an unknown
/// kind, give one line.
pub fn print_hub(hub: u64, data: &[u8], line: &mut Line<'_>) {
    if data.len() < HUB_SIZE {
        let have = data.len();
        return line(format_args!("HUB#{hub:x} diag-data: only {have} of {HUB_SIZE} bytes"));
    }
    let mut fields = Fields::new(data);
    let kind = fields.half();
    let (gem, lem) = (fields.quads::<5>(), fields.quads::<5>());
    // The rest depends on the kind.
    let mut at_quads = fields.here();
    match kind {
        RGC => {
            line(format_args!("P7IOC diag-data for RGC"));
            common(&gem, &lem, line);
            quads(line, "  RGC: ", &at_quads.quads::<2>());
        }
        BI => {
            let registers = at_quads.quads::<4>();
            let direction = if at_quads.byte() == 0 { "Upbound" } else { "Downbound" };
            line(format_args!("P7IOC diag-data for BI {direction}"));
            common(&gem, &lem, line);
            quads(line, "  BI:  ", &registers);
        }
        CI => {
            let registers = at_quads.quads::<2>();
            line(format_args!("P7IOC diag-data for CI Port {}", at_quads.byte()));
            common(&gem, &lem, line);
            quads(line, "  CI:  ", &registers);
        }
        MISC => {
            line(format_args!("P7IOC diag-data for MISC"));
            common(&gem, &lem, line);
        }
        I2C => {
            line(format_args!("P7IOC diag-data for I2C"));
            common(&gem, &lem, line);
        }
        unknown => line(format_args!(
            "pnv_eeh_get_and_dump_hub_diag: Invalid type of HUB#{hub:x} diag-data ({unknown})"
        )),
    }
}

/// C: `pnv_eeh_dump_hub_diag_common`
fn common(gem: &[u64], lem: &[u64], line: &mut Line<'_>) {
    for (label, registers) in [("GEM", gem), ("LEM", lem)] {
        if any(registers) {
            line(format_args!("  {label}: {}", Quads(registers)));
        }
    }
}
