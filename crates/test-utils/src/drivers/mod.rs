// SPDX-License-Identifier: GPL-2.0-or-later
//! Simulated drivers: which one takes a function, how it behaves, what it does.

mod behaviour;
mod span;
mod step;
mod table;
mod temperament;

pub use behaviour::{ALL_ONES, DeviceIo, Driver, NotWorking, ProbeError, check_registers};
pub use span::{BadDuration, parse_duration, show_duration};
pub use step::{Step, Steps, UnknownStep};
pub use table::{DriverEntry, Timing, driver_for, driver_named, generic_driver};
pub use temperament::{Temperament, TemperamentError, WORDS};
