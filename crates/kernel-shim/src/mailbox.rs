// SPDX-License-Identifier: GPL-2.0-or-later
//! What a PHB's worker, its helper and everybody else leave for each other.
//!
//! One mailbox for each place of the registry, behind a raw lock of its own: who finds a freeze in a
//! hard interrupt wakes a worker through it. Inside the lock only a scheduler's lock is taken.

use eeh_pe::TreeId;
use eeh_recovery::{Helper, Job, JobAnswer, JobId, Location, Wake};
use kernel::alloc::KVVec;
use kernel::alloc::flags::GFP_KERNEL;
use kernel::sync::aref::ARef;
use kernel::task::Task;

use crate::env::KernelEnv;
use crate::lock::{Class, RawGuard, RawLock};
use crate::once::Once;
use crate::thread::is_current;
use crate::{interrupt, thread};

/// A job, with its name.
type Started = (JobId, Job<KernelEnv>);

/// What one PHB's mailbox holds.
struct Content {
    tree: Option<TreeId>,
    /// Firmware's name of the PHB.
    firmware: u64,
    location: Location,
    worker: Option<ARef<Task>>,
    /// The helper that serves jobs; one that was given up is not.
    helper: Option<ARef<Task>>,
    woken: bool,
    /// Firmware is to be asked for errors.
    check: bool,
    /// The error interrupt is masked until this worker has asked.
    masks: bool,
    /// A job that no helper has begun.
    job: Option<Started>,
    /// The job that the helper is at.
    running: Option<JobId>,
    answer: Option<(JobId, JobAnswer)>,
    /// Devices came in the middle of a recovery, and no thread was made for them.
    late: bool,
}

impl Content {
    const fn empty() -> Self {
        Self {
            tree: None,
            firmware: 0,
            location: Location::EMPTY,
            worker: None,
            helper: None,
            woken: false,
            check: false,
            masks: false,
            job: None,
            running: None,
            answer: None,
            late: false,
        }
    }

    fn wake_worker(&mut self) {
        self.woken = true;
        if let Some(worker) = &self.worker {
            worker.wake_up();
        }
    }

    fn wake_helper(&self) {
        if let Some(helper) = &self.helper {
            helper.wake_up();
        }
    }
}

/// The mailboxes, by place of the registry.
static BOXES: Once<KVVec<RawLock<Content>>> = Once::new();

/// Makes mailboxes for so many places. `false`: no memory.
///
/// # Context
///
/// Boot, before any PHB is added.
pub(crate) fn init(places: usize) -> bool {
    let Ok(mut boxes) = KVVec::with_capacity(places, GFP_KERNEL) else { return false };
    for _ in 0..places {
        if boxes.push_within_capacity(RawLock::new(Content::empty(), Class::Mailbox)).is_err() {
            return false;
        }
    }
    BOXES.set(boxes).is_ok()
}

fn all() -> impl Iterator<Item = &'static RawLock<Content>> {
    BOXES.get().into_iter().flatten()
}

/// The mailbox of `tree`, held; `None` when its place has another's by now, or nobody's.
fn lock(tree: TreeId) -> Option<RawGuard<'static, Content>> {
    let content = BOXES.get()?.get(usize::from(tree.slot()))?.lock();
    (content.tree == Some(tree)).then_some(content)
}

/// Gives the mailbox of a place to its new PHB.
///
/// # Context
///
/// May sleep.
pub(crate) fn open(tree: TreeId, firmware: u64, location: Location) {
    let Some(place) = BOXES.get().and_then(|boxes| boxes.get(usize::from(tree.slot()))) else { return };
    let mut new = Content { tree: Some(tree), firmware, location, ..Content::empty() };
    // An error that came while there was nobody to ask firmware.
    new.masks = interrupt::adopt();
    new.check = new.masks;
    let old = core::mem::replace(&mut *place.lock(), new);
    discard(old);
}

/// A worker has ended: what was left for it, and what its helper still answers, is dropped.
///
/// # Context
///
/// May sleep.
pub(crate) fn close(tree: TreeId) {
    let old = lock(tree).map(|mut content| core::mem::replace(&mut *content, Content::empty()));
    if let Some(old) = old {
        discard(old);
    }
}

/// Drops what a mailbox held, outside its lock; the helper finds it gone and ends.
fn discard(old: Content) {
    old.wake_helper();
    if old.masks {
        interrupt::release();
    }
}

/// Sets the worker's thread, before it first runs.
pub(crate) fn set_worker(tree: TreeId, task: ARef<Task>) {
    let old = lock(tree).and_then(|mut content| content.worker.replace(task));
    drop(old);
}

/// Whether jobs have no helper to serve them.
pub(crate) fn lacks_helper(tree: TreeId) -> bool {
    lock(tree).is_some_and(|content| content.helper.is_none())
}

/// Sets the helper's thread, before it first runs.
pub(crate) fn set_helper(tree: TreeId, task: ARef<Task>) {
    let old = lock(tree).and_then(|mut content| content.helper.replace(task));
    drop(old);
}

/// Location code of a PHB.
pub(crate) fn location(tree: TreeId) -> Location {
    lock(tree).map_or(Location::new("N/A"), |content| content.location)
}

/// What the worker finds in its mailbox.
pub(crate) enum Letter {
    /// A job was answered.
    Answer(JobId, JobAnswer),
    /// It was woken.
    Woken,
    /// Nothing.
    None,
}

