// SPDX-License-Identifier: GPL-2.0-or-later
//! Whether the machine has what an option or a scenario is about.

use test_utils::topology::{FunctionSpec, MachineSpec, PciAddress};

use super::suggest;
use crate::error::SimError;

/// The machine has this PHB.
pub(crate) fn phb(machine: &MachineSpec, option: &'static str, phb: u32) -> Result<(), SimError> {
    match machine.phb(phb) {
        Some(_) => Ok(()),
        None => Err(SimError::NoPhb { option, phb, hint: suggest::phb(machine) }),
    }
}

/// The machine has this function.
pub(crate) fn function<'a>(
    machine: &'a MachineSpec,
    option: &'static str,
    address: PciAddress,
) -> Result<&'a FunctionSpec, SimError> {
    phb(machine, option, address.phb)?;
    let missing = || SimError::NoDevice { option, address, hint: suggest::device(machine, address) };
    let (number, bdf) = (address.phb, address.bdf);
    // A virtual function may come later: it is like its physical function.
    let virtually = || machine.phb(number)?.physical_function(bdf);
    machine.function(number, bdf).or_else(virtually).ok_or_else(missing)
}

/// Why a function cannot be broken.
pub(crate) fn can_break(function: &FunctionSpec) -> Result<(), &'static str> {
    if function.pe.is_none() {
        Err("has no PE that could freeze")
    } else if !function.bars.iter().any(|bar| !bar.io) {
        Err("has no memory BAR that could be read; break a device that has one")
    } else {
        Ok(())
    }
}

/// The machine has this function, and a load of it can be left without an answer.
pub(crate) fn breakable(
    machine: &MachineSpec,
    option: &'static str,
    address: PciAddress,
) -> Result<(), SimError> {
    can_break(function(machine, option, address)?).map_err(|reason| SimError::Unfit {
        option,
        address,
        reason: reason.to_owned(),
    })
}

/// The machine has this function, and it may have a driver.
pub(crate) fn driver(
    machine: &MachineSpec,
    option: &'static str,
    address: PciAddress,
) -> Result<(), SimError> {
    if function(machine, option, address)?.is_bridge() {
        let reason = "is a bridge, and bridges have no driver here".to_owned();
        return Err(SimError::Unfit { option, address, reason });
    }
    Ok(())
}
