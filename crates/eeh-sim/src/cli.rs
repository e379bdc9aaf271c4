// SPDX-License-Identifier: GPL-2.0-or-later
//! The command line.

use core::fmt;
use core::str::FromStr;
use core::time::Duration;
use std::path::PathBuf;

use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};
use serde::Deserialize;
use test_utils::drivers::{Temperament, parse_duration, show_duration};
use test_utils::topology::PciAddress;

use crate::storm::Plant;
use crate::texts::Text;

const EXAMPLES: &str = "\
Examples:
  eeh-sim recover --machine fixtures/powernv10 --break 0002:03:00.0
  eeh-sim run scenarios/surprise-removal
  eeh-sim tree --machine fixtures/powernv10
  eeh-sim storm --seconds 60 --threads 8 --seed 1

Exit code: 0 every affected device works again, 1 one does not, 2 wrong input or options.";

const RECOVER_EXAMPLES: &str = "\
Examples:
  A device reads all ones; the log of its recovery:
    eeh-sim recover --machine fixtures/powernv10 --break 0002:03:00.0
  Two devices together, a third one two seconds later, on firmware that never refuses:
    eeh-sim recover --machine fixtures/powernv10 --firmware ideal \\
        --break 0000:01:00.0 --break 0001:01:00.0 --break 0003:01:00.0@2s
  A driver that takes its time and then fails, and a trace for Perfetto:
    eeh-sim recover --machine fixtures/powernv10 --break 0003:01:00.0 \\
        --driver 0003:01:00.0=slow=2s,fail=slot_reset --trace trace.json
  What Linux's files say after it:
    eeh-sim recover --machine fixtures/powernv10 --break 0002:03:00.0 --report proc,history
  The same device in a partition, over RTAS:
    eeh-sim recover --machine fixtures/powernv10 --platform pseries --break 0003:01:00.0
  A fenced PHB, and a device taken away meanwhile:
    eeh-sim recover --machine fixtures/powernv10 --fence 2 --remove 0002:03:00.0@500ms

Exit code: 0 every affected device works again (one taken away by --remove does not count),
1 one does not (also after --kill), 2 wrong input or options.";

const TREE_EXAMPLES: &str = "\
Examples:
  eeh-sim tree --machine fixtures/powernv10
  eeh-sim tree --machine my-lspci-xxxx.txt --format dot | dot -Tsvg > machine.svg
  eeh-sim tree --synthetic 4x100 --format json

A machine is a file with the output of `lspci -x`, `-xxx` or `-xxxx` (with or without -v), or a
directory with one called lspci-nnvvxxxx.txt. Beside it may stand sysfs-eeh.txt (PE numbers),
eeh-address-cache.txt, device-tree.dtb.gz and dmesg-boot.txt, as in fixtures/powernv10.";

const STORM_EXAMPLES: &str = "\
Examples:
  eeh-sim storm --seconds 60 --threads 8 --seed 1
  eeh-sim storm --synthetic 64x10000 --seconds 10 --threads 4 --seed 7

Threads check addresses and devices, break them, remove and add them and whole PHBs, unbind and
bind drivers, switch virtual functions, pass devices through to guests that reset and thaw them,
write to eeh_pe_state, force recoveries, reset slots, and read all reports.

The seed fixes the work, not the interleaving. Time is scaled: a wait of a second is one of a
millisecond.

Exit code: 0 nothing is wrong, 1 a fault was found, 2 wrong input or options.";

