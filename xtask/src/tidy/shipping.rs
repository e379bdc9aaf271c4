// SPDX-License-Identifier: GPL-2.0-or-later
//! Rules for the crates that are compiled into a kernel.

use std::path::Path;

use crate::context::{Context, Fallible, SHIPPING};
use crate::report::Findings;

/// Lints that together keep panics out.
const NO_PANICS: [&str; 10] = [
    "clippy::unwrap_used",
    "clippy::expect_used",
    "clippy::panic",
    "clippy::indexing_slicing",
    "clippy::unreachable",
    "clippy::todo",
    "clippy::unimplemented",
    "clippy::arithmetic_side_effects",
    "clippy::integer_division",
    "clippy::as_conversions",
];

pub(super) fn check(ctx: &Context) -> Fallible<Findings> {
    let mut findings = Findings::default();
    for name in SHIPPING {
        let root = Path::new("crates").join(name).join("src/lib.rs");
        let text = ctx.read(&root)?.unwrap_or_default();
        // Models and unit tests may use std; `cargo xtask no-std` looks at what is linked.
        let no_std = text.lines().any(|line| line.starts_with("#![") && line.ends_with("no_std)]"));
        findings.check(no_std || text.contains("#![no_std]"), || format!("{name}: lib.rs is not no_std"));
        let forbids = text.contains("#![forbid(unsafe_code)]");
        findings.check(forbids, || format!("{name}: lib.rs does not forbid unsafe code"));
        for lint in NO_PANICS {
            findings.check(denies(&text, lint), || format!("{name}: lib.rs does not deny {lint}"));
        }
    }
    for file in ctx.files()? {
        let Some(krate) = SHIPPING.iter().find(|krate| file.starts_with(format!("crates/{krate}/src")))
        else {
            continue;
        };
        let Some(text) = ctx.read(&file)? else { continue };
        let is_sync = *krate == "eeh-pe"
            && file.components().any(|part| {
                let part = part.as_os_str().to_string_lossy();
                part == "sync" || part == "sync.rs"
            });
        let named =
            code_lines(&text).any(|line| line.contains("sync::atomic") && !line.contains("crate::sync"));
        findings.check(is_sync || !named, || {
            format!("{}: atomics not through eeh-pe's sync module", file.display())
        });
        let lifted = code_lines(&text).find(|line| line.contains("#[allow(") || line.contains("#![allow("));
        findings.check(lifted.is_none(), || {
            format!("{}: allow() where expect(.., reason) belongs", file.display())
        });
    }
    Ok(findings)
}

fn code_lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.trim_start().starts_with("//"))
}

/// Whether `lint` stands in a deny or forbid attribute of the crate.
fn denies(text: &str, lint: &str) -> bool {
    text.match_indices("#![").any(|(at, _)| {
        let attribute = text[at..].split("]\n").next().unwrap_or_default();
        (attribute.contains("deny(") || attribute.contains("forbid(")) && attribute.contains(lint)
    })
}
