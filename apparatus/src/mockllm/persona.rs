//! Who answers: by a file, at random, or obediently.

use std::{collections::BTreeMap, sync::Arc};

use kernel::ids::Digest;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    asked::{Asked, Finish, Said, Use},
    fill,
    obedient::Obedient,
    primed::Primed,
};

/// What goes wrong with an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// 429 with `Retry-After`.
    RateLimited,
    /// 429 that names no wait.
    RateLimitedMute,
    /// 429 with the code of a spent quota.
    SpendLimit,
    /// 500.
    ServerError,
    /// 529.
    Overloaded,
    /// The head and the first half of the body, then the connection is closed.
    Cut,
    /// Words around half a JSON.
    InvalidJson,
    /// A word that its enum does not have; without an enum, a value of another type.
    WrongEnum,
    /// Words of refusal instead of an answer.
    Refusal,
    /// The first half of an answer, which hit its length limit.
    Length,
    /// No answer, ever.
    Hang,
}

/// Those that the chaotic persona draws if it is not told otherwise, each one time in twenty.
const USUAL: [Fault; 10] = [
    Fault::RateLimited,
    Fault::RateLimitedMute,
    Fault::SpendLimit,
    Fault::ServerError,
    Fault::Overloaded,
    Fault::Cut,
    Fault::InvalidJson,
    Fault::WrongEnum,
    Fault::Refusal,
    Fault::Length,
];

/// One answer of a script.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scripted {
    /// What must stand somewhere in the messages; absent: anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
    /// A text is said as it is, anything else as JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<Value>,
    /// What is proposed of what is offered; words may stand beside it in `answer`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub propose: Vec<Proposal>,
    /// What goes wrong, with the answer if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
}

/// A use of something that is offered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proposal {
    /// Its name.
    pub name: String,
    /// What it is used with.
    pub arguments: Value,
}

/// Who answers.
pub enum Persona {
    /// The first answer of a list whose words stand in the messages.
    Scripted(Vec<Scripted>),
    /// Good answers and faults, drawn for each request from a seed: the same body sent for the same time meets the same.
    Chaotic {
        /// What is drawn from.
        seed: u64,
        /// How likely each fault is, from 0 to 1.
        chances: BTreeMap<Fault, f64>,
    },
    /// A model that does what injected text wants.
    Obedient(Obedient),
    /// Answers of a harness, and faults drawn for each request from a seed.
    Primed {
        /// The answers.
        answers: Arc<Primed>,
        /// What faults are drawn from.
        seed: u64,
        /// How likely each fault is, from 0 to 1.
        chances: BTreeMap<Fault, f64>,
    },
}

/// What a persona makes of a request.
pub(super) struct Turn {
    pub(super) said: Said,
    pub(super) fault: Option<Fault>,
    /// It obeyed an injection.
    pub(super) obeyed: bool,
}

impl Persona {
    /// Reads the answers of a script: a JSON list of [`Scripted`].
    ///
    /// # Errors
    /// It is no such list, or an entry has nothing to say.
    pub fn scripted(json: &[u8]) -> Result<Persona, String> {
        let list: Vec<Scripted> = serde_json::from_slice(json).map_err(|why| why.to_string())?;
        match list.iter().position(|one| one.answer.is_none() && one.propose.is_empty() && one.fault.is_none()) {
            Some(at) => Err(format!("entry {} has neither `answer`, `propose` nor `fault`", at + 1)),
            None => Ok(Persona::Scripted(list)),
        }
    }

    /// Draws faults by these chances, or by the usual ones.
    ///
    /// # Errors
    /// They are no chances.
    pub fn chaotic(seed: u64, chances: Option<&[u8]>) -> Result<Persona, String> {
        let chances: BTreeMap<Fault, f64> = match chances {
            Some(json) => serde_json::from_slice(json).map_err(|why| why.to_string())?,
            None => USUAL.into_iter().map(|fault| (fault, 0.05)).collect(),
        };
        let all: f64 = chances.values().sum();
        if chances.values().any(|chance| *chance < 0.0) || all > 1.0 + 1e-9 {
            return Err(format!("chances must be from 0 to 1 and are {all} in all"));
        }
        Ok(Persona::Chaotic { seed, chances })
    }

