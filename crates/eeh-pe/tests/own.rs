// SPDX-License-Identifier: GPL-2.0-or-later
//! Who has a device open, and what the worker is asked to do.
#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use common::*;
use eeh_pe::{Opened, Passed, PeFlags, PeId, Registry, Released, RequestError, RequestState, Time};

fn flags(registry: &Registry<Host>, pe: PeId) -> PeFlags {
    registry.peek(pe).unwrap().flags
}

#[test]
fn a_pe_is_passed_while_one_of_its_devices_is_open() {
    let registry = registry::<Host>(1);
    let tree = registry.tree(add_phb(&registry, 0)).unwrap();
    let [a, b] = [insert(&tree, 0x100, 5, None), insert(&tree, 0x101, 5, None)];
    let mut guard = tree.lock();
    assert_eq!(guard.release_device(a.device), Released::NotOpen);
    assert_eq!(guard.open_device(a.device), Opened::Yes);
    assert_eq!(guard.open_device(b.device), Opened::Yes);
    // The open of one does not pay for the release of the other.
    assert_eq!(guard.release_device(a.device), Released::StillPassed);
    assert_eq!(guard.release_device(a.device), Released::NotOpen);
    assert_eq!(flags(&registry, a.pe), PeFlags::PASSED);
    assert_eq!(guard.opens(b.device), 1);
    assert_eq!(guard.release_device(b.device), Released::Last(a.pe));
    assert_eq!(flags(&registry, a.pe), PeFlags::empty());
}

#[test]
fn what_the_host_recovers_is_not_opened() {
    let registry = registry::<Host>(1);
    let tree = registry.tree(add_phb(&registry, 0)).unwrap();
    let a = insert(&tree, 0x100, 5, None);
    for busy in [PeFlags::RECOVERING, PeFlags::RESET] {
        tree.lock().mark_subtree(a.pe, busy);
        assert_eq!(tree.lock().open_device(a.device), Opened::Busy);
        assert_eq!(flags(&registry, a.pe), busy);
        tree.lock().clear_subtree(a.pe, busy, Passed::Include);
    }
    assert_eq!(tree.lock().open_device(a.device), Opened::Yes);
    tree.lock().mark_subtree(a.pe, PeFlags::all());
    tree.lock().clear_subtree(a.pe, PeFlags::all(), Passed::Include);
    assert_eq!(flags(&registry, a.pe), PeFlags::PASSED, "no mark takes a PE from its owner");
}

#[test]
fn a_device_that_goes_takes_its_opens_along() {
    let registry = registry::<Host>(1);
    let tree = registry.tree(add_phb(&registry, 0)).unwrap();
    let [a, b] = [insert(&tree, 0x100, 5, None), insert(&tree, 0x101, 5, None)];
    assert_eq!(tree.lock().open_device(a.device), Opened::Yes);
    drop(tree.remove_device(a.device, Time::ZERO));
    assert_eq!(flags(&registry, b.pe), PeFlags::empty());
    assert_eq!(tree.lock().release_device(a.device), Released::NotOpen);
    assert_eq!(tree.lock().open_device(a.device), Opened::Gone);
}

#[test]
fn requests_are_taken_in_order_and_answered_once() {
    let registry = registry::<Host>(1);
    let tree = registry.tree(add_phb(&registry, 0)).unwrap();
    let [a, b] = [insert(&tree, 0x100, 5, None), insert(&tree, 0x200, 6, None)];
    let second = tree.lock().post_request(b.pe, 2).unwrap();
    let first = tree.lock().post_request(a.pe, 1).unwrap();
    assert_eq!(tree.lock().post_request(a.pe, 3), Err(RequestError::Busy));
    tree.lock().leave_errand(a.pe, 4);
    tree.lock().leave_errand(a.pe, 5);
    let taken = || tree.lock().take_request().map(|(hold, id, what)| (hold.id(), id, what));
    assert_eq!(taken(), Some((b.pe, Some(second), 2)));
    assert_eq!(taken(), Some((a.pe, Some(first), 1)));
    assert_eq!(taken(), Some((a.pe, None, 5)), "only the last errand counts");
    assert_eq!(taken(), None);
    assert_eq!(tree.lock().request_state(a.pe, first), RequestState::Begun);
    tree.lock().answer_request(a.pe, first, 7);
    assert_eq!(tree.lock().request_state(a.pe, first), RequestState::Answered(7));
    assert_eq!(tree.lock().request_state(a.pe, first), RequestState::Gone);
    tree.lock().forget_request(b.pe, second);
    assert_eq!(tree.lock().post_request(b.pe, 8), Err(RequestError::Busy), "it was begun");
    tree.lock().answer_request(b.pe, second, 0);
    let third = tree.lock().post_request(b.pe, 9).unwrap();
    tree.lock().forget_request(b.pe, third);
    assert_eq!(taken(), None, "what was not begun is not");
}

