// SPDX-License-Identifier: GPL-2.0-or-later
//! What can be reached in an object from a function: along calls, and along addresses in code and data.
//!
//! Every section is cut at its symbols and at all offsets that something refers to. A piece refers to what
//! its relocations name, so whatever may be called through a table counts as called.

use std::collections::{BTreeMap, BTreeSet};

use object::{
    Architecture, Object, ObjectSection, ObjectSymbol, RelocationKind, RelocationTarget, SectionIndex,
    SymbolIndex, SymbolKind,
};

use crate::context::Fallible;

/// A place in the object, or a symbol that another object has.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Place {
    Here(usize, u64),
    Outside(String),
}

/// The references of one object.
pub(crate) struct Graph {
    /// Where the pieces of each section begin.
    starts: BTreeMap<usize, BTreeSet<u64>>,
    /// References of each section, by offset.
    references: BTreeMap<usize, Vec<(u64, Place)>>,
    names: BTreeMap<(usize, u64), String>,
    entries: BTreeMap<String, (usize, u64)>,
}

impl Graph {
    /// Reads an ELF object.
    pub(crate) fn new(data: &[u8]) -> Fallible<Self> {
        let object = object::File::parse(data)?;
        let mut graph = Self {
            starts: BTreeMap::new(),
            references: BTreeMap::new(),
            names: BTreeMap::new(),
            entries: BTreeMap::new(),
        };
        for symbol in object.symbols() {
            let Some(SectionIndex(section)) = symbol.section_index() else { continue };
            let Ok(name) = symbol.name() else { continue };
            graph.starts.entry(section).or_default().insert(symbol.address());
            if symbol.kind() == SymbolKind::Text {
                let shown = format!("{:#}", rustc_demangle::demangle(name));
                graph.names.insert((section, symbol.address()), shown);
                graph.entries.insert(name.to_owned(), (section, symbol.address()));
            }
        }
        for section in object.sections() {
            let SectionIndex(from) = section.index();
            for (at, relocation) in section.relocations() {
                let RelocationTarget::Symbol(index) = relocation.target() else { continue };
                // On x86 a distance counts from behind the four bytes that hold it.
                let distance =
                    matches!(relocation.kind(), RelocationKind::Relative | RelocationKind::PltRelative);
                let behind = if distance && object.architecture() == Architecture::X86_64 { 4 } else { 0 };
                let Some(place) = place(&object, index, relocation.addend() + behind) else { continue };
                if let Place::Here(section, offset) = &place {
                    graph.starts.entry(*section).or_default().insert(*offset);
                }
                graph.references.entry(from).or_default().push((at, place));
            }
        }
        for references in graph.references.values_mut() {
            references.sort();
        }
        Ok(graph)
    }

    /// Whether the object has this function.
    pub(crate) fn has(&self, function: &str) -> bool {
        self.entries.contains_key(function)
    }

    /// The outside symbols that can be reached from a function, each with the functions on the way.
    pub(crate) fn reached(&self, function: &str) -> BTreeMap<String, Vec<String>> {
        let mut found = BTreeMap::new();
        let Some(&(section, at)) = self.entries.get(function) else { return found };
        let mut seen = BTreeSet::new();
        let mut open = vec![(section, at, Vec::new())];
        while let Some((section, offset, mut way)) = open.pop() {
            let starts = self.starts.get(&section);
            let begin = starts.and_then(|starts| starts.range(..=offset).next_back().copied()).unwrap_or(0);
            // Another name or entry of a function may lie inside it: go on to the next function.
            let (begin, name) = match self.names.range((section, 0)..=(section, offset)).next_back() {
                Some((&(_, at), name)) => (at, Some(name)),
                None => (begin, None),
            };
            if !seen.insert((section, begin)) {
                continue;
            }
            let end = match name {
                Some(_) => {
                    self.names.range((section, begin + 1)..(section + 1, 0)).next().map(|(key, _)| key.1)
                }
                None => starts.and_then(|starts| starts.range(begin + 1..).next().copied()),
            };
            way.extend(name.cloned());
            let references = self.references.get(&section).map(Vec::as_slice).unwrap_or_default();
            let inside = references.iter().filter(|(at, _)| *at >= begin && end.is_none_or(|end| *at < end));
            for (_, place) in inside {
                match place {
                    Place::Here(section, offset) => open.push((*section, *offset, way.clone())),
                    Place::Outside(name) => drop(found.entry(name.clone()).or_insert_with(|| way.clone())),
                }
            }
        }
        found
    }
}

fn place(object: &object::File<'_>, index: SymbolIndex, addend: i64) -> Option<Place> {
    let symbol = object.symbol_by_index(index).ok()?;
    match symbol.section_index() {
        Some(SectionIndex(section)) => {
            let offset = i64::try_from(symbol.address()).ok()? + addend;
            Some(Place::Here(section, u64::try_from(offset).ok()?))
        }
        None => Some(Place::Outside(format!("{:#}", rustc_demangle::demangle(symbol.name().ok()?)))),
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::Graph;
    use crate::context::Fallible;

    const SOURCE: &str = "
        #![no_std]
        static WORDS: [u32; 4] = [1, 2, 3, 4];
        static TABLE: [fn(usize) -> u32; 2] = [planted, fine];
        unsafe extern \"C\" { fn outside(of: usize) -> u32; }
        #[inline(never)]
        fn planted(at: usize) -> u32 { WORDS[at] }
        #[inline(never)]
        fn fine(at: usize) -> u32 { unsafe { outside(at) } }
        #[unsafe(no_mangle)]
        pub extern \"C\" fn clean(at: usize) -> u32 { fine(at) + 1 }
        #[unsafe(no_mangle)]
        pub extern \"C\" fn direct(at: usize) -> u32 { fine(at) + planted(at) }
        #[unsafe(no_mangle)]
        pub extern \"C\" fn by_table(at: usize) -> u32 { unsafe { TABLE.get_unchecked(at & 1)(at) } }
    ";

    #[test]
    fn a_planted_panic_is_found() -> Fallible<()> {
        let dir = tempfile::tempdir()?;
        let (source, to) = (dir.path().join("a.rs"), dir.path().join("a.o"));
        std::fs::write(&source, SOURCE)?;
        let flags = ["--edition=2024", "--crate-type=lib", "--emit=obj", "-O", "-Cpanic=abort"];
        let out = Command::new("rustc").args(flags).arg("-o").arg(&to).arg(&source).output()?;
        assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
        let graph = Graph::new(&std::fs::read(&to)?)?;
        let panics = |function: &str| {
            assert!(graph.has(function));
            let reached = graph.reached(function);
            assert!(reached.contains_key("outside"), "{function}: {reached:?}");
            reached.keys().any(|name| name.contains("core::panicking"))
        };
        assert!(!panics("clean"));
        assert!(panics("direct"));
        assert!(panics("by_table"));
        Ok(())
    }
}
