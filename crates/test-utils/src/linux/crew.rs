// SPDX-License-Identifier: GPL-2.0-or-later
//! Threads for a machine with a real clock: a worker and a helper for each PHB, as in a kernel.

use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use core::time::Duration;
use std::thread::{self, Scope};

use eeh_pe::{Time, TreeId};
use eeh_recovery::{Next, Worker};

use super::SimLinux;
use super::mailbox::Letter;
use crate::task::{Pace, block_on};

/// How long a thread that waits for nothing in particular looks away, by the host's clock.
const GLANCE: Duration = Duration::from_millis(20);

/// The threads of all PHBs, those that come later included.
#[derive(Debug)]
pub struct Crew<'l> {
    linux: &'l SimLinux,
    stop: AtomicBool,
    /// Workers that have something to do.
    busy: AtomicUsize,
    /// Threads that have not ended.
    threads: AtomicUsize,
}

/// Counts a thread while it runs.
struct Counted<'c>(&'c AtomicUsize);

impl<'c> Counted<'c> {
    fn new(counter: &'c AtomicUsize) -> Self {
        counter.fetch_add(1, Ordering::AcqRel);
        Self(counter)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl<'l> Crew<'l> {
    /// A crew without threads.
    #[must_use]
    pub const fn new(linux: &'l SimLinux) -> Self {
        Self { linux, stop: AtomicBool::new(false), busy: AtomicUsize::new(0), threads: AtomicUsize::new(0) }
    }

    /// Starts threads for all PHBs, and a thread that starts those of PHBs that come later. They end
    /// after [`Crew::stop`].
    pub fn start<'scope>(&'scope self, scope: &'scope Scope<'scope, '_>) {
        // Those that nobody has asked for yet are among the PHBs that are there.
        let _ = self.linux.take_new_trees();
        for phb in self.linux.phbs().into_iter().filter(|phb| phb.tree() != TreeId::NONE) {
            self.serve(scope, phb.tree());
        }
        let counted = Counted::new(&self.threads);
        scope.spawn(move || {
            let _counted = counted;
            while !self.stop.load(Ordering::Acquire) {
                for tree in self.linux.take_new_trees() {
                    self.serve(scope, tree);
                }
                thread::sleep(Duration::from_millis(1));
            }
        });
    }

    fn serve<'scope>(&'scope self, scope: &'scope Scope<'scope, '_>, tree: TreeId) {
        let counted = Counted::new(&self.threads);
        // Busy until it has looked: whoever waits for quiet waits for its first look too.
        let busy = Counted::new(&self.busy);
        scope.spawn(move || {
            let _counted = counted;
            self.work(scope, tree, busy);
        });
        self.hire_helper(scope, tree);
    }

    fn hire_helper<'scope>(&'scope self, scope: &'scope Scope<'scope, '_>, tree: TreeId) {
        let counted = Counted::new(&self.threads);
        scope.spawn(move || {
            let _counted = counted;
            self.help(tree);
        });
    }

    /// The loop of a worker's thread.
    fn work<'scope>(&'scope self, scope: &'scope Scope<'scope, '_>, id: TreeId, busy: Counted<'scope>) {
        let mut busy = Some(busy);
        let linux = self.linux;
        let Some(tree) = linux.registry().tree(id) else { return };
        let storage = linux.worker_storage(id);
        let mut worker = Worker::new(linux, tree, storage);
        loop {
            let next = worker.step(linux.now());
            for _ in 0..linux.mailboxes().take_lost(id) {
                self.hire_helper(scope, id);
            }
            let letter = match next {
                Next::Again => linux.mailboxes().take_letter(id),
                Next::WaitUntil { at, .. } => linux.mailboxes().wait_letter(id, self.host_time(at)),
                Next::AwaitJob { deadline } => {
                    linux.mailboxes().wait_letter(id, self.host_time(deadline).min(GLANCE))
                }
                Next::Idle => {
                    if self.stop.load(Ordering::Acquire) {
                        return;
                    }
                    // Idle for all to see while it waits, and busy again before it takes a letter.
                    if linux.mailboxes().is_empty(id) {
                        drop(busy.take());
                        linux.mailboxes().wait(id, GLANCE);
                        busy.get_or_insert_with(|| Counted::new(&self.busy));
                    }
                    linux.mailboxes().take_letter(id)
                }
                Next::Exit => {
                    linux.mailboxes().close(id);
                    return;
                }
            };
            if let Letter::Answer(job, answer) = letter {
                // One that is void has changed nothing.
                let _ = worker.answer(job, answer, linux.now());
            }
        }
    }

    /// The loop of a helper's thread. It ends with its PHB, and when it was given up.
    fn help(&self, tree: TreeId) {
        loop {
            match self.linux.mailboxes().wait_job(tree, GLANCE) {
                Some(job) => {
                    if !block_on(self.linux.help(job)) {
                        return;
                    }
                }
                None => {
                    let there = self.linux.registry().tree(tree).is_some_and(|tree| tree.is_live());
                    if !there || self.stop.load(Ordering::Acquire) {
                        return;
                    }
                }
            }
        }
    }

    /// The host's time until `at`; a little, if that has passed.
    fn host_time(&self, at: Time) -> Duration {
        match self.linux.pace() {
            Pace::Real(clock) => clock.host(at.since(self.linux.now())).max(Duration::from_micros(20)),
            Pace::Virtual(_) => GLANCE,
        }
    }

    /// Whether no worker has anything to do at this moment.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        let quiet = || self.busy.load(Ordering::Acquire) == 0 && self.linux.mailboxes().are_empty();
        quiet() && quiet()
    }

    /// Waits until no worker has anything to do; answers whether that was so within `limit` of the
    /// host's time.
    #[must_use]
    pub fn wait_quiet(&self, limit: Duration) -> bool {
        let begin = std::time::Instant::now();
        while begin.elapsed() < limit {
            if self.is_quiet() {
                return true;
            }
            thread::sleep(Duration::from_millis(1));
        }
        self.is_quiet()
    }

    /// Tells all threads to end when they have nothing to do, and lets hanging drivers go.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Release);
        self.linux.hanging().open();
    }

    /// Threads that have not ended.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.threads.load(Ordering::Acquire)
    }
}
