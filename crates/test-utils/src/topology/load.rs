// SPDX-License-Identifier: GPL-2.0-or-later
//! Reading a machine from a file or a directory.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::assemble::{Inputs, assemble};
use super::beside::{address_cache, device_tree, dmesg, sysfs};
use super::error::{LineError, TopologyError};
use super::lspci;
use super::model::MachineSpec;

/// The names that a dump has in a directory, first choice first.
const DUMPS: [&str; 4] = ["lspci-nnvvxxxx.txt", "lspci-xxxx.txt", "lspci-x.txt", "lspci.txt"];
/// More than a dump of 10,000 functions with 4096 bytes each.
const MOST: u64 = 512 << 20;

/// Machines as they were dumped.
#[derive(Clone, Copy, Debug)]
pub struct Topology;

/// What may stand beside a dump, each as the bytes of its file. See [`Topology::load`].
#[derive(Clone, Copy, Default, Debug)]
pub struct Beside<'a> {
    /// PE numbers and drivers.
    pub sysfs: Option<&'a [u8]>,
    /// CPU addresses.
    pub address_cache: Option<&'a [u8]>,
    /// Windows, slots, numbers of PEs; gzipped or not.
    pub device_tree: Option<&'a [u8]>,
    /// Windows.
    pub boot_log: Option<&'a [u8]>,
}

impl Topology {
    /// Reads a machine.
    ///
    /// `path` is a file with the output of `lspci -x`, `-xxx` or `-xxxx` (with or without `-v`, with
    /// or without domains), or a directory that holds one as `lspci-nnvvxxxx.txt` or `lspci.txt`.
    /// Beside the dump may stand `sysfs-eeh.txt` (PE numbers, drivers), `eeh-address-cache.txt`
    /// (CPU addresses), `device-tree.dtb.gz` or `device-tree.dtb` (windows, slots, numbers of PEs)
    /// and `dmesg-boot.txt` (windows).
    ///
    /// # Errors
    ///
    /// When a file cannot be read or is not what its name says.
    pub fn load(path: impl AsRef<Path>) -> Result<MachineSpec, TopologyError> {
        let path = path.as_ref();
        let dump_path = if path.is_dir() { find_dump(path)? } else { path.to_owned() };
        let bytes = read(&dump_path)?;
        let dump = lspci::parse(&bytes).map_err(|error| error.in_file(&dump_path))?;
        drop(bytes);
        let beside = dump_path.parent().unwrap_or(Path::new(""));
        let sysfs_path = beside.join("sysfs-eeh.txt");
        let sysfs = parse_beside(&sysfs_path, sysfs::parse)?;
        let inputs = Inputs {
            dump,
            cache: parse_beside(&beside.join("eeh-address-cache.txt"), address_cache::parse)?,
            device_tree: read_device_tree(beside)?,
            log: parse_beside(&beside.join("dmesg-boot.txt"), |bytes| Ok(dmesg::parse(bytes)))?
                .unwrap_or_default(),
            sysfs,
        };
        assemble(inputs).map_err(|error| error.in_file(&sysfs_path))
    }

    /// Reads a machine from a dump alone; `name` is for messages.
    ///
    /// # Errors
    ///
    /// When the text is not a dump.
    pub fn parse(bytes: &[u8], name: &Path) -> Result<MachineSpec, TopologyError> {
        Self::parse_all(bytes, &Beside::default(), name)
    }

    /// Reads a machine from a dump and what stands beside it; `name` is for messages.
    ///
    /// # Errors
    ///
    /// When one of them is not what it should be.
    pub fn parse_all(dump: &[u8], beside: &Beside<'_>, name: &Path) -> Result<MachineSpec, TopologyError> {
        let wrong = |error: LineError| error.in_file(name);
        let inputs = Inputs {
            dump: lspci::parse(dump).map_err(wrong)?,
            cache: beside.address_cache.map(address_cache::parse).transpose().map_err(wrong)?,
            device_tree: beside
                .device_tree
                .map(device_tree::parse)
                .transpose()
                .map_err(|found| TopologyError::of_file(name, "a flattened device tree", found))?,
            log: beside.boot_log.map(dmesg::parse).unwrap_or_default(),
            sysfs: beside.sysfs.map(sysfs::parse).transpose().map_err(wrong)?,
        };
        assemble(inputs).map_err(wrong)
    }
}

fn find_dump(directory: &Path) -> Result<PathBuf, TopologyError> {
    let mut candidates = DUMPS.iter().map(|name| directory.join(name));
    candidates.find(|path| path.is_file()).ok_or_else(|| {
        let expected =
            format!("a file {} in the directory", DUMPS.map(|name| format!("`{name}`")).join(" or "));
        TopologyError::of_file(directory, expected, "none")
    })
}

fn read_device_tree(beside: &Path) -> Result<Option<Vec<device_tree::Phb>>, TopologyError> {
    for name in ["device-tree.dtb.gz", "device-tree.dtb"] {
        let path = beside.join(name);
        if path.is_file() {
            let wrong =
                |found| TopologyError::of_file(&path, "a flattened device tree, gzipped or not", found);
            return device_tree::parse(&read(&path)?).map(Some).map_err(wrong);
        }
    }
    Ok(None)
}

/// Reads a file that need not exist.
fn parse_beside<T>(
    path: &Path,
    parse: impl FnOnce(&[u8]) -> Result<T, LineError>,
) -> Result<Option<T>, TopologyError> {
    if !path.is_file() {
        return Ok(None);
    }
    parse(&read(path)?).map(Some).map_err(|error| error.in_file(path))
}

fn read(path: &Path) -> Result<Vec<u8>, TopologyError> {
    let unreadable =
        |error: std::io::Error| TopologyError::of_file(path, "a file that can be read", error.to_string());
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(MOST + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > MOST {
        return Err(TopologyError::of_file(path, format!("at most {} MiB", MOST >> 20), "more"));
    }
    Ok(bytes)
}
