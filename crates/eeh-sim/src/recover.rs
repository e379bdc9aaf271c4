// SPDX-License-Identifier: GPL-2.0-or-later
//! `eeh-sim recover`: breaks a machine, lets EEH recover it over virtual time, and reports.

use std::io::{BufWriter, Write};

use eeh_pe::Time;
use eeh_recovery::{Params, Tagged};
use test_utils::engine::{Engine, Fault, Planned, Run, write_trace};
use test_utils::linux::{Options, SimLinux};

use crate::error::SimError;
use crate::options::{Action, RecoverOptions, What};
use crate::{Verdict, report, texts};

/// Longer than any recovery: each of five freezes of a PE may meet a driver that hangs for 300 s.
const LIMIT: core::time::Duration = core::time::Duration::from_secs(24 * 3600);

/// Does what the options say; prints the kernel's log, what became of each device, and how long it
/// took.
pub(crate) fn run(options: RecoverOptions, out: &mut dyn Write) -> Result<Verdict, SimError> {
    let boot = Options {
        firmware: options.firmware,
        seed: options.seed,
        temperaments: options.drivers,
        params: Params { early_log: options.early_log, ..Params::default() },
        ..Options::default()
    };
    let linux = SimLinux::boot(&options.machine, &boot)?;
    let start = linux.now();
    let run = simulate(&linux, &options.actions, start)?;
    for line in &run.log {
        let id = if options.ids { line.recovery } else { None };
        writeln!(out, "{}", Tagged(id, line)).map_err(SimError::Output)?;
    }
    report::print(&run, out).map_err(SimError::Output)?;
    for text in options.texts {
        write!(out, "\n{}", texts::write(text, &linux)).map_err(SimError::Output)?;
    }
    if let Some((path, file)) = options.trace {
        let mut file = BufWriter::new(file);
        let written = write_trace(&mut file, &run.marks).and_then(|()| file.flush());
        written.map_err(|source| SimError::Write { path, source })?;
    }
    Ok(if run.all_work() { Verdict::Works } else { Verdict::Broken })
}

fn simulate(linux: &SimLinux, actions: &[Action], start: Time) -> Result<Run, SimError> {
    let mut engine = Engine::new(linux).ok_or(SimError::NoVirtualTime)?;
    for action in actions {
        engine.plan(Planned { at: start.after(action.at), fault: fault(action.what) });
    }
    Ok(engine.run(start.after(LIMIT))?)
}

const fn fault(what: What) -> Fault {
    match what {
        What::Break(address) => Fault::Break(address.phb, address.bdf),
        What::Fence(phb) => Fault::Fence(phb),
        What::Kill(phb) => Fault::Kill(phb),
        What::Remove(address) => Fault::Remove(address.phb, address.bdf),
    }
}
