// SPDX-License-Identifier: GPL-2.0-or-later
//! One seed, from boot to verdict.

use core::fmt;
use core::hash::{Hash as _, Hasher as _};
use core::time::Duration;
use std::hash::DefaultHasher;
use std::sync::Arc;

use eeh_pe::{Bdf, Time};
use eeh_recovery::PcieReset;

use super::canary::Canary;
use super::check::{Checker, Verdict, Violation};
use super::owners::Account;
use super::plan::Plan;
use super::{once, order, rest, told, vfs, whole};
use crate::discipline::{self, Breach};
use crate::engine::{Coverage, Engine, Fault, Mark, Planned, Run};
use crate::hw::{Phb, Stopped};
use crate::linux::{Call, Moment, SimLinux, Wish};
use crate::topology::MachineSpec;

/// Everything must be quiet so long after boot, in virtual time: a hanging driver takes five minutes,
/// and a device may ask for a minute after each of three resets.
const LIMIT: Duration = Duration::from_secs(3000);
/// What a device may take besides that cannot be had: its handler, or its removal.
const LOST: Duration = Duration::from_secs(600);
/// Looked at so often.
const SLICE: Duration = Duration::from_secs(100);
/// More events than any plan can be worth.
const MOST_EVENTS: usize = 30_000;

/// How often somebody looks at every device of a partition: a driver that fails may freeze its PE as often
/// as the budget allows.
const LOOKS: u32 = 10;

/// How often everything is put back.
const HEALINGS: u32 = 3;

/// What checkers look at.
pub struct Evidence<'a> {
    /// What was planned.
    pub plan: &'a Plan,
    /// The machine as it is now.
    pub linux: &'a SimLinux,
    /// What happened.
    pub run: Run,
    /// Which drivers were called.
    pub calls: Vec<Call>,
    /// Devices that EEH got to know.
    pub came: Vec<Moment>,
    /// Calls of `slot_reset` for devices that were not reset.
    pub kept: Vec<Moment>,
    /// What owners, drivers and administrators asked for.
    pub(super) account: Account,
    /// The hardware of PHBs that were removed.
    pub former: Vec<Arc<Phb>>,
    /// Somebody has the global lock of hotplug and never gives it back.
    pub hotplug_stuck: bool,
}

impl Evidence<'_> {
    /// The hardware of all PHBs, removed or not.
    pub(super) fn hardware(&self) -> Vec<Arc<Phb>> {
        let mut all: Vec<Arc<Phb>> = Vec::new();
        let present = self.plan.spec.phbs.iter().filter_map(|phb| self.linux.hardware(phb.number));
        for phb in self.former.iter().cloned().chain(present) {
            if !all.iter().any(|known| Arc::ptr_eq(known, &phb)) {
                all.push(phb);
            }
        }
        all
    }
}

/// What a run came to, for those who add runs up.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Summary {
    /// Recoveries.
    pub recoveries: usize,
    /// Events observed.
    pub events: usize,
    /// Calls of drivers.
    pub calls: usize,
    /// How the recoveries ended: recovered, failed, gone, cancelled, fenced.
    pub outcomes: [usize; 5],
    /// Wishes of owners, drivers and administrators that were granted.
    pub granted: usize,
    /// Seeds with virtual functions.
    pub vfs: usize,
    /// What it came to.
    pub coverage: Coverage,
    /// Two runs with equal digests printed and did the same.
    pub digest: u64,
}

impl Summary {
    /// Adds another run's.
    pub fn add(&mut self, other: &Self) {
        self.recoveries += other.recoveries;
        self.events += other.events;
        self.calls += other.calls;
        self.outcomes.iter_mut().zip(other.outcomes).for_each(|(mine, theirs)| *mine += theirs);
        self.granted += other.granted;
        self.vfs += other.vfs;
        self.coverage.add(&other.coverage);
        self.digest ^= other.digest;
    }
}

/// A seed that a checker did not like.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The seed.
    pub seed: u64,
    /// What the checkers found.
    pub violations: Vec<Violation>,
    /// What was planned.
    pub plan: String,
    /// The machine's log.
    pub log: Vec<String>,
    /// What happened, as a picture.
    pub marks: Vec<Mark>,
}

/// What a run left behind.
#[derive(Clone, Debug)]
pub struct Remains {
    /// What it came to.
    pub summary: Summary,
    /// The machine's log.
    pub log: Vec<String>,
    /// What happened, as a picture.
    pub marks: Vec<Mark>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {} fails; replay: cargo xtask sim --seed {0}", self.seed)?;
        self.violations.iter().try_for_each(|violation| writeln!(f, "  {violation}"))
    }
}

