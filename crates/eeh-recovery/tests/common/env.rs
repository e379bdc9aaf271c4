// SPDX-License-Identifier: GPL-2.0-or-later
//! An environment of the tree over std.

use std::sync::{Arc, Mutex, MutexGuard};

use eeh_pe::{Env, Lock, LockName, Memory};

use super::world::Dev;

pub struct StdLock<T>(Mutex<T>);

impl<T: Send> Lock<T> for StdLock<T> {
    type Guard<'a>
        = MutexGuard<'a, T>
    where
        Self: 'a,
        T: 'a;
    fn new(value: T, _name: LockName) -> Self {
        Self(Mutex::new(value))
    }
    fn lock(&self) -> MutexGuard<'_, T> {
        // A second lock by the same thread would hang: that is how tests find a lock held too long.
        self.0.try_lock().expect("the lock is held across a call")
    }
}

pub struct TestEnv;

impl Env for TestEnv {
    type Lock<T: Send> = StdLock<T>;
    type Mutex<T: Send> = StdLock<T>;
    type Own<T: Send + Sync> = Box<T>;
    type Slice<T: Send + Sync> = Box<[T]>;
    type Once<T: Send + Sync> = eeh_pe::sync::Once<T>;
    type Device = Arc<Dev>;
    /// Few references, so that a test can use all of them up.
    const COUNT_BITS: u32 = 8;
    fn cpu() -> usize {
        0
    }
}

impl Memory for TestEnv {
    fn own<T: Send + Sync>(value: T) -> Option<Box<T>> {
        Some(Box::new(value))
    }
    fn slice<T: Send + Sync>(len: usize, make: impl FnMut(usize) -> Option<T>) -> Option<Box<[T]>> {
        (0..len).map(make).collect()
    }
}
