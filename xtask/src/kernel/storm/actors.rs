// SPDX-License-Identifier: GPL-2.0-or-later
//! Who does what to whom.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::{Config, Fallible, Guest, LONG, Options, Plant, Variant, Weather};
use crate::kernel::machine::{Function, Machine};

/// The physical function that has virtual ones, where the configuration has them.
const PHYSICAL: &str = "0003:01:00.0";
/// Its virtual functions.
const VIRTUAL: [&str; 2] = ["0003:01:10.0", "0003:01:10.2"];
/// Whose PHB is fenced: afterwards firmware has lost which PE the window of memory belongs to, so on the other PHBs
/// accesses that nobody answers go on to freeze.
const FENCED: [&str; 3] = ["0002:03:00.0", "0004:01:00.0", "0005:01:00.0"];
/// Bridges: a root port, the upstream port of a switch below it, root ports without a switch. No downstream ports: one that
/// is away during a reset comes back without bus numbers, and the PCI core finds none for it between its siblings'.
const BRIDGES: [&str; 4] = ["0002:00:00.0", "0002:01:00.0", "0000:00:00.0", "0001:00:00.0"];
/// Our own module gets this function for a while.
const BORROWED: &str = "0005:01:00.0";
/// What is removed, what is unbound, and which bridges go, when actors are kept apart: nobody removes what a recovery
/// may remove at the same moment, and no nvme is probed.
const APART: ([&str; 2], [&str; 2], [&str; 2]) =
    (["0001:01:00.0", "0002:04:00.0"], ["0002:05:00.0", "0004:01:00.0"], ["0000:00:00.0", "0001:00:00.0"]);

/// An actor in the guest.
struct Actor {
    /// As `kernel/initramfs/storm.sh` knows it: `act_NAME`.
    name: &'static str,
    seed: u32,
    /// What it acts on.
    on: Vec<String>,
}

/// All actors.
pub(super) struct Cast {
    actors: Vec<Actor>,
    outside: Option<Script>,
    functions: &'static [Function],
}

/// What the actor outside the guest needs.
#[derive(Clone)]
pub(super) struct Script {
    pub(super) rng: ChaCha8Rng,
    /// Domain and number of each function's PE.
    pub(super) pes: Vec<(u32, u32)>,
    /// Domains of the PHBs that are fenced.
    pub(super) fenced: Vec<u32>,
}

impl Cast {
    /// Draws the actors' seeds.
    pub(super) fn new(guest: &mut Guest, options: &Options, weather: &Weather) -> Fallible<Self> {
        let functions = Machine::functions(weather.machine);
        let mut rng = ChaCha8Rng::seed_from_u64(weather.seed);
        let virtuals = options.config == Config::Check;
        let driver_module = guest.run("ls /modules/*-e1000e.ko", LONG)?.status == 0;
        let wanted = |name: &str| weather.only.is_empty() || weather.only.iter().any(|only| only == name);
        let mut actors = Vec::new();
        let mut outside = None;
        let mut parts = parts(functions, virtuals, driver_module);
        if weather.apart {
            keep_apart(&mut parts, functions);
        }
        for (name, on) in parts {
            // Drawn for all, so that those that are left out change nothing for the others.
            let seed = rng.next_u32();
            if wanted(name) {
                actors.push(Actor { name, seed, on });
            }
        }
        if wanted("outside") {
            let pes = functions.iter().map(|function| pe(guest, function)).collect::<Fallible<_>>()?;
            let fenced = FENCED.iter().filter_map(|address| domain(address)).collect();
            outside = Some(Script { rng, pes, fenced });
        }
        if weather.plant == Some(Plant::Stuck) {
            actors.push(Actor { name: "stuck", seed: 0, on: Vec::new() });
        }
        Ok(Self { actors, outside, functions })
    }

    /// Lets those in the guest begin.
    pub(super) fn start(&self, guest: &mut Guest) -> Fallible<()> {
        for Actor { name, seed, on } in &self.actors {
            guest.must(&format!("start {name} {seed} {}", on.join(" ")), LONG)?;
        }
        Ok(())
    }

