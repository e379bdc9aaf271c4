// SPDX-License-Identifier: GPL-2.0-or-later
//! Without `EEH_RUST` the edited tree compiles the C files of EEH to what they were.

use std::path::Path;
use std::time::Instant;

use object::{Object, ObjectSection, ObjectSymbol, RelocationTarget, SectionFlags};

use super::build::say;
use super::cache::Cache;
use super::size::C_OBJECTS;
use super::tools::Tools;
use super::tree::Tree;
use super::{Config, Options, config, fetch, tree};
use crate::context::{Context, Fallible, cpus};
use crate::process;
use crate::report::Findings;

const LIMIT: core::time::Duration = core::time::Duration::from_secs(1800);

/// A section: its name, its bytes, and what it refers to.
type Section = (String, Vec<u8>, Vec<(u64, String, i64)>);

/// Compiles the objects in an edited and in an unedited tree, and compares.
pub(crate) fn run(ctx: &Context, cache: &Cache, options: &Options) -> Fallible<Findings> {
    let mut findings = Findings::default();
    let source = fetch::source(cache, options.kernel_source.as_deref(), options.offline)?;
    let plain = tree::plain(ctx, cache, &source, false)?;
    let edited = tree::plain(ctx, cache, &source, true)?;
    compile(ctx, cache, options, ("plain", &plain), "")?;
    // The edited tree knows the symbol, and has it off; without Rust it cannot be on.
    compile(ctx, cache, options, ("plain-edited", &edited), "CONFIG_EEH_RUST=n\n")?;
    for name in C_OBJECTS {
        let of = |tree: &Tree| sections(&tree.dir.join("arch/powerpc").join(format!("{name}.o")));
        let (before, after) = (of(&plain)?, of(&edited)?);
        findings.check(!before.is_empty(), || format!("{name}.o has no text"));
        findings
            .check(before == after, || format!("{name}.o is not what it was: {}", differ(&before, &after)));
    }
    Ok(findings)
}

fn compile(
    ctx: &Context,
    cache: &Cache,
    options: &Options,
    (name, tree): (&str, &Tree),
    more: &str,
) -> Fallible<()> {
    let tools = Tools::find()?;
    let library = fetch::rust_library(cache, options.offline)?;
    let bindgen = fetch::bindgen(ctx, cache, options.offline)?;
    let make = || fetch::make(&tools, &tree.dir, &bindgen, &library);
    let more = format!("CONFIG_RUST=n\n{more}");
    config::with(ctx, &cache.log(&format!("config-{name}"))?, tree, (Config::Speed, &more), &mut make())?;
    let log = cache.log(&format!("build-{name}"))?;
    say(Instant::now(), &format!("make {name}, log {}", log.display()));
    let mut command = make();
    command.arg(format!("-j{}", options.jobs.unwrap_or_else(cpus)));
    command.args(C_OBJECTS.map(|object| format!("arch/powerpc/{object}.o")));
    let run = process::run_to(&log, &mut command, LIMIT, &mut |_| ())?;
    if run.ok() { Ok(()) } else { Err(format!("{name} does not compile; log {}", log.display()).into()) }
}

/// Everything that is loaded.
fn sections(path: &Path) -> Fallible<Vec<Section>> {
    let data = std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let object = object::File::parse(&*data)?;
    let mut found = Vec::new();
    for section in object.sections() {
        let SectionFlags::Elf { sh_flags, .. } = section.flags() else { continue };
        if sh_flags & object::elf::SHF_ALLOC != object::elf::SHF_ALLOC {
            continue;
        }
        let mut references: Vec<(u64, String, i64)> = Vec::new();
        for (at, relocation) in section.relocations() {
            let RelocationTarget::Symbol(index) = relocation.target() else { continue };
            let symbol = object.symbol_by_index(index)?;
            references.push((at, symbol.name().unwrap_or_default().to_owned(), relocation.addend()));
        }
        found.push((section.name()?.to_owned(), section.data()?.to_vec(), references));
    }
    Ok(found)
}

fn differ(before: &[Section], after: &[Section]) -> String {
    let differing = before.iter().zip(after).filter(|(one, other)| one != other);
    let names: Vec<&str> = differing.map(|((name, ..), _)| name.as_str()).collect();
    format!("{} and {} sections, different: {}", before.len(), after.len(), names.join(", "))
}
