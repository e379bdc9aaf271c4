// SPDX-License-Identifier: GPL-2.0-or-later
//! `eeh-sim`: a POWER machine that breaks and heals, on the command line.
//!
//! Exit code 0: every affected device works again; 1: one does not, or a storm found a fault, or a scenario went
//! another way;
//! 2: the input or the options are wrong.

mod cli;
mod error;
mod options;
mod recover;
mod report;
mod scenario;
mod storm;
mod texts;
mod tree;

pub use scenario::check as check_scenario;

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::Parser as _;

use cli::{Cli, Command};
use error::SimError;
use options::{RecoverOptions, StormOptions};

/// How a command that could do its work ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Verdict {
    /// All is well.
    Works,
    /// A device does not work, or a fault was found.
    Broken,
}

/// What the program does.
#[must_use]
pub fn main() -> ExitCode {
    // Wrong options end the program in here, with 2; --help and --version with 0.
    let cli = Cli::parse();
    let mut out = io::stdout().lock();
    let result = run(cli.command, &mut out)
        .and_then(|verdict| out.flush().map_err(SimError::Output).map(|()| verdict));
    match result {
        Ok(Verdict::Works) => ExitCode::SUCCESS,
        Ok(Verdict::Broken) => ExitCode::from(1),
        // `eeh-sim tree | head`: who reads has had enough.
        Err(SimError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

fn run(command: Command, out: &mut dyn io::Write) -> Result<Verdict, SimError> {
    match command {
        Command::Recover(args) => recover::run(RecoverOptions::new(args)?, out),
        Command::Run(args) => scenario::run(&args, out),
        Command::Tree(args) => tree::run(&args, out),
        Command::Storm(args) => storm::run(StormOptions::new(&args)?, out),
    }
}
