// SPDX-License-Identifier: GPL-2.0-or-later
//! The records of `cargo xtask kernel conformance`.

use std::path::{Path, PathBuf};

/// Where one is: what is kept, unless the command has just made others.
pub fn file(name: &str) -> PathBuf {
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/conformance");
    let place = std::env::var_os("EEH_CONFORMANCE").map_or(kept, PathBuf::from);
    place.join(format!("{name}.txt"))
}

/// What is in it.
pub fn text(name: &str) -> String {
    let path = file(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// `{0x10000,0x2}`
pub fn words(text: &str) -> Vec<u32> {
    let inside = text.trim().trim_start_matches('{').trim_end_matches('}');
    inside
        .split(',')
        .filter_map(|word| u32::from_str_radix(word.trim().strip_prefix("0x")?, 16).ok())
        .collect()
}
