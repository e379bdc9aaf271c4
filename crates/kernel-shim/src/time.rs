// SPDX-License-Identifier: GPL-2.0-or-later
//! The clock, and waiting for it.

use core::arch::asm;
use core::ptr;

use eeh_pe::Time;

use crate::bindings;

/// The present, by the clock of the kernel's log.
///
/// It is the timebase since boot, in nanoseconds. On POWER all CPUs have the timebase in step and nobody
/// adjusts it: what is read later, anywhere, is not less. (CLOCK_MONOTONIC is the same timebase, bent as NTP
/// asks.)
///
/// # Context
///
/// Any, NMI included.
pub(crate) fn now() -> Time {
    // SAFETY: reads the timebase, in any context.
    Time::from_nanos(unsafe { bindings::sched_clock() })
}

/// The timebase, which a check reads and hardly ever looks at. C: `get_tb`
///
/// # Context
///
/// Any, NMI included.
#[inline]
pub(crate) fn ticks() -> u64 {
    let ticks: u64;
    // SAFETY: reads a register, in any context. Not `pure`: it is read where it stands.
    unsafe { asm!("mftb {}", out(reg) ticks, options(nostack, preserves_flags)) };
    ticks
}

/// When the timebase was so much: not before that moment, and at most the clock's grain after it.
///
/// # Context
///
/// Any, NMI included.
pub(crate) fn of(ticks: u64) -> Time {
    let (now, past) = (now(), self::ticks().wrapping_sub(ticks));
    // SAFETY: arithmetic.
    let past = unsafe { bindings::tb_to_ns(past) };
    Time::from_nanos(now.as_nanos().saturating_sub(past))
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

    /// Waits, if nobody has woken this thread since [`Nap::new`]; `None` waits for that only. Timers run
    /// by another clock, so it may be some ppm early: whoever waits looks again.
    pub(crate) fn until(self, at: Option<Time>) {
        let mut left = at.map(|at| i64::try_from(at.since(now()).as_nanos()).unwrap_or(i64::MAX));
        let left = left.as_mut().map_or(ptr::null_mut(), ptr::from_mut);
        let mode = bindings::hrtimer_mode_HRTIMER_MODE_REL;
        // SAFETY: `left` is null or lives until the call returns; the thread may sleep here.
        unsafe { bindings::schedule_hrtimeout_range(left, SLACK_NS, mode) };
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
