// SPDX-License-Identifier: GPL-2.0-or-later
//! Goal: marks, inheritance, successors, budgets and the queue, as a recovery uses them, one
//! thread.
#![cfg(not(eeh_loom))]
#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use common::*;
use eeh_pe::{
    Counter, DeviceFlags, Isolate, Opened, OrphanKind, Passed, PeFlags, PeId, PeNumber, PeType, Registry,
    Report, Tree,
};

fn flags(registry: &Registry<Host>, pe: PeId) -> PeFlags {
    registry.peek(pe).unwrap().flags
}

/// A PE 5 with PE 6 below it, both in recovery.
fn recovering(tree: &Tree<'_, Host>) -> [eeh_pe::Inserted; 2] {
    let parent = insert(tree, 0x100, 5, None);
    let child = insert(tree, 0x200, 6, Some(parent.pe));
    tree.lock().mark_subtree(parent.pe, PeFlags::ISOLATED | PeFlags::RECOVERING);
    [parent, child]
}

#[test]
fn a_mark_reaches_the_subtree_and_nothing_else() {
    let registry = registry::<Host>(1);
    let tree = registry.tree(add_phb(&registry, 0)).unwrap();
    let parent = insert(&tree, 0x100, 5, None);
    let child = insert(&tree, 0x200, 6, Some(parent.pe));
    let other = insert(&tree, 0x300, 7, None);
    assert_eq!(tree.lock().mark_subtree(parent.pe, PeFlags::ISOLATED), 2);
    assert_eq!(flags(&registry, parent.pe), PeFlags::ISOLATED);
    assert_eq!(flags(&registry, child.pe), PeFlags::ISOLATED);
    assert_eq!(flags(&registry, other.pe), PeFlags::empty());
    tree.lock().clear_subtree(parent.pe, PeFlags::ISOLATED, Passed::Include);
    assert_eq!(flags(&registry, child.pe), PeFlags::empty());
}

#[test]
fn restricted_configuration_space_is_blocked_while_isolated() {
    let registry = registry::<Host>(1);
    let tree = registry.tree(add_phb(&registry, 0)).unwrap();
    let a = insert(&tree, 0x100, 5, None);
    let hold = registry.get(a.pe).unwrap();
    hold.set(PeFlags::CFG_RESTRICTED);
    assert_eq!(registry.isolate(a.pe), Isolate::Won);
    assert!(hold.flags().contains(PeFlags::CFG_BLOCKED), "in the same exchange");
    tree.lock().clear_subtree(a.pe, PeFlags::ISOLATED, Passed::Include);
    assert!(!hold.flags().contains(PeFlags::CFG_BLOCKED));
    tree.lock().mark_subtree(a.pe, PeFlags::ISOLATED);
    assert!(hold.flags().contains(PeFlags::CFG_BLOCKED));
}

#[test]
fn what_is_born_below_a_restricted_pe_is_not_blocked_for_ever() {
    let registry = registry::<Host>(1);
    let tree = registry.tree(add_phb(&registry, 0)).unwrap();
    let a = insert(&tree, 0x100, 5, None);
    registry.get(a.pe).unwrap().set(PeFlags::CFG_RESTRICTED);
    assert_eq!(registry.isolate(a.pe), Isolate::Won);
    let b = registry.get(insert(&tree, 0x200, 6, Some(a.pe)).pe).unwrap();
    tree.lock().clear_subtree(a.pe, PeFlags::ISOLATED, Passed::Include);
    assert!(!b.flags().contains(PeFlags::CFG_BLOCKED), "{:?}", b.flags());
    // In a reset it is blocked as all are.
    tree.lock().mark_subtree(a.pe, PeFlags::ISOLATED | PeFlags::RESET | PeFlags::CFG_BLOCKED);
    let c = registry.get(insert(&tree, 0x300, 7, Some(a.pe)).pe).unwrap();
    assert!(c.flags().contains(PeFlags::CFG_BLOCKED));
    tree.lock().clear_subtree(a.pe, PeFlags::RESET | PeFlags::CFG_BLOCKED, Passed::Include);
    assert!(!c.flags().contains(PeFlags::CFG_BLOCKED));
}

