// SPDX-License-Identifier: GPL-2.0-or-later
//! `eeh-sim tree`: the machine as EEH sees it once Linux is up.

mod dot;
mod text;
mod view;

use std::io::Write;

use test_utils::linux::{Options, SimLinux};
use test_utils::topology::{PciAddress, Synthetic};

use crate::Verdict;
use crate::cli::{TreeArgs, TreeFormat};
use crate::error::SimError;

/// Boots the machine and draws it.
pub(crate) fn run(args: &TreeArgs, out: &mut dyn Write) -> Result<Verdict, SimError> {
    let machine = crate::options::machine(&args.machine, Synthetic { phbs: 1, functions: 1, seed: 0 })?;
    let firmware = crate::options::firmware(args.platform, None)?;
    let linux = SimLinux::boot(&machine, &Options { firmware, record: false, ..Options::default() })?;
    let driver = |address: PciAddress| {
        let device = linux.phb(address.phb)?.device(address.bdf)?;
        device.driver().map(|driver| driver.name().to_owned())
    };
    let view = view::of(&machine, linux.registry(), &driver);
    let drawn = match args.format {
        TreeFormat::Text => text::draw(&view),
        TreeFormat::Dot => dot::draw(&view),
        TreeFormat::Json => {
            serde_json::to_string_pretty(&view).map_err(|error| SimError::Output(error.into()))?
        }
    };
    writeln!(out, "{}", drawn.trim_end()).map_err(SimError::Output)?;
    Ok(Verdict::Works)
}
