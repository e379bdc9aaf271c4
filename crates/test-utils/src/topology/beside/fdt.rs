// SPDX-License-Identifier: GPL-2.0-or-later
//! Flattened device trees (Devicetree Specification, chapter 5), read into nodes.
//!
//! Written out here since the maintained parsers either refuse skiboot's long node names or panic on
//! damaged input.

/// A node. Its name is not kept: the path is found by properties.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Node<'a> {
    properties: Vec<(&'a [u8], &'a [u8])>,
    pub(super) children: Vec<Node<'a>>,
}

impl<'a> Node<'a> {
    /// A property's value.
    pub(super) fn property(&self, name: &str) -> Option<&'a [u8]> {
        self.properties.iter().find(|(found, _)| *found == name.as_bytes()).map(|(_, value)| *value)
    }

    /// A property as 32-bit cells.
    pub(super) fn cells(&self, name: &str) -> Vec<u32> {
        let (cells, _) = self.property(name).unwrap_or_default().as_chunks::<4>();
        cells.iter().map(|cell| u32::from_be_bytes(*cell)).collect()
    }

    /// A property as a string.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        let text = terminated(self.property(name)?)?;
        Some(String::from_utf8_lossy(text).into_owned()).filter(|text| !text.is_empty())
    }
}

/// More levels than a tree has whose every bus number is a bridge's.
const DEEPEST: usize = 300;

/// Reads a tree; the error is what was found instead.
pub(super) fn parse(blob: &[u8]) -> Result<Node<'_>, String> {
    const MAGIC: u32 = 0xd00d_feed;
    match cell(blob, 0) {
        Some(MAGIC) => {}
        Some(other) => return Err(format!("data that begin with {other:08x} instead of {MAGIC:08x}")),
        None => return Err("less than a header".into()),
    }
    let from = |at: usize| usize::try_from(cell(blob, at)?).ok().and_then(|start| blob.get(start..));
    let (Some(body), Some(strings)) = (from(8), from(12)) else {
        return Err("offsets beyond the end".into());
    };
    Parser { body, strings, at: 0 }.tree()
}

struct Parser<'a> {
    body: &'a [u8],
    strings: &'a [u8],
    at: usize,
}

impl<'a> Parser<'a> {
    fn tree(mut self) -> Result<Node<'a>, String> {
        const BEGIN: u32 = 1;
        const END: u32 = 2;
        const PROPERTY: u32 = 3;
        const NOTHING: u32 = 4;
        let mut open: Vec<Node<'a>> = Vec::new();
        loop {
            let at = self.at;
            let wrong = |what: &str| format!("{what} at {at:#x} of the structure");
            match self.cell().ok_or_else(|| wrong("the end of the file"))? {
                BEGIN if open.len() < DEEPEST => {
                    let name = terminated(self.body.get(self.at..).unwrap_or_default());
                    self.skip(name.ok_or_else(|| wrong("a name without end"))?.len() + 1);
                    open.push(Node::default());
                }
                BEGIN => return Err(wrong("too many levels")),
                END => {
                    let node = open.pop().ok_or_else(|| wrong("an end without beginning"))?;
                    match open.last_mut() {
                        Some(parent) => parent.children.push(node),
                        None => return Ok(node),
                    }
                }
                PROPERTY => {
                    let property = self.property().ok_or_else(|| wrong("a property that is cut off"))?;
                    let node = open.last_mut().ok_or_else(|| wrong("a property of no node"))?;
                    node.properties.push(property);
                }
                NOTHING => {}
                other => return Err(wrong(&format!("token {other:x}"))),
            }
        }
    }

    fn property(&mut self) -> Option<(&'a [u8], &'a [u8])> {
        let len = usize::try_from(self.cell()?).ok()?;
        let name = usize::try_from(self.cell()?).ok()?;
        let value = self.body.get(self.at..)?.get(..len)?;
        self.skip(len);
        Some((terminated(self.strings.get(name..)?)?, value))
    }

    fn cell(&mut self) -> Option<u32> {
        let cell = cell(self.body, self.at)?;
        self.at += 4;
        Some(cell)
    }

    /// Passes over bytes that end at the next multiple of 4.
    fn skip(&mut self, len: usize) {
        self.at = (self.at + len).next_multiple_of(4);
    }
}

fn cell(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk::<4>().map(|cell| u32::from_be_bytes(*cell))
}

/// What comes before the first zero.
fn terminated(bytes: &[u8]) -> Option<&[u8]> {
    bytes.get(..bytes.iter().position(|byte| *byte == 0)?)
}
