// SPDX-License-Identifier: GPL-2.0-or-later
//! Broken twins: a shipping function with one line changed by `cfg(eeh_mutant = "NAME")`.
//!
//! The test that must notice says so in a line of its own file:
//! `// mutants: NAME => "message of the assertion that must fail"`.

use core::time::Duration;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::context::{Context, Fallible};
use crate::process::{self, End};

/// What looks at machine code, and promises like a test.
const BARRIERS: &str = "xtask/src/ppc64le";

/// A promise that a test makes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Mutant {
    /// Name of the switch.
    pub(crate) name: String,
    /// What the failing test must say.
    pub(crate) message: String,
    /// The file with the promise, relative to the root.
    pub(crate) file: PathBuf,
    /// The package that the file belongs to.
    pub(crate) package: String,
}

impl Mutant {
    /// The cfg that switches it on.
    pub(crate) fn cfg(&self) -> String {
        format!("eeh_mutant=\"{}\"", self.name)
    }

    /// Whether it shows in the barriers of ppc64le code.
    pub(crate) fn is_barrier(&self) -> bool {
        self.file.starts_with(BARRIERS)
    }

    /// Whether its test is a loom model.
    pub(crate) fn is_loom(&self) -> bool {
        is_model(&self.file)
    }
}

/// Whether `file` holds loom models.
pub(crate) fn is_model(file: &Path) -> bool {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with("loom_") && name.ends_with(".rs")
}

/// All promises of the workspace's crates.
pub(crate) fn promised(ctx: &Context) -> Fallible<Vec<Mutant>> {
    let mut found = Vec::new();
    for file in rust_files(ctx)? {
        let Some(text) = ctx.read(&file)? else { continue };
        for line in text.lines() {
            let comment = line.strip_prefix("//").map(|rest| rest.trim_start_matches('!').trim_start());
            let Some(promise) = comment.and_then(|text| text.strip_prefix("mutants:")) else { continue };
            let (name, message) = parse(promise)
                .ok_or_else(|| format!("{}: not `NAME => \"message\"`: {line}", file.display()))?;
            let package =
                ctx.member_of(&file).ok_or_else(|| format!("{}: belongs to no package", file.display()))?;
            found.push(Mutant { name, message, file: file.clone(), package });
        }
    }
    Ok(found)
}

fn parse(promise: &str) -> Option<(String, String)> {
    let (name, message) = promise.split_once("=>")?;
    let message = message.trim().strip_prefix('"')?.strip_suffix('"')?;
    let name = name.trim();
    let plain = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    (plain && !message.is_empty()).then(|| (name.to_owned(), message.to_owned()))
}

/// Names of the switches in the sources.
pub(crate) fn switches(ctx: &Context) -> Fallible<Vec<(String, PathBuf)>> {
    const MARK: &str = "eeh_mutant = \"";
    let mut found = Vec::new();
    for file in rust_files(ctx)? {
        let Some(text) = ctx.read(&file)? else { continue };
        for (at, _) in text.match_indices(MARK) {
            let rest = &text[at + MARK.len()..];
            if let Some((name, _)) = rest.split_once('"') {
                found.push((name.to_owned(), file.clone()));
            }
        }
    }
    found.sort();
    found.dedup();
    Ok(found)
}

fn rust_files(ctx: &Context) -> Fallible<Vec<PathBuf>> {
    let mut files = ctx.files()?;
    files.retain(|file| {
        (file.starts_with("crates") || file.starts_with(BARRIERS))
            && file.extension().is_some_and(|ext| ext == "rs")
    });
    Ok(files)
}

/// A built test program.
pub(crate) struct TestProgram {
    /// The program.
    pub(crate) path: PathBuf,
    /// Where cargo would run it.
    pub(crate) dir: PathBuf,
}

/// How tests are built.
pub(crate) struct Flavour<'a> {
    /// Below the target directory; `None` is that itself.
    pub(crate) target: Option<&'a str>,
    /// `--release`
    pub(crate) release: bool,
    /// `RUSTFLAGS`
    pub(crate) flags: &'a str,
    /// A cfg for the workspace's crates alone, like `eeh_mutant="NAME"`.
    pub(crate) cfg: Option<&'a str>,
}

