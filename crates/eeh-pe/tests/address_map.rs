// SPDX-License-Identifier: GPL-2.0-or-later
//! Goal: the address map says which device decodes an address, or refuses a range and says why.
#![cfg(not(eeh_loom))]
#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use common::*;
use eeh_pe::{MapError, PhbInfo, TreeStorage, Window, WindowKind};

/// A range of the PHB 0 of `common`, `offset` into its window.
fn range(offset: u64, size: u64) -> Window {
    let start = phb_info(0).windows[0].unwrap().start + offset;
    Window { start, end_inclusive: start + size - 1, kind: WindowKind::Mem }
}

#[test]
fn both_ends_of_a_range_are_found_and_nothing_beside_it() {
    let registry = registry::<Host>(2);
    let tree = registry.tree(add_phb(&registry, 0)).unwrap();
    add_phb(&registry, 1);
    let a = insert(&tree, 0x100, 5, None).device;
    let b = insert(&tree, 0x200, 6, None).device;
    tree.map().insert(range(0x2000, 0x1000), b).unwrap();
    tree.map().insert(range(0x1000, 0x1000), a).unwrap();
    let start = range(0, 1).start;
    let found = [0xfff, 0x1000, 0x1fff, 0x2000, 0x2fff, 0x3000].map(|offset| registry.lookup(start + offset));
    assert_eq!(found, [None, Some(a), Some(a), Some(b), Some(b), None]);
    assert_eq!([0, u64::MAX].map(|address| registry.lookup(address)), [None, None]);
}

#[test]
fn an_overlap_is_refused_and_names_the_other_device() {
    let registry = registry::<Host>(1);
    let tree = registry.tree(add_phb(&registry, 0)).unwrap();
    let a = insert(&tree, 0x100, 5, None).device;
    let b = insert(&tree, 0x200, 6, None).device;
    tree.map().insert(range(0x1000, 0x1000), a).unwrap();
    tree.map().insert(range(0x1000, 0x1000), a).expect("the same again changes nothing");
    for overlap in
        [range(0x1000, 0x1000), range(0xfff, 2), range(0x1fff, 2), range(0, 0x10000), range(0x1800, 1)]
    {
        assert_eq!(tree.map().insert(overlap, b), Err(MapError::Overlap(a)));
    }
    tree.map().remove_device(a);
    tree.map().insert(range(0, 0x10000), b).unwrap();
}

#[test]
fn a_full_map_refuses_and_keeps_what_it_has() {
    let registry = registry::<Host>(1);
    let tree = registry.tree(add_phb(&registry, 0)).unwrap();
    let a = insert(&tree, 0x100, 5, None).device;
    for i in 0..4 {
        tree.map().insert(range(0x1000 * i, 0x1000), a).unwrap();
    }
    assert_eq!(tree.map().insert(range(0x9000, 0x1000), a), Err(MapError::Full));
    let mut count = 0;
    tree.map().for_each(|_, device| {
        assert_eq!(device, a);
        count += 1;
    });
    assert_eq!(count, 4);
}

#[test]
fn ranges_outside_the_windows_empty_ones_and_gone_devices_are_refused() {
    let registry = registry::<Host>(1);
    let tree = registry.tree(add_phb(&registry, 0)).unwrap();
    let a = insert(&tree, 0x100, 5, None).device;
    let io = Window { kind: WindowKind::Io, ..range(0, 16) };
    assert_eq!(tree.map().insert(io, a), Err(MapError::Outside), "memory is not I/O");
    assert_eq!(tree.map().insert(range(0xff_0000, 0x10_0000), a), Err(MapError::Outside));
    let empty = Window { end_inclusive: range(0, 1).start - 1, ..range(0, 1) };
    assert_eq!(tree.map().insert(empty, a), Err(MapError::Empty));
    drop(tree.remove_device(a, seconds(1)));
    assert_eq!(tree.map().insert(range(0, 16), a), Err(MapError::Gone));
}

#[test]
fn io_ranges_are_found_and_shown_as_such() {
    let registry = registry::<Host>(1);
    let io = Window { start: 0x1000, end_inclusive: 0x1fff, kind: WindowKind::Io };
    let info = PhbInfo { windows: [phb_info(0).windows[0], Some(io), None, None], ..phb_info(0) };
    let id = registry.add_phb(info, TreeStorage::reserve(4).unwrap()).map_err(|(error, _)| error).unwrap();
    let tree = registry.tree(id).unwrap();
    let a = insert(&tree, 0x100, 5, None).device;
    let port = Window { start: 0x1100, end_inclusive: 0x111f, kind: WindowKind::Io };
    tree.map().insert(port, a).unwrap();
    assert_eq!(registry.lookup(0x111f), Some(a));
    let mut shown = Vec::new();
    tree.map().for_each(|window, _| shown.push(window));
    assert_eq!(shown, [port]);
}

/// All sizes from one row to several leaves, upwards and downwards again, against a plain list.
#[test]
fn maps_of_all_sizes_agree_with_a_list() {
    const MOST: u64 = 300;
    let registry = registry::<Host>(1);
    let storage = TreeStorage::reserve(usize::try_from(MOST).unwrap()).unwrap();
    let tree = registry.tree(registry.add_phb(phb_info(0), storage).map_err(|(e, _)| e).unwrap()).unwrap();
    // In an order that is neither sorted nor reversed; each device has five ranges.
    let order = |n: u64| (n * 77) % MOST;
    let mut list: Vec<(Window, eeh_pe::DeviceId)> = Vec::new();
    let agree = |list: &[(Window, eeh_pe::DeviceId)]| {
        for n in 0..MOST {
            for offset in [0x100 * n, 0x100 * n + 0x7f, 0x100 * n + 0x80] {
                let address = range(offset, 1).start;
                let owner = list.iter().find(|(w, _)| w.start <= address && address <= w.end_inclusive);
                assert_eq!(
                    registry.lookup(address),
                    owner.map(|(_, device)| *device),
                    "{} ranges",
                    list.len()
                );
            }
        }
    };
    let bdfs = 0x100..0x100 + u16::try_from(MOST / 5).unwrap();
    let devices: Vec<_> = bdfs.map(|bdf| insert(&tree, bdf, u32::from(bdf), None).device).collect();
    for (nth, device) in (0..).zip(&devices) {
        for n in 5 * nth..5 * nth + 5 {
            let window = range(0x100 * order(n), 0x80);
            tree.map().insert(window, *device).unwrap();
            list.push((window, *device));
        }
        agree(&list);
    }
    assert_eq!(tree.map().insert(range(0x100 * MOST, 1), devices[0]), Err(MapError::Full));
    for device in devices {
        tree.map().remove_device(device);
        list.retain(|(_, owner)| *owner != device);
        agree(&list);
    }
}
