// SPDX-License-Identifier: GPL-2.0-or-later
//! The actor outside the guest: freezes and fences by QEMU's monitor, which the kernel learns of by firmware's
//! event, or by the next read of all ones.

use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng;
use serde_json::json;

use super::actors::Script;
use crate::context::Fallible;
use crate::kernel::qmp::Monitor;

/// Of so many errors, one is a fence.
const FENCES: u32 = 8;
/// Milliseconds between two, at least and beyond that.
const PAUSE: (u32, u32) = (800, 4000);

/// Kinds of steps, done and refused.
type Counts = BTreeMap<String, (u64, u64)>;
/// Why it ended before its time.
type Ended = Result<Counts, String>;

/// The actor, in a thread of its own.
pub(super) struct Outside {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Ended>>,
}

impl Outside {
    /// Nobody.
    pub(super) fn none() -> Self {
        Self { stop: Arc::default(), thread: None }
    }

    /// Begins, if there is a script.
    pub(super) fn start(socket: &Path, script: Option<Script>) -> Fallible<Self> {
        let Some(script) = script else { return Ok(Self::none()) };
        let mut monitor = Monitor::connect(socket)?;
        let phbs = phbs(&mut monitor)?;
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            act(&mut monitor, &phbs, script, &told).map_err(|error| error.to_string())
        });
        Ok(Self { stop, thread: Some(thread) })
    }

    /// Ends; what was done.
    pub(super) fn stop(mut self) -> Fallible<Counts> {
        self.stop.store(true, Ordering::Relaxed);
        let Some(thread) = self.thread.take() else { return Ok(Counts::new()) };
        let ended = thread.join().map_err(|_| "the actor outside panicked")?;
        Ok(ended?)
    }
}

impl Drop for Outside {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// The PHBs' objects by their number.
fn phbs(monitor: &mut Monitor) -> Fallible<BTreeMap<u32, String>> {
    let mut found = BTreeMap::new();
    for chip in monitor.children("/machine", "chip[")? {
        for pec in monitor.children(&chip, "pec[")? {
            for phb in monitor.children(&pec, "phb[")? {
                let path = format!("{phb}/phb-backend");
                let question = json!({ "path": path, "property": "index" });
                let number = monitor.ask("qom-get", question)?;
                let number = number.as_u64().ok_or("a PHB without number")?;
                found.insert(u32::try_from(number)?, path);
            }
        }
    }
    if found.is_empty() { Err("QEMU has no PHBs".into()) } else { Ok(found) }
}

fn below(rng: &mut ChaCha8Rng, limit: usize) -> usize {
    let limit = u32::try_from(limit).unwrap_or(u32::MAX).max(1);
    usize::try_from(rng.next_u32() % limit).unwrap_or(0)
}

fn act(
    monitor: &mut Monitor,
    phbs: &BTreeMap<u32, String>,
    mut script: Script,
    stop: &AtomicBool,
) -> Fallible<Counts> {
    let mut counts = Counts::new();
    let rng = &mut script.rng;
    while !stop.load(Ordering::Relaxed) {
        let fence = rng.next_u32().is_multiple_of(FENCES);
        let (domain, pe) = script.pes[below(rng, script.pes.len())];
        let domain = if fence { script.fenced[below(rng, script.fenced.len())] } else { domain };
        let path = phbs.get(&domain).ok_or_else(|| format!("QEMU has no PHB {domain}"))?;
        let (kind, property, value) =
            if fence { ("fence", "x-eeh-fence", json!(true)) } else { ("freeze", "x-eeh-freeze", json!(pe)) };
        monitor.set(path, property, value)?;
        counts.entry(format!("outside.{kind}")).or_default().0 += 1;
        let pause = PAUSE.0 + rng.next_u32() % PAUSE.1;
        std::thread::sleep(Duration::from_millis(pause.into()));
    }
    Ok(counts)
}
