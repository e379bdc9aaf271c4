// SPDX-License-Identifier: GPL-2.0-or-later
//! From the last fault to the verdict: waiting without waiting for ever, and putting everything back.

use core::time::Duration;
use std::process;
use std::thread::{self, Scope, ScopedJoinHandle};
use std::time::Instant;

use eeh_pe::Bdf;
use test_utils::task::block_on;

use super::field::Field;
use super::{phbs, verdict};

/// The last recoveries end within that.
const QUIET: Duration = Duration::from_secs(30);
/// Nobody was at work for so long: it is quiet.
const STILL: Duration = Duration::from_millis(150);

/// Ends the program when a thread hangs, and names what hangs: threads that hang cannot be joined.
pub(super) fn watch(field: &Field<'_>) {
    let stuck = field.pulses.stuck(field.patience);
    if stuck.is_empty() {
        return;
    }
    eprintln!("error: the storm hangs");
    for thread in stuck {
        eprintln!("  {thread}");
    }
    if field.linux.rescan_lock().is_held() {
        eprintln!("  the rescan lock is held");
    }
    for device in field.linux.phbs().iter().flat_map(|phb| phb.devices()) {
        if device.device_lock().is_held() {
            eprintln!("  the lock of {device} is held");
        }
    }
    process::exit(1);
}

/// Waits for threads to end.
pub(super) fn join(field: &Field<'_>, threads: Vec<ScopedJoinHandle<'_, ()>>) {
    for thread in threads {
        while !thread.is_finished() {
            watch(field);
            thread::sleep(Duration::from_millis(5));
        }
        if thread.join().is_err() {
            field.find("an actor panicked".to_owned());
        }
    }
}

/// Waits until no worker and no helper has anything to do, also of those that the host has not let run
/// since they were woken.
pub(super) fn quiet(field: &Field<'_>) -> Vec<String> {
    let begin = Instant::now();
    let mut still = Instant::now();
    let mut last = field.pool.activity();
    while still.elapsed() < STILL {
        watch(field);
        thread::sleep(Duration::from_millis(5));
        let now = field.pool.activity();
        if now != last || now.0 != 0 || !field.linux.mailboxes().are_empty() {
            last = now;
            still = Instant::now();
        }
        if begin.elapsed() > QUIET {
            let mut wrong = vec![format!("it is not quiet after {QUIET:?}")];
            wrong.extend(field.pulses.stuck(Duration::ZERO));
            return wrong;
        }
    }
    Vec::new()
}

/// Reads from every device: nobody else may have done so since it froze, and a partition has no
/// interrupt that tells of it.
fn look_at_all(field: &Field<'_>) {
    for device in field.linux.phbs().iter().flat_map(|phb| phb.devices()) {
        let _ = field.linux.config_read(&device, 0, 4);
    }
}

/// What is there must work.
pub(super) fn survivors(field: &Field<'_>) -> Vec<String> {
    let mut wrong = quiet(field);
    bind_all(field);
    look_at_all(field);
    wrong.extend(quiet(field));
    wrong.extend(check(field, "after the storm"));
    wrong
}

/// Puts everything back; then all of it must work.
pub(super) fn everything_back<'scope, 'env>(
    field: &'scope Field<'env>,
    scope: &'scope Scope<'scope, '_>,
) -> Vec<String>
where
    'env: 'scope,
{
    let linux = field.linux;
    let mut wrong = Vec::new();
    for spec in &field.specs {
        let number = spec.number;
        if linux.hardware(number).is_some_and(|hardware| hardware.is_dead()) {
            phbs::remove(field, number);
        }
        if linux.phb(number).is_none()
            && let Err(error) = phbs::add(field, scope, spec)
        {
            wrong.push(format!("PHB {number:04x} does not come back: {error}"));
        }
        if let Some(hardware) = linux.hardware(number) {
            spec.functions.iter().for_each(|function| {
                hardware.push(function.bdf);
            });
        }
        // Fresh cards need time before they answer.
        linux.machine().clock().spend(Duration::from_secs(5));
        if let Err(error) = block_on(linux.rescan(number)) {
            wrong.push(format!("PHB {number:04x} cannot be scanned: {error}"));
        }
    }
    bind_all(field);
    look_at_all(field);
    wrong.extend(quiet(field));
    wrong.extend(check(field, "with everything back"));
    for spec in &field.specs {
        let number = spec.number;
        let missing = spec.functions.iter().filter(|function| linux.device(number, function.bdf).is_err());
        wrong.extend(missing.map(|function| {
            format!("{number:04x}:{} did not come back: {}", function.bdf, why(field, number, function.bdf))
        }));
    }
    wrong
}

/// What can be seen of a function that was not found.
fn why(field: &Field<'_>, number: u32, bdf: Bdf) -> String {
    let linux = field.linux;
    let (Some(phb), Some(hardware)) = (linux.phb(number), linux.hardware(number)) else {
        return "it has no PHB".to_owned();
    };
    let id = linux.raw_config_read(&phb, bdf, 0, 4);
    let buses = phb.bridge_to(bdf.bus()).map(|bridge| linux.raw_config_read(&phb, bridge.bdf(), 0x18, 4));
    let (present, resets) = (hardware.is_present(bdf), hardware.resets(bdf));
    let pe = hardware.pe_of(bdf).map(|pe| (pe, hardware.stopped(pe)));
    let history = hardware.history();
    let last = history.get(history.len().saturating_sub(8)..).unwrap_or_default();
    format!(
        "present {present}, answers {id:#x}, bus numbers above it {buses:x?}, PE {pe:x?}, fenced {}, error raised \
         {}, {resets:?}; at {:?}, after {last:x?}",
        hardware.is_fenced(),
        hardware.error_raised(),
        hardware.now(),
    )
}

/// Binds drivers to devices that have none. That of a virtual function, which has no registers here, cannot see in its
/// probe that it is frozen, so that a reset may come after that and before anybody knows that it is bound: anew.
fn bind_all(field: &Field<'_>) {
    for device in field.linux.phbs().iter().flat_map(|phb| phb.devices()) {
        if device.identity().physfn.is_some() {
            let _ = block_on(field.linux.unbind(device.phb_number(), device.bdf()));
        }
        // One that is gone needs no driver.
        let _ = block_on(field.linux.bind(device.phb_number(), device.bdf()));
    }
}

pub(super) fn check(field: &Field<'_>, when: &str) -> Vec<String> {
    let mut wrong = verdict::check_devices(field.linux, when);
    wrong.extend(verdict::check_orphans(field.linux));
    wrong.extend(verdict::check_trees(field.linux));
    wrong
}
