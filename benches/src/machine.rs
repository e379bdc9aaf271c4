// SPDX-License-Identifier: GPL-2.0-or-later
//! The machine that both implementations are measured on: plain numbers.

/// PHBs, as in `fixtures/powernv10`.
pub const PHBS: usize = 6;
/// Address ranges of a device: a 64-bit BAR and its MSI-X BAR.
pub const RANGES_PER_DEVICE: usize = 2;

const WINDOW: u64 = 0x6000_0000_0000;
const WINDOW_STEP: u64 = 0x40_0000_0000;
/// Space of a range; it fills half, so that there is an address of no device between two.
const STRIDE: u64 = 0x2_0000;
const SIZE: u64 = 0x1_0000;

/// One device: a function with a PE of its own below its PHB's.
#[derive(Clone, Copy, Debug)]
pub struct DeviceSpec {
    /// Index of its PHB.
    pub phb: usize,
    /// Bus, device and function.
    pub bdf: u16,
    /// Number of its PE.
    pub pe: u32,
    /// First and last address of each range.
    pub ranges: [(u64, u64); RANGES_PER_DEVICE],
}

/// A machine whose address maps hold `ranges` ranges in all.
#[derive(Clone, Debug)]
pub struct Machine {
    /// Devices of all PHBs.
    pub devices: Vec<DeviceSpec>,
}

impl Machine {
    /// Spreads the devices evenly over the PHBs.
    ///
    /// # Panics
    ///
    /// Above 65536 devices: a PHB has no more bus numbers.
    #[must_use]
    pub fn new(ranges: usize) -> Self {
        let count = ranges.div_ceil(RANGES_PER_DEVICE);
        let devices = (0..count)
            .map(|number| {
                let nth = number / PHBS;
                let phb = number % PHBS;
                let at = |range: usize| {
                    let slot = u64::try_from(nth * RANGES_PER_DEVICE + range).unwrap_or(0);
                    let start = window(phb).0 + slot * STRIDE;
                    (start, start + SIZE - 1)
                };
                let bus = u16::try_from(nth + 1).expect("more devices than buses and slots");
                DeviceSpec { phb, bdf: bus << 3, pe: u32::from(bus), ranges: [at(0), at(1)] }
            })
            .collect();
        Self { devices }
    }

    /// An address inside a range of `device`.
    #[must_use]
    pub fn address(&self, device: usize, range: usize) -> u64 {
        self.devices[device].ranges[range].0 + 0x10
    }

    /// An address in the same window that belongs to nobody.
    #[must_use]
    pub fn gap(&self, device: usize, range: usize) -> u64 {
        self.devices[device].ranges[range].1 + 0x10
    }

    /// The highest PE number of any PHB.
    #[must_use]
    pub fn last_pe(&self) -> u32 {
        self.devices.iter().map(|device| device.pe).max().unwrap_or(0)
    }

    /// Ranges in all.
    #[must_use]
    pub fn ranges(&self) -> usize {
        self.devices.len() * RANGES_PER_DEVICE
    }

    /// A fixed order in which to visit devices: neither sorted nor repeated soon.
    #[must_use]
    pub fn visits(&self, length: usize) -> Vec<usize> {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        (0..length)
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                usize::try_from(state >> 33).unwrap_or(0) % self.devices.len()
            })
            .collect()
    }
}

/// First and last address of a PHB's memory window.
#[must_use]
pub fn window(phb: usize) -> (u64, u64) {
    let start = WINDOW + u64::try_from(phb).unwrap_or(0) * WINDOW_STEP;
    (start, start + WINDOW_STEP - 1)
}
