// SPDX-License-Identifier: GPL-2.0-or-later
//! Programs that the machine must have, and the command that installs what it lacks.

use std::path::{Path, PathBuf};

use super::fetch::Missing;
use crate::context::Fallible;

/// LLVM versions that may build the kernel, the proved one first.
const LLVM: [&str; 4] = ["19", "20", "21", "22"];
/// A program, and the Debian package that has it.
const PROGRAMS: [(&str, &str); 12] = [
    ("make", "make"),
    ("gcc", "gcc"),
    ("flex", "flex"),
    ("bison", "bison"),
    ("bc", "bc"),
    ("perl", "perl"),
    ("python3", "python3"),
    ("tar", "tar"),
    ("xz", "xz-utils"),
    ("cpio", "cpio"),
    ("apt-get", "apt"),
    ("dpkg-deb", "dpkg"),
];
/// A header, and the Debian package that has it.
const HEADERS: [(&str, &str); 3] =
    [("gelf.h", "libelf-dev"), ("openssl/evp.h", "libssl-dev"), ("zlib.h", "zlib1g-dev")];

/// What was found.
pub(crate) struct Tools {
    /// For `make LLVM=`.
    pub(crate) llvm: String,
    /// Directory with libclang for bindgen.
    pub(crate) libclang: PathBuf,
}

impl Tools {
    /// Looks; an error names the command that installs what is missing.
    pub(crate) fn find() -> Fallible<Self> {
        let llvm = LLVM.into_iter().find(|version| has(&format!("clang-{version}"))).unwrap_or(LLVM[0]);
        let mut missing = Vec::new();
        for (program, package) in [("clang", "clang"), ("ld.lld", "lld"), ("llvm-ar", "llvm")] {
            if !has(&format!("{program}-{llvm}")) {
                missing.push(format!("{package}-{llvm}"));
            }
        }
        let libclang = PathBuf::from(format!("/usr/lib/llvm-{llvm}/lib"));
        if !libclang.join("libclang.so").exists() {
            missing.push(format!("libclang-{llvm}-dev"));
        }
        for (program, package) in PROGRAMS {
            if !has(program) {
                missing.push(package.to_owned());
            }
        }
        for (header, package) in HEADERS {
            let places =
                ["/usr/include", "/usr/include/x86_64-linux-gnu", "/usr/include/powerpc64le-linux-gnu"];
            if !places.iter().any(|place| Path::new(place).join(header).exists()) {
                missing.push(package.to_owned());
            }
        }
        if missing.is_empty() {
            return Ok(Self { llvm: format!("-{llvm}"), libclang });
        }
        Err(Missing(format!(
            "missing; run: apt-get update && apt-get install --no-install-recommends {}",
            missing.join(" ")
        ))
        .into())
    }
}

/// Whether a program is on the path.
pub(crate) fn has(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| dir.join(program).is_file())
}
