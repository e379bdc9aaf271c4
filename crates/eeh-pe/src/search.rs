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

/// The same in a table of at most 8 entries, written out: a compiler that looks at size would not.
#[inline]
pub(crate) fn last_in_row<T, const N: usize>(row: &[T; N], wanted: u64, key: impl Fn(&T) -> u64) -> usize {
    const { assert!(N.is_power_of_two() && N <= 8) };
    let step = |at: usize, step: usize| {
        let next = at | step;
        match row.get(next) {
            Some(entry) if step < N => core::hint::select_unpredictable(key(entry) <= wanted, next, at),
            Some(_) | None => at,
        }
    };
    step(step(step(0, 4), 2), 1)
}

#[cfg(test)]
mod tests {
    use super::{last_at_most, last_in_row};

    #[test]
    fn a_row_is_searched_as_any_table() {
        let row: [u64; 8] = core::array::from_fn(|n| 10 * u64::try_from(n).unwrap_or(0) + 7);
        let two = [7, 17];
        for wanted in 0..100 {
            assert_eq!(last_in_row(&row, wanted, |key| *key), last_at_most(&row, wanted, |key| *key));
            assert_eq!(last_in_row(&two, wanted, |key| *key), last_at_most(&two, wanted, |key| *key));
            assert_eq!(last_in_row(&[7], wanted, |key| *key), 0);
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
