// SPDX-License-Identifier: GPL-2.0-or-later
//! Nanoseconds per call, on one thread or on several at once.

use core::hint::black_box;
use std::sync::Barrier;
use std::time::Instant;

/// Passes over the visits in one round.
pub const PASSES: usize = 20;

/// What was measured.
#[derive(Clone, Copy, Debug)]
pub struct Measured {
    /// Nanoseconds that a call took on its thread, in the fastest round: what the code takes when
    /// nothing else disturbs the machine. The loop around it is included.
    pub nanos: f64,
    /// Calls per second of all threads together, in the fastest round.
    pub per_second: f64,
}

/// How to measure.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Threads at once.
    pub threads: usize,
    /// Rounds, of which the fastest counts.
    pub rounds: usize,
    /// Each item is visited once per round, by one of the threads; otherwise each thread visits
    /// every item [`PASSES`] times.
    pub once: bool,
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
    let Plan { threads, rounds, once } = *plan;
    let line = Barrier::new(threads);
    let share = visits.len() / threads;
    let thread = |number: usize| {
        enter(number);
        let mut order = visits.to_vec();
        order.rotate_left(number * share);
        if once {
            order.truncate(share);
        }
        let passes = if once { 1 } else { PASSES };
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
    let calls = if once { share } else { PASSES * visits.len() };
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52 calls")]
    let (per_thread, all) = (calls as f64, (calls * threads) as f64);
    Measured { nanos: best * 1e9 / per_thread, per_second: all / best }
}
