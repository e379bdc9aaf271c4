// SPDX-License-Identifier: GPL-2.0-or-later
//! A handle is not made up from numbers.

use eeh_pe::{PeId, TreeId};

pub fn case(tree: TreeId) -> Option<PeId> {
    let _ = tree;
    return Some(PeId { tree, index: 0, generation: 1 }); //~ E0451
    None
}
