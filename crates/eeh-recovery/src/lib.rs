// SPDX-License-Identifier: GPL-2.0-or-later
//! EEH detection, the recovery machine, its worker, and the traits of their environment.
#![no_std]
#![forbid(unsafe_code)]
// In a kernel all is compiled for size but the checks.
#![cfg_attr(CONFIG_EEH_RUST, feature(optimize_attribute))]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::unreachable,
        clippy::todo,
        clippy::unimplemented,
        clippy::arithmetic_side_effects,
        clippy::integer_division,
        clippy::as_conversions
    )
)]

#[cfg(test)]
#[macro_use]
extern crate std;

mod ask;
mod command;
mod config_space;
mod detect;
mod ers;
mod history;
mod job;
mod level;
mod log;
mod machine;
mod observe;
mod passthrough;
mod platform;
mod remove;
pub mod render;
mod request;
mod reset_state;
mod tagged;
mod targets;
mod text;
mod unfreeze;
mod worker;

pub use ask::{Ask, By};
pub use command::{ForceRecover, InjectCommand, parse_device};
pub use config_space::{
    AerErrors, AerKind, Capabilities, ConfigLine, Registers, capabilities, extended_capability,
    save as save_config,
};
pub use detect::{
    Check, Context, check_failure, check_failure_at_length, check_failure_at_once, dev_check_failure,
    dev_check_failure_named, driver_bound, force_recover, may_call,
};
pub use ers::ErsResult;
pub use history::{History, PeHistory, Slowest};
pub use job::{BusTarget, Handler, Job, JobAnswer, JobId};
pub use level::Level;
pub use machine::{
    Action, Cue, ENTRIES, Input, Link, Mark, Note, Phase, Poll, RESET_ATTEMPTS, Recovery, RecoveryTable, next,
};
pub use observe::{
    DeviceEvent, Event, FirmwareEvent, Observer, Outcome, Progress, QueueEvent, RecoveryId, Report,
    ResetEvent, Step, Subject, What,
};
pub use passthrough::{
    OwnerError, OwnerReset, OwnerState, SetOption, freeze, inject, mark_isolated, owner_state, release,
};
pub use platform::{
    ChannelState, ConfigSpace, ConfigurePoll, DeviceTarget, Driver, DriverKind, DriverName, ErrorLog,
    ErrorSource, FirmwareError, FreezeState, Handlers, Helper, InjectError, Injection, Location, NextError,
    OneOf, Params, PciCore, PeTarget, PhbTarget, Platform, ResetKind, ResetPoint, ResetPoll, Severity,
    SlotControl, SlotState, Thaw, Wait, Wake, Width,
};
pub use remove::remove_device;
pub use request::{Request, RequestPoll};
pub use reset_state::PcieReset;
pub use tagged::Tagged;
pub use text::Text;
pub use unfreeze::reads_as_state;
pub use worker::{DRIVER_LOG, DiagBuffer, Next, Worker, WorkerStorage};
