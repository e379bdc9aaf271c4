// SPDX-License-Identifier: GPL-2.0-or-later
//! Scenarios on the machines of the fixtures.

#![allow(dead_code, unreachable_pub, reason = "each test uses its part")]

pub mod conformance;

use core::time::Duration;
use std::path::Path;
use std::sync::OnceLock;

use eeh_pe::{PeFlags, Time};
use test_utils::engine::{DeviceReport, Engine, Fate, Fault, Planned, Run};
use test_utils::linux::{FirmwareKind, Options, SimLinux};
use test_utils::opal::Version;
use test_utils::topology::{MachineSpec, PciAddress, Topology};

/// Both machines of the fixtures.
pub const FIXTURES: [&str; 2] = ["powernv9", "powernv10"];

pub fn fixture(name: &str) -> MachineSpec {
    static READ: OnceLock<Vec<MachineSpec>> = OnceLock::new();
    let all = READ.get_or_init(|| {
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures");
        FIXTURES.map(|name| Topology::load(fixtures.join(name)).expect("the fixture is readable")).into()
    });
    let at = FIXTURES.iter().position(|known| *known == name).expect("a fixture");
    all[at].clone()
}

pub fn address(text: &str) -> PciAddress {
    text.parse().expect("an address")
}

/// Both platforms.
pub fn both() -> [FirmwareKind; 2] {
    [Version::skiboot().into(), FirmwareKind::pseries()]
}

/// Both platforms, and the firmware of the first that never refuses.
pub fn each() -> [FirmwareKind; 3] {
    [Version::skiboot().into(), Version::Ideal.into(), FirmwareKind::pseries()]
}

/// The name of the PE that a device of `powernv10` is in.
pub fn pe_of(firmware: FirmwareKind, device: &str) -> String {
    let at = address(device);
    let pe = if firmware.is_pseries() {
        u32::from(at.bdf.bus()) << 16
    } else {
        fixture("powernv10").function(at.phb, at.bdf).expect("there").pe.expect("it has one")
    };
    format!("PHB#{:x}-PE#{pe:x}", at.phb)
}

pub fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

pub fn breaks(text: &str) -> Fault {
    let at = address(text);
    Fault::Break(at.phb, at.bdf)
}

pub fn removes(text: &str) -> Fault {
    let at = address(text);
    Fault::Remove(at.phb, at.bdf)
}

/// The functions that are no bridges.
pub fn endpoints(spec: &MachineSpec) -> Vec<PciAddress> {
    let all = spec.functions().filter(|(_, function)| !function.is_bridge());
    all.map(|(address, _)| address).collect()
}

/// A machine, what is done to it, and how it is set up.
pub struct Scenario {
    spec: MachineSpec,
    options: Options,
    plan: Vec<(Duration, Fault)>,
    limit: Duration,
}

impl Scenario {
    pub fn on(name: &str) -> Self {
        Self::of(fixture(name))
    }

    pub fn of(spec: MachineSpec) -> Self {
        Self { spec, options: Options::default(), plan: Vec::new(), limit: Duration::from_secs(100_000) }
    }

    pub fn ideal(mut self) -> Self {
        self.options.firmware = Version::Ideal.into();
        self
    }

    pub fn firmware(mut self, firmware: impl Into<FirmwareKind>) -> Self {
        self.options.firmware = firmware.into();
        self
    }

    pub fn seed(mut self, seed: u64) -> Self {
        self.options.seed = seed;
        self
    }

    pub fn options(mut self, f: impl FnOnce(&mut Options)) -> Self {
        f(&mut self.options);
        self
    }

    pub fn driver(mut self, device: &str, temperament: &str) -> Self {
        self.options.temperaments.insert(address(device), temperament.parse().expect("a temperament"));
        self
    }

    pub fn at(mut self, at: Duration, fault: Fault) -> Self {
        self.plan.push((at, fault));
        self
    }

    /// Fails if the machine is not quiet by then.
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    pub fn boot(&self) -> SimLinux {
        SimLinux::boot(&self.spec, &self.options).expect("it boots")
    }

