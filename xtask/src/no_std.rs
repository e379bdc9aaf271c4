// SPDX-License-Identifier: GPL-2.0-or-later
//! `cargo xtask no-std`: what is compiled into a kernel needs neither std, nor alloc, nor a panic.
//!
//! `xtask/no-std-check` is a `#![no_std]` static library for the host that instantiates the
//! shipping crates. This looks at the symbols of what comes out.

use std::path::{Path, PathBuf};

use object::read::archive::ArchiveFile;
use object::{Object, ObjectSection, ObjectSymbol, RelocationTarget, SectionIndex, SectionKind, SymbolKind};
use serde_json::Value;

use crate::context::{Context, Fallible, SHIPPING};
use crate::process;
use crate::report::Findings;

/// What only an allocator or the standard library has.
const FORBIDDEN_NAMES: [&str; 5] = ["__rust_alloc", "__rust_realloc", "__rust_dealloc", "__rg_", "__rdl_"];

/// Of the host's lock and set-once cell, in whose place a kernel has its own.
const HOST_ONLY: [&str; 1] = ["spin::once::"];

/// Builds the library and looks.
pub(crate) fn run(ctx: &Context) -> Fallible<Findings> {
    let dir = ctx.root.join("xtask/no-std-check");
    // The same versions as everywhere else; cargo drops what this crate does not use.
    std::fs::copy(ctx.root.join("Cargo.lock"), dir.join("Cargo.lock"))?;
    let mut findings = Findings::default();
    let library = build(ctx, &dir, "dev")?;
    let symbols = symbols(&library)?;
    for name in SHIPPING {
        let path = format!("{}::", name.replace('-', "_"));
        findings.check(symbols.iter().any(|symbol| symbol.name.contains(&path)), || {
            format!("no symbol of {name} in the library: the check would be of nothing")
        });
    }
    for (krate, what) in [("std", "the standard library"), ("alloc", "alloc")] {
        let found: Vec<_> = symbols.iter().filter(|symbol| belongs_to(&symbol.name, krate)).collect();
        findings.check(found.is_empty(), || format!("{what} is linked: {}", sample(&found)));
    }
    let allocator: Vec<_> = symbols
        .iter()
        .filter(|symbol| FORBIDDEN_NAMES.iter().any(|name| symbol.raw.contains(name)))
        .collect();
    findings.check(allocator.is_empty(), || format!("an allocator is needed: {}", sample(&allocator)));
    let ours = symbols.iter().filter(|symbol| symbol.defined && is_ours(&symbol.name)).count();
    findings
        .notes
        .push(format!("{} symbols, {ours} of them instances of the shipping crates", symbols.len()));
    panics(ctx, &dir, &mut findings)?;
    Ok(findings)
}

/// With everything in one optimised object, whatever can panic refers to `core::panicking`.
fn panics(ctx: &Context, dir: &Path, findings: &mut Findings) -> Fallible<()> {
    let library = build(ctx, dir, "whole")?;
    let (host, ours): (Vec<String>, Vec<String>) =
        panicking(&library)?.into_iter().partition(|name| HOST_ONLY.iter().any(|host| name.contains(host)));
    findings.check(ours.is_empty(), || format!("these can panic: {}", ours.join(", ")));
    if !host.is_empty() {
        findings.notes.push(format!("can panic, and is not in a kernel: {}", host.join(", ")));
    }
    Ok(())
}

/// The functions of our object that refer to `core::panicking`.
fn panicking(library: &Path) -> Fallible<Vec<String>> {
    let data = std::fs::read(library)?;
    let archive = ArchiveFile::parse(&*data)?;
    let mut found = Vec::new();
    let mut objects = 0;
    for member in archive.members() {
        let member = member?;
        if !String::from_utf8_lossy(member.name()).starts_with("no_std_check") {
            continue;
        }
        let object = object::File::parse(member.data(&*data)?)?;
        objects += 1;
        for section in object.sections().filter(|section| section.kind() == SectionKind::Text) {
            for (at, relocation) in section.relocations() {
                if refers_to_panicking(&object, relocation.target()) {
                    found.push(function_at(&object, section.index(), at));
                }
            }
        }
    }
    found.retain(|name| !name.starts_with("core::panicking::"));
    found.sort();
    found.dedup();
    if objects == 0 { Err("the library has no object of ours".into()) } else { Ok(found) }
}

