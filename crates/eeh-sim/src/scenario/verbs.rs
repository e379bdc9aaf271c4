// SPDX-License-Identifier: GPL-2.0-or-later
//! What can be done to a machine, in words.

use test_utils::drivers::Temperament;
use test_utils::engine::Fault;
use test_utils::linux::Wish;
use test_utils::topology::{MachineSpec, PciAddress};

use crate::cli::PhbArg;
use crate::options::check;

/// The verbs, what they are done to, and their meaning.
pub(crate) const VERBS: [(&str, &str, &str); 26] = [
    ("break", "BDF", "a load of the device is not answered, and its driver reads all ones"),
    ("freeze", "BDF", "the device's PE freezes, and only firmware notices"),
    ("fence", "PHB", "the PHB is fenced"),
    ("kill", "PHB", "the PHB is broken for good"),
    ("remove", "BDF", "the device is removed with all below it"),
    ("rescan", "PHB", "the PHB is scanned for new devices"),
    ("pull", "BDF", "the card is pulled, and removed when Linux notices"),
    ("push", "BDF", "a card that was pulled is pushed in again, and found"),
    ("remove-phb", "PHB", "the PHB is removed"),
    ("add-phb", "PHB", "a PHB that was removed is added again"),
    ("remove-slot", "BDF", "the device's slot leaves the partition (pseries)"),
    ("add-slot", "BDF", "a slot that left the partition joins it again (pseries)"),
    ("unbind", "BDF", "the device's driver is unbound"),
    ("bind", "BDF", "a driver is bound to the device"),
    ("numvfs", "BDF", "the device's virtual functions are switched on, or off, by `sriov_numvfs`"),
    ("open", "BDF", "the device is passed through to a guest"),
    ("release", "BDF", "the guest gives it back"),
    ("guest", "BDF", "the guest looks at the device's state, and recovers it where it has to"),
    ("write-state", "BDF", "an administrator writes to the device's `eeh_pe_state`"),
    ("thaw", "BDF", "a hotplug driver thaws the device's PE"),
    ("mark", "BDF", "a hotplug driver marks the device's PE isolated, and tells nobody"),
    ("force", "BDF", "an administrator has the device's PE recovered, whatever its state"),
    ("pcie-reset", "BDF", "the device's driver resets its slot"),
    ("reset-and-recover", "BDF", "the device's slot is reset without its driver"),
    ("driver", "BDF WORDS", "from its next binding on, the device's driver behaves like this"),
    ("recovery", "on|off", "recovery is enabled or disabled"),
];

/// What a verb asks for.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Deed {
    /// Something done to the machine.
    Fault(Fault),
    /// A driver's temperament changes.
    Driver(PciAddress, Temperament),
    /// Recovery is switched on or off.
    Recovery(bool),
}

/// Reads a deed and checks it against the machine.
pub(super) fn parse(machine: &MachineSpec, text: &str) -> Result<Deed, String> {
    let (verb, rest) = text.split_once(' ').unwrap_or((text, ""));
    let (known, wants, _) = VERBS.iter().find(|(known, ..)| *known == verb).ok_or_else(|| {
        let all: Vec<&str> = VERBS.iter().map(|(verb, ..)| *verb).collect();
        format!("there is no verb `{verb}`; there are {}", all.join(", "))
    })?;
    let rest = rest.trim();
    if rest.is_empty() {
        return Err(format!("{known}: {wants} is expected behind it"));
    }
    deed(machine, known, rest).map_err(|error| match error.strip_prefix(&format!("{known}: ")) {
        Some(_) => error,
        None => format!("{known}: {error}"),
    })
}

