// SPDX-License-Identifier: GPL-2.0-or-later
//! Simulated Linux as the environment of detection and recovery.

use core::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use eeh_pe::{Time, TreeId};
use eeh_powernv::{PhbFacts, PhbModel, Phbs};
use eeh_recovery::{
    ChannelState, Driver, DriverName, ErsResult, FirmwareError, Handlers, Helper, Job, JobId, Location,
    Params, PciCore, PhbTarget, Platform, Wake,
};

use super::SimLinux;
use super::access::Io;
use super::console::Console;
use super::env::SimEnv;
use super::firmware::SimFirmware;
use super::mailbox::Mailboxes;
use super::observer::SimObserver;
use crate::drivers::DeviceIo;
use crate::hw::Machine;
use crate::task::Pace;
use crate::topology::{MachineSpec, PhbKind};

/// A PHB's number and the tree that it has now.
type Owner = (u32, Option<TreeId>);

/// Where the error interrupts of PHBs lead.
#[derive(Debug)]
pub(super) struct Interrupts {
    trees: RwLock<Box<[Owner]>>,
    mailboxes: Arc<Mailboxes>,
}

impl Interrupts {
    pub(super) fn new(spec: &MachineSpec, mailboxes: Arc<Mailboxes>) -> Self {
        Self { trees: RwLock::new(spec.phbs.iter().map(|phb| (phb.number, None)).collect()), mailboxes }
    }

    /// The error interrupt of a PHB. C: `pnv_eeh_event`
    pub(super) fn raise(&self, number: u32) {
        let tree = {
            let trees = self.trees.read().unwrap_or_else(PoisonError::into_inner);
            trees.iter().find(|(n, _)| *n == number).and_then(|(_, tree)| *tree)
        };
        if let Some(tree) = tree {
            self.mailboxes.request_check(tree);
        }
    }
}

/// What the back end asks of each PHB.
#[derive(Debug)]
pub struct SimPhbs {
    facts: Box<[(u64, PhbFacts)]>,
    interrupts: Arc<Interrupts>,
    machine: Arc<Machine>,
    console: Arc<Console>,
    pace: Pace,
}

impl SimPhbs {
    pub(super) fn new(
        spec: &MachineSpec,
        machine: Arc<Machine>,
        interrupts: Arc<Interrupts>,
        console: Arc<Console>,
        pace: Pace,
    ) -> Self {
        let facts = spec.phbs.iter().map(|phb| {
            let model = match phb.kind {
                PhbKind::P7ioc => PhbModel::P7ioc,
                PhbKind::Phb3 => PhbModel::Phb3,
                PhbKind::Phb4 | PhbKind::Phb5 => PhbModel::Phb4,
            };
            let diag_size =
                machine.phb(phb.number).map_or(PhbFacts::DEFAULT_DIAG_SIZE, |hardware| hardware.diag_size());
            (u64::from(phb.number), PhbFacts { model, hub: 0, diag_size, pe_count: phb.pe_count })
        });
        Self { facts: facts.collect(), interrupts, machine, console, pace }
    }

    /// From now on `number`'s errors concern `tree`.
    pub(super) fn set_tree(&self, number: u32, tree: Option<TreeId>) {
        let mut trees = self.interrupts.trees.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = trees.iter_mut().find(|(n, _)| *n == number) {
            entry.1 = tree;
        }
    }
}

impl Phbs for SimPhbs {
    fn facts(&self, phb: u64) -> Option<PhbFacts> {
        self.facts.iter().find(|(id, _)| *id == phb).map(|(_, facts)| *facts)
    }

    fn rearm(&self, phb: u64) {
        // The line is level: an error since then raises it at once.
        let number = u32::try_from(phb).unwrap_or(u32::MAX);
        if self.machine.phb(number).is_some_and(|hw| hw.error_raised()) {
            self.interrupts.raise(number);
        }
    }

    fn line(&self, _phb: u64, line: fmt::Arguments<'_>) {
        self.console.print(self.pace.now(), &line.to_string());
    }
}

impl Platform for SimLinux {
    type Env = SimEnv;
    type Firmware = SimFirmware;
    type Core = Self;
    type Helper = Self;
    type Wake = Self;
    type Observer = SimObserver;

    fn firmware(&self) -> &Self::Firmware {
        self.back_end()
    }
    fn core(&self) -> &Self {
        self
    }
    fn helper(&self) -> &Self {
        self
    }
    fn wake(&self) -> &Self {
        self
    }
    fn observer(&self) -> &SimObserver {
        self.watcher()
    }
    fn params(&self) -> Params {
        self.parameters()
    }
    fn enabled(&self) -> bool {
        true
    }
    fn now(&self) -> Time {
        self.pace().now()
    }
}

