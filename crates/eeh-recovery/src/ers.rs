// SPDX-License-Identifier: GPL-2.0-or-later
//! What drivers answer, and how the answers of several become one.

use core::fmt;

/// A driver's answer to an error handler. C: `pci_ers_result_t`
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum ErsResult {
    /// No error handler said anything. C: `PCI_ERS_RESULT_NONE`
    None,
    /// C: `PCI_ERS_RESULT_CAN_RECOVER`
    CanRecover,
    /// C: `PCI_ERS_RESULT_NEED_RESET`
    NeedReset,
    /// C: `PCI_ERS_RESULT_DISCONNECT`
    Disconnect,
    /// C: `PCI_ERS_RESULT_RECOVERED`
    Recovered,
    /// C: `PCI_ERS_RESULT_NO_AER_DRIVER`
    NoAerDriver,
}

impl ErsResult {
    /// Every answer.
    pub const ALL: [Self; 6] =
        [Self::None, Self::CanRecover, Self::NeedReset, Self::Disconnect, Self::Recovered, Self::NoAerDriver];

    /// How much the answer outweighs others. C: `eeh_result_priority`
    const fn weight(self) -> u8 {
        match self {
            Self::None => 1,
            Self::NoAerDriver => 2,
            Self::Recovered => 3,
            Self::CanRecover => 4,
            Self::Disconnect => 5,
            Self::NeedReset if cfg!(eeh_mutant = "two_answers_weigh_the_same") => 5,
            Self::NeedReset => 6,
        }
    }

    /// The answer of two drivers together: the weightier one. Order and grouping do not matter.
    /// C: `pci_ers_merge_result`
    #[must_use]
    pub const fn merge(self, other: Self) -> Self {
        if other.weight() > self.weight() { other } else { self }
    }
}

/// The text Linux prints. C: `pci_ers_result_name`
impl ErsResult {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::CanRecover => "can recover",
            Self::NeedReset => "need reset",
            Self::Disconnect => "disconnect",
            Self::Recovered => "recovered",
            Self::NoAerDriver => "no AER driver",
        }
    }
}

impl fmt::Display for ErsResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::ErsResult::{self, *};

    #[test]
    fn merging_is_associative_and_commutative_with_none_as_neutral_element() {
        for a in ErsResult::ALL {
            assert_eq!(a.merge(None), a);
            assert_eq!(a.merge(a), a);
            for b in ErsResult::ALL {
                assert_eq!(a.merge(b), b.merge(a));
                for c in ErsResult::ALL {
                    assert_eq!(a.merge(b).merge(c), a.merge(b.merge(c)));
                }
            }
        }
    }

    #[test]
    fn merging_is_monotone_and_answers_one_of_the_two() {
        for a in ErsResult::ALL {
            for b in ErsResult::ALL {
                let m = a.merge(b);
                assert!(m == a || m == b);
                assert!(m.weight() >= a.weight() && m.weight() >= b.weight());
            }
        }
    }

    #[test]
    fn a_reset_outweighs_a_disconnect_as_in_linux() {
        let order = [None, NoAerDriver, Recovered, CanRecover, Disconnect, NeedReset];
        for w in order.windows(2) {
            assert_eq!(w[0].merge(w[1]), w[1]);
        }
    }
}
