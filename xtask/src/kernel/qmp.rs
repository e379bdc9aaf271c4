// SPDX-License-Identifier: GPL-2.0-or-later
//! QEMU's machine protocol: a command, its answer.

use core::time::Duration;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use serde_json::{Value, json};

use crate::context::Fallible;

const LIMIT: Duration = Duration::from_secs(60);

/// A connection to QEMU's monitor.
pub(crate) struct Monitor {
    reader: BufReader<UnixStream>,
}

impl Monitor {
    /// Connects to the monitor's socket.
    pub(crate) fn connect(socket: &Path) -> Fallible<Self> {
        let stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(LIMIT))?;
        let mut monitor = Self { reader: BufReader::new(stream) };
        monitor.line()?;
        monitor.ask("qmp_capabilities", json!({}))?;
        Ok(monitor)
    }

    fn line(&mut self) -> Fallible<Value> {
        let mut line = String::new();
        if self.reader.read_line(&mut line)? == 0 {
            return Err("QEMU's monitor has gone".into());
        }
        Ok(serde_json::from_str(&line)?)
    }

    /// A command's answer; events in between are nobody's.
    pub(crate) fn ask(&mut self, command: &str, arguments: Value) -> Fallible<Value> {
        let line = json!({ "execute": command, "arguments": arguments }).to_string();
        writeln!(self.reader.get_mut(), "{line}")?;
        loop {
            let mut answer = self.line()?;
            if let Some(error) = answer.get("error") {
                return Err(format!("{command}: {error}").into());
            }
            if let Some(result) = answer.get_mut("return") {
                return Ok(result.take());
            }
        }
    }

    /// Sets a property of an object.
    pub(crate) fn set(&mut self, path: &str, property: &str, value: Value) -> Fallible<()> {
        self.ask("qom-set", json!({ "path": path, "property": property, "value": value })).map(drop)
    }

    /// The objects below one whose name begins so.
    pub(crate) fn children(&mut self, path: &str, prefix: &str) -> Fallible<Vec<String>> {
        let all = self.ask("qom-list", json!({ "path": path }))?;
        let names = all.as_array().into_iter().flatten().filter_map(|entry| entry["name"].as_str());
        Ok(names.filter(|name| name.starts_with(prefix)).map(|name| format!("{path}/{name}")).collect())
    }
}
