// SPDX-License-Identifier: GPL-2.0-or-later
//! The model checker's set-once cell, lock and interrupt hook.

use std::sync::OnceLock;

use loom::sync::{Mutex, MutexGuard};

use super::{Acquire, AtomicU32, Release};
use crate::env::{Lock, LockName, SetOnce};

/// A cell written once, then read by everyone without a lock.
#[derive(Debug)]
pub struct Once<T> {
    /// What loom sees of the cell: 1 once it is full.
    full: AtomicU32,
    value: OnceLock<T>,
}

impl<T> SetOnce<T> for Once<T> {
    fn new() -> Self {
        Self { full: AtomicU32::new(0), value: OnceLock::new() }
    }

    fn get(&self) -> Option<&T> {
        if self.full.load(Acquire) == 0 {
            return None;
        }
        self.value.get()
    }

    fn set(&self, value: T) -> Result<(), T> {
        self.value.set(value)?;
        self.full.store(1, Release);
        Ok(())
    }
}

/// loom's lock: what is checked is the protocol, not a spinlock.
#[derive(Debug)]
pub struct LoomLock<T>(Mutex<T>);

impl<T: Send> Lock<T> for LoomLock<T> {
    type Guard<'a>
        = MutexGuard<'a, T>
    where
        T: 'a;

    fn new(value: T, _name: LockName) -> Self {
        Self(Mutex::new(value))
    }

    fn lock(&self) -> Self::Guard<'_> {
        match self.0.lock() {
            Ok(guard) => guard,
            Err(poisoned) => poisoned.into_inner(),
        }
    }
}

/// Interrupts for models: runs a closure at the k-th atomic operation of the thread that armed it.
pub mod hook {
    use core::cell::RefCell;
    use std::boxed::Box;
    use std::thread_local;

    struct Armed {
        thread: loom::thread::ThreadId,
        left: usize,
        interrupt: Box<dyn FnOnce()>,
    }

    thread_local! {
        // loom runs all threads of a model on one thread of the host.
        static ARMED: RefCell<Option<Armed>> = const { RefCell::new(None) };
    }

    /// Runs `interrupt` right before this thread's atomic operation number `k`, counted from 0.
    pub fn arm(k: usize, interrupt: impl FnOnce() + 'static) {
        let thread = loom::thread::current().id();
        ARMED.set(Some(Armed { thread, left: k, interrupt: Box::new(interrupt) }));
    }

    /// Takes the interrupt away; true when it had not come yet, so that `k` was past the end.
    pub fn disarm() -> bool {
        ARMED.take().is_some()
    }

    /// One atomic operation is about to be made.
    pub(crate) fn step() {
        let due = ARMED.with_borrow_mut(|armed| match armed {
            Some(a) if a.thread == loom::thread::current().id() => {
                if a.left == 0 {
                    return armed.take();
                }
                a.left = a.left.saturating_sub(1);
                None
            }
            Some(_) | None => None,
        });
        if let Some(armed) = due {
            (armed.interrupt)();
        }
    }
}
