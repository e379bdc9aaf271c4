// SPDX-License-Identifier: GPL-2.0-or-later
//! Errors to be injected.

use super::FirmwareError;

/// An error to be injected, as debugfs `err_injct` and VFIO take it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Injection {
    /// 0: a 32 bit bus error, 1: a 64 bit one. C: `EEH_ERR_TYPE_*`, `OPAL_ERR_INJECT_TYPE_*`
    pub kind: u32,
    /// 0 (load, memory address) to 19 (DMA write, target). C: `EEH_ERR_FUNC_*`
    pub function: u32,
    /// The address to hit.
    pub address: u64,
    /// The bits of the address that count.
    pub mask: u64,
}

/// An injection that did not happen.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum InjectError {
    /// C: `-EINVAL`; powernv: `-ERANGE`
    #[error("invalid error type {0}")]
    Kind(u32),
    /// C: `-EINVAL`; powernv: `-ERANGE`
    #[error("invalid error function {0}")]
    Function(u32),
    /// An address or mask of a 32 bit error that does not fit.
    #[error("address {0:#x} does not fit a 32 bit bus error")]
    Address(u64),
    /// C: `-ENXIO` when firmware lacks the service, `-EIO` when it refuses.
    #[error(transparent)]
    Firmware(#[from] FirmwareError),
}
