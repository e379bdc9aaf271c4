// SPDX-License-Identifier: GPL-2.0-or-later
//! How one device's driver behaves, where it differs from the table.

use core::fmt;
use core::str::FromStr;
use core::time::Duration;

use super::span::{BadDuration, parse_duration, show_duration};
use super::step::{Step, Steps, UnknownStep};

/// The words a temperament is made of, with their meaning.
pub const WORDS: [(&str, &str); 16] = [
    ("none", "no driver is bound"),
    ("aware", "the driver has error handlers"),
    ("unaware", "the driver has none: recovery removes the device and adds it again"),
    ("can-recover", "error_detected asks for a thaw instead of a reset"),
    ("disconnect", "error_detected gives the device up"),
    ("fundamental", "the device wants a fundamental reset"),
    ("slow=DURATION", "every callback takes so long"),
    ("fail=STEP", "the step fails"),
    ("hang=STEP", "the step never returns"),
    ("die=STEP", "the step oopses"),
    ("mmio=STEP", "the step reads a register of the device"),
    (
        "await=STEP",
        "the step waits for its device to answer, and begins its timeout anew while the device is offline",
    ),
    ("refreeze", "resume touches a register that freezes the PE again, once"),
    ("adds[=STEP]", "the step adds a function to the device's slot (default slot_reset)"),
    ("vfs[=STEP]", "the step switches virtual functions on, or off when they are on (default slot_reset)"),
    ("removes[=STEP]", "the step removes that function, or a sibling of the device (default slot_reset)"),
];

/// Departures from the driver table. The default departs in nothing.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Temperament {
    /// No driver is bound.
    pub none: bool,
    /// Has error handlers, or has not; `None`: as the table says.
    pub aware: Option<bool>,
    /// `error_detected` answers "can recover".
    pub thaws: bool,
    /// `error_detected` answers "disconnect".
    pub disconnects: bool,
    /// Wants PERST#.
    pub fundamental: bool,
    /// How long every callback takes; `None`: as the table says.
    pub slow: Option<Duration>,
    /// Steps that fail.
    pub fails: Steps,
    /// Steps that never return.
    pub hangs: Steps,
    /// Steps that oops.
    pub dies: Steps,
    /// Steps that read a register.
    pub mmio: Steps,
    /// Steps that wait for an answer of the device, for ever while it is offline.
    pub awaits: Steps,
    /// `resume` freezes the PE again, the first time.
    pub refreezes: bool,
    /// The step that adds a function.
    pub adds: Option<Step>,
    /// The step that removes one.
    pub removes: Option<Step>,
    /// Steps that switch virtual functions on or off.
    pub vfs: Steps,
}

/// What is wrong with the text of a temperament.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TemperamentError {
    /// A word that does not exist.
    #[error("`{word}` is no temperament; there are {list}", list = word_list())]
    Unknown {
        /// The word.
        word: String,
    },
    /// Two words that exclude each other.
    #[error("a driver cannot be both `{0}` and `{1}`")]
    Contradiction(String, String),
    /// A word that needs a value, or has one too many.
    #[error("`{0}` needs a {1} behind it, as in `{0}={2}`")]
    NeedsValue(&'static str, &'static str, &'static str),
    /// A value for a word that takes none.
    #[error("`{0}` takes no value")]
    TakesNone(String),
    /// `fail=remove`: a driver's remove has no way to fail.
    #[error("`remove` of a Linux driver cannot fail")]
    RemoveCannotFail,
    /// Not a step.
    #[error(transparent)]
    Step(#[from] UnknownStep),
    /// Not a duration.
    #[error(transparent)]
    Duration(#[from] BadDuration),
}

fn word_list() -> String {
    let words: Vec<&str> = WORDS.iter().map(|(word, _)| *word).collect();
    words.join(", ")
}

impl Temperament {
    fn apply(&mut self, word: &str) -> Result<(), TemperamentError> {
        let (name, value) = match word.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (word, None),
        };
        let step = |needed: &'static str| -> Result<Step, TemperamentError> {
            let text = value.ok_or(TemperamentError::NeedsValue(needed, "step", "slot_reset"))?;
            Ok(text.parse()?)
        };
        match name {
            "slow" => {
                let text = value.ok_or(TemperamentError::NeedsValue("slow", "duration", "250ms"))?;
                self.slow = Some(parse_duration(text)?);
            }
            "fail" => self.fails = self.fails.with(step("fail")?),
            "hang" => self.hangs = self.hangs.with(step("hang")?),
            "die" => self.dies = self.dies.with(step("die")?),
            "mmio" => self.mmio = self.mmio.with(step("mmio")?),
            "await" => self.awaits = self.awaits.with(step("await")?),
            "vfs" => self.vfs = self.vfs.with(value.map_or(Ok(Step::SlotReset), str::parse)?),
            "adds" => self.adds = Some(value.map_or(Ok(Step::SlotReset), str::parse)?),
            "removes" => self.removes = Some(value.map_or(Ok(Step::SlotReset), str::parse)?),
            _ => self.apply_plain(name, value)?,
        }
        Ok(())
    }

    fn apply_plain(&mut self, name: &str, value: Option<&str>) -> Result<(), TemperamentError> {
        let contradiction =
            |a: &str, b: &str| Err(TemperamentError::Contradiction(a.to_owned(), b.to_owned()));
        match name {
            "none" => self.none = true,
            "aware" if self.aware == Some(false) => return contradiction("unaware", "aware"),
            "unaware" if self.aware == Some(true) => return contradiction("aware", "unaware"),
            "aware" => self.aware = Some(true),
            "unaware" => self.aware = Some(false),
            "can-recover" => self.thaws = true,
            "disconnect" => self.disconnects = true,
            "fundamental" => self.fundamental = true,
            "refreeze" => self.refreezes = true,
            _ => return Err(TemperamentError::Unknown { word: name.to_owned() }),
        }
        if value.is_some() {
            return Err(TemperamentError::TakesNone(name.to_owned()));
        }
        Ok(())
    }

    /// The words that only a driver with error handlers can live up to.
    fn needs_handlers(&self) -> Option<String> {
        let of = |word: &str, steps: Steps| {
            steps.iter().find(|s| s.is_error_handler()).map(|s| format!("{word}={s}"))
        };
        let at = |word: &str, step: Option<Step>| {
            step.filter(|s| s.is_error_handler()).map(|s| format!("{word}={s}"))
        };
        of("fail", self.fails)
            .or_else(|| of("hang", self.hangs))
            .or_else(|| of("die", self.dies))
            .or_else(|| of("mmio", self.mmio))
            .or_else(|| of("await", self.awaits))
            .or_else(|| of("vfs", self.vfs))
            .or_else(|| at("adds", self.adds))
            .or_else(|| at("removes", self.removes))
            .or_else(|| self.thaws.then(|| "can-recover".to_owned()))
            .or_else(|| self.disconnects.then(|| "disconnect".to_owned()))
            .or_else(|| self.refreezes.then(|| "refreeze".to_owned()))
    }

    fn check(&self) -> Result<(), TemperamentError> {
        let contradiction = |a: &str, b: String| Err(TemperamentError::Contradiction(a.to_owned(), b));
        if self.fails.has(Step::Remove) {
            return Err(TemperamentError::RemoveCannotFail);
        }
        if self.thaws && self.disconnects {
            return contradiction("can-recover", "disconnect".to_owned());
        }
        if let Some(step) = self.hangs.both(self.dies).iter().next() {
            return contradiction(&format!("hang={step}"), format!("die={step}"));
        }
        if self.aware == Some(false)
            && let Some(word) = self.needs_handlers()
        {
            return contradiction("unaware", word);
        }
        let only_none = Self { none: true, ..Self::default() };
        if self.none && *self != only_none {
            let rest = Self { none: false, ..self.clone() };
            return contradiction("none", rest.to_string());
        }
        Ok(())
    }
}

