// SPDX-License-Identifier: GPL-2.0-or-later
//! The past of the PEs that something happened to last.

use core::cell::UnsafeCell;

use eeh_pe::{PeNumber, PhbNumber, Time};
use eeh_recovery::{Event, History, PeHistory};

use crate::lock::{Class, RawLock};
use crate::once::Once;

/// How many PEs are remembered.
const ENTRIES: usize = 64;

/// The history, which only the holder of [`LOCK`] uses.
struct Past(UnsafeCell<History<ENTRIES>>);

// SAFETY: see above.
unsafe impl Sync for Past {}

static PAST: Past = Past(UnsafeCell::new(History::new()));
static LOCK: Once<RawLock<()>> = Once::new();

/// Begins to remember.
///
/// # Context
///
/// Boot, before any PHB is added.
pub(crate) fn init() {
    let _ = LOCK.set(RawLock::new((), Class::History));
}

/// Takes notice of an event.
///
/// # Context
///
/// Any but NMI.
pub(crate) fn note(now: Time, event: &Event) {
    let Some(lock) = LOCK.get() else { return };
    let _guard = lock.lock();
    // SAFETY: the lock is held.
    unsafe { &mut *PAST.0.get() }.note(now, event);
}

/// The first entry after a PE.
///
/// # Context
///
/// Any but NMI.
pub(crate) fn after(last: Option<(PhbNumber, Option<PeNumber>)>) -> Option<PeHistory> {
    let _guard = LOCK.get()?.lock();
    // SAFETY: the lock is held.
    unsafe { &*PAST.0.get() }.after(last)
}
