// SPDX-License-Identifier: GPL-2.0-or-later

use core::fmt::Write as _;

use proptest::prelude::*;

use super::*;

/// A function's block with `len` bytes, all zero but IDs.
fn block(address: &str, len: usize) -> String {
    let mut text = format!("{address} Class [0200]: Device [8086:10d3]\n");
    let mut config = vec![0_u8; len];
    for (byte, value) in config.iter_mut().zip([0x86, 0x80, 0xd3, 0x10]) {
        *byte = value;
    }
    for (index, row) in config.chunks(16).enumerate() {
        write!(text, "{:02x}:", index * 16).unwrap();
        for byte in row {
            write!(text, " {byte:02x}").unwrap();
        }
        text.push('\n');
    }
    text + "\n"
}

fn message(text: &str) -> String {
    let LineError { line, expected, found } = parse(text.as_bytes()).unwrap_err();
    format!("{line}: expected {expected}, found {found}")
}

#[test]
fn dumps_of_every_length_load() {
    for (len, full) in [(64, 64), (128, 256), (256, 256), (0x1d8, 4096), (4096, 4096)] {
        let dump = parse(block("01:00.0", len).as_bytes()).unwrap();
        assert_eq!(dump.functions.len(), 1);
        assert_eq!(dump.functions[0].config.len(), full, "{len}");
        assert_eq!(dump.cut.len(), usize::from(len != full), "{len}");
    }
}

#[test]
fn facts_of_the_text_are_kept() {
    let text = block("0001:01:00.0", 64).replace(
        "10d3]\n",
        "10d3]\n\tRegion 0: Memory at 600c080000000 (32-bit, non-prefetchable) [size=128K]\n\tKernel driver in use: e1000e\n",
    );
    let dump = parse(text.as_bytes()).unwrap();
    assert_eq!(dump.functions[0].address, "0001:01:00.0".parse().unwrap());
    assert_eq!(dump.functions[0].driver.as_deref(), Some("e1000e"));
    assert_eq!(dump.functions[0].regions.len(), 1);
}

#[test]
fn carriage_returns_and_missing_blank_lines_do_not_matter() {
    let text = (block("01:00.0", 64) + &block("01:00.1", 64)).replace("\n\n", "\n").replace('\n', "\r\n");
    assert_eq!(parse(text.as_bytes()).unwrap().functions.len(), 2);
}

#[test]
fn a_function_that_reads_all_ones_is_absent() {
    let text = block("01:00.0", 64).replace("86 80 d3 10", "ff ff ff ff") + &block("01:00.1", 64);
    let dump = parse(text.as_bytes()).unwrap();
    assert_eq!(dump.absent, ["01:00.0".parse().unwrap()]);
    assert_eq!(dump.functions.len(), 1);
}

#[test]
fn wrong_dumps_are_refused_with_line_and_expectation() {
    let good = block("01:00.0", 64);
    let cases = [
        String::new(),
        "\n\n".into(),
        "#!/bin/sh\necho no dump\n".into(),
        "00: 86 80\n".into(),
        good.clone() + &good,
        good.replace("10: 00", "10: 0"),
        good.replace("10: 00", "10: xx"),
        good.replace("20: 00", "30: 00"),
        good[..good.len() - 60].to_owned(),
        "01:00.0 Class [0200]: Device [8086:10d3]\n\n".into(),
        good.replace(
            "00: 86 80 d3 10 00 00 00 00 00 00 00 00 00 00 00",
            "00: 86 80 d3 10 00 00 00 00 00 00 00 00 00 00 7f",
        ),
        block("01:00.0", 4096) + "1000: 00\n",
        block("01:00.0", 256).replace("f0: 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00", "f0: 00 00 00"),
        block("01:20.0", 64),
    ];
    insta::assert_snapshot!(cases.iter().map(|case| message(case)).collect::<Vec<_>>().join("\n"), @r#"
    1: expected a function's first line, like `0002:03:00.0 Class [0108]: ...`, found the end of the file
    2: expected a function's first line, like `0002:03:00.0 Class [0108]: ...`, found the end of the file
    1: expected a function's first line, like `0002:03:00.0 Class [0108]: ...`, found `#!/bin/sh`
    1: expected a function's first line, like `0002:03:00.0 Class [0108]: ...`, found hex bytes of no function
    7: expected each function once, found 0000:01:00.0 again, which line 1 began
    3: expected a byte as two hex digits, found `0`
    3: expected a byte as two hex digits, found `xx`
    4: expected the bytes from offset 20 on, found offset 30
    4: expected at least 64 bytes of configuration space, found 46 for 0000:01:00.0
    1: expected a line of hex bytes, like `00: 36 1b 10 00` (was lspci run with -x?), found none for 0000:01:00.0
    2: expected header type 0, 1 or 2 at offset 0e, found 7f for 0000:01:00.0
    259: expected an offset below 1000 (hex), found `1000`
    17: expected whole groups of 4 bytes, as configuration space is read, found 243 bytes for 0000:01:00.0
    1: expected a function's first line, like `0002:03:00.0 Class [0108]: ...`, found `01:20.0`: the device `20` is above 1f (an address is domain:bus:device.function in hex, like 0002:03:00.0)
    "#);
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        let _ = parse(&bytes);
    }

    /// Lines that look right on their own, in any order and number.
    #[test]
    fn arbitrary_lines_never_panic(lines in proptest::collection::vec(
        prop_oneof![
            "[0-9a-f]{1,5}:( [0-9a-f]{1,3}){0,20}",
            "([0-9a-f]{1,5}:)?[0-9a-f]{1,3}:[0-9a-f]{1,2}\\.[0-9a-f] .*",
            "\t(Region [0-9]{1,3}: )?(Memory|I/O ports) at [0-9a-f<>]{0,20} .*\\[size=[0-9]{0,30}[KMGTX]?\\]?",
            "\tKernel driver in use:.*",
            Just(String::new()),
        ], 0..60)) {
        let _ = parse(lines.join("\n").as_bytes());
    }

    /// A good dump with one byte changed, or cut anywhere.
    #[test]
    fn damaged_dumps_never_panic(at in 0_usize..1200, byte in any::<u8>(), cut in any::<bool>()) {
        let mut text = (block("01:00.0", 256) + &block("01:00.1", 64)).into_bytes();
        if cut {
            text.truncate(at);
        } else if let Some(place) = text.get_mut(at) {
            *place = byte;
        }
        let _ = parse(&text);
    }
}