#[test]
fn a_pe_that_turns_out_restricted_while_isolated_is_blocked_at_once() {
    let registry = registry::<Host>(1);
    let tree = registry.tree(add_phb(&registry, 0)).unwrap();
    let a = insert(&tree, 0x100, 5, None);
    tree.lock().mark_subtree(a.pe, PeFlags::ISOLATED | PeFlags::RECOVERING);
    let b = insert(&tree, 0x200, 6, Some(a.pe));
    let hold = registry.get(b.pe).unwrap();
    assert!(!hold.flags().contains(PeFlags::CFG_BLOCKED));
    hold.set(PeFlags::CFG_RESTRICTED);
    assert!(hold.flags().contains(PeFlags::CFG_BLOCKED));
    tree.lock().clear_subtree(a.pe, PeFlags::ISOLATED, Passed::Include);
    assert!(!hold.flags().contains(PeFlags::CFG_BLOCKED));
}

#[test]
fn what_the_platform_records_is_no_mark() {
    let registry = registry::<Host>(1);
    let tree = registry.tree(add_phb(&registry, 0)).unwrap();
    let hold = registry.get(insert(&tree, 0x100, 5, None).pe).unwrap();
    hold.set(PeFlags::all());
    assert_eq!(hold.flags(), PeFlags::FACTS);
    tree.lock().mark_subtree(hold.id(), PeFlags::RECOVERING);
    hold.clear(PeFlags::all());
    assert_eq!(hold.flags(), PeFlags::RECOVERING);
}

#[test]
fn passed_through_pes_keep_their_marks_when_asked() {
    let registry = registry::<Host>(1);
    let tree = registry.tree(add_phb(&registry, 0)).unwrap();
    let [parent, child] = recovering(&tree);
    tree.lock().clear_subtree(child.pe, PeFlags::RECOVERING, Passed::Include);
    assert_eq!(tree.lock().open_device(child.device), Opened::Yes);
    tree.lock().clear_subtree(parent.pe, PeFlags::ISOLATED | PeFlags::RECOVERING, Passed::Skip);
    assert_eq!(flags(&registry, parent.pe), PeFlags::empty());
    assert!(flags(&registry, child.pe).contains(PeFlags::ISOLATED));
}

#[test]
fn a_pe_below_a_marked_one_is_born_marked_and_loses_the_marks_with_it() {
    let registry = registry::<Host>(1);
    let tree = registry.tree(add_phb(&registry, 0)).unwrap();
    let [parent, _] = recovering(&tree);
    let born = insert(&tree, 0x300, 7, Some(parent.pe));
    assert_eq!(flags(&registry, born.pe), PeFlags::ISOLATED | PeFlags::RECOVERING);
    assert_eq!(tree.take_pending().count(), 0, "it raises no event");
    tree.lock().clear_subtree(parent.pe, PeFlags::INHERITED, Passed::Include);
    assert_eq!(flags(&registry, born.pe), PeFlags::empty());
}

#[test]
fn a_successor_takes_over_marks_and_budget() {
    let registry = registry::<Host>(1);
    let tree = registry.tree(add_phb(&registry, 0)).unwrap();
    let [_, child] = recovering(&tree);
    tree.lock().note_freeze(child.pe, seconds(1));
    assert_eq!(tree.lock().note_freeze(child.pe, seconds(2)), 2);
    let hold = registry.get(child.pe).unwrap();
    drop(tree.remove_device(child.device, seconds(3)));
    assert_eq!(tree.lock().successor_of(child.pe), None);
    // Below the PHB this time: the marks come from the removed PE, not from a parent.
    let next = insert(&tree, 0x200, 6, None);
    assert!(next.successor && next.new_pe);
    assert_eq!(flags(&registry, next.pe), PeFlags::ISOLATED | PeFlags::RECOVERING);
    assert_eq!(tree.lock().successor_of(child.pe), Some(next.pe));
    assert_eq!(tree.lock().pe(next.pe).unwrap().budget().count(), 2);
    assert_eq!(registry.stats().sum(Counter::Successors), 1);
    tree.lock().clear_subtree(hold.id(), PeFlags::INHERITED, Passed::Include);
    assert_eq!(flags(&registry, next.pe), PeFlags::empty(), "cleared with the one it follows");
}

