// SPDX-License-Identifier: GPL-2.0-or-later
//! Linux boots on the machines of the fixtures, and devices come and go.

use std::path::Path;

use eeh_pe::Bdf;
use test_utils::linux::{HotplugError, Options, SimLinux};
use test_utils::topology::{MachineSpec, Topology};

fn fixture(name: &str) -> MachineSpec {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(name);
    Topology::load(path).expect("the fixture is readable")
}

fn boot(name: &str) -> SimLinux {
    SimLinux::boot(&fixture(name), &Options::default()).expect("the fixture boots")
}

fn nvme_behind_switch() -> (u32, Bdf) {
    (2, Bdf::new(3, 0, 0).expect("valid"))
}

/// Runs what no lock stands against, in virtual time.
fn now<F: core::future::Future>(linux: &SimLinux, future: F) -> F::Output {
    linux.virtual_time().expect("virtual").run(future)
}

#[test]
fn every_function_of_the_fixtures_works_and_has_the_pe_that_linux_gave_it() {
    for name in ["powernv9", "powernv10"] {
        let (spec, linux) = (fixture(name), boot(name));
        for phb in &spec.phbs {
            for function in &phb.functions {
                assert_eq!(linux.works(phb.number, function.bdf), Ok(()), "{name} {}", function.bdf);
                let device = linux.device(phb.number, function.bdf).expect("found by the scan");
                let view = linux.registry().peek_device(device.eeh().expect("known to EEH")).expect("live");
                let pe = linux.registry().peek(view.pe).expect("live");
                assert_eq!(Some(pe.number.0), function.pe, "{name} {}", function.bdf);
            }
        }
    }
}

#[test]
fn a_pe_is_below_the_pe_of_the_bridge_above() {
    let linux = boot("powernv10");
    let mut chain = Vec::new();
    let (phb, bdf) = nvme_behind_switch();
    let device = linux.device(phb, bdf).expect("there").eeh().expect("known");
    let mut at = linux.registry().peek_device(device).map(|view| view.pe);
    while let Some(view) = at.and_then(|id| linux.registry().peek(id)) {
        chain.push(view.number.0);
        at = view.parent;
    }
    assert_eq!(chain, [0xfb, 0xfc, 0xfd, 0xfe, 0], "endpoint, switch ports, root port, PHB");
}

#[test]
fn bars_lead_to_their_devices() {
    let (spec, linux) = (fixture("powernv10"), boot("powernv10"));
    let mut checked = 0;
    for phb in &spec.phbs {
        for function in phb.functions.iter().filter(|f| !f.is_bridge()) {
            let id = linux.device(phb.number, function.bdf).expect("there").eeh();
            for bar in &function.bars {
                assert_eq!(linux.registry().lookup(bar.start), id, "{}", function.bdf);
                assert_eq!(linux.registry().lookup(bar.last()), id, "{}", function.bdf);
                checked += 1;
            }
        }
    }
    assert!(checked >= 14, "{checked}");
}

#[test]
fn a_removed_switch_takes_all_below_along_and_a_rescan_brings_it_back() {
    let linux = boot("powernv10");
    let switch = Bdf::new(1, 0, 0).expect("valid");
    let before = linux.phb(2).expect("there").devices().len();
    let (phb, nvme) = nvme_behind_switch();
    let old = linux.device(phb, nvme).expect("there").eeh().expect("known");

    now(&linux, linux.remove(2, switch)).expect("there");
    assert_eq!(linux.phb(2).expect("there").devices().len(), 1, "the root port is left");
    assert_eq!(linux.device(phb, nvme).err(), Some(HotplugError::NoDevice(phb, nvme)));
    assert!(linux.registry().peek_device(old).is_none(), "its handle is stale");
    let tree = linux.registry().find_phb(eeh_pe::PhbNumber(2)).expect("there");
    assert_eq!(linux.registry().tree(tree).expect("there").orphans(linux.now()).count(), 0);

    assert_eq!(now(&linux, linux.rescan(2)), Ok(before - 1));
    assert_eq!(linux.works(phb, nvme), Ok(()));
    assert_ne!(linux.device(phb, nvme).expect("there").eeh(), Some(old));
}

#[test]
fn a_phb_can_be_removed_and_added_under_the_same_number() {
    let (spec, linux) = (fixture("powernv10"), boot("powernv10"));
    let first = linux.phb(4).expect("there").tree();
    now(&linux, linux.remove_phb(4)).expect("there");
    assert!(linux.phb(4).is_none() && linux.registry().tree(first).is_none_or(|t| !t.is_live()));
    let phb = std::sync::Arc::new(spec.phb(4).expect("there").clone());
    let second = now(&linux, linux.add_phb(&phb)).expect("room");
    assert_ne!(first, second);
    for function in &phb.functions {
        assert_eq!(linux.works(4, function.bdf), Ok(()), "{}", function.bdf);
    }
    assert_eq!(now(&linux, linux.add_phb(&phb)), Err(HotplugError::CannotAdd(4)));
}

#[test]
fn configuration_space_that_eeh_blocks_reads_as_all_ones_and_nobody_asks_firmware() {
    let linux = boot("powernv10");
    let (phb, bdf) = nvme_behind_switch();
    let device = linux.device(phb, bdf).expect("there");
    let pe = linux.registry().peek_device(device.eeh().expect("known")).expect("live").pe;
    let hold = linux.registry().get(pe).expect("live");
    assert_eq!(linux.config_read(&device, 0, 4), 0x0010_1b36);
    let tree = hold.tree().expect("live");
    tree.lock().mark_subtree(pe, eeh_pe::PeFlags::CFG_BLOCKED);
    let checks = || linux.registry().stats().sum(eeh_pe::Counter::TotalMmioFfs);
    let before = checks();
    assert_eq!(linux.config_read(&device, 0, 4), u32::MAX);
    linux.config_write(&device, 4, 2, 0);
    assert_eq!(checks(), before, "all ones of a blocked PE are nothing to check");
    tree.lock().clear_subtree(pe, eeh_pe::PeFlags::CFG_BLOCKED, eeh_pe::Passed::Include);
    assert_eq!(linux.config_read(&device, 4, 2) & 6, 6, "the write was dropped");
}
