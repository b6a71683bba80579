//! How faults are chosen: by kind, for the next request, or drawn for each request by class.

use std::collections::{BTreeMap, VecDeque};

use kernel::ids::Digest;
use serde::{Deserialize, Serialize};

use super::book::Request;
use crate::ledger::{Class, Mode};

/// Body of `PUT /mode`. What is absent stays as it is.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Setting {
    /// An effect's kind, `read`, `probe`, `ask`, or `*` for all without a setting of their own.
    pub kind: String,
    /// What happens to such requests.
    pub mode: Option<Mode>,
    /// For `slow`: how slow, in milliseconds.
    pub ms: Option<u64>,
    /// For `retry_after`: how long, in seconds.
    pub seconds: Option<u64>,
    /// How likely the mode is instead of `ok`, from 0 to 1; 1 if absent.
    pub probability: Option<f64>,
    /// With it, path, key and count, chance is repeatable.
    pub seed: Option<u64>,
    /// Whether keys are honoured; on until said otherwise.
    pub dedupe: Option<Dedupe>,
    /// How old an effect of this kind is before a probe finds it, in milliseconds; 0 until said otherwise.
    pub lag_ms: Option<u64>,
}

/// Whether keys are honoured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dedupe {
    /// The same key is applied once.
    #[default]
    On,
    /// Every request is applied.
    Off,
}

/// Body of `PUT /next`: the next requests of a kind, before anything else that was set.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Once {
    /// As in a [`Setting`]; `*` is any.
    pub kind: String,
    /// What happens to it.
    pub mode: Mode,
    /// For `slow`, in milliseconds.
    #[serde(default)]
    pub ms: u64,
    /// For `retry_after`, in seconds.
    #[serde(default = "one")]
    pub seconds: u64,
    /// How many requests.
    #[serde(default = "one")]
    pub times: u64,
}

/// How likely each mode is, from 0 to 1. What is left of 1 is `ok`.
pub type Chances = BTreeMap<Mode, f64>;

/// Body of `PUT /plan`, and the file of `--plan`: faults drawn for each request by its class.
///
/// The same seed, path, key (or reference) and count of such requests give the same fault, whatever else arrives meanwhile.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Plan {
    /// What everything is drawn from.
    pub seed: u64,
    /// For `slow`, in milliseconds.
    pub ms: u64,
    /// For `retry_after`, in seconds; 0 if absent, which is at once.
    pub seconds: u64,
    /// For effects that say they are none, and for `GET /read/…`.
    pub read: Chances,
    /// For effects with a key.
    pub idempotent: Chances,
    /// For effects with a reference.
    pub probed: Chances,
    /// For effects with neither.
    pub at_most_once: Chances,
    /// For the questions by reference themselves.
    pub probe: Chances,
    /// For model calls.
    pub ask: Chances,
}

/// How one request is treated.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rule {
    pub(super) mode: Mode,
    pub(super) ms: u64,
    pub(super) seconds: u64,
    probability: f64,
    seed: u64,
}

/// Everything that was set.
#[derive(Default)]
pub(super) struct Rules {
    kinds: BTreeMap<String, Rule>,
    next: VecDeque<Once>,
    plan: Plan,
    dedupe: BTreeMap<String, Dedupe>,
    lag_ms: BTreeMap<String, u64>,
}

impl Plan {
    /// Whether these are chances.
    ///
    /// # Errors
    /// Which class has a chance below 0, or more than 1 in all.
    pub fn check(&self) -> Result<(), String> {
        for (name, chances) in [
            ("read", &self.read),
            ("idempotent", &self.idempotent),
            ("probed", &self.probed),
            ("at_most_once", &self.at_most_once),
            ("probe", &self.probe),
            ("ask", &self.ask),
        ] {
            let all: f64 = chances.values().sum();
            // Tenths do not add up exactly.
            if chances.values().any(|chance| *chance < 0.0) || all > 1.0 + 1e-9 {
                return Err(format!("chances of `{name}` must be from 0 to 1 and are {all} in all"));
            }
        }
        Ok(())
    }

    fn chances(&self, request: &Request) -> &Chances {
        match (request.kind.as_str(), request.class) {
            ("ask", _) => &self.ask,
            ("probe", _) => &self.probe,
            (_, Class::Read) => &self.read,
            (_, Class::Idempotent) => &self.idempotent,
            (_, Class::Probed) => &self.probed,
            (_, Class::AtMostOnce) => &self.at_most_once,
        }
    }

