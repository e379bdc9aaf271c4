// SPDX-License-Identifier: GPL-2.0-or-later
//! A rig: a PHB with a root port, a switch and endpoints, its worker, and a loop over virtual time.
#![allow(dead_code, unreachable_pub, reason = "each test uses a part")]

pub mod env;
pub mod world;

use core::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use eeh_pe::*;
use eeh_recovery::*;

pub use env::TestEnv;
pub use world::{Dev, World};

/// What a driver answers; the default is to need a reset and to recover.
#[derive(Clone, Copy)]
pub struct Answers {
    pub error_detected: ErsResult,
    pub mmio_enabled: ErsResult,
    pub slot_reset: ErsResult,
}

impl Default for Answers {
    fn default() -> Self {
        Self {
            error_detected: ErsResult::NeedReset,
            mmio_enabled: ErsResult::CanRecover,
            slot_reset: ErsResult::Recovered,
        }
    }
}

/// A function of the machine.
#[derive(Clone)]
pub struct Function {
    pub bdf: u16,
    pub pe: u32,
    pub bridge: Option<(u8, u8)>,
    pub driver: Option<Driver>,
    pub intx: bool,
    pub fundamental: bool,
    pub conventional: bool,
    pub reports_link: bool,
    pub physfn: Option<u16>,
    /// Vendor and device.
    pub ids: (u16, u16),
}

pub fn aware(name: &str) -> Option<Driver> {
    Some(Driver { name: DriverName::new(name), handlers: Some(Handlers::all()) })
}

pub fn unaware(name: &str) -> Option<Driver> {
    Some(Driver { name: DriverName::new(name), handlers: None })
}

pub fn function(bdf: u16, pe: u32, driver: Option<Driver>) -> Function {
    Function {
        bdf,
        pe,
        bridge: None,
        driver,
        intx: false,
        fundamental: false,
        conventional: false,
        reports_link: false,
        physfn: None,
        ids: (0x1b36, 0x0010),
    }
}

/// A virtual function of the one at `physfn`.
pub fn virtual_function(bdf: u16, pe: u32, physfn: u16, driver: Option<Driver>) -> Function {
    Function { physfn: Some(physfn), ..function(bdf, pe, driver) }
}

pub fn bridge(bdf: u16, pe: u32, secondary: u8, subordinate: u8) -> Function {
    Function { bridge: Some((secondary, subordinate)), ..function(bdf, pe, None) }
}

/// Root port, nvme behind it.
pub fn single(driver: Option<Driver>) -> Vec<Function> {
    vec![bridge(0x0000, 0x1fe, 1, 1), function(0x0100, 0x1fd, driver)]
}

/// Root port, switch, three endpoints.
pub fn switch() -> Vec<Function> {
    vec![
        bridge(0x0000, 0xfe, 1, 5),
        bridge(0x0100, 0xfd, 2, 5),
        bridge(0x0200, 0xfc, 3, 3),
        bridge(0x0208, 0xfc, 4, 4),
        bridge(0x0210, 0xfc, 5, 5),
        function(0x0300, 0xfb, aware("nvme")),
        function(0x0400, 0xfa, aware("e1000e")),
        function(0x0500, 0xf9, unaware("xhci_hcd")),
    ]
}

/// Keeps a value to the end of the program, and reachable: a worker borrows it for ever, and no
/// search for leaks takes it for one.
fn kept<T: Any + Send + Sync>(value: T) -> &'static T {
    static KEPT: Mutex<Vec<&'static (dyn Any + Send + Sync)>> = Mutex::new(Vec::new());
    let value: &'static T = Box::leak(Box::new(value));
    KEPT.lock().unwrap().push(value);
    value
}

type Hook = Box<dyn FnMut(&Rig, &Job<TestEnv>) -> Option<JobAnswer>>;

pub struct Rig {
    pub world: &'static World,
    pub registry: &'static Registry<TestEnv>,
    pub tree: TreeId,
    pub functions: Mutex<Vec<Function>>,
    pub answers: Mutex<BTreeMap<u16, Answers>>,
    /// Devices whose slot is empty.
    pub absent: Mutex<BTreeSet<u16>>,
    /// Devices whose slot's attention indicator is lit.
    pub lit: Mutex<BTreeSet<u16>>,
    /// Devices whose driver never comes back.
    pub hangs: Mutex<BTreeSet<u16>>,
    pub called: Mutex<Vec<String>>,
    pub worker: Option<Worker<'static, World>>,
    pub hook: Mutex<Option<Hook>>,
}

