// SPDX-License-Identifier: GPL-2.0-or-later
//! What the tree of PEs gets from Linux.

use core::arch::asm;

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

    /// C: `raw_smp_processor_id`, without a call: each check counts.
    #[inline]
    fn cpu() -> usize {
        let cpu: u64;
        // SAFETY: in a 64-bit kernel r13 is the address of this CPU's paca, in any context; its
        // `paca_index` is 16 bits that stay as they are.
        unsafe {
            asm!(
                "lhz {cpu}, {at}(13)",
                cpu = out(reg_nonzero) cpu,
                at = const bindings::eeh_layout_EEH_AT_paca_struct_paca_index,
                options(nostack, preserves_flags, readonly),
            );
        }
        usize::try_from(cpu).unwrap_or(0)
    }
}

/// Whether this CPU is in an NMI. C: `in_nmi`, without a call: each check asks.
#[inline]
pub(crate) fn in_nmi() -> bool {
    let count: u64;
    // SAFETY: as in `cpu`; the paca leads to the task that runs, whose count of contexts nobody else changes.
    unsafe {
        asm!(
            "ld {count}, {task}(13)",
            "lwz {count}, {at}({count})",
            count = out(reg_nonzero) count,
            task = const bindings::eeh_layout_EEH_AT_paca_struct_current,
            at = const bindings::eeh_layout_EEH_AT_task_struct_preempt_count,
            options(nostack, preserves_flags, readonly),
        );
    }
    count & u64::from(bindings::eeh_layout_EEH_NMI_MASK) != 0
}
