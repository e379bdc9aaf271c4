// SPDX-License-Identifier: GPL-2.0-or-later
//! The kinds of functions of a made-up machine.

/// A BAR that a kind of function wants.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    pub(super) index: u8,
    pub(super) size: u64,
    pub(super) is64: bool,
    /// In the M64 window rather than below 4 GiB.
    pub(super) m64: bool,
}

const fn bar(index: u8, kib: u64, is64: bool) -> Wanted {
    Wanted { index, size: kib << 10, is64, m64: false }
}

/// A kind of endpoint.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kind {
    pub(super) vendor: u16,
    pub(super) device: u16,
    pub(super) class: u32,
    pub(super) driver: &'static str,
    /// Has a PCI Express capability.
    pub(super) express: bool,
    pub(super) bars: &'static [Wanted],
}

const NETWORK: &[Wanted] = &[bar(0, 128, false), bar(1, 128, false), bar(3, 16, false)];

/// The endpoints to choose from.
pub(super) const KINDS: [Kind; 7] = [
    kind(0x1b36, 0x0010, 0x01_0802, "nvme", &[bar(0, 16, true)]),
    kind(0x8086, 0x10d3, 0x02_0000, "e1000e", NETWORK),
    kind(0x8086, 0x10c9, 0x02_0000, "igb", &[bar(0, 128, false), bar(1, 128, false), bar(3, 16, true)]),
    Kind { express: false, ..kind(0x8086, 0x2922, 0x01_0601, "ahci", &[bar(5, 4, false)]) },
    kind(0x1b36, 0x000d, 0x0c_0330, "xhci_hcd", &[bar(0, 16, true)]),
    kind(0x14e4, 0x1657, 0x02_0000, "tg3", &[bar(0, 64, true), bar(2, 64, true)]),
    kind(0x15b3, 0x1017, 0x02_0000, "mlx5_core", &[Wanted { m64: true, ..bar(0, 32 << 10, true) }]),
];

const fn kind(vendor: u16, device: u16, class: u32, driver: &'static str, bars: &'static [Wanted]) -> Kind {
    Kind { vendor, device, class, driver, express: true, bars }
}

/// A kind of bridge.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Port {
    Root,
    Upstream,
    Downstream,
}

impl Port {
    /// Vendor and device ID.
    pub(super) const fn ids(self) -> (u16, u16) {
        match self {
            Self::Root => (0x1014, 0x0652),
            Self::Upstream => (0x104c, 0x8232),
            Self::Downstream => (0x104c, 0x8233),
        }
    }

    /// PCI Express device/port type (PCIe 7.5.3.2).
    pub(super) const fn pcie_type(self) -> u16 {
        match self {
            Self::Root => 4,
            Self::Upstream => 5,
            Self::Downstream => 6,
        }
    }

    /// Whether there is a slot below.
    pub(super) const fn has_slot(self) -> bool {
        matches!(self, Self::Root | Self::Downstream)
    }
}
