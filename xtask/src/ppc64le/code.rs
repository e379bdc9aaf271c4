// SPDX-License-Identifier: GPL-2.0-or-later
//! Machine code of ppc64le, as far as barriers go (Power ISA, book II, section 4.6).

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use object::read::archive::ArchiveFile;
use object::{Object, ObjectSection, ObjectSymbol, RelocationTarget, SymbolKind};

use crate::context::Fallible;

/// What an instruction is to memory order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Op {
    /// `lwsync` or `sync`: earlier accesses before later ones, but for a store before a load.
    Barrier,
    /// `isync`: behind a load and a branch that depends on it, that load before everything later.
    Isync,
    /// `stwcx.` or `stdcx.`: the store of an atomic exchange.
    Exchange,
    /// `stw`, `std` and the like.
    Store,
    /// A branch, with its distance in instructions.
    Branch(i32),
    /// Everything else.
    Other,
}

impl Op {
    const fn new(word: u32) -> Self {
        const STWCX: u32 = 0x7c00_012d;
        const STDCX: u32 = 0x7c00_01ad;
        match (word, word & 0xfc00_07ff, word >> 26) {
            (0x7c00_04ac | 0x7c20_04ac, ..) => Self::Barrier,
            (0x4c00_012c, ..) => Self::Isync,
            (_, STWCX | STDCX, _) => Self::Exchange,
            (_, _, 36 | 37 | 38 | 44 | 62) => Self::Store,
            // `bc`: 14 bits; `b` without link: 24.
            (_, _, 16) => Self::Branch(signed(word, 14)),
            (_, _, 18) if word & 1 == 0 => Self::Branch(signed(word, 24)),
            _ => Self::Other,
        }
    }
}

/// The signed number in `bits` bits above the lowest two.
const fn signed(word: u32, bits: u32) -> i32 {
    (word << (30 - bits)).cast_signed() >> (32 - bits)
}

/// One function.
#[derive(Default, Debug)]
pub(super) struct Function {
    pub(super) name: String,
    pub(super) ops: Vec<Op>,
    /// What it calls, or goes on with.
    pub(super) calls: BTreeSet<String>,
}

impl Function {
    /// Exchanges without a barrier before, or without one behind. What a compiler puts there stands close.
    pub(super) fn unordered(&self) -> usize {
        let exchanges = self.ops.iter().enumerate().filter(|(_, op)| **op == Op::Exchange);
        exchanges.filter(|(at, _)| !self.is_ordered(*at)).count()
    }

    fn is_ordered(&self, at: usize) -> bool {
        let before = self.ops.get(at.saturating_sub(12)..at).unwrap_or_default();
        before.contains(&Op::Barrier)
            && (self.waits(at + 1, 16) || self.targets(at).any(|target| self.waits(target, 4)))
    }

    /// Whether one of `count` instructions from `from` on is a barrier.
    fn waits(&self, from: usize, count: usize) -> bool {
        self.ops.iter().skip(from).take(count).any(|op| matches!(op, Op::Barrier | Op::Isync))
    }

    /// Where the branches right behind an exchange lead: one is taken when it succeeded.
    fn targets(&self, at: usize) -> impl Iterator<Item = usize> {
        self.ops.iter().enumerate().skip(at + 1).take(4).filter_map(|(at, op)| match op {
            Op::Branch(distance) => at.checked_add_signed(isize::try_from(*distance).ok()?),
            Op::Barrier | Op::Isync | Op::Exchange | Op::Store | Op::Other => None,
        })
    }

    /// How often `first` is followed by what `then` accepts.
    fn pairs(&self, first: Op, then: impl Fn(Op) -> bool) -> usize {
        self.ops.windows(2).filter(|pair| pair[0] == first && then(pair[1])).count()
    }
}

/// How much order a path makes.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Order {
    pub(super) exchanges: usize,
    /// Loads, or all loads so far, that everything later waits for: barriers that belong to neither store nor
    /// exchange, and `isync`.
    pub(super) acquires: usize,
    /// Stores that wait for everything earlier.
    pub(super) releases: usize,
}

/// The functions of an object file, by name.
pub(super) struct Code(BTreeMap<String, Function>);

impl Code {
    /// Reads our object of a static library.
    pub(super) fn read(library: &Path) -> Fallible<Self> {
        let data = std::fs::read(library)?;
        let archive = ArchiveFile::parse(&*data)?;
        let mut functions = BTreeMap::new();
        for member in archive.members() {
            let member = member?;
            if String::from_utf8_lossy(member.name()).starts_with("no_std_check") {
                read_object(&object::File::parse(member.data(&*data)?)?, &mut functions)?;
            }
        }
        if functions.is_empty() {
            Err("the library has no function of ours".into())
        } else {
            Ok(Self(functions))
        }
    }

