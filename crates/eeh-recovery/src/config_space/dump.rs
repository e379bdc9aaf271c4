// SPDX-License-Identifier: GPL-2.0-or-later
//! The log of a device's configuration space.

use super::aer::{AerErrors, AerKind};
use super::line::{ConfigLine, Registers};
use super::reg;
use crate::{ConfigSpace, DeviceTarget, Width};

/// Words of the PCI Express capability that are logged.
const EXPRESS_WORDS: u16 = 9;
/// Words of the Advanced Error Reporting capability that are logged.
const AER_WORDS: u16 = 14;

/// Reads what is logged of a device and tells it line by line; what cannot be read is all ones.
/// C: `eeh_dump_dev_log`
pub(crate) fn dump<F: ConfigSpace>(
    firmware: &F,
    device: &DeviceTarget,
    bridge: bool,
    mut line: impl FnMut(ConfigLine),
) {
    let word = |offset: u16| firmware.read(device, offset, Width::Word).unwrap_or(u32::MAX);
    let half = |offset: u16| {
        let value = firmware.read(device, offset, Width::Half).unwrap_or(0xffff);
        u16::try_from(value & 0xffff).unwrap_or(u16::MAX)
    };
    line(ConfigLine::Device);
    line(ConfigLine::Identity(word(reg::ID)));
    line(ConfigLine::CommandStatus(word(reg::COMMAND)));
    if bridge {
        line(ConfigLine::SecondaryStatus(half(reg::SECONDARY_STATUS)));
        line(ConfigLine::BridgeControl(half(reg::BRIDGE_CONTROL)));
    }
    if device.pcix_cap != 0 {
        line(ConfigLine::PcixCommand(word(device.pcix_cap)));
        line(ConfigLine::PcixStatus(word(device.pcix_cap.saturating_add(4))));
    }
    if device.pcie_cap != 0 {
        line(ConfigLine::ExpressHeader);
        registers(device.pcie_cap, EXPRESS_WORDS, word, |r| line(ConfigLine::Express(r)));
    }
    if device.aer_cap != 0 {
        line(ConfigLine::AerHeader);
        registers(device.aer_cap, AER_WORDS, word, |r| line(ConfigLine::Aer(r)));
        let register = |offset: u16| word(device.aer_cap.saturating_add(offset));
        errors(register)
            .into_iter()
            .filter(AerErrors::is_telling)
            .for_each(|e| line(ConfigLine::AerErrors(e)));
    }
}

/// The errors in the registers of the AER capability (PCIe 6.0 7.8.4).
fn errors(register: impl Fn(u16) -> u32) -> [AerErrors; 2] {
    let [first, ..] = (register(0x18) & 0x1f).to_le_bytes();
    let kind = AerKind::Uncorrectable { severity: register(0x0c), first };
    [
        AerErrors { kind, status: register(0x04), mask: register(0x08) },
        AerErrors { kind: AerKind::Correctable, status: register(0x10), mask: register(0x14) },
    ]
}

/// The first `words` words of a capability, four to a line.
fn registers(cap: u16, words: u16, word: impl Fn(u16) -> u32, mut line: impl FnMut(Registers)) {
    for first in (0..words).step_by(4) {
        let mut values = [0; 4];
        let mut count = 0;
        for (value, index) in values.iter_mut().zip(first..words) {
            *value = word(cap.saturating_add(index << 2));
            count = usize::from(index.saturating_sub(first)).saturating_add(1);
        }
        line(Registers { offset: first << 2, values, count });
    }
}
