// SPDX-License-Identifier: GPL-2.0-or-later
//! What is done to a machine, and when.

use eeh_pe::{Bdf, Time};

use crate::linux::Wish;

/// Something done to the machine from outside.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// A load that nobody answers, as Linux's `eeh_dev_break`; then a read by the device's driver.
    Break(u32, Bdf),
    /// The PE of a function is frozen by an error that no driver notices: firmware's interrupt tells. On
    /// pSeries, which has none, somebody looks at the function's configuration space.
    Freeze(u32, Bdf),
    /// The PHB is fenced.
    Fence(u32),
    /// The PHB is broken for good.
    Kill(u32),
    /// The device is removed by an administrator, with all below it.
    Remove(u32, Bdf),
    /// The card is pulled, and removed when Linux notices.
    Pull(u32, Bdf),
    /// The card is pulled, and nobody notices.
    Yank(u32, Bdf),
    /// The helper of the PHB's worker dies in its next job.
    LoseHelper(u32),
    /// The PHB is scanned for new devices.
    Rescan(u32),
    /// A card that was pulled is pushed in again, and the PHB scanned.
    Push(u32, Bdf),
    /// The PHB is removed (DLPAR).
    RemovePhb(u32),
    /// A PHB that was removed is added again.
    AddPhb(u32),
    /// The slot of a function leaves the partition (DLPAR), with all in it and behind it. pSeries only.
    RemoveSlot(u32, Bdf),
    /// A slot that left the partition joins it again.
    AddSlot(u32, Bdf),
    /// The driver is unbound.
    Unbind(u32, Bdf),
    /// A driver is bound.
    Bind(u32, Bdf),
    /// Somebody reads the device's configuration space, as `lspci` does: where no interrupt tells of a
    /// freeze, and no driver reads, it is found so.
    Look(u32, Bdf),
    /// Somebody writes to `sriov_numvfs` of the device.
    WriteNumVfs(u32, Bdf),
    /// An owner, a driver or an administrator wants something of the device.
    Wish(u32, Bdf, Wish),
}

impl Fault {
    /// The PHB that it is done to.
    #[must_use]
    pub const fn phb(self) -> u32 {
        match self {
            Self::Break(phb, _)
            | Self::Freeze(phb, _)
            | Self::Remove(phb, _)
            | Self::Pull(phb, _)
            | Self::Yank(phb, _)
            | Self::Push(phb, _)
            | Self::RemoveSlot(phb, _)
            | Self::AddSlot(phb, _)
            | Self::Unbind(phb, _)
            | Self::Bind(phb, _)
            | Self::Look(phb, _)
            | Self::WriteNumVfs(phb, _)
            | Self::Wish(phb, ..)
            | Self::Fence(phb)
            | Self::Kill(phb)
            | Self::LoseHelper(phb)
            | Self::Rescan(phb)
            | Self::RemovePhb(phb)
            | Self::AddPhb(phb) => phb,
        }
    }
}

/// A fault and its moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Planned {
    /// When, counted from the end of boot.
    pub at: Time,
    /// What.
    pub fault: Fault,
}
