// SPDX-License-Identifier: GPL-2.0-or-later
//! The kernel's locks around Rust data.

use core::cell::UnsafeCell;
use core::marker::PhantomData;
use core::mem::MaybeUninit;
use core::ops::{Deref, DerefMut};

use eeh_pe::{Lock, LockName};

use crate::bindings;

/// Which lockdep class a lock has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Class {
    /// The lock of a PHB's tree: one class for all, since nobody holds two.
    Tree,
    /// The lock of a mailbox.
    Mailbox,
    /// The lock of the history.
    History,
    /// The lock that a mutex is initialised under.
    Setup,
}

/// A raw spinlock that keeps interrupts off while it is held.
///
/// # Context
///
/// Any but NMI.
pub(crate) struct RawLock<T> {
    raw: UnsafeCell<bindings::raw_spinlock_t>,
    value: UnsafeCell<T>,
}

// SAFETY: the lock gives one thread at a time access to the value, which may change threads.
unsafe impl<T: Send> Sync for RawLock<T> {}
// SAFETY: the raw lock is tied to no thread while nobody holds it, and only then it moves.
unsafe impl<T: Send> Send for RawLock<T> {}

impl<T> RawLock<T> {
    /// A lock around `value`, not held. It may move while nobody holds it: a raw spinlock knows a
    /// constant, its owner while it is held, and its lockdep class, but not its own address.
    pub(crate) fn new(value: T, class: Class) -> Self {
        let mut raw = MaybeUninit::zeroed();
        match class {
            // SAFETY: `raw` is valid for writes of a lock, which nobody else sees yet.
            Class::Tree => unsafe { bindings::eeh_glue_init_tree_lock(raw.as_mut_ptr()) },
            // SAFETY: as above.
            Class::Mailbox => unsafe { bindings::eeh_glue_init_mailbox_lock(raw.as_mut_ptr()) },
            // SAFETY: as above.
            Class::History => unsafe { bindings::eeh_glue_init_history_lock(raw.as_mut_ptr()) },
            // SAFETY: as above.
            Class::Setup => unsafe { bindings::eeh_glue_init_setup_lock(raw.as_mut_ptr()) },
        }
        // SAFETY: the call above has made it a lock.
        let raw = unsafe { raw.assume_init() };
        Self { raw: UnsafeCell::new(raw), value: UnsafeCell::new(value) }
    }

    /// Spins for the lock and takes it, with interrupts off until the guard is dropped.
    pub(crate) fn lock(&self) -> RawGuard<'_, T> {
        // SAFETY: `new` has initialised the lock, and it lives as long as `self`.
        let flags = unsafe { bindings::eeh_glue_raw_lock(self.raw.get()) };
        RawGuard { lock: self, flags, here: PhantomData }
    }
}

/// A raw spinlock, held. It stays on the CPU that took it.
pub(crate) struct RawGuard<'a, T> {
    lock: &'a RawLock<T>,
    flags: usize,
    here: PhantomData<*mut ()>,
}

impl<T> Deref for RawGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: the lock is held until `self` is dropped.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T> DerefMut for RawGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the lock is held until `self` is dropped, and `self` is borrowed mutably.
        unsafe { &mut *self.lock.value.get() }
    }
}

impl<T> Drop for RawGuard<'_, T> {
    #[inline(never)]
    fn drop(&mut self) {
        // SAFETY: `lock` took it with these flags, and only this guard releases it.
        unsafe { bindings::eeh_glue_raw_unlock(self.lock.raw.get(), self.flags) };
    }
}

impl<T: Send> Lock<T> for RawLock<T> {
    type Guard<'a>
        = RawGuard<'a, T>
    where
        T: 'a;

    fn new(value: T, _name: LockName) -> Self {
        Self::new(value, Class::Tree)
    }

    fn lock(&self) -> RawGuard<'_, T> {
        RawLock::lock(self)
    }
}

/// A mutex of the kernel.
///
/// `struct mutex` may not move once it is initialised (with debugging it knows its address), and
/// [`Lock::new`] cannot pin; so it is initialised in its final place, when it is first taken.
///
/// # Context
///
/// May sleep.
pub(crate) struct SleepLock<T> {
    name: LockName,
    /// Whether `raw` is initialised; held while it is.
    ready: RawLock<bool>,
    raw: UnsafeCell<MaybeUninit<bindings::mutex>>,
    value: UnsafeCell<T>,
}

// SAFETY: the mutex gives one thread at a time access to the value, which may change threads.
unsafe impl<T: Send> Sync for SleepLock<T> {}
// SAFETY: as above. A lock that was taken is shared, so it does not move until nobody takes it again.
unsafe impl<T: Send> Send for SleepLock<T> {}

impl<T> SleepLock<T> {
    /// The mutex, initialised.
    fn raw(&self) -> *mut bindings::mutex {
        let raw: *mut bindings::mutex = self.raw.get().cast();
        let mut ready = self.ready.lock();
        if !*ready {
            match self.name {
                // SAFETY: `raw` is valid for writes and nobody else touches it while `ready` is held and
                // false. `self` is borrowed by whoever takes the mutex, and in its final place by then:
                // a registry is made before it is published, and its mutexes are taken after.
                LockName::Registry => unsafe { bindings::eeh_glue_init_registry_mutex(raw) },
                // SAFETY: as above.
                LockName::Map | LockName::Tree => unsafe { bindings::eeh_glue_init_map_mutex(raw) },
            }
            *ready = true;
        }
        raw
    }
}

/// A mutex, held by this task.
pub(crate) struct SleepGuard<'a, T> {
    lock: &'a SleepLock<T>,
    here: PhantomData<*mut ()>,
}

impl<T> Deref for SleepGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: the mutex is held until `self` is dropped.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T> DerefMut for SleepGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the mutex is held until `self` is dropped, and `self` is borrowed mutably.
        unsafe { &mut *self.lock.value.get() }
    }
}

impl<T> Drop for SleepGuard<'_, T> {
    fn drop(&mut self) {
        // SAFETY: this task took the mutex, and only this guard releases it.
        unsafe { bindings::mutex_unlock(self.lock.raw.get().cast()) };
    }
}

impl<T: Send> Lock<T> for SleepLock<T> {
    type Guard<'a>
        = SleepGuard<'a, T>
    where
        T: 'a;

    fn new(value: T, name: LockName) -> Self {
        Self {
            name,
            ready: RawLock::new(false, Class::Setup),
            raw: UnsafeCell::new(MaybeUninit::uninit()),
            value: UnsafeCell::new(value),
        }
    }

    fn lock(&self) -> SleepGuard<'_, T> {
        let raw = self.raw();
        // SAFETY: it is initialised, and stays where it is while `self` is borrowed.
        unsafe { bindings::eeh_glue_mutex_lock(raw) };
        SleepGuard { lock: self, here: PhantomData }
    }
}
