// SPDX-License-Identifier: GPL-2.0-or-later
//! What the tree of PEs gets from a host process.

use core::cell::Cell;
use core::fmt;
use core::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use eeh_pe::{Env, Lock, LockName, Memory};

use super::device::SimDevice;
use crate::discipline;

/// The environment of simulated Linux.
#[derive(Clone, Copy, Debug)]
pub struct SimEnv;

/// A spin lock.
pub struct SpinLock<T>(spin::Mutex<T>);

impl<T> fmt::Debug for SpinLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SpinLock")
    }
}

/// A spin lock that is held.
pub struct Spinning<'a, T>(spin::MutexGuard<'a, T>);

impl<T> core::ops::Deref for Spinning<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> core::ops::DerefMut for Spinning<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl<T> Drop for Spinning<'_, T> {
    fn drop(&mut self) {
        discipline::tree_given_back();
    }
}

impl<T: Send> Lock<T> for SpinLock<T> {
    type Guard<'a>
        = Spinning<'a, T>
    where
        T: 'a;

    fn new(value: T, _name: LockName) -> Self {
        Self(spin::Mutex::new(value))
    }

    fn lock(&self) -> Self::Guard<'_> {
        discipline::tree_taken();
        Spinning(self.0.lock())
    }
}

/// A lock that sleeps.
pub struct SleepMutex<T>(Mutex<T>);

impl<T> fmt::Debug for SleepMutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SleepMutex")
    }
}

impl<T: Send> Lock<T> for SleepMutex<T> {
    type Guard<'a>
        = MutexGuard<'a, T>
    where
        T: 'a;

    fn new(value: T, _name: LockName) -> Self {
        Self(Mutex::new(value))
    }

    fn lock(&self) -> Self::Guard<'_> {
        discipline::outside_trees("a lock that sleeps");
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

thread_local! {
    /// Reservations of this thread until one is refused; none is without.
    static LEFT: Cell<Option<u32>> = const { Cell::new(None) };
    /// Reservations of this thread so far.
    static MADE: Cell<u32> = const { Cell::new(0) };
}

impl SimEnv {
    /// The `nth` reservation of this thread from now on, counted from 1, finds no memory; those before and
    /// after it do. `None`: all do. Answers whether an earlier order is still open.
    pub fn refuse_nth(nth: Option<u32>) -> bool {
        LEFT.replace(nth).is_some()
    }

    /// How many reservations this thread has made so far, refused ones included.
    #[must_use]
    pub fn reservations() -> u32 {
        MADE.get()
    }

    /// Whether this reservation is given.
    fn gives() -> bool {
        discipline::outside_trees("an allocation");
        MADE.set(MADE.get().saturating_add(1));
        match LEFT.get() {
            None => true,
            Some(left) => {
                LEFT.set(left.checked_sub(1).filter(|left| *left > 0));
                left > 1
            }
        }
    }
}

impl Memory for SimEnv {
    fn own<T: Send + Sync>(value: T) -> Option<Box<T>> {
        Self::gives().then(|| Box::new(value))
    }

    fn slice<T: Send + Sync>(len: usize, make: impl FnMut(usize) -> Option<T>) -> Option<Box<[T]>> {
        if !Self::gives() {
            return None;
        }
        (0..len).map(make).collect()
    }
}

impl Env for SimEnv {
    type Lock<T: Send> = SpinLock<T>;
    type Mutex<T: Send> = SleepMutex<T>;
    type Own<T: Send + Sync> = Box<T>;
    type Slice<T: Send + Sync> = Box<[T]>;
    type Once<T: Send + Sync> = eeh_pe::sync::Once<T>;
    type Device = Arc<SimDevice>;

    fn cpu() -> usize {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        thread_local! {
            static CPU: usize = NEXT.fetch_add(1, Ordering::Relaxed);
        }
        CPU.with(|cpu| *cpu)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_thread_is_a_cpu() {
        let here = SimEnv::cpu();
        let there = std::thread::spawn(SimEnv::cpu).join().expect("no panic");
        assert_ne!(here, there);
        assert_eq!(here, SimEnv::cpu());
    }
}
