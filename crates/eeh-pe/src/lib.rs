// SPDX-License-Identifier: GPL-2.0-or-later
//! Partitionable Endpoints: identity, lifetime, flags, tree and address map.
#![no_std]
#![forbid(unsafe_code)]

mod env;
mod flags;
mod id;
mod time;

pub use env::{Env, Lock};
pub use flags::{DeviceFlags, PeFlags, PeType};
pub use id::{Bdf, DeviceId, PeId, PeNumber, PhbNumber, TreeId};
pub use time::Time;
