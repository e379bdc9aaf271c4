// SPDX-License-Identifier: GPL-2.0-or-later
//! `cargo xtask compile-fail`: programs that the compiler must refuse, and why.
//!
//! A case marks the lines that the compiler's errors point at: `//~ E0505` at the end of the line.
//! Error codes and lines are compared, never the compiler's prose. As a control, the case without
//! its marked lines must compile: then nothing else in it is wrong.

use core::time::Duration;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::context::{Context, Fallible};
use crate::process;
use crate::report::Findings;

/// An error's line and code.
type Diagnostic = (u64, String);

/// Runs all cases of `crates/*/tests/compile_fail/`.
pub(crate) fn run(ctx: &Context) -> Fallible<Findings> {
    let mut cases = ctx.files()?;
    cases.retain(|file| {
        file.parent().is_some_and(|dir| dir.ends_with("tests/compile_fail"))
            && file.extension().is_some_and(|ext| ext == "rs")
    });
    if cases.is_empty() {
        return Ok(Findings::not_run("there is no case"));
    }
    let mut findings = Findings::default();
    let mut built: Option<(String, Library)> = None;
    for case in cases {
        let package = ctx.member_of(&case).ok_or("a case outside of any package")?;
        if built.as_ref().is_none_or(|(name, _)| *name != package) {
            built = Some((package.clone(), Library::build(ctx, &package)?));
        }
        let Some((_, library)) = &built else { continue };
        let source = ctx.read(&case)?.ok_or("a case that is not UTF-8")?;
        match judge(ctx, library, &case, &source) {
            Ok(()) => findings.passed += 1,
            Err(error) => findings.failures.push(format!("{}: {error}", case.display())),
        }
    }
    Ok(findings)
}

fn judge(ctx: &Context, library: &Library, case: &Path, source: &str) -> Fallible<()> {
    let expected = marks(source);
    if expected.is_empty() {
        return Err("marks no line with `//~ CODE`".into());
    }
    let got = library.errors(ctx, &ctx.root.join(case))?;
    if got != expected {
        return Err(format!("expected {expected:?}, the compiler says {got:?}").into());
    }
    let control = ctx.target.join("compile-fail").join(case.file_name().unwrap_or_default());
    std::fs::write(&control, without_marked_lines(source))?;
    let left = library.errors(ctx, &control)?;
    if left.is_empty() { Ok(()) } else { Err(format!("wrong for another reason too: {left:?}").into()) }
}

/// Lines and codes that a case announces, sorted.
fn marks(source: &str) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for (number, line) in (1..).zip(source.lines()) {
        if let Some((_, codes)) = line.split_once("//~") {
            found.extend(codes.split_whitespace().map(|code| (number, code.to_owned())));
        }
    }
    found.sort();
    found
}

fn without_marked_lines(source: &str) -> String {
    source
        .lines()
        .map(|line| if line.contains("//~") { "\n".to_owned() } else { format!("{line}\n") })
        .collect()
}

/// A built library to compile cases against.
struct Library {
    crate_name: String,
    rlib: PathBuf,
    deps: PathBuf,
}

impl Library {
    fn build(ctx: &Context, package: &str) -> Fallible<Self> {
        let out = ctx.cargo().args(["build", "--quiet", "--message-format=json", "-p", package]).output()?;
        let rlib = String::from_utf8_lossy(&out.stdout)
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
            .filter(|message| message["reason"] == "compiler-artifact")
            .filter(|message| message["target"]["name"] == package.replace('-', "_"))
            .find_map(|message| {
                let files = message["filenames"].as_array()?;
                files.iter().filter_map(Value::as_str).find(|file| file.ends_with(".rlib")).map(PathBuf::from)
            })
            .ok_or_else(|| format!("cannot build {package}: {}", String::from_utf8_lossy(&out.stderr)))?;
        let deps = rlib.parent().map(|dir| dir.join("deps")).unwrap_or_default();
        std::fs::create_dir_all(ctx.target.join("compile-fail"))?;
        Ok(Self { crate_name: package.replace('-', "_"), rlib, deps })
    }

    /// The errors that the compiler reports in `source`, sorted.
    fn errors(&self, ctx: &Context, source: &Path) -> Fallible<Vec<Diagnostic>> {
        let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        let mut command = Command::new(rustc);
        command
            .current_dir(&ctx.root)
            .args([
                "--edition=2024",
                "--crate-type=lib",
                "--crate-name=case",
                "--emit=metadata",
                "--error-format=json",
            ])
            .arg("--extern")
            .arg(format!("{}={}", self.crate_name, self.rlib.display()))
            .arg("-L")
            .arg(format!("dependency={}", self.deps.display()))
            .arg("--out-dir")
            .arg(ctx.target.join("compile-fail"))
            .arg(source);
        let run = process::run(ctx, "compile-fail", &mut command, Duration::from_secs(120))?;
        let mut errors = Vec::new();
        for line in run.output.lines() {
            let Ok(message) = serde_json::from_str::<Value>(line) else { continue };
            let Some(code) = message["code"]["code"].as_str() else { continue };
            if message["level"] != "error" {
                continue;
            }
            let spans = message["spans"].as_array().map(Vec::as_slice).unwrap_or_default();
            let primary = spans.iter().find(|span| span["is_primary"] == true);
            let at = primary.and_then(|span| span["line_start"].as_u64()).unwrap_or(0);
            errors.push((at, code.to_owned()));
        }
        errors.sort();
        if errors.is_empty() && !run.ok() {
            return Err(format!("refused without an error code:\n{}", process::tail(&run.output, 10)).into());
        }
        Ok(errors)
    }
}

#[cfg(test)]
mod tests {
    use super::{marks, without_marked_lines};

    #[test]
    fn marks_carry_line_and_code() {
        assert_eq!(marks("a\nb //~ E0505\n"), [(2, "E0505".to_owned())]);
        assert!(marks("a // E0505").is_empty());
    }

    #[test]
    fn the_control_keeps_line_numbers() {
        assert_eq!(without_marked_lines("a\nb //~ E1\nc"), "a\n\nc\n");
    }
}
