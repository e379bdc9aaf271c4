// SPDX-License-Identifier: GPL-2.0-or-later
//! Linux boots on whatever a dump says, or says why not: buses that lead nowhere or in circles, BARs
//! over one another, functions without PE.

use core::fmt::Write as _;
use std::path::Path;

use proptest::prelude::*;
use test_utils::linux::{Options, SimLinux};
use test_utils::topology::Topology;

#[derive(Clone, Debug)]
struct Function {
    place: (u8, u8, u8, u8),
    bridge: Option<(u8, u8)>,
    class: [u8; 3],
    bars: [u32; 2],
}

fn any_function() -> impl Strategy<Value = Function> {
    let place = (0_u8..2, 0_u8..5, 0_u8..3, 0_u8..3);
    let bridge = proptest::option::of((0_u8..6, 0_u8..7));
    let class =
        prop_oneof![Just([0, 0, 2]), Just([2, 8, 1]), Just([0, 1, 6]), Just([0, 0, 6]), Just([0, 4, 6])];
    let bar =
        || prop_oneof![Just(0_u32), (0_u32..8).prop_map(|page| 0xf000_0000 + page * 0x800), any::<u32>()];
    (place, bridge, class, [bar(), bar()]).prop_map(|(place, bridge, class, bars)| Function {
        place,
        bridge,
        class,
        bars,
    })
}

fn dump(function: &Function) -> String {
    let (domain, bus, device, number) = function.place;
    let mut config = [0_u8; 64];
    config[..4].copy_from_slice(&[0x86, 0x80, 0xd3, 0x10]);
    config[9..12].copy_from_slice(&function.class);
    config[0x10..0x14].copy_from_slice(&function.bars[0].to_le_bytes());
    config[0x14..0x18].copy_from_slice(&function.bars[1].to_le_bytes());
    if let Some((secondary, subordinate)) = function.bridge {
        config[0x0e] = 1;
        config[0x19] = secondary;
        config[0x1a] = subordinate;
    }
    let mut text = format!("{domain:04x}:{bus:02x}:{device:02x}.{number} x\n");
    for (row, bytes) in config.chunks(16).enumerate() {
        write!(text, "{:02x}:", row * 16).unwrap();
        bytes.iter().for_each(|byte| write!(text, " {byte:02x}").unwrap());
        text.push('\n');
    }
    text + "\n"
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn linux_boots_on_odd_machines_or_says_why_not(
        mut functions in proptest::collection::vec(any_function(), 1..30),
    ) {
        functions.sort_by_key(|function| function.place);
        functions.dedup_by_key(|function| function.place);
        let text: String = functions.iter().map(dump).collect();
        let machine = Topology::parse(text.as_bytes(), Path::new("odd")).unwrap();
        match SimLinux::boot(&machine, &Options::default()) {
            Ok(linux) => prop_assert_eq!(linux.phbs().len(), machine.phbs.len()),
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
    }
}
