// SPDX-License-Identifier: GPL-2.0-or-later
//! The cargo workspace that stands in a kernel tree: the shipping crates and the shim as they are here, less
//! what only a host needs, with the crates they depend on vendored.

use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::cache::{Cache, write_if_changed};
use super::tree::mirror;
use crate::context::{Context, Fallible, SHIPPING};

/// Entries of the place in the tree that do not come from the shim's `linux/eeh-rs`.
pub(crate) const OWN: [&str; 6] = ["crates", "vendor", "cargo", "Cargo.toml", "Cargo.lock", ".cargo"];
const SHIM: &str = "kernel-shim";
const CONFIG: &str =
    "[source.crates-io]\nreplace-with = \"vendored\"\n\n[source.vendored]\ndirectory = \"vendor\"\n";

/// Writes the workspace; answers how many files changed.
pub(crate) fn install(ctx: &Context, cache: &Cache, place: &Path, offline: bool) -> Fallible<usize> {
    let mut written = 0;
    for name in SHIPPING.into_iter().chain([SHIM]) {
        let (from, to) = (ctx.root.join("crates").join(name), place.join("crates").join(name));
        written += mirror(&from.join("src"), &to.join("src"), &[])?;
        let manifest = of_kernel(&std::fs::read_to_string(from.join("Cargo.toml"))?)?;
        written += usize::from(write_if_changed(&to.join("Cargo.toml"), manifest.as_bytes())?);
    }
    let root = root(&std::fs::read_to_string(ctx.root.join("Cargo.toml"))?)?;
    written += usize::from(write_if_changed(&place.join("Cargo.toml"), root.as_bytes())?);
    let (vendor, lock) = vendor(ctx, cache, place, offline)?;
    written += usize::from(write_if_changed(&place.join("Cargo.lock"), &std::fs::read(lock)?)?);
    written += mirror(&vendor, &place.join("vendor"), &[])?;
    written += usize::from(write_if_changed(&place.join(".cargo/config.toml"), CONFIG.as_bytes())?);
    Ok(written)
}

/// A crate's manifest without what only tests and other targets use.
fn of_kernel(manifest: &str) -> Fallible<String> {
    let mut table: Table = manifest.parse()?;
    for host in ["dev-dependencies", "target", "bench", "test", "example"] {
        table.remove(host);
    }
    Ok(toml::to_string(&table)?)
}

/// The workspace's manifest with the shipping crates and the shim only.
fn root(manifest: &str) -> Fallible<String> {
    let mut table: Table = manifest.parse()?;
    let workspace = table.get_mut("workspace").and_then(Value::as_table_mut).ok_or("no [workspace]")?;
    let members = SHIPPING.into_iter().chain([SHIM]).map(|name| format!("crates/{name}").into());
    workspace.insert("members".into(), Value::Array(members.collect()));
    workspace.remove("exclude");
    let used = |name: &str| SHIPPING.contains(&name) || ["bitflags", "thiserror"].contains(&name);
    if let Some(dependencies) = workspace.get_mut("dependencies").and_then(Value::as_table_mut) {
        dependencies.retain(|name, _| used(name));
    }
    let release = "panic = \"abort\"\ncodegen-units = 1\n".parse::<Table>()?;
    table.insert(
        "profile".into(),
        Value::Table(Table::from_iter([("release".into(), Value::Table(release))])),
    );
    Ok(toml::to_string(&table)?)
}

/// The vendored crates and the lock file, kept in the cache by what they are made from.
fn vendor(ctx: &Context, cache: &Cache, place: &Path, offline: bool) -> Fallible<(PathBuf, PathBuf)> {
    let (at, lock) = (cache.path("vendor/crates"), cache.path("vendor/Cargo.lock"));
    let mut key = std::fs::read_to_string(ctx.root.join("Cargo.lock"))?;
    for name in SHIPPING.into_iter().chain([SHIM]) {
        key += &std::fs::read_to_string(place.join("crates").join(name).join("Cargo.toml"))?;
    }
    key += &std::fs::read_to_string(place.join("Cargo.toml"))?;
    let stamp = cache.path("vendor/made-from");
    if std::fs::read_to_string(&stamp).is_ok_and(|old| old == key) && lock.exists() {
        return Ok((at, lock));
    }
    cache.dir("vendor")?;
    let _ = std::fs::remove_file(&stamp);
    // cargo must see the registry here, not what was vendored before.
    let _ = std::fs::remove_file(place.join(".cargo/config.toml"));
    std::fs::copy(ctx.root.join("Cargo.lock"), place.join("Cargo.lock"))?;
    if at.exists() {
        std::fs::remove_dir_all(&at)?;
    }
    let mut cargo = ctx.cargo();
    cargo.current_dir(place).args(["vendor", "--versioned-dirs"]).arg(&at);
    if offline {
        cargo.arg("--offline");
    }
    super::fetch::output(&mut cargo)?;
    std::fs::copy(place.join("Cargo.lock"), &lock)?;
    std::fs::write(stamp, key)?;
    Ok((at, lock))
}

#[cfg(test)]
mod tests {
    use super::{of_kernel, root};
    use crate::context::Fallible;

    #[test]
    fn a_kernel_gets_what_ships() -> Fallible<()> {
        let manifest = of_kernel(
            "[package]\nname = \"a\"\n[dependencies]\nbitflags.workspace = true\n\
             [dev-dependencies]\nproptest = \"1\"\n[target.\"cfg(eeh_loom)\".dependencies]\nloom = \"1\"\n",
        )?;
        assert!(
            manifest.contains("bitflags") && !manifest.contains("proptest") && !manifest.contains("loom")
        );
        let whole = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"))?;
        let root = root(&whole)?;
        assert!(root.contains("crates/kernel-shim") && root.contains("panic = \"abort\""));
        assert!(!root.contains("eeh-sim") && !root.contains("criterion"));
        Ok(())
    }
}
