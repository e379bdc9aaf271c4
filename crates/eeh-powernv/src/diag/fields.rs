// SPDX-License-Identifier: GPL-2.0-or-later
//! Reading a structure field by field, and printing groups of fields.

use core::fmt;

use super::Line;

/// How one kind of data is read: its size, and its printer, which starts behind the header.
#[derive(Clone, Copy)]
pub(super) struct Layout {
    pub(super) size: usize,
    pub(super) print: fn(&mut Fields<'_>, &mut Line<'_>),
}

/// A cursor over big-endian fields at their natural alignment. Behind the end everything is zero.
pub(super) struct Fields<'a> {
    data: &'a [u8],
    position: usize,
}

impl<'a> Fields<'a> {
    pub(super) const fn new(data: &'a [u8]) -> Self {
        Self { data, position: 0 }
    }

    /// Bytes up to the next field.
    pub(super) const fn position(&self) -> usize {
        self.position
    }

    pub(super) fn words<const N: usize>(&mut self) -> [u32; N] {
        core::array::from_fn(|_| u32::from_be_bytes(self.take()))
    }

    pub(super) fn quads<const N: usize>(&mut self) -> [u64; N] {
        core::array::from_fn(|_| u64::from_be_bytes(self.take()))
    }

    pub(super) fn half(&mut self) -> u16 {
        u16::from_be_bytes(self.take())
    }

    pub(super) fn byte(&mut self) -> u8 {
        u8::from_be_bytes(self.take())
    }

    /// A cursor at the same place.
    pub(super) const fn here(&self) -> Self {
        Self { data: self.data, position: self.position }
    }

    /// Leaves `quads` 64 bit fields out.
    pub(super) const fn skip_quads(&mut self, quads: usize) {
        self.position = self.position.next_multiple_of(8).saturating_add(quads.saturating_mul(8));
    }

    fn take<const N: usize>(&mut self) -> [u8; N] {
        let start = self.position.checked_next_multiple_of(N).unwrap_or(self.position);
        self.position = start.saturating_add(N);
        let bytes = self.data.get(start..self.position);
        bytes.and_then(|bytes| bytes.try_into().ok()).unwrap_or([0; N])
    }
}

/// Whether a group of registers says anything.
pub(super) fn any<T: PartialEq + Default>(values: &[T]) -> bool {
    values.iter().any(|value| *value != T::default())
}

/// Registers side by side: eight digits each.
pub(super) struct Words<'a>(pub(super) &'a [u32]);

impl fmt::Display for Words<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().enumerate().try_for_each(|(nth, value)| {
            let space = if nth == 0 { "" } else { " " };
            write!(f, "{space}{value:08x}")
        })
    }
}

/// Registers side by side: sixteen digits each.
pub(super) struct Quads<'a>(pub(super) &'a [u64]);

impl fmt::Display for Quads<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().enumerate().try_for_each(|(nth, value)| {
            let space = if nth == 0 { "" } else { " " };
            write!(f, "{space}{value:016x}")
        })
    }
}

/// A line of 32 bit registers if any says something. `label` comes with its blanks.
pub(super) fn words(line: &mut Line<'_>, label: &str, values: &[u32]) {
    if any(values) {
        line(format_args!("{label}{}", Words(values)));
    }
}

/// A line of 64 bit registers if any says something.
pub(super) fn quads(line: &mut Line<'_>, label: &str, values: &[u64]) {
    if any(values) {
        line(format_args!("{label}{}", Quads(values)));
    }
}

/// A line of 64 bit registers if the first, a status, says something.
pub(super) fn status(line: &mut Line<'_>, label: &str, values: &[u64]) {
    if values.first().is_some_and(|status| *status != 0) {
        line(format_args!("{label}{}", Quads(values)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_aligned_to_their_own_size() {
        let data: std::vec::Vec<u8> = (0..32).collect();
        let mut fields = Fields::new(&data);
        assert_eq!(fields.byte(), 0);
        assert_eq!(fields.half(), 0x0203);
        assert_eq!(fields.byte(), 4);
        assert_eq!(fields.words(), [0x0809_0a0b]);
        assert_eq!(fields.quads(), [0x1011_1213_1415_1617]);
        fields.skip_quads(1);
        assert_eq!(fields.position(), 32);
        assert_eq!(fields.words(), [0, 0]);
    }
}
