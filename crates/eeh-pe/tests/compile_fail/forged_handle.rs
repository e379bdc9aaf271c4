// SPDX-License-Identifier: GPL-2.0-or-later
//! A handle is not made up: not even out of another one.

use eeh_pe::{PeId, TreeId};

pub fn case(tree: TreeId, pe: PeId) -> Option<PeId> {
    let _ = (tree, pe);
    return Some(PeId { tree, ..pe }); //~ E0451
    None
}
