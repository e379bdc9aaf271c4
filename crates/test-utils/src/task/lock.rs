// SPDX-License-Identifier: GPL-2.0-or-later
//! A sleeping mutex of the simulated kernel, handed over in the order of asking.

use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use crate::discipline;

/// A mutex as `device_lock` or the rescan lock: without data, sleeping, and lost for ever when its
/// holder dies.
#[derive(Default)]
pub struct SleepLock {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    held: bool,
    /// The task that took it.
    owner: Option<u64>,
    /// Who has been handed the lock and has not run since.
    granted: Option<u64>,
    next: u64,
    waiting: VecDeque<(u64, Waker)>,
}

impl SleepLock {
    /// A free lock.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn with<T>(&self, f: impl FnOnce(&mut State) -> T) -> T {
        f(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits for the lock, behind those who asked before.
    pub fn lock(&self) -> Locking<'_> {
        Locking { lock: self, ticket: None }
    }

    /// Takes the lock if it is free.
    pub fn try_lock(&self) -> Option<LockGuard<'_>> {
        let free = self.with(|state| {
            let free = !core::mem::replace(&mut state.held, true);
            if free {
                state.owner = discipline::task();
            }
            free
        });
        free.then(|| LockGuard { lock: self })
    }

    /// Whether somebody waits for it.
    #[must_use]
    pub fn is_awaited(&self) -> bool {
        self.with(|state| !state.waiting.is_empty())
    }

    /// Whether somebody holds it.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.with(|state| state.held)
    }

    /// Whether the task that asks holds it.
    #[must_use]
    pub fn is_held_by_caller(&self) -> bool {
        let task = discipline::task();
        task.is_some() && self.with(|state| state.held && state.owner == task)
    }

    /// Hands the lock to the next in line, or frees it.
    fn release(&self) {
        let next = self.with(|state| {
            let next = state.waiting.pop_front();
            state.granted = next.as_ref().map(|(ticket, _)| *ticket);
            state.held = next.is_some();
            state.owner = None;
            next
        });
        if let Some((_, waker)) = next {
            waker.wake();
        }
    }
}

impl fmt::Debug for SleepLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SleepLock").field("held", &self.is_held()).finish_non_exhaustive()
    }
}

/// The lock is held; dropping this releases it.
#[derive(Debug)]
pub struct LockGuard<'a> {
    lock: &'a SleepLock,
}

impl LockGuard<'_> {
    /// The holder dies: nobody will ever release the lock.
    pub fn lose(self) {
        core::mem::forget(self);
    }
}

impl Drop for LockGuard<'_> {
    fn drop(&mut self) {
        self.lock.release();
    }
}

/// Somebody waits for the lock.
#[derive(Debug)]
pub struct Locking<'a> {
    lock: &'a SleepLock,
    ticket: Option<u64>,
}

impl<'a> Future for Locking<'a> {
    type Output = LockGuard<'a>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let lock = self.lock;
        let mine = self.ticket;
        let (ticket, got) = lock.with(|state| match mine {
            None if !state.held => {
                state.held = true;
                state.owner = discipline::task();
                (None, true)
            }
            None => {
                let ticket = state.next;
                state.next = ticket.wrapping_add(1);
                state.waiting.push_back((ticket, context.waker().clone()));
                (Some(ticket), false)
            }
            Some(ticket) if state.granted == Some(ticket) => {
                state.granted = None;
                state.owner = discipline::task();
                (None, true)
            }
            Some(ticket) => {
                for (_, waker) in state.waiting.iter_mut().filter(|(t, _)| *t == ticket) {
                    waker.clone_from(context.waker());
                }
                (Some(ticket), false)
            }
        });
        self.ticket = ticket;
        if got { Poll::Ready(LockGuard { lock }) } else { Poll::Pending }
    }
}

impl Drop for Locking<'_> {
    fn drop(&mut self) {
        let Some(ticket) = self.ticket else { return };
        let granted = self.lock.with(|state| {
            state.waiting.retain(|(t, _)| *t != ticket);
            let granted = state.granted == Some(ticket);
            if granted {
                state.granted = None;
            }
            granted
        });
        if granted {
            self.lock.release();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::block_on;
    use super::*;
    use core::sync::atomic::{AtomicU32, Ordering};
    use std::thread;

    #[test]
    fn one_holder_at_a_time_among_threads() {
        let (lock, inside, turns) = (SleepLock::new(), AtomicU32::new(0), AtomicU32::new(0));
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        let guard = block_on(lock.lock());
                        assert_eq!(inside.fetch_add(1, Ordering::AcqRel), 0);
                        thread::yield_now();
                        inside.fetch_sub(1, Ordering::AcqRel);
                        turns.fetch_add(1, Ordering::Relaxed);
                        drop(guard);
                    }
                });
            }
        });
        assert_eq!(turns.load(Ordering::Relaxed), 800);
        assert!(!lock.is_held());
    }

    #[test]
    fn who_gives_up_waiting_passes_the_lock_on() {
        let lock = SleepLock::new();
        let mut context = Context::from_waker(Waker::noop());
        let guard = lock.try_lock().expect("free");
        let mut first = Box::pin(lock.lock());
        let mut second = Box::pin(lock.lock());
        assert!(first.as_mut().poll(&mut context).is_pending());
        assert!(second.as_mut().poll(&mut context).is_pending());
        drop(guard);
        drop(first);
        assert!(second.as_mut().poll(&mut context).is_ready());
    }

    #[test]
    fn a_lost_lock_stays_held() {
        let lock = SleepLock::new();
        lock.try_lock().expect("free").lose();
        assert!(lock.try_lock().is_none());
    }
}
