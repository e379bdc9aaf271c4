// SPDX-License-Identifier: GPL-2.0-or-later
//! The kernel's tracepoints of OPAL calls: where a recovery's time went.

use std::collections::BTreeMap;

/// Calls whose positive answer is a time in milliseconds to wait before the next step.
const PACED: [u32; 3] = [49, 62, 121];

/// What the trace of one recovery says.
#[derive(Clone, Copy, Default, Debug, PartialEq)]
pub(crate) struct Waits {
    /// Seconds that OPAL asked to wait.
    pub(crate) asked: f64,
    /// Seconds inside OPAL calls.
    pub(crate) inside: f64,
    /// Number of calls.
    pub(crate) calls: usize,
}

/// Reads the lines of EEH's threads.
pub(crate) fn waits(trace: &str) -> Waits {
    let mut waits = Waits::default();
    let mut open: BTreeMap<&str, f64> = BTreeMap::new();
    for line in trace.lines().map(str::trim).filter(|line| line.starts_with("eehd")) {
        let Some((thread, _)) = line.split_once(' ') else { continue };
        let Some(at) = time(line) else { continue };
        if line.contains(": opal_entry: ") {
            open.insert(thread, at);
        } else if line.contains(": opal_exit: ")
            && let Some(entered) = open.remove(thread)
        {
            waits.inside += at - entered;
            waits.calls += 1;
            let value = |key: &str| -> Option<i64> {
                line.split_whitespace().find_map(|word| word.strip_prefix(key))?.parse().ok()
            };
            let paced = value("opcode=").is_some_and(|opcode| PACED.map(i64::from).contains(&opcode));
            if let Some(answer) = value("retval=").filter(|answer| paced && *answer > 0) {
                // Milliseconds of a slot's state machine: a few thousand at most.
                waits.asked += f64::from(i32::try_from(answer).unwrap_or(0)) / 1000.0;
            }
        }
    }
    waits
}

fn time(line: &str) -> Option<f64> {
    line.split_whitespace().find_map(|word| word.strip_suffix(':')?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::waits;

    #[test]
    fn what_opal_asked_for_is_told_from_what_it_took() {
        let trace = "\
            eehd/0-29  [000] d....  7.700000: opal_entry: opcode=49\n\
            sh-1       [001] d....  7.700100: opal_entry: opcode=49\n\
            eehd/0-29  [000] d....  7.750000: opal_exit: opcode=49 retval=1000\n\
            sh-1       [001] d....  9.000000: opal_exit: opcode=49 retval=1000\n\
            eehd/0-29  [000] d....  9.100000: opal_entry: opcode=80\n\
            eehd/0-29  [000] d....  9.150000: opal_exit: opcode=80 retval=1\n";
        let found = waits(trace);
        assert_eq!(found.calls, 2);
        assert!((found.asked - 1.0).abs() < 1e-9 && (found.inside - 0.1).abs() < 1e-6);
    }
}