    /// All functions.
    pub(super) fn functions(&self) -> impl Iterator<Item = &Function> {
        self.0.values()
    }

    /// What `root` does, with all that it calls.
    pub(super) fn order(&self, root: &str) -> Fallible<Order> {
        let mut open = vec![self.0.get(root).ok_or_else(|| format!("there is no function {root}"))?];
        let mut seen = BTreeSet::new();
        let mut order = Order::default();
        while let Some(function) = open.pop() {
            if !seen.insert(&function.name) {
                continue;
            }
            let exchanges = function.ops.iter().filter(|op| **op == Op::Exchange).count();
            order.exchanges += exchanges;
            order.acquires += function.ops.iter().filter(|op| **op == Op::Isync).count();
            order.releases += function.pairs(Op::Barrier, |then| then == Op::Store);
            let barriers = function.ops.iter().filter(|op| **op == Op::Barrier).count();
            let of_stores = function.pairs(Op::Barrier, |then| then == Op::Store);
            order.acquires += barriers.saturating_sub(of_stores + 2 * exchanges);
            open.extend(function.calls.iter().filter_map(|name| self.0.get(name)));
        }
        Ok(order)
    }
}

fn read_object(object: &object::File<'_>, functions: &mut BTreeMap<String, Function>) -> Fallible<()> {
    let texts: Vec<_> = object
        .symbols()
        .filter(|symbol| symbol.kind() == SymbolKind::Text && symbol.is_definition() && symbol.size() > 0)
        .collect();
    let at = |section, address: u64| {
        let inside = |symbol: &&object::Symbol<'_, '_>| {
            symbol.section_index() == section
                && (symbol.address()..symbol.address() + symbol.size()).contains(&address)
        };
        texts.iter().find(inside).and_then(|symbol| symbol.name().ok()).map(str::to_owned)
    };
    for symbol in &texts {
        let Some(section) = symbol.section_index().and_then(|index| object.section_by_index(index).ok())
        else {
            continue;
        };
        let range = symbol.address()..symbol.address() + symbol.size();
        let code = section.data_range(symbol.address(), symbol.size())?.unwrap_or_default();
        let (words, _) = code.as_chunks::<4>();
        let ops = words.iter().map(|word| Op::new(u32::from_le_bytes(*word))).collect();
        let mut calls = BTreeSet::new();
        for (_, relocation) in section.relocations().filter(|(at, _)| range.contains(at)) {
            let RelocationTarget::Symbol(index) = relocation.target() else { continue };
            let target = object.symbol_by_index(index)?;
            // A local one is named by its section and a distance.
            let place = target.address().wrapping_add_signed(relocation.addend());
            let name = if target.kind() == SymbolKind::Section {
                at(target.section_index(), place)
            } else {
                target.name().ok().map(str::to_owned)
            };
            calls.extend(name);
        }
        let name = symbol.name()?.to_owned();
        functions.insert(name.clone(), Function { name, ops, calls });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Function, Op};

    fn function(words: &[u32]) -> Function {
        Function { ops: words.iter().map(|word| Op::new(*word)).collect(), ..Function::default() }
    }

    #[test]
    fn an_exchange_needs_a_barrier_on_either_side() {
        let (lwsync, isync, stdcx, nop) = (0x7c20_04ac, 0x4c00_012c, 0x7d20_39ad, 0x6000_0000);
        assert_eq!(function(&[lwsync, stdcx, nop, lwsync]).unordered(), 0);
        assert_eq!(function(&[lwsync, stdcx, nop, isync]).unordered(), 0);
        assert_eq!(function(&[isync, stdcx, nop, lwsync]).unordered(), 1);
        assert_eq!(function(&[lwsync, stdcx, nop]).unordered(), 1);
    }

    #[test]
    fn a_barrier_may_stand_where_success_leads() {
        // bne+ back by five instructions.
        let (lwsync, stdcx, nop, back) = (0x7c20_04ac, 0x7d20_39ad, 0x6000_0000, 0x40c2_ffec);
        assert_eq!(Op::new(back), Op::Branch(-5));
        assert_eq!(function(&[lwsync, nop, nop, lwsync, nop, stdcx, back]).unordered(), 0);
        assert_eq!(function(&[lwsync, nop, nop, nop, nop, stdcx, back]).unordered(), 1);
    }
}
