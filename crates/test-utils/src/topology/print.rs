// SPDX-License-Identifier: GPL-2.0-or-later
//! Writing a machine in the form in which it can be read.

use core::fmt::Write as _;
use std::fs;
use std::io;
use std::path::Path;

use super::address::PciAddress;
use super::model::{BarSpec, FunctionSpec, MachineSpec, PhbSpec, WindowSpec};

impl MachineSpec {
    /// The machine as `lspci -Dnnvvxxxx` prints it: addresses, BARs, drivers, configuration space.
    ///
    /// PE numbers, windows and slots are not in it; [`MachineSpec::save`] writes those too, but for
    /// what only a device tree tells (slots, `ibm,reset-by-firmware`).
    #[must_use]
    pub fn to_lspci(&self) -> String {
        let mut text = String::new();
        for (address, function) in self.functions() {
            print_function(&mut text, address, function);
        }
        text
    }

    /// PE numbers and drivers, as `sysfs-eeh.txt` has them.
    #[must_use]
    pub fn to_sysfs(&self) -> String {
        let line = |(address, function): (PciAddress, &FunctionSpec)| {
            let pe = function.pe.map_or("-".into(), |pe| format!("{pe:#x}"));
            let driver = function.driver.as_ref().map(|driver| format!(" {driver}")).unwrap_or_default();
            let (vendor, device, class) = (function.vendor(), function.device(), function.class());
            format!(
                "/sys/bus/pci/devices/{address} {vendor:#06x} {device:#06x} {class:#08x} eeh={pe} 0x00000078 0x00000800{driver}\n"
            )
        };
        self.functions().map(line).collect()
    }

    /// The address cache, as debugfs `eeh_address_cache` has it: by ascending address.
    #[must_use]
    pub fn to_address_cache(&self) -> String {
        let mut ranges = Vec::new();
        for (address, function) in self.functions() {
            ranges.extend(function.bars.iter().map(|bar| (bar.start, bar.last(), bar.io, address)));
        }
        ranges.sort_unstable_by_key(|(start, ..)| *start);
        let line = |(start, last, io, address): &(u64, u64, bool, PciAddress)| {
            let kind = if *io { "i/o" } else { "mem" };
            format!("{kind} addr range [{start:#018x}-{last:#018x}]: {address}\n")
        };
        ranges.iter().map(line).collect()
    }

    /// The windows, as the boot log has them.
    #[must_use]
    pub fn to_boot_log(&self) -> String {
        let of_phb = |phb: &PhbSpec| phb.windows.iter().map(|w| print_window(phb, w)).collect::<String>();
        self.phbs.iter().map(of_phb).collect()
    }

    /// Writes all of these into a directory from which [`super::Topology::load`] reads them.
    ///
    /// # Errors
    ///
    /// When a file cannot be written.
    pub fn save(&self, directory: &Path) -> io::Result<()> {
        fs::create_dir_all(directory)?;
        fs::write(directory.join("lspci-nnvvxxxx.txt"), self.to_lspci())?;
        fs::write(directory.join("sysfs-eeh.txt"), self.to_sysfs())?;
        fs::write(directory.join("eeh-address-cache.txt"), self.to_address_cache())?;
        fs::write(directory.join("dmesg-boot.txt"), self.to_boot_log())
    }

    /// All functions of all PHBs, in order.
    pub fn functions(&self) -> impl Iterator<Item = (PciAddress, &FunctionSpec)> {
        let of_phb =
            |phb: &PhbSpec, function: &FunctionSpec| PciAddress { phb: phb.number, bdf: function.bdf };
        self.phbs.iter().flat_map(move |phb| phb.functions.iter().map(move |f| (of_phb(phb, f), f)))
    }
}

fn print_function(text: &mut String, address: PciAddress, function: &FunctionSpec) {
    let (class, vendor, device) = (function.class() >> 8, function.vendor(), function.device());
    let mut line = |line: core::fmt::Arguments<'_>| {
        // Writing into a string cannot fail.
        let _ = text.write_fmt(line);
        text.push('\n');
    };
    line(format_args!("{address} Class [{class:04x}]: Device [{vendor:04x}:{device:04x}]"));
    for bar in &function.bars {
        let BarSpec { index, start, .. } = bar;
        let size = print_size(bar.size);
        if bar.io {
            line(format_args!("\tRegion {index}: I/O ports at {start:04x} [size={size}]"));
        } else {
            let width = if bar.is64 { "64-bit" } else { "32-bit" };
            let prefetch = if bar.prefetch { "prefetchable" } else { "non-prefetchable" };
            line(format_args!("\tRegion {index}: Memory at {start:08x} ({width}, {prefetch}) [size={size}]"));
        }
    }
    if let Some(driver) = &function.driver {
        line(format_args!("\tKernel driver in use: {driver}"));
    }
    for (row, bytes) in function.config.chunks(16).enumerate() {
        let bytes: String = bytes.iter().map(|byte| format!(" {byte:02x}")).collect();
        line(format_args!("{:02x}:{bytes}", row * 16));
    }
    line(format_args!(""));
}

fn print_size(size: u64) -> String {
    let units = [(40, "T"), (30, "G"), (20, "M"), (10, "K")];
    let fitting = units.into_iter().find(|(shift, _)| size != 0 && size.trailing_zeros() >= *shift);
    fitting.map_or_else(|| size.to_string(), |(shift, unit)| format!("{}{unit}", size >> shift))
}

fn print_window(phb: &PhbSpec, window: &WindowSpec) -> String {
    let WindowSpec { start, size, bus_start, io, m64 } = *window;
    let kind = if io { "io" } else { "mem" };
    // The kernel leaves the segments of the reserved and the root bus's PE out.
    let reserved = if m64 { size / u64::from(phb.pe_count.max(1)) * 2 } else { 0 };
    let last = window.last().saturating_sub(reserved);
    let suffix = if m64 { " 64bit pref" } else { "" };
    let bus_last = bus_start.wrapping_add(last - start);
    format!(
        "pci_bus {:04x}:00: root bus resource [{kind} {start:#x}-{last:#x}{suffix}] (bus address [{bus_start:#x}-{bus_last:#x}])\n",
        phb.number
    )
}
