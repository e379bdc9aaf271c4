// SPDX-License-Identifier: GPL-2.0-or-later
//! One PCI host bridge: its lock, its PE states, its interrupt, and the fabric below.

use core::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use eeh_pe::{Bdf, Time};

use super::clock::SimClock;
use super::decode::Decoder;
use super::fabric::{Fabric, Layouts};
use super::function::{Index, Resets, Timing};
use super::history::{Change, Happened};
use super::inject::Injection;
use super::pest::{Pest, Stopped};
use super::wire::Wire;
use crate::discipline;
use crate::topology::{PhbKind, PhbSpec, WindowSpec};

/// Called with the PHB's number when its error interrupt goes from quiet to raised; with no lock of
/// the hardware held, on the thread whose access met the error. It must not call firmware.
pub type ErrorHook = Arc<dyn Fn(u32) + Send + Sync>;

/// What a configuration read of a frozen PE answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ConfigWhenFrozen {
    /// The registers. So did the machine whose C logs are in `fixtures/linux-7.3-c`: C prints real
    /// values of a PE while it is frozen.
    #[default]
    Works,
    /// All ones, and writes are dropped.
    AllOnes,
}

/// How this PHB behaves where hardware differs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PhbParams {
    /// Configuration space of a frozen PE.
    pub config_when_frozen: ConfigWhenFrozen,
    /// A configuration request that nothing answers freezes the PE that the RID belongs to
    /// (hardware does; QEMU does not).
    pub config_miss_freezes: bool,
    /// A secondary bus reset of the root port that firmware has not prepared brings the link down
    /// with its errors unmasked, and fences the PHB.
    pub bare_root_reset_fences: bool,
}

impl Default for PhbParams {
    fn default() -> Self {
        Self {
            config_when_frozen: ConfigWhenFrozen::default(),
            config_miss_freezes: false,
            bare_root_reset_fences: true,
        }
    }
}

/// An error of the I/O hub (P7IOC) that all its PHBs hang from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HubError {
    /// Only informative.
    Informative,
    /// The hub is gone.
    Dead,
}

/// A PHB and everything below.
pub struct Phb {
    pub(crate) number: u32,
    pub(crate) kind: PhbKind,
    pub(crate) clock: Arc<dyn SimClock>,
    state: Mutex<State>,
    raised: AtomicBool,
    hook: Arc<OnceLock<ErrorHook>>,
}

/// What the PHB's lock protects.
#[derive(Clone, Debug)]
pub(crate) struct State {
    pub fabric: Fabric,
    pub decoder: Decoder,
    pub pest: Pest,
    pub fenced: bool,
    pub dead: bool,
    pub hub: Option<HubError>,
    /// Firmware expects the link to go down.
    pub link_down_masked: bool,
    /// PERST, or the PHB's own reset, holds everything below the root port.
    pub perst: bool,
    pub wire: Wire,
    pub injection: Option<Injection>,
    pub params: PhbParams,
    /// Freezes that the hardware itself has made.
    pub freezes: u64,
    /// What froze and thawed, in order.
    pub history: Vec<Change>,
    pub clock: Arc<dyn SimClock>,
    /// An access in this critical section met an error.
    pub alarm: bool,
}

impl core::fmt::Debug for Phb {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Phb").field("number", &self.number).field("kind", &self.kind).finish_non_exhaustive()
    }
}

impl Phb {
    pub(crate) fn new(
        spec: &PhbSpec,
        clock: Arc<dyn SimClock>,
        hook: Arc<OnceLock<ErrorHook>>,
        layouts: &mut Layouts,
    ) -> Self {
        let fabric = Fabric::new(spec, layouts);
        let decoder = Decoder::new(&spec.windows, &fabric);
        let state = State {
            fabric,
            decoder,
            pest: Pest::new(spec.pe_count),
            fenced: false,
            dead: false,
            hub: None,
            link_down_masked: false,
            perst: false,
            wire: Wire::default(),
            injection: None,
            params: PhbParams::default(),
            freezes: 0,
            history: Vec::new(),
            clock: Arc::clone(&clock),
            alarm: false,
        };
        Self {
            number: spec.number,
            kind: spec.kind,
            clock,
            state: Mutex::new(state),
            raised: AtomicBool::new(false),
            hook,
        }
    }

    /// Linux's number of the PHB; OPAL's id of it is the same.
    #[must_use]
    pub const fn number(&self) -> u32 {
        self.number
    }

    /// Its generation.
    #[must_use]
    pub const fn kind(&self) -> PhbKind {
        self.kind
    }

    /// The time now.
    #[must_use]
    pub fn now(&self) -> Time {
        self.clock.now()
    }

