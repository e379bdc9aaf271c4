// SPDX-License-Identifier: GPL-2.0-or-later
//! What a PHB's worker, its helper and the rest of the machine leave for each other.

use core::time::Duration;
use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use eeh_pe::TreeId;
use eeh_recovery::{Job, JobAnswer, JobId};

use super::env::SimEnv;

/// A job for the helper of a worker.
#[derive(Clone, Debug)]
pub struct Started {
    /// Whose.
    pub tree: TreeId,
    /// Which.
    pub id: JobId,
    /// What.
    pub job: Job<SimEnv>,
}

#[derive(Debug, Default)]
struct Content {
    tree: Option<TreeId>,
    woken: bool,
    check: bool,
    jobs: VecDeque<(JobId, Job<SimEnv>)>,
    answers: VecDeque<(JobId, JobAnswer)>,
    /// The job that a helper is at.
    running: Option<JobId>,
    /// Helpers given up: each was at its job and will not be waited for.
    lost: u32,
    /// A device came in the middle of a recovery.
    late: bool,
    /// The helper dies in its next job.
    dies: bool,
}

impl Content {
    fn is_empty(&self) -> bool {
        !self.woken
            && !self.check
            && self.jobs.is_empty()
            && self.answers.is_empty()
            && self.running.is_none()
    }
}

/// The letters of one PHB.
#[derive(Debug, Default)]
struct Mailbox {
    content: Mutex<Content>,
    changed: Condvar,
}

/// The mailboxes of all PHBs, by slot of the registry.
#[derive(Debug)]
pub struct Mailboxes {
    boxes: Box<[Mailbox]>,
    /// Whose mailbox has changed: for the engine, which has no threads to wake.
    news: Option<Mutex<VecDeque<TreeId>>>,
}

/// What a worker's thread is to do next.
#[derive(Debug)]
pub enum Letter {
    /// A job has been answered.
    Answer(JobId, JobAnswer),
    /// It was woken.
    Woken,
    /// Nothing came in time.
    Nothing,
}

impl Mailboxes {
    /// Mailboxes for `trees` PHBs; with `news` for an engine that asks [`Mailboxes::take_news`].
    #[must_use]
    pub fn new(trees: usize, news: bool) -> Self {
        let boxes = core::iter::repeat_with(Mailbox::default).take(trees).collect();
        Self { boxes, news: news.then(Mutex::default) }
    }

    fn lock(&self, tree: TreeId) -> Option<(&Mailbox, MutexGuard<'_, Content>)> {
        let mailbox = self.boxes.get(usize::from(tree.slot()))?;
        let content = mailbox.content.lock().unwrap_or_else(PoisonError::into_inner);
        (content.tree == Some(tree)).then_some((mailbox, content))
    }

    /// Changes the mailbox of `tree`, and tells; nothing happens when the slot has another's by now.
    fn change(&self, tree: TreeId, f: impl FnOnce(&mut Content)) {
        crate::discipline::outside_trees("a wake-up");
        let Some((mailbox, mut content)) = self.lock(tree) else { return };
        f(&mut content);
        drop(content);
        mailbox.changed.notify_all();
        if let Some(news) = &self.news {
            news.lock().unwrap_or_else(PoisonError::into_inner).push_back(tree);
        }
    }

    /// Whether there is an engine to tell.
    pub const fn tells(&self) -> bool {
        self.news.is_some()
    }

    /// A device came in the middle of a recovery: it is looked at when the PHB has recovered.
    pub fn note_late(&self, tree: TreeId) {
        // A storm's drivers get no other chance: there whoever binds and unbinds is busy all the time.
        if self.tells() {
            self.change(tree, |c| {
                c.late = true;
                c.woken = true;
            });
        }
    }

    /// The helper dies in its next job.
    pub fn lose_next(&self, tree: TreeId) {
        if let Some((_, mut content)) = self.lock(tree) {
            content.dies = true;
        }
    }

    /// Whether it dies in this one.
    pub(super) fn take_death(&self, tree: TreeId) -> bool {
        self.lock(tree).is_some_and(|(_, mut content)| core::mem::take(&mut content.dies))
    }

    /// Whether such devices came since this was asked last.
    pub fn take_late(&self, tree: TreeId) -> bool {
        self.lock(tree).is_some_and(|(_, mut content)| core::mem::take(&mut content.late))
    }

    /// Gives the mailbox of a slot to its new PHB.
    pub fn open(&self, tree: TreeId) {
        if let Some(mailbox) = self.boxes.get(usize::from(tree.slot())) {
            let mut content = mailbox.content.lock().unwrap_or_else(PoisonError::into_inner);
            *content = Content { tree: Some(tree), ..Content::default() };
        }
    }