/// Whether a relocation's target is a panic: the symbol itself, or its section when it is local.
fn refers_to_panicking(object: &object::File<'_>, target: RelocationTarget) -> bool {
    let RelocationTarget::Symbol(index) = target else { return false };
    let Ok(symbol) = object.symbol_by_index(index) else { return false };
    let name = match symbol.section_index().and_then(|index| object.section_by_index(index).ok()) {
        Some(section) if symbol.kind() == SymbolKind::Section => {
            section.name().unwrap_or_default().to_owned()
        }
        Some(_) | None => symbol.name().unwrap_or_default().to_owned(),
    };
    // In the mangled name the crate and module stand beside each other, with their lengths.
    name.contains("4core9panicking")
}

/// The function of `section` that contains offset `at`.
fn function_at(object: &object::File<'_>, section: SectionIndex, at: u64) -> String {
    let inside = object.symbols().filter(|symbol| {
        symbol.section_index() == Some(section) && symbol.kind() == SymbolKind::Text && symbol.address() <= at
    });
    let name =
        inside.max_by_key(ObjectSymbol::address).and_then(|symbol| symbol.name().ok().map(str::to_owned));
    name.map_or_else(|| "?".to_owned(), |name| format!("{:#}", rustc_demangle::demangle(&name)))
}

fn is_ours(name: &str) -> bool {
    SHIPPING.iter().any(|krate| name.contains(&format!("{}::", krate.replace('-', "_"))))
}

fn sample(symbols: &[&Symbol]) -> String {
    let names: Vec<&str> = symbols.iter().take(5).map(|symbol| symbol.name.as_str()).collect();
    format!("{} symbols, among them {}", symbols.len(), names.join(", "))
}

fn build(ctx: &Context, dir: &Path, profile: &str) -> Fallible<PathBuf> {
    let mut command = ctx.cargo();
    command
        .current_dir(dir)
        .args(["build", "--quiet", "--message-format=json", "--profile", profile, "--target-dir"])
        .arg(ctx.target.join("no-std"));
    let out = command.output()?;
    String::from_utf8_lossy(&out.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| message["target"]["name"] == "no_std_check")
        .find_map(|message| {
            let files = message["filenames"].as_array()?;
            files.iter().filter_map(Value::as_str).find(|file| file.ends_with(".a")).map(PathBuf::from)
        })
        .ok_or_else(|| {
            let messages: String = String::from_utf8_lossy(&out.stdout)
                .lines()
                .filter_map(|line| serde_json::from_str::<Value>(line).ok())
                .filter_map(|message| message["message"]["rendered"].as_str().map(str::to_owned))
                .collect();
            let stderr = String::from_utf8_lossy(&out.stderr);
            format!(
                "cannot build the check:\n{}\n{}",
                process::tail(&messages, 40),
                process::tail(&stderr, 10)
            )
            .into()
        })
}

struct Symbol {
    raw: String,
    name: String,
    defined: bool,
}

fn symbols(library: &Path) -> Fallible<Vec<Symbol>> {
    let data = std::fs::read(library)?;
    let archive = ArchiveFile::parse(&*data)?;
    let mut found = Vec::new();
    for member in archive.members() {
        let member = member?;
        let Ok(object) = object::File::parse(member.data(&*data)?) else { continue };
        for symbol in object.symbols() {
            let raw = symbol.name().unwrap_or_default().to_owned();
            if !raw.is_empty() {
                let name = format!("{:#}", rustc_demangle::demangle(&raw));
                found.push(Symbol { raw, name, defined: symbol.is_definition() });
            }
        }
    }
    Ok(found)
}

/// Whether a path in `name` starts at crate `krate` (`core::alloc::Layout` is not of `alloc`).
fn belongs_to(name: &str, krate: &str) -> bool {
    let path = format!("{krate}::");
    name.match_indices(&path).any(|(at, _)| {
        let before = name[..at].chars().next_back();
        !before.is_some_and(|c| c == ':' || c == '_' || c.is_ascii_alphanumeric())
    })
}

#[cfg(test)]
mod tests {
    use super::belongs_to;

    #[test]
    fn a_crate_is_told_from_a_module_of_the_same_name() {
        assert!(belongs_to("alloc::vec::Vec<T>::push", "alloc"));
        assert!(belongs_to("<alloc::string::String as core::fmt::Debug>::fmt", "alloc"));
        assert!(!belongs_to("core::alloc::layout::Layout::new", "alloc"));
        assert!(!belongs_to("eeh_std::x", "std"));
    }
}
