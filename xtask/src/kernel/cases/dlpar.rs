// SPDX-License-Identifier: GPL-2.0-or-later
//! A PHB that the hypervisor takes and gives, on PAPR.

use super::hostile::no_other_complaints;
use super::one::works;
use super::{Fallible, Findings, Function, Guest, LONG, SOON, Setup, at, check, io};

/// The number of the PHB of `pseries` with the network card.
const NUMBER: u32 = 1;
const ADDRESS: &str = "0001:00:01.0";
/// The same function when the PHB is back: Linux never gives away the domain of a PHB that was there at boot
/// (with the C EEH neither), and that of each later one again.
const BACK: &str = "0003:00:01.0";
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

/// What allocates what Linux forgets then, as `but_dlpar` of the guest knows it.
const FORGETFUL: [&str; 4] = [
    "dlpar_configure_connector",
    "ddw_property_create",
    "__of_attach_node_sysfs",
    "pci_add_device_node_info",
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
    no_other_complaints(&mut findings, guest, "complaints_but_dlpar")?;
    Ok(findings)
}

/// The same at rest with `eeh=off`: what kmemleak finds is what the cases with EEH leave out, and nothing else.
pub(super) fn without_eeh(guest: &mut Guest, _setup: &Setup) -> Fallible<Findings> {
    let mut findings = Findings::default();
    let first = at(ADDRESS)?;
    let back = Function { address: BACK, ..*first };
    let bound = format!("wait_for 20 bound {BACK} {}", back.driver);
    let mut address = ADDRESS;
    for _ in MEANWHILE {
        let take = format!("remove {address}; wait_for 20 gone {address}; phb_remove {NUMBER}");
        check(&mut findings, guest, &take, LONG)?;
        address = BACK;
        check(&mut findings, guest, &format!("phb_add {NUMBER} && {bound}"), LONG)?;
        check(&mut findings, guest, &io(&back), LONG)?;
    }
    check(&mut findings, guest, "leaks_but but_dlpar", LONG)?;
    let counts: Vec<String> = FORGETFUL.iter().map(|name| format!("grep -c ' {name}+' $found; ")).collect();
    let counts = guest.must(&format!("found=/sys/kernel/debug/kmemleak; {}true", counts.concat()), SOON)?;
    let counts: Vec<&str> = counts.lines().map(str::trim).collect();
    findings.notes.push(format!("{} pieces by {}", counts.join(", "), FORGETFUL.join(", ")));
    // The filter leaves what it does not know.
    let planted = "printf 'unreferenced object 1\\n    dlpar_configure_connector+0x1/0x2\\nunreferenced object 2\\n    \
        dlpar_store+0x1/0x2\\n' | but_dlpar";
    let left = guest.must(planted, SOON)?;
    findings.check(left.contains("object 2") && !left.contains("object 1"), || {
        format!("the filter of kmemleak's report is not exact: {left}")
    });
    Ok(findings)
}
