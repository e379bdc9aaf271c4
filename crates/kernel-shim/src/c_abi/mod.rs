// SPDX-License-Identifier: GPL-2.0-or-later
//! The functions that C calls: names, types, contexts and export classes of the C EEH.
//!
//! `linux/eeh-rs/eeh_glue.c` exports them to modules. Each one's type is compared with C's prototype
//! when this is compiled. Whatever C hands in as a PE or device is looked up; what is gone is
//! `-ENODEV`, or no failure from a check.
//!
//! | file     | what                                          | context                     |
//! |----------|-----------------------------------------------|-----------------------------|
//! | `check`  | detection, marks, accessors                   | any                         |
//! | `group`  | IOMMU groups, for VFIO                        | may sleep                   |
//! | `owner`  | pass-through, resets that somebody asks for   | may sleep, but for freezing |
//! | `boot`   | PHBs, devices of the device tree, the start   | may sleep                   |

mod boot;
mod check;
#[cfg(CONFIG_IOMMU_API)]
mod group;
mod owner;

/// Compares functions with the prototypes that C has of them.
macro_rules! like_c {
    ($($name:ident),* $(,)?) => {
        $(const _: () = {
            // Both have one type, or this does not compile.
            let _ = if true { crate::bindings::$name } else { $name };
        };)*
    };
}

use like_c;
