// SPDX-License-Identifier: GPL-2.0-or-later
//! Search in a sorted table whose length is a power of two.
//!
//! No branch depends on what is found, and how many steps it takes on the length alone: for an
//! array the compiler writes them out.

/// The place of the last entry of `table`, sorted by `key`, whose key is at most `wanted`; 0 when
/// there is none.
///
/// In a table that is being written the answer may be nonsense, but it is a place of the table.
#[inline]
pub(crate) fn last_at_most<T>(table: &[T], wanted: u64, key: impl Fn(&T) -> u64) -> usize {
    let mut at: usize = 0;
    let mut step = table.len() >> 1;
    while step != 0 {
        let next = at | step;
        let Some(entry) = table.get(next) else { break };
        at = core::hint::select_unpredictable(key(entry) <= wanted, next, at);
        step >>= 1;
    }
    at
}

/// A sorted table as a pair of halves, each of which is a table again or one entry.
///
/// The halves are chosen by reference, so a step costs one load and one comparison, and what was found
/// needs no look-up. They are written out: a compiler that looks at size would not.
pub(crate) trait Sorted {
    /// An entry.
    type Item;
    /// Entries.
    const LEN: usize;

    /// A table of what `entry` makes.
    fn of(entry: impl Fn() -> Self::Item + Copy) -> Self;

    /// The first entry.
    fn first(&self) -> &Self::Item;

    /// The last entry whose key is at most `wanted`; the first one when there is none.
    ///
    /// In a table that is being written the answer may be nonsense, but it is an entry of the table.
    fn last_at_most(&self, wanted: u64, key: impl Fn(&Self::Item) -> u64 + Copy) -> &Self::Item;

    /// The entry with this number.
    fn nth(&self, nth: usize) -> Option<&Self::Item>;
}

impl<T: Sorted> Sorted for [T; 2] {
    type Item = T::Item;
    const LEN: usize = T::LEN.saturating_mul(2);

    fn of(entry: impl Fn() -> T::Item + Copy) -> Self {
        [T::of(entry), T::of(entry)]
    }

    #[inline(always)]
    fn first(&self) -> &T::Item {
        let [low, _] = self;
        low.first()
    }

    #[inline(always)]
    fn last_at_most(&self, wanted: u64, key: impl Fn(&T::Item) -> u64 + Copy) -> &T::Item {
        let [low, high] = self;
        let half = core::hint::select_unpredictable(key(high.first()) <= wanted, high, low);
        half.last_at_most(wanted, key)
    }

    fn nth(&self, nth: usize) -> Option<&T::Item> {
        let [low, high] = self;
        match nth.checked_sub(T::LEN) {
            None => low.nth(nth),
            Some(nth) => high.nth(nth),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Sorted, last_at_most};

    impl Sorted for u64 {
        type Item = Self;
        const LEN: usize = 1;

        fn of(entry: impl Fn() -> Self + Copy) -> Self {
            entry()
        }

        fn first(&self) -> &Self {
            self
        }

        fn last_at_most(&self, _: u64, _: impl Fn(&Self) -> u64 + Copy) -> &Self {
            self
        }

        fn nth(&self, nth: usize) -> Option<&Self> {
            (nth == 0).then_some(self)
        }
    }

    #[test]
    fn pairs_of_pairs_are_searched_as_any_table() {
        let pairs = [[[7, 17], [27, 37]], [[47, 57], [67, 77]]];
        let table: [u64; 8] = core::array::from_fn(|n| *pairs.nth(n).expect("8 entries"));
        assert_eq!(table, [7, 17, 27, 37, 47, 57, 67, 77]);
        assert_eq!(pairs.nth(8), None);
        assert_eq!(pairs.first(), &7);
        for wanted in 0..100 {
            let place = last_at_most(&table, wanted, |key| *key);
            assert_eq!(*pairs.last_at_most(wanted, |key| *key), table[place], "{wanted}");
        }
    }

    #[test]
    fn the_place_is_that_of_a_linear_search() {
        for len in [1, 2, 4, 64, 256_u64] {
            let table: std::vec::Vec<u64> = (0..len).map(|n| 10 * n + 7).collect();
            for wanted in 0..10 * len + 15 {
                let linear = table.iter().rposition(|key| *key <= wanted).unwrap_or(0);
                assert_eq!(last_at_most(&table, wanted, |key| *key), linear, "{wanted} in {len}");
            }
        }
    }

    #[test]
    fn an_unsorted_table_gives_a_place_too() {
        let table: std::vec::Vec<u64> =
            (0..1024_u64).map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15)).collect();
        assert!(last_at_most(&table, u64::MAX >> 1, |key| *key) < table.len());
        assert_eq!(last_at_most::<u64>(&[], 5, |key| *key), 0);
    }
}
