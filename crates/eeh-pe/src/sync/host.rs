// SPDX-License-Identifier: GPL-2.0-or-later
//! The host's set-once cell and lock: `spin`.

use super::portable::wrote;
use crate::env::{Lock, LockName, SetOnce};

/// A cell written once, then read by everyone without a lock.
#[derive(Debug, Default)]
pub struct Once<T>(spin::Once<T>);

impl<T> SetOnce<T> for Once<T> {
    fn new() -> Self {
        Self(spin::Once::new())
    }

    #[inline]
    fn get(&self) -> Option<&T> {
        self.0.get()
    }

    fn set(&self, value: T) -> Result<(), T> {
        wrote(self);
        let mut value = Some(value);
        let filled = self.0.try_call_once(|| value.take().ok_or(()));
        debug_assert!(filled.is_ok());
        value.map_or(Ok(()), Err)
    }
}

/// A spinning lock for hosts, where no interrupt comes in between.
#[derive(Debug, Default)]
pub struct SpinLock<T>(spin::Mutex<T>);

impl<T: Send> Lock<T> for SpinLock<T> {
    type Guard<'a>
        = spin::MutexGuard<'a, T>
    where
        T: 'a;

    fn new(value: T, _name: LockName) -> Self {
        Self(spin::Mutex::new(value))
    }

    fn lock(&self) -> Self::Guard<'_> {
        wrote(self);
        self.0.lock()
    }
}
