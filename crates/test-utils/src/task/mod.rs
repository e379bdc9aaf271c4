// SPDX-License-Identifier: GPL-2.0-or-later
//! Code that takes time and waits for locks, written once and run two ways.
//!
//! What Linux does on its own (drivers' callbacks, hotplug) is written as futures that await
//! [`Pace::sleep`] and [`SleepLock::lock`]. The engine polls them over virtual time on one thread;
//! a storm gives each a thread of its own ([`block_on`]) and a real, scaled clock.

mod block;
mod lock;
mod pace;

pub use block::block_on;
pub use lock::{LockGuard, Locking, SleepLock};
pub use pace::{Gate, Pace, Sleep, VirtualTime};
