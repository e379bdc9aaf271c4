// SPDX-License-Identifier: GPL-2.0-or-later
//! The clock, and waiting for it.

use core::ptr;

use eeh_pe::Time;

use crate::bindings;

/// The present, by CLOCK_MONOTONIC.
///
/// # Context
///
/// Any, NMI included.
pub(crate) fn now() -> Time {
    // SAFETY: reads the clock, in any context.
    Time::from_nanos(unsafe { bindings::ktime_get_mono_fast_ns() })
}

/// How late a wait for a time may end: timers that are due together fire together.
const SLACK_NS: u64 = 50_000;

/// A wait of this thread that does not count as load or as hanging: until somebody wakes it, or a time
/// has come.
///
/// Between [`Nap::new`] and [`Nap::until`] the thread looks whether there is something to do: whoever
/// brings something after that look finds the thread waiting, and wakes it.
///
/// # Context
///
/// A kernel thread, without any lock.
pub(crate) struct Nap(());

impl Nap {
    /// About to wait.
    pub(crate) fn new() -> Self {
        // SAFETY: changes the state of this thread only.
        unsafe { bindings::eeh_glue_set_idle() };
        Self(())
    }

    /// Waits, if nobody has woken this thread since [`Nap::new`]; `None` waits for that only.
    pub(crate) fn until(self, at: Option<Time>) {
        let mut expires = at.map(|at| i64::try_from(at.as_nanos()).unwrap_or(i64::MAX));
        let expires = expires.as_mut().map_or(ptr::null_mut(), |at| ptr::from_mut(at));
        let mode = bindings::hrtimer_mode_HRTIMER_MODE_ABS;
        // SAFETY: `expires` is null or lives until the call returns; the thread may sleep here.
        unsafe { bindings::schedule_hrtimeout_range(expires, SLACK_NS, mode) };
    }
}

impl Drop for Nap {
    /// Running again, however the wait ended.
    fn drop(&mut self) {
        // SAFETY: changes the state of this thread only.
        unsafe { bindings::eeh_glue_set_running() };
    }
}

/// Sleeps for so many milliseconds.
///
/// # Context
///
/// May sleep.
pub(crate) fn sleep_ms(ms: u32) {
    // SAFETY: the caller may sleep.
    unsafe { bindings::msleep(ms) };
}

/// Waits for a time.
///
/// # Context
///
/// May sleep.
pub(crate) fn sleep_until(at: Time) {
    while now() < at {
        Nap::new().until(Some(at));
    }
}

/// Waits for a time, or until this task is killed; whether it was.
///
/// # Context
///
/// May sleep.
pub(crate) fn wait_killable(at: Time) -> bool {
    // SAFETY: changes the state of this task only.
    unsafe { bindings::eeh_glue_set_killable() };
    Nap(()).until(Some(at));
    // SAFETY: asks about this task.
    unsafe { bindings::eeh_glue_is_killed() }
}
