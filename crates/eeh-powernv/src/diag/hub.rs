// SPDX-License-Identifier: GPL-2.0-or-later
//! The P7IOC hub itself. C: `struct OpalIoP7IOCErrorData`, `pnv_eeh_get_and_dump_hub_diag`

use super::Line;
use super::fields::{Fields, Group};

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
    let mut common = fields.here();
    fields.skip_quads(10);
    // The rest depends on the kind: registers, and a byte behind them.
    let byte_behind = |quads| {
        let mut behind = fields.here();
        behind.skip_quads(quads);
        behind.byte()
    };
    let own = match kind {
        RGC => {
            line(format_args!("P7IOC diag-data for RGC"));
            Some(Group::quads("  RGC: ", 2))
        }
        BI => {
            let direction = if byte_behind(4) == 0 { "Upbound" } else { "Downbound" };
            line(format_args!("P7IOC diag-data for BI {direction}"));
            Some(Group::quads("  BI:  ", 4))
        }
        CI => {
            line(format_args!("P7IOC diag-data for CI Port {}", byte_behind(2)));
            Some(Group::quads("  CI:  ", 2))
        }
        MISC => {
            line(format_args!("P7IOC diag-data for MISC"));
            None
        }
        I2C => {
            line(format_args!("P7IOC diag-data for I2C"));
            None
        }
        unknown => {
            return line(format_args!(
                "pnv_eeh_get_and_dump_hub_diag: Invalid type of HUB#{hub:x} diag-data ({unknown})"
            ));
        }
    };
    // C: `pnv_eeh_dump_hub_diag_common`
    for group in [Group::quads("  GEM: ", 5), Group::quads("  LEM: ", 5)] {
        group.print(&mut common, line);
    }
    if let Some(own) = own {
        own.print(&mut fields, line);
    }
}
