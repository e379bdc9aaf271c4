// SPDX-License-Identifier: GPL-2.0-or-later
//! Reading a structure field by field, and printing groups of fields.

use core::fmt;

use super::Line;

/// How one kind of data is read, behind the header: lines of registers, then the PE state tables.
#[derive(Clone, Copy)]
pub(super) struct Layout {
    /// Bytes of all, header included.
    pub(super) size: usize,
    pub(super) groups: &'static [&'static [Group]],
    /// Entries of each PE state table.
    pub(super) pes: usize,
}

/// Registers that make one line.
pub(super) struct Group {
    /// What the line begins with, with its blanks.
    label: &'static str,
    kind: Kind,
    count: usize,
}

/// How wide registers are, and which of them decide whether there is a line: those that are not zero.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// 32 bits; any.
    Words,
    /// 64 bits; any.
    Quads,
    /// 64 bits; the first, a status.
    Status,
    /// 64 bits; the last, a status.
    StatusLast,
    /// 32 bits, and as many that are reserved; then 64 bits; any.
    Source,
}

impl Group {
    /// 32 bit registers, if any says something.
    pub(super) const fn words(label: &'static str, count: usize) -> Self {
        Self { label, kind: Kind::Words, count }
    }

    /// 64 bit registers, if any says something.
    pub(super) const fn quads(label: &'static str, count: usize) -> Self {
        Self { label, kind: Kind::Quads, count }
    }

    /// 64 bit registers, if the first, a status, says something.
    pub(super) const fn status(label: &'static str, count: usize) -> Self {
        Self { label, kind: Kind::Status, count }
    }

    /// 64 bit registers, if the last, a status, says something.
    pub(super) const fn status_last(label: &'static str, count: usize) -> Self {
        Self { label, kind: Kind::StatusLast, count }
    }

    /// The ID of a source, and 64 bit registers, if any says something.
    pub(super) const fn source(label: &'static str, count: usize) -> Self {
        Self { label, kind: Kind::Source, count }
    }

    /// Reads the registers, and prints the line.
    pub(super) fn print(&self, fields: &mut Fields<'_>, line: &mut Line<'_>) {
        let label = self.label;
        let source = if self.kind == Kind::Source {
            let source = fields.word();
            fields.word();
            source
        } else {
            0
        };
        let mut room = [0; LONGEST];
        let Some(values) = room.get_mut(..self.count) else { return };
        for value in &mut *values {
            *value = if self.kind == Kind::Words { u64::from(fields.word()) } else { fields.quad() };
        }
        let says = match self.kind {
            Kind::Words | Kind::Quads => any(values),
            Kind::Status => values.first().is_some_and(|status| *status != 0),
            Kind::StatusLast => values.last().is_some_and(|status| *status != 0),
            Kind::Source => source != 0 || any(values),
        };
        match self.kind {
            _ if !says => {}
            Kind::Words => line(format_args!("{label}{}", Hex { values, wide: false })),
            Kind::Quads | Kind::Status | Kind::StatusLast => line(format_args!("{label}{}", quads(values))),
            Kind::Source => line(format_args!("{label}{source:08x} {}", quads(values))),
        }
    }
}

/// Registers of the longest line.
const LONGEST: usize = 5;

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

    pub(super) fn word(&mut self) -> u32 {
        u32::from_be_bytes(self.take())
    }

    #[inline(never)]
    pub(super) fn quad(&mut self) -> u64 {
        u64::from_be_bytes(self.take())
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
fn any(values: &[u64]) -> bool {
    values.iter().any(|value| *value != 0)
}

/// Registers side by side.
struct Hex<'a> {
    values: &'a [u64],
    /// Sixteen digits each instead of eight.
    wide: bool,
}

/// 64 bit registers side by side: sixteen digits each.
const fn quads(values: &[u64]) -> Hex<'_> {
    Hex { values, wide: true }
}

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut space = "";
        for value in self.values {
            f.write_str(space)?;
            if self.wide { write!(f, "{value:016x}") } else { write!(f, "{value:08x}") }?;
            space = " ";
        }
        Ok(())
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
        assert_eq!(fields.word(), 0x0809_0a0b);
        assert_eq!(fields.quad(), 0x1011_1213_1415_1617);
        fields.skip_quads(1);
        assert_eq!(fields.position(), 32);
        assert_eq!([fields.word(), fields.word()], [0, 0]);
    }
}
