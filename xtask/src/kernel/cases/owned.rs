// SPDX-License-Identifier: GPL-2.0-or-later
//! Virtual functions, and devices that a user-space driver has.

use super::one::works;
use super::{Fallible, Findings, Guest, LONG, SOON, Setup, at, check};

/// Virtual functions have PEs of their own, recover alone and with their physical function.
pub(super) fn virtual_functions(guest: &mut Guest, _setup: &Setup) -> Fallible<Findings> {
    let physical = at("0003:01:00.0")?;
    let address = physical.address;
    let mut findings = Findings::default();
    check(
        &mut findings,
        guest,
        &format!("test -e $pci/{address}/sriov_numvfs || fail no sriov_numvfs"),
        SOON,
    )?;
    let on = guest.run(&format!("echo 2 >$pci/{address}/sriov_numvfs"), LONG)?;
    if on.status != 0 {
        let said = guest.must("dmesg | tail -n 3", SOON)?;
        return Ok(Findings::not_run(format!("the kernel switches none on: {} {said}", on.output)));
    }
    let all =
        guest.must(&format!("for f in $pci/{address}/virtfn*; do basename $(readlink $f); done"), SOON)?;
    let virtuals: Vec<&str> = all.split_whitespace().collect();
    findings.check(virtuals.len() == 2, || format!("two were asked for, there are {virtuals:?}"));
    for function in &virtuals {
        check(&mut findings, guest, &format!("wait_for 20 bound {function} igbvf"), SOON)?;
        check(&mut findings, guest, &format!("has_pe {function}"), SOON)?;
        let own = format!("[ $(pe {function}) != $(pe {address}) ] || fail {function} has no PE of its own");
        check(&mut findings, guest, &own, SOON)?;
    }
    for function in &virtuals {
        let before = guest.resets("igbvf");
        check(&mut findings, guest, &format!("recovery {function} 120"), LONG)?;
        check(&mut findings, guest, &format!("wait_for 20 bound {function} igbvf"), SOON)?;
        check(&mut findings, guest, &format!("wait_for 10 healthy {function}"), SOON)?;
        findings.check(guest.resets("igbvf") > before, || format!("QEMU did not reset {function}"));
        works(&mut findings, guest, physical)?;
    }
    check(&mut findings, guest, &format!("recovery {address} 120"), LONG)?;
    works(&mut findings, guest, physical)?;
    for function in &virtuals {
        check(&mut findings, guest, &format!("wait_for 20 bound {function} igbvf"), SOON)?;
        check(&mut findings, guest, &format!("wait_for 10 healthy {function}"), SOON)?;
    }
    // Its last reference goes after its pci_dn.
    check(&mut findings, guest, &format!("hold {}", virtuals.first().copied().unwrap_or_default()), SOON)?;
    check(&mut findings, guest, &format!("echo 0 >$pci/{address}/sriov_numvfs; hold none"), LONG)?;
    for function in &virtuals {
        check(&mut findings, guest, &format!("wait_for 20 gone {function}"), SOON)?;
        let left = format!("! grep {function} $eeh_debug/eeh_pe_tree $eeh_debug/eeh_address_cache");
        check(&mut findings, guest, &left, SOON)?;
    }
    works(&mut findings, guest, physical)?;
    Ok(findings)
}

/// What a user of VFIO is told, in this order.
const ANSWERS: [&str; 5] =
    ["viable: 1", "eeh offered: 1", "state: 0", "state in reset: 1", "state after reset: 0"];

/// A user-space driver opens a device, resets its PE by itself and gives it back.
pub(super) fn vfio(guest: &mut Guest, _setup: &Setup) -> Fallible<Findings> {
    let function = at("0005:01:00.0")?;
    let address = function.address;
    let mut findings = Findings::default();
    if guest.run("test -d /sys/module/vfio_iommu_spapr_tce", SOON)?.status != 0 {
        return Ok(Findings::not_run("the configuration has no VFIO_IOMMU_SPAPR_TCE"));
    }
    check(&mut findings, guest, "echo 50 >$eeh_debug/eeh_max_freezes", SOON)?;
    check(&mut findings, guest, &format!("give {address} vfio-pci"), LONG)?;
    let ask = format!("eeh_vfio $(basename $(readlink $pci/{address}/iommu_group)) {address}");
    let said = check(&mut findings, guest, &ask, LONG)?;
    for answer in ANSWERS {
        findings.check(said.lines().any(|line| line.trim() == answer), || {
            format!("not {answer:?} but {}", said.replace('\n', ", "))
        });
    }
    // While it is open, its PE is its owner's: no recovery of the kernel's.
    check(
        &mut findings,
        guest,
        &format!("mark owned; {ask} 8 >/tmp/vfio & sleep 4; recover {address}"),
        SOON,
    )?;
    check(
        &mut findings,
        guest,
        "wait; log_since owned | grep 'Recovering PHB#5' && fail recovered || true",
        LONG,
    )?;
    check(&mut findings, guest, &format!("give {address} {}", function.driver), SOON)?;
    works(&mut findings, guest, function)?;
    check(&mut findings, guest, &format!("recovery {address} 60"), LONG)?;
    works(&mut findings, guest, function)?;
    Ok(findings)
}
