// SPDX-License-Identifier: GPL-2.0-or-later
//! Waiting for time to pass, and for a gate to open.

use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::sync::atomic::{AtomicU64, Ordering};
use core::task::{Context, Poll, Waker};
use core::time::Duration;
use std::sync::{Arc, Mutex, PoisonError};

use eeh_pe::Time;

use crate::hw::{ScaledClock, SimClock};

/// Virtual time: moved on by the engine, and who waits for which point of it.
#[derive(Debug, Default)]
pub struct VirtualTime {
    now: AtomicU64,
    new: Mutex<Vec<(Time, Waker)>>,
}

impl VirtualTime {
    /// The present.
    #[must_use]
    pub fn now(&self) -> Time {
        Time::from_nanos(self.now.load(Ordering::Acquire))
    }

    /// Sets the present: the engine serves one actor after the other, each at its own time, so it
    /// may go back by what the last one's busy calls took.
    pub fn set(&self, at: Time) {
        self.now.store(at.as_nanos(), Ordering::Release);
    }

    /// Timers set since the last call, in the order in which they were set.
    #[must_use]
    pub fn take_timers(&self) -> Vec<(Time, Waker)> {
        core::mem::take(&mut self.new.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Runs a future that no lock stands against, through the times it waits for.
    ///
    /// # Panics
    ///
    /// When it waits for something else.
    pub fn run<F: Future>(&self, future: F) -> F::Output {
        let mut future = core::pin::pin!(future);
        let mut context = Context::from_waker(Waker::noop());
        loop {
            if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
                return value;
            }
            let (at, _) = self.take_timers().into_iter().next().expect("it waits for time");
            self.set(at);
        }
    }

    fn wake_at(&self, at: Time, waker: Waker) {
        self.new.lock().unwrap_or_else(PoisonError::into_inner).push((at, waker));
    }
}

impl SimClock for VirtualTime {
    fn now(&self) -> Time {
        Self::now(self)
    }

    fn spend(&self, d: Duration) {
        self.set(Self::now(self).after(d));
    }
}

/// How time passes for tasks.
#[derive(Clone)]
pub enum Pace {
    /// The engine moves it on.
    Virtual(Arc<VirtualTime>),
    /// It passes by itself, and threads sleep.
    Real(Arc<ScaledClock>),
}

impl fmt::Debug for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Virtual(_) => "Pace::Virtual",
            Self::Real(_) => "Pace::Real",
        })
    }
}

impl Pace {
    /// The present.
    #[must_use]
    pub fn now(&self) -> Time {
        match self {
            Self::Virtual(time) => time.now(),
            Self::Real(clock) => clock.now(),
        }
    }

    /// Waits for `span` from now on.
    pub fn sleep(&self, span: Duration) -> Sleep<'_> {
        Sleep { pace: self, until: self.now().after(span), set: false }
    }
}

/// A task sleeps.
#[derive(Debug)]
pub struct Sleep<'a> {
    pace: &'a Pace,
    until: Time,
    set: bool,
}

impl Future for Sleep<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let until = self.until;
        crate::discipline::outside_trees("a sleep");
        match self.pace {
            Pace::Real(clock) => {
                clock.spend(until.since(clock.now()));
                return Poll::Ready(());
            }
            Pace::Virtual(time) if time.now() >= until => return Poll::Ready(()),
            Pace::Virtual(time) if !self.set => time.wake_at(until, context.waker().clone()),
            Pace::Virtual(_) => {}
        }
        self.set = true;
        Poll::Pending
    }
}

/// Closed until opened, then open for ever: what a hanging driver waits for.
#[derive(Default)]
pub struct Gate {
    state: Mutex<(bool, Vec<Waker>)>,
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Gate")
    }
}

impl Gate {
    /// Lets all who wait, and all who come later, through.
    pub fn open(&self) {
        let waiting = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            state.0 = true;
            core::mem::take(&mut state.1)
        };
        waiting.into_iter().for_each(Waker::wake);
    }

    /// Waits for [`Gate::open`].
    pub fn pass(&self) -> impl Future<Output = ()> + '_ {
        core::future::poll_fn(|context| {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            if state.0 {
                return Poll::Ready(());
            }
            state.1.push(context.waker().clone());
            Poll::Pending
        })
    }
}
