// SPDX-License-Identifier: GPL-2.0-or-later
//! Doing to the machine what a fault says.

use std::sync::Arc;

use eeh_pe::Bdf;

use super::fault::Fault;
use super::run::Engine;

impl Engine<'_> {
    /// Does what a fault says; what takes time or locks becomes a task.
    pub(super) fn inject(&mut self, fault: Fault) {
        let linux = self.linux;
        match fault {
            Fault::Break(phb, bdf) => linux.break_device(phb, bdf),
            Fault::Freeze(phb, bdf) => {
                if let Some((hw, pe)) =
                    linux.hardware(phb).and_then(|hw| hw.pe_of(bdf).map(|pe| (hw.clone(), pe)))
                {
                    hw.freeze(pe);
                }
                // Where no interrupt tells, it is found by whoever looks next.
                if linux.rtas().is_some() {
                    self.inject(Fault::Look(phb, bdf));
                }
            }
            Fault::Look(phb, bdf) => {
                if let Ok(device) = linux.device(phb, bdf) {
                    let _ = linux.config_read(&device, 0, 4);
                }
            }
            Fault::Fence(phb) => {
                if let Some(hw) = linux.hardware(phb) {
                    hw.fence();
                }
            }
            Fault::Kill(phb) => {
                if let Some(hw) = linux.hardware(phb) {
                    hw.kill();
                }
            }
            Fault::Remove(phb, bdf) | Fault::Pull(phb, bdf) => {
                self.note_removed(phb, bdf);
                let pulled = matches!(fault, Fault::Pull(..));
                self.tasks.spawn(Box::pin(async move {
                    // A device that is gone already is what was asked for.
                    let _ = if pulled { linux.pull(phb, bdf).await } else { linux.remove(phb, bdf).await };
                }));
            }
            Fault::Yank(phb, bdf) => {
                if let Some(hardware) = linux.hardware(phb) {
                    hardware.pull(bdf);
                }
            }
            Fault::LoseHelper(phb) => {
                if let Some(phb) = linux.phb(phb) {
                    linux.mailboxes().lose_next(phb.tree());
                }
            }
            Fault::Rescan(phb) => self.tasks.spawn(Box::pin(async move {
                let _ = linux.rescan(phb).await;
            })),
            Fault::Push(phb, bdf) => self.tasks.spawn(Box::pin(async move {
                let _ = linux.push(phb, bdf).await;
            })),
            Fault::AddPhb(phb) => {
                let Some(spec) = self.specs.get(&phb).cloned() else { return };
                self.tasks.spawn(Box::pin(async move {
                    let _ = linux.add_phb(&spec).await;
                }));
            }
            Fault::RemovePhb(phb) => {
                self.former.extend(linux.hardware(phb));
                if let Some(phb) = linux.phb(phb) {
                    self.specs.insert(phb.number().0, Arc::new(phb.spec().clone()));
                }
                let all = linux.phb(phb).map(|phb| phb.devices()).unwrap_or_default();
                self.removed.extend(all.iter().map(|d| (phb, d.bdf())));
                self.tasks.spawn(Box::pin(async move {
                    let _ = linux.remove_phb(phb).await;
                }));
            }
            Fault::RemoveSlot(phb, bdf) => {
                for function in 0..8 {
                    if let Some(beside) = Bdf::new(bdf.bus(), bdf.device(), function) {
                        self.note_removed(phb, beside);
                    }
                }
                self.tasks.spawn(Box::pin(async move {
                    let _ = linux.remove_slot(phb, bdf).await;
                }));
            }
            Fault::AddSlot(phb, bdf) => self.tasks.spawn(Box::pin(async move {
                let _ = linux.add_slot(phb, bdf).await;
            })),
            Fault::Unbind(phb, bdf) => self.tasks.spawn(Box::pin(async move {
                let _ = linux.unbind(phb, bdf).await;
            })),
            Fault::Bind(phb, bdf) => self.tasks.spawn(Box::pin(async move {
                let _ = linux.bind(phb, bdf).await;
            })),
            Fault::Wish(phb, bdf, wish) => self.tasks.spawn(Box::pin(async move {
                // What came of it is in the log.
                let _ = linux.grant(phb, bdf, wish).await;
            })),
            Fault::WriteNumVfs(phb, bdf) => self.tasks.spawn(Box::pin(async move {
                let _ = linux.write_numvfs(phb, bdf).await;
            })),
        }
    }

    /// A device and all below it go by request.
    fn note_removed(&mut self, number: u32, bdf: Bdf) {
        let Some(phb) = self.linux.phb(number) else { return };
        let Some(device) = phb.device(bdf) else { return };
        self.removed.insert((number, bdf));
        let Some(buses) = device.identity().buses else { return };
        // Also what a recovery has removed ahead of a reset: it cannot come back.
        let below = phb.spec().functions.iter().map(|function| function.bdf);
        let below = below.filter(|bdf| (buses.secondary..=buses.subordinate).contains(&bdf.bus()));
        self.removed.extend(below.map(|bdf| (number, bdf)));
    }
}