fn deed(machine: &MachineSpec, verb: &'static str, rest: &str) -> Result<Deed, String> {
    if verb == "recovery" {
        return match rest {
            "on" => Ok(Deed::Recovery(true)),
            "off" => Ok(Deed::Recovery(false)),
            _ => Err(format!("`on` or `off` is expected, found `{rest}`")),
        };
    }
    if let Some(fault) = of_phb(verb) {
        let PhbArg(phb) = rest.parse()?;
        check::phb(machine, verb, phb).map_err(|error| error.to_string())?;
        return Ok(Deed::Fault(fault(phb)));
    }
    let (address, words) = rest.split_once(' ').unwrap_or((rest, ""));
    let address: PciAddress =
        address.parse().map_err(|error: test_utils::topology::AddressError| error.to_string())?;
    let checked = match verb {
        "break" => check::breakable(machine, verb, address),
        "driver" => check::driver(machine, verb, address),
        _ => check::function(machine, verb, address).map(drop),
    };
    checked.map_err(|error| error.to_string())?;
    if verb == "driver" {
        let words: Result<Temperament, _> = words.trim().parse();
        return Ok(Deed::Driver(address, words.map_err(|error| error.to_string())?));
    }
    if !words.is_empty() {
        return Err(format!("nothing is expected behind {address}, found `{words}`"));
    }
    let (phb, bdf) = (address.phb, address.bdf);
    let fault = of_device(verb).ok_or("does nothing")?;
    Ok(Deed::Fault(fault(phb, bdf)))
}

fn of_phb(verb: &str) -> Option<fn(u32) -> Fault> {
    Some(match verb {
        "fence" => Fault::Fence,
        "kill" => Fault::Kill,
        "rescan" => Fault::Rescan,
        "remove-phb" => Fault::RemovePhb,
        "add-phb" => Fault::AddPhb,
        _ => return None,
    })
}

fn of_device(verb: &str) -> Option<fn(u32, eeh_pe::Bdf) -> Fault> {
    Some(match verb {
        "break" => Fault::Break,
        "freeze" => Fault::Freeze,
        "remove" => Fault::Remove,
        "pull" => Fault::Pull,
        "push" => Fault::Push,
        "remove-slot" => Fault::RemoveSlot,
        "add-slot" => Fault::AddSlot,
        "unbind" => Fault::Unbind,
        "bind" => Fault::Bind,
        "numvfs" => Fault::WriteNumVfs,
        "open" => |phb, bdf| Fault::Wish(phb, bdf, Wish::Open),
        "release" => |phb, bdf| Fault::Wish(phb, bdf, Wish::Release),
        "guest" => |phb, bdf| Fault::Wish(phb, bdf, Wish::Recover),
        "write-state" => |phb, bdf| Fault::Wish(phb, bdf, Wish::WriteState),
        "thaw" => |phb, bdf| Fault::Wish(phb, bdf, Wish::Thaw),
        "mark" => |phb, bdf| Fault::Wish(phb, bdf, Wish::Mark),
        "force" => |phb, bdf| Fault::Wish(phb, bdf, Wish::Force),
        "pcie-reset" => |phb, bdf| Fault::Wish(phb, bdf, Wish::Reset),
        "reset-and-recover" => |phb, bdf| Fault::Wish(phb, bdf, Wish::ResetAndRecover),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_utils::topology::{Synthetic, synthetic};

    #[test]
    fn every_verb_does_something() {
        let machine = synthetic(&Synthetic { phbs: 1, functions: 8, seed: 0 }).expect("a machine");
        let device = machine.functions().find(|(_, f)| check::can_break(f).is_ok()).expect("a device").0;
        for (verb, wants, _) in VERBS {
            let object = match wants {
                "BDF" => device.to_string(),
                "PHB" => "0".to_owned(),
                "BDF WORDS" => format!("{device} slow=2s,aware"),
                _ => wants.split('|').next().unwrap_or_default().to_owned(),
            };
            let text = format!("{verb} {object}");
            assert!(parse(&machine, &text).is_ok(), "{text}: {:?}", parse(&machine, &text));
            assert!(parse(&machine, verb).is_err(), "{verb} alone");
            assert!(parse(&machine, &format!("{verb} nonsense more")).is_err(), "{verb}");
        }
    }
}