/// Runs a seed and has it judged.
///
/// # Errors
///
/// What the checkers found.
pub fn run(seed: u64, fixtures: &[MachineSpec]) -> Result<Summary, Failure> {
    run_with(Plan::new(seed, fixtures), None)
}

/// The same for a plan that may have been changed, with a bug planted that a checker must see.
///
/// # Errors
///
/// What the checkers found.
pub fn run_with(plan: Plan, canary: Option<Canary>) -> Result<Summary, Failure> {
    replay(plan, canary).map(|remains| remains.summary)
}

/// The same, and what the run left behind.
///
/// # Errors
///
/// What the checkers found.
pub fn replay(plan: Plan, canary: Option<Canary>) -> Result<Remains, Failure> {
    let mut plan = plan;
    if let Some(canary) = canary {
        canary.disturb(&mut plan);
    }
    let fail = |violations, log| Failure {
        seed: plan.seed,
        violations,
        plan: describe(&plan),
        log,
        marks: Vec::new(),
    };
    let boot = |error: &dyn fmt::Display| {
        fail(vec![Violation { checker: Checker::Liveness, text: error.to_string() }], Vec::new())
    };
    let linux = SimLinux::boot(&plan.spec, &plan.options).map_err(|error| boot(&error))?;
    let mut verdict = Verdict::default();
    let _ = discipline::take();
    let played = play(&plan, &linux, canary, &mut verdict);
    let mut evidence = played.map_err(|text| {
        let log = linux.console().take().iter().map(ToString::to_string).collect();
        fail(vec![Violation { checker: Checker::Liveness, text }], log)
    })?;
    if let Some(canary) = canary {
        canary.tamper(&mut evidence);
    }
    rest::check(&evidence, &mut verdict);
    order::check(&evidence, &mut verdict);
    once::check(&evidence, &mut verdict);
    told::check(&evidence, &mut verdict);
    vfs::check_all(&evidence, &mut verdict);
    for breach in discipline::take() {
        let checker = if breach == Breach::Mmio { Checker::Mmio } else { Checker::Locks };
        verdict.add(checker, format!("{breach:?}"));
    }
    whole::check(&evidence, &mut verdict);
    let log = evidence.run.log.iter().map(ToString::to_string).collect();
    let marks = core::mem::take(&mut evidence.run.marks);
    if verdict.0.is_empty() {
        return Ok(Remains { summary: summary(&evidence), log, marks });
    }
    verdict.0.dedup();
    Err(Failure { marks, ..fail(verdict.0, log) })
}

/// Both parts of a run; what a machine at rest must be like is looked at between them too.
fn play<'a>(
    plan: &'a Plan,
    linux: &'a SimLinux,
    canary: Option<Canary>,
    verdict: &mut Verdict,
) -> Result<Evidence<'a>, String> {
    for (at, timing) in &plan.timings {
        if let Some(hardware) = linux.hardware(at.phb) {
            hardware.set_timing(at.bdf, *timing);
        }
    }
    let start = linux.now();
    let mut engine = Engine::new(linux).ok_or("no virtual time")?;
    for (at, fault) in &plan.timed {
        engine.plan(Planned { at: start.after(*at), fault: *fault });
    }
    for (events, fault) in &plan.moments {
        engine.plan_after(*events, *fault);
    }
    for (phase, after, fault) in &plan.phases {
        engine.plan_in(*phase, *after, *fault);
    }
    for (within, after, fault) in &plan.meets {
        engine.plan_in(*within, *after, *fault);
    }
    let quiet = settle(plan, &mut engine, linux)?;
    verdict.expect(Checker::Liveness, quiet, || "the first part does not come to rest".to_owned());
    let mut grants = linux.take_grants();
    rest::check_machine(plan, linux, (&Account::new(grants.clone()), true), verdict);
    let (former, hotplug_stuck, run) = {
        let mut quiet = true;
        // A driver may remove functions when it hears of an error, also now.
        for _ in 0..HEALINGS {
            heal(plan, linux, &mut engine, canary);
            quiet = settle(plan, &mut engine, linux)? && look(plan, linux, &mut engine)?;
            if !quiet || !is_card_missing(plan, linux) {
                break;
            }
        }
        verdict.expect(Checker::Liveness, quiet, || "the second part does not come to rest".to_owned());
        let former = engine.former_hardware().to_vec();
        let hotplug_stuck = linux.rescan_lock().is_held();
        let end = engine.now().after(if quiet { SLICE } else { Duration::ZERO });
        (former, hotplug_stuck, engine.run(end).map_err(|e| e.to_string())?)
    };
    grants.extend(linux.take_grants());
    let calls = linux.calls();
    Ok(Evidence {
        plan,
        linux,
        run,
        calls: calls.take(),
        came: calls.take_came(),
        kept: calls.take_kept(),
        account: Account::new(grants),
        former,
        hotplug_stuck,
    })
}

