// SPDX-License-Identifier: GPL-2.0-or-later
//! Reads every report there is, as administrators and tools do.

use core::fmt::Write as _;

use eeh_pe::{Counter, DeviceWalk, Walk};
use test_utils::linux::SimLinux;

use super::field::{Actor, count};

/// Reads until the storm is calm.
pub(super) fn run(mut actor: Actor<'_, '_>) {
    while !actor.field.is_calm() {
        actor.pulse.does("reading reports");
        let report = read_all(actor.linux());
        if report.is_empty() {
            actor.field.find("the reports are empty".to_owned());
        }
        count(&actor.field.counts.reads);
        actor.rest(2, 20);
    }
    actor.pulse.rests();
}

/// Trees, walks, orphans, address maps, statistics.
fn read_all(linux: &SimLinux) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write_all(linux, &mut text);
    text
}

fn write_all(linux: &SimLinux, text: &mut String) -> core::fmt::Result {
    let registry = linux.registry();
    for tree in registry.trees() {
        writeln!(text, "{:?} {} live {}", tree.id(), tree.number().0, tree.is_live())?;
        let root = {
            let guard = tree.lock();
            let Some(root) = guard.root() else { continue };
            for pe in root.subtree() {
                let (children, devices) = (pe.children().count(), pe.devices().count());
                writeln!(
                    text,
                    "{:?} {:?} {children} {devices} {}",
                    pe.number(),
                    pe.flags(),
                    pe.references()
                )?;
            }
            root.hold()
        };
        // The same again, step by step, with hotplug in between.
        let Some(root) = root else { continue };
        for device in root.try_clone().map(DeviceWalk::new).into_iter().flatten() {
            writeln!(text, "{} {:?} {:?}", device.bdf(), device.pe(), device.flags())?;
        }
        for pe in Walk::new(root) {
            writeln!(text, "{:?} {:?}", pe.number(), pe.kind())?;
        }
        tree.map().for_each(|window, device| {
            let _ = writeln!(text, "{window:?} {device:?}");
        });
    }
    for orphan in registry.orphans(linux.now()) {
        writeln!(text, "{orphan:?}")?;
    }
    for counter in Counter::ALL {
        writeln!(text, "{counter:?} {}", registry.stats().sum(*counter))?;
    }
    Ok(())
}
