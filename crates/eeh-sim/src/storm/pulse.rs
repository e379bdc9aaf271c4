// SPDX-License-Identifier: GPL-2.0-or-later
//! Who does what since when: how a storm finds out that it hangs.

use core::fmt;
use core::time::Duration;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// What one thread does.
#[derive(Debug)]
pub(super) struct Pulse {
    name: String,
    doing: Mutex<Option<(String, Instant)>>,
}

impl Pulse {
    /// It begins something that must end.
    pub(super) fn does(&self, what: impl fmt::Display) {
        *self.doing.lock().unwrap_or_else(PoisonError::into_inner) = Some((what.to_string(), Instant::now()));
    }

    /// It has nothing to do.
    pub(super) fn rests(&self) {
        *self.doing.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn look(&self) -> Option<(String, Duration)> {
        let doing = self.doing.lock().unwrap_or_else(PoisonError::into_inner);
        doing.as_ref().map(|(what, since)| (what.clone(), since.elapsed()))
    }
}

/// All threads.
#[derive(Debug, Default)]
pub(super) struct Pulses {
    all: Mutex<Vec<Arc<Pulse>>>,
}

impl Pulses {
    /// A new thread, at rest. It is forgotten when the thread has dropped it.
    pub(super) fn add(&self, name: String) -> Arc<Pulse> {
        let pulse = Arc::new(Pulse { name, doing: Mutex::default() });
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|pulse| Arc::strong_count(pulse) > 1);
        all.push(pulse.clone());
        pulse
    }

    /// The threads that have been at the same thing for longer than `limit`, longest first.
    pub(super) fn stuck(&self, limit: Duration) -> Vec<String> {
        let all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let mut stuck: Vec<_> = all
            .iter()
            .filter_map(|pulse| pulse.look().map(|(what, since)| (since, &pulse.name, what)))
            .filter(|(since, ..)| *since > limit)
            .collect();
        stuck.sort_by_key(|(since, ..)| core::cmp::Reverse(*since));
        stuck.iter().map(|(since, name, what)| format!("{name}: {what}, for {since:.1?}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_does_one_thing_for_too_long_is_named() {
        let pulses = Pulses::default();
        let (busy, idle) = (pulses.add("hotplug".to_owned()), pulses.add("reader".to_owned()));
        busy.does("removing 0002:03:00.0");
        idle.does("reading");
        idle.rests();
        let stuck = pulses.stuck(Duration::ZERO);
        assert_eq!(stuck.len(), 1, "{stuck:?}");
        assert!(stuck[0].starts_with("hotplug: removing 0002:03:00.0, for "), "{stuck:?}");
        assert!(pulses.stuck(Duration::from_secs(3600)).is_empty());
    }
}
