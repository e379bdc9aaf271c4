// SPDX-License-Identifier: GPL-2.0-or-later
//! Why something was refused.

use thiserror::Error;

use crate::id::{DeviceId, TreeId};

/// Which storage is short.
#[derive(Clone, Copy)]
pub(crate) struct Need {
    /// A chunk of PEs.
    pub(crate) pe: bool,
    /// A chunk of devices.
    pub(crate) device: bool,
}

/// Why a device was not inserted, this time or for good.
pub(crate) enum Refused {
    /// Storage is short: reserve it outside the lock, add it, try again.
    NeedStorage(Need),
    /// Trying again would not help.
    For(InsertError),
}

impl From<InsertError> for Refused {
    fn from(error: InsertError) -> Self {
        Self::For(error)
    }
}

/// Why a PHB was not added.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, Error)]
pub enum AddPhbError {
    /// A live PHB has this number.
    #[error("a PHB with this number exists")]
    Exists(TreeId),
    /// The registry is full: of live PHBs, or of dead ones that are still referenced.
    #[error("no room for another PHB")]
    Full,
    /// One of its windows overlaps another PHB's, ends before it starts, or contains `u64::MAX`.
    #[error("the PHB's address windows overlap another's")]
    Windows,
    /// The table of windows is full.
    #[error("no room for the PHB's address windows")]
    WindowsFull,
}

/// Why a device was not inserted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, Error)]
pub enum InsertError {
    /// The PHB holds as many PEs or devices as it can.
    #[error("no room for another PE or device on this PHB")]
    Full,
    /// The environment has no memory.
    #[error("out of memory")]
    NoMemory,
    /// The PHB was removed.
    #[error("the PHB was removed")]
    Gone,
    /// The parent PE was removed.
    #[error("the parent PE was removed")]
    ParentGone,
    /// A device with this address exists.
    #[error("a device with this address exists")]
    Exists(DeviceId),
    /// The PE or its parent is referenced as often as can be counted.
    #[error("too many references to the PE")]
    TooManyReferences,
}

/// Why a range was not mapped.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, Error)]
pub enum MapError {
    /// The range ends before it starts.
    #[error("the range ends before it starts")]
    Empty,
    /// It overlaps one of another device, or one of its own that is not the same.
    #[error("the range overlaps another device's")]
    Overlap(DeviceId),
    /// It is not within one of the PHB's windows.
    #[error("the range is outside the PHB's windows")]
    Outside,
    /// The map is full.
    #[error("no room for another range on this PHB")]
    Full,
    /// The device or its PHB was removed.
    #[error("the device was removed")]
    Gone,
}