#[test]
fn a_recovering_pe_nobody_holds_waits_for_its_successor() {
    let registry = registry::<Host>(1);
    let tree = registry.tree(add_phb(&registry, 0)).unwrap();
    let [parent, child] = recovering(&tree);
    tree.lock().note_freeze(child.pe, seconds(1));
    drop(tree.remove_device(child.device, seconds(3)));
    let orphans: Vec<_> = registry.orphans(seconds(4)).map(|o| (o.kind, o.references)).collect();
    assert_eq!(orphans, [(OrphanKind::Pe(PeNumber(6)), 0)], "only the mark keeps it");
    let next = insert(&tree, 0x200, 6, Some(parent.pe));
    assert!(next.successor);
    assert_eq!(tree.lock().pe(next.pe).unwrap().budget().count(), 1);
    assert_eq!(registry.orphans(seconds(4)).count(), 0, "replaced");
    tree.lock().clear_subtree(parent.pe, PeFlags::INHERITED, Passed::Include);
    assert_eq!(flags(&registry, next.pe), PeFlags::empty());
}

#[test]
fn hotplug_during_one_recovery_does_not_pile_up_removed_pes() {
    let registry = registry::<Host>(1);
    let tree = registry.tree(add_phb(&registry, 0)).unwrap();
    let [parent, child] = recovering(&tree);
    let hold = registry.get(child.pe).unwrap();
    tree.lock().note_freeze(child.pe, seconds(1));
    let mut last = child;
    for _ in 0..100 {
        drop(tree.remove_device(last.device, seconds(3)));
        last = insert(&tree, 0x200, 6, Some(parent.pe));
        assert!(last.successor);
    }
    assert_eq!(tree.lock().successor_of(child.pe), Some(last.pe));
    assert_eq!(tree.lock().pe(last.pe).unwrap().budget().count(), 1);
    assert_eq!(registry.orphans(seconds(4)).count(), 1, "the one that is held");
    tree.lock().clear_subtree(parent.pe, PeFlags::INHERITED, Passed::Include);
    drop(hold);
    assert_eq!(registry.orphans(seconds(4)).count(), 0);
    assert_eq!(tree.lock().pe(parent.pe).unwrap().references(), 3);
}

#[test]
fn the_end_of_a_recovery_frees_what_only_its_mark_kept() {
    let registry = registry::<Host>(1);
    let tree = registry.tree(add_phb(&registry, 0)).unwrap();
    let [parent, child] = recovering(&tree);
    drop(tree.remove_device(child.device, seconds(3)));
    tree.lock().clear_subtree(parent.pe, PeFlags::RECOVERING, Passed::Include);
    assert_eq!(registry.orphans(seconds(4)).count(), 0);
    let next = insert(&tree, 0x200, 6, None);
    assert!(!next.successor, "the recovery is over");
}

#[test]
fn a_removal_outside_a_recovery_ends_the_budget() {
    let registry = registry::<Host>(1);
    let tree = registry.tree(add_phb(&registry, 0)).unwrap();
    let a = insert(&tree, 0x100, 5, None);
    tree.lock().note_freeze(a.pe, seconds(1));
    drop(tree.remove_device(a.device, seconds(2)));
    let b = insert(&tree, 0x100, 5, None);
    assert_eq!(tree.lock().pe(b.pe).unwrap().budget().count(), 0);
}

#[test]
fn freezes_are_counted_within_an_hour_and_forgotten_on_request() {
    let registry = registry::<Host>(1);
    let tree = registry.tree(add_phb(&registry, 0)).unwrap();
    let a = insert(&tree, 0x100, 5, None);
    let mut guard = tree.lock();
    assert_eq!(guard.note_freeze(a.pe, seconds(0)), 1);
    assert_eq!(guard.note_freeze(a.pe, seconds(3600)), 2);
    assert_eq!(guard.note_freeze(a.pe, seconds(3601)), 1, "a new hour");
    assert_eq!(guard.note_freeze(a.pe, seconds(3602)), 2);
    guard.forget_freezes(a.pe);
    assert_eq!(guard.note_freeze(a.pe, seconds(3603)), 1);
}

#[test]
fn a_kept_pe_stays_empty_and_invalid_until_a_device_comes_back() {
    let registry = registry::<Host>(1);
    let tree = registry.tree(add_phb(&registry, 0)).unwrap();
    let a = insert(&tree, 0x100, 5, None);
    let hold = registry.get(a.pe).unwrap();
    tree.lock().mark_subtree(a.pe, PeFlags::KEEP);
    let removed = tree.remove_device(a.device, seconds(1)).unwrap();
    assert!(!removed.pe_removed);
    assert!(hold.is_live() && hold.kind().contains(PeType::INVALID));
    let b = insert(&tree, 0x100, 5, None);
    assert_eq!((b.pe, b.new_pe), (a.pe, false));
    assert_eq!(hold.kind(), PeType::DEVICE);
    drop(tree.remove_device(b.device, seconds(2)));
    tree.lock().clear_subtree(a.pe, PeFlags::KEEP, Passed::Include);
    tree.lock().remove_empty(a.pe, seconds(3));
    assert!(!hold.is_live());
}

