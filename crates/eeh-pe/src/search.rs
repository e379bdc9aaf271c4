// SPDX-License-Identifier: GPL-2.0-or-later
//! Search in a sorted table: halved until few entries are left, then counted.
//!
//! No branch depends on what is found, and the loads at the end do not wait for each other.

/// Entries that are counted rather than halved again.
const FEW: usize = 8;

/// How many entries of `table`, sorted by `key`, have a key of at most `wanted`.
///
/// In a table that is being written the answer may be nonsense, but there is one: how many steps it
/// takes depends on the table's length alone.
#[inline]
pub(crate) fn rank<T>(table: &[T], wanted: u64, key: impl Fn(&T) -> u64) -> usize {
    let mut from: usize = 0;
    let mut len = table.len();
    while len > FEW {
        let half = len >> 1;
        let middle = from.wrapping_add(half);
        // The longer half's length for both: what it has too much of is above `wanted`.
        len = len.wrapping_sub(half);
        let Some(entry) = table.get(middle) else { break };
        from = core::hint::select_unpredictable(key(entry) <= wanted, middle, from);
    }
    let few = table.get(from..from.wrapping_add(len)).unwrap_or(&[]);
    few.iter().fold(from, |rank, entry| rank.wrapping_add(usize::from(key(entry) <= wanted)))
}

#[cfg(test)]
mod tests {
    use super::rank;

    #[test]
    fn the_rank_is_that_of_a_linear_search() {
        for len in 0..300_u64 {
            let table: std::vec::Vec<u64> = (0..len).map(|n| 10 * n).collect();
            for wanted in (0..10 * len + 15).step_by(5) {
                let linear = table.iter().filter(|key| **key <= wanted).count();
                assert_eq!(rank(&table, wanted, |key| *key), linear, "{wanted} in {len}");
            }
        }
    }

    #[test]
    fn an_unsorted_table_ends_the_search_too() {
        let table: std::vec::Vec<u64> =
            (0..1000_u64).map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15)).collect();
        assert!(rank(&table, u64::MAX >> 1, |key| *key) <= table.len());
    }
}
