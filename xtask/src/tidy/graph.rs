// SPDX-License-Identifier: GPL-2.0-or-later
//! Dependencies point one way.

use serde_json::Value;

use crate::context::{Context, Fallible};
use crate::report::Findings;

/// What each crate may depend on when it is compiled into a kernel.
const ALLOWED: [(&str, &[&str]); 5] = [
    ("eeh-pe", &["bitflags", "thiserror", "spin", "loom"]),
    ("eeh-recovery", &["eeh-pe", "bitflags", "thiserror"]),
    ("eeh-powernv", &["eeh-pe", "eeh-recovery", "bitflags", "thiserror"]),
    ("eeh-pseries", &["eeh-pe", "eeh-recovery", "bitflags", "thiserror"]),
    ("kernel-shim", &["eeh-pe", "eeh-recovery", "eeh-powernv", "eeh-pseries"]),
];

/// Dependencies that exist under a cfg only, and the word that the cfg contains.
const CONDITIONAL: [(&str, &str); 2] = [("spin", "eeh_loom"), ("loom", "eeh_loom")];

pub(super) fn check(ctx: &Context) -> Fallible<Findings> {
    let mut findings = Findings::default();
    for member in ctx.members() {
        let manifest = std::fs::read_to_string(member.dir.join("Cargo.toml"))?;
        let inherits = manifest
            .split("[lints]")
            .nth(1)
            .is_some_and(|rest| rest.trim_start().starts_with("workspace = true"));
        findings.check(inherits, || format!("{}: does not take the workspace's lints", member.name));
        let Some((_, allowed)) = ALLOWED.iter().find(|(name, _)| *name == member.name) else { continue };
        let dependencies = member.package["dependencies"].as_array().map(Vec::as_slice).unwrap_or_default();
        for dependency in dependencies.iter().filter(|dependency| dependency["kind"].is_null()) {
            let name = dependency["name"].as_str().unwrap_or_default();
            findings.check(allowed.contains(&name), || format!("{} may not depend on {name}", member.name));
            findings.check(condition_holds(dependency, name), || {
                format!("{}: {name} must be behind a cfg, so that a kernel does not get it", member.name)
            });
            let is_path = dependency["path"].is_string();
            findings.check(is_path || name == "loom" || dependency["uses_default_features"] == false, || {
                format!("{}: {name} with default features", member.name)
            });
        }
    }
    Ok(findings)
}

fn condition_holds(dependency: &Value, name: &str) -> bool {
    let cfg = dependency["target"].as_str().unwrap_or_default();
    CONDITIONAL.iter().all(|(conditional, word)| *conditional != name || cfg.contains(word))
}
