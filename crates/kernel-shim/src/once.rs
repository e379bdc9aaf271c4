// SPDX-License-Identifier: GPL-2.0-or-later
//! A cell written once. As `kernel::sync::SetOnce`, but a reader makes one load instead of a call:
//! checks read five of them (`docs/design/0011-for-size-in-the-kernel.md`).

use core::cell::UnsafeCell;
use core::mem::MaybeUninit;

use eeh_pe::SetOnce;
use eeh_pe::sync::{Acquire, AtomicU32, Relaxed, Release};

const EMPTY: u32 = 0;
const BEING_FILLED: u32 = 1;
const FULL: u32 = 2;

/// A cell written once, then read by everyone.
///
/// # Invariants
///
/// `state` goes from empty to being filled, by one thread, and from there to full. `value` is
/// initialised, and changes no more, while `state` is full.
pub(crate) struct Once<T> {
    state: AtomicU32,
    value: UnsafeCell<MaybeUninit<T>>,
}

// SAFETY: whoever fills it hands `T` to another thread, and whoever reads it shares it.
unsafe impl<T: Send + Sync> Sync for Once<T> {}
// SAFETY: it owns its value.
unsafe impl<T: Send> Send for Once<T> {}

impl<T> Once<T> {
    /// An empty cell.
    pub(crate) const fn new() -> Self {
        Self { state: AtomicU32::new(EMPTY), value: UnsafeCell::new(MaybeUninit::uninit()) }
    }

    /// The value, once there is one.
    ///
    /// # Context
    ///
    /// Any, NMI included.
    #[inline]
    pub(crate) fn get(&self) -> Option<&T> {
        if self.state.load(Acquire) != FULL {
            return None;
        }
        // SAFETY: it is full, so nobody writes it while `self` is borrowed.
        let value = unsafe { &*self.value.get() };
        // SAFETY: it is full, so it is initialised; the load above sees what was written before.
        Some(unsafe { value.assume_init_ref() })
    }

    /// Fills the cell; gives `value` back when it is full, or somebody is filling it.
    pub(crate) fn set(&self, value: T) -> Result<(), T> {
        let mine = self.state.cmpxchg(EMPTY, BEING_FILLED, Relaxed);
        if mine.is_err() {
            return Err(value);
        }
        // SAFETY: nobody else gets past the exchange above, and nobody reads before it is full.
        unsafe { (*self.value.get()).write(value) };
        self.state.store(FULL, Release);
        Ok(())
    }
}

impl<T> Drop for Once<T> {
    fn drop(&mut self) {
        if self.state.load(Relaxed) == FULL {
            // SAFETY: it is full, and nobody reads it any more.
            unsafe { self.value.get_mut().assume_init_drop() };
        }
    }
}

impl<T> SetOnce<T> for Once<T> {
    fn new() -> Self {
        Self::new()
    }

    #[inline]
    fn get(&self) -> Option<&T> {
        Self::get(self)
    }

    fn set(&self, value: T) -> Result<(), T> {
        Self::set(self, value)
    }
}
