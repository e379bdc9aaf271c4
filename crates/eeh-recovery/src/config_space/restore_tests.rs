// SPDX-License-Identifier: GPL-2.0-or-later
//! Whatever a header was and whatever a reset left of it, it comes back as it was, in an order in which nothing is
//! decoded at a wrong address.

// mutants: restore_decodes_first => "decoding was switched on before the addresses were right"
// mutants: restore_resets_the_bus => "the bus behind it is held in reset"

use std::sync::Mutex;
use std::vec::Vec;

use eeh_pe::{Bdf, PhbNumber, TreeId};
use proptest::prelude::*;

use super::*;
use crate::PhbTarget;

/// What a header holds that is not restored: who it is, what it reports, and what it cannot change.
const FIXED: [core::ops::Range<usize>; 4] = [0x00..0x04, 0x06..0x0c, 0x0e..0x10, 0x34..0x38];
/// Of a device also the card bus pointer, the subsystem and what is reserved.
const FIXED_OF_DEVICE: [core::ops::Range<usize>; 2] = [0x28..0x30, 0x38..0x3c];

/// A function's header; it notes each write.
struct Function {
    header: Mutex<[u8; 64]>,
    writes: Mutex<Vec<(u16, Width, u32)>>,
}

const fn bytes(width: Width) -> usize {
    match width {
        Width::Byte => 1,
        Width::Half => 2,
        Width::Word => 4,
    }
}

impl ConfigSpace for Function {
    fn read(&self, _: &DeviceTarget, offset: u16, width: Width) -> Result<u32, FirmwareError> {
        let header = self.header.lock().unwrap();
        let mut value = [0; 4];
        value[..bytes(width)].copy_from_slice(&header[usize::from(offset)..][..bytes(width)]);
        Ok(u32::from_le_bytes(value))
    }

    fn write(&self, _: &DeviceTarget, offset: u16, width: Width, value: u32) -> Result<(), FirmwareError> {
        self.writes.lock().unwrap().push((offset, width, value));
        let place = usize::from(offset)..usize::from(offset) + bytes(width);
        self.header.lock().unwrap()[place].copy_from_slice(&value.to_le_bytes()[..bytes(width)]);
        Ok(())
    }
}

fn target() -> DeviceTarget {
    DeviceTarget::bare(PhbTarget { tree: TreeId::NONE, number: PhbNumber(0), firmware: 0 }, Bdf(0x100))
}

fn command(header: &[u8; 64]) -> u32 {
    u32::from(u16::from_le_bytes([header[4], header[5]]))
}

proptest! {
    #[test]
    fn what_was_saved_comes_back_in_an_allowed_order(
        before in any::<[[u8; 32]; 2]>(),
        reset in any::<[[u8; 32]; 2]>(),
        bridge in any::<bool>(),
    ) {
        let flat = |halves: [[u8; 32]; 2]| -> [u8; 64] { core::array::from_fn(|i| halves[i / 32][i % 32]) };
        let (before, mut reset) = (flat(before), flat(reset));
        // A reset switches decoding and mastering off.
        reset[4] &= !7;
        let function = Function { header: Mutex::new(before), writes: Mutex::default() };
        let saved = save(&function, &target(), bridge).unwrap();
        prop_assert!(function.writes.lock().unwrap().is_empty(), "saving writes");
        *function.header.lock().unwrap() = reset;
        restore(&function, &target(), bridge, &saved).unwrap();

        let writes = function.writes.lock().unwrap();
        let (last, others) = writes.split_last().unwrap();
        prop_assert_eq!((last.0, last.1), (reg::COMMAND, Width::Half), "the command is not the last");
        let early = others.iter().any(|(offset, ..)| *offset == reg::COMMAND);
        prop_assert!(!early, "decoding was switched on before the addresses were right");
        let mut offsets: Vec<u16> = writes.iter().map(|write| write.0).collect();
        offsets.sort_unstable();
        offsets.dedup();
        prop_assert_eq!(offsets.len(), writes.len(), "a register is written twice");

        let after = *function.header.lock().unwrap();
        let fixed = FIXED.iter().chain(FIXED_OF_DEVICE.iter().filter(|_| !bridge)).cloned().flatten();
        let fixed: Vec<usize> = fixed.collect();
        for at in (0..64).filter(|at| ![4, 5, 0x3e].contains(at)) {
            let wanted = if fixed.contains(&at) { reset[at] } else { before[at] };
            prop_assert_eq!(after[at], wanted, "byte {:#x} is not what was saved", at);
        }
        let reset_bit = if bridge { 0x40 } else { 0 };
        prop_assert_eq!(after[0x3e], before[0x3e] & !reset_bit, "the bus behind it is held in reset");
        let reporting = reg::COMMAND_PARITY | reg::COMMAND_SERR;
        let wanted = if bridge {
            command(&before) | reg::COMMAND_MEMORY | reg::COMMAND_MASTER
        } else {
            (command(&reset) & !reporting) | (command(&before) & reporting)
        };
        prop_assert_eq!(command(&after), wanted, "the command is another");
    }
}
