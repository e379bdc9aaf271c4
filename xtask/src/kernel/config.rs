// SPDX-License-Identifier: GPL-2.0-or-later
//! Kernel configurations, from fragments; a symbol that does not come out as asked for is an error.

use core::time::Duration;
use std::path::Path;
use std::process::Command;

use super::cache::{Cache, write_if_changed};
use super::tree::Tree;
use super::{Config, Variant};
use crate::context::{Context, Fallible};
use crate::process;

const LIMIT: Duration = Duration::from_secs(600);

/// Configures the tree when the wishes differ from last time's.
pub(crate) fn configure(
    ctx: &Context,
    cache: &Cache,
    tree: &Tree,
    (variant, config): (Variant, Config),
    make: &mut Command,
) -> Fallible<()> {
    let more = if variant == Variant::Rust { "CONFIG_EEH_RUST=y\n" } else { "" };
    let log = cache.log(&format!("config-{}-{}", variant.name(), config.name()))?;
    with(ctx, &log, tree, (config, more), make)
}

/// The fragments of a configuration, and `more` wishes that override them.
pub(crate) fn with(
    ctx: &Context,
    log: &Path,
    tree: &Tree,
    (config, more): (Config, &str),
    make: &mut Command,
) -> Fallible<()> {
    let read = |name: &str| std::fs::read_to_string(ctx.root.join("kernel/config").join(name));
    let wanted = read("base.config")? + &read(&format!("{}.config", config.name()))? + more;
    let fragment = tree.dir.join(".eeh-config");
    let new = write_if_changed(&fragment, wanted.as_bytes())?;
    let done = tree.dir.join(".config");
    if new || !done.exists() {
        make.arg(format!("KCONFIG_ALLCONFIG={}", fragment.display())).arg("allnoconfig");
        let run = process::run_to(log, make, LIMIT, &mut |_| ())?;
        if !run.ok() {
            let _ = std::fs::remove_file(&fragment);
            return Err(format!("configuring failed; log {}", log.display()).into());
        }
    }
    let differ = differences(&wanted, &std::fs::read_to_string(&done)?);
    if differ.is_empty() {
        return Ok(());
    }
    let _ = std::fs::remove_file(&fragment);
    Err(format!("Kconfig did not take: {}{}", differ.join(", "), hint(&tree.dir, &differ)).into())
}

fn hint(tree: &Path, differ: &[String]) -> String {
    if differ.iter().any(|line| line.starts_with("CONFIG_RUST=")) {
        return format!("; what make rustavailable says in {} tells why", tree.display());
    }
    String::new()
}

/// The wishes that the configuration does not fulfil; the last wish for a symbol counts.
fn differences(wanted: &str, found: &str) -> Vec<String> {
    let value_in = |text: &str, symbol: &str| -> Option<String> {
        text.lines()
            .filter_map(|line| line.split_once('='))
            .rfind(|(name, _)| *name == symbol)
            .map(|(_, value)| value.to_owned())
    };
    let mut differ: Vec<String> = wanted
        .lines()
        .filter_map(|line| line.split_once('='))
        .filter(|(symbol, _)| !symbol.starts_with('#'))
        .filter_map(|(symbol, _)| {
            let wish = value_in(wanted, symbol)?;
            let is = value_in(found, symbol).unwrap_or_else(|| "n".to_owned());
            (is != wish).then(|| format!("{symbol}={wish} (is {is})"))
        })
        .collect();
    differ.sort();
    differ.dedup();
    differ
}

#[cfg(test)]
mod tests {
    use super::differences;

    #[test]
    fn a_wish_that_kconfig_dropped_is_named() {
        let found = "CONFIG_A=y\n# CONFIG_B is not set\nCONFIG_N=8\n";
        assert!(differences("# x\nCONFIG_A=n\nCONFIG_A=y\nCONFIG_B=n\nCONFIG_N=8\n", found).is_empty());
        assert_eq!(differences("CONFIG_B=y\n", found), ["CONFIG_B=y (is n)"]);
    }
}
