// SPDX-License-Identifier: GPL-2.0-or-later
//! A worker's thread for each PHB, and a pool of threads for their helpers.

use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use core::time::Duration;
use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread::{self, Scope};

use eeh_pe::{Time, TreeId};
use eeh_recovery::{Next, Worker};
use test_utils::linux::{Letter, Started};
use test_utils::task::block_on;

use super::field::{Field, SCALE};
use super::pulse::Pulse;

/// How long who has nothing to do waits before he looks whether the storm is over.
const IDLE: Duration = Duration::from_millis(50);
/// Enough for workers and helpers; the machine of 64 PHBs has many.
const STACK: usize = 512 << 10;

/// Jobs that wait for a helper, and who is there to do them.
#[derive(Debug, Default)]
pub(super) struct Pool {
    queue: Mutex<(VecDeque<Started>, usize)>,
    changed: Condvar,
    /// Workers that are not idle, and jobs that are not done.
    busy: AtomicUsize,
    /// Steps of workers so far.
    steps: AtomicU64,
}

impl Pool {
    /// Workers and helpers at work, and steps taken: quiet when nobody is at work and nobody was.
    pub(super) fn activity(&self) -> (usize, u64) {
        (self.busy.load(Ordering::Acquire), self.steps.load(Ordering::Acquire))
    }
}

/// Starts workers for the trees that came.
pub(super) fn hire<'scope, 'env>(field: &'scope Field<'env>, scope: &'scope Scope<'scope, '_>)
where
    'env: 'scope,
{
    for tree in field.linux.take_new_trees() {
        field.pool.busy.fetch_add(1, Ordering::AcqRel);
        let built =
            thread::Builder::new().stack_size(STACK).spawn_scoped(scope, move || work(field, scope, tree));
        if let Err(error) = built {
            field.find(format!("no thread for a worker: {error}"));
        }
    }
}

/// A worker's life. The same loop as any environment's.
fn work<'scope, 'env>(field: &'scope Field<'env>, scope: &'scope Scope<'scope, '_>, id: TreeId)
where
    'env: 'scope,
{
    let linux = field.linux;
    let pool = &field.pool;
    if let Some(tree) = linux.registry().tree(id) {
        let pulse = field.pulses.add(format!("worker of PHB {:04x}", tree.number().0));
        let storage = linux.worker_storage(id);
        let mut worker = Worker::new(linux, tree, storage);
        let mut told = None;
        while !field.is_over() {
            let next = worker.step(linux.now());
            if next != Next::Idle {
                pool.steps.fetch_add(1, Ordering::AcqRel);
            }
            tell(&pulse, &worker, &mut told);
            while let Some(job) = linux.mailboxes().take_job(id) {
                ask(field, scope, job);
            }
            let letter = match next {
                Next::Again => linux.mailboxes().take_letter(id),
                Next::Idle => idle(field, id),
                Next::WaitUntil { at, .. } | Next::AwaitJob { deadline: at } => {
                    linux.mailboxes().wait_letter(id, host_time(linux.now(), at))
                }
                Next::Exit => break,
            };
            if let Letter::Answer(job, answer) = letter {
                // One that is void has changed nothing.
                let _ = worker.answer(job, answer, linux.now());
            }
        }
    }
    linux.mailboxes().close(id);
    pool.busy.fetch_sub(1, Ordering::AcqRel);
}

fn idle(field: &Field<'_>, id: TreeId) -> Letter {
    field.pool.busy.fetch_sub(1, Ordering::AcqRel);
    let letter = field.linux.mailboxes().wait_letter(id, IDLE);
    field.pool.busy.fetch_add(1, Ordering::AcqRel);
    letter
}

/// How long a wait until `at` is on the host.
fn host_time(now: Time, at: Time) -> Duration {
    let wait = at.since(now) / SCALE;
    if wait.is_zero() {
        thread::yield_now();
    }
    wait.min(IDLE)
}

/// Says which recovery the worker is at, when that has changed.
fn tell(
    pulse: &Pulse,
    worker: &Worker<'_, test_utils::linux::SimLinux>,
    told: &mut Option<eeh_recovery::RecoveryId>,
) {
    let recovering = worker.recovering();
    let id = recovering.map(|(id, ..)| id);
    if *told == id {
        return;
    }
    *told = id;
    match recovering {
        Some((_, pe, _)) => pulse.does(format_args!("recovering PE {:x}", pe.number.0)),
        None => pulse.rests(),
    }
}

/// Gives a job to a helper, a new one if all are busy.
fn ask<'scope, 'env>(field: &'scope Field<'env>, scope: &'scope Scope<'scope, '_>, job: Started)
where
    'env: 'scope,
{
    let pool = &field.pool;
    pool.busy.fetch_add(1, Ordering::AcqRel);
    let mut queue = pool.queue.lock().unwrap_or_else(PoisonError::into_inner);
    queue.0.push_back(job);
    if queue.0.len() > queue.1 {
        queue.1 += 1;
        drop(queue);
        let built = thread::Builder::new().stack_size(STACK).spawn_scoped(scope, move || help(field));
        if let Err(error) = built {
            field.find(format!("no thread for a helper: {error}"));
        }
    } else {
        drop(queue);
        pool.changed.notify_one();
    }
}

/// A helper's life. `queue.1` counts those that wait, or are about to.
fn help(field: &Field<'_>) {
    let pool = &field.pool;
    let pulse = field.pulses.add("helper".to_owned());
    let mut queue = pool.queue.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        if let Some(job) = queue.0.pop_front() {
            queue.1 -= 1;
            drop(queue);
            pulse.does(format_args!("{:?}", job.job));
            let _ = block_on(field.linux.help(job));
            pulse.rests();
            pool.busy.fetch_sub(1, Ordering::AcqRel);
            queue = pool.queue.lock().unwrap_or_else(PoisonError::into_inner);
            queue.1 += 1;
        } else if field.is_over() {
            return;
        } else {
            queue = pool.changed.wait_timeout(queue, IDLE).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}
