// SPDX-License-Identifier: GPL-2.0-or-later
//! Checks addresses and devices in a tight loop, as interrupt handlers of drivers do.

use core::sync::atomic::Ordering;
use core::time::Duration;
use std::thread;
use std::time::Instant;

use eeh_pe::DeviceId;

use super::field::{Actor, Field};

/// Checks in a row, between two looks at the clock.
const BATCH: usize = 2048;
/// How long handles are kept, stale ones among them.
const KEEP: Duration = Duration::from_millis(50);

/// What there is to check.
struct Targets {
    addresses: Vec<u64>,
    devices: Vec<DeviceId>,
    since: Instant,
}

impl Targets {
    fn look(field: &Field<'_>) -> Self {
        let (mut addresses, mut devices) = (Vec::new(), Vec::new());
        for device in field.linux.phbs().iter().flat_map(|phb| phb.devices()) {
            devices.extend(device.eeh());
            addresses.extend(device.identity().bars.iter().map(|bar| bar.start));
        }
        // One that no device has.
        addresses.push(0x10);
        Self { addresses, devices, since: Instant::now() }
    }
}

/// Checks until the storm is over.
pub(super) fn run(mut actor: Actor<'_, '_>) {
    let field = actor.field;
    let linux = actor.linux();
    let mut targets = Targets::look(field);
    while !field.silent.load(Ordering::Acquire) {
        actor.pulse.does("checking");
        // A run of neighbours from a random place: the choice costs more than the check.
        let (a, d) = (actor.below(targets.addresses.len()), actor.below(targets.devices.len()));
        let addresses = targets.addresses.iter().cycle().skip(a);
        let mut devices = targets.devices.iter().cycle().skip(d);
        for address in addresses.take(BATCH / 2) {
            let _ = linux.check_address(*address);
            if let Some(device) = devices.next() {
                let _ = linux.check_device(*device);
            }
        }
        let done = if targets.devices.is_empty() { BATCH / 2 } else { BATCH };
        field.counts.checks.fetch_add(u64::try_from(done).unwrap_or(0), Ordering::Relaxed);
        if targets.since.elapsed() > KEEP {
            targets = Targets::look(field);
        }
        thread::yield_now();
    }
    actor.pulse.rests();
}
