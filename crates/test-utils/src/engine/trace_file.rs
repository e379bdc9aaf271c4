// SPDX-License-Identifier: GPL-2.0-or-later
//! The trace file: JSON as Chrome's `about:tracing` and Perfetto read it.
//!
//! A PHB is a process; its worker, its firmware, each device and each driver is a thread of it.

use std::collections::BTreeMap;
use std::io::{self, Write};

use super::trace::{Mark, Track};
use serde_json::{Value, json};

/// The rows of a PHB, from above: worker, firmware, then each device with its driver below.
fn row(track: Track) -> (u32, u32, String) {
    match track {
        Track::Phb(phb) => (phb, 1, "recovery".to_owned()),
        Track::Firmware(phb) => (phb, 2, "firmware".to_owned()),
        Track::Device(phb, bdf) => (phb, 16 + 2 * u32::from(bdf.0), format!("device {bdf}")),
        Track::Driver(phb, bdf) => (phb, 17 + 2 * u32::from(bdf.0), format!("driver of {bdf}")),
    }
}

fn microseconds(ns: u64) -> f64 {
    ns as f64 / 1000.0
}

fn names(marks: &[Mark]) -> Vec<Value> {
    let rows: BTreeMap<(u32, u32), String> = marks
        .iter()
        .map(|mark| row(mark.track))
        .map(|(process, thread, name)| ((process, thread), name))
        .collect();
    let mut values = Vec::new();
    for ((process, thread), name) in rows {
        // Chrome shows a process number 0 as none, so PHB 0 is process 1.
        let pid = process + 1;
        values.push(json!({"ph": "M", "name": "process_name", "pid": pid, "tid": 0,
            "args": {"name": format!("PHB#{process:x}")}}));
        values.push(json!({"ph": "M", "name": "thread_name", "pid": pid, "tid": thread,
            "args": {"name": name}}));
        values.push(json!({"ph": "M", "name": "thread_sort_index", "pid": pid, "tid": thread,
            "args": {"sort_index": thread}}));
    }
    values
}

fn event(mark: &Mark) -> Value {
    let (process, thread, _) = row(mark.track);
    let (pid, ts) = (process + 1, microseconds(mark.from.as_nanos()));
    if mark.from == mark.to {
        json!({"ph": "i", "s": "t", "name": mark.name, "pid": pid, "tid": thread, "ts": ts})
    } else {
        let dur = microseconds(mark.to.as_nanos() - mark.from.as_nanos());
        json!({"ph": "X", "name": mark.name, "pid": pid, "tid": thread, "ts": ts, "dur": dur})
    }
}

/// Writes a trace.
///
/// # Errors
///
/// What writing to `out` ends with.
pub fn write_trace(out: &mut impl Write, marks: &[Mark]) -> io::Result<()> {
    let mut events = names(marks);
    events.extend(marks.iter().map(event));
    let document = json!({"displayTimeUnit": "ms", "traceEvents": events});
    serde_json::to_writer(&mut *out, &document)?;
    out.write_all(b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use eeh_pe::{Bdf, Time};

    #[test]
    fn every_mark_has_a_named_row_of_its_phb() {
        let at = |us: u64| Time::from_nanos(us * 1000);
        let bdf = Bdf(0x0300);
        let marks = [
            Mark::span(Track::Phb(2), at(10), at(30), "Reset"),
            Mark::at(Track::Device(2, bdf), at(5), "frozen"),
            Mark::span(Track::Driver(2, bdf), at(11), at(12), "error_detected"),
            Mark::span(Track::Firmware(2), at(13), at(20), "OPAL asked to wait"),
        ];
        let mut bytes = Vec::new();
        write_trace(&mut bytes, &marks).expect("a vector takes everything");
        let parsed: Value = serde_json::from_slice(&bytes).expect("JSON");
        let events = parsed["traceEvents"].as_array().expect("a list");
        let named: Vec<u64> =
            events.iter().filter(|e| e["name"] == "thread_name").filter_map(|e| e["tid"].as_u64()).collect();
        let drawn: Vec<&Value> = events.iter().filter(|e| e["ph"] == "X" || e["ph"] == "i").collect();
        assert_eq!(drawn.len(), marks.len());
        assert!(drawn.iter().all(|e| e["pid"] == 3 && named.contains(&e["tid"].as_u64().unwrap_or(0))));
        assert_eq!((drawn[0]["ts"].as_f64(), drawn[0]["dur"].as_f64()), (Some(10.0), Some(20.0)));
    }
}
