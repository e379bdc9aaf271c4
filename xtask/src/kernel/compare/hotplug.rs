// SPDX-License-Identifier: GPL-2.0-or-later
//! How long a removal and a rescan take on an idle PHB, alone and while another PHB recovers.

use core::time::Duration;

use super::times::{forced, prepare};
use super::{Bench, Entry};
use crate::context::Fallible;
use crate::kernel::boot::Wanted;
use crate::kernel::cases::{self, FOUR};
use crate::kernel::guest::{self, Guest};
use crate::kernel::machine::Machine;

const LONG: Duration = Duration::from_secs(240);

/// Each half a second into the recovery.
pub(super) fn measure(bench: &Bench) -> Fallible<Vec<Entry>> {
    let mut guest = bench.rig.guest("compare-hotplug", Machine::Powernv10, Wanted::plain(""))?;
    prepare(&mut guest)?;
    let [broken, _, _, idle] = FOUR;
    let (remove, rescan) = (format!("remove {idle}"), "rescan");
    let bound = format!("wait_for 30 bound {idle} nvme");
    let quiet_removal = took(&mut guest, &remove)?;
    let quiet_rescan = took(&mut guest, rescan)?;
    guest.must(&bound, LONG)?;
    let function = cases::at(broken)?;
    // So that the next one is one that firmware makes.
    for _ in 0..3 {
        if forced(&mut guest, function)?.usual(function) {
            break;
        }
    }
    let begin = format!("mark elsewhere; recover {broken}; usleep 500000");
    let end = "log_wait elsewhere 'EEH: Recovery successful' 1 60; sleep 1; dmesg -c >/dev/null";
    guest.must(&begin, LONG)?;
    let removal = took(&mut guest, &remove)?;
    guest.must(end, LONG)?;
    guest.must(&begin, LONG)?;
    let found = took(&mut guest, rescan)?;
    guest.must(end, LONG)?;
    guest.must(&bound, LONG)?;
    Ok(vec![
        Entry::number("removal on an idle machine: s", quiet_removal, 2),
        Entry::number("removal while another PHB recovers: s", removal, 2),
        Entry::number("rescan of an idle machine: s", quiet_rescan, 2),
        Entry::number("rescan while another PHB recovers: s", found, 2),
    ])
}

fn took(guest: &mut Guest, line: &str) -> Fallible<f64> {
    let said = guest.must(&guest::timed(line), LONG)?;
    guest::seconds(&said).ok_or_else(|| format!("no times: {said}").into())
}