/// Runs until all is quiet. `false`: it never is.
fn settle(plan: &Plan, engine: &mut Engine<'_>, linux: &SimLinux) -> Result<bool, String> {
    // Whoever hangs with the lock of hotplug held takes from each device of any PHB what one that hangs does.
    let functions = u32::try_from(plan.spec.functions().count()).unwrap_or(u32::MAX);
    let lost = if plan.has_stuck_drivers() { LOST * functions } else { Duration::ZERO };
    let (end, most) = (engine.now().after(LIMIT + lost), linux.watcher().observed() + MOST_EVENTS);
    let mut until = engine.now();
    loop {
        until = until.after(SLICE);
        if engine.run_until_quiet(until).map_err(|e| e.to_string())? {
            return Ok(true);
        }
        if until > end || linux.watcher().observed() > most {
            return Ok(false);
        }
    }
}

/// A partition is told by nobody: somebody looks at every device, until that finds nothing any more. `false`:
/// it is never quiet.
fn look(plan: &Plan, linux: &SimLinux, engine: &mut Engine<'_>) -> Result<bool, String> {
    if linux.rtas().is_none() {
        return Ok(true);
    }
    for _ in 0..LOOKS {
        let before = linux.watcher().observed();
        for device in linux.phbs().iter().flat_map(|phb| phb.devices()) {
            let fault = Fault::Look(device.phb_number(), device.bdf());
            engine.plan(Planned { at: engine.now(), fault });
        }
        if !settle(plan, engine, linux)? {
            return Ok(false);
        }
        if linux.watcher().observed() == before {
            break;
        }
    }
    Ok(true)
}

/// Whether nothing gets through to a function of a partition any more.
fn is_lost(firmware: &crate::rtas::Firmware, hardware: &Phb, bdf: Bdf) -> bool {
    let pe = hardware.pe_of(bdf);
    pe.is_some_and(|pe| firmware.has_given_up(hardware.number(), pe) || hardware.stopped(pe) != Stopped::NO)
}

/// Whether a function is not there that was put back.
fn is_card_missing(plan: &Plan, linux: &SimLinux) -> bool {
    plan.spec.functions().any(|(at, _)| linux.hardware(at.phb).is_some_and(|phb| !phb.is_present(at.bdf)))
}

/// Gives the machine everything back.
fn heal(plan: &Plan, linux: &SimLinux, engine: &mut Engine<'_>, canary: Option<Canary>) {
    let start = engine.now();
    engine.forget_moments();
    give_back(plan, engine);
    let mut plan_at = |seconds: u64, fault| {
        let at = start.after(Duration::from_secs(seconds));
        engine.plan(Planned { at, fault });
    };
    for phb in &plan.spec.phbs {
        let number = phb.number;
        // One that is fenced was given up.
        if linux.hardware(number).is_some_and(|hardware| hardware.is_dead() || hardware.is_fenced()) {
            plan_at(1, Fault::RemovePhb(number));
        }
        plan_at(5, Fault::AddPhb(number));
        if let Some(hardware) = linux.hardware(number) {
            for function in &phb.functions {
                // A PE that firmware has given up, or that froze when nobody had it, wants a new card.
                if linux.rtas().is_some_and(|rtas| is_lost(rtas.honest(), &hardware, function.bdf)) {
                    plan_at(1, Fault::Pull(number, function.bdf));
                    plan_at(10, Fault::Push(number, function.bdf));
                }
                // One that is there stays.
                let _ = hardware.push(function.bdf);
            }
        }
        // The second finds what was not ready yet when the first came by.
        plan_at(20, Fault::Rescan(number));
        plan_at(40, Fault::Rescan(number));
        for function in phb.functions.iter().filter(|f| !f.is_bridge()) {
            plan_at(60, Fault::Bind(number, function.bdf));
        }
    }
    if canary == Some(Canary::NeverAtRest) {
        plan_at(10 * LIMIT.as_secs(), Fault::Rescan(0));
    }
}

