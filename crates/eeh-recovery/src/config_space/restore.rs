// SPDX-License-Identifier: GPL-2.0-or-later
//! Saving and restoring the header of a function's configuration space, raw: `CFG_BLOCKED` does not
//! stop these accesses.

use super::reg;
use crate::{ConfigSpace, DeviceTarget, FirmwareError, Width};

/// Reads the first 16 words, to be restored after a reset. A bridge will be a bus master then: it
/// fetches its PEs' tables. C: `eeh_save_bars`
///
/// # Errors
///
/// The firmware's own.
///
/// # Context
///
/// As [`ConfigSpace`].
pub fn save<F: ConfigSpace>(
    firmware: &F,
    device: &DeviceTarget,
    bridge: bool,
) -> Result<[u32; 16], FirmwareError> {
    let mut saved = [0; 16];
    for (offset, word) in (0u16..).step_by(4).zip(saved.iter_mut()) {
        *word = firmware.read(device, offset, Width::Word)?;
        if offset == reg::COMMAND && bridge {
            *word |= reg::COMMAND_MASTER;
        }
    }
    Ok(saved)
}

/// A word to write: its offset in the header, which is also its place in what was saved.
const DEVICE_WORDS: [u16; 7] = [0x10, 0x14, 0x18, 0x1c, 0x20, 0x24, 0x30];
/// Of a bridge: its two BARs, bus numbers, windows, ROM.
const BRIDGE_WORDS: [u16; 10] = [0x10, 0x14, 0x18, 0x1c, 0x20, 0x24, 0x28, 0x2c, 0x30, 0x38];
/// Latency, grant, interrupt pin and line; of a bridge its control register too.
const INTERRUPT: u16 = 0x3c;

fn word(saved: &[u32; 16], offset: u16) -> u32 {
    saved.get(usize::from(offset >> 2)).copied().unwrap_or(0)
}

/// Writes back what [`save`] read: addresses first, the command register last, so that nothing is
/// decoded at a wrong address. C: `eeh_restore_one_device_bars`
///
/// # Errors
///
/// The firmware's own.
pub(crate) fn restore<F: ConfigSpace>(
    firmware: &F,
    device: &DeviceTarget,
    bridge: bool,
    saved: &[u32; 16],
) -> Result<(), FirmwareError> {
    if cfg!(eeh_mutant = "restore_decodes_first") {
        firmware.write(device, reg::COMMAND, Width::Half, word(saved, reg::COMMAND) & 0xffff)?;
    }
    let words: &[u16] = if bridge { &BRIDGE_WORDS } else { &DEVICE_WORDS };
    for &offset in words {
        firmware.write(device, offset, Width::Word, word(saved, offset))?;
    }
    let timing = word(saved, reg::CACHE_LINE);
    firmware.write(device, reg::CACHE_LINE, Width::Byte, timing & 0xff)?;
    firmware.write(device, reg::LATENCY, Width::Byte, (timing >> 8) & 0xff)?;
    let mut interrupt = word(saved, INTERRUPT);
    if bridge && !cfg!(eeh_mutant = "restore_resets_the_bus") {
        interrupt &= !reg::BUS_RESET_IN_WORD;
    }
    firmware.write(device, INTERRUPT, Width::Word, interrupt)?;
    let old = word(saved, reg::COMMAND) & 0xffff;
    let command = if bridge {
        old | reg::COMMAND_MEMORY | reg::COMMAND_MASTER
    } else {
        // Decoding and mastering are the driver's to switch on; error reporting is the platform's.
        let kept = reg::COMMAND_PARITY | reg::COMMAND_SERR;
        let now = firmware.read(device, reg::COMMAND, Width::Half)?;
        (now & !kept) | (old & kept)
    };
    // 16 bits: a write to the status half would clear what it tells.
    firmware.write(device, reg::COMMAND, Width::Half, command)
}

#[cfg(test)]
#[path = "restore_tests.rs"]
mod tests;