const SCENARIO: &str = "\
Example, as scenarios/NAME.toml:
  title = \"A switch port is removed while a device below it recovers\"
  machine = \"../fixtures/powernv10\"     # or synthetic = \"4x96:7\"; seen from the file
  platform = \"powernv\"                  # the default, or \"pseries\"
  firmware = \"skiboot\"                  # the default of powernv, or \"ideal\"
  seed = 1
  advanced_features = [\"0003:01:00.0\"] # these have their FLR in the Advanced Features capability
  [drivers]                             # words as for recover's --driver
  \"0002:03:00.0\" = \"slow=2s\"
  [params]                              # also max_freezes, recovery, early_log, job_limit
  add_back_pause = \"5s\"
  [[action]]
  do = \"break 0002:03:00.0\"
  at = \"1s\"                             # after the machine is up (default 0s)
  [[action]]
  do = \"remove 0002:02:00.0\"
  in = \"Reset\"                          # as soon as a recovery is in this phase; `at` counts from there
                                        # \"request Reset\": something that was asked for is
                                        # \"job Reset\": a helper is given a job in it, and has not begun
  [expect]
  exit = 0                              # 1: some device does not work at the end
  recoveries = [\"PHB#2-PE#fb gone\"]   # all of them, as they began
  log = [\"EEH: Recovering PHB#2\"]     # parts of lines, in this order
  not_in_log = [\"Unable to recover\"]
  lit = []                              # slots whose attention indicator is lit, as \"0002:03\"
  texts.history = [\"PHB#2-PE#fb: 1 freezes\"]  # parts of lines; also proc, cache, tree, orphans
  [expect.devices.\"0002:03:00.0\"]
  outcome = \"removed\"                  # or untouched, works again, failed, added
  resets = 0                            # also driver = \"NAME\"

What can be done:";

/// A simulated POWER machine whose PCI devices break and are recovered by EEH.
#[derive(Parser, Debug)]
#[command(name = "eeh-sim", version, about, after_help = EXAMPLES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Break devices and print the log of their recovery
    #[command(after_help = RECOVER_EXAMPLES)]
    Recover(RecoverArgs),
    /// Play a scenario file, and compare what comes of it with what it expects
    #[command(after_help = run_help())]
    Run(RunArgs),
    /// Draw PHBs, PEs and devices with their flags and references
    #[command(after_help = TREE_EXAMPLES)]
    Tree(TreeArgs),
    /// Let threads break, remove, add, bind, pass through, reset and read everything at once
    #[command(after_help = STORM_EXAMPLES)]
    Storm(StormArgs),
}

/// Which machine.
#[derive(Args, Clone, Debug)]
pub(crate) struct MachineArgs {
    /// A dump of a real machine: a file or a directory
    #[arg(long, value_name = "PATH")]
    pub(crate) machine: Option<PathBuf>,
    /// A machine made up: PHBs x functions in all, and a seed (default 0), as 64x10000:7
    #[arg(long, value_name = "PHBSxFUNCTIONS[:SEED]", conflicts_with = "machine")]
    pub(crate) synthetic: Option<Size>,
}

#[derive(Args, Debug)]
#[command(group = ArgGroup::new("machines").args(["machine", "synthetic"]).required(true))]
#[command(group = ArgGroup::new("errors").args(["breaks", "fences", "kills"]).required(true).multiple(true))]
pub(crate) struct RecoverArgs {
    #[command(flatten)]
    pub(crate) machine: MachineArgs,
    /// A load of this device is not answered: its PE freezes
    #[arg(long = "break", value_name = "BDF[@TIME]")]
    pub(crate) breaks: Vec<At<PciAddress>>,
    /// This PHB is fenced
    #[arg(long = "fence", value_name = "PHB[@TIME]")]
    pub(crate) fences: Vec<At<PhbArg>>,
    /// This PHB dies for good
    #[arg(long = "kill", value_name = "PHB[@TIME]")]
    pub(crate) kills: Vec<At<PhbArg>>,
    /// This device, with all below it, is taken away
    #[arg(long = "remove", value_name = "BDF@TIME")]
    pub(crate) removes: Vec<At<PciAddress>>,
    /// How this device's driver behaves: words with commas between them
    #[arg(long = "driver", value_name = "BDF=TEMPERAMENT", long_help = driver_help())]
    pub(crate) drivers: Vec<DriverArg>,
    /// Which platform
    #[arg(long, value_enum, default_value_t = PlatformArg::Powernv)]
    pub(crate) platform: PlatformArg,
    /// Which firmware of powernv: skiboot with its timings and refused resets (the default), or one without
    #[arg(long, value_enum)]
    pub(crate) firmware: Option<FirmwareArg>,
    /// Decides all that is left to chance
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
    /// Print these of Linux's texts at the end: names with commas between them
    #[arg(long = "report", value_enum, value_delimiter = ',', value_name = "TEXT")]
    pub(crate) texts: Vec<Text>,
    /// Print the recovery that each line of the log is of
    #[arg(long)]
    pub(crate) ids: bool,
    /// Print firmware's data as soon as they are fetched (Linux: eeh=early_log)
    #[arg(long)]
    pub(crate) early_log: bool,
    /// Write what happened for Chrome's tracing page or Perfetto
    #[arg(long, value_name = "FILE")]
    pub(crate) trace: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(crate) struct RunArgs {
    /// The file; `.toml` may be left out
    #[arg(value_name = "SCENARIO")]
    pub(crate) scenario: PathBuf,
    /// The platform that the scenario must be for
    #[arg(long, value_enum)]
    pub(crate) platform: Option<PlatformArg>,
}

#[derive(Args, Debug)]
#[command(group = ArgGroup::new("machines").args(["machine", "synthetic"]).required(true))]
pub(crate) struct TreeArgs {
    #[command(flatten)]
    pub(crate) machine: MachineArgs,
    /// Which platform
    #[arg(long, value_enum, default_value_t = PlatformArg::Powernv)]
    pub(crate) platform: PlatformArg,
    /// How to draw
    #[arg(long, value_enum, default_value_t = TreeFormat::Text)]
    pub(crate) format: TreeFormat,
}

#[derive(Args, Debug)]
pub(crate) struct StormArgs {
    #[command(flatten)]
    pub(crate) machine: MachineArgs,
    /// Which platform
    #[arg(long, value_enum, default_value_t = PlatformArg::Powernv)]
    pub(crate) platform: PlatformArg,
    /// How long
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub(crate) seconds: u32,
    /// How many threads, beside those of the recoveries
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=256))]
    pub(crate) threads: u32,
    /// Decides the work
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
    /// A fault planted on purpose, which the verdict must notice
    #[arg(long, value_name = "FAULT", hide = true)]
    pub(crate) plant: Option<Plant>,
    /// How many times slower than usual this program is, under a sanitizer: less work is enough then
    #[arg(long, value_name = "TIMES", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000), hide = true)]
    pub(crate) slowdown: u32,
}

/// Which platform.
#[derive(Deserialize, Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum PlatformArg {
    /// Bare metal: OPAL
    Powernv,
    /// A partition: RTAS, by PAPR
    Pseries,
}

/// Which firmware.
#[derive(Deserialize, Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum FirmwareArg {
    /// As skiboot is under QEMU
    Skiboot,
    /// Never refuses, never waits longer than a specification asks for
    Ideal,
}

/// How to draw a tree.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum TreeFormat {
    /// For people
    Text,
    /// For Graphviz
    Dot,
    /// For programs
    Json,
}

