// SPDX-License-Identifier: GPL-2.0-or-later
//! Devices that are found in the middle of the recovery of their PE: their drivers' probes meet a frozen device.
//! What the kernel's shim does for them, the simulated Linux does too.

mod common;

use common::{Done, Scenario, ms};
use eeh_pe::{Bdf, DeviceFlags};
use test_utils::engine::Fault;
use test_utils::opal::Version;
use test_utils::topology::{MachineSpec, PciAddress, Synthetic, synthetic};

const VERSIONS: [fn() -> Version; 2] = [|| Version::Ideal, Version::skiboot];

/// A machine, and the second function of a card in it.
fn machine() -> (MachineSpec, PciAddress) {
    let made = (0..100).filter_map(|seed| synthetic(&Synthetic { phbs: 1, functions: 12, seed }).ok());
    let found = made.into_iter().find_map(|spec| {
        let second =
            spec.functions().find(|(at, f)| at.bdf.function() == 1 && !f.is_bridge() && !f.bars.is_empty());
        let at = second.map(|(at, _)| at)?;
        Some((spec, at))
    });
    found.expect("one of a hundred")
}

/// The function is pulled and pushed in again while the other one hears of the freeze of both, for five seconds.
fn found_late(version: Version, temperament: &str) -> (Done, PciAddress) {
    let (spec, at) = machine();
    let first = Bdf::new(at.bdf.bus(), at.bdf.device(), 0).expect("a card");
    let name = |bdf: Bdf| format!("{:04x}:{bdf}", at.phb);
    let beside = |o: &PciAddress| o.phb == at.phb && o.bdf.bus() == at.bdf.bus();
    let card: Vec<PciAddress> = spec.functions().map(|(o, _)| o).filter(beside).collect();
    let mut scenario = Scenario::of(spec).firmware(version);
    // Nobody needs a reset: nothing is removed and added back.
    for function in card {
        scenario = scenario.driver(&name(function.bdf), "aware,can-recover");
    }
    let done = scenario
        .driver(&name(first), "aware,can-recover,slow=5s")
        .driver(&name(at.bdf), temperament)
        .at(ms(10), Fault::Freeze(at.phb, first))
        .at(ms(1000), Fault::Pull(at.phb, at.bdf))
        .at(ms(2000), Fault::Push(at.phb, at.bdf))
        .run();
    (done, at)
}

/// The flags of the function, and the command register that is saved of it.
fn known(done: &Done, at: PciAddress) -> (DeviceFlags, u32) {
    let id = done.linux.device(at.phb, at.bdf).expect("it is there").eeh().expect("EEH knows it");
    let tree = done.linux.registry().tree(id.tree()).expect("it is there");
    let guard = tree.lock();
    let device = guard.device(id).expect("live");
    (device.flags(), device.saved_config()[1])
}

#[test]
fn a_device_that_comes_during_a_recovery_gets_its_driver_afterwards() {
    for version in VERSIONS {
        let (done, at) = found_late(version(), "aware,can-recover");
        assert_eq!(done.count("probe failed: the device does not answer"), 1, "{}", done.log());
        assert_eq!(done.linux.works(at.phb, at.bdf), Ok(()), "{}", done.log());
        assert!(!known(&done, at).0.contains(DeviceFlags::LATE), "it would be probed again");
        done.assert_clean();
    }
}

#[test]
fn what_firmware_gives_a_device_that_comes_late_is_saved_with_it() {
    let (done, at) = found_late(Version::skiboot(), "aware,can-recover");
    let (_, command) = known(&done, at);
    // Parity and SERR, as skiboot's `pci_device_init` has it; a card has neither when it is pushed in.
    assert_eq!(command & 0x140, 0x140, "{command:#x}\n{}", done.log());
}

#[test]
fn a_late_device_whose_probe_fails_again_stays_without_a_driver() {
    for version in VERSIONS {
        let (done, at) = found_late(version(), "aware,can-recover,fail=probe");
        let device = done.linux.device(at.phb, at.bdf).expect("it is there");
        assert!(device.driver().is_none(), "{}", done.log());
        assert_eq!(done.count("probe failed"), 2, "once again, and no more\n{}", done.log());
        assert!(!known(&done, at).0.contains(DeviceFlags::LATE));
    }
}
