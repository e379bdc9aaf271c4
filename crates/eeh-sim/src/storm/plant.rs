// SPDX-License-Identifier: GPL-2.0-or-later
//! Faults planted into a storm on purpose: each check of the verdict must notice its own.

use core::mem;
use core::str::FromStr;

use eeh_pe::{BridgeInfo, Detection, DeviceInfo, PeFlags, PeNumber, PeSpec, PeType};
use test_utils::linux::{SimDevice, SimLinux};
use test_utils::task::block_on;
use test_utils::topology::PciAddress;

/// A fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Plant {
    /// A report is taken from the queue and forgotten.
    LoseEvent,
    /// A PE that is not frozen is reported.
    ReportTwice,
    /// A reference to a PE is never dropped.
    LeakReference,
    /// A device is removed while its PE is referenced for ever.
    LeakOrphan,
    /// A PE keeps a mark.
    LeaveMark,
    /// A device's settings are lost, and its driver does not know.
    BreakDevice,
    /// The tree has a device that the machine does not have.
    GhostDevice,
    /// An address leads nowhere.
    UnmapAddress,
    /// A guest never gives its device back.
    KeepOpen,
    /// What froze in a guest's hands is thawed for it.
    ThawPassed,
    /// A virtual function is not there when they are switched on.
    MissingVf,
    /// Virtual functions come back when they were switched off.
    LeftVf,
    /// The rescan lock is never released.
    Hang,
    /// Nobody does anything.
    Idle,
}

impl Plant {
    /// All of them, with their names on the command line.
    const ALL: [(&'static str, Self); 14] = [
        ("lose-event", Self::LoseEvent),
        ("report-twice", Self::ReportTwice),
        ("leak-reference", Self::LeakReference),
        ("leak-orphan", Self::LeakOrphan),
        ("leave-mark", Self::LeaveMark),
        ("break-device", Self::BreakDevice),
        ("ghost-device", Self::GhostDevice),
        ("unmap-address", Self::UnmapAddress),
        ("keep-open", Self::KeepOpen),
        ("thaw-passed", Self::ThawPassed),
        ("missing-vf", Self::MissingVf),
        ("left-vf", Self::LeftVf),
        ("hang", Self::Hang),
        ("idle", Self::Idle),
    ];

    /// Plants the fault into a machine that is quiet; `None`: it has no device for it.
    pub(super) fn sow(self, linux: &SimLinux) -> Option<()> {
        let devices = linux.phbs().into_iter().flat_map(|phb| phb.devices());
        let fit = |device: &SimDevice| device.driver().is_some() && !device.identity().bars.is_empty();
        let device = devices.into_iter().find(|device| fit(device))?;
        let registry = linux.registry();
        let id = device.eeh()?;
        let pe = registry.peek(registry.peek_device(id)?.pe)?;
        let tree = registry.tree(pe.id.tree())?;
        let hardware = linux.hardware(device.phb_number())?;
        match self {
            Self::LoseEvent => {
                // Its worker is not woken before the report is gone.
                let _ = registry.isolate(pe.id);
                drop(tree.take_pending().next());
                hardware.freeze(pe.number.0);
            }
            Self::ReportTwice => {
                let _ = registry.isolate_at(pe.id, Detection { at: linux.now(), address: 0 });
                linux.mailboxes().wake(pe.id.tree());
            }
            Self::LeakReference => mem::forget(registry.get(pe.id)?),
            Self::LeakOrphan => {
                mem::forget(registry.get(pe.id)?);
                block_on(linux.remove(device.phb_number(), device.bdf())).ok()?;
            }
            Self::LeaveMark => {
                tree.lock().mark_subtree(pe.id, PeFlags::RECOVERING);
            }
            Self::BreakDevice => {
                let bar = device.identity().bars.iter().find(|bar| !bar.io)?;
                hardware.write32(bar.start, 0);
            }
            Self::GhostDevice => {
                let bdf = eeh_pe::Bdf(0xffff);
                let info = DeviceInfo { bdf, bridge: None::<BridgeInfo>, ..*tree.lock().device(id)?.info() };
                let spec = PeSpec { number: PeNumber(pe.number.0), kind: PeType::DEVICE };
                tree.insert_device(info, device.clone(), spec, None).ok()?;
            }
            Self::UnmapAddress => tree.map().remove_device(id),
            Self::Hang => linux.rescan_lock().try_lock()?.lose(),
            // Sown by those who play the scene.
            Self::KeepOpen | Self::ThawPassed | Self::MissingVf | Self::LeftVf | Self::Idle => {}
        }
        Some(())
    }

    /// Plants a fault about the virtual functions of `pf`, which have just been switched on or off. `false`: it
    /// could not be done.
    pub(super) fn sow_function(self, linux: &SimLinux, pf: PciAddress, on: bool) -> bool {
        let vf = || linux.phb(pf.phb)?.devices().into_iter().find(|d| d.identity().physfn == Some(pf.bdf));
        if self == Self::MissingVf && on {
            return vf().is_some_and(|vf| block_on(linux.remove(pf.phb, vf.bdf())).is_ok());
        }
        if self == Self::LeftVf && !on {
            return block_on(linux.write_numvfs(pf.phb, pf.bdf)) == Ok(true);
        }
        true
    }
}

impl FromStr for Plant {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.iter().find(|(name, _)| *name == text).map(|(_, plant)| *plant);
        found.ok_or_else(|| {
            let names: Vec<_> = Self::ALL.iter().map(|(name, _)| *name).collect();
            format!("there are {}", names.join(", "))
        })
    }
}
