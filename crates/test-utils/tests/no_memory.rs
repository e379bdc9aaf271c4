// SPDX-License-Identifier: GPL-2.0-or-later
//! Storage that cannot be had, every reservation of a boot, one at a time: either the machine says what is
//! missing before it begins, or one device works without EEH, one line says so, and all else is as ever.

use test_utils::linux::{BootError, Options, SimEnv, SimLinux};
use test_utils::topology::{Synthetic, synthetic};

#[test]
fn every_reservation_may_fail_and_costs_a_device_its_eeh_at_most() {
    let machine = synthetic(&Synthetic { phbs: 1, functions: 400, seed: 0 }).expect("a machine");
    let (mut refused, mut without) = (0, 0);
    for nth in 1.. {
        SimEnv::refuse_nth(Some(nth));
        let booted = SimLinux::boot(&machine, &Options::default());
        if SimEnv::refuse_nth(None) {
            break;
        }
        let linux = match booted {
            Ok(linux) => linux,
            Err(BootError::NoMemory | BootError::Phb(_)) => {
                refused += 1;
                continue;
            }
            Err(error) => panic!("reservation {nth}: {error}"),
        };
        let log = linux.console().take();
        let lines = log.iter().filter(|line| line.text.contains("works without EEH")).count();
        let all: Vec<_> = linux.phbs().into_iter().flat_map(|phb| phb.devices()).collect();
        let lost = all.iter().filter(|device| device.eeh().is_none()).count();
        assert_eq!((lines, lost), (1, 1), "reservation {nth}");
        for device in all {
            assert_eq!(linux.works(device.phb_number(), device.bdf()), Ok(()), "reservation {nth}: {device}");
        }
        without += 1;
    }
    assert!(refused > 0 && without > 0, "{refused} refused, {without} without EEH");
}
