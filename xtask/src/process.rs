// SPDX-License-Identifier: GPL-2.0-or-later
//! Running commands: output into a log file, an end for those that hang.

use core::time::Duration;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::context::{Context, Fallible};

/// How a command ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum End {
    /// Exit code 0.
    Success,
    /// Another exit code, or a signal.
    Failure,
    /// Killed at its time limit.
    TimedOut,
}

/// A command that ran.
pub(crate) struct Run {
    /// How it ended.
    pub(crate) end: End,
    /// What it wrote to either stream.
    pub(crate) output: String,
    /// Where that is kept.
    pub(crate) log: PathBuf,
    /// How long it took.
    pub(crate) time: Duration,
}

impl Run {
    /// Whether it ended with exit code 0.
    pub(crate) fn ok(&self) -> bool {
        self.end == End::Success
    }
}

/// Runs `command` with no input, both streams in the log file `name`, at most `limit` long.
pub(crate) fn run(ctx: &Context, name: &str, command: &mut Command, limit: Duration) -> Fallible<Run> {
    let dir = ctx.target.join("xtask-logs");
    std::fs::create_dir_all(&dir)?;
    run_to(&dir.join(format!("{}.log", file_name(name))), command, limit, &mut |_| ())
}

/// Like [`run`], with the log file given, which `watch` may look at now and then.
pub(crate) fn run_to(
    log: &Path,
    command: &mut Command,
    limit: Duration,
    watch: &mut dyn FnMut(&Path),
) -> Fallible<Run> {
    let started = Instant::now();
    let end = wait(command, log, limit, watch)?;
    let output = String::from_utf8_lossy(&std::fs::read(log)?).into_owned();
    Ok(Run { end, output, log: log.to_path_buf(), time: started.elapsed() })
}

fn wait(command: &mut Command, log: &Path, limit: Duration, watch: &mut dyn FnMut(&Path)) -> Fallible<End> {
    let file = File::create(log)?;
    let mut child = command
        .stdin(Stdio::null())
        .stdout(file.try_clone()?)
        .stderr(file)
        .spawn()
        .map_err(|error| format!("{}: {error}", command.get_program().to_string_lossy()))?;
    let started = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(if status.success() { End::Success } else { End::Failure });
        }
        if started.elapsed() > limit {
            child.kill()?;
            child.wait()?;
            return Ok(End::TimedOut);
        }
        watch(log);
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// `name` with every character that a file name should not have replaced.
pub(crate) fn file_name(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' }).collect()
}

/// The last `lines` lines of `text`.
pub(crate) fn tail(text: &str, lines: usize) -> String {
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

/// Runs `work` on each item, `threads` at a time, and answers in the items' order.
pub(crate) fn parallel<T: Sync, R: Send>(
    items: &[T],
    threads: usize,
    work: impl Fn(&T) -> R + Sync,
) -> Vec<R> {
    let next = core::sync::atomic::AtomicUsize::new(0);
    let done = std::sync::Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..threads.clamp(1, items.len().max(1)) {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, core::sync::atomic::Ordering::Relaxed);
                    let Some(item) = items.get(at) else { return };
                    let result = work(item);
                    done.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push((at, result));
                }
            });
        }
    });
    let mut results = done.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    results.sort_by_key(|(at, _)| *at);
    results.into_iter().map(|(_, result)| result).collect()
}