/// How a scenario is written.
fn run_help() -> String {
    let mut help = SCENARIO.to_owned();
    for (verb, object, meaning) in crate::scenario::VERBS {
        let verb = format!("{verb} {object}");
        help += &format!("\n  {verb:18} {meaning}");
    }
    help + "\n\nExit code: 0 all came as expected, 1 something did not, 2 wrong input or options."
}

/// `--driver`'s words with their meaning.
fn driver_help() -> String {
    let mut help = "How this device's driver behaves: words with commas between them\n".to_owned();
    for (word, meaning) in test_utils::drivers::WORDS {
        help += &format!("\n  {word:18} {meaning}");
    }
    help
}

/// Something at a moment: `WHAT@TIME`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct At<T> {
    pub(crate) what: T,
    /// After the machine is up; `None`: at once.
    pub(crate) time: Option<Duration>,
}

impl<T: FromStr<Err: fmt::Display>> FromStr for At<T> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (what, time) = match text.split_once('@') {
            Some((what, time)) => (what, Some(parse_duration(time).map_err(|error| error.to_string())?)),
            None => (text, None),
        };
        Ok(Self { what: what.parse().map_err(|error: T::Err| error.to_string())?, time })
    }
}

impl<T: fmt::Display> fmt::Display for At<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.time {
            Some(time) => write!(f, "{}@{}", self.what, show_duration(time)),
            None => self.what.fmt(f),
        }
    }
}

/// A PHB's number: hex, as in the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct PhbArg(pub(crate) u32);

impl FromStr for PhbArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = u32::from_str_radix(text, 16).ok().filter(|_| digits);
        number
            .map(Self)
            .ok_or_else(|| format!("`{text}` is no PHB: its number in hex is expected, as in 2 or 0002"))
    }
}

impl fmt::Display for PhbArg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}", self.0)
    }
}

/// `BDF=TEMPERAMENT`
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct DriverArg {
    pub(crate) address: PciAddress,
    pub(crate) temperament: Temperament,
}

impl FromStr for DriverArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (address, temperament) = text.split_once('=').ok_or(
            "a device, `=` and a temperament are expected, as in 0002:03:00.0=slow=2s,fail=slot_reset",
        )?;
        Ok(Self {
            address: address
                .parse()
                .map_err(|error: test_utils::topology::AddressError| error.to_string())?,
            temperament: temperament
                .parse()
                .map_err(|error: test_utils::drivers::TemperamentError| error.to_string())?,
        })
    }
}

/// `64x10000:7`
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Size {
    pub(crate) phbs: u32,
    pub(crate) functions: u32,
    pub(crate) seed: u64,
}

impl FromStr for Size {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, &'static str> {
        const FORM: &str = "PHBs, `x` and functions in all are expected, as in 64x10000 or 64x10000:7";
        let (size, seed) = text.split_once(':').unwrap_or((text, "0"));
        let (phbs, functions) = size.split_once('x').ok_or(FORM)?;
        let number = |text: &str| text.parse().map_err(|_| FORM);
        Ok(Self { phbs: number(phbs)?, functions: number(functions)?, seed: seed.parse().map_err(|_| FORM)? })
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn moments_are_optional_and_come_back() {
        for text in ["0002:03:00.0", "0002:03:00.0@1500ms"] {
            assert_eq!(text.parse::<At<PciAddress>>().unwrap().to_string(), text);
        }
        assert!("0002:03:00.0@".parse::<At<PciAddress>>().is_err());
        assert!("@1s".parse::<At<PciAddress>>().is_err());
    }

    #[test]
    fn sizes_have_an_optional_seed() {
        assert_eq!("64x10000".parse(), Ok(Size { phbs: 64, functions: 10_000, seed: 0 }));
        assert_eq!("4x9:7".parse(), Ok(Size { phbs: 4, functions: 9, seed: 7 }));
        assert!("4".parse::<Size>().is_err());
        assert!("-1x4".parse::<Size>().is_err());
        assert!("4x4:".parse::<Size>().is_err());
    }
}
