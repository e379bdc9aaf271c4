// SPDX-License-Identifier: GPL-2.0-or-later
//! The PHB's table of PE states: PEST A (MMIO frozen), PEST B (DMA stopped), and PEEV, the summary
//! that has a bit for each PE with either.

/// Which half of a PE's traffic.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stopped {
    /// Loads answer all ones, stores are dropped.
    pub mmio: bool,
    /// DMA and MSIs are refused.
    pub dma: bool,
}

impl Stopped {
    /// Nothing stopped.
    pub const NO: Self = Self { mmio: false, dma: false };
    /// A freeze as the hardware does it.
    pub const ALL: Self = Self { mmio: true, dma: true };

    /// Whether the PE is frozen in any way.
    #[must_use]
    pub const fn any(self) -> bool {
        self.mmio || self.dma
    }
}

/// The states of all PEs of one PHB.
#[derive(Clone, Debug)]
pub(crate) struct Pest {
    a: Box<[u64]>,
    b: Box<[u64]>,
    count: u32,
}

impl Pest {
    /// `count` healthy PEs.
    #[must_use]
    pub(crate) fn new(count: u32) -> Self {
        let words = (count as usize).div_ceil(64);
        Self { a: vec![0; words].into(), b: vec![0; words].into(), count }
    }

    /// How many PEs there are.
    #[must_use]
    pub(crate) const fn count(&self) -> u32 {
        self.count
    }

    /// A PE's state; a number out of range is healthy.
    #[must_use]
    pub(crate) fn get(&self, pe: u32) -> Stopped {
        let (word, bit) = Self::split(pe);
        let has = |t: &[u64]| t.get(word).is_some_and(|w| w & bit != 0);
        Stopped { mmio: has(&self.a), dma: has(&self.b) }
    }

    /// Stops what `stop` names. Answers whether the PE was healthy before.
    pub(crate) fn stop(&mut self, pe: u32, stop: Stopped) -> bool {
        let fresh = pe < self.count && !self.get(pe).any();
        self.change(pe, stop, |w, bit| *w |= bit);
        fresh
    }

    /// Releases what `release` names.
    pub(crate) fn release(&mut self, pe: u32, release: Stopped) {
        self.change(pe, release, |w, bit| *w &= !bit);
    }

    /// Releases everything.
    pub(crate) fn clear(&mut self) {
        self.a.fill(0);
        self.b.fill(0);
    }

    fn change(&mut self, pe: u32, which: Stopped, f: impl Fn(&mut u64, u64)) {
        if pe >= self.count {
            return;
        }
        let (word, bit) = Self::split(pe);
        if which.mmio {
            f(&mut self.a[word], bit);
        }
        if which.dma {
            f(&mut self.b[word], bit);
        }
    }

    /// The PEEV, 64 PEs a word, PE 0 in the most significant bit (IBM's bit 0).
    #[must_use]
    pub(crate) fn peev(&self, word: usize) -> u64 {
        self.a.get(word).copied().unwrap_or(0) | self.b.get(word).copied().unwrap_or(0)
    }

    /// How many words the PEEV has.
    #[must_use]
    pub(crate) fn words(&self) -> usize {
        self.a.len()
    }

    /// The frozen PEs, ascending.
    pub(crate) fn frozen(&self) -> impl Iterator<Item = u32> + '_ {
        (0..self.count).filter(|&pe| self.get(pe).any())
    }

    const fn split(pe: u32) -> (usize, u64) {
        ((pe / 64) as usize, 1 << (63 - pe % 64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_stop_and_release_by_themselves() {
        let mut p = Pest::new(512);
        assert!(p.stop(0x1fd, Stopped::ALL));
        assert!(!p.stop(0x1fd, Stopped::ALL), "the second freeze is no news");
        p.release(0x1fd, Stopped { mmio: true, dma: false });
        assert_eq!(p.get(0x1fd), Stopped { mmio: false, dma: true });
        assert_eq!(p.peev(7), 1 << 2);
        assert_eq!(p.frozen().collect::<Vec<_>>(), [0x1fd]);
        p.clear();
        assert_eq!(p.peev(7), 0);
    }

    #[test]
    fn a_pe_out_of_range_stays_healthy() {
        let mut p = Pest::new(256);
        assert!(!p.stop(256, Stopped::ALL));
        assert!(!p.get(256).any());
    }
}