#[test]
fn a_request_is_gone_with_its_pe_and_with_its_phb() {
    let registry = registry::<Host>(1);
    let id = add_phb(&registry, 0);
    let tree = registry.tree(id).unwrap();
    let [a, b] = [insert(&tree, 0x100, 5, None), insert(&tree, 0x200, 6, None)];
    let hold = registry.get(a.pe).unwrap();
    let waiting = tree.lock().post_request(a.pe, 1).unwrap();
    drop(tree.remove_device(a.device, Time::ZERO));
    assert_eq!(tree.lock().request_state(a.pe, waiting), RequestState::Gone);
    assert!(tree.lock().take_request().is_none());
    drop(hold);
    let begun = tree.lock().post_request(b.pe, 1).unwrap();
    let taken = tree.lock().take_request().unwrap();
    drop(registry.remove_phb(id, Time::ZERO));
    assert_eq!(tree.lock().request_state(b.pe, begun), RequestState::Gone);
    assert_eq!(tree.lock().post_request(b.pe, 2), Err(RequestError::Gone));
    drop(taken);
}

/// Who is told when a device goes from a PE with these marks, with another device in it or without: whether
/// a report is left.
fn reported(marks: PeFlags, open: bool, beside: bool, above: PeFlags) -> bool {
    let registry = registry::<Host>(1);
    let tree = registry.tree(add_phb(&registry, 0)).unwrap();
    let parent = insert(&tree, 0x000, 4, None);
    let a = insert(&tree, 0x100, 5, Some(parent.pe));
    if beside {
        let _ = insert(&tree, 0x101, 5, Some(parent.pe));
    }
    if open {
        assert_eq!(tree.lock().open_device(a.device), Opened::Yes);
    }
    tree.lock().mark_subtree(a.pe, marks);
    // Not what is below.
    if above.contains(PeFlags::ISOLATED) {
        let _ = registry.isolate(parent.pe);
        drop(tree.lock().take_report());
    }
    let removed = tree.remove_device(a.device, Time::ZERO).unwrap();
    assert_eq!(removed.pe_removed, !beside);
    let report = tree.lock().take_report();
    assert_eq!(report.is_some(), removed.reported);
    assert!(report.is_none_or(|report| report.pe.id() == a.pe));
    removed.reported
}

#[test]
fn a_pe_that_goes_frozen_or_in_reset_or_owned_leaves_a_report_unless_a_recovery_is_at_it() {
    let none = PeFlags::empty();
    for (marks, open, beside, above, expected) in [
        (none, false, false, none, false),
        (PeFlags::ISOLATED, false, false, none, true),
        (PeFlags::RESET | PeFlags::CFG_BLOCKED, false, false, none, true),
        (none, true, false, none, true),
        (PeFlags::RESET, true, false, none, true),
        // Somebody is left.
        (none, true, true, none, false),
        (PeFlags::RESET, true, true, none, true),
        (PeFlags::RESET, false, true, none, true),
        (PeFlags::RESET | PeFlags::RECOVERING, false, true, none, false),
        (PeFlags::ISOLATED, false, true, none, false),
        // Somebody is at it, or will be.
        (PeFlags::ISOLATED | PeFlags::RECOVERING, false, false, none, false),
        (PeFlags::RESET, true, false, PeFlags::ISOLATED, false),
        (PeFlags::CFG_BLOCKED, false, false, none, false),
        // The recovery at it leaves what is somebody else's as it is; unless it has given that up.
        (PeFlags::ISOLATED | PeFlags::RECOVERING, true, true, none, true),
        (PeFlags::ISOLATED | PeFlags::RECOVERING, true, false, PeFlags::ISOLATED, true),
        (PeFlags::ISOLATED | PeFlags::RECOVERING | PeFlags::REMOVED, true, true, none, false),
        (PeFlags::RECOVERING, true, true, none, false),
    ] {
        let left = reported(marks, open, beside, above);
        assert_eq!(left, expected, "{marks:?}, open: {open}, beside: {beside}, above: {above:?}");
    }
}

#[test]
fn a_report_that_waits_is_not_left_twice() {
    let registry = registry::<Host>(1);
    let tree = registry.tree(add_phb(&registry, 0)).unwrap();
    let a = insert(&tree, 0x100, 5, None);
    let _ = registry.isolate(a.pe);
    assert!(!tree.remove_device(a.device, Time::ZERO).unwrap().reported);
    assert_eq!(tree.take_pending().count(), 1);
    registry.reap();
    assert_eq!(registry.orphans(Time::ZERO).count(), 0);
}