    /// `count`: how many requests with these bytes came before.
    pub(super) fn turn(&self, asked: &Asked, body: &[u8], count: u64) -> Turn {
        match self {
            Persona::Obedient(obedient) => {
                let (said, obeyed) = obedient.answer(asked);
                Turn { said, fault: None, obeyed }
            }
            Persona::Scripted(list) => {
                let text = asked.text();
                match list.iter().find(|one| one.when.as_ref().is_none_or(|when| text.contains(when))) {
                    Some(one) => spoil(one.fault, asked, one.said(asked)),
                    None => {
                        let first: String = text.chars().take(80).collect();
                        let why = format!("no answer of the script is for what begins with `{first}`");
                        Turn { said: Said::bad(Some("messages"), why), fault: None, obeyed: false }
                    }
                }
            }
            Persona::Chaotic { seed, chances } => spoil(draw(*seed, chances, body, count), asked, fill::benign(asked)),
            Persona::Primed { answers, seed, chances } => match answers.find(asked) {
                Some(one) => spoil(one.fault.or_else(|| draw(*seed, chances, body, count)), asked, one.said(asked)),
                None => {
                    let (ask, turn) = asked.ask();
                    let first: String = ask.chars().take(80).collect();
                    let why = format!("nobody primed turn {turn} of what begins with `{first}`");
                    Turn { said: Said::bad(Some("messages"), why), fault: None, obeyed: false }
                }
            },
        }
    }
}

impl Scripted {
    /// The answer without its fault.
    fn said(&self, asked: &Asked) -> Said {
        let text = match &self.answer {
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
            None if self.propose.is_empty() => return fill::benign(asked),
            None => String::new(),
        };
        let uses = self.propose.iter();
        let uses = uses.map(|one| Use { name: one.name.clone(), arguments: one.arguments.clone() }).collect();
        Said::Answer { text, uses, finish: Finish::Stop }
    }
}

/// Which fault a request meets: the same bytes for the same time the same.
fn draw(seed: u64, chances: &BTreeMap<Fault, f64>, body: &[u8], count: u64) -> Option<Fault> {
    let drawn = Digest::of(&[&seed.to_be_bytes(), &count.to_be_bytes(), body]);
    let drawn = drawn.bytes().iter().take(4).fold(0_u32, |drawn, byte| drawn << 8 | u32::from(*byte));
    let mut drawn = f64::from(drawn) / (f64::from(u32::MAX) + 1.0);
    let fault = chances.iter().find(|(_, chance)| {
        drawn -= **chance;
        drawn < 0.0
    });
    fault.map(|(fault, _)| *fault)
}

/// What becomes of a good answer. One that proposes something is cut off in words.
fn spoil(fault: Option<Fault>, asked: &Asked, answer: Said) -> Turn {
    let error = |status, code, message: &str, wait| {
        let message = message.to_owned();
        Said::Error { status, code, message, param: None, wait }
    };
    let said = match fault {
        Some(Fault::RateLimited) => error(429, "rate_limit_exceeded", "too many requests", Some(1)),
        Some(Fault::RateLimitedMute) => error(429, "rate_limit_exceeded", "too many requests", None),
        Some(Fault::SpendLimit) => error(429, "insufficient_quota", "the quota is spent", None),
        Some(Fault::ServerError) => error(500, "server_error", "the server had an error", None),
        Some(Fault::Overloaded) => error(529, "overloaded_error", "the server is overloaded", None),
        Some(Fault::Refusal) => Said::Refusal("I cannot help with that.".to_owned()),
        Some(Fault::InvalidJson) => Said::text(format!("Sure! Here it is:\n{}", half(&answer.told()))),
        Some(Fault::WrongEnum) => fill::wrong(asked, answer),
        Some(Fault::Length) => {
            Said::Answer { text: half(&answer.told()).to_owned(), uses: Vec::new(), finish: Finish::Length }
        }
        Some(Fault::Cut | Fault::Hang) | None => answer,
    };
    Turn { said, fault, obeyed: false }
}

fn half(text: &str) -> &str {
    &text[..text.floor_char_boundary(text.len() / 2)]
}
