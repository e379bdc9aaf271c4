// SPDX-License-Identifier: GPL-2.0-or-later
//! A guest's console without what firmware writes to it: whole lines, but in the midst of others.

use std::io::{self, Read};

/// How firmware's lines begin: seconds with nine digits behind the point, a level. The kernel's have six.
const BEGIN: &[u8] = b"[ 0.000000000,0]";

/// Where the text is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum At {
    Text,
    /// So many bytes of [`BEGIN`] have matched.
    Beginning(usize),
    Firmware,
}

/// Whoever reads what is left.
pub(crate) struct Unmixed<R> {
    inner: R,
    at: At,
    /// What may be the beginning of firmware's line.
    held: Vec<u8>,
    ready: Vec<u8>,
}

impl<R: Read> Unmixed<R> {
    pub(crate) fn new(inner: R) -> Self {
        Self { inner, at: At::Text, held: Vec::new(), ready: Vec::new() }
    }

    fn take(&mut self, byte: u8) {
        self.at = match self.at {
            At::Firmware if byte == b'\n' => At::Text,
            At::Firmware => At::Firmware,
            At::Text => self.begins(0, byte),
            At::Beginning(matched) => self.begins(matched, byte),
        };
    }

    /// One more byte, where so many have matched.
    fn begins(&mut self, matched: usize, byte: u8) -> At {
        let next = match (BEGIN[matched], byte) {
            // Any number of blanks and of digits.
            (b' ', b' ') => Some(matched),
            (b' ', b'0'..=b'9') => Some(matched + 2),
            (b'.', b'0'..=b'9') => Some(matched),
            (b'0', b'0'..=b'9') => Some(matched + 1),
            (wanted, got) if wanted == got => Some(matched + 1),
            _ => None,
        };
        match next {
            Some(next) if next == BEGIN.len() => {
                self.held.clear();
                At::Firmware
            }
            Some(next) => {
                self.held.push(byte);
                At::Beginning(next)
            }
            None => {
                self.ready.append(&mut self.held);
                if matched > 0 {
                    return self.begins(0, byte);
                }
                self.ready.push(byte);
                At::Text
            }
        }
    }
}

impl<R: Read> Read for Unmixed<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let mut buffer = [0; 4096];
        while self.ready.is_empty() {
            let count = self.inner.read(&mut buffer)?;
            if count == 0 {
                break;
            }
            buffer[..count].iter().for_each(|&byte| self.take(byte));
        }
        let count = to.len().min(self.ready.len());
        to[..count].copy_from_slice(&self.ready[..count]);
        self.ready.drain(..count);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::Unmixed;

    fn unmixed(text: &str) -> String {
        let mut left = String::new();
        assert!(Unmixed::new(text.as_bytes()).read_to_string(&mut left).is_ok());
        left
    }

    #[test]
    fn a_line_of_firmware_in_the_midst_of_another_is_left_out() {
        let text = "@@end 5[   53.027983940,3] PHB#0002[0:2]: sourceId = 00\r\n 0@@\n";
        assert_eq!(unmixed(text), "@@end 5 0@@\n");
        assert_eq!(unmixed("a[1053.027983940,3] x\n[   53.027983940,5] y\nb"), "ab");
    }

    #[test]
    fn everything_else_stays() {
        let text = "[   50.593504] WARNING: at x[1][ [[  12.5] [0:2]\n[a [ 1.123456789] b\n";
        assert_eq!(unmixed(text), text);
    }
}