/// Words separated by commas: `slow=2s,fail=slot_reset`.
impl FromStr for Temperament {
    type Err = TemperamentError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut all = Self::default();
        for word in text.split(',') {
            all.apply(word.trim())?;
        }
        all.check()?;
        Ok(all)
    }
}

impl fmt::Display for Temperament {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut words = Vec::new();
        let plain = [
            (self.none, "none"),
            (self.aware == Some(true), "aware"),
            (self.aware == Some(false), "unaware"),
            (self.thaws, "can-recover"),
            (self.disconnects, "disconnect"),
            (self.fundamental, "fundamental"),
            (self.refreezes, "refreeze"),
        ];
        words.extend(plain.into_iter().filter(|(is, _)| *is).map(|(_, word)| word.to_owned()));
        words.extend(self.slow.map(|span| format!("slow={}", show_duration(span))));
        let sets = [
            ("fail", self.fails),
            ("hang", self.hangs),
            ("die", self.dies),
            ("mmio", self.mmio),
            ("await", self.awaits),
            ("vfs", self.vfs),
        ];
        for (word, steps) in sets {
            words.extend(steps.iter().map(|step| format!("{word}={step}")));
        }
        words.extend(self.adds.map(|step| format!("adds={step}")));
        words.extend(self.removes.map(|step| format!("removes={step}")));
        f.write_str(&words.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_combine_and_come_back() {
        for text in [
            "none",
            "aware,can-recover",
            "unaware,slow=2s",
            "refreeze,slow=250ms,fail=slot_reset,hang=resume,die=error_detected,mmio=mmio_enabled,await=resume",
            "adds=slot_reset,removes=resume",
            "vfs=error_detected,vfs=slot_reset",
        ] {
            let temperament: Temperament = text.parse().expect(text);
            assert_eq!(temperament.to_string(), text);
        }
        assert_eq!("adds".parse::<Temperament>().map(|t| t.adds), Ok(Some(Step::SlotReset)));
    }

    #[test]
    fn an_unknown_word_is_answered_with_what_exists() {
        let error = "lazy".parse::<Temperament>().expect_err("no such word");
        assert!(error.to_string().contains("can-recover"), "{error}");
        assert!("aware=yes".parse::<Temperament>().is_err());
        assert!("slow".parse::<Temperament>().is_err());
        assert!("fail=reset".parse::<Temperament>().is_err());
    }

    #[test]
    fn contradictions_are_refused() {
        for text in [
            "aware,unaware",
            "unaware,can-recover",
            "can-recover,disconnect",
            "unaware,hang=slot_reset",
            "hang=resume,die=resume",
            "none,slow=1s",
            "fail=remove",
        ] {
            assert!(text.parse::<Temperament>().is_err(), "{text}");
        }
    }
}
