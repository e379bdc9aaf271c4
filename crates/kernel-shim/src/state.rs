// SPDX-License-Identifier: GPL-2.0-or-later
//! What there is one of: the registry, the platform, the subsystem's flags.

use core::sync::atomic::{AtomicI32, Ordering};

use eeh_pe::Registry;

use crate::bindings;
use crate::env::KernelEnv;
use crate::once::Once;
use crate::platform::KernelPlatform;

/// Places for PHBs, dead but referenced ones included.
pub(crate) const MAX_PHBS: usize = 256;

/// All of EEH, made once at boot and never given back.
pub(crate) struct Eeh {
    pub(crate) registry: Registry<KernelEnv>,
    pub(crate) platform: KernelPlatform,
}

static EEH: Once<Eeh> = Once::new();

/// The trees of PEs; `None` until EEH is started.
///
/// # Context
///
/// Any, NMI included.
#[inline(never)]
pub(crate) fn registry() -> Option<&'static Registry<KernelEnv>> {
    EEH.get().map(|eeh| &eeh.registry)
}

/// The platform; `None` until EEH is started.
///
/// # Context
///
/// Any, NMI included.
#[inline(never)]
pub(crate) fn platform() -> Option<&'static KernelPlatform> {
    EEH.get().map(|eeh| &eeh.platform)
}

/// Registry and platform together.
#[inline]
pub(crate) fn eeh() -> Option<&'static Eeh> {
    EEH.get()
}

/// Makes EEH known; `false` when it was started before.
pub(crate) fn publish(eeh: Eeh) -> bool {
    EEH.set(eeh).is_ok()
}

/// C's `eeh_subsystem_flags`. C reads it as a plain `int` in every MMIO read; only this crate
/// writes it.
fn flags() -> &'static AtomicI32 {
    let flags = &raw mut bindings::eeh_subsystem_flags;
    // SAFETY: the object is C's, aligned, and lives for ever. C only reads it, with plain loads that
    // cannot tear; all writes are these atomic ones.
    unsafe { AtomicI32::from_ptr(flags) }
}

/// Whether a flag of the subsystem is set (`EEH_ENABLED` and others). C: `eeh_has_flag`
///
/// # Context
///
/// Any.
#[inline]
pub(crate) fn has_flag(flag: u32) -> bool {
    flags().load(Ordering::Relaxed).cast_unsigned() & flag != 0
}

/// Sets flags. C: `eeh_add_flag`
pub(crate) fn add_flag(flag: u32) {
    flags().fetch_or(flag.cast_signed(), Ordering::AcqRel);
}

/// Clears flags. C: `eeh_clear_flag`
pub(crate) fn clear_flag(flag: u32) {
    flags().fetch_and(!flag.cast_signed(), Ordering::AcqRel);
}

/// Whether EEH looks for errors. C: `eeh_enabled`
///
/// # Context
///
/// Any.
#[inline]
pub(crate) fn enabled() -> bool {
    let now = flags().load(Ordering::Relaxed).cast_unsigned();
    now & (bindings::EEH_ENABLED | bindings::EEH_FORCE_DISABLED) == bindings::EEH_ENABLED
}

/// Whether the machine is a PowerNV one: OPAL's.
pub(crate) fn is_powernv() -> bool {
    // SAFETY: looks at the machine's description, which was chosen before any initcall.
    unsafe { bindings::eeh_glue_is_powernv() }
}

/// Whether the machine is a pSeries one: RTAS's.
pub(crate) fn is_pseries() -> bool {
    // SAFETY: as above.
    unsafe { bindings::eeh_glue_is_pseries() }
}
