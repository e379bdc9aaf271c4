// SPDX-License-Identifier: GPL-2.0-or-later
//! Short texts without allocation: names of drivers, location codes.

use core::fmt;

/// A text of at most `N` bytes of UTF-8; what does not fit is cut off at a character's boundary.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Text<const N: usize> {
    bytes: [u8; N],
    len: usize,
}

impl<const N: usize> Text<N> {
    /// The text of no length.
    pub const EMPTY: Self = Self { bytes: [0; N], len: 0 };

    /// The beginning of `text`.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let mut out = Self::EMPTY;
        let mut len = text.len().min(N);
        while !text.is_char_boundary(len) {
            len = len.saturating_sub(1);
        }
        for (to, from) in out.bytes.iter_mut().zip(text.bytes().take(len)) {
            *to = from;
        }
        out.len = len;
        out
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.bytes.get(..self.len).and_then(|b| core::str::from_utf8(b).ok()).unwrap_or("")
    }
}

impl<const N: usize> fmt::Display for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl<const N: usize> fmt::Debug for Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::Text;

    #[test]
    fn keeps_what_fits_and_cuts_at_a_character() {
        assert_eq!(Text::<8>::new("nvme").as_str(), "nvme");
        assert_eq!(Text::<4>::new("e1000e").as_str(), "e100");
        assert_eq!(Text::<4>::new("abcé").as_str(), "abc");
        assert_eq!(Text::<4>::new("").as_str(), "");
        assert_eq!(format!("{}", Text::<8>::new("igb")), "igb");
    }
}
