// SPDX-License-Identifier: GPL-2.0-or-later
//! The platform's device is never dropped under the tree's lock, however its result is thrown away:
//! the last reference to it may have to sleep.

use core::cell::Cell;
use core::ops::{Deref, DerefMut};
use std::sync::{Mutex, MutexGuard};

use eeh_pe::{
    Bdf, DeviceInfo, Env, Lock, LockName, Memory, PeNumber, PeSpec, PeType, PhbInfo, PhbNumber, Registry,
};
use eeh_pe::{RegistryLimits, RegistryStorage, Time, TreeStorage};

thread_local! {
    static HELD: Cell<bool> = const { Cell::new(false) };
    static DROPPED: Cell<usize> = const { Cell::new(0) };
}

/// A lock that its thread knows to be held.
struct Known<T>(Mutex<T>);

struct KnownGuard<'a, T>(MutexGuard<'a, T>);

impl<T: Send> Lock<T> for Known<T> {
    type Guard<'a>
        = KnownGuard<'a, T>
    where
        T: 'a;

    fn new(value: T, _name: LockName) -> Self {
        Self(Mutex::new(value))
    }

    fn lock(&self) -> KnownGuard<'_, T> {
        let guard = self.0.lock().unwrap();
        assert!(!HELD.replace(true), "two locks at a time");
        KnownGuard(guard)
    }
}

impl<T> Deref for KnownGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for KnownGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl<T> Drop for KnownGuard<'_, T> {
    fn drop(&mut self) {
        HELD.set(false);
    }
}

/// A device whose last reference must not be put under the lock.
#[derive(Clone)]
struct MaySleep;

impl Drop for MaySleep {
    fn drop(&mut self) {
        assert!(!HELD.get(), "a platform's device was dropped under the tree's lock");
        DROPPED.set(DROPPED.get() + 1);
    }
}

struct Careful;

impl Env for Careful {
    type Lock<T: Send> = Known<T>;
    type Mutex<T: Send> = eeh_pe::sync::SpinLock<T>;
    type Own<T: Send + Sync> = Box<T>;
    type Slice<T: Send + Sync> = Box<[T]>;
    type Once<T: Send + Sync> = eeh_pe::sync::Once<T>;
    type Device = MaySleep;

    fn cpu() -> usize {
        0
    }
}

impl Memory for Careful {
    fn own<T: Send + Sync>(value: T) -> Option<Box<T>> {
        Some(Box::new(value))
    }

    fn slice<T: Send + Sync>(len: usize, make: impl FnMut(usize) -> Option<T>) -> Option<Box<[T]>> {
        (0..len).map(make).collect()
    }
}

/// How many devices `work` drops.
fn drops(work: impl FnOnce()) -> usize {
    let before = DROPPED.get();
    work();
    DROPPED.get() - before
}

#[test]
fn a_device_is_dropped_outside_the_lock() {
    let limits = RegistryLimits { phbs: 1, pes: 64, devices: 64, cpus: 1 };
    let registry: Registry<Careful> = Registry::new(RegistryStorage::reserve(limits).unwrap());
    let info = PhbInfo { number: PhbNumber(0), firmware: 0, root_bus: 0, windows: [None; 4] };
    let id = registry.add_phb(info, TreeStorage::reserve(4).unwrap()).map_err(|(error, _)| error).unwrap();
    let tree = registry.tree(id).unwrap();
    let insert = |bdf: u16| {
        let info = DeviceInfo { bdf: Bdf(bdf), ..DeviceInfo::default() };
        let pe = PeSpec { number: PeNumber(u32::from(bdf)), kind: PeType::DEVICE };
        tree.insert_device(info, MaySleep, pe, None)
    };
    // More than a chunk, so that storage is added as well.
    let devices: Vec<_> = (1..50).map(|bdf| insert(bdf).map_err(|(error, _)| error).unwrap()).collect();
    assert_eq!(drops(|| drop(insert(1))), 1, "refused: there is one already");

    let [first, second, third, ..] = devices.as_slice() else { panic!("few devices") };
    assert_eq!(drops(|| drop(tree.remove_device(first.device, Time::ZERO))), 1);
    assert_eq!(drops(|| assert!(tree.remove_device(first.device, Time::ZERO).is_none())), 0);
    assert_eq!(drops(|| drop(tree.replace_platform(second.device, MaySleep))), 1);
    assert_eq!(drops(|| drop(tree.replace_platform(first.device, MaySleep))), 1, "gone: it comes back");
    let hold = registry.get_device(third.device).unwrap();
    assert_eq!(drops(|| drop(hold.platform())), 1);
    assert_eq!(drops(|| drop(registry.remove_phb(id, Time::ZERO))), 48);
    assert_eq!(drops(|| drop(insert(60))), 1, "the PHB is gone");
}
