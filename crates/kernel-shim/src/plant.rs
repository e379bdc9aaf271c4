// SPDX-License-Identifier: GPL-2.0-or-later
//! Faults that are planted at boot, to see that the tests of a kernel notice them: `eeh_plant=inversion`
//! takes two locks in both orders, `eeh_plant=leak` forgets memory. Only with debug assertions.

use core::ffi::CStr;

use eeh_pe::sync::{AtomicU32, Relaxed};
use kernel::alloc::KBox;
use kernel::alloc::flags::GFP_KERNEL;
use kernel::ffi::{c_char, c_int};
use kernel::str::CStrExt;

use crate::lock::{Class, RawLock};
use crate::params::SetupEntry;
use crate::printk::pr_warn;

const INVERSION: u32 = 1;
const LEAK: u32 = 2;
/// How many pieces of memory are forgotten.
const LEAKS: usize = 16;

/// What is to be planted.
static PLANTS: AtomicU32 = AtomicU32::new(0);

/// `eeh_plant=inversion,leak`
extern "C" fn setup(text: *mut c_char) -> c_int {
    // SAFETY: the kernel's command line is terminated, and nobody changes it meanwhile.
    let text = unsafe { CStr::from_char_ptr(text) }.to_bytes();
    let plants = text.split(|&byte| byte == b',').fold(0, |plants, word| match word {
        b"inversion" => plants | INVERSION,
        b"leak" => plants | LEAK,
        _ => plants,
    });
    PLANTS.store(plants, Relaxed);
    1
}

/// Takes one lock inside another.
fn in_order(outer: &RawLock<()>, inner: &RawLock<()>) {
    let outer = outer.lock();
    drop(inner.lock());
    drop(outer);
}

/// Plants, when everything else is there.
extern "C" fn plant() -> c_int {
    let plants = PLANTS.load(Relaxed);
    if plants & INVERSION != 0 {
        pr_warn!("EEH: planting a lock inversion");
        let (one, other) = (RawLock::new((), Class::Mailbox), RawLock::new((), Class::History));
        in_order(&one, &other);
        in_order(&other, &one);
    }
    if plants & LEAK != 0 {
        pr_warn!("EEH: planting a leak");
        // Several: a stack that kmemleak scans may still hold the last one's address.
        for _ in 0..LEAKS {
            if let Ok(memory) = KBox::new([0_u8; 64], GFP_KERNEL) {
                let _ = KBox::into_raw(memory);
            }
        }
    }
    0
}

#[used(linker)]
#[unsafe(
    // SAFETY: the section holds entries of this layout, which are read at boot and then thrown away.
    link_section = ".init.setup"
)]
static SETUP: SetupEntry = SetupEntry::new(c"eeh_plant=", setup);

#[used(linker)]
#[unsafe(
    // SAFETY: the section holds functions of this type, which are called once at boot.
    link_section = ".initcall7.init"
)]
static PLANT: extern "C" fn() -> c_int = plant;
