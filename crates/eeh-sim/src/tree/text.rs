// SPDX-License-Identifier: GPL-2.0-or-later
//! The tree for people.

use super::view::{DeviceView, MachineView, PeView, PhbView, RangeView};

/// A line per PHB, PE and device; then the notes.
pub(super) fn draw(machine: &MachineView) -> String {
    let mut lines = Vec::new();
    for phb in &machine.phbs {
        draw_phb(phb, &mut lines);
        lines.push(String::new());
    }
    lines.extend(machine.notes.iter().map(|note| format!("note: {note}")));
    if machine.phbs.is_empty() {
        lines.push("no PHB".to_owned());
    }
    lines.join("\n")
}

fn draw_phb(phb: &PhbView, lines: &mut Vec<String>) {
    let location = phb.location.as_deref().unwrap_or("N/A");
    lines.push(format!("{}  {}, {} PEs, location {location}", phb.name, phb.kind, phb.pe_count));
    lines.extend(phb.windows.iter().map(|window| format!("  {}", range(window))));
    match &phb.pe {
        Some(pe) => draw_pe(pe, "  ", "  ", lines),
        None => lines.push("  without EEH".to_owned()),
    }
    for device in &phb.without_pe {
        lines.push(format!("  without PE: {}", device_line(device)));
    }
}

/// `first` begins the PE's own line, `rest` those below it.
fn draw_pe(pe: &PeView, first: &str, rest: &str, lines: &mut Vec<String>) {
    let name = match pe.number {
        Some(number) => format!("PE#{number:x}"),
        None => "PHB PE".to_owned(),
    };
    let location = pe.location.as_ref().map(|location| format!(" at {location}")).unwrap_or_default();
    lines.push(format!(
        "{first}{name} ({}){location}, {}{}",
        pe.kind,
        references(pe.references),
        flags(&pe.flags)
    ));
    let count = pe.devices.len() + pe.children.len();
    let branches = |index: usize| if index + 1 == count { ("└─ ", "   ") } else { ("├─ ", "│  ") };
    for (index, device) in pe.devices.iter().enumerate() {
        lines.push(format!("{rest}{}{}", branches(index).0, device_line(device)));
    }
    for (index, child) in pe.children.iter().enumerate() {
        let (own, below) = branches(pe.devices.len() + index);
        draw_pe(child, &format!("{rest}{own}"), &format!("{rest}{below}"), lines);
    }
}

fn device_line(device: &DeviceView) -> String {
    let mut line = format!("{} {} [{}]", device.address, device.id, device.class);
    if let Some(buses) = &device.bridge_to {
        line += &format!(" bridge to {buses}");
    }
    if let Some(driver) = &device.driver {
        line += &format!(" driver {driver}");
    }
    let refs =
        if device.references == 0 { String::new() } else { format!(", {}", references(device.references)) };
    line + &refs + &flags(&device.flags)
}

fn references(count: u32) -> String {
    if count == 1 { "1 reference".to_owned() } else { format!("{count} references") }
}

fn flags(flags: &[&str]) -> String {
    if flags.is_empty() { String::new() } else { format!(", {}", flags.join("|")) }
}

fn range(range: &RangeView) -> String {
    format!("{} {}-{}", range.kind, range.first, range.last)
}
