// SPDX-License-Identifier: GPL-2.0-or-later
//! The texts that Linux's files would have, by name.

use clap::ValueEnum;
use eeh_recovery::render::{AddressCache, HistoryReport, OrphanReport, Proc, TreeDump};
use serde::Deserialize;
use test_utils::linux::SimLinux;

/// A text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Text {
    /// /proc/powerpc/eeh: the counters
    Proc,
    /// eeh_address_cache: which device decodes which addresses
    Cache,
    /// The trees of PEs with flags and references
    Tree,
    /// What was removed and is still held
    Orphans,
    /// What became of each PE so far
    History,
}

/// Writes a text as of now.
pub(crate) fn write(text: Text, linux: &SimLinux) -> String {
    let registry = linux.registry();
    match text {
        Text::Proc => Proc { registry: Some(registry), enabled: true }.to_string(),
        Text::Cache => AddressCache(registry).to_string(),
        Text::Tree => TreeDump(registry).to_string(),
        Text::Orphans => OrphanReport { registry, now: linux.now() }.to_string(),
        Text::History => {
            HistoryReport { registry, next: |last| linux.watcher().history().after(last) }.to_string()
        }
    }
}
