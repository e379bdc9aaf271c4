// SPDX-License-Identifier: GPL-2.0-or-later
//! A PHB that the hypervisor takes and gives, on PAPR.

use super::hostile::no_other_complaints;
use super::one::works;
use super::{Fallible, Findings, Function, Guest, LONG, SOON, Setup, at, check};

/// The number of the PHB of `pseries` with the network card.
const NUMBER: u32 = 1;
const ADDRESS: &str = "0001:00:01.0";
/// The same function when the PHB is back: Linux never gives away the domain of a PHB that was there at boot
/// (with the C EEH neither), and that of each later one again.
const BACK: &str = "0002:00:01.0";
const OTHER: &str = "0000:00:01.0";

/// Of which function a PE recovers while the PHB goes, and for how many microseconds.
const MEANWHILE: [Option<(&str, u32)>; 6] = [
    None,
    Some((BACK, 0)),
    Some((BACK, 50_000)),
    Some((BACK, 400_000)),
    Some((OTHER, 50_000)),
    Some((OTHER, 400_000)),
];

/// A PHB goes and comes back by the kernel's files of DLPAR: at rest, while its PE recovers, and while another
/// PHB's does. Nothing of it is left while it is gone; back, its device works and recovers. With the C EEH it comes back once,
/// without a driver for its device, and cannot be taken again (EBUSY).
pub(super) fn phb(guest: &mut Guest, _setup: &Setup) -> Fallible<Findings> {
    let mut findings = Findings::default();
    let (first, other) = (at(ADDRESS)?, at(OTHER)?);
    let back = Function { address: BACK, ..*first };
    check(&mut findings, guest, "test -d /sys/bus/pci/slots/control", SOON)?;
    check(&mut findings, guest, "echo 50 >$eeh_debug/eeh_max_freezes", SOON)?;
    let mut address = ADDRESS;
    for meanwhile in MEANWHILE {
        let before = meanwhile.map_or(String::new(), |(of, us)| format!("recover {of}; usleep {us}; "));
        let take = format!("{before}remove {address}; wait_for 20 gone {address}; phb_remove {NUMBER}");
        check(&mut findings, guest, &take, LONG)?;
        let left = format!("! grep {address} $eeh_debug/eeh_pe_tree $eeh_debug/eeh_address_cache");
        check(&mut findings, guest, &left, SOON)?;
        let listed = format!("! grep '^PHB#{} ' $eeh_debug/eeh_pe_tree", &address[3..4]);
        check(&mut findings, guest, &listed, SOON)?;
        address = BACK;
        check(&mut findings, guest, &format!("phb_add {NUMBER} && wait_for 20 has_pe {address}"), LONG)?;
        works(&mut findings, guest, &back)?;
        check(&mut findings, guest, &format!("recovery {address} 60"), LONG)?;
        works(&mut findings, guest, &back)?;
        works(&mut findings, guest, other)?;
    }
    check(&mut findings, guest, "grep -q '^0 orphans$' $eeh_debug/eeh_pe_debug || fail orphans", SOON)?;
    no_other_complaints(&mut findings, guest)?;
    Ok(findings)
}
