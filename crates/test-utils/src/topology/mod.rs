// SPDX-License-Identifier: GPL-2.0-or-later
//! Which machine to simulate: read from real dumps, or made up.

mod address;
mod assemble;
mod bars;
mod beside;
pub mod config;
mod error;
mod load;
mod lspci;
mod model;
mod notes;
mod pe;
mod print;
mod registers;
mod sriov;
mod synthetic;
mod windows;

pub use address::{AddressError, PciAddress};
pub use error::TopologyError;
pub use load::{Beside, Topology};
pub use model::{BarSpec, FunctionSpec, MachineSpec, PhbKind, PhbSpec, WindowSpec};
pub use synthetic::{Synthetic, SyntheticError, synthetic};

#[cfg(test)]
mod tests;
