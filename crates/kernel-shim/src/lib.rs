// SPDX-License-Identifier: GPL-2.0-or-later
//! Linux implementation of the EEH environment traits.
//!
//! Empty on a host: what belongs here uses the kernel's own crate and is built by Kbuild, with
//! `CONFIG_EEH_RUST` (`crates/kernel-shim/linux/eeh-rs`). It decides nothing about detection or
//! recovery: it says how Linux does what eeh-recovery asks for, and gives C its functions.
//!
//! The only crate with unsafe code: everything else here talks to C through it.
#![no_std]
#![cfg(CONFIG_EEH_RUST)]
#![feature(used_with_arg)]
// All is compiled for size but the checks.
#![feature(optimize_attribute)]

mod bindings;
mod breakage;
mod bus;
mod bus_reset;
mod c_abi;
mod debugfs;
mod debugfs_phb;
mod devices;
mod early;
mod env;
mod files;
mod firmware;
mod helper;
mod history;
mod hotplug;
mod identify;
mod interrupt;
mod late;
mod layout;
mod lock;
mod mailbox;
mod observer;
mod once;
mod opal;
mod params;
mod pci;
mod pci_core;
mod phb;
mod phbs;
#[cfg(CONFIG_RUST_DEBUG_ASSERTIONS)]
mod plant;
mod platform;
mod powernv;
mod presence;
mod printk;
mod probe;
mod procfs;
mod pseries;
mod reporting;
mod request;
mod rtas;
mod seq;
mod sriov;
mod start;
mod state;
mod storage;
mod sysfs;
mod thread;
mod time;
mod token;
mod worker;

pub(crate) use platform::KernelPlatform;
pub(crate) use state::{MAX_PHBS, platform, registry};
