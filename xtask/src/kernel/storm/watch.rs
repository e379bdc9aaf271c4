// SPDX-License-Identifier: GPL-2.0-or-later
//! Looks at a storm while it lasts: progress, what the kernel says, and who does not come back.

use core::time::Duration;
use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::time::Instant;

use indicatif::{ProgressBar, ProgressStyle};

use super::judge::Record;
use super::{Fallible, Guest, LONG, say};

/// Between two looks.
const GLANCE: Duration = Duration::from_secs(5);
/// After which a step hangs. A disk's own timeout is 30 s, nvme's for a command of its own 60 s, and some steps take
/// several.
pub(super) const HANGS: Duration = Duration::from_secs(290);

/// What the guest says of its actors.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    /// Name and step of one that has been at it for too long.
    hangs: Option<String>,
    /// Actors that are at something.
    busy: usize,
    ended: usize,
}

/// What each actor is at, and since when it was seen at that.
type Steps = BTreeMap<String, (String, Instant)>;

/// Who looks.
pub(super) struct Watch {
    steps: Steps,
    started: Instant,
    minutes: u32,
    bar: ProgressBar,
    told: u64,
}

impl Watch {
    pub(super) fn new(minutes: u32) -> Self {
        let length = u64::from(minutes) * 60;
        let shown = std::io::stdout().is_terminal();
        let bar = if shown { ProgressBar::new(length) } else { ProgressBar::hidden() };
        if let Ok(style) = ProgressStyle::with_template("[{elapsed:>5}] {wide_bar} {msg}") {
            bar.set_style(style);
        }
        Self { steps: Steps::new(), started: Instant::now(), minutes, bar, told: 0 }
    }

    /// Until then, or until something hangs, which is named.
    pub(super) fn until(
        &mut self,
        guest: &mut Guest,
        until: Instant,
        record: &mut Record,
    ) -> Fallible<Option<String>> {
        while Instant::now() < until {
            std::thread::sleep(GLANCE.min(until.saturating_duration_since(Instant::now())));
            let seen = self.look(guest, record)?;
            self.tell(record);
            if seen.hangs.is_some() {
                return Ok(seen.hangs);
            }
        }
        Ok(None)
    }

    /// Until all actors have ended; who has not within the time is named.
    pub(super) fn ended(
        &mut self,
        guest: &mut Guest,
        limit: Duration,
        record: &mut Record,
    ) -> Fallible<Option<String>> {
        let until = Instant::now() + limit;
        loop {
            let seen = self.look(guest, record)?;
            if seen.busy == 0 {
                self.bar.finish_and_clear();
                return Ok(None);
            }
            if seen.hangs.is_some() {
                return Ok(seen.hangs);
            }
            if Instant::now() > until {
                return Ok(Some(format!("{} actors have not ended", seen.busy)));
            }
            std::thread::sleep(GLANCE);
        }
    }

    /// One look: what came into the log, and the actors.
    fn look(&mut self, guest: &mut Guest, record: &mut Record) -> Fallible<Seen> {
        let answer = guest.must("drain; look", LONG)?;
        Ok(parse(&answer, record, &mut self.steps, Instant::now()))
    }

    /// A bar on a terminal, else a line a minute.
    fn tell(&mut self, record: &Record) {
        let seconds = self.started.elapsed().as_secs();
        let done: u64 = record.counts.values().map(|(done, _)| done).sum();
        let complaints = record.complaints.len();
        let what = format!("{done} steps, {complaints} complaints");
        self.bar.set_position(seconds);
        self.bar.set_message(what.clone());
        if self.bar.is_hidden() && seconds / 60 > self.told {
            self.told = seconds / 60;
            say(self.started, &format!("minute {} of {}: {what}", self.told, self.minutes));
        }
    }
}

fn parse(text: &str, record: &mut Record, steps: &mut Steps, now: Instant) -> Seen {
    let mut seen = Seen::default();
    for line in text.lines() {
        // After an oops the kernel writes its log to the console too.
        record.complaints.extend(line.strip_prefix("complaint ").map(str::to_owned));
        let words: Vec<&str> = line.split_whitespace().collect();
        match words[..] {
            ["ended", _] => seen.ended += 1,
            ["at", _, name, ..] => {
                seen.busy += 1;
                let step = steps.entry(name.to_owned()).or_insert_with(|| (line.to_owned(), now));
                if step.0 != line {
                    *step = (line.to_owned(), now);
                }
                let age = now.saturating_duration_since(step.1);
                if age > HANGS && seen.hangs.is_none() {
                    let (age, what) = (age.as_secs(), words[3..].join(" "));
                    seen.hangs = Some(format!("{name} has been at this for {age} s: {what}"));
                }
            }
            ["count", name, done, refused] => {
                if let (Ok(done), Ok(refused)) = (done.parse(), refused.parse()) {
                    record.counts.insert(name.to_owned(), (done, refused));
                }
            }
            _ => {}
        }
    }
    seen
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::{HANGS, Record, Seen, Steps, parse};

    fn seen(text: &str, record: &mut Record) -> Seen {
        parse(text, record, &mut Steps::new(), Instant::now())
    }

    #[test]
    fn a_step_that_does_not_come_back_is_named() {
        let (mut record, mut steps, begun) = (Record::default(), Steps::new(), Instant::now());
        let late = begun + 2 * HANGS;
        let text = "at 3 read lspci\nat 7 leaf remove 0000:01:00.0\nended vfs";
        let first = parse(text, &mut record, &mut steps, begun);
        assert_eq!((first.hangs, first.busy, first.ended), (None, 2, 1));
        let second = parse("at 4 read lspci\nat 7 leaf remove 0000:01:00.0", &mut record, &mut steps, late);
        assert_eq!(second.hangs.as_deref(), Some("leaf has been at this for 580 s: remove 0000:01:00.0"));
        let third = parse("at 4 read lspci\nat 0 leaf rests", &mut record, &mut steps, late + HANGS);
        assert_eq!(third.hangs, None);
    }

    #[test]
    fn a_complaint_is_kept() {
        let mut record = Record::default();
        seen("complaint [    1.0] BUG: x\n[    1.1] something else", &mut record);
        assert_eq!(record.complaints, ["[    1.0] BUG: x"]);
    }

    #[test]
    fn steps_are_counted() {
        let mut record = Record::default();
        seen("count leaf.removal 12 3", &mut record);
        assert_eq!(record.counts["leaf.removal"], (12, 3));
    }
}
