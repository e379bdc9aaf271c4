// SPDX-License-Identifier: GPL-2.0-or-later
//! Which driver Linux binds to a function, and what it can do about errors.

use core::time::Duration;

use super::step::Step;

/// What a driver of Linux is like.
#[derive(Debug)]
pub struct DriverEntry {
    /// Its name in sysfs.
    pub name: &'static str,
    /// Has `error_detected` and `slot_reset`.
    pub aware: bool,
    /// Uses MSI or MSI-X: no INTx for EEH to disable.
    pub msi: bool,
    /// Asks for PERST# (`pdev->needs_freset`).
    pub fundamental: bool,
    /// How long its callbacks take.
    pub timing: &'static Timing,
    /// What it prints, and at which step; after `<driver> <instance>: `.
    pub says: &'static [(Step, &'static str)],
    /// Prefix of its instances' names, `None` where it uses the device's.
    pub instance: Option<&'static str>,
    /// Which functions it takes.
    matches: &'static [Match],
}

/// Milliseconds that callbacks take.
#[derive(Debug)]
pub struct Timing {
    probe: u16,
    remove: u16,
    error_detected: u16,
    mmio_enabled: u16,
    slot_reset: u16,
    resume: u16,
}

impl Timing {
    /// How long `step` takes.
    #[must_use]
    pub fn of(&self, step: Step) -> Duration {
        Duration::from_millis(u64::from(match step {
            Step::Probe => self.probe,
            Step::Remove => self.remove,
            Step::ErrorDetected | Step::Failure => self.error_detected,
            Step::MmioEnabled => self.mmio_enabled,
            Step::SlotReset => self.slot_reset,
            Step::Resume => self.resume,
        }))
    }
}

#[derive(Debug)]
enum Match {
    /// All of a vendor's.
    Vendor(u16),
    /// Devices of a vendor.
    Ids(u16, &'static [u16]),
    /// A vendor's functions of a base class and subclass.
    VendorClass(u16, u16),
    /// Class code under a mask.
    Class(u32, u32),
}

impl Match {
    fn takes(&self, vendor: u16, device: u16, class: u32) -> bool {
        match *self {
            Self::Vendor(v) => v == vendor,
            Self::Ids(v, devices) => v == vendor && devices.contains(&device),
            Self::VendorClass(v, c) => v == vendor && u32::from(c) == class >> 8,
            Self::Class(c, mask) => class & mask == c,
        }
    }
}

/// As in the logs of `fixtures/linux-7.3-c`.
const NVME: Timing =
    Timing { probe: 60, remove: 20, error_detected: 26, mmio_enabled: 1, slot_reset: 5, resume: 70 };
const E1000E: Timing =
    Timing { probe: 60, remove: 15, error_detected: 7, mmio_enabled: 1, slot_reset: 56, resume: 2 };
const NIC: Timing =
    Timing { probe: 60, remove: 20, error_detected: 10, mmio_enabled: 1, slot_reset: 20, resume: 40 };
const STORAGE: Timing =
    Timing { probe: 80, remove: 30, error_detected: 15, mmio_enabled: 2, slot_reset: 40, resume: 30 };
const PLAIN: Timing =
    Timing { probe: 20, remove: 10, error_detected: 2, mmio_enabled: 1, slot_reset: 5, resume: 5 };

const fn aware(name: &'static str, timing: &'static Timing, matches: &'static [Match]) -> DriverEntry {
    DriverEntry {
        name,
        aware: true,
        msi: true,
        fundamental: false,
        timing,
        says: &[],
        instance: None,
        matches,
    }
}

const fn unaware(name: &'static str, msi: bool, matches: &'static [Match]) -> DriverEntry {
    DriverEntry { aware: false, msi, ..aware(name, &PLAIN, matches) }
}

const fn wants_perst(entry: DriverEntry) -> DriverEntry {
    DriverEntry { fundamental: true, ..entry }
}

/// Exact matches first: the first entry that takes a function has it.
static TABLE: &[DriverEntry] = &[
    DriverEntry {
        says: &[
            (Step::ErrorDetected, "frozen state error detected, reset controller"),
            (Step::SlotReset, "restart after slot reset"),
            (Step::Resume, "2/0/0 default/read/poll queues"),
        ],
        instance: Some("nvme"),
        ..aware("nvme", &NVME, &[Match::Class(0x01_0802, 0xff_ffff)])
    },
    aware("e1000e", &E1000E, &[Match::Ids(0x8086, &[0x10d3, 0x10ea, 0x1502, 0x153a, 0x15b7, 0x15b8])]),
    aware("e1000", &NIC, &[Match::Ids(0x8086, &[0x100e, 0x100f, 0x1079, 0x107c])]),
    aware("igb", &NIC, &[Match::Ids(0x8086, &[0x10c9, 0x10e7, 0x150e, 0x1521, 0x1522, 0x1533, 0x1539])]),
    aware("igbvf", &NIC, &[Match::Ids(0x8086, &[0x10ca, 0x1520])]),
    aware("ixgbe", &NIC, &[Match::Ids(0x8086, &[0x10fb, 0x10fc, 0x1528, 0x1560, 0x1563])]),
    aware("i40e", &NIC, &[Match::Ids(0x8086, &[0x1572, 0x1581, 0x1583, 0x1584, 0x1589, 0x37d0])]),
    aware("ice", &NIC, &[Match::Ids(0x8086, &[0x1592, 0x1593, 0x159b])]),
    DriverEntry {
        msi: false,
        ..aware("tg3", &NIC, &[Match::Ids(0x14e4, &[0x1655, 0x1656, 0x1657, 0x165f, 0x1682, 0x1686])])
    },
    wants_perst(aware(
        "bnx2x",
        &NIC,
        &[Match::Ids(0x14e4, &[0x164e, 0x164f, 0x1662, 0x168a, 0x168d, 0x168e, 0x16a1])],
    )),
    aware("bnxt_en", &NIC, &[Match::Ids(0x14e4, &[0x16d6, 0x16d7, 0x16d8, 0x1750])]),
    aware(
        "mlx5_core",
        &NIC,
        &[Match::Ids(0x15b3, &[0x1013, 0x1014, 0x1015, 0x1017, 0x1019, 0x101b, 0x101d])],
    ),
    aware("mlx4_core", &NIC, &[Match::Ids(0x15b3, &[0x1003, 0x1007])]),
    wants_perst(aware("cxgb4", &NIC, &[Match::VendorClass(0x1425, 0x0200)])),
    wants_perst(aware("be2net", &NIC, &[Match::VendorClass(0x10df, 0x0200)])),
    wants_perst(aware("lpfc", &STORAGE, &[Match::VendorClass(0x10df, 0x0c04)])),
    wants_perst(aware("qla2xxx", &STORAGE, &[Match::VendorClass(0x1077, 0x0c04)])),
    aware("megaraid_sas", &STORAGE, &[Match::VendorClass(0x1000, 0x0104)]),
    aware("mpt3sas", &STORAGE, &[Match::VendorClass(0x1000, 0x0107)]),
    wants_perst(aware("ipr", &STORAGE, &[Match::Ids(0x1014, &[0x0339, 0x033d, 0x034a])])),
    DriverEntry {
        msi: false,
        ..aware("serial", &PLAIN, &[Match::Class(0x07_0000, 0xff_ff00), Match::Class(0x07_0200, 0xff_ff00)])
    },
    unaware("ahci", true, &[Match::Class(0x01_0601, 0xff_ffff)]),
    unaware("ata_piix", false, &[Match::Class(0x01_0100, 0xff_ff00)]),
    unaware("xhci_hcd", true, &[Match::Class(0x0c_0330, 0xff_ffff)]),
    unaware("ehci-pci", false, &[Match::Class(0x0c_0320, 0xff_ffff)]),
    unaware("ohci-pci", false, &[Match::Class(0x0c_0310, 0xff_ffff)]),
    unaware("uhci_hcd", false, &[Match::Class(0x0c_0300, 0xff_ffff)]),
    unaware("ast", false, &[Match::Ids(0x1a03, &[0x2000])]),
    unaware("snd_hda_intel", true, &[Match::Class(0x04_0300, 0xff_ff00)]),
    unaware("nouveau", true, &[Match::VendorClass(0x10de, 0x0300), Match::VendorClass(0x10de, 0x0302)]),
    unaware("virtio-pci", true, &[Match::Vendor(0x1af4)]),
];

/// Stands for any driver that the table lacks but a dump names: without error handlers.
static GENERIC: DriverEntry = unaware("generic", false, &[]);

/// The driver of a function: the one the dump names, if the table knows it, else the first that
/// takes its numbers. `None` for a function that nothing drives (bridges among them).
#[must_use]
pub fn driver_for(named: Option<&str>, vendor: u16, device: u16, class: u32) -> Option<&'static DriverEntry> {
    if class >> 16 == 0x06 {
        return None;
    }
    if let Some(entry) = named.and_then(driver_named) {
        return Some(entry);
    }
    let takes = |entry: &&DriverEntry| entry.matches.iter().any(|m| m.takes(vendor, device, class));
    TABLE.iter().find(takes).or(named.map(|_| &GENERIC))
}