    /// A worker has ended: what was left for it, and what its helper still answers, is dropped.
    pub fn close(&self, tree: TreeId) {
        self.change(tree, |c| *c = Content::default());
    }

    /// Wakes a worker.
    pub fn wake(&self, tree: TreeId) {
        self.change(tree, |c| c.woken = true);
    }

    /// Asks a worker to look for firmware's errors.
    pub fn request_check(&self, tree: TreeId) {
        self.change(tree, |c| {
            c.check = true;
            c.woken = true;
        });
    }

    /// Takes such a request.
    pub fn take_check(&self, tree: TreeId) -> bool {
        self.lock(tree).is_some_and(|(_, mut c)| core::mem::take(&mut c.check))
    }

    /// Leaves a job for the helper.
    pub fn start(&self, tree: TreeId, id: JobId, job: Job<SimEnv>) {
        self.change(tree, |c| c.jobs.push_back((id, job)));
    }

    /// Whether the helper has a job that it has not begun.
    #[must_use]
    pub fn has_job(&self, tree: TreeId) -> bool {
        self.lock(tree).is_some_and(|(_, content)| !content.jobs.is_empty())
    }

    /// The helper takes a job.
    pub fn take_job(&self, tree: TreeId) -> Option<Started> {
        let (_, mut content) = self.lock(tree)?;
        let (id, job) = content.jobs.pop_front()?;
        content.running = Some(id);
        Some(Started { tree, id, job })
    }

    /// The helper waits for a job, at most `limit` of the host's time.
    pub fn wait_job(&self, tree: TreeId, limit: Duration) -> Option<Started> {
        {
            let (mailbox, content) = self.lock(tree)?;
            let idle = |c: &mut Content| c.jobs.is_empty() && c.tree == Some(tree);
            drop(mailbox.changed.wait_timeout_while(content, limit, idle));
        }
        self.take_job(tree)
    }

    /// The worker gives its helper up. A job that no helper has begun is taken back.
    pub fn abandon(&self, tree: TreeId, id: JobId) {
        self.change(tree, |c| {
            c.jobs.retain(|(job, _)| *job != id);
            if c.running == Some(id) {
                c.running = None;
                c.lost = c.lost.saturating_add(1);
            }
        });
    }

    /// The helper answers. Answers whether it is still wanted: a helper that was given up is not.
    pub fn answer(&self, tree: TreeId, id: JobId, answer: JobAnswer) -> bool {
        let mut wanted = false;
        self.change(tree, |c| {
            wanted = c.running == Some(id);
            if wanted {
                c.running = None;
                c.answers.push_back((id, answer));
            }
        });
        wanted
    }

    /// How many helpers have been given up since the last call.
    pub fn take_lost(&self, tree: TreeId) -> u32 {
        self.lock(tree).map_or(0, |(_, mut c)| core::mem::take(&mut c.lost))
    }

    /// The worker's next letter, if there is one: answers first.
    pub fn take_letter(&self, tree: TreeId) -> Letter {
        let Some((_, mut content)) = self.lock(tree) else { return Letter::Nothing };
        if let Some((id, answer)) = content.answers.pop_front() {
            return Letter::Answer(id, answer);
        }
        if core::mem::take(&mut content.woken) { Letter::Woken } else { Letter::Nothing }
    }

    /// The worker waits until there is a letter, at most `limit` of the host's time.
    pub fn wait(&self, tree: TreeId, limit: Duration) {
        let Some((mailbox, content)) = self.lock(tree) else { return };
        let idle = |c: &mut Content| !c.woken && c.answers.is_empty() && c.tree == Some(tree);
        drop(mailbox.changed.wait_timeout_while(content, limit, idle));
    }

    /// The worker waits for a letter, at most `limit` of the host's time.
    pub fn wait_letter(&self, tree: TreeId, limit: Duration) -> Letter {
        self.wait(tree, limit);
        self.take_letter(tree)
    }

    /// Whether nobody has left anything for a PHB's worker or helper, and no helper is at a job.
    #[must_use]
    pub fn is_empty(&self, tree: TreeId) -> bool {
        self.lock(tree).is_none_or(|(_, c)| c.is_empty())
    }

    /// The same of all PHBs.
    #[must_use]
    pub fn are_empty(&self) -> bool {
        let content =
            |mailbox: &Mailbox| mailbox.content.lock().unwrap_or_else(PoisonError::into_inner).is_empty();
        self.boxes.iter().all(content)
    }

    /// Whose mailbox changed since the last call.
    pub fn take_news(&self) -> VecDeque<TreeId> {
        match &self.news {
            Some(news) => core::mem::take(&mut *news.lock().unwrap_or_else(PoisonError::into_inner)),
            None => VecDeque::new(),
        }
    }
}
