// SPDX-License-Identifier: GPL-2.0-or-later
//! The output of `lspci -x`, `-xxx` or `-xxxx`, with or without `-v`.

mod line;
mod region;

use std::collections::HashMap;

use super::address::PciAddress;
use super::error::{LineError, lines, quote};
use line::{HEADER, HEX_LINE, Line};
pub(super) use region::Region;

/// The standard header: what a dump has at least.
const HEADER_LEN: usize = 64;

/// One function as dumped.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Dumped {
    pub(super) address: PciAddress,
    /// 64, 256 or 4096 bytes; zero beyond the end of the dump.
    pub(super) config: Vec<u8>,
    pub(super) regions: Vec<Region>,
    pub(super) driver: Option<String>,
}

/// A whole dump.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Dump {
    /// In the order of the input.
    pub(super) functions: Vec<Dumped>,
    /// Those whose configuration space read all ones in the vendor ID: gone, or a virtual function.
    pub(super) absent: Vec<PciAddress>,
    /// Those whose dump ends before the configuration space does, and where.
    pub(super) cut: Vec<(PciAddress, usize)>,
}

/// A function being read.
struct Block {
    line: usize,
    dumped: Dumped,
    /// The first and the last line of hex.
    hex_lines: (usize, usize),
}

/// Reads a dump.
pub(super) fn parse(bytes: &[u8]) -> Result<Dump, LineError> {
    let mut reader = Reader::default();
    let mut last = 1;
    let mut first_text = None;
    for (number, text) in lines(bytes) {
        last = number;
        match line::parse(number, &text)? {
            Line::Blank => reader.finish()?,
            Line::Header(address) => reader.header(number, address)?,
            Line::Hex { offset, bytes } => reader.hex(number, offset, &bytes)?,
            Line::Text(text) => {
                if first_text.is_none() {
                    first_text = Some((number, quote(text)));
                }
                reader.text(text);
            }
        }
    }
    reader.finish()?;
    if reader.seen.is_empty() {
        let (number, found) = first_text.unwrap_or((last, "the end of the file".into()));
        return Err(LineError::new(number, HEADER, found));
    }
    Ok(reader.dump)
}

#[derive(Default)]
struct Reader {
    dump: Dump,
    /// Where each function's block began.
    seen: HashMap<PciAddress, usize>,
    block: Option<Block>,
}

impl Reader {
    fn header(&mut self, line: usize, address: PciAddress) -> Result<(), LineError> {
        self.finish()?;
        if let Some(earlier) = self.seen.insert(address, line) {
            return Err(LineError::new(
                line,
                "each function once",
                format!("{address} again, which line {earlier} began"),
            ));
        }
        let dumped = Dumped { address, config: Vec::new(), regions: Vec::new(), driver: None };
        self.block = Some(Block { line, dumped, hex_lines: (line, line) });
        Ok(())
    }

    fn hex(&mut self, line: usize, offset: usize, bytes: &[u8]) -> Result<(), LineError> {
        let block =
            self.block.as_mut().ok_or_else(|| LineError::new(line, HEADER, "hex bytes of no function"))?;
        let config = &mut block.dumped.config;
        if config.is_empty() {
            block.hex_lines.0 = line;
        }
        block.hex_lines.1 = line;
        if offset != config.len() {
            let expected = format!("the bytes from offset {:02x} on", config.len());
            return Err(LineError::new(line, expected, format!("offset {offset:02x}")));
        }
        config.extend_from_slice(bytes);
        if config.len() > 4096 {
            return Err(LineError::new(line, "at most 4096 bytes", format!("{}", config.len())));
        }
        Ok(())
    }

    fn text(&mut self, text: &str) {
        let Some(block) = &mut self.block else { return };
        if let Some(region) = Region::parse(text) {
            block.dumped.regions.push(region);
        } else if let Some(driver) = text.strip_prefix("\tKernel driver in use: ") {
            block.dumped.driver = Some(driver.trim().to_owned()).filter(|driver| !driver.is_empty());
        }
    }

    /// Ends the function being read.
    fn finish(&mut self) -> Result<(), LineError> {
        let Some(Block { line, mut dumped, hex_lines }) = self.block.take() else { return Ok(()) };
        let address = dumped.address;
        let config = &mut dumped.config;
        let len = config.len();
        if len == 0 {
            let expected = format!("{HEX_LINE} (was lspci run with -x?)");
            return Err(LineError::new(line, expected, format!("none for {address}")));
        }
        if len < HEADER_LEN {
            let expected = format!("at least {HEADER_LEN} bytes of configuration space");
            return Err(LineError::new(hex_lines.1, expected, format!("{len} for {address}")));
        }
        if !len.is_multiple_of(4) {
            let expected = "whole groups of 4 bytes, as configuration space is read";
            return Err(LineError::new(hex_lines.1, expected, format!("{len} bytes for {address}")));
        }
        if config.starts_with(&[0xff, 0xff]) {
            self.dump.absent.push(address);
            return Ok(());
        }
        let header_type = config.get(0x0e).copied().unwrap_or(0) & 0x7f;
        if header_type > 2 {
            let expected = "header type 0, 1 or 2 at offset 0e";
            return Err(LineError::new(hex_lines.0, expected, format!("{header_type:02x} for {address}")));
        }
        let full = if len == HEADER_LEN {
            HEADER_LEN
        } else if len <= 256 {
            256
        } else {
            4096
        };
        if len != full {
            self.dump.cut.push((address, len));
            config.resize(full, 0);
        }
        self.dump.functions.push(dumped);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
