// SPDX-License-Identifier: GPL-2.0-or-later
//! Broken twins: one line of a shipping function, replaced in builds that must fail.

/// The shipping expression; under the switch the broken one in its place. The
/// model or test that names the mutant in its header must then die with the message given there.
macro_rules! mutant {
    (eeh_mutant = $name:tt, $shipping:expr, $broken:expr $(,)?) => {{
        #[cfg(not(eeh_mutant = $name))]
        let value = $shipping;
        #[cfg(eeh_mutant = $name)]
        let value = $broken;
        value
    }};
}
pub(crate) use mutant;
