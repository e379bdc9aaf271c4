// SPDX-License-Identifier: GPL-2.0-or-later
//! What somebody may have meant who named something that does not exist.

use test_utils::topology::{MachineSpec, PciAddress};

/// How many suggestions help.
const MOST: usize = 4;

/// Devices like the one that does not exist: at the same place of other PHBs, then near on the same.
pub(super) fn device(machine: &MachineSpec, wanted: PciAddress) -> String {
    let all = machine.functions().map(|(address, _)| address);
    let mut near: Vec<PciAddress> =
        all.filter(|address| address.bdf == wanted.bdf || address.phb == wanted.phb).collect();
    near.sort_by_key(|address| {
        let other_place = address.bdf != wanted.bdf;
        (other_place, address.bdf.0.abs_diff(wanted.bdf.0), address.phb)
    });
    if near.is_empty() {
        return phb(machine);
    }
    format!(
        "did you mean {}?",
        list(&near.iter().take(MOST).map(ToString::to_string).collect::<Vec<_>>(), "or")
    )
}

/// The PHBs that there are.
pub(super) fn phb(machine: &MachineSpec) -> String {
    let numbers: Vec<String> =
        machine.phbs.iter().take(2 * MOST).map(|phb| format!("{:x}", phb.number)).collect();
    let more = if machine.phbs.len() > numbers.len() { " and more" } else { "" };
    match numbers.len() {
        0 => "it has no PHB".to_owned(),
        1 => format!("its only PHB is {}", numbers.concat()),
        _ if more.is_empty() => format!("its PHBs are {}", list(&numbers, "and")),
        _ => format!("its PHBs are {}{more}", numbers.join(", ")),
    }
}

fn list(names: &[String], last_with: &str) -> String {
    match names.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} {last_with} {last}", rest.join(", ")),
        None => String::new(),
    }
}
