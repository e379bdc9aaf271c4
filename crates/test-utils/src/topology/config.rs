// SPDX-License-Identifier: GPL-2.0-or-later
//! Reading a copy of configuration space, which may be shorter than what it points to.

/// The PCI Express capability.
pub const CAP_PCIE: u8 = 0x10;
/// The end of configuration space that conventional PCI can reach.
const CONVENTIONAL_END: usize = 256;

/// A byte; 0 beyond the end of the copy.
#[must_use]
pub fn u8_at(config: &[u8], at: usize) -> u8 {
    config.get(at).copied().unwrap_or(0)
}

/// A little-endian word; bytes beyond the end of the copy are 0.
#[must_use]
pub fn u16_at(config: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([u8_at(config, at), u8_at(config, at + 1)])
}

/// A little-endian double word; bytes beyond the end of the copy are 0.
#[must_use]
pub fn u32_at(config: &[u8], at: usize) -> u32 {
    u32::from(u16_at(config, at)) | u32::from(u16_at(config, at + 2)) << 16
}

/// The first capability with this ID (status bit 4, list at 0x34, or 0x14 of a CardBus bridge).
///
/// A list that loops or leaves the copy ends there.
#[must_use]
pub fn find_cap(config: &[u8], id: u8) -> Option<u8> {
    const HAS_LIST: u16 = 1 << 4;
    const MOST: usize = 48;
    if u16_at(config, 0x06) & HAS_LIST == 0 {
        return None;
    }
    let list = if u8_at(config, 0x0e) & 0x7f == 2 { 0x14 } else { 0x34 };
    let mut at = u8_at(config, list) & !3;
    for _ in 0..MOST {
        let header = usize::from(at);
        if at < 0x40 || header + 1 >= config.len().min(CONVENTIONAL_END) {
            return None;
        }
        match u8_at(config, header) {
            found if found == id => return Some(at),
            0xff => return None,
            _ => at = u8_at(config, header + 1) & !3,
        }
    }
    None
}

/// The first extended capability with this ID (PCIe 7.9.3: the list begins at 0x100).
#[must_use]
pub fn find_ext_cap(config: &[u8], id: u16) -> Option<u16> {
    const MOST: usize = (4096 - CONVENTIONAL_END) / 8;
    let mut at = 0x100_u16;
    for _ in 0..MOST {
        let header = u32_at(config, usize::from(at));
        if header == 0 || header == u32::MAX {
            return None;
        }
        let [lo, hi, _, _] = header.to_le_bytes();
        if u16::from_le_bytes([lo, hi]) == id {
            return Some(at);
        }
        at = u16::try_from(header >> 20).unwrap_or(0) & !3;
        if usize::from(at) < CONVENTIONAL_END {
            return None;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(bytes: &[(usize, u8)], len: usize) -> Vec<u8> {
        let mut config = vec![0; len];
        for (at, byte) in bytes {
            config[*at] = *byte;
        }
        config
    }

    #[test]
    fn capability_list_is_followed() {
        let config = with(&[(6, 0x10), (0x34, 0x40), (0x40, 0x01), (0x41, 0x50), (0x50, 0x10)], 256);
        assert_eq!(find_cap(&config, 0x10), Some(0x50));
        assert_eq!(find_cap(&config, 0x05), None);
    }

    #[test]
    fn capability_list_needs_its_status_bit() {
        let config = with(&[(0x34, 0x40), (0x40, 0x10)], 256);
        assert_eq!(find_cap(&config, 0x10), None);
    }

    #[test]
    fn capability_loop_ends() {
        let config = with(&[(6, 0x10), (0x34, 0x40), (0x40, 0x01), (0x41, 0x40)], 256);
        assert_eq!(find_cap(&config, 0x10), None);
    }

    #[test]
    fn capabilities_beyond_a_short_dump_are_not_found() {
        let config = with(&[(6, 0x10), (0x34, 0x40)], 64);
        assert_eq!(find_cap(&config, 0x00), None);
        assert_eq!(find_ext_cap(&config, 1), None);
    }

    #[test]
    fn extended_list_is_followed_and_a_loop_ends() {
        let config = with(&[(0x100, 0x03), (0x103, 0x15), (0x150, 0x01), (0x153, 0x10)], 4096);
        assert_eq!(find_ext_cap(&config, 1), Some(0x150));
        assert_eq!(find_ext_cap(&config, 2), None);
    }
}
