// SPDX-License-Identifier: GPL-2.0-or-later
//! What must hold of a build's objects, without running them.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use super::fetch;
use super::tools::Tools;
use super::tree::PLACE;
use super::walk::Graph;
use crate::context::{Context, Fallible};
use crate::report::Findings;

/// Functions that any context calls, with interrupts off too. `eeh_pe_set_option` belongs here only when it
/// freezes; the other options sleep.
const ANY_CONTEXT: [&str; 8] = [
    "eeh_check_failure",
    "eeh_dev_check_failure",
    "eeh_pe_mark_isolated",
    "eeh_pe_state_mark",
    "eeh_dev_to_pe",
    "eeh_dev_mode",
    "eeh_pe_state_flags",
    "eeh_pe_addr",
];

/// What must not be reached from there: panics, allocation, sleep, mutexes, and what may do one of these.
const FORBIDDEN: [&str; 19] = [
    "core::panicking",
    "rust_begin_unwind",
    "kmalloc",
    "krealloc",
    "kvmalloc",
    "kvrealloc",
    "vmalloc",
    "vrealloc",
    "kmem_cache_alloc",
    "mutex_lock",
    "msleep",
    "usleep_range",
    "schedule",
    "wait_for_completion",
    "might_sleep",
    "down_read",
    "down_write",
    // The last reference frees the device.
    "pci_dev_put",
    "put_device",
];

/// Exported functions and data, and whether to GPL modules only.
const EXPORTS: [(&str, bool); 16] = [
    ("eeh_subsystem_flags", false),
    ("confirm_error_lock", true),
    ("eeh_check_failure", false),
    ("eeh_dev_check_failure", true),
    ("eeh_dev_open", true),
    ("eeh_dev_release", false),
    ("eeh_iommu_group_to_pe", true),
    ("eeh_pe_configure", true),
    ("eeh_pe_get_state", true),
    ("eeh_pe_inject_err", true),
    ("eeh_pe_mark_isolated", true),
    ("eeh_pe_reset", true),
    ("eeh_pe_set_option", true),
    ("eeh_pe_state_mark", true),
    ("eeh_unfreeze_pe", true),
    ("pseries_eeh_init_edev_recursive", true),
];

/// The glue has no logic, and so few lines.
const GLUE_LINES: usize = 400;

/// Looks at the objects of a built tree.
pub(crate) fn check(ctx: &Context, tree: &Path, findings: &mut Findings) -> Fallible<()> {
    let path = tree.join(PLACE).join("eeh_rs.o");
    let data = std::fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    walk(&data, findings)?;
    floating_point(&path, findings)?;
    exports(tree, findings)?;
    let glue = ctx.root.join("crates/kernel-shim/linux/eeh-rs/eeh_glue.c");
    let lines = std::fs::read_to_string(glue)?.lines().count();
    findings.check(lines <= GLUE_LINES, || format!("eeh_glue.c has {lines} lines, more than {GLUE_LINES}"));
    findings.notes.push(format!("eeh_glue.c: {lines} lines"));
    Ok(())
}

/// From the functions of any context nothing is reached that may panic, allocate or sleep.
fn walk(data: &[u8], findings: &mut Findings) -> Fallible<()> {
    let graph = Graph::new(data)?;
    let mut all = BTreeSet::new();
    for function in ANY_CONTEXT {
        findings.check(graph.has(function), || format!("the object has no {function}"));
        let reached = graph.reached(function);
        all.extend(reached.keys().cloned());
        let bad: Vec<String> = reached
            .iter()
            .filter(|(name, _)| FORBIDDEN.iter().any(|part| name.contains(part)))
            .map(|(name, way)| format!("{name} by way of {}", way.join(" > ")))
            .collect();
        findings.check(bad.is_empty(), || format!("{function} reaches {}", bad.join("; ")));
    }
    // What the walk does not follow it does not see: the least that a check needs is reached.
    findings.check(all.iter().any(|name| name.contains("opal_") || name.contains("spin")), || {
        format!("a check reaches neither firmware nor a lock, so the walk is of nothing: {all:?}")
    });
    findings.notes.push(format!("any context reaches {}", all.into_iter().collect::<Vec<_>>().join(", ")));
    Ok(())
}

/// Kernel code must not touch floating point or vector registers.
fn floating_point(object: &Path, findings: &mut Findings) -> Fallible<()> {
    let tools = Tools::find()?;
    let mut objdump = Command::new(format!("llvm-objdump{}", tools.llvm));
    let text = fetch::output(objdump.args(["-d", "--no-show-raw-insn"]).arg(object))?;
    let used: Vec<&str> = text
        .lines()
        .filter(|line| {
            let mut words = line.split_whitespace().skip(1);
            let mnemonic = words.next().unwrap_or_default();
            let fp = ["lfd", "stfd", "lfs", "stfs", "lxv", "stxv", "lvx", "stvx", "xxl", "fadd", "fmul"];
            fp.iter().any(|start| mnemonic.starts_with(start))
        })
        .collect();
    findings.check(used.is_empty(), || {
        format!("floating point or vectors: {}", used[..used.len().min(3)].join("; "))
    });
    findings.check(text.lines().count() > 1000, || "no code was disassembled".to_owned());
    Ok(())
}

/// Modules find what they found before, under the same terms.
fn exports(tree: &Path, findings: &mut Findings) -> Fallible<()> {
    let path = tree.join("vmlinux.symvers");
    let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let config = std::fs::read_to_string(tree.join(".config")).unwrap_or_default();
    let iommu = config.lines().any(|line| line == "CONFIG_IOMMU_API=y");
    // C has it under the same condition.
    let there = |&(name, _): &(&str, bool)| iommu || name != "eeh_iommu_group_to_pe";
    for (name, gpl) in EXPORTS.into_iter().filter(there) {
        let class = text
            .lines()
            .map(|line| line.split('\t').collect::<Vec<_>>())
            .find(|columns| columns.get(1) == Some(&name))
            .and_then(|columns| columns.get(3).copied());
        let wanted = if gpl { "EXPORT_SYMBOL_GPL" } else { "EXPORT_SYMBOL" };
        findings.check(class == Some(wanted), || {
            format!("{name}: {}, not {wanted}", class.unwrap_or("not exported"))
        });
    }
    Ok(())
}
