// SPDX-License-Identifier: GPL-2.0-or-later
//! The traits of the environment, split by the context that may call them.
//!
//! | trait            | context                       | who implements it            |
//! |------------------|-------------------------------|------------------------------|
//! | [`SlotState`]    | any but NMI, never waits      | a firmware back end          |
//! | [`Wake`]         | any, never waits              | the environment              |
//! | [`Observer`]     | any but NMI, never waits      | the environment              |
//! | [`ConfigSpace`]  | the worker, never waits long  | a firmware back end          |
//! | [`SlotControl`]  | the worker, may sleep         | a firmware back end          |
//! | [`ErrorLog`]     | the worker, may sleep         | a firmware back end          |
//! | [`ErrorSource`]  | the worker, may sleep         | a firmware back end          |
//! | [`PciCore`]      | the worker, may sleep         | the environment              |
//! | [`Helper`]       | starts what may take for ever | the environment              |
//!
//! [`Platform`] bundles them. Nothing here waits for time to pass: whatever must wait says until
//! when, and the caller's loop waits. So the same code runs in a kernel thread and over virtual time.
//!
//! [`Observer`]: crate::Observer

mod environment;
mod firmware;
mod inject;
mod one_of;
mod target;
mod wait;

pub use environment::{
    ChannelState, Driver, DriverKind, DriverName, Handlers, Helper, Location, Params, PciCore, Platform, Wake,
};
pub use firmware::{
    ConfigSpace, ConfigurePoll, ErrorLog, ErrorSource, ResetPoll, Severity, SlotControl, SlotState,
};
pub use inject::{InjectError, Injection};
pub use one_of::OneOf;
pub use target::{
    DeviceTarget, FirmwareError, FreezeState, NextError, PeTarget, PhbTarget, ResetKind, ResetPoint, Thaw,
    Width,
};
pub use wait::Wait;
