// SPDX-License-Identifier: GPL-2.0-or-later
//! Nanoseconds per call, on one thread or on several at once.

use core::hint::{black_box, spin_loop};
use core::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

/// What was measured.
#[derive(Clone, Copy, Debug)]
pub struct Measured {
    /// Nanoseconds that a call took on its thread, in the fastest round: what the code takes when
    /// nothing else disturbs the machine. The loop around it is included.
    pub nanos: f64,
    /// Calls per second of all threads together, in the fastest round.
    pub per_second: f64,
    /// Nanoseconds that a call took on its thread, over all rounds.
    pub mean_nanos: f64,
}

impl Measured {
    /// The faster of two measurements of the same.
    #[must_use]
    pub fn or_faster(self, other: Self) -> Self {
        Self {
            nanos: self.nanos.min(other.nanos),
            per_second: self.per_second.max(other.per_second),
            mean_nanos: self.mean_nanos.min(other.mean_nanos),
        }
    }
}

/// Where threads wait for each other. They spin: whoever sleeps is not there when a round begins, on
/// a machine that has other work.
struct Line {
    threads: usize,
    arrived: AtomicUsize,
}

impl Line {
    const fn new(threads: usize) -> Self {
        Self { threads, arrived: AtomicUsize::new(0) }
    }

    fn wait(&self) {
        const PATIENCE: usize = 1 << 16;
        let mine = self.arrived.fetch_add(1, Ordering::AcqRel);
        let all = (mine / self.threads + 1) * self.threads;
        let mut spins = 0;
        while self.arrived.load(Ordering::Acquire) < all {
            spins += 1;
            if spins < PATIENCE { spin_loop() } else { std::thread::yield_now() }
        }
    }
}

/// How to measure.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Threads at once.
    pub threads: usize,
    /// Rounds, of which the fastest counts.
    pub rounds: usize,
    /// Passes that each thread makes over the items in a round.
    pub passes: usize,
    /// The threads share the items of a pass out instead of each visiting all of them.
    pub share: bool,
}

/// Measures `check`, called with each item of `visits` in turn.
///
/// `enter` runs first on each thread, with the thread's number; `reset` before each round, on one.
///
/// # Panics
///
/// When `visits` is empty or a thread panics.
pub fn measure<T: Copy + Send + Sync>(
    plan: &Plan,
    visits: &[T],
    enter: impl Fn(usize) + Sync,
    reset: impl Fn() + Sync,
    check: impl Fn(T) -> bool + Sync,
) -> Measured {
    assert!(!visits.is_empty(), "nothing to visit");
    let Plan { threads, rounds, passes, share } = *plan;
    let line = Line::new(threads);
    let part = visits.len() / threads;
    let length = if share { part } else { visits.len() };
    let thread = |number: usize| {
        enter(number);
        let mut order = visits.to_vec();
        order.rotate_left(number * part);
        order.truncate(length);
        let round = |_| {
            line.wait();
            if number == 0 {
                reset();
            }
            line.wait();
            let begun = Instant::now();
            for _ in 0..passes {
                for &item in &order {
                    let _answer = black_box(check(black_box(item)));
                }
            }
            (begun, Instant::now())
        };
        (0..rounds).map(round).collect::<Vec<_>>()
    };
    let spans: Vec<Vec<(Instant, Instant)>> = std::thread::scope(|scope| {
        let thread = &thread;
        let running: Vec<_> = (0..threads).map(|number| scope.spawn(move || thread(number))).collect();
        running.into_iter().map(|thread| thread.join().expect("a measuring thread panicked")).collect()
    });
    let wall = |round: usize| {
        let begun = spans.iter().map(|spans| spans[round].0).min();
        let ended = spans.iter().map(|spans| spans[round].1).max();
        begun.zip(ended).map_or(f64::INFINITY, |(begun, ended)| (ended - begun).as_secs_f64())
    };
    let best = (0..rounds).map(wall).fold(f64::INFINITY, f64::min);
    let total: f64 = (0..rounds).map(wall).sum();
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52 calls")]
    let [calls, all, ever] = [1, threads, rounds].map(|times| (passes * length * times) as f64);
    Measured { nanos: best * 1e9 / calls, per_second: all / best, mean_nanos: total * 1e9 / ever }
}
