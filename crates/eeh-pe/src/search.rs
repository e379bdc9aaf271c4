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

#[cfg(test)]
mod tests {
    use super::last_at_most;

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
