// SPDX-License-Identifier: GPL-2.0-or-later
//! Owners, drivers and administrators against freezes, fences, hotplug and virtual functions, at random.

mod common;

use common::{Scenario, address, both, ms};
use eeh_recovery::ChannelState;
use test_utils::engine::Fault;
use test_utils::linux::Wish;

const DEVICES: [&str; 6] =
    ["0002:03:00.0", "0002:04:00.0", "0002:05:00.0", "0003:01:00.0", "0003:01:10.0", "0003:01:10.2"];

struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides
    }
}

fn fault(dice: &mut Dice, hotplug: bool) -> Fault {
    let at = address(DEVICES[dice.roll(DEVICES.len())]);
    let (phb, bdf) = (at.phb, at.bdf);
    let wishes = [
        Wish::Open,
        Wish::Open,
        Wish::Release,
        Wish::Recover,
        Wish::Recover,
        Wish::WriteState,
        Wish::Reset,
        Wish::ResetAndRecover,
    ];
    match dice.roll(16) {
        0..3 => Fault::Freeze(phb, bdf),
        3 => Fault::Fence(phb),
        // Not the physical function: the PCI core itself locks up when that is removed while somebody
        // writes its `sriov_numvfs`.
        4 if hotplug && at != address("0003:01:00.0") => Fault::Remove(phb, bdf),
        5 if hotplug => Fault::Rescan(phb),
        6 if hotplug => {
            let pf = address("0003:01:00.0");
            Fault::WriteNumVfs(pf.phb, pf.bdf)
        }
        _ => Fault::Wish(phb, bdf, wishes[dice.roll(wishes.len())]),
    }
}

#[test]
fn a_device_that_was_isolated_in_its_owners_hands_is_usable_when_it_is_thawed() {
    for (firmware, thaw) in [Wish::Release, Wish::Thaw, Wish::WriteState, Wish::ResetAndRecover]
        .into_iter()
        .flat_map(|thaw| both().map(|firmware| (firmware, thaw)))
    {
        let at = address("0002:03:00.0");
        let wish = |wish| Fault::Wish(at.phb, at.bdf, wish);
        let done = Scenario::on("powernv10")
            .firmware(firmware)
            .at(ms(10), wish(Wish::Open))
            .at(ms(100), wish(Wish::Mark))
            .at(ms(1000), wish(thaw))
            .at(ms(9000), wish(Wish::Release))
            .run();
        let state = done.linux.device(at.phb, at.bdf).expect("it is there").channel_state();
        assert_eq!(state, ChannelState::Normal, "{thaw}: its channel stays {state:?}\n{}", done.log());
        done.assert_clean();
    }
}

#[test]
fn whoever_asks_for_whatever_nothing_is_left_frozen_marked_or_waiting() {
    for seed in 0..60 {
        // Both with hotplug, and both without.
        let firmware = both()[seed as usize / 2 % 2];
        let mut dice = Dice(seed);
        let hotplug = seed % 2 == 0;
        let mut scenario = Scenario::on("powernv10").firmware(firmware).seed(seed);
        scenario = scenario.options(|o| o.params.max_freezes = 1000);
        let mut now = 10;
        for _ in 0..40 {
            scenario = scenario.at(ms(now), fault(&mut dice, hotplug));
            now += dice.roll(900) as u64;
        }
        // In the end everything is given back; more often than it was taken is harmless.
        for device in DEVICES.map(address) {
            for nth in 0..20 {
                let release = Fault::Wish(device.phb, device.bdf, Wish::Release);
                scenario = scenario.at(ms(now + 60_000 + nth), release);
            }
            // A reset that its driver never ended is ended.
            let write = Fault::Wish(device.phb, device.bdf, Wish::WriteState);
            scenario = scenario.at(ms(now + 120_000), write);
        }
        let done = scenario.run();
        assert_eq!(done.run.stuck, 0, "seed {seed}: a task never comes back\n{}", done.log());
        for phb in [2, 3] {
            let (asserted, released) = done.linux.hardware(phb).expect("it is there").wire().pairs();
            assert_eq!(asserted, released, "seed {seed}: a reset was never released\n{}", done.log());
        }
        // What is pulled out of a guest's hands stays frozen until somebody finds it so.
        if !hotplug {
            done.assert_clean();
        }
    }
}