impl Wake for SimLinux {
    fn wake(&self, tree: TreeId) {
        self.mailboxes().wake(tree);
    }
    fn request_check(&self, tree: TreeId) {
        self.mailboxes().request_check(tree);
    }
    fn take_check(&self, tree: TreeId) -> bool {
        self.mailboxes().take_check(tree)
    }
}

impl Helper<SimEnv> for SimLinux {
    fn start(&self, tree: TreeId, id: JobId, job: Job<SimEnv>) {
        self.mailboxes().start(tree, id, job);
    }
    fn abandon(&self, tree: TreeId, id: JobId) {
        self.mailboxes().abandon(tree, id);
    }
}

impl SimLinux {
    /// A word of a device's header, whoever is kept out.
    fn config_word(&self, device: &Device, n: usize) -> u32 {
        device.phb().map_or(u32::MAX, |phb| self.raw_config_read(&phb, device.bdf(), 4 * n as u16, 4))
    }
}

type Device = <SimEnv as eeh_pe::Env>::Device;

impl PciCore<SimEnv> for SimLinux {
    fn set_channel_state(&self, device: &Device, state: ChannelState) {
        // A driver is bound when its probe has come to its end. C: `device_is_bound`
        if state != ChannelState::Frozen || device.driver().is_some() {
            device.set_channel_state(state);
        }
    }

    fn disable_irq(&self, device: &Device) -> bool {
        // Without a driver nobody has requested the interrupt; MSI stops with DMA.
        let intx = device.driver().is_some_and(|driver| !driver.entry().msi);
        if intx {
            device.disable_irq();
        }
        intx
    }

    fn enable_irq(&self, device: &Device) {
        device.enable_irq();
    }

    fn driver(&self, device: &Device) -> Option<Driver> {
        let driver = device.driver()?;
        let handlers = driver.aware().then(Handlers::all);
        Some(Driver { name: DriverName::new(driver.name()), handlers })
    }

    fn needs_fundamental(&self, device: &Device) -> bool {
        device.driver().is_some_and(|d| d.temper().fundamental || d.entry().fundamental)
    }

    fn location(&self, device: &Device) -> Location {
        Location::new(device.identity().location.as_deref().unwrap_or("N/A"))
    }

    fn phb_location(&self, phb: &PhbTarget) -> Location {
        let phb = self.phb(phb.number.0);
        Location::new(phb.as_ref().and_then(|p| p.spec().location.as_deref()).unwrap_or("N/A"))
    }

    fn save_state(&self, device: &Device) {
        let words = core::array::from_fn(|n| self.config_word(device, n));
        device.swap_saved(Some(words));
    }

    fn restore_state(&self, device: &Device) {
        let Some((words, phb)) = device.swap_saved(None).zip(device.phb()) else { return };
        // The command register last: nothing is decoded at a wrong address.
        for n in (0..16).filter(|n| *n != 1).chain([1]) {
            let (offset, word) = (4 * n as u16, words.get(n).copied().unwrap_or(0));
            self.raw_config_write(&phb, device.bdf(), offset, if n == 1 { 2 } else { 4 }, word);
        }
    }

    fn reenable(&self, device: &Device) -> bool {
        let io = Io::new(self, device);
        io.enable();
        io.answers()
    }

    fn uevent(&self, device: &Device, _result: ErsResult) {
        device.count_uevent();
    }

    /// C: `pseries_notify_resume`
    fn notify_resume(&self, device: &Device) -> Result<(), FirmwareError> {
        let (Some(back), Some(phb)) = (self.back_end().pseries(), device.phb()) else { return Ok(()) };
        let (physfn, own) = (device.identity().physfn, device.bdf());
        let pf = physfn.unwrap_or(own);
        let mine = |vf: &Device| vf.identity().physfn == Some(pf) && (physfn.is_none() || vf.bdf() == own);
        let hardware = self.hardware(device.phb_number());
        let number = |vf: &Device| hardware.as_ref()?.pe_of(vf.bdf()).and_then(|pe| u16::try_from(pe).ok());
        let pes: Vec<u16> = phb.devices().iter().filter(|vf| mine(vf)).filter_map(number).collect();
        if pes.is_empty() { Ok(()) } else { back.allow_unfreeze(phb.firmware(), pf, &pes) }
    }
}
