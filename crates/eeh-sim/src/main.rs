// SPDX-License-Identifier: GPL-2.0-or-later
//! `eeh-sim`: see the library of the same name.

use std::process::ExitCode;

fn main() -> ExitCode {
    eeh_sim::main()
}
