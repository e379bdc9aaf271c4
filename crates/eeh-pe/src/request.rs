// SPDX-License-Identifier: GPL-2.0-or-later
//! What a PHB's worker is asked to do with a PE, outside of any freeze: data inside the lock.
//!
//! A *request* is waited for, without the lock; who asked may lose interest, and the worker does it
//! either way once it has begun. An *errand* is left behind and nobody waits. A PE has room for one of
//! each, so nothing is allocated and an errand is never refused. What is asked is a number that only
//! asker and worker understand.

use crate::env::Env;
use crate::guard::TreeGuard;
use crate::hold::PeHold;
use crate::id::PeId;

/// A request: unique within its tree.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub struct RequestId(u64);

/// How far a request is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum RequestState {
    /// Nobody has begun it.
    Waiting,
    /// The worker is at it.
    Begun,
    /// It was answered, and is forgotten by this look at it.
    Answered(u16),
    /// There is no such request: its PE or its PHB is gone.
    Gone,
}

/// A request that was not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, thiserror::Error)]
pub enum RequestError {
    /// The PE is gone.
    #[error("the PE is gone")]
    Gone,
    /// Another request of the PE waits or is under way.
    #[error("another request of the PE waits")]
    Busy,
}

/// A PE's request.
#[derive(Clone, Copy)]
pub(crate) struct Request {
    id: RequestId,
    what: u32,
    state: RequestState,
    /// Nobody waits for the answer any more.
    forgotten: bool,
}

/// A PE's errand.
#[derive(Clone, Copy)]
pub(crate) struct Errand {
    id: RequestId,
    what: u32,
}

impl<'r, E: Env> TreeGuard<'r, E> {
    /// Asks the worker, which the caller wakes afterwards.
    ///
    /// # Errors
    ///
    /// The PE is gone, or has a request.
    pub fn post_request(&mut self, pe: PeId, what: u32) -> Result<RequestId, RequestError> {
        let index = self.live_pe(pe).ok_or(RequestError::Gone)?;
        let id = self.next_request();
        let links = self.inner.pes.get_mut(index).ok_or(RequestError::Gone)?;
        if links.request.is_some() {
            return Err(RequestError::Busy);
        }
        links.request = Some(Request { id, what, state: RequestState::Waiting, forgotten: false });
        Ok(id)
    }

    /// Leaves something for the worker to do, in place of what was left before. The caller wakes it
    /// afterwards. Of a PE that is gone there is nothing to do.
    pub fn leave_errand(&mut self, pe: PeId, what: u32) {
        let Some(index) = self.live_pe(pe) else { return };
        let id = self.next_request();
        if let Some(links) = self.inner.pes.get_mut(index) {
            links.errand = Some(Errand { id, what });
        }
    }

    /// Takes the oldest request or errand that waits, with a reference to its PE. An errand has no id
    /// to answer to.
    #[must_use]
    pub fn take_request(&mut self) -> Option<(PeHold<'r, E>, Option<RequestId>, u32)> {
        if !self.inner.requested {
            return None;
        }
        let oldest = self.inner.pes.indices().filter_map(|at| Some((self.oldest_of(at)?, at))).min();
        let Some((oldest, index)) = oldest else {
            self.inner.requested = false;
            return None;
        };
        let hold = self.pe(self.id.pe(self.pe_name(index)?))?.hold()?;
        let links = self.inner.pes.get_mut(index)?;
        if let Some(errand) = links.errand.take_if(|errand| errand.id == oldest) {
            return Some((hold, None, errand.what));
        }
        let request = links.request.as_mut()?;
        request.state = RequestState::Begun;
        Some((hold, Some(request.id), request.what))
    }

    /// Answers a request that was taken, its PE removed or not.
    pub fn answer_request(&mut self, pe: PeId, id: RequestId, answer: u16) {
        let Some(place) = self.request_place(pe, id) else { return };
        if let Some(request) = place
            && !request.forgotten
        {
            request.state = RequestState::Answered(answer);
        } else {
            *place = None;
        }
    }

    /// How far a request is. An answer is given once.
    pub fn request_state(&mut self, pe: PeId, id: RequestId) -> RequestState {
        let (live, worker) = (self.live_pe(pe).is_some(), self.is_live());
        let Some(place) = self.request_place(pe, id) else { return RequestState::Gone };
        let Some(state) = place.map(|request| request.state) else { return RequestState::Gone };
        match state {
            RequestState::Answered(_) => *place = None,
            // The worker takes requests of live PEs only, and goes with its PHB.
            RequestState::Waiting | RequestState::Begun if !worker => return RequestState::Gone,
            RequestState::Waiting if !live => return RequestState::Gone,
            RequestState::Waiting | RequestState::Begun | RequestState::Gone => {}
        }
        state
    }

    /// Nobody waits for the answer any more. What has not begun will not.
    pub fn forget_request(&mut self, pe: PeId, id: RequestId) {
        let Some(place) = self.request_place(pe, id) else { return };
        match place {
            Some(request) if request.state == RequestState::Begun => request.forgotten = true,
            Some(_) | None => *place = None,
        }
    }

    /// The oldest thing that waits of a PE.
    fn oldest_of(&self, index: u16) -> Option<RequestId> {
        let links = self.inner.pes.get(index).filter(|_| self.pe_is_live(index))?;
        let request = links.request.filter(|request| request.state == RequestState::Waiting);
        let [request, errand] = [request.map(|r| r.id), links.errand.map(|e| e.id)];
        request.into_iter().chain(errand).min()
    }

    fn next_request(&mut self) -> RequestId {
        let id = self.inner.next_request;
        self.inner.next_request = id.saturating_add(1);
        self.inner.requested = true;
        RequestId(id)
    }

    fn live_pe(&self, pe: PeId) -> Option<u16> {
        self.linked_pe(pe).filter(|&index| self.pe_is_live(index))
    }

    /// Where the PE keeps this request.
    fn request_place(&mut self, pe: PeId, id: RequestId) -> Option<&mut Option<Request>> {
        let index = self.linked_pe(pe)?;
        let place = &mut self.inner.pes.get_mut(index)?.request;
        place.is_some_and(|request| request.id == id).then_some(place)
    }
}
