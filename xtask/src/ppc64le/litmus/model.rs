// SPDX-License-Identifier: GPL-2.0-or-later
//! POWER's memory model, by its axioms: all executions of a litmus test, and whether the model allows one of them.
//!
//! The axioms are those published by Alglave, Maranget and Tautschnig ("Herding cats", TOPLAS 36, 2014, section 6),
//! which herd calls `ppc.cat`.

use super::relation::{MOST, Relation};

/// An instruction of a thread. Locations are letters; each register is written once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Op {
    /// Load a location into a register.
    R(char, usize),
    /// Store a number.
    W(char, u8),
    /// Load with reservation and store conditional, which succeeded.
    Rmw(char, usize, u8),
    /// `sync`
    Sync,
    /// `lwsync`
    Lwsync,
    /// A branch on the last load, and `isync` behind it.
    Isync,
    /// A branch on the last load.
    Ctrl,
    /// Load from an address that depends on the last load.
    AddrR(char, usize),
    /// Store a number that depends on the last load.
    DataW(char, u8),
}

impl Op {
    /// What a weaker ordering leaves out.
    pub(super) const fn is_barrier(self) -> bool {
        matches!(self, Self::Sync | Self::Lwsync | Self::Isync)
    }
}

/// Pairs of events.
type Pairs = [(usize, usize)];

/// What registers and memory are in the end.
pub(super) type Outcome<'o> = &'o dyn Fn(&[u8], &dyn Fn(char) -> u8) -> bool;

/// A load or store of an execution.
#[derive(Clone, Copy)]
struct Event {
    /// `None` for what was there before.
    thread: Option<usize>,
    at: char,
    /// The register of a load.
    reads: Option<usize>,
    writes: u8,
}

/// The loads and stores of a test, and what its program says of them.
#[derive(Default)]
struct Program {
    events: Vec<Event>,
    po: Vec<(usize, usize)>,
    rmw: Vec<(usize, usize)>,
    sync: Vec<(usize, usize)>,
    lwsync: Vec<(usize, usize)>,
    isync: Vec<(usize, usize)>,
    ctrl: Vec<(usize, usize)>,
    addr: Vec<(usize, usize)>,
    data: Vec<(usize, usize)>,
}

impl Program {
    fn new(threads: &[Vec<Op>]) -> Self {
        let mut program = Self::default();
        for (thread, ops) in threads.iter().enumerate() {
            program.add_thread(thread, ops);
        }
        let mut places: Vec<char> = program.events.iter().map(|event| event.at).collect();
        places.sort_unstable();
        places.dedup();
        for at in places {
            program.events.push(Event { thread: None, at, reads: None, writes: 0 });
        }
        assert!(program.events.len() <= MOST, "a litmus test is small");
        program
    }

    fn add_thread(&mut self, thread: usize, ops: &[Op]) {
        // Each barrier or branch, and what came before it: all, or the last load.
        let (mut mine, mut before): (Vec<usize>, Vec<(Op, Vec<usize>)>) = (Vec::new(), Vec::new());
        let mut last_load = None;
        for &op in ops {
            let event = |at, reads, writes| Event { thread: Some(thread), at, reads, writes };
            let new: &[Event] = match op {
                Op::R(at, reg) | Op::AddrR(at, reg) => &[event(at, Some(reg), 0)],
                Op::W(at, value) | Op::DataW(at, value) => &[event(at, None, value)],
                Op::Rmw(at, reg, value) => &[event(at, Some(reg), 0), event(at, None, value)],
                Op::Sync | Op::Lwsync => {
                    before.push((op, mine.clone()));
                    &[]
                }
                Op::Isync | Op::Ctrl => {
                    before.push((op, last_load.into_iter().collect()));
                    &[]
                }
            };
            for (nth, event) in new.iter().enumerate() {
                let id = self.events.len();
                self.events.push(*event);
                self.po.extend(mine.iter().map(|&earlier| (earlier, id)));
                for (barrier, earlier) in &before {
                    let pairs = earlier.iter().map(|&earlier| (earlier, id));
                    match barrier {
                        Op::Sync => self.sync.extend(pairs),
                        Op::Lwsync => self.lwsync.extend(pairs),
                        Op::Isync => self.isync.extend(pairs),
                        Op::Ctrl => self.ctrl.extend(pairs),
                        Op::R(..) | Op::W(..) | Op::Rmw(..) | Op::AddrR(..) | Op::DataW(..) => {}
                    }
                }
                match (op, last_load) {
                    (Op::AddrR(..), Some(load)) => self.addr.push((load, id)),
                    (Op::DataW(..), Some(load)) => self.data.push((load, id)),
                    _ => {}
                }
                if nth == 1 {
                    self.rmw.push((id - 1, id));
                }
                if event.reads.is_some() {
                    last_load = Some(id);
                }
                mine.push(id);
            }
        }
    }

