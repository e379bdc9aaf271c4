// SPDX-License-Identifier: GPL-2.0-or-later
use eeh_pe::{DeviceFlags, PeType};
use eeh_recovery::SlotControl;
use mockall::Sequence;
use mockall::predicate::eq;

use super::*;
use crate::opal::{rc, reset};
use crate::testing::{MockOpal, NOT_SUCCESS, PHB, Table, at, pe, phb_pe, port};

/// Firmware that sees these resets, (scope, assert, answer), and nothing else.
fn firmware(resets: &[(u8, u8, i64)]) -> MockOpal {
    let mut opal = MockOpal::new();
    let mut order = Sequence::new();
    for &(scope, assert, code) in resets {
        opal.expect_pci_reset()
            .once()
            .in_sequence(&mut order)
            .with(eq(PHB), eq(scope), eq(assert))
            .return_const(code);
    }
    opal
}

const ON: u8 = reset::ASSERT;
const OFF: u8 = reset::DEASSERT;

#[test]
fn each_point_and_kind_has_its_scope() {
    for (target, point, kind, scope) in [
        (phb_pe(), ResetPoint::Phb, ResetKind::Hot, 1),
        (phb_pe(), ResetPoint::Phb, ResetKind::Fundamental, 1),
        (phb_pe(), ResetPoint::RootBus, ResetKind::Hot, 1),
        (pe(7), ResetPoint::Phb, ResetKind::Hot, 1),
        (pe(7), ResetPoint::RootBus, ResetKind::Hot, 4),
        (pe(7), ResetPoint::RootBus, ResetKind::Fundamental, 5),
    ] {
        let back = PowerNv::new(firmware(&[(scope, ON, 0), (scope, OFF, 0)]), Table::default());
        let mut attempt = back.begin_reset(&target, &point, kind);
        assert_eq!(back.poll_reset(&mut attempt, at(0)), ResetPoll::Done);
    }
}

#[test]
fn beginning_an_attempt_touches_nothing() {
    let back = PowerNv::new(MockOpal::new(), Table::p7ioc());
    let vf = PeTarget { kind: PeType::VF, ..pe(7) };
    let points =
        [ResetPoint::Phb, ResetPoint::RootBus, ResetPoint::Bridge(port()), ResetPoint::Function(port())];
    for point in points {
        let mut attempt = back.begin_reset(&vf, &point, ResetKind::Hot);
        back.abandon_reset(&mut attempt);
        // Nor does an attempt that was given up before it began.
        assert!(matches!(back.poll_reset(&mut attempt, at(0)), ResetPoll::Failed(_)));
    }
}

#[test]
fn p7ioc_forgets_an_injected_error_before_the_reset_and_only_there() {
    let resets = [(scope::PHB_ERROR, ON, 0), (4, ON, 10), (4, OFF, 0)];
    let mut opal = firmware(&resets[..2]);
    opal.expect_pci_poll().once().return_const(rc::SUCCESS);
    opal.expect_pci_reset().once().with(eq(PHB), eq(4), eq(OFF)).return_const(0);
    let back = PowerNv::new(opal, Table::p7ioc());
    let mut attempt = back.begin_reset(&pe(7), &ResetPoint::RootBus, ResetKind::Hot);
    assert!(matches!(back.poll_reset(&mut attempt, at(0)), ResetPoll::Wait { .. }));
    assert_eq!(back.poll_reset(&mut attempt, at(10)), ResetPoll::Done);

    let back = PowerNv::new(firmware(&[(1, ON, 0), (1, OFF, 0)]), Table::p7ioc());
    let mut attempt = back.begin_reset(&phb_pe(), &ResetPoint::Phb, ResetKind::Hot);
    assert_eq!(back.poll_reset(&mut attempt, at(0)), ResetPoll::Done);
}

#[test]
fn an_injected_error_that_stays_fails_the_attempt_before_anything_is_asserted() {
    for code in NOT_SUCCESS {
        let back = PowerNv::new(firmware(&[(scope::PHB_ERROR, ON, code)]), Table::p7ioc());
        let mut attempt = back.begin_reset(&pe(7), &ResetPoint::RootBus, ResetKind::Hot);
        let end = back.poll_reset(&mut attempt, at(0));
        assert!(matches!(end, ResetPoll::Failed(_)));
        assert_eq!(back.poll_reset(&mut attempt, at(1)), end);
        back.abandon_reset(&mut attempt);
    }
}

#[test]
fn a_refused_root_reset_is_not_done_and_released_once() {
    // What skiboot answers when its slot is not where it expects it.
    let back = PowerNv::new(firmware(&[(4, ON, rc::HARDWARE), (4, OFF, rc::SUCCESS)]), Table::default());
    let mut attempt = back.begin_reset(&pe(7), &ResetPoint::RootBus, ResetKind::Hot);
    let refused = FirmwareError::Failed { call: name::RESET, code: rc::HARDWARE };
    assert_eq!(back.poll_reset(&mut attempt, at(0)), ResetPoll::Failed(refused));
    back.abandon_reset(&mut attempt);
}

#[test]
fn a_bridge_called_root_port_is_never_reset_by_its_own_register() {
    let root = DeviceTarget { flags: DeviceFlags::BRIDGE | DeviceFlags::ROOT_PORT, ..port() };
    let back = PowerNv::new(firmware(&[(4, ON, 0), (4, OFF, 0)]), Table::default());
    let mut attempt = back.begin_reset(&pe(7), &ResetPoint::Bridge(root), ResetKind::Hot);
    assert_eq!(back.poll_reset(&mut attempt, at(0)), ResetPoll::Done);
}

#[test]
fn reinit_names_the_device_and_believes_success_only() {
    for code in NOT_SUCCESS.into_iter().chain([rc::SUCCESS]) {
        let mut opal = MockOpal::new();
        opal.expect_pci_reinit().once().with(eq(PHB), eq(1000), eq(0x0210)).return_const(code);
        let back = PowerNv::new(opal, Table::default());
        assert_eq!(back.reinit(&port()).is_ok(), code == rc::SUCCESS);
    }
}

#[test]
fn configuring_bridges_is_not_firmwares_work() {
    let back = PowerNv::new(MockOpal::new(), Table::default());
    back.begin_configure(&pe(7));
    assert_eq!(back.poll_configure(&mut (), Time::ZERO), eeh_recovery::ConfigurePoll::Done);
}
