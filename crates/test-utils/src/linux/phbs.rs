// SPDX-License-Identifier: GPL-2.0-or-later
//! PHBs come and go (DLPAR). C: `init_phb_dynamic`, `remove_phb_dynamic`

use std::sync::{Arc, PoisonError};

use eeh_pe::{Memory, PhbInfo, PhbNumber, TreeId, TreeStorage, Window, WindowKind};
use eeh_powernv::PowerNv;
use eeh_recovery::{DiagBuffer, PhbTarget, WorkerStorage};

use super::bind::Died;
use super::env::SimEnv;
use super::hotplug::HotplugError;
use super::phb::SimPhb;
use super::{SimLinux, firmware};
use crate::topology::PhbSpec;

impl SimLinux {
    /// The PHBs that Linux has, by number.
    #[must_use]
    pub fn phbs(&self) -> Vec<Arc<SimPhb>> {
        self.phbs.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// The PHB of that number.
    #[must_use]
    pub fn phb(&self, number: u32) -> Option<Arc<SimPhb>> {
        self.phbs.read().unwrap_or_else(PoisonError::into_inner).get(&number).cloned()
    }

    /// Trees that came since the last call: each needs a worker.
    #[must_use]
    pub fn take_new_trees(&self) -> Vec<TreeId> {
        core::mem::take(&mut *self.new_trees.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Adds a PHB that Linux does not have, and all its devices. The hardware is put there too if it
    /// had been removed.
    ///
    /// # Errors
    ///
    /// The PHB exists, EEH has no room for it, or a driver died.
    pub async fn add_phb(&self, spec: &Arc<PhbSpec>) -> Result<TreeId, HotplugError> {
        let lock = self.rescan_lock().lock().await;
        let number = spec.number;
        if self.phb(number).is_some() {
            return Err(HotplugError::CannotAdd(number));
        }
        if self.machine.phb(number).is_none() && !self.machine.add_phb(spec) {
            return Err(HotplugError::CannotAdd(number));
        }
        let phb = self.register_phb(spec)?;
        if self.add_bus(&phb, phb.root_bus()).await == Err(Died) {
            lock.lose();
            return Err(HotplugError::Died);
        }
        Ok(phb.tree())
    }

    /// Gives a PHB a tree, a mailbox and a place in the list.
    pub(super) fn register_phb(&self, spec: &Arc<PhbSpec>) -> Result<Arc<SimPhb>, HotplugError> {
        let number = spec.number;
        let root_bus = spec
            .functions
            .iter()
            .map(|f| f.bdf.bus())
            .find(|bus| spec.bridge_to(*bus).is_none())
            .unwrap_or_default();
        let mut windows = [None; 4];
        for (window, spec) in windows.iter_mut().zip(&spec.windows) {
            let kind = if spec.io { WindowKind::Io } else { WindowKind::Mem };
            *window = Some(Window { start: spec.start, end_inclusive: spec.last(), kind });
        }
        let info = PhbInfo {
            number: PhbNumber(number),
            firmware: firmware::phb_id(&self.back_end, number),
            root_bus,
            windows,
        };
        let tree = self.give_tree(info)?;
        let target = PhbTarget { tree, number: info.number, firmware: info.firmware };
        let phb = Arc::new(SimPhb::new(spec.clone(), target, root_bus));
        self.phbs.write().unwrap_or_else(PoisonError::into_inner).insert(number, phb.clone());
        if tree == TreeId::NONE {
            return Ok(phb);
        }
        self.mailboxes.open(tree);
        if let Some(phbs) = self.back_end.powernv().map(PowerNv::phbs) {
            phbs.set_tree(number, Some(tree));
        }
        self.new_trees.lock().unwrap_or_else(PoisonError::into_inner).push(tree);
        Ok(phb)
    }

    /// A tree for a PHB, and memory for its worker. Without memory it works without EEH, and the log says so.
    /// C: `eeh_phb_pe_create`
    fn give_tree(&self, info: PhbInfo) -> Result<TreeId, HotplugError> {
        if !self.has_eeh {
            return Ok(TreeId::NONE);
        }
        let number = info.number;
        let without = |what: &str| {
            self.console().kernel(self.now(), &format_args!("EEH: PHB#{number} works without EEH: {what}"));
            Ok(TreeId::NONE)
        };
        let worker = SimEnv::own(DiagBuffer::new()).zip(SimEnv::own(DiagBuffer::new()));
        let Some((storage, worker)) = TreeStorage::<SimEnv>::reserve(self.ranges).zip(worker) else {
            return without("out of memory");
        };
        let tree = self.registry.add_phb(info, storage).map_err(|_| HotplugError::NoRoom(number.0))?;
        let worker = WorkerStorage { phb_diag: worker.0, recovery_diag: worker.1 };
        self.storages.lock().unwrap_or_else(PoisonError::into_inner).insert(tree, worker);
        Ok(tree)
    }

    /// The memory that was reserved for a tree's worker; for another worker of it, other memory.
    #[must_use]
    pub fn worker_storage(&self, tree: TreeId) -> WorkerStorage<SimEnv> {
        let reserved = self.storages.lock().unwrap_or_else(PoisonError::into_inner).remove(&tree);
        reserved.unwrap_or_else(|| WorkerStorage {
            phb_diag: Box::new(DiagBuffer::new()),
            recovery_diag: Box::new(DiagBuffer::new()),
        })
    }

    /// Removes a PHB with all its devices, and its hardware. Its worker is told and ends by itself.
    ///
    /// # Errors
    ///
    /// No such PHB, or a driver died.
    pub async fn remove_phb(&self, number: u32) -> Result<(), HotplugError> {
        let lock = self.rescan_lock().lock().await;
        let phb = self.phb(number).ok_or(HotplugError::NoPhb(number))?;
        let doomed = phb.below(phb.root_bus());
        if self.stop_and_take(&phb, &doomed).await == Err(Died) {
            lock.lose();
            return Err(HotplugError::Died);
        }
        if let Some(phbs) = self.back_end.powernv().map(PowerNv::phbs) {
            phbs.set_tree(number, None);
        }
        self.phbs.write().unwrap_or_else(PoisonError::into_inner).remove(&number);
        // What is dropped here holds devices that Linux has let go of already.
        drop(self.registry.remove_phb(phb.tree(), self.now()));
        self.storages.lock().unwrap_or_else(PoisonError::into_inner).remove(&phb.tree());
        self.mailboxes.wake(phb.tree());
        self.machine.remove_phb(number);
        Ok(())
    }
}
