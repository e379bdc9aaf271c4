// SPDX-License-Identifier: GPL-2.0-or-later
//! Packages from Debian's archive without touching the system: private lists, private downloads, unpacked
//! with `dpkg-deb -x`. Needs no root.

use core::time::Duration;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::cache::{Cache, write_if_changed};
use crate::context::Fallible;
use crate::process;

const MIRROR: &str = "http://deb.debian.org/debian";
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";
const LIMIT: Duration = Duration::from_secs(1200);

/// One private apt configuration.
pub(crate) struct Archive<'a> {
    cache: &'a Cache,
    name: &'static str,
    offline: bool,
}

/// What makes one configuration different from another.
pub(crate) struct Sources<'a> {
    /// Directory below `apt/` in the cache.
    pub(crate) name: &'static str,
    /// Suites, each with whether it has deb-src lines too.
    pub(crate) suites: &'a [&'a str],
    /// Another architecture than this machine's; nothing counts as installed then.
    pub(crate) foreign: Option<&'a str>,
    /// Sources instead of packages.
    pub(crate) source: bool,
}

impl<'a> Archive<'a> {
    /// Writes the configuration; fetches lists only when something is asked of it.
    pub(crate) fn new(cache: &'a Cache, sources: &Sources<'_>, offline: bool) -> Fallible<Self> {
        let dir = cache.dir(Path::new("apt").join(sources.name))?;
        for sub in ["lists/partial", "cache/archives/partial", "state", "etc/apt.conf.d", "log"] {
            std::fs::create_dir_all(dir.join(sub))?;
        }
        let arch = sources.foreign.map_or_else(String::new, |arch| format!(" arch={arch}"));
        let kind = if sources.source { "deb-src" } else { "deb" };
        let lines: String = sources
            .suites
            .iter()
            .map(|suite| format!("{kind} [signed-by={KEYRING}{arch}] {MIRROR} {suite} main\n"))
            .collect();
        write_if_changed(&dir.join("sources.list"), lines.as_bytes())?;
        write_if_changed(&dir.join("apt.conf"), configuration(&dir, sources.foreign).as_bytes())?;
        if sources.foreign.is_some() && !dir.join("status").exists() {
            std::fs::write(dir.join("status"), "")?;
        }
        Ok(Self { cache, name: sources.name, offline })
    }

    fn dir(&self) -> PathBuf {
        self.cache.path(Path::new("apt").join(self.name))
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("APT_CONFIG", self.dir().join("apt.conf")).env("LC_ALL", "C");
        command
    }

    fn apt(&self, args: &[&str]) -> Fallible<String> {
        let log = self.cache.log(&format!("apt-{}-{}", self.name, args[0]))?;
        let run = process::run_to(&log, self.command("apt-get").args(args), LIMIT, &mut |_| ())?;
        if run.ok() {
            return Ok(run.output);
        }
        let line = run.output.lines().find(|line| line.starts_with("E:")).unwrap_or("failed").to_owned();
        Err(format!("apt-get {}: {line}; log {}", args.join(" "), log.display()).into())
    }

    /// Fetches the lists.
    pub(crate) fn update(&self) -> Fallible<()> {
        if self.offline {
            return Err(format!("{} is not in the cache, and --offline", self.name).into());
        }
        self.apt(&["update", "-qq"]).map(|_| ())
    }

    /// The versions of a package that the archive has, newest first.
    pub(crate) fn versions(&self, package: &str) -> Fallible<Vec<String>> {
        let out = self.command("apt-cache").args(["madison", package]).output()?;
        Ok(String::from_utf8_lossy(&out.stdout)
            .lines()
            .filter_map(|line| line.split('|').nth(1).map(|version| version.trim().to_owned()))
            .collect())
    }

    /// Downloads packages with all that they need and that this machine does not have. Answers the files.
    pub(crate) fn closure(&self, packages: &[&str], release: Option<&str>) -> Fallible<Vec<PathBuf>> {
        let mut args = vec!["install", "-y", "--download-only"];
        if let Some(release) = release {
            args.extend(["-t", release]);
        }
        args.extend(packages);
        self.apt(&args)?;
        let mut debs = Vec::new();
        for entry in std::fs::read_dir(self.dir().join("cache/archives"))? {
            let path = entry?.path();
            if path.extension().is_some_and(|ext| ext == "deb") {
                debs.push(path);
            }
        }
        debs.sort();
        Ok(debs)
    }