/// Builds the test program that `file` of `package` is part of.
pub(crate) fn build(ctx: &Context, package: &str, file: &Path, how: &Flavour<'_>) -> Fallible<TestProgram> {
    let mut command = ctx.cargo();
    command.args(["test", "--no-run", "--quiet", "--message-format=json", "-p", package]);
    let stem = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let is_integration = file.parent().is_some_and(|dir| dir.ends_with("tests"));
    if is_integration {
        command.args(["--test", &stem]);
    } else {
        command.arg("--lib");
    }
    if how.release {
        command.arg("--release");
    }
    if let Some(dir) = how.target {
        command.arg("--target-dir").arg(ctx.target.join(dir));
    }
    if !how.flags.is_empty() {
        command.env("RUSTFLAGS", how.flags);
    }
    if let Some(cfg) = how.cfg {
        command.env("RUSTC_WORKSPACE_WRAPPER", wrapper(ctx, cfg)?);
    }
    let out = command.output()?;
    let program = String::from_utf8_lossy(&out.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| message["reason"] == "compiler-artifact" && message["profile"]["test"] == true)
        .find_map(|message| {
            let dir = Path::new(message["manifest_path"].as_str()?).parent()?.to_path_buf();
            Some(TestProgram { path: PathBuf::from(message["executable"].as_str()?), dir })
        });
    match program {
        Some(program) if out.status.success() => Ok(program),
        Some(_) | None => Err(format!(
            "cannot build {} of {package}:\n{}",
            file.display(),
            process::tail(&rendered(&out.stdout, &out.stderr), 40)
        )
        .into()),
    }
}

/// The compiler's messages as text.
fn rendered(stdout: &[u8], stderr: &[u8]) -> String {
    let mut text = String::new();
    for line in String::from_utf8_lossy(stdout).lines() {
        if let Ok(message) = serde_json::from_str::<Value>(line) {
            text.push_str(message["message"]["rendered"].as_str().unwrap_or_default());
        }
    }
    text.push_str(&String::from_utf8_lossy(stderr));
    text
}

/// A compiler that sets `cfg`, for workspace members only: cargo keeps what it builds apart by its
/// path, so dependencies are built once and every mutant's crates lie side by side.
fn wrapper(ctx: &Context, cfg: &str) -> Fallible<PathBuf> {
    let dir = ctx.target.join("mutants").join(process::file_name(cfg));
    std::fs::create_dir_all(&dir)?;
    let path = dir.join("rustc");
    let script = format!("#!/bin/sh\nexec \"$@\" --cfg '{cfg}'\n");
    if std::fs::read_to_string(&path).ok().as_deref() != Some(&script) {
        std::fs::write(&path, script)?;
        set_executable(&path)?;
    }
    Ok(path)
}

#[cfg(unix)]
fn set_executable(path: &Path) -> Fallible<()> {
    use std::os::unix::fs::PermissionsExt;
    Ok(std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))?)
}

#[cfg(not(unix))]
fn set_executable(_path: &Path) -> Fallible<()> {
    Err("mutants need a Unix shell".into())
}

/// Builds a mutant and runs its test: the error says how it survived.
pub(crate) fn kill(
    ctx: &Context,
    mutant: &Mutant,
    how: &Flavour<'_>,
    env: &[(&str, String)],
) -> Fallible<Duration> {
    const LIMIT: Duration = Duration::from_secs(300);
    let program = build(ctx, &mutant.package, &mutant.file, how)?;
    let mut command = Command::new(&program.path);
    command.current_dir(&program.dir).env("RUST_BACKTRACE", "0").envs(env.iter().map(|(k, v)| (k, v)));
    let stem = mutant.file.file_stem().unwrap_or_default().to_string_lossy();
    let run = process::run(ctx, &format!("mutant-{}-{stem}", mutant.name), &mut command, LIMIT)?;
    let noticed = run.output.contains(&mutant.message);
    match run.end {
        End::Failure if noticed => Ok(run.time),
        End::Success => {
            Err(format!("{}: SURVIVED: its test passes ({})", mutant.name, run.log.display()).into())
        }
        End::Failure => Err(format!(
            "{}: died of something else than \"{}\":\n{}",
            mutant.name,
            mutant.message,
            process::tail(&run.output, 20)
        )
        .into()),
        End::TimedOut => Err(format!("{}: hangs, which no assertion noticed", mutant.name).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn a_promise_needs_a_name_and_a_quoted_message() {
        assert_eq!(parse(" a_b => \"x y\""), Some(("a_b".into(), "x y".into())));
        assert_eq!(parse(" a-b => \"x\""), None);
        assert_eq!(parse(" a => x"), None);
        assert_eq!(parse(" a => \"\""), None);
    }
}
