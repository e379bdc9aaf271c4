// SPDX-License-Identifier: GPL-2.0-or-later
//! The memory that EEH allocates for a machine, by the allocator's own tracepoints from the beginning of boot.

use core::time::Duration;
use std::collections::BTreeMap;

use super::{Bench, Entry};
use crate::context::Fallible;
use crate::kernel::Variant;
use crate::kernel::boot::Wanted;
use crate::kernel::machine::Machine;

const LONG: Duration = Duration::from_secs(240);
const APPEND: &str = "trace_event=kmem:kmalloc,kmem:kfree trace_buf_size=48M";
/// Prints the site and the size of what EEH allocated and did not free. A line of the trace is like
/// `kmalloc: call_site=eeh_dev_init+0x1/0x2 ptr=0001 bytes_req=1 bytes_alloc=8 ...`.
const LEFT: &str = "awk '
    { ptr = \"\"; for (i = 1; i <= NF; i++) { split($i, part, \"=\");
        if (part[1] == \"ptr\") ptr = part[2];
        if (part[1] == \"call_site\") site = part[2];
        if (part[1] == \"bytes_alloc\") bytes = part[2] } }
    / kmalloc: / { delete sizes[ptr]; if (site ~ SITES) { sizes[ptr] = bytes; sites[ptr] = site } }
    / kfree: / { delete sizes[ptr] }
    END { for (ptr in sizes) print sites[ptr], sizes[ptr] }' /sys/kernel/tracing/trace; \
    awk '$3 ~ SITES { print $3, $2 }' /proc/vmallocinfo";

/// Boots, and adds up what is left.
pub(super) fn measure(bench: &Bench) -> Fallible<Vec<Entry>> {
    let mut guest = bench.rig.guest("compare-memory", Machine::Powernv10, Wanted::plain(APPEND))?;
    // What describes a device in the device tree is allocated together with C's `eeh_dev`.
    let sites = match bench.variant {
        Variant::C => "^(eeh_|pnv_eeh_|pci_add_device_node_info)",
        // No other code of this kernel that allocates is Rust.
        Variant::Rust => "(eeh_|kernel_shim|rust_helper_|alloc.*realloc|pci_add_device_node_info)",
    };
    let left = LEFT.replace("SITES", &format!("/{sites}/")).replace('\n', " ");
    let counted =
        guest.must("echo 0 >/sys/kernel/tracing/tracing_on; ls /sys/bus/pci/devices | wc -l", LONG)?;
    let functions = counted.lines().find_map(|line| line.trim().parse::<f64>().ok());
    let functions = functions.ok_or("no count of functions")?;
    let listed = guest.must(&left, LONG)?;
    let mut by_site: BTreeMap<&str, (u32, u32)> = BTreeMap::new();
    for line in listed.lines() {
        let Some((site, bytes)) = line.rsplit_once(' ') else { continue };
        let (count, sum) = by_site.entry(site).or_default();
        *count += 1;
        *sum += bytes.trim().parse::<u32>()?;
    }
    for (site, (count, sum)) in &by_site {
        println!("         {sum:>8} bytes in {count:>3} allocations: {site}");
    }
    let all = f64::from(by_site.values().map(|(_, sum)| sum).sum::<u32>());
    Ok(vec![
        Entry::number(
            format!("memory allocated for a machine of {functions} functions and 6 PHBs: KB"),
            all / 1000.0,
            1,
        ),
        Entry::number("of it per function, its PE included: bytes", all / functions, 0),
    ])
}