#[test]
fn a_report_during_a_recovery_is_another_report() {
    let registry = registry::<Host>(1);
    let tree = registry.tree(add_phb(&registry, 0)).unwrap();
    let a = insert(&tree, 0x100, 5, None);
    assert_eq!(registry.isolate(a.pe), Isolate::Won);
    assert_eq!(registry.isolate(a.pe), Isolate::AlreadyIsolated);
    assert_eq!(registry.report(a.pe), Report::AlreadyPending);
    assert_eq!(tree.take_pending().count(), 1);
    assert_eq!(registry.isolate(a.pe), Isolate::AlreadyIsolated);
    assert_eq!(registry.report(a.pe), Report::Queued);
    assert_eq!(tree.take_pending().count(), 1);
    assert_eq!(tree.take_pending().count(), 0);
}

#[test]
fn a_freeze_after_its_mark_was_cleared_shares_the_report_that_waits() {
    let registry = registry::<Host>(1);
    let tree = registry.tree(add_phb(&registry, 0)).unwrap();
    let a = insert(&tree, 0x100, 5, None);
    assert_eq!(registry.isolate(a.pe), Isolate::Won);
    tree.lock().clear_subtree(a.pe, PeFlags::ISOLATED | PeFlags::PENDING, Passed::Include);
    assert_eq!(flags(&registry, a.pe), PeFlags::PENDING, "PENDING belongs to the queue");
    assert_eq!(registry.isolate(a.pe), Isolate::Won);
    assert_eq!(tree.take_pending().count(), 1);
}

#[test]
fn a_recovery_absorbs_the_reports_below_its_pe() {
    let registry = registry::<Host>(1);
    let tree = registry.tree(add_phb(&registry, 0)).unwrap();
    let parent = insert(&tree, 0x100, 5, None);
    let child = insert(&tree, 0x200, 6, Some(parent.pe));
    let other = insert(&tree, 0x300, 7, None);
    for pe in [child.pe, other.pe, parent.pe] {
        assert_eq!(registry.isolate(pe), Isolate::Won);
    }
    assert_eq!(tree.lock().absorb_below(parent.pe), 1);
    let left: Vec<_> = tree.take_pending().map(|report| report.pe.id()).collect();
    assert_eq!(left, [other.pe, parent.pe]);
    assert_eq!(registry.stats().sum(Counter::Absorbed), 1);
    assert!(!flags(&registry, child.pe).contains(PeFlags::PENDING));
    assert_eq!(registry.report(child.pe), Report::Queued, "it can be reported again");
    assert_eq!(tree.take_pending().count(), 1);
}

#[test]
fn device_flags_change_on_a_subtree_and_alone() {
    let registry = registry::<Host>(1);
    let tree = registry.tree(add_phb(&registry, 0)).unwrap();
    let [parent, child] = recovering(&tree);
    let mut guard = tree.lock();
    guard.change_subtree_devices(parent.pe, DeviceFlags::IN_ERROR, DeviceFlags::empty());
    assert_eq!(guard.device(child.device).unwrap().flags(), DeviceFlags::IN_ERROR);
    let before = guard.change_device(child.device, DeviceFlags::NO_HANDLER, DeviceFlags::IN_ERROR);
    assert_eq!(before, Some(DeviceFlags::IN_ERROR));
    assert_eq!(guard.device(child.device).unwrap().flags(), DeviceFlags::NO_HANDLER);
    assert!(guard.save_config(child.device, [7; 16]));
    assert_eq!(guard.device(child.device).unwrap().saved_config(), &[7; 16]);
}