/// The worker's next letter: answers first.
///
/// # Context
///
/// The worker.
pub(crate) fn take_letter(tree: TreeId) -> Letter {
    let Some(mut content) = lock(tree) else { return Letter::None };
    if let Some((id, answer)) = content.answer.take() {
        return Letter::Answer(id, answer);
    }
    if core::mem::take(&mut content.woken) { Letter::Woken } else { Letter::None }
}

/// Whether a letter waits.
pub(crate) fn has_letter(tree: TreeId) -> bool {
    lock(tree).is_some_and(|content| content.woken || content.answer.is_some())
}

/// What a helper is to do next.
pub(crate) enum Next {
    /// A job.
    Job(JobId, Job<KernelEnv>),
    /// Wait for one.
    Wait,
    /// End: it was given up, or its PHB is gone.
    End,
}

/// The helper takes a job.
///
/// # Context
///
/// A helper.
pub(crate) fn take_job(tree: TreeId) -> Next {
    let Some(mut content) = lock(tree) else { return Next::End };
    if !content.helper.as_deref().is_some_and(is_current) {
        return Next::End;
    }
    match content.job.take() {
        Some((id, job)) => {
            content.running = Some(id);
            Next::Job(id, job)
        }
        None => Next::Wait,
    }
}

/// The helper answers. `false`: it was given up, and ends.
///
/// # Context
///
/// A helper.
pub(crate) fn answer(tree: TreeId, id: JobId, answer: JobAnswer) -> bool {
    let Some(mut content) = lock(tree) else { return false };
    // By its thread: the jobs of another PHB in the same place count from 1 again.
    if content.running != Some(id) || !content.helper.as_deref().is_some_and(is_current) {
        return false;
    }
    content.running = None;
    content.answer = Some((id, answer));
    content.wake_worker();
    true
}

/// The job whose helper has died (oops); that helper is forgotten.
///
/// # Context
///
/// The worker.
pub(crate) fn take_dead(tree: TreeId) -> Option<JobId> {
    let (job, helper) = {
        let mut content = lock(tree)?;
        if !content.helper.as_deref().is_some_and(thread::is_dead) {
            return None;
        }
        (content.running.take(), content.helper.take())
    };
    drop(helper);
    job
}

/// A device was added in the middle of a recovery; the worker has it looked at when the PHB has recovered.
///
/// # Context
///
/// Any but NMI.
pub(crate) fn note_late(tree: TreeId) {
    if let Some(mut content) = lock(tree) {
        content.late = true;
        content.wake_worker();
    }
}

/// Whether such devices came since this was asked last.
///
/// # Context
///
/// The worker.
pub(crate) fn take_late(tree: TreeId) -> bool {
    lock(tree).is_some_and(|mut content| core::mem::take(&mut content.late))
}

/// The error interrupt: every worker asks firmware before it is armed again. Answers how many there are.
///
/// # Context
///
/// Any; the caller holds the interrupt masked.
pub(crate) fn request_checks() -> u32 {
    let mut asked = 0;
    for place in all() {
        let mut content = place.lock();
        if content.tree.is_some() && !content.masks {
            content.masks = true;
            content.check = true;
            interrupt::hold();
            content.wake_worker();
            asked += 1;
        }
    }
    asked
}

/// A PHB's worker has asked firmware: whether the interrupt had been masked for it.
///
/// # Context
///
/// The worker.
pub(crate) fn take_mask(firmware: u64) -> bool {
    all().any(|place| {
        let mut content = place.lock();
        // A check that was requested meanwhile asks again first.
        content.tree.is_some()
            && content.firmware == firmware
            && !content.check
            && core::mem::take(&mut content.masks)
    })
}

/// All PHBs ask firmware for errors. C: an event without a PE
pub(crate) fn check_all() {
    for place in all() {
        let mut content = place.lock();
        if content.tree.is_some() {
            content.check = true;
            content.wake_worker();
        }
    }
}

/// Wakes all workers.
pub(crate) fn wake_all() {
    for place in all() {
        place.lock().wake_worker();
    }
}

/// How many workers there are.
pub(crate) fn workers() -> usize {
    all().filter(|place| place.lock().worker.is_some()).count()
}

/// Worker threads, as eeh-recovery wakes them.
#[derive(Debug)]
pub(crate) struct KernelWake;

impl Wake for KernelWake {
    fn wake(&self, tree: TreeId) {
        if let Some(mut content) = lock(tree) {
            content.wake_worker();
        }
    }

    fn request_check(&self, tree: TreeId) {
        if let Some(mut content) = lock(tree) {
            content.check = true;
            content.wake_worker();
        }
    }

    fn take_check(&self, tree: TreeId) -> bool {
        lock(tree).is_some_and(|mut content| core::mem::take(&mut content.check))
    }
}

/// Helper threads, as eeh-recovery uses them.
#[derive(Debug)]
pub(crate) struct KernelHelper;

impl Helper<KernelEnv> for KernelHelper {
    fn start(&self, tree: TreeId, id: JobId, job: Job<KernelEnv>) {
        let mut job = Some((id, job));
        if let Some(mut content) = lock(tree) {
            // One job at a time: the one before was answered or given up.
            core::mem::swap(&mut content.job, &mut job);
            content.wake_helper();
        }
        drop(job);
    }

    fn abandon(&self, tree: TreeId, id: JobId) {
        let old = {
            let Some(mut content) = lock(tree) else { return };
            if content.running == Some(id) {
                content.running = None;
                (None, content.helper.take())
            } else {
                (content.job.take_if(|job| job.0 == id), None)
            }
        };
        drop(old);
    }
}

/// Wakes the worker of `tree`, if it has one.
///
/// # Context
///
/// Any.
pub(crate) fn wake(tree: TreeId) {
    KernelWake.wake(tree);
}
