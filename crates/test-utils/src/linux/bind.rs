// SPDX-License-Identifier: GPL-2.0-or-later
//! Binding and unbinding drivers, and running their code.

use core::time::Duration;
use std::sync::Arc;

use eeh_recovery::driver_bound;

use super::SimLinux;
use super::access::Io;
use super::calls::Call;
use super::device::SimDevice;
use crate::drivers::{Driver, Step, Temperament, driver_for, driver_named, generic_driver};

/// A driver's code oopsed: the task that ran it is dead, and the locks it held are lost.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Died;

impl SimLinux {
    /// The driver that Linux would bind to the device, with its temperament.
    fn choose_driver(&self, device: &SimDevice) -> Option<Driver> {
        let identity = device.identity();
        let temper = self.temperament(device);
        if temper.none {
            return None;
        }
        let named = identity.named_driver.as_deref();
        let entry = driver_for(named, identity.vendor, identity.device, identity.class);
        let entry = match entry {
            None if temper != Temperament::default() && !device.is_bridge() => generic_driver(),
            entry => entry?,
        };
        let name = match named {
            Some(named) if driver_named(named).is_none() => named,
            Some(_) | None => entry.name,
        };
        let token = self.token(device);
        Some(Driver::new(entry, name, temper, token))
    }

    /// Whether Linux would bind a driver to the device.
    pub(crate) fn wants_driver(&self, device: &SimDevice) -> bool {
        self.choose_driver(device).is_some()
    }

    /// Binds a driver, if there is one for the device. C: `device_attach`
    pub(super) async fn attach(&self, device: &Arc<SimDevice>) -> Result<(), Died> {
        let guard = device.device_lock().lock().await;
        if device.is_gone() || device.driver().is_some() {
            return Ok(());
        }
        let Some(driver) = self.choose_driver(device).map(Arc::new) else { return Ok(()) };
        if self.run(device, &driver, Step::Probe).await == Err(Died) {
            guard.lose();
            return Err(Died);
        }
        match driver.probe(&Io::new(self, device)) {
            Ok(()) => {
                device.set_driver(Some(driver));
                if let Some(id) = device.eeh() {
                    driver_bound(self.registry(), id);
                }
            }
            Err(error) => {
                let text = format_args!("{} {device}: probe failed: {error}", driver.name());
                self.console().kernel(self.now(), &text);
            }
        }
        Ok(())
    }

    /// Binds a driver at boot: at once, and whatever its temperament.
    pub(super) fn attach_at_boot(&self, device: &Arc<SimDevice>) {
        let Some(driver) = self.choose_driver(device).map(Arc::new) else { return };
        if driver.start(&Io::new(self, device)).is_ok() {
            device.set_driver(Some(driver));
        }
    }

    /// Unbinds the driver. C: `device_release_driver`
    pub(super) async fn detach(&self, device: &Arc<SimDevice>) -> Result<(), Died> {
        let guard = device.device_lock().lock().await;
        let Some(driver) = device.driver() else { return Ok(()) };
        if self.run(device, &driver, Step::Remove).await == Err(Died) {
            guard.lose();
            return Err(Died);
        }
        drop(device.work().lock().await);
        // A driver takes its virtual functions along. C: `pci_disable_sriov`
        self.disable_vfs(device).await?;
        driver.remove(&Io::new(self, device));
        device.set_driver(None);
        Ok(())
    }

    /// The time that a step takes, and what becomes of it: it may hang, and it may die.
    pub(super) async fn run(&self, device: &SimDevice, driver: &Driver, step: Step) -> Result<(), Died> {
        self.calls().note(Call::of(self.now(), device, step));
        self.say(device, driver, step);
        let temper = driver.temper();
        let span = temper.slow.unwrap_or_else(|| self.jitter(device, step, driver.entry().timing.of(step)));
        self.pace().sleep(span).await;
        if temper.hangs.has(step) {
            self.hanging().pass().await;
        }
        if temper.awaits.has(step) && !self.command(device).await {
            driver.give_up();
        }
        if temper.dies.has(step) {
            let name = driver.name();
            let text = format_args!("Oops: Kernel access of bad area, NIP: {name}_{step} [{name}]");
            self.console().kernel(self.now(), &text);
            return Err(Died);
        }
        Ok(())
    }

    /// What the driver prints.
    fn say(&self, device: &SimDevice, driver: &Driver, step: Step) {
        if self.console().is_silent() {
            return;
        }
        let entry = driver.entry();
        for (_, text) in entry.says.iter().filter(|(when, _)| *when == step) {
            let line = match entry.instance {
                Some(prefix) => format!("{} {prefix}{}: {text}", driver.name(), self.instance_of(device)),
                None => format!("{} {device}: {text}", driver.name()),
            };
            self.console().print(self.now(), &line);
        }
    }

    /// A span that differs a little from device to device and from seed to seed: up to a tenth less.
    fn jitter(&self, device: &SimDevice, step: Step, span: Duration) -> Duration {
        let salt = u64::from(device.bdf().0) << 8 | u64::from(step.name().len() as u8);
        let part = self.random(u64::from(device.phb_number()) << 32 | salt) % 100;
        span.saturating_sub(span.mul_f64(part as f64 / 1000.0))
    }
}