    /// Boots, runs until all is quiet, and reports.
    pub fn run(&self) -> Done {
        self.run_on(self.boot())
    }

    /// The same on a machine that somebody has touched before.
    pub fn run_on(&self, linux: SimLinux) -> Done {
        let start = linux.now();
        let mut engine = Engine::new(&linux).expect("virtual time");
        for (at, fault) in &self.plan {
            engine.plan(Planned { at: start.after(*at), fault: *fault });
        }
        let run = engine.run(start.after(self.limit)).unwrap_or_else(|stalled| {
            let log: String = linux.console().take().iter().map(|line| format!("{line}\n")).collect();
            panic!("{stalled}\n{log}")
        });
        assert!(!run.timed_out, "it never came to rest:\n{}", text(&run));
        Done { linux, run, start }
    }
}

/// A run, and the machine as it left it.
pub struct Done {
    pub linux: SimLinux,
    pub run: Run,
    pub start: Time,
}

/// The whole log.
pub fn text(run: &Run) -> String {
    run.log.iter().map(|line| format!("{line}\n")).collect()
}

impl Done {
    pub fn log(&self) -> String {
        text(&self.run)
    }

    pub fn says(&self, line: &str) -> bool {
        self.run.log.iter().any(|l| l.text.contains(line))
    }

    pub fn count(&self, line: &str) -> usize {
        self.run.log.iter().filter(|l| l.text.contains(line)).count()
    }

    pub fn device(&self, device: &str) -> &DeviceReport {
        let at = address(device);
        self.run.device(at.phb, at.bdf).unwrap_or_else(|| panic!("{device} was there"))
    }

    pub fn fate(&self, device: &str) -> Fate {
        self.device(device).fate
    }

    /// Everything that was there works, and nothing is left over from recoveries.
    pub fn assert_healthy(&self) {
        let bad: Vec<_> = self.run.devices.iter().filter(|d| matches!(d.fate, Fate::Failed(_))).collect();
        assert!(self.run.all_work(), "{bad:?}\n{}", self.log());
        self.assert_clean();
    }

    /// No PE keeps a mark, no slot of the tree is left over, interrupts are balanced, and neither
    /// hardware nor firmware has anything frozen or in reset.
    pub fn assert_clean(&self) {
        let marks = PeFlags::all().difference(PeFlags::PRI_BUS | PeFlags::CFG_RESTRICTED);
        for phb in self.linux.phbs() {
            let tree = || self.linux.registry().tree(phb.tree()).expect("its PHB is there");
            tree().reap();
            let orphans: Vec<_> = tree().orphans(self.linux.now()).collect();
            assert!(orphans.is_empty(), "{orphans:?}\n{}", self.log());
            let guard_of = tree();
            let guard = guard_of.lock();
            for pe in guard.root().expect("a PHB has its PE").subtree() {
                let kept = pe.flags() & marks;
                assert!(
                    kept.is_empty(),
                    "PE {} of PHB {} keeps {kept:?}\n{}",
                    pe.number(),
                    phb.number(),
                    self.log()
                );
            }
            drop(guard);
            for device in phb.devices() {
                assert_eq!(device.irq_depth(), 0, "{device} has its interrupt unbalanced");
            }
            let hardware = self.linux.hardware(phb.number().0).expect("it is there");
            assert!(!hardware.is_fenced(), "{phb:?} is fenced");
            for pe in 0..hardware.pe_count() {
                let stopped = hardware.stopped(pe);
                // What firmware has given up stays so, until its slot is power cycled.
                if self.linux.rtas().is_some_and(|rtas| rtas.honest().has_given_up(phb.number().0, pe)) {
                    continue;
                }
                assert_eq!(stopped, test_utils::hw::Stopped::NO, "PE {pe:x} of {phb:?}\n{}", self.log());
            }
            let (asserted, released) = hardware.wire().pairs();
            assert_eq!(asserted, released, "a reset of {phb:?} was never released");
        }
    }
}