    /// Takes the PHB's lock. A panic of another thread inside leaves the hardware as it was.
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `f` under the lock; then raises the error interrupt if `f` met an error.
    pub(crate) fn access<R>(&self, f: impl FnOnce(&mut State, Time) -> R) -> R {
        discipline::outside_trees("an access to hardware");
        let now = self.now();
        let (answer, alarm) = {
            let mut s = self.lock();
            let answer = f(&mut s, now);
            s.sync_vfs();
            (answer, core::mem::take(&mut s.alarm))
        };
        if alarm
            && !self.raised.swap(true, Ordering::AcqRel)
            && let Some(hook) = self.hook.get()
        {
            hook(self.number);
        }
        answer
    }

    /// Whether the error interrupt is raised: firmware has an event for the operating system.
    #[must_use]
    pub fn error_raised(&self) -> bool {
        self.raised.load(Ordering::Acquire)
    }

    /// Firmware has taken note: the next error raises the interrupt again.
    pub fn acknowledge_error(&self) {
        self.raised.store(false, Ordering::Release);
    }

    /// How this PHB behaves where hardware differs.
    pub fn set_params(&self, params: PhbParams) {
        self.lock().params = params;
    }

    /// The behaviour in force.
    #[must_use]
    pub fn params(&self) -> PhbParams {
        self.lock().params
    }

    /// The windows to the CPU.
    #[must_use]
    pub fn windows(&self) -> Vec<WindowSpec> {
        self.lock().decoder.windows.to_vec()
    }

    /// How many PEs it has.
    #[must_use]
    pub fn pe_count(&self) -> u32 {
        self.lock().pest.count()
    }

    /// What of a PE is stopped.
    #[must_use]
    pub fn stopped(&self, pe: u32) -> Stopped {
        self.lock().pest.get(pe)
    }

    /// Whether the PHB is fenced (and not dead).
    #[must_use]
    pub fn is_fenced(&self) -> bool {
        self.lock().fenced
    }

    /// Whether the PHB is broken for good.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        self.lock().dead
    }

    /// Edges on the reset lines so far.
    #[must_use]
    pub fn wire(&self) -> Wire {
        self.lock().wire
    }

    /// How often the hardware has frozen a PE.
    #[must_use]
    pub fn freezes(&self) -> u64 {
        self.lock().freezes
    }

    /// Reset edges that the function at `bdf` has seen.
    #[must_use]
    pub fn resets(&self, bdf: Bdf) -> Option<Resets> {
        self.with_function(bdf, |s, i| s.fabric.get(i).resets)
    }

    /// The PE that the function's RID belongs to.
    #[must_use]
    pub fn pe_of(&self, bdf: Bdf) -> Option<u32> {
        self.with_function(bdf, |s, i| s.fabric.get(i).pe).flatten()
    }

    /// Moves the function's RID to another PE (OPAL_PCI_SET_PE). `false`: no such function.
    pub fn set_pe(&self, bdf: Bdf, pe: Option<u32>) -> bool {
        self.with_function(bdf, |s, i| s.fabric.get_mut(i).pe = pe).is_some()
    }

    /// How the function at `bdf` comes back from resets.
    #[must_use]
    pub fn timing(&self, bdf: Bdf) -> Option<Timing> {
        self.with_function(bdf, |s, i| s.fabric.get(i).timing)
    }

    /// Sets how the function at `bdf` (a port: also the link below it) comes back from resets, from
    /// the next one on. `false`: no such function.
    pub fn set_timing(&self, bdf: Bdf, timing: Timing) -> bool {
        self.with_function(bdf, |s, i| s.fabric.get_mut(i).timing = timing).is_some()
    }

    /// Where enumeration found functions, present or not.
    #[must_use]
    pub fn homes(&self) -> Vec<Bdf> {
        self.lock().fabric.functions.iter().map(|f| f.home).collect()
    }

    pub(crate) fn with_function<R>(&self, bdf: Bdf, f: impl FnOnce(&mut State, Index) -> R) -> Option<R> {
        let mut s = self.lock();
        let i = s.fabric.home(bdf)?;
        Some(f(&mut s, i))
    }
}

impl State {
    /// An error of `pe` that the hardware saw.
    pub(crate) fn hardware_freeze(&mut self, pe: u32) {
        let before = self.pest.get(pe);
        if self.pest.stop(pe, Stopped::ALL) {
            self.freezes += 1;
            self.alarm = true;
            self.note(Happened::Froze(pe));
        } else if before != Stopped::ALL && self.pest.get(pe) == Stopped::ALL {
            self.alarm = true;
            self.note(Happened::FrozeAgain(pe));
        }
    }

    /// An error that stops the whole PHB.
    pub(crate) fn hardware_fence(&mut self) {
        if !self.fenced && !self.dead {
            self.fenced = true;
            self.alarm = true;
            self.note(Happened::Fenced);
        }
    }

    /// No PE is assigned: accesses fall into the reserved one, the last.
    pub(crate) fn reserved_pe(&self) -> u32 {
        self.pest.count().saturating_sub(1)
    }

    /// Nothing comes through a fenced or dead PHB.
    pub(crate) fn shut(&self) -> bool {
        self.fenced || self.dead
    }
}
