// SPDX-License-Identifier: GPL-2.0-or-later
//! Cards that need something of their own, by vendor and device number.

/// Cards whose PHB is fenced by a configuration cycle while their PE is frozen (they run out of
/// outbound credits): their PEs get `CFG_RESTRICTED`. C: `pnv_eeh_probe`
const RESTRICTED_CONFIG: [(u16, u16); 4] = [
    (0x14e4, 0x1656), // Broadcom BCM5718
    (0x14e4, 0x1657), // Broadcom BCM5719 (Austin, 4 ports)
    (0x14e4, 0x168a), // Broadcom BCM57800 (Shiner, 1G)
    (0x14e4, 0x168e), // Broadcom BCM57810 (Shiner, 10G)
];

/// Cards for which clearing a freeze is not enough when their owner changes: the PE is reset and
/// recovered. C: `eeh_reset_ids`
const RESET_ON_OWNER_CHANGE: [(u16, u16); 3] = [
    (0x19a2, 0x0710), // Emulex BE
    (0x10df, 0xe220), // Emulex Lancer
    (0x14e4, 0x1657), // Broadcom BCM5719
];

/// Whether a frozen PE with this card must not see configuration cycles.
#[must_use]
pub fn restricts_config(vendor: u16, device: u16) -> bool {
    RESTRICTED_CONFIG.contains(&(vendor, device))
}

/// Whether a frozen PE with this card needs a reset when it changes hands.
#[must_use]
pub fn resets_on_owner_change(vendor: u16, device: u16) -> bool {
    RESET_ON_OWNER_CHANGE.contains(&(vendor, device))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_exact() {
        let all = |list: fn(u16, u16) -> bool, vendor: u16| -> std::vec::Vec<u16> {
            (0..=u16::MAX).filter(|&device| list(vendor, device)).collect()
        };
        assert_eq!(all(restricts_config, 0x14e4), [0x1656, 0x1657, 0x168a, 0x168e]);
        assert!(all(restricts_config, 0x8086).is_empty());
        assert_eq!(all(resets_on_owner_change, 0x14e4), [0x1657]);
        assert_eq!(all(resets_on_owner_change, 0x19a2), [0x0710]);
        assert_eq!(all(resets_on_owner_change, 0x10df), [0xe220]);
        assert!(all(resets_on_owner_change, 0x15b3).is_empty());
    }
}
