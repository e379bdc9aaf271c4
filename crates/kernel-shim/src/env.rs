// SPDX-License-Identifier: GPL-2.0-or-later
//! What the tree of PEs gets from Linux.

use eeh_pe::Env;
use kernel::alloc::{KBox, KVVec};

use crate::bindings;
use crate::lock::{RawLock, SleepLock};
use crate::once::Once;
use crate::pci::PciDev;

/// Linux, as the environment of the tree.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KernelEnv;

impl Env for KernelEnv {
    type Lock<T: Send> = RawLock<T>;
    type Mutex<T: Send> = SleepLock<T>;
    type Own<T: Send + Sync> = KBox<T>;
    type Slice<T: Send + Sync> = KVVec<T>;
    type Once<T: Send + Sync> = Once<T>;
    type Device = PciDev;

    fn cpu() -> usize {
        // SAFETY: reads the number of this CPU, in any context.
        let cpu = unsafe { bindings::eeh_glue_cpu() };
        usize::try_from(cpu).unwrap_or(0)
    }
}