    fn draw(&self, request: &Request, count: u64) -> Mode {
        let chances = self.chances(request);
        if chances.is_empty() {
            return Mode::Ok;
        }
        let mut drawn = chance(self.seed, request, count);
        for (mode, chance) in chances {
            drawn -= chance;
            if drawn < 0.0 {
                return *mode;
            }
        }
        Mode::Ok
    }
}

impl Rule {
    fn always(mode: Mode, ms: u64, seconds: u64) -> Rule {
        Rule { mode, ms, seconds, probability: 1.0, seed: 0 }
    }

    /// For a request above the limit: how many seconds until there is room.
    pub(super) fn limited(seconds: u64) -> Rule {
        Rule::always(Mode::Limited, 0, seconds)
    }
}

impl Rules {
    /// The rule that counts for a request, chance included. `count`: how many with its path and key came before.
    pub(super) fn rule(&mut self, request: &Request, count: u64) -> Rule {
        if let Some(at) = self.next.iter().position(|once| once.kind == request.kind || once.kind == "*") {
            let once = &mut self.next[at];
            once.times -= 1;
            let rule = Rule::always(once.mode, once.ms, once.seconds);
            if once.times == 0 {
                self.next.remove(at);
            }
            return rule;
        }
        match self.kinds.get(&request.kind).or_else(|| self.kinds.get("*")) {
            Some(rule) if rule.probability >= 1.0 || chance(rule.seed, request, count) < rule.probability => *rule,
            Some(_) => Rule::always(Mode::Ok, 0, 0),
            None => Rule::always(self.plan.draw(request, count), self.plan.ms, self.plan.seconds),
        }
    }

    pub(super) fn dedupe(&self, kind: &str) -> Dedupe {
        of(&self.dedupe, kind)
    }

    /// In microseconds.
    pub(super) fn lag_us(&self, kind: &str) -> i64 {
        i64::try_from(of(&self.lag_ms, kind).saturating_mul(1_000)).unwrap_or(i64::MAX)
    }

    pub(super) fn set(&mut self, setting: Setting) -> Result<(), String> {
        let Setting { kind, mode, ms, seconds, probability, seed, dedupe, lag_ms } = setting;
        named(&kind)?;
        let probability = probability.unwrap_or(1.0);
        if !(0.0..=1.0).contains(&probability) {
            return Err(format!("`probability` must be from 0 to 1 and is {probability}"));
        }
        if let Some(dedupe) = dedupe {
            self.dedupe.insert(kind.clone(), dedupe);
        }
        if let Some(lag_ms) = lag_ms {
            self.lag_ms.insert(kind.clone(), lag_ms);
        }
        if let Some(mode) = mode {
            let (ms, seconds, seed) = (ms.unwrap_or(0), seconds.unwrap_or(1), seed.unwrap_or(0));
            self.kinds.insert(kind, Rule { mode, ms, seconds, probability, seed });
        }
        Ok(())
    }

    pub(super) fn once(&mut self, once: Once) -> Result<(), String> {
        named(&once.kind)?;
        if once.times == 0 {
            return Err("`times` must be 1 or more".to_owned());
        }
        self.next.push_back(once);
        Ok(())
    }

    /// Takes the place of all modes that were set before; whether keys are honoured, and lags, stay.
    pub(super) fn plan(&mut self, plan: Plan) -> Result<(), String> {
        plan.check()?;
        (self.plan, self.kinds, self.next) = (plan, BTreeMap::new(), VecDeque::new());
        Ok(())
    }
}

fn of<T: Copy + Default>(settings: &BTreeMap<String, T>, kind: &str) -> T {
    settings.get(kind).or_else(|| settings.get("*")).copied().unwrap_or_default()
}

fn named(kind: &str) -> Result<(), String> {
    match kind {
        "" => Err("`kind` is missing: an effect's kind, `read`, `probe`, `ask` or `*`".to_owned()),
        _ => Ok(()),
    }
}

fn one() -> u64 {
    1
}

/// From 0 to below 1: the same for the same request.
fn chance(seed: u64, request: &Request, count: u64) -> f64 {
    let drawn = Digest::of(&[
        &seed.to_be_bytes(),
        request.path.as_bytes(),
        b"\0",
        request.identity().unwrap_or_default().as_bytes(),
        b"\0",
        &count.to_be_bytes(),
    ]);
    let drawn = drawn.bytes().iter().take(4).fold(0_u32, |drawn, byte| drawn << 8 | u32::from(*byte));
    f64::from(drawn) / (f64::from(u32::MAX) + 1.0)
}
