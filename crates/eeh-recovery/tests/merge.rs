// SPDX-License-Identifier: GPL-2.0-or-later
//! Goal: what the drivers of a PE answer together depends on what they answer, not on their order, on how they are
//! grouped, or on how often one says the same.

// mutants: two_answers_weigh_the_same => "the order of drivers decides"

use eeh_recovery::ErsResult;
use proptest::prelude::*;
use proptest::sample::{Index, select};

fn any_answer() -> impl Strategy<Value = ErsResult> {
    select(ErsResult::ALL.to_vec())
}

fn merged(answers: &[ErsResult]) -> ErsResult {
    answers.iter().copied().fold(ErsResult::None, ErsResult::merge)
}

proptest! {
    #[test]
    fn order_does_not_matter(answers in prop::collection::vec(any_answer(), 0..20), seed in any::<u64>()) {
        let mut shuffled = answers.clone();
        // By a key that is different for each place.
        let mut keys = (0_u64..).map(|n| (n + 1).wrapping_mul(seed | 1).rotate_left(17));
        shuffled.sort_by_cached_key(|_| keys.next());
        prop_assert_eq!(merged(&answers), merged(&shuffled), "the order of drivers decides");
    }

    #[test]
    fn grouping_does_not_matter(answers in prop::collection::vec(any_answer(), 1..20), at in any::<Index>()) {
        let (some, others) = answers.split_at(at.index(answers.len()));
        prop_assert_eq!(merged(some).merge(merged(others)), merged(&answers), "the grouping of drivers decides");
    }

    /// Together they are one of the answers, and one more driver never makes the answer milder: whatever else is
    /// merged with both, the second one goes on to absorb the first.
    #[test]
    fn one_more_driver_outweighs_or_changes_nothing(
        answers in prop::collection::vec(any_answer(), 1..20),
        more in any_answer(),
    ) {
        let (before, after) = (merged(&answers), merged(&answers).merge(more));
        prop_assert!(answers.contains(&before), "nobody answered that");
        prop_assert!(after == before || after == more, "nobody answered that");
        prop_assert_eq!(after.merge(before), after, "one more driver made it milder");
        prop_assert_eq!(after.merge(after), after, "an answer given twice is another");
    }
}
