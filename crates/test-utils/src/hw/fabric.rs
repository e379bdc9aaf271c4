// SPDX-License-Identifier: GPL-2.0-or-later
//! The functions of one PHB and the buses between them: who hears a configuration request.

use std::collections::HashMap;
use std::sync::Arc;

use eeh_pe::{Bdf, Time};

use super::config::Layout;
use super::function::{Answers, Function, Index};
use super::layout::layout;
use crate::topology::{FunctionSpec, PhbSpec};

/// Layouts already built: machines have many functions of few kinds.
#[derive(Debug, Default)]
pub(crate) struct Layouts(HashMap<Layout, Arc<Layout>>);

impl Layouts {
    pub(crate) fn of(&mut self, spec: &FunctionSpec) -> Arc<Layout> {
        let fresh = layout(&spec.config, &spec.bars);
        if let Some(known) = self.0.get(&fresh) {
            return Arc::clone(known);
        }
        let shared = Arc::new(fresh.clone());
        self.0.insert(fresh, Arc::clone(&shared));
        shared
    }
}

/// The functions of a PHB.
#[derive(Clone, Debug)]
pub(crate) struct Fabric {
    pub functions: Vec<Function>,
    /// Functions on the root bus.
    pub roots: Vec<Index>,
    pub root_bus: u8,
    /// Functions that can show virtual ones.
    pub pfs: Vec<Index>,
    /// `(home BDF, index)`, sorted.
    homes: Vec<(u16, Index)>,
}

impl Fabric {
    pub(crate) fn new(spec: &PhbSpec, layouts: &mut Layouts) -> Self {
        let functions: Vec<_> = spec.functions.iter().map(|f| Function::new(f, layouts.of(f))).collect();
        let with_sriov =
            |(i, f): (usize, &Function)| (f.config.layout().caps.sriov != 0).then_some(i as Index);
        let pfs = functions.iter().enumerate().filter_map(with_sriov).collect();
        let mut fabric = Self { functions, roots: Vec::new(), root_bus: 0, pfs, homes: Vec::new() };
        fabric.wire();
        fabric
    }

    /// Finds parents by bus numbers: the bridge on a lower bus whose secondary bus it is.
    fn wire(&mut self) {
        let mut bridge_to = [None; 256];
        for (i, f) in self.functions.iter().enumerate().rev() {
            let secondary = f.secondary();
            if f.is_bridge() && secondary > f.home.bus() {
                bridge_to[usize::from(secondary)] = Some(i as Index);
            }
        }
        for i in 0..self.functions.len() {
            let at = i as Index;
            let parent = bridge_to[usize::from(self.functions[i].home.bus())].filter(|&p| p != at);
            self.functions[i].parent = parent;
            match parent {
                Some(p) => self.functions[usize::from(p)].children.push(at),
                None => self.roots.push(at),
            }
            self.homes.push((self.functions[i].home.0, at));
        }
        self.homes.sort_unstable();
        self.root_bus =
            self.roots.iter().map(|&i| self.functions[usize::from(i)].home.bus()).min().unwrap_or(0);
    }

    /// One function more, on the bus that its position names.
    pub(crate) fn add(&mut self, mut f: Function) {
        let at = self.functions.len() as Index;
        let bus = f.home.bus();
        let bridge =
            |b: &Function| b.is_bridge() && (b.home_header[6] >> 8) as u8 == bus && b.home.bus() < bus;
        f.parent = self.functions.iter().position(bridge).map(|p| p as Index);
        match f.parent {
            Some(p) => self.functions[usize::from(p)].children.push(at),
            None => self.roots.push(at),
        }
        let place = self.homes.partition_point(|h| h.0 < f.home.0);
        self.homes.insert(place, (f.home.0, at));
        self.functions.push(f);
    }

    pub(crate) fn get(&self, i: Index) -> &Function {
        &self.functions[usize::from(i)]
    }

    pub(crate) fn get_mut(&mut self, i: Index) -> &mut Function {
        &mut self.functions[usize::from(i)]
    }

    /// The function that enumeration found at `bdf`, wherever it can be heard now.
    pub(crate) fn home(&self, bdf: Bdf) -> Option<Index> {
        let at = self.homes.binary_search_by_key(&bdf.0, |h| h.0).ok()?;
        self.homes.get(at).map(|h| h.1)
    }

    /// The bridges above `i`, nearest first.
    pub(crate) fn above(&self, i: Index) -> impl Iterator<Item = Index> + '_ {
        core::iter::successors(self.get(i).parent, |&p| self.get(p).parent)
    }

    /// `i` and all that is behind it, bridges before what they lead to.
    pub(crate) fn subtree(&self, i: Index) -> Vec<Index> {
        let mut all = vec![i];
        let mut at = 0;
        while let Some(&f) = all.get(at) {
            all.extend(&self.get(f).children);
            at += 1;
        }
        all
    }

    /// Everything on the secondary bus of `bridge` and behind.
    pub(crate) fn behind(&self, bridge: Index) -> Vec<Index> {
        let mut all = self.subtree(bridge);
        all.remove(0);
        all
    }

    /// Whether requests get as far as `i`: everything above answers and every link is up.
    pub(crate) fn path_up(&self, i: Index, now: Time) -> bool {
        self.above(i).all(|b| {
            let b = self.get(b);
            b.answers(now) == Answers::Data && now >= b.link_up_at && !b.asserts_secondary_reset()
        })
    }

    /// Who is addressed by `bdf`, by bus numbers as the bridges have them now.
    pub(crate) fn route(&self, bdf: Bdf) -> Option<Index> {
        if let Some(i) = self.home(bdf).filter(|&i| self.hears(i, bdf.bus())) {
            return Some(i);
        }
        self.descend(bdf)
    }

    /// The bus numbers above lead a request for `bus` to the bus that `i` is on.
    fn hears(&self, i: Index, bus: u8) -> bool {
        let Some(parent) = self.get(i).parent else { return bus == self.root_bus };
        let parent_bridge = self.get(parent);
        parent_bridge.present
            && parent_bridge.secondary() == bus
            && bus != 0
            && self.above(parent).all(|b| {
                let b = self.get(b);
                b.present && b.secondary() != 0 && b.secondary() < bus && bus <= b.subordinate()
            })
    }

    fn descend(&self, bdf: Bdf) -> Option<Index> {
        let bus = bdf.bus();
        let mut here = &self.roots;
        let mut number = self.root_bus;
        for _ in 0..=u8::MAX {
            if number == bus {
                let devfn = bdf.0 & 0xff;
                return here
                    .iter()
                    .copied()
                    .find(|&i| self.get(i).present && self.get(i).home.0 & 0xff == devfn);
            }
            let next = here.iter().map(|&i| self.get(i)).find(|f| {
                f.is_bridge()
                    && f.present
                    && f.secondary() != 0
                    && f.secondary() <= bus
                    && bus <= f.subordinate()
            })?;
            number = next.secondary();
            here = &next.children;
        }
        None
    }
}