    fn relation(&self, pairs: &Pairs) -> Relation {
        Relation::of(self.events.len(), |a, b| pairs.contains(&(a, b)))
    }

    fn is_read(&self, event: usize) -> bool {
        self.events.get(event).is_some_and(|event| event.reads.is_some())
    }

    fn is_write(&self, event: usize) -> bool {
        event < self.events.len() && !self.is_read(event)
    }

    fn external(&self, a: usize, b: usize) -> bool {
        self.events[a].thread.is_none() || self.events[a].thread != self.events[b].thread
    }

    /// Whether the model allows what loads read from (`from`) with stores in this order.
    fn allows(&self, from: &Pairs, order: &Pairs) -> bool {
        let (rf, co, po) = (self.relation(from), self.relation(order), self.relation(&self.po));
        let fr = Relation::of(self.events.len(), |read, write| {
            from.iter().any(|&(source, reader)| reader == read && co.has(source, write))
        });
        let outside = |relation: &Relation| relation.only(|a, b| self.external(a, b));
        let (rfe, coe, fre) = (outside(&rf), outside(&co), outside(&fr));
        let com = rf | co | fr;
        let po_loc = po.only(|a, b| self.events[a].at == self.events[b].at);
        let torn = self.relation(&self.rmw) & fre.then(&coe);
        if !(po_loc | com).is_acyclic() || torn != Relation::EMPTY {
            return false;
        }
        let ppo = self.preserved(&po, &po_loc, &rf.only(|a, b| !self.external(a, b)), &(rfe, coe, fre));
        let ffence = self.relation(&self.sync);
        let lwfence = self.relation(&self.lwsync).only(|a, b| !(self.is_write(a) && self.is_read(b)));
        let fences = ffence | lwfence;
        let hb = ppo | fences | rfe;
        if !hb.is_acyclic() {
            return false;
        }
        let hb_star = hb.star();
        let base = (fences | rfe.then(&fences)).then(&hb_star);
        let strong = com.star().then(&base.star()).then(&ffence).then(&hb_star);
        let prop = base.only(|a, b| self.is_write(a) && self.is_write(b)) | strong;
        fre.then(&prop).then(&hb_star).is_irreflexive() && (co | prop).is_acyclic()
    }

    /// Program order that the processor keeps without barriers.
    fn preserved(
        &self,
        po: &Relation,
        po_loc: &Relation,
        rfi: &Relation,
        (rfe, coe, fre): &(Relation, Relation, Relation),
    ) -> Relation {
        let (addr, ctrl) = (self.relation(&self.addr), self.relation(&self.ctrl));
        let isync = self.relation(&self.isync);
        let dp = addr | self.relation(&self.data);
        let (rdw, detour) = (*po_loc & fre.then(rfe), *po_loc & coe.then(rfe));
        let (ii0, ci0) = (dp | rdw | *rfi, isync | detour);
        let cc0 = dp | *po_loc | ctrl | isync | addr.then(po);
        let (mut ii, mut ic, mut ci, mut cc) = (ii0, Relation::EMPTY, ci0, cc0);
        loop {
            let before = (ii, ic, ci, cc);
            ii = ii0 | ci | ic.then(&ci) | ii.then(&ii);
            ic = ii | cc | ic.then(&cc) | ii.then(&ic);
            ci = ci0 | ci.then(&ii) | cc.then(&ci);
            cc = cc0 | ci | ci.then(&ic) | cc.then(&cc);
            if before == (ii, ic, ci, cc) {
                break;
            }
        }
        ii.only(|a, b| self.is_read(a) && self.is_read(b))
            | ic.only(|a, b| self.is_read(a) && self.is_write(b))
    }
}

