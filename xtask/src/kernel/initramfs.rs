// SPDX-License-Identifier: GPL-2.0-or-later
//! The guest's root: busybox, a few programs with their libraries, and the scripts of `kernel/initramfs`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use cpio::newc::{Builder, ModeFileType, trailer};
use flate2::Compression;
use flate2::write::GzEncoder;
use object::Endianness;
use object::elf::FileHeader64;
use object::read::elf::{Dyn, FileHeader};

use crate::context::{Context, Fallible};

/// Programs that the guest has besides busybox.
const PROGRAMS: [&str; 4] = ["usr/bin/lspci", "usr/bin/setpci", "sbin/kexec", "usr/sbin/errinjct"];
const LIBRARIES: [&str; 2] = ["lib/powerpc64le-linux-gnu", "usr/lib/powerpc64le-linux-gnu"];
const LOADER: &str = "lib64/ld64.so.2";

/// Packs the archive at `to`: path in the guest to file here, executable or not.
pub(crate) fn pack(
    ctx: &Context,
    userland: &Path,
    kernel: &Path,
    more: Vec<(String, PathBuf)>,
    to: &Path,
) -> Fallible<()> {
    let mut files: BTreeMap<String, PathBuf> = BTreeMap::new();
    files.insert("init".into(), ctx.root.join("kernel/initramfs/init"));
    for script in ["eeh.sh", "storm.sh"] {
        files.insert(format!("lib/{script}"), ctx.root.join("kernel/initramfs").join(script));
    }
    files.insert("bin/busybox".into(), userland.join("bin/busybox"));
    files.insert(LOADER.into(), found(userland, "ld64.so.2")?);
    for program in PROGRAMS {
        let name = Path::new(program).file_name().unwrap_or_default().to_string_lossy().into_owned();
        files.insert(format!("bin/{name}"), userland.join(program));
        libraries(userland, &userland.join(program), &mut files)?;
    }
    files.extend(more);
    let tests = kernel.join("tools/testing/selftests/powerpc/eeh");
    for name in ["eeh-basic.sh", "eeh-functions.sh"] {
        if tests.join(name).exists() {
            files.insert(format!("selftests/{name}"), tests.join(name));
        }
    }
    let out = GzEncoder::new(File::create(to)?, Compression::fast());
    write(out, &files)
}

/// Adds the shared libraries that an ELF file names, and those that they name.
fn libraries(userland: &Path, program: &Path, files: &mut BTreeMap<String, PathBuf>) -> Fallible<()> {
    for name in needed(&std::fs::read(program)?)? {
        let at = format!("lib/{name}");
        if name.starts_with("ld64.so") || files.contains_key(&at) {
            continue;
        }
        let library = found(userland, &name)?;
        files.insert(at, library.clone());
        libraries(userland, &library, files)?;
    }
    Ok(())
}

/// A library by its name. Links in a package may be absolute, and are followed inside the userland.
fn found(userland: &Path, name: &str) -> Fallible<PathBuf> {
    for dir in LIBRARIES {
        let path = userland.join(dir).join(name);
        if let Ok(target) = path.read_link() {
            let file = target.file_name().map(|file| userland.join(dir).join(file));
            return Ok(file.filter(|file| file.exists()).unwrap_or(path));
        }
        if path.exists() {
            return Ok(path);
        }
    }
    Err(format!("the guest's userland has no {name}").into())
}

/// The libraries that an ELF file names.
fn needed(data: &[u8]) -> Fallible<Vec<String>> {
    let header = FileHeader64::<Endianness>::parse(data)?;
    let endian = header.endian()?;
    let sections = header.sections(endian, data)?;
    let Some((entries, strings)) = sections.dynamic(endian, data)? else { return Ok(Vec::new()) };
    let strings = sections.strings(endian, data, strings)?;
    let mut names = Vec::new();
    for entry in entries {
        if entry.tag(endian) == object::elf::DT_NEEDED {
            names.push(String::from_utf8_lossy(entry.string(endian, strings)?).into_owned());
        }
    }
    Ok(names)
}

fn write(mut out: impl Write, files: &BTreeMap<String, PathBuf>) -> Fallible<()> {
    let mut dirs: Vec<String> = Vec::new();
    for name in files.keys() {
        let mut parent = Path::new(name).parent();
        while let Some(dir) = parent.filter(|dir| !dir.as_os_str().is_empty()) {
            dirs.push(dir.to_string_lossy().into_owned());
            parent = dir.parent();
        }
    }
    dirs.sort();
    dirs.dedup();
    for (at, dir) in dirs.iter().enumerate() {
        let entry = Builder::new(dir).ino(number(at)).mode(0o755).set_mode_file_type(ModeFileType::Directory);
        out = entry.write(out, 0).finish()?;
    }
    for (at, (name, path)) in files.iter().enumerate() {
        let data = std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
        let entry = Builder::new(name)
            .ino(number(dirs.len() + at))
            .mode(0o755)
            .set_mode_file_type(ModeFileType::Regular);
        let mut writer = entry.write(out, u32::try_from(data.len())?);
        writer.write_all(&data)?;
        out = writer.finish()?;
    }
    trailer(out)?.flush()?;
    Ok(())
}

fn number(at: usize) -> u32 {
    u32::try_from(at + 1).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::process::Command;

    use crate::context::Fallible;

    /// A name that is no function is found when a script is read, not when a case calls it.
    #[test]
    fn scripts_of_functions_say_nothing_when_they_are_read() -> Fallible<()> {
        for script in ["eeh.sh", "storm.sh"] {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../kernel/initramfs").join(script);
            let read = Command::new("sh").args(["-c", ". \"$0\""]).arg(path).output()?;
            let said = String::from_utf8_lossy(&read.stderr);
            assert!(read.status.success() && said.is_empty() && read.stdout.is_empty(), "{script}: {said}");
        }
        Ok(())
    }
}
