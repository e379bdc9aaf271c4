// SPDX-License-Identifier: GPL-2.0-or-later
//! Futures polled on one thread, in the order in which they were woken.

use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll, Waker};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Wake;

use crate::discipline;

/// A task.
pub(super) type Task<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

type Ready = Arc<Mutex<VecDeque<u64>>>;

struct Waking {
    task: u64,
    ready: Ready,
}

impl Wake for Waking {
    fn wake(self: Arc<Self>) {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner).push_back(self.task);
    }
}

/// All tasks of an engine.
#[derive(Default)]
pub(super) struct Tasks<'a> {
    tasks: BTreeMap<u64, (Task<'a>, Waker)>,
    ready: Ready,
    next: u64,
}

impl<'a> Tasks<'a> {
    /// A new task, which is ready to run.
    pub(super) fn spawn(&mut self, task: Task<'a>) {
        let id = self.next;
        self.next += 1;
        let waking = Arc::new(Waking { task: id, ready: self.ready.clone() });
        self.tasks.insert(id, (task, Waker::from(waking.clone())));
        waking.wake();
    }

    /// Polls the next ready task; `false` when none is.
    pub(super) fn run_one(&mut self) -> bool {
        let Some(id) = self.ready.lock().unwrap_or_else(PoisonError::into_inner).pop_front() else {
            return false;
        };
        // A task that ended may still be woken: by a timer that it no longer waits for.
        let Some((task, waker)) = self.tasks.get_mut(&id) else { return true };
        discipline::set_task(Some(id));
        let done = task.as_mut().poll(&mut Context::from_waker(waker));
        discipline::set_task(None);
        if done == Poll::Ready(()) {
            self.tasks.remove(&id);
        }
        true
    }

    /// Tasks that have not ended.
    pub(super) fn len(&self) -> usize {
        self.tasks.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::{Gate, SleepLock};
    use core::cell::RefCell;

    #[test]
    fn tasks_run_in_the_order_of_waking() {
        let (lock, gate, order) = (SleepLock::new(), Gate::default(), RefCell::new(String::new()));
        let mut tasks = Tasks::default();
        for name in ['a', 'b', 'c'] {
            let (lock, gate, order) = (&lock, &gate, &order);
            tasks.spawn(Box::pin(async move {
                let guard = lock.lock().await;
                gate.pass().await;
                order.borrow_mut().push(name);
                drop(guard);
            }));
        }
        while tasks.run_one() {}
        assert_eq!((tasks.len(), order.borrow().as_str()), (3, ""));
        gate.open();
        while tasks.run_one() {}
        assert_eq!((tasks.len(), order.borrow().as_str()), (0, "abc"));
    }
}