    /// The versions of a source package that the archive has.
    pub(crate) fn source_versions(&self, package: &str) -> Fallible<Vec<String>> {
        let out = self.command("apt-cache").args(["showsrc", package]).output()?;
        Ok(String::from_utf8_lossy(&out.stdout)
            .lines()
            .filter_map(|line| line.strip_prefix("Version: ").map(|version| version.trim().to_owned()))
            .collect())
    }

    /// Downloads the archive of a source package, `NAME=VERSION`, into `dir`. The mirror may still have it
    /// when the package's other files are gone, so what counts is the file, not apt's exit code.
    pub(crate) fn tarball(&self, wanted: &str, dir: &Path) -> Fallible<()> {
        let log = self.cache.log("apt-source")?;
        let mut command = self.command("apt-get");
        command.args(["source", "--download-only", "--tar-only", wanted]).current_dir(dir);
        process::run_to(&log, &mut command, LIMIT, &mut |_| ())?;
        Ok(())
    }

    /// Downloads one package of one version into `debs/`.
    pub(crate) fn download(&self, package: &str, version: &str) -> Fallible<PathBuf> {
        let dir = self.cache.dir("debs")?;
        let wanted = format!("{package}={version}");
        let log = self.cache.log(&format!("apt-{package}"))?;
        let mut command = self.command("apt-get");
        let run =
            process::run_to(&log, command.args(["download", &wanted]).current_dir(&dir), LIMIT, &mut |_| ())?;
        if !run.ok() {
            return Err(format!("apt-get download {wanted}: see {}", log.display()).into());
        }
        let file_version = version.replace(':', "%3a");
        let mut found = std::fs::read_dir(&dir)?.filter_map(|entry| entry.ok().map(|entry| entry.path()));
        found
            .find(|path| {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                name.starts_with(&format!("{package}_{file_version}_"))
            })
            .ok_or_else(|| format!("{wanted} was downloaded, and is not in {}", dir.display()).into())
    }
}

/// Unpacks a package.
pub(crate) fn unpack(deb: &Path, to: &Path) -> Fallible<()> {
    std::fs::create_dir_all(to)?;
    let out = Command::new("dpkg-deb").arg("-x").arg(deb).arg(to).output()?;
    if out.status.success() {
        Ok(())
    } else {
        Err(format!("dpkg-deb -x {}: {}", deb.display(), String::from_utf8_lossy(&out.stderr)).into())
    }
}

/// A mirror that stands still for a while is still Debian's: its signature is checked, its age is not.
fn configuration(dir: &Path, foreign: Option<&str>) -> String {
    let at = dir.display();
    let status = match foreign {
        Some(_) => format!("{at}/status"),
        None => "/var/lib/dpkg/status".to_owned(),
    };
    let architecture = foreign.map_or_else(String::new, |arch| {
        format!(
            "APT::Architecture \"{arch}\";\n#clear APT::Architectures;\nAPT::Architectures {{ \"{arch}\"; }};\n"
        )
    });
    format!(
        "Dir::Etc \"{at}/etc\";\nDir::Etc::SourceList \"{at}/sources.list\";\nDir::Etc::SourceParts \"/dev/null\";\n\
         Dir::Etc::Preferences \"/dev/null\";\nDir::Etc::PreferencesParts \"/dev/null\";\n\
         Dir::State \"{at}/state\";\nDir::State::Lists \"{at}/lists\";\nDir::State::status \"{status}\";\n\
         Dir::Cache \"{at}/cache\";\nDir::Log \"{at}/log\";\nAPT::Sandbox::User \"\";\nDebug::NoLocking \"1\";\n\
         Acquire::Languages \"none\";\nAcquire::Check-Valid-Until \"false\";\nAPT::Install-Recommends \"0\";\n#clear APT::Update::Post-Invoke;\n\
         #clear APT::Update::Post-Invoke-Success;\n#clear DPkg::Post-Invoke;\n{architecture}"
    )
}