#[test]
fn device_flags_are_cleared_where_marks_are() {
    let registry = registry::<Host>(1);
    let tree = registry.tree(add_phb(&registry, 0)).unwrap();
    let [parent, child] = recovering(&tree);
    let hold = registry.get(child.pe).unwrap();
    drop(tree.remove_device(child.device, seconds(3)));
    // Not below the one that recovers.
    let next = insert(&tree, 0x200, 6, None);
    let other = insert(&tree, 0x300, 7, None);
    let late = DeviceFlags::NO_HANDLER | DeviceFlags::IN_ERROR;
    let mut guard = tree.lock();
    for device in [parent.device, next.device, other.device] {
        let _ = guard.change_device(device, late, DeviceFlags::empty());
    }
    guard.clear_subtree_devices(parent.pe, DeviceFlags::NO_HANDLER);
    let left = [parent, next, other].map(|at| guard.device(at.device).unwrap().flags());
    assert_eq!(left, [DeviceFlags::IN_ERROR, DeviceFlags::IN_ERROR, late]);
    drop(guard);
    drop(hold);
}

#[test]
fn two_million_reads_of_an_isolated_pe_are_reported_once() {
    let registry = registry::<Host>(1);
    let tree = registry.tree(add_phb(&registry, 0)).unwrap();
    let a = insert(&tree, 0x100, 5, None).pe;
    let b = insert(&tree, 0x200, 6, None).pe;
    let stats = registry.stats();
    let reports = (0..eeh_pe::RUNAWAY_READS + 1000).filter(|_| stats.here().count_isolated_read(a)).count();
    assert_eq!(reports, 1);
    assert!(!stats.here().count_isolated_read(b));
    assert!(!(1..eeh_pe::RUNAWAY_READS).any(|_| stats.here().count_isolated_read(a)), "counted anew");
    assert!(stats.here().count_isolated_read(a));
}

#[test]
fn false_positives_are_counted_in_all_and_for_each_pe() {
    let registry = registry::<Host>(1);
    let tree = registry.tree(add_phb(&registry, 0)).unwrap();
    let (a, b) = (insert(&tree, 0x100, 1, None).pe, insert(&tree, 0x200, 2, None).pe);
    let stats = registry.stats();
    (0..3).for_each(|_| stats.count_false_positive(a));
    stats.count_false_positive(b);
    assert_eq!((stats.false_positives(a), stats.false_positives(b)), (3, 1));
    assert_eq!(stats.sum(eeh_pe::Counter::FalsePositives), 4);
    // More PEs than are counted apart: the sum stays right, and nobody has another's count.
    for n in 3..40 {
        stats.count_false_positive(insert(&tree, 0x100 * n as u16, n, None).pe);
    }
    assert_eq!(stats.sum(eeh_pe::Counter::FalsePositives), 41);
    assert!(stats.false_positives(a) <= 3 && stats.false_positives(b) <= 1);
}

#[test]
fn a_mark_from_an_interrupt_frees_nothing() {
    let registry = registry::<Host>(1);
    let tree = registry.tree(add_phb(&registry, 0)).unwrap();
    let above = insert(&tree, 0x100, 5, None);
    let below = insert(&tree, 0x200, 6, Some(above.pe));
    let held = registry.get_device(below.device).unwrap();
    drop(tree.remove_device(below.device, seconds(1)));
    drop(held);
    let reaped = || registry.stats().sum(eeh_pe::Counter::OrphansReaped);
    let before = reaped();
    assert_eq!(tree.mark_subtree(above.pe, PeFlags::ISOLATED), 1);
    assert_eq!(registry.peek(above.pe).unwrap().flags, PeFlags::ISOLATED);
    assert_eq!(reaped(), before);
    tree.reap();
    assert!(reaped() > before);
}

#[test]
fn forgetting_freezes_reaches_those_that_took_them_over() {
    let registry = registry::<Host>(1);
    let tree = registry.tree(add_phb(&registry, 0)).unwrap();
    let elsewhere = insert(&tree, 0x100, 1, None);
    let above = insert(&tree, 0x200, 2, None);
    let failed = insert(&tree, 0x300, 3, Some(above.pe));
    let root = registry.get(above.pe).unwrap();
    tree.lock().mark_subtree(above.pe, PeFlags::RECOVERING);
    assert_eq!(tree.lock().note_freeze(failed.pe, seconds(1)), 1);
    drop(tree.remove_device(failed.device, seconds(2)));
    let successor = insert(&tree, 0x300, 3, Some(elsewhere.pe));
    assert!(successor.successor);
    assert_eq!(tree.lock().pe(successor.pe).unwrap().budget().count(), 1);
    tree.lock().forget_freezes(root.id());
    assert_eq!(tree.lock().pe(successor.pe).unwrap().budget().count(), 0);
}
