// SPDX-License-Identifier: GPL-2.0-or-later
//! Waiting for what somebody asked of a PHB's worker.

use eeh_recovery::{OwnerError, Request, RequestPoll};
use kernel::ffi::c_int;

use crate::time::{now, wait_killable};
use crate::{KernelPlatform, bindings};

/// One of C's error numbers, as C's functions answer it.
pub(crate) const fn errno(number: u32) -> c_int {
    -number.cast_signed()
}

/// An owner's answer, as C's functions give it.
pub(crate) const fn code(result: Result<(), OwnerError>) -> c_int {
    match result {
        Ok(()) => 0,
        Err(OwnerError::Gone) => errno(bindings::ENODEV),
        Err(OwnerError::Busy) => errno(bindings::EBUSY),
        Err(OwnerError::Failed) => errno(bindings::EIO),
        Err(OwnerError::Invalid) => errno(bindings::EINVAL),
        Err(OwnerError::Missing) => errno(bindings::ENOENT),
    }
}

/// Waits until a request is done, or the caller is killed: the request is dropped then, which is harmless.
///
/// # Context
///
/// May sleep, without any lock of ours.
pub(crate) fn wait(mut request: Request<'_, KernelPlatform>) -> c_int {
    loop {
        match request.poll(now()) {
            RequestPoll::Done(result) => return code(result),
            RequestPoll::Wait { until, .. } => {
                if wait_killable(until) {
                    return errno(bindings::EINTR);
                }
            }
        }
    }
}