    /// What the actor outside does.
    pub(super) fn outside(&self) -> Option<Script> {
        self.outside.clone()
    }

    /// The functions that must be there afterwards.
    pub(super) fn functions(&self) -> &'static [Function] {
        self.functions
    }

    /// Each function with its driver, as the guest's scripts take them.
    pub(super) fn bound(&self) -> String {
        bound(self.functions.iter()).join(" ")
    }
}

fn bound<'f>(functions: impl Iterator<Item = &'f Function>) -> Vec<String> {
    functions.map(|function| format!("{}={}", function.address, function.driver)).collect()
}

/// Each actor's name and what it acts on. Nobody removes or unbinds a physical function whose `sriov_numvfs` is
/// written: the PCI core's two locks are taken in either order there.
fn parts(
    functions: &'static [Function],
    virtuals: bool,
    driver_module: bool,
) -> Vec<(&'static str, Vec<String>)> {
    let all = || functions.iter().map(|function| function.address.to_owned());
    let moving = || functions.iter().filter(move |function| !(virtuals && function.address == PHYSICAL));
    let broken: Vec<String> =
        if virtuals { all().chain(VIRTUAL.map(str::to_owned)).collect() } else { all().collect() };
    let some = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let mut modules = bound(functions.iter().filter(|function| function.address == BORROWED));
    modules.extend(driver_module.then(|| "e1000e".to_owned()));
    let mut parts = vec![
        ("break", broken.clone()),
        ("force", broken),
        ("inject", all().collect()),
        ("fence", some(&FENCED)),
        ("leaf", moving().map(|function| function.address.to_owned()).collect()),
        ("switch", some(&BRIDGES)),
        ("bind", bound(moving())),
        ("module", modules),
        ("read", Vec::new()),
        ("disk", Vec::new()),
    ];
    parts.extend(virtuals.then(|| ("vfs", some(&[PHYSICAL]))));
    parts
}

/// Gives the actors that remove, unbind and unload what does not meet.
fn keep_apart(parts: &mut [(&'static str, Vec<String>)], functions: &'static [Function]) {
    let (removed, unbound, bridges) = APART;
    let some = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let unbound = bound(functions.iter().filter(|function| unbound.contains(&function.address)));
    for (name, on) in parts {
        match *name {
            "leaf" => *on = some(&removed),
            "switch" => *on = some(&bridges),
            "bind" | "module" => on.clone_from(&unbound),
            _ => {}
        }
    }
}

fn domain(address: &str) -> Option<u32> {
    u32::from_str_radix(address.split(':').next()?, 16).ok()
}

fn pe(guest: &mut Guest, function: &Function) -> Fallible<(u32, u32)> {
    let number = guest.must(&format!("pe {}", function.address), LONG)?;
    let domain = domain(function.address).ok_or("no domain")?;
    Ok((domain, u32::from_str_radix(number.trim(), 16)?))
}

/// Whether the kernel keeps a history, and counts as this project does.
pub(super) fn has_history(variant: Variant) -> bool {
    variant == Variant::Rust
}

#[cfg(test)]
mod tests {
    use super::{PHYSICAL, parts};
    use crate::kernel::machine::POWERNV;

    #[test]
    fn a_physical_function_whose_virtual_ones_come_and_go_stays() {
        for (name, on) in parts(&POWERNV, true, true) {
            let there = on.iter().any(|what| what.contains(PHYSICAL));
            assert_eq!(there, matches!(name, "break" | "force" | "inject" | "vfs"), "{name}");
        }
    }

    #[test]
    fn without_virtual_functions_everything_moves() {
        let parts = parts(&POWERNV, false, false);
        let of = |wanted| parts.iter().find(|(name, _)| *name == wanted).map(|(_, on)| on.len());
        assert_eq!((of("leaf"), of("bind"), of("vfs")), (Some(8), Some(8), None));
    }
}
