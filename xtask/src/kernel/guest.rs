// SPDX-License-Identifier: GPL-2.0-or-later
//! A guest under test: commands over its serial console, their output and exit code.

use core::time::Duration;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Instant;

use rexpect::ReadUntil;
use rexpect::error::Error;
use rexpect::session::StreamSession;

use super::machine::{Files, RESET_EVENT};
use super::unmixed::Unmixed;
use crate::context::Fallible;

/// How often the console is looked at anew while nothing comes.
const SLICE_MS: u64 = 1000;
const BOOT: Duration = Duration::from_secs(180);
/// What the console takes for the magic key; then the log level, tasks that are blocked, CPUs, locks held.
const LAST_WORDS: [&str; 4] = ["\u{f}7", "\u{f}w", "\u{f}l", "\u{f}d"];
/// How long a guest that does not answer may tell why.
const DYING: Duration = Duration::from_secs(20);

/// A running QEMU, with the loop of `kernel/initramfs/init` at the other end of its console.
pub(crate) struct Guest {
    child: Child,
    session: StreamSession<ChildStdin>,
    number: u32,
    transcript: String,
    /// Where this run keeps its files.
    pub(crate) files: Files,
}

/// What a command answered.
#[derive(Debug)]
pub(crate) struct Answer {
    /// Its exit code.
    pub(crate) status: i32,
    /// What it wrote to either stream.
    pub(crate) output: String,
}

impl Guest {
    /// Starts QEMU and waits for the guest's loop.
    pub(crate) fn boot(mut qemu: Command, files: Files) -> Fallible<Self> {
        let log = std::fs::File::create(files.dir.join("qemu.log"))?;
        let mut child = qemu.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log).spawn()?;
        let input = child.stdin.take().ok_or("no input of QEMU")?;
        let output = child.stdout.take().ok_or("no output of QEMU")?;
        let session = rexpect::spawn_stream(Unmixed::new(output), input, Some(SLICE_MS));
        let mut guest = Self { child, session, number: 0, transcript: String::new(), files };
        guest.expect("@@ready@@", BOOT).map_err(|error| format!("boot: {error}"))?;
        Ok(guest)
    }

    /// Runs one line of shell in the guest. An error is a guest that does not answer any more.
    pub(crate) fn run(&mut self, line: &str, limit: Duration) -> Fallible<Answer> {
        let answer = self.ask(line, limit)?;
        self.transcript += &format!("$ {line}\n{}\n= {}\n", answer.output, answer.status);
        Ok(answer)
    }

    /// The same, kept out of the transcript.
    pub(crate) fn ask(&mut self, line: &str, limit: Duration) -> Fallible<Answer> {
        self.number += 1;
        let number = self.number;
        self.session.send_line(&format!("{number} {line}"))?;
        self.expect(&format!("@@begin {number}@@"), limit)?;
        let output = self.expect(&format!("@@end {number} "), limit)?;
        let status = self.expect("@@", limit)?;
        let status = status.trim().parse().map_err(|_| format!("no exit code: {status:?}"))?;
        Ok(Answer { status, output: output.trim().to_owned() })
    }

    /// Runs a line at the end of which this kernel is no more, and another one has taken over.
    pub(crate) fn restarts(&mut self, line: &str, limit: Duration) -> Fallible<()> {
        self.transcript += &format!("$ {line}\n");
        self.number += 1;
        self.session.send_line(&format!("{} {line}", self.number))?;
        self.until("@@ready@@", &[], limit).map(drop)
    }

    /// Runs a line at the end of which the machine is off.
    pub(crate) fn ends(&mut self, line: &str, limit: Duration) -> Fallible<()> {
        self.transcript += &format!("$ {line}\n");
        self.number += 1;
        self.session.send_line(&format!("{} {line}", self.number))?;
        let started = Instant::now();
        while started.elapsed() < limit {
            if self.child.try_wait()?.is_some() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        self.last_words();
        Err(format!("the machine is not off after {} s", limit.as_secs()).into())
    }

    /// Runs a line that must answer 0; what it wrote.
    pub(crate) fn must(&mut self, line: &str, limit: Duration) -> Fallible<String> {
        let answer = self.run(line, limit)?;
        if answer.status == 0 {
            Ok(answer.output)
        } else {
            Err(format!("{line}: exit code {}: {}", answer.status, last_lines(&answer.output)).into())
        }
    }

    /// What was typed and answered since this was asked last.
    pub(crate) fn take_transcript(&mut self) -> String {
        core::mem::take(&mut self.transcript)
    }

    fn expect(&mut self, wanted: &str, limit: Duration) -> Fallible<String> {
        self.until(wanted, &["Kernel panic - not syncing"], limit)
    }

    /// What comes before `wanted`; an error when one of `fatal` comes first.
    fn until(&mut self, wanted: &str, fatal: &[&str], limit: Duration) -> Fallible<String> {
        let started = Instant::now();
        loop {
            let any = core::iter::once(&wanted).chain(fatal);
            let any = any.map(|text| ReadUntil::String((*text).to_owned())).collect();
            match self.session.exp_any(any) {
                Ok((before, found)) if found == wanted => return Ok(before),
                Ok((before, _)) => return Err(format!("the guest panicked: {}", last_lines(&before)).into()),
                Err(Error::Timeout { got, .. }) if started.elapsed() > limit => {
                    self.last_words();
                    let (waited, got) = (limit.as_secs(), last_lines(&got));
                    return Err(format!("the guest did not answer for {waited} s: {got}").into());
                }
                Err(Error::Timeout { .. }) => {}
                Err(error) => {
                    return Err(format!("the guest is gone: {}", first_line(&error.to_string())).into());
                }
            }
        }
    }

    /// Asks a guest that does not answer what it is at; the console's log has what it says.
    fn last_words(&mut self) {
        for keys in LAST_WORDS {
            if self.session.send(keys).and_then(|_| self.session.flush()).is_err() {
                return;
            }
        }
        let until = Instant::now() + DYING;
        while Instant::now() < until {
            if let Err(Error::EOF { .. }) = self.session.exp_string("@@never@@") {
                return;
            }
        }
    }

    /// How often QEMU's trace shows a reset of devices of this type so far.
    pub(crate) fn resets(&self, qemu_type: &str) -> usize {
        self.resets_of(&format!("({qemu_type})"))
    }

    /// How often it shows one of any device.
    pub(crate) fn all_resets(&self) -> usize {
        self.resets_of("(")
    }

    fn resets_of(&self, part: &str) -> usize {
        let trace = std::fs::read(&self.files.trace).unwrap_or_default();
        let trace = String::from_utf8_lossy(&trace);
        trace.lines().filter(|line| line.contains(RESET_EVENT) && line.contains(part)).count()
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        // Ours, and nothing of it is wanted any more; it may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A line whose length [`seconds`] reads.
pub(crate) fn timed(line: &str) -> String {
    format!("start=$(now); {line}; echo $start $(now)")
}

/// What a [`timed`] line took; firmware writes to the console too.
pub(crate) fn seconds(said: &str) -> Option<f64> {
    said.lines().find_map(|line| {
        let (start, end) = line.trim().split_once(' ')?;
        Some(end.parse::<f64>().ok()? - start.parse::<f64>().ok()?)
    })
}

fn last_lines(text: &str) -> String {
    crate::process::tail(text.trim(), 12)
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}
