// SPDX-License-Identifier: GPL-2.0-or-later
//! What is measured: a case, met by device or by address, on some threads.

use core::hint::black_box;
use core::sync::atomic::{AtomicBool, Ordering::Relaxed};
use core::time::Duration;

use crate::machine::Machine;
use crate::measure::{Measured, Plan, measure};
use crate::side::Side;

/// Items that a pass visits: too many for a branch predictor to learn by heart.
const VISITS: usize = 1 << 15;

/// A situation that a check meets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Case {
    /// The device or address is nobody's.
    Unknown,
    /// The PE works: firmware is asked.
    Healthy,
    /// The PE is known to be isolated.
    Isolated,
    /// The PE is frozen and this check is the first to see it.
    New,
}

impl Case {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Unknown, Self::Healthy, Self::Isolated, Self::New];

    /// A word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Healthy => "healthy",
            Self::Isolated => "isolated",
            Self::New => "new",
        }
    }

    fn frozen(self) -> bool {
        matches!(self, Self::Isolated | Self::New)
    }
}

/// How the check names what it is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum By {
    /// `dev_check_failure`
    Device,
    /// `check_failure`
    Address,
}

impl By {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Device, Self::Address];

    /// A word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Device => "device",
            Self::Address => "address",
        }
    }
}

/// One thing to measure.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// How the check names what it is about.
    pub by: By,
    /// What it meets.
    pub case: Case,
    /// Threads that check.
    pub threads: usize,
    /// Whether another thread unplugs and plugs a device all the time.
    pub hotplug: bool,
}

/// What the checks are called with.
enum Visits<D> {
    Devices(Vec<D>),
    Addresses(Vec<u64>),
}

impl Scenario {
    /// Measures it on `side`, in `rounds` rounds of one pass.
    pub fn run<S: Side>(&self, side: &S, machine: &Machine, rounds: usize) -> Measured {
        self.measure(side, machine, rounds, 1)
    }

    /// The time that `calls` calls take each thread.
    pub fn time<S: Side>(&self, side: &S, machine: &Machine, calls: u64) -> Duration {
        let wanted = usize::try_from(calls).unwrap_or(usize::MAX);
        let measured = if self.case == Case::New {
            let share = machine.devices.len() / self.threads;
            self.measure(side, machine, wanted.div_ceil(share), 1)
        } else {
            self.measure(side, machine, 1, wanted.div_ceil(VISITS))
        };
        #[expect(clippy::cast_precision_loss, reason = "criterion asks for less than 2^52 calls")]
        Duration::from_secs_f64(measured.mean_nanos * calls as f64 / 1e9)
    }

    fn measure<S: Side>(&self, side: &S, machine: &Machine, rounds: usize, passes: usize) -> Measured {
        self.prepare(side, machine);
        let reset = || {
            if self.case == Case::New {
                self.set(side, machine);
            }
        };
        let enter = |cpu| side.enter(cpu);
        let share = self.case == Case::New;
        let plan = Plan { threads: self.threads, rounds, passes: if share { 1 } else { passes }, share };
        let checks = || match self.visits(side, machine) {
            Visits::Devices(devices) => {
                measure(&plan, &devices, enter, reset, |device| side.check_device(device))
            }
            Visits::Addresses(at) => measure(&plan, &at, enter, reset, |address| side.check_address(address)),
        };
        if self.hotplug { beside_hotplug(side, machine, self.threads, checks) } else { checks() }
    }

    /// Calls `count` checks: what to count instructions of.
    pub fn call<S: Side>(&self, side: &S, machine: &Machine, count: usize) {
        self.prepare(side, machine);
        match self.visits(side, machine) {
            Visits::Devices(devices) => {
                for &device in devices.iter().cycle().take(count) {
                    let _answer = black_box(side.check_device(black_box(device)));
                }
            }
            Visits::Addresses(addresses) => {
                for &address in addresses.iter().cycle().take(count) {
                    let _answer = black_box(side.check_address(black_box(address)));
                }
            }
        }
    }

    fn set<S: Side>(&self, side: &S, machine: &Machine) {
        let all: Vec<usize> = (0..machine.devices.len()).collect();
        side.freeze(&all, false);
        if self.case.frozen() {
            side.freeze(&all, true);
        }
    }

    /// Puts the side into the case.
    ///
    /// # Panics
    ///
    /// When the side answers a check wrongly: then there is nothing to measure.
    fn prepare<S: Side>(&self, side: &S, machine: &Machine) {
        side.enter(0);
        self.set(side, machine);
        for device in 0..machine.devices.len() {
            let address = machine.address(device, 0);
            let answers = [side.check_device(side.device(device)), side.check_address(address)];
            assert_eq!(answers, [self.case.frozen(); 2], "a check is answered wrongly");
            assert!(!side.check_address(machine.gap(device, 0)), "nobody's address is frozen");
        }
        assert!(!side.check_device(side.no_device()), "nobody's device is frozen");
    }

    fn visits<S: Side>(&self, side: &S, machine: &Machine) -> Visits<S::Device> {
        let order = match self.case {
            Case::New => (0..machine.devices.len()).collect(),
            Case::Unknown | Case::Healthy | Case::Isolated => machine.visits(VISITS),
        };
        let unknown = self.case == Case::Unknown;
        let device = |device| if unknown { side.no_device() } else { side.device(device) };
        let address = |(nth, device): (usize, usize)| {
            if unknown { machine.gap(device, nth & 1) } else { machine.address(device, nth & 1) }
        };
        match self.by {
            By::Device => Visits::Devices(order.into_iter().map(device).collect()),
            By::Address => Visits::Addresses(order.into_iter().enumerate().map(address).collect()),
        }
    }
}

/// Runs `work` while another thread, on CPU `cpu`, unplugs and plugs the machine's last device.
fn beside_hotplug<S: Side, R>(side: &S, machine: &Machine, cpu: usize, work: impl FnOnce() -> R) -> R {
    let stop = AtomicBool::new(false);
    let last = machine.devices.len() - 1;
    std::thread::scope(|scope| {
        let plugging = scope.spawn(|| {
            side.enter(cpu);
            while !stop.load(Relaxed) {
                side.plug(last, false);
                side.plug(last, true);
            }
        });
        let result = work();
        stop.store(true, Relaxed);
        plugging.join().expect("hotplug panicked");
        result
    })
}
