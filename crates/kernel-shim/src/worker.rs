// SPDX-License-Identifier: GPL-2.0-or-later
//! The thread of a PHB's worker: the driver loop around eeh-recovery's [`Worker`].

use core::time::Duration;

use eeh_pe::sync::{Acquire, AtomicU32, Release};
use eeh_pe::{Passed, PeFlags, TreeId};
use eeh_recovery::{DiagBuffer, JobAnswer, Location, Next, Worker, WorkerStorage};
use kernel::alloc::KBox;
use kernel::alloc::flags::GFP_KERNEL;

use crate::env::KernelEnv;
use crate::mailbox::{self, Letter};
use crate::time::{Nap, now};
use crate::{KernelPlatform, helper, late, platform, registry, thread};

/// How often a worker that waits for its helper looks whether that is alive.
const GLANCE: Duration = Duration::from_secs(1);

/// Whether the system goes down: [`FINISH`], then [`DROP`].
static STOPPING: AtomicU32 = AtomicU32::new(0);

/// What has begun may come to its end, and nothing begins.
const FINISH: u32 = 1;
/// What has not come to its end is dropped.
const DROP: u32 = 2;
/// How long workers get to drop what they are at.
const DROPPED: Duration = Duration::from_millis(500);

/// Whether a worker ends now, that is recovering or not.
fn must_end(recovering: bool) -> bool {
    match STOPPING.load(Acquire) {
        0 => false,
        FINISH => !recovering,
        _ => true,
    }
}

/// A buffer without data, in the linear map, without a copy of it on the stack.
fn buffer() -> Option<KBox<DiagBuffer>> {
    let mut buffer = KBox::<DiagBuffer>::new_uninit(GFP_KERNEL).ok()?;
    // SAFETY: the memory is there and nobody else's.
    unsafe { buffer.as_mut_ptr().write_bytes(0, 1) };
    // SAFETY: a buffer is bytes and a length: zeros are a buffer without data.
    Some(unsafe { buffer.assume_init() })
}

/// Gives a PHB its worker. `false`: no memory; its devices work without EEH.
///
/// # Context
///
/// May sleep.
pub(crate) fn start(tree: TreeId, location: Location) -> bool {
    let Some(held) = registry().and_then(|registry| registry.tree(tree)) else { return false };
    mailbox::open(tree, held.firmware(), location);
    let Some(task) = thread::create(c"eehd/%x", held.number().0, run, tree) else {
        mailbox::close(tree);
        return false;
    };
    mailbox::set_worker(tree, task.clone());
    task.wake_up();
    true
}

/// The system goes down: workers that recover get `limit` to come to an end, then they release the reset
/// that they have asserted and let configuration space be used again. The others end at once.
///
/// # Context
///
/// May sleep.
pub(crate) fn quiesce(limit: Duration) {
    for (stopping, limit) in [(FINISH, limit), (DROP, DROPPED)] {
        STOPPING.store(stopping, Release);
        mailbox::wake_all();
        let until = now().after(limit);
        while mailbox::workers() != 0 && now() < until {
            crate::time::sleep_ms(10);
        }
    }
}

/// The thread.
fn run(tree: TreeId) {
    if let (Some(platform), Some(registry), Some(phb_diag), Some(recovery_diag)) =
        (platform(), registry(), buffer(), buffer())
        && let Some(held) = registry.tree(tree)
    {
        let number = held.number().0;
        let storage = WorkerStorage { phb_diag, recovery_diag };
        let worker = Worker::new(platform, held, storage);
        serve(worker, tree, number);
        unblock(tree);
    }
    mailbox::close(tree);
}

/// The loop: steps, and waits between them.
fn serve(mut worker: Worker<'static, KernelPlatform>, tree: TreeId, number: u32) {
    loop {
        if must_end(worker.recovering().is_some()) {
            return;
        }
        if worker.recovering().is_none() && mailbox::take_late(tree) {
            late::attach(tree, number);
        }
        let until = match worker.step(now()) {
            Next::Again => None,
            Next::Idle => Some(None),
            Next::WaitUntil { at, .. } => Some(Some(at)),
            Next::AwaitJob { deadline } => {
                hire(tree, number);
                Some(Some(deadline.min(now().after(GLANCE))))
            }
            Next::Exit => return,
        };
        if let Some(until) = until {
            let nap = Nap::new();
            if !mailbox::has_letter(tree) && !must_end(worker.recovering().is_some()) {
                nap.until(until);
            }
        }
        if let Letter::Answer(job, answer) = mailbox::take_letter(tree) {
            // One that is void has changed nothing.
            let _ = worker.answer(job, answer, now());
        } else if let Some(job) = mailbox::take_dead(tree) {
            let _ = worker.answer(job, JobAnswer::Died, now());
        }
    }
}

/// A helper, when jobs have none. Without memory for one the job waits, and it is tried again.
fn hire(tree: TreeId, number: u32) {
    if mailbox::lacks_helper(tree)
        && let Some(task) = thread::create(c"eehh/%x", number, helper::run, tree)
    {
        mailbox::set_helper(tree, task.clone());
        task.wake_up();
    }
}

/// Nobody recovers the PHB any more: what a recovery had blocked is open to whoever brings devices to
/// rest.
fn unblock(tree: TreeId) {
    let Some(held) = registry().and_then(|registry: &eeh_pe::Registry<KernelEnv>| registry.tree(tree)) else {
        return;
    };
    let mut guard = held.lock();
    if let Some(root) = guard.root().map(|root| root.id()) {
        let marks = PeFlags::CFG_BLOCKED | PeFlags::RESET;
        guard.clear_subtree(root, marks, Passed::Include);
    }
}
