// SPDX-License-Identifier: GPL-2.0-or-later
//! The tree for Graphviz: a cluster per PHB, boxes for PEs, ellipses for devices.

use super::view::{DeviceView, MachineView, PeView, PhbView};

/// A directed graph.
pub(super) fn draw(machine: &MachineView) -> String {
    let mut lines = vec![
        "digraph machine {".to_owned(),
        "  rankdir=LR;".to_owned(),
        "  node [fontname=\"monospace\", fontsize=10];".to_owned(),
    ];
    for phb in &machine.phbs {
        draw_phb(phb, &mut lines);
    }
    lines.extend(machine.notes.iter().map(|note| format!("  // note: {}", note.replace('\n', " "))));
    lines.push("}".to_owned());
    lines.join("\n")
}

fn draw_phb(phb: &PhbView, lines: &mut Vec<String>) {
    lines.push(format!("  subgraph {} {{", quote(&format!("cluster {}", phb.name))));
    lines.push(format!("    label={};", quote(&format!("{} {}", phb.name, phb.kind))));
    phb.pe.iter().for_each(|pe| draw_pe(pe, lines));
    phb.without_pe.iter().for_each(|device| draw_device(device, lines));
    lines.push("  }".to_owned());
}

fn draw_pe(pe: &PeView, lines: &mut Vec<String>) {
    let mut label = vec![pe.name.clone(), format!("{} refs", pe.references)];
    label.extend(pe.location.clone());
    label.extend(pe.flags.iter().map(|flag| (*flag).to_owned()));
    let frozen = pe.flags.contains(&"ISOLATED");
    let color = if frozen { ", color=red" } else { "" };
    lines.push(format!("    {} [shape=box, label={}{color}];", quote(&pe.name), quote(&label.join("\n"))));
    for device in &pe.devices {
        draw_device(device, lines);
        lines.push(format!("    {} -> {};", quote(&pe.name), quote(&device.address)));
    }
    for child in &pe.children {
        draw_pe(child, lines);
        lines.push(format!("    {} -> {} [style=bold];", quote(&pe.name), quote(&child.name)));
    }
}

fn draw_device(device: &DeviceView, lines: &mut Vec<String>) {
    let mut label = vec![device.address.clone(), device.id.clone()];
    label.extend(device.driver.clone());
    label.extend(device.bridge_to.as_ref().map(|buses| format!("bridge to {buses}")));
    lines.push(format!("    {} [label={}];", quote(&device.address), quote(&label.join("\n"))));
}

/// A string of Graphviz's language.
fn quote(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    format!("\"{escaped}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_escaped() {
        assert_eq!(quote("a\"b\\c\nd"), r#""a\"b\\c\nd""#);
    }
}