/// Owners give their devices back, drivers end their resets, and somebody looks after what is left frozen.
/// A driver is bound anew where another may have used the device.
fn give_back(plan: &Plan, engine: &mut Engine<'_>) {
    let start = engine.now();
    let mut plan_at = |ms: u64, fault| {
        engine.plan(Planned { at: start.after(Duration::from_millis(ms)), fault });
    };
    for at in &plan.owned {
        // More often than it was opened is harmless.
        for nth in 0..20 {
            plan_at(26_000 + nth, Fault::Wish(at.phb, at.bdf, Wish::Release));
        }
        plan_at(27_000, Fault::Wish(at.phb, at.bdf, Wish::Pcie(PcieReset::Deassert)));
        plan_at(30_000, Fault::Wish(at.phb, at.bdf, Wish::Thaw));
        let others = plan.spec.functions().filter(|(o, f)| o.phb == at.phb && !f.is_bridge());
        for (other, _) in others.filter(|(other, _)| !plan.wild.contains(other)) {
            plan_at(50_000, Fault::Unbind(other.phb, other.bdf));
        }
    }
}

/// Runs a seed twice: nothing may depend on anything else.
///
/// # Errors
///
/// What the checkers found.
pub fn run_twice(plan: &Plan, canary: Option<Canary>) -> Result<Summary, Failure> {
    let first = run_with(plan.clone(), None)?;
    let mut again = plan.clone();
    if canary == Some(Canary::Chance) {
        again.options.seed ^= 1;
    }
    let second = run_with(again, None)?;
    if first == second {
        return Ok(first);
    }
    let text = format!("{first:?}, then {second:?}");
    let violations = vec![Violation { checker: Checker::Determinism, text }];
    Err(Failure { seed: plan.seed, violations, plan: describe(plan), log: Vec::new(), marks: Vec::new() })
}

fn digest(evidence: &Evidence<'_>) -> u64 {
    let mut hasher = DefaultHasher::new();
    for line in &evidence.run.log {
        line.to_string().hash(&mut hasher);
    }
    for call in &evidence.calls {
        format!("{call:?}").hash(&mut hasher);
    }
    hasher.finish()
}

fn summary(evidence: &Evidence<'_>) -> Summary {
    use eeh_recovery::Outcome;
    let all = [Outcome::Recovered, Outcome::Failed, Outcome::Gone, Outcome::Cancelled, Outcome::Fenced];
    let ended = |outcome| {
        let of = |r: &&crate::engine::RecoveryReport| r.ended.is_some_and(|(_, o)| o == outcome);
        evidence.run.recoveries.iter().filter(of).count()
    };
    Summary {
        recoveries: evidence.run.recoveries.len(),
        events: evidence.run.events.len(),
        calls: evidence.calls.len(),
        outcomes: all.map(ended),
        granted: evidence.account.granted(),
        vfs: usize::from(!evidence.plan.pfs.is_empty()),
        coverage: evidence.run.coverage,
        digest: digest(evidence),
    }
}

fn describe(plan: &Plan) -> String {
    let phbs: Vec<String> =
        plan.spec.phbs.iter().map(|p| format!("{}({:?}, {})", p.number, p.kind, p.functions.len())).collect();
    let mut text = format!("PHBs {}; firmware {:?}", phbs.join(" "), plan.options.firmware);
    text += &format!(", ready after {:?}, gentle {}\n", plan.options.ready_after, plan.gentle);
    text += &format!("  {:?}\n", plan.options.params);
    for (at, timing) in &plan.timings {
        text += &format!("  {at}: {timing:?}\n");
    }
    for (at, temperament) in &plan.options.temperaments {
        text += &format!("  driver of {at}: {temperament}\n");
    }
    for (at, fault) in &plan.timed {
        text +=
            &format!("  at {}: {fault:?}\n", Time::from_nanos(1_000_000_000).after(*at).as_nanos() / 1000);
    }
    for (events, fault) in &plan.moments {
        text += &format!("  after {events} events: {fault:?}\n");
    }
    for (phase, after, fault) in &plan.phases {
        text += &format!("  {after:?} after {phase:?}: {fault:?}\n");
    }
    for (within, after, fault) in &plan.meets {
        text += &format!("  {after:?} after {within:?}: {fault:?}\n");
    }
    text
}