/// Whether the model allows an execution of `threads` whose registers and final memory are `wanted`; and how many
/// executions there are.
pub(super) fn allows(threads: &[Vec<Op>], wanted: Outcome<'_>) -> (bool, usize) {
    let program = Program::new(threads);
    let (mut allowed, mut count) = (false, 0);
    let reads: Vec<usize> = (0..program.events.len()).filter(|&event| program.is_read(event)).collect();
    each_order(&program, &mut |order| {
        each_source(&program, &reads, &mut Vec::new(), &mut |from| {
            count += 1;
            let mut registers = [0; MOST];
            for &(write, read) in from {
                registers[program.events[read].reads.unwrap_or(0)] = program.events[write].writes;
            }
            let last = |at: char| {
                let writes =
                    (0..program.events.len()).filter(|&e| program.is_write(e) && program.events[e].at == at);
                let mut last = writes.filter(|&e| order.iter().all(|&(earlier, _)| earlier != e));
                last.next().map_or(0, |event| program.events[event].writes)
            };
            allowed = allowed || (wanted(&registers, &last) && program.allows(from, order));
        });
    });
    (allowed, count)
}

/// All orders of the stores of each location, that which was there before first.
fn each_order(program: &Program, visit: &mut dyn FnMut(&Pairs)) {
    let initial = (0..program.events.len()).filter(|&event| program.events[event].thread.is_none());
    let mut per_place: Vec<Vec<Vec<usize>>> = Vec::new();
    for first in initial {
        let at = program.events[first].at;
        let others: Vec<usize> = (0..program.events.len())
            .filter(|&e| e != first && program.is_write(e) && program.events[e].at == at)
            .collect();
        let with_first = |order: Vec<usize>| [first].into_iter().chain(order).collect();
        per_place.push(permutations(&others).into_iter().map(with_first).collect());
    }
    let mut chosen = vec![0; per_place.len()];
    loop {
        let mut pairs = Vec::new();
        for (orders, &nth) in per_place.iter().zip(&chosen) {
            let order = &orders[nth];
            for (place, &earlier) in order.iter().enumerate() {
                pairs.extend(order[place + 1..].iter().map(|&later| (earlier, later)));
            }
        }
        visit(&pairs);
        let Some(next) = (0..chosen.len()).find(|&place| chosen[place] + 1 < per_place[place].len()) else {
            return;
        };
        chosen[next] += 1;
        chosen[..next].fill(0);
    }
}

fn permutations(items: &[usize]) -> Vec<Vec<usize>> {
    if items.is_empty() {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for (at, &first) in items.iter().enumerate() {
        let rest: Vec<usize> = [&items[..at], &items[at + 1..]].concat();
        all.extend(permutations(&rest).into_iter().map(|rest| [first].into_iter().chain(rest).collect()));
    }
    all
}

/// All stores that each load may read from.
fn each_source(
    program: &Program,
    reads: &[usize],
    from: &mut Vec<(usize, usize)>,
    visit: &mut dyn FnMut(&Pairs),
) {
    let Some((&read, rest)) = reads.split_first() else { return visit(from) };
    for write in 0..program.events.len() {
        if program.is_write(write) && program.events[write].at == program.events[read].at {
            from.push((write, read));
            each_source(program, rest, from, visit);
            from.pop();
        }
    }
}
