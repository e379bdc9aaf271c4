// SPDX-License-Identifier: GPL-2.0-or-later
//! How much code and constant data EEH is in a kernel, as `size` counts text, per crate.

use std::collections::BTreeMap;
use std::path::Path;

use object::elf::{SHF_ALLOC, SHF_WRITE};
use object::{Object, ObjectSection, ObjectSymbol, SectionFlags};

use super::Variant;
use crate::context::Fallible;

/// Objects of the C EEH, below `arch/powerpc`.
pub(crate) const C_OBJECTS: [&str; 8] = [
    "kernel/eeh",
    "kernel/eeh_cache",
    "kernel/eeh_driver",
    "kernel/eeh_event",
    "kernel/eeh_pe",
    "kernel/eeh_sysfs",
    "platforms/powernv/eeh-powernv",
    "platforms/pseries/eeh_pseries",
];
const RUST_OBJECTS: [&str; 2] = ["eeh-rs/eeh_rs", "eeh-rs/eeh_glue"];
/// Modules of what C has nothing like: the tree, orphan and history files, and where they get their data.
const NEW: [&str; 4] = ["::history", "::eeh_pe_tree", "::pe_debug", "::presence"];

/// Bytes by crate; C objects by name.
pub(crate) struct Size {
    total: u64,
    data: u64,
    parts: BTreeMap<String, u64>,
    new: u64,
}

/// Measures the objects of a build.
pub(crate) fn of(tree: &Path, variant: Variant) -> Fallible<Size> {
    let objects: &[&str] = if variant == Variant::C { &C_OBJECTS } else { &RUST_OBJECTS };
    let mut size = Size { total: 0, data: 0, parts: BTreeMap::new(), new: 0 };
    for name in objects {
        let path = tree.join("arch/powerpc").join(format!("{name}.o"));
        let data = std::fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let object = object::File::parse(&*data)?;
        let all: u64 = object.sections().filter(is_text).map(|section| section.size()).sum();
        size.total += all;
        size.data += object.sections().filter(is_data).map(|section| section.size()).sum::<u64>();
        if *name == RUST_OBJECTS[0] {
            by_crate(&object, all, &mut size);
        } else {
            size.parts.insert((*name).to_owned(), all);
        }
    }
    Ok(size)
}

fn is_text(section: &object::Section<'_, '_>) -> bool {
    let SectionFlags::Elf { sh_flags, .. } = section.flags() else { return false };
    sh_flags & SHF_ALLOC == SHF_ALLOC && sh_flags & SHF_WRITE != SHF_WRITE
}

/// What can be written; of what is zeroed the object has the size only.
fn is_data(section: &object::Section<'_, '_>) -> bool {
    let SectionFlags::Elf { sh_flags, .. } = section.flags() else { return false };
    sh_flags & (SHF_ALLOC | SHF_WRITE) == SHF_ALLOC | SHF_WRITE
}

/// Shares the object's bytes out by the crate that a symbol's path begins with.
fn by_crate(object: &object::File<'_>, all: u64, size: &mut Size) {
    let mut named = 0;
    for symbol in object.symbols() {
        let section = symbol.section_index().and_then(|index| object.section_by_index(index).ok());
        if symbol.size() == 0 || !section.is_some_and(|section| is_text(&section)) {
            continue;
        }
        let name = format!("{:#}", rustc_demangle::demangle(symbol.name().unwrap_or_default()));
        let krate = krate(&name).to_owned();
        named += symbol.size();
        *size.parts.entry(krate).or_default() += symbol.size();
        if NEW.iter().any(|module| name.contains(module)) {
            size.new += symbol.size();
        }
    }
    size.parts.insert("constants and padding".to_owned(), all.saturating_sub(named));
}

/// The crate of a demangled path: `<eeh_pe::Pe as core::fmt::Debug>::fmt` is of `eeh_pe`.
fn krate(name: &str) -> &str {
    let path = name.trim_start_matches(['<', '&', '*']).trim_start_matches("mut ");
    path.split("::").next().filter(|first| *first != path).unwrap_or("exported to C")
}

impl Size {
    /// KB of code and constants.
    pub(crate) fn text(&self) -> f64 {
        kilobytes(self.total)
    }

    /// KB of what C has too.
    pub(crate) fn equal(&self) -> f64 {
        kilobytes(self.total - self.new)
    }

    /// KB of what can be written.
    pub(crate) fn data(&self) -> f64 {
        kilobytes(self.data)
    }

    /// One line for each crate or object.
    pub(crate) fn parts(&self) -> impl Iterator<Item = String> {
        self.parts.iter().map(|(name, bytes)| format!("{bytes:>7} bytes {name}"))
    }
}

fn kilobytes(bytes: u64) -> f64 {
    f64::from(u32::try_from(bytes).unwrap_or(u32::MAX)) / 1000.0
}

#[cfg(test)]
mod tests {
    use super::krate;

    #[test]
    fn a_symbol_belongs_to_the_crate_its_path_begins_with() {
        assert_eq!(krate("eeh_pe::word::Word::load"), "eeh_pe");
        assert_eq!(krate("<eeh_recovery::X as core::fmt::Debug>::fmt"), "eeh_recovery");
        assert_eq!(krate("eeh_check_failure"), "exported to C");
    }
}
