// SPDX-License-Identifier: GPL-2.0-or-later
//! Nanoseconds per call, on one thread or on several at once.

use core::hint::black_box;
use std::sync::Barrier;
use std::time::Instant;

/// Passes over the visits in one round.
const PASSES: usize = 20;

/// What was measured.
#[derive(Clone, Copy, Debug)]
pub struct Measured {
    /// Nanoseconds that a call took on its thread, in the fastest round: what the code takes when
    /// nothing else disturbs the machine. The loop around it is included.
    pub nanos: f64,
    /// Calls per second of all threads together, in the fastest round.
    pub per_second: f64,
}

/// Measures `check`, called with each item of `visits` in turn, on `threads` threads, `rounds` times.
///
/// `enter` runs first on each thread, with the thread's number.
///
/// # Panics
///
/// When `visits` is empty or a thread panics.
pub fn measure<T: Copy + Send + Sync>(
    threads: usize,
    rounds: usize,
    visits: &[T],
    enter: impl Fn(usize) + Sync,
    check: impl Fn(T) -> bool + Sync,
) -> Measured {
    assert!(!visits.is_empty(), "nothing to visit");
    let start = Barrier::new(threads);
    let thread = |number: usize| {
        enter(number);
        let mut order = visits.to_vec();
        order.rotate_left(number * visits.len() / threads);
        let work = || {
            for _ in 0..PASSES {
                for &item in &order {
                    let _answer = black_box(check(black_box(item)));
                }
            }
        };
        work();
        let round = |_| {
            start.wait();
            let begun = Instant::now();
            work();
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
    let calls = PASSES * visits.len();
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52 calls")]
    let (per_thread, all) = (calls as f64, (calls * threads) as f64);
    Measured { nanos: best * 1e9 / per_thread, per_second: all / best }
}
