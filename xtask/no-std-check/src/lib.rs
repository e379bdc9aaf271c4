// SPDX-License-Identifier: GPL-2.0-or-later
//! Instances of the crates that go into a kernel, for `cargo xtask no-std` to look at.
#![no_std]

use core::panic::PanicInfo;

use eeh_pe::Bdf;

/// Never called: nothing here panics, which is what the check shows.
#[panic_handler]
fn panic(_info: &PanicInfo<'_>) -> ! {
    loop {}
}

#[unsafe(no_mangle)]
pub fn eeh_pe_bdf(bus: u8, device: u8, function: u8) -> Option<Bdf> {
    Bdf::new(bus, device, function)
}

#[unsafe(no_mangle)]
pub fn eeh_recovery_merge(state: eeh_recovery::FreezeState) -> u32 {
    state.linux_bits()
}

#[unsafe(no_mangle)]
pub fn eeh_pseries_state(answer: eeh_pseries::SlotResetState) -> eeh_recovery::FreezeState {
    answer.decode()
}
