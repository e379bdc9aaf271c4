// SPDX-License-Identifier: GPL-2.0-or-later
//! Atomics of hosts and of model checking: one text over `core`'s and loom's.

#[cfg(not(eeh_loom))]
use core::sync::atomic as imp;

#[cfg(eeh_loom)]
use loom::sync::atomic as imp;

/// Lets a model run an interrupt before each access.
#[cfg(eeh_loom)]
use super::flavour::hook::step;

/// Nothing interrupts here.
#[cfg(not(eeh_loom))]
#[inline(always)]
fn step() {}

#[cfg(eeh_stores)]
pub(super) use super::stores::wrote;

/// Nobody records stores here.
#[cfg(not(eeh_stores))]
#[inline(always)]
pub(super) fn wrote<T>(_: &T) {}

/// Orders nothing but the location itself.
#[derive(Clone, Copy, Debug)]
pub struct Relaxed;
/// A load that sees what was written before the release store it reads from.
#[derive(Clone, Copy, Debug)]
pub struct Acquire;
/// A store that publishes what was written before it.
#[derive(Clone, Copy, Debug)]
pub struct Release;
/// A read-modify-write that is ordered with everything before and after it.
#[derive(Clone, Copy, Debug)]
pub struct Full;

/// An ordering that loads can have.
pub trait LoadOrdering {
    #[doc(hidden)]
    const ORDER: imp::Ordering;
    /// Whether a fence behind the load makes its order.
    #[doc(hidden)]
    const FENCED: bool;
}
/// An ordering that stores can have.
pub trait StoreOrdering {
    #[doc(hidden)]
    const ORDER: imp::Ordering;
}
/// An ordering that read-modify-writes can have.
pub trait UpdateOrdering {
    #[doc(hidden)]
    const ORDER: imp::Ordering;
}

impl LoadOrdering for Relaxed {
    const ORDER: imp::Ordering = imp::Ordering::Relaxed;
    const FENCED: bool = false;
}
/// On POWER a fence, which orders no less, and is one instruction where the load's own order is three.
impl LoadOrdering for Acquire {
    const ORDER: imp::Ordering = if Self::FENCED { imp::Ordering::Relaxed } else { imp::Ordering::Acquire };
    const FENCED: bool = cfg!(all(target_arch = "powerpc64", not(eeh_loom)));
}
impl StoreOrdering for Relaxed {
    const ORDER: imp::Ordering = imp::Ordering::Relaxed;
}
impl StoreOrdering for Release {
    const ORDER: imp::Ordering = imp::Ordering::Release;
}
impl UpdateOrdering for Relaxed {
    const ORDER: imp::Ordering = imp::Ordering::Relaxed;
}
impl UpdateOrdering for Full {
    const ORDER: imp::Ordering = imp::Ordering::AcqRel;
}

/// Orders the loads before it, whatever their order, before the loads after it.
#[inline]
pub fn acquire_fence() {
    imp::fence(imp::Ordering::Acquire);
}

macro_rules! atomic {
    ($name:ident, $int:ty, $doc:literal) => {
        #[doc = $doc]
        #[derive(Debug)]
        pub struct $name(imp::$name);

        impl $name {
            /// A cell that holds `value`.
            #[cfg(not(eeh_loom))]
            #[must_use]
            pub const fn new(value: $int) -> Self {
                Self(imp::$name::new(value))
            }

            /// A cell that holds `value`; loom's cannot be made in a constant.
            #[cfg(eeh_loom)]
            #[must_use]
            pub fn new(value: $int) -> Self {
                Self(imp::$name::new(value))
            }

            /// Reads the value.
            #[inline]
            pub fn load<O: LoadOrdering>(&self, _: O) -> $int {
                step();
                let value = self.0.load(O::ORDER);
                if O::FENCED {
                    acquire_fence();
                }
                value
            }

            /// Writes `value`.
            #[inline]
            pub fn store<O: StoreOrdering>(&self, value: $int, _: O) {
                step();
                wrote(self);
                self.0.store(value, O::ORDER);
            }

            /// Writes `new` where `old` is found, and returns what was found: `Err` when it was
            /// something else, which then is ordered with nothing.
            ///
            /// # Errors
            ///
            /// The value found, when it is not `old`.
            #[inline]
            pub fn cmpxchg<O: UpdateOrdering>(&self, old: $int, new: $int, _: O) -> Result<$int, $int> {
                step();
                wrote(self);
                self.0.compare_exchange(old, new, O::ORDER, imp::Ordering::Relaxed)
            }

            /// Writes `new` and returns what was there.
            #[inline]
            pub fn xchg<O: UpdateOrdering>(&self, new: $int, _: O) -> $int {
                step();
                wrote(self);
                self.0.swap(new, O::ORDER)
            }

            /// Adds, wrapping, and returns what was there.
            #[inline]
            pub fn fetch_add<O: UpdateOrdering>(&self, value: $int, _: O) -> $int {
                step();
                wrote(self);
                self.0.fetch_add(value, O::ORDER)
            }
        }
    };
}

atomic!(AtomicU64, u64, "64 bits shared between CPUs.");
atomic!(AtomicU32, u32, "32 bits shared between CPUs.");