impl Rig {
    pub fn new(functions: Vec<Function>) -> Self {
        let limits = RegistryLimits { phbs: 4, pes: 64, devices: 64, cpus: 1 };
        let registry = kept(Registry::new(RegistryStorage::reserve(limits).unwrap()));
        let world = kept(World::new());
        let info = PhbInfo { number: PhbNumber(2), firmware: 2, root_bus: 0, windows: [None; 4] };
        let tree = registry.add_phb(info, TreeStorage::reserve(16).unwrap()).map_err(|e| e.0).unwrap();
        let rig = Self {
            world,
            registry,
            tree,
            functions: Mutex::new(functions.clone()),
            answers: Mutex::default(),
            absent: Mutex::default(),
            lit: Mutex::default(),
            hangs: Mutex::default(),
            called: Mutex::default(),
            worker: None,
            hook: Mutex::new(None),
        };
        for function in &functions {
            rig.plug(function);
        }
        let storage = WorkerStorage {
            phb_diag: Box::new(DiagBuffer::new()),
            recovery_diag: Box::new(DiagBuffer::new()),
        };
        let worker = Worker::new(world, registry.tree(tree).unwrap(), storage);
        Self { worker: Some(worker), ..rig }
    }

    pub fn tree(&self) -> Tree<'static, TestEnv> {
        self.registry.tree(self.tree).unwrap()
    }

    /// Puts a function into the slot and probes it.
    pub fn plug(&self, f: &Function) -> Inserted {
        let mut config = [0_u8; 256];
        config[..4].copy_from_slice(&(0x1b36 | u32::from(f.bdf) << 16).to_le_bytes());
        if f.physfn.is_some() {
            config[..4].fill(0xff);
        }
        config[4] = 6;
        config[0xc] = 0x10;
        for (i, byte) in config[0x10..0x3c].iter_mut().enumerate() {
            *byte = 0x40 + i as u8;
        }
        if let Some((secondary, subordinate)) = f.bridge {
            config[0x18..0x1b].copy_from_slice(&[(f.bdf >> 8) as u8, secondary, subordinate]);
        }
        self.world.get().config.insert(f.bdf, config);
        let info = DeviceInfo {
            bdf: Bdf(f.bdf),
            pcie_cap: if f.conventional { 0 } else { 0x40 },
            flags: if f.bridge.is_some() { DeviceFlags::BRIDGE } else { DeviceFlags::empty() },
            bridge: f.bridge.map(|(secondary, subordinate)| BridgeInfo { secondary, subordinate }),
            conventional: f.conventional,
            link_active_reporting: f.reports_link,
            physfn: f.physfn.map(Bdf),
            vendor: f.ids.0,
            device: f.ids.1,
            ..DeviceInfo::default()
        };
        let device = Arc::new(Dev {
            bdf: Bdf(f.bdf),
            driver: Mutex::new(f.driver),
            channel: Mutex::new(ChannelState::Normal),
            irq_depth: Mutex::new(0),
            intx: f.intx,
            fundamental: f.fundamental,
        });
        let spec = PeSpec {
            number: PeNumber(f.pe),
            kind: match f {
                Function { bridge: Some(_), .. } => PeType::BUS,
                Function { physfn: Some(_), .. } => PeType::VF,
                _ => PeType::DEVICE,
            },
        };
        let tree = self.tree();
        // A virtual function's PE is below that of its physical function.
        let parent = match f.physfn {
            Some(physfn) => self.device(physfn).and_then(|id| self.registry.peek_device(id)).map(|d| d.pe),
            None => self.parent_of(f.bdf),
        };
        let inserted = tree.insert_device(info, device, spec, parent).map_err(|e| e.0).unwrap();
        let mut words = [0_u32; 16];
        for (i, word) in words.iter_mut().enumerate() {
            *word = self.world.word(f.bdf, i * 4);
        }
        assert!(tree.lock().save_config(inserted.device, words));
        inserted
    }

    fn parent_of(&self, bdf: u16) -> Option<PeId> {
        let bus = (bdf >> 8) as u8;
        let functions = self.functions.lock().unwrap();
        let above = functions.iter().find(|f| f.bridge.is_some_and(|b| b.0 == bus))?.pe;
        self.pe(above)
    }

    pub fn pe(&self, number: u32) -> Option<PeId> {
        self.tree().lock().find(PeNumber(number)).map(|pe| pe.id())
    }

    pub fn flags(&self, number: u32) -> PeFlags {
        self.tree().lock().find(PeNumber(number)).map(|pe| pe.flags()).expect("the PE is there")
    }

    pub fn device(&self, bdf: u16) -> Option<DeviceId> {
        self.tree().lock().find_device(Bdf(bdf)).map(|d| d.id())
    }

    pub fn dev(&self, bdf: u16) -> Arc<Dev> {
        let tree = self.tree();
        let guard = tree.lock();
        guard.find_device(Bdf(bdf)).unwrap().platform().unwrap()
    }

    /// Takes a device away, as hotplug does.
    pub fn unplug(&self, bdf: u16) -> bool {
        let Some(id) = self.device(bdf) else { return false };
        remove_device(self.world, self.registry, id).is_some()
    }

    /// Freezes a PE in hardware and lets a driver notice.
    pub fn freeze(&self, pe: u32) {
        self.world.get().frozen.insert(pe, FreezeState::Frozen);
        let tree = self.tree();
        let device = {
            let guard = tree.lock();
            guard.find(PeNumber(pe)).unwrap().devices().next().map(|d| d.id())
        };
        let check = dev_check_failure(self.world, self.registry, device.unwrap(), Context::Normal);
        assert!(check.is_failure());
    }

    pub fn now(&self) -> Time {
        self.world.get().now
    }

    /// Runs the worker until it has nothing to do; answers how it stopped.
    pub fn run(&mut self) -> Next {
        for _ in 0..100_000 {
            let next = self.step();
            if matches!(next, Next::Idle | Next::Exit) {
                return next;
            }
        }
        panic!("the worker does not come to rest: {:?}", self.lines());
    }

    /// One step of worker, time or helper.
    pub fn step(&mut self) -> Next {
        let now = self.now();
        let next = self.worker.as_mut().unwrap().step(now);
        match next {
            Next::WaitUntil { at, .. } => {
                assert!(at > now, "waits for what is past");
                self.world.get().now = at;
            }
            Next::AwaitJob { deadline } => {
                let job = self.world.get().jobs.pop_front();
                match job.and_then(|(id, job)| Some((id, self.do_job(&job)?))) {
                    Some((id, answer)) => {
                        assert!(self.worker.as_mut().unwrap().answer(id, answer, now));
                    }
                    None => self.world.get().now = deadline,
                }
            }
            Next::Again | Next::Idle | Next::Exit => {}
        }
        next
    }

    /// Polls a request, with the worker running and time passing in between.
    pub fn wait_for(&mut self, request: &mut Request<'_, World>) -> Result<(), OwnerError> {
        for _ in 0..100_000 {
            match request.poll(self.now()) {
                RequestPoll::Done(result) => return result,
                RequestPoll::Wait { until, .. } => {
                    while self.now() < until && !matches!(self.step(), Next::Idle | Next::Exit) {}
                    let mut state = self.world.get();
                    state.now = state.now.max(until);
                }
            }
        }
        panic!("the request does not end: {:?}", self.lines());
    }

    /// Passes a device through.
    pub fn open(&mut self, bdf: u16) -> Result<(), OwnerError> {
        let device = self.device(bdf).ok_or(OwnerError::Gone)?;
        self.wait_for(&mut Request::open(self.world, self.registry, device))
    }

    /// An owner's reset of the PE.
    pub fn reset(&mut self, pe: u32, reset: OwnerReset) -> Result<(), OwnerError> {
        let pe = self.pe(pe).ok_or(OwnerError::Gone)?;
        self.wait_for(&mut Request::reset(self.world, self.registry, pe, reset))
    }

    /// The PE's state as its owner sees it.
    pub fn owner_state(&self, pe: u32) -> Result<OwnerState, OwnerError> {
        owner_state(self.world, self.registry, self.pe(pe).ok_or(OwnerError::Gone)?)
    }

    /// Gives a device back.
    pub fn release(&self, bdf: u16) {
        if let Some(device) = self.device(bdf) {
            release(self.world, self.registry, device);
        }
    }

    /// A driver is bound before `handler` is called: after the worker has looked at it, and before the
    /// `device_lock` is taken.
    pub fn bind_before(&self, handler: Handler) {
        *self.hook.lock().unwrap() = Some(Box::new(move |rig, job| {
            if let Job::Call { id, handler: called, .. } = job
                && *called == handler
            {
                driver_bound(rig.registry, *id);
            }
            None
        }));
    }

    /// What a helper does; `None` when it never comes back.
    pub fn do_job(&self, job: &Job<TestEnv>) -> Option<JobAnswer> {
        let hook = self.hook.lock().unwrap().take();
        if let Some(mut hook) = hook {
            let answer = hook(self, job);
            self.hook.lock().unwrap().get_or_insert(hook);
            if answer.is_some() {
                return answer;
            }
        }
        Some(match job {
            Job::Attention { device, .. } => {
                self.lit.lock().unwrap().remove(&device.bdf.0);
                if self.device(device.bdf.0).is_some() { JobAnswer::Done } else { JobAnswer::Gone }
            }
            Job::Presence { device, .. } => {
                self.lit.lock().unwrap().insert(device.bdf.0);
                let absent = self.absent.lock().unwrap().contains(&device.bdf.0);
                if absent { JobAnswer::Absent } else { JobAnswer::Present }
            }
            Job::Call { id, device, handler } => {
                if self.hangs.lock().unwrap().contains(&device.bdf.0) {
                    return None;
                }
                if self.registry.peek_device(*id).is_none() {
                    return Some(JobAnswer::Gone);
                }
                if !may_call(self.registry, *id, *handler) {
                    return Some(JobAnswer::TooLate);
                }
                self.called.lock().unwrap().push(format!("{} {handler}", device.bdf));
                let answers = self.answers.lock().unwrap().get(&device.bdf.0).copied().unwrap_or_default();
                JobAnswer::Reported(match handler {
                    Handler::ErrorDetected(ChannelState::PermFailure) => ErsResult::Disconnect,
                    Handler::ErrorDetected(_) => answers.error_detected,
                    Handler::MmioEnabled => answers.mmio_enabled,
                    Handler::SlotReset => answers.slot_reset,
                    Handler::Resume => ErsResult::None,
                })
            }
            Job::Remove { device, .. } => {
                let done = self.unplug(device.bdf.0);
                if done { JobAnswer::Done } else { JobAnswer::Gone }
            }
            Job::RemoveBus(target) => {
                let below: Vec<u16> = self.below(target.bus);
                for bdf in below.iter().rev() {
                    self.unplug(*bdf);
                }
                JobAnswer::Done
            }
            Job::AddVf { vf, .. } => {
                let f = self.functions.lock().unwrap().iter().find(|f| f.bdf == vf.bdf.0).cloned();
                match f.filter(|f| !self.absent.lock().unwrap().contains(&f.bdf)) {
                    Some(f) if self.device(f.bdf).is_none() => {
                        self.plug(&f);
                        JobAnswer::Done
                    }
                    Some(_) => JobAnswer::Done,
                    None => JobAnswer::Gone,
                }
            }
            Job::AddBus(target) => {
                for bdf in self.below(target.bus) {
                    if self.device(bdf).is_none() && !self.absent.lock().unwrap().contains(&bdf) {
                        let f = self.functions.lock().unwrap().iter().find(|f| f.bdf == bdf).cloned();
                        self.plug(&f.unwrap());
                    }
                }
                JobAnswer::Done
            }
        })
    }

    fn below(&self, bus: u8) -> Vec<u16> {
        let functions = self.functions.lock().unwrap();
        let last = functions.iter().find_map(|f| f.bridge.filter(|b| b.0 == bus)).map_or(255, |b| b.1);
        functions.iter().map(|f| f.bdf).filter(|bdf| (bus..=last).contains(&((bdf >> 8) as u8))).collect()
    }

    pub fn lines(&self) -> Vec<String> {
        self.world.get().lines.clone()
    }

    pub fn said(&self, text: &str) -> bool {
        self.lines().iter().any(|line| line.contains(text))
    }

    pub fn calls(&self) -> Vec<String> {
        self.world.get().calls.clone()
    }

    pub fn called(&self) -> Vec<String> {
        self.called.lock().unwrap().clone()
    }

    pub fn outcomes(&self) -> Vec<Outcome> {
        let state = self.world.get();
        let ended = |e: &Event| {
            if let What::Progress(Progress::Ended(outcome)) = e.what { Some(outcome) } else { None }
        };
        state.events.iter().filter_map(|(_, e)| ended(e)).collect()
    }

    /// Every PE is as if nothing had happened, hardware too, and no reset is left asserted.
    pub fn assert_healthy(&self) {
        let tree = self.tree();
        let guard = tree.lock();
        for pe in guard.root().unwrap().subtree() {
            let marks =
                PeFlags::INHERITED | PeFlags::RESET | PeFlags::KEEP | PeFlags::REMOVED | PeFlags::PENDING;
            assert!(!pe.flags().intersects(marks), "PE#{} is left with {:?}", pe.number(), pe.flags());
        }
        let state = self.world.get();
        assert_eq!(state.asserted, 0, "a reset is left asserted");
        for (pe, state) in &state.frozen {
            assert_eq!(*state, FreezeState::Active, "PE#{pe:x} is left frozen");
        }
    }

    pub fn assert_configured(&self, bdf: u16) {
        assert_eq!(self.world.word(bdf, 0x10), 0x4342_4140, "BAR 0 of {} is restored", Bdf(bdf));
    }
}
