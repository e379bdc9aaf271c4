// SPDX-License-Identifier: GPL-2.0-or-later
//! The kernel's flavour: `kernel::sync`, under the kernel's memory model.

pub use kernel::sync::atomic::{Acquire, Full, Relaxed, Release};

use kernel::sync::SetOnce;
use kernel::sync::atomic::Atomic;
use kernel::sync::atomic::ordering;
use kernel::sync::barrier::{Read, smp_mb};

macro_rules! atomic {
    ($name:ident, $int:ty, $doc:literal) => {
        #[doc = $doc]
        pub struct $name(Atomic<$int>);

        impl $name {
            /// A cell that holds `value`.
            #[must_use]
            pub const fn new(value: $int) -> Self {
                Self(Atomic::new(value))
            }

            /// Reads the value.
            #[inline]
            pub fn load<O: ordering::AcquireOrRelaxed>(&self, order: O) -> $int {
                self.0.load(order)
            }

            /// Writes `value`.
            #[inline]
            pub fn store<O: ordering::ReleaseOrRelaxed>(&self, value: $int, order: O) {
                self.0.store(value, order);
            }

            /// Writes `new` where `old` is found, and returns what was found.
            ///
            /// # Errors
            ///
            /// The value found, when it is not `old`; it is ordered with nothing.
            #[inline]
            pub fn cmpxchg<O: ordering::Ordering>(
                &self,
                old: $int,
                new: $int,
                order: O,
            ) -> Result<$int, $int> {
                self.0.cmpxchg(old, new, order)
            }

            /// Writes `new` and returns what was there.
            #[inline]
            pub fn xchg<O: ordering::Ordering>(&self, new: $int, order: O) -> $int {
                self.0.xchg(new, order)
            }

            /// Adds, wrapping, and returns what was there.
            #[inline]
            pub fn fetch_add<O: ordering::Ordering>(&self, value: $int, order: O) -> $int {
                self.0.fetch_add(value, order)
            }
        }
    };
}

atomic!(AtomicU64, u64, "64 bits shared between CPUs.");
atomic!(AtomicU32, u32, "32 bits shared between CPUs.");

/// Orders the loads before it, whatever their order, before the loads after it.
#[inline]
pub fn acquire_fence() {
    smp_mb(Read);
}

/// A cell written once, then read by everyone without a lock.
pub struct Once<T>(SetOnce<T>);

impl<T> Once<T> {
    /// An empty cell.
    #[must_use]
    pub const fn new() -> Self {
        Self(SetOnce::new())
    }

    /// The value, once there is one.
    #[inline]
    pub fn get(&self) -> Option<&T> {
        self.0.as_ref()
    }

    /// Fills the cell. Callers hold the lock that orders writers, so nobody comes in between.
    ///
    /// # Errors
    ///
    /// `value`, when the cell is full already.
    pub fn set(&self, value: T) -> Result<(), T> {
        if self.get().is_some() {
            return Err(value);
        }
        self.0.populate(value);
        Ok(())
    }
}

impl<T> Default for Once<T> {
    fn default() -> Self {
        Self::new()
    }
}
