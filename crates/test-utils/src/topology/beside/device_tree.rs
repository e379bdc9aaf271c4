// SPDX-License-Identifier: GPL-2.0-or-later
//! `device-tree.dtb`, gzipped or not: what firmware says about PHBs and slots.

use std::io::Read as _;

use super::super::model::{PhbKind, WindowSpec};
use super::fdt::{self, Node};

/// What the tree says of one PHB.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Phb {
    pub(crate) number: u32,
    pub(crate) kind: Option<PhbKind>,
    pub(crate) pe_count: Option<u32>,
    pub(crate) windows: Vec<WindowSpec>,
    pub(crate) location: Option<String>,
    pub(crate) functions: Vec<Function>,
}

/// What it says of one function.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Function {
    /// Device and function number.
    pub(crate) devfn: u8,
    pub(crate) location: Option<String>,
    pub(crate) reset_by_firmware: bool,
    /// The functions below a bridge.
    pub(crate) children: Vec<Function>,
}

impl Phb {
    /// The function at the end of a path of device and function numbers that begins on the root bus.
    pub(crate) fn at(&self, path: &[u8]) -> Option<&Function> {
        let (first, rest) = path.split_first()?;
        let named =
            |functions: &'_ [Function], devfn: u8| functions.iter().position(|node| node.devfn == devfn);
        let mut node = self.functions.get(named(&self.functions, *first)?)?;
        for devfn in rest {
            node = node.children.get(named(&node.children, *devfn)?)?;
        }
        Some(node)
    }
}

/// The most that a device tree may hold when unpacked: 16 MiB.
const MOST: u64 = 16 << 20;

/// Reads the file; the error is what was found instead.
pub(crate) fn parse(bytes: &[u8]) -> Result<Vec<Phb>, String> {
    let mut unpacked = Vec::new();
    let blob = if bytes.starts_with(&[0x1f, 0x8b]) {
        let reader = flate2::read::GzDecoder::new(bytes);
        reader
            .take(MOST)
            .read_to_end(&mut unpacked)
            .map_err(|error| format!("gzip data that end in: {error}"))?;
        &unpacked
    } else {
        bytes
    };
    Ok(fdt::parse(blob)?.children.iter().filter_map(phb).collect())
}

fn phb(node: &Node<'_>) -> Option<Phb> {
    let number = *node.property("ibm,opal-phbid")?.last_chunk::<4>()?;
    Some(Phb {
        number: u32::from_be_bytes(number),
        kind: kind(node),
        pe_count: node
            .cells("ibm,opal-num-pes")
            .first()
            .copied()
            .filter(|count| (4..=0x1_0000).contains(count)),
        windows: windows(node),
        location: node.text("ibm,io-base-loc-code"),
        functions: node.children.iter().filter_map(function).collect(),
    })
}

/// `compatible` names the processor.
fn kind(node: &Node<'_>) -> Option<PhbKind> {
    let compatible = String::from_utf8_lossy(node.property("compatible")?);
    let kinds = [
        ("p7ioc", PhbKind::P7ioc),
        ("power8", PhbKind::Phb3),
        ("power9", PhbKind::Phb4),
        ("power10", PhbKind::Phb5),
    ];
    kinds.into_iter().find(|(name, _)| compatible.contains(name)).map(|(_, kind)| kind)
}

/// `ranges` (7 cells each: PCI address of 3, CPU address of 2, size of 2) and M64.
fn windows(node: &Node<'_>) -> Vec<WindowSpec> {
    const IO: u32 = 1;
    let mut windows = Vec::new();
    for range in node.cells("ranges").chunks_exact(7) {
        let [space, bus_hi, bus_lo, start_hi, start_lo, size_hi, size_lo] = *range else { continue };
        let pair = |hi: u32, lo: u32| u64::from(hi) << 32 | u64::from(lo);
        windows.push(WindowSpec {
            start: pair(start_hi, start_lo),
            size: pair(size_hi, size_lo),
            bus_start: pair(bus_hi, bus_lo),
            io: space >> 24 & 3 == IO,
            m64: false,
        });
    }
    if let [bus_hi, bus_lo, start_hi, start_lo, size_hi, size_lo] = *node.cells("ibm,opal-m64-window") {
        let pair = |hi: u32, lo: u32| u64::from(hi) << 32 | u64::from(lo);
        windows.push(WindowSpec {
            start: pair(start_hi, start_lo),
            size: pair(size_hi, size_lo),
            bus_start: pair(bus_hi, bus_lo),
            io: false,
            m64: true,
        });
    }
    windows.retain(|window| window.size != 0 && window.start.checked_add(window.size - 1).is_some());
    windows
}

/// A node with a `reg` is a function: the first cell is its place.
fn function(node: &Node<'_>) -> Option<Function> {
    let [_, _, devfn, _] = node.cells("reg").first()?.to_be_bytes();
    Some(Function {
        devfn,
        location: node.text("ibm,slot-location-code"),
        reset_by_firmware: node.property("ibm,reset-by-firmware").is_some(),
        children: node.children.iter().filter_map(function).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIXTURE: &[u8] =
        include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/powernv10/device-tree.dtb.gz"));

    #[test]
    fn the_fixture_tells_kind_pes_windows_and_slots() {
        let phbs = parse(FIXTURE).unwrap();
        assert_eq!(phbs.len(), 6);
        let phb = &phbs[2];
        assert_eq!((phb.number, phb.kind, phb.pe_count), (2, Some(PhbKind::Phb5), Some(256)));
        assert_eq!(phb.location, None);
        assert_eq!(phb.windows[0].start, 0x0006_00c1_0000_0000);
        assert_eq!(phb.windows[0].bus_start, 0x8000_0000);
        assert!(phb.windows[1].m64);
        let port = phb.at(&[0, 0, 0x08]).unwrap();
        assert_eq!(port.location.as_deref(), Some("sw0_down1"));
        assert!(port.reset_by_firmware);
        assert_eq!(phb.at(&[0, 0, 0x08, 0]).unwrap().location, None);
        assert_eq!(phb.at(&[1]), None);
        assert_eq!(phb.at(&[]), None);
    }

    #[test]
    fn damaged_trees_are_refused() {
        assert!(parse(b"").is_err());
        assert!(parse(b"no tree").is_err());
        assert!(parse(&FIXTURE[..1000]).is_err());
    }

    proptest::proptest! {
        /// The blob, unpacked and then changed in a few places.
        #[test]
        fn a_changed_tree_never_panics(changes in proptest::collection::vec((0_usize..60_000, proptest::num::u8::ANY), 1..8)) {
            let mut blob = Vec::new();
            flate2::read::GzDecoder::new(FIXTURE).read_to_end(&mut blob).unwrap();
            for (at, byte) in changes {
                if let Some(place) = blob.get_mut(at) {
                    *place = byte;
                }
            }
            let _ = parse(&blob);
        }
    }
}