/// The entry of that name.
#[must_use]
pub fn driver_named(name: &str) -> Option<&'static DriverEntry> {
    TABLE.iter().find(|entry| entry.name == name)
}

/// What a temperament binds to a function that the table has nothing for.
#[must_use]
pub fn generic_driver() -> &'static DriverEntry {
    &GENERIC
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(vendor: u16, device: u16, class: u32) -> Option<&'static str> {
        driver_for(None, vendor, device, class).map(|d| d.name)
    }

    #[test]
    fn the_fixtures_functions_get_linux_drivers() {
        assert_eq!(name(0x1b36, 0x0010, 0x010802), Some("nvme"));
        assert_eq!(name(0x8086, 0x10d3, 0x020000), Some("e1000e"));
        assert_eq!(name(0x8086, 0x10c9, 0x020000), Some("igb"));
        assert_eq!(name(0x8086, 0x2922, 0x010601), Some("ahci"));
        assert_eq!(name(0x1b36, 0x000d, 0x0c0330), Some("xhci_hcd"));
        assert_eq!(name(0x104c, 0x8233, 0x060400), None);
    }

    #[test]
    fn awareness_follows_the_table() {
        for (driver, aware) in [("nvme", true), ("igb", true), ("ahci", false), ("xhci_hcd", false)] {
            assert_eq!(driver_named(driver).map(|d| d.aware), Some(aware), "{driver}");
        }
    }

    #[test]
    fn the_name_in_the_dump_wins_and_an_unknown_one_is_unaware() {
        assert_eq!(driver_for(Some("lpfc"), 0x1b36, 0x0010, 0x010802).map(|d| d.name), Some("lpfc"));
        assert_eq!(driver_for(Some("i915"), 0x8086, 0x1912, 0x030000).map(|d| d.name), Some("generic"));
        assert_eq!(name(0x1234, 0x1111, 0x030000), None);
    }
}
