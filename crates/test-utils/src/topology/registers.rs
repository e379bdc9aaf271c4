// SPDX-License-Identifier: GPL-2.0-or-later
//! BAR registers of configuration space.

use super::config;

/// An assigned BAR register.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Register {
    /// At 0x10 + 4 * index.
    pub(super) index: u8,
    /// The bus address.
    pub(super) bus: u64,
    pub(super) io: bool,
    pub(super) prefetch: bool,
    pub(super) is64: bool,
}

/// The assigned registers of a function, by ascending index. A 64-bit register without room for its
/// upper half is none.
pub(super) fn registers(config: &[u8]) -> Vec<Register> {
    let count = match config::u8_at(config, 0x0e) & 0x7f {
        0 => 6,
        1 => 2,
        2 => 1,
        _ => 0,
    };
    let mut found = Vec::new();
    let mut index = 0_u8;
    while index < count {
        let at = 0x10 + 4 * usize::from(index);
        let low = config::u32_at(config, at);
        let io = low & 1 != 0;
        let is64 = !io && low & 0b110 == 0b100;
        let mut bus = u64::from(if io { low & !0b11 } else { low & !0b1111 });
        if is64 {
            bus |= u64::from(config::u32_at(config, at + 4)) << 32;
        }
        let fits = !is64 || index + 1 < count;
        // All ones is a register that nobody answers for; zero has not been assigned.
        if bus != 0 && low != u32::MAX && fits {
            found.push(Register { index, bus, io, prefetch: !io && low & 0b1000 != 0, is64 });
        }
        index += if is64 { 2 } else { 1 };
    }
    found
}

/// Writes a register, as firmware assigned it.
pub(super) fn write(config: &mut [u8], register: &Register) {
    let at = 0x10 + 4 * usize::from(register.index);
    let flags =
        if register.io { 0b1 } else { u64::from(register.is64) << 2 | u64::from(register.prefetch) << 3 };
    let bytes = (register.bus | flags).to_le_bytes();
    let width = if register.is64 { 8 } else { 4 };
    for (place, byte) in config.iter_mut().skip(at).zip(bytes.into_iter().take(width)) {
        *place = byte;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_registers_are_read_back() {
        let all = [
            Register { index: 0, bus: 0x6000_1234_0000, io: false, prefetch: true, is64: true },
            Register { index: 2, bus: 0xe000, io: true, prefetch: false, is64: false },
            Register { index: 3, bus: 0xfe00_0000, io: false, prefetch: false, is64: false },
        ];
        let mut config = vec![0; 64];
        for register in &all {
            write(&mut config, register);
        }
        assert_eq!(registers(&config), all);
    }

    #[test]
    fn registers_that_hold_no_address_are_none() {
        let mut config = vec![0; 64];
        config[0x14] = 0x01; // an I/O BAR without address
        config[0x18..0x1c].fill(0xff); // nobody answers
        config[0x24] = 0x04; // 64 bits, but the last register
        config[0x27] = 0xfe;
        assert_eq!(registers(&config), []);
        config[0x0e] = 1; // a bridge has two
        config[0x20] = 0x10;
        assert_eq!(registers(&config), []);
    }
}
