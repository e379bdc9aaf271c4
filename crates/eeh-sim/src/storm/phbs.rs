// SPDX-License-Identifier: GPL-2.0-or-later
//! Takes PHBs away and adds them again, at the same number; some die first.

use std::sync::Arc;
use std::thread::Scope;

use test_utils::linux::HotplugError;
use test_utils::task::block_on;
use test_utils::topology::PhbSpec;

use super::field::{Actor, Field, count};
use super::workers;

/// Removes and adds until the storm is calm.
pub(super) fn run<'scope, 'env>(mut actor: Actor<'scope, 'env>, scope: &'scope Scope<'scope, '_>)
where
    'env: 'scope,
{
    let field = actor.field;
    while !field.is_calm() {
        actor.rest(60, 240);
        let Some(spec) = actor.choose(&field.specs).cloned() else { return };
        let number = spec.number;
        if actor.percent(15)
            && let Some(hardware) = actor.linux().hardware(number)
        {
            hardware.kill();
            actor.rest(2, 30);
        }
        actor.pulse.does(format_args!("removing PHB {number:04x}"));
        if !remove(field, number) {
            continue;
        }
        actor.rest(0, 10);
        actor.pulse.does(format_args!("adding PHB {number:04x}"));
        // What was there before may still be referenced; there are more places than PHBs.
        while let Err(error) = add(field, scope, &spec) {
            if error != HotplugError::NoRoom(number) {
                field.find(format!("PHB {number:04x} cannot be added again: {error}"));
                break;
            }
            std::thread::yield_now();
        }
        count(&field.counts.phbs);
    }
    actor.pulse.rests();
}

/// Removes a PHB; `false` when it is not there.
pub(super) fn remove(field: &Field<'_>, number: u32) -> bool {
    let _nobody = field.removing(number);
    field.journal.ends(field.linux, number);
    block_on(field.linux.remove_phb(number)).is_ok()
}

/// Adds a PHB, and a worker for it.
pub(super) fn add<'scope, 'env>(
    field: &'scope Field<'env>,
    scope: &'scope Scope<'scope, '_>,
    spec: &Arc<PhbSpec>,
) -> Result<(), HotplugError>
where
    'env: 'scope,
{
    let from = field.linux.now();
    let added = block_on(field.linux.add_phb(spec));
    field.journal.begins(field.linux, from);
    workers::hire(field, scope);
    added.map(drop)
}
