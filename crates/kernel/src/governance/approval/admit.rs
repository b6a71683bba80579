//! Whether a vote is taken, and the one sentence that says why not.

use std::{fmt, sync::Arc};

use super::{By, Decision, Standing, Terms, Vote, standing, standing_words};
use crate::{
    complaint::nearest,
    governance::people::People,
    values::{Timestamp, Value},
};

/// What becomes of a vote that is not refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admitted {
    /// It is recorded.
    New,
    /// It is recorded already: a repeated request changes nothing.
    Again,
}

/// Why a vote is not taken: one sentence for the person who sent it. Nothing changes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// A run or a model.
    #[error("only a person decides, and {0} is none")]
    NotAPerson(By),
    /// Not in the directory.
    #[error("`{0}` is not in people.yaml, so this decision does not count")]
    Unknown(Arc<str>),
    /// The directory changed between casting and admitting, or the vote claims groups that it does not give.
    #[error("people.yaml says otherwise about the groups of `{0}` than this decision does: decide again")]
    OtherDirectory(Arc<str>),
    /// Away.
    #[error("`{by}` is away until {until}, and {}", match stand_in {
        Some(id) => format!("`{id}` stands in"),
        None => "nobody stands in".into(),
    })]
    Away {
        /// Who.
        by: Arc<str>,
        /// The last day away.
        until: String,
        /// Who decides meanwhile.
        stand_in: Option<Arc<str>>,
    },
    /// In none of the groups.
    #[error("`{by}` is in none of the groups that decide this: {}", Words(wanted))]
    WrongGroup {
        /// Who.
        by: Arc<str>,
        /// The groups of all lists.
        wanted: Vec<Arc<str>>,
    },
    /// He asked for the action himself.
    #[error("`{0}` asked for this action, and who asks does not decide")]
    OwnRequest(Arc<str>),
    /// He saw something else.
    #[error("what is asked has changed since it was shown: look at it again, then decide")]
    Stale,
    /// Too late.
    #[error("the time to decide this ran out at {0}")]
    Expired(Timestamp),
    /// Somebody has ended it.
    #[error("this is decided already: {0}")]
    Closed(String),
    /// He has decided otherwise before.
    #[error("`{by}` has {before} this already, and a decision is not taken back")]
    DecidedBefore {
        /// Who.
        by: Arc<str>,
        /// What.
        before: String,
    },
    /// A field that may not be changed.
    #[error("`{field}` cannot be changed here; {}", match (nearest, editable.is_empty()) {
        (Some(near), _) => format!("did you mean `{near}`?"),
        (None, false) => format!("what can be changed: {}", Words(editable)),
        (None, true) => "nothing can be".into(),
    })]
    NotEditable {
        /// Which.
        field: Arc<str>,
        /// The editable field that it resembles.
        nearest: Option<Arc<str>>,
        /// What may be changed.
        editable: Vec<Arc<str>>,
    },
    /// An edit that names no field.
    #[error("an edit is a map of at least one field with its new value")]
    EmptyEdit,
    /// The action asks nobody for an answer.
    #[error("this action is approved, edited or rejected; it is not a question to be answered")]
    NotAQuestion,
}

/// Names in a row.
struct Words<'a>(&'a [Arc<str>]);

impl fmt::Display for Words<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("none");
        }
        for (at, word) in self.0.iter().enumerate() {
            write!(f, "{}`{word}`", if at == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

/// Judges a vote against what was asked, what was decided before it, and today's directory. A vote of [`Admitted::New`] is
/// appended to `votes` in the same transaction, or judged again.
///
/// # Errors
/// [`Refused`]: the first reason why it does not count. It is recorded as refused, and the approval stands as it did.
pub fn admit(terms: &Terms, votes: &[Vote], vote: &Vote, people: &People, now: Timestamp) -> Result<Admitted, Refused> {
    let By::Person(by) = &vote.by else { return Err(Refused::NotAPerson(vote.by.clone())) };
    // What he decided before an escalation is no decision about what is asked now.
    let before = votes.iter().find(|old| old.by == vote.by && old.at >= terms.asked_at);
    if let Some(before) = before {
        return if before.decision == vote.decision && before.shown == vote.shown {
            Ok(Admitted::Again)
        } else {
            Err(Refused::DecidedBefore { by: by.clone(), before: before.decision.to_string() })
        };
    }
    person_may(terms, vote, by, people, now)?;
    // A decision from before the question is about something else, and none comes from after now.
    if vote.shown != terms.shown || vote.at < terms.asked_at || vote.at > now {
        return Err(Refused::Stale);
    }
    match standing(terms, votes, now) {
        Standing::Pending { .. } => {}
        Standing::Expired => return Err(Refused::Expired(terms.expires_at.unwrap_or(now))),
        decided => return Err(Refused::Closed(standing_words(&decided))),
    }
    match &vote.decision {
        Decision::Approve | Decision::Reject { .. } => {}
        Decision::Answer { .. } if terms.answerable => {}
        Decision::Answer { .. } => return Err(Refused::NotAQuestion),
        Decision::Edit { with } => may_edit(terms, with)?,
    }
    Ok(Admitted::New)
}

fn person_may(terms: &Terms, vote: &Vote, by: &Arc<str>, people: &People, now: Timestamp) -> Result<(), Refused> {
    if people.person(by).is_none() {
        return Err(Refused::Unknown(by.clone()));
    }
    if let Some(absence) = people.away(by, now) {
        let (until, stand_in) = (absence.until(), absence.stand_in.clone());
        return Err(Refused::Away { by: by.clone(), until, stand_in });
    }
    if vote.directory != people.digest() || vote.groups != people.groups_at(by, now) {
        return Err(Refused::OtherDirectory(by.clone()));
    }
    if terms.is_self(by) {
        return Err(Refused::OwnRequest(by.clone()));
    }
    if !terms.entitles(&vote.groups) {
        let mut wanted: Vec<_> = terms.groups.iter().flatten().cloned().collect();
        wanted.sort();
        wanted.dedup();
        return Err(Refused::WrongGroup { by: by.clone(), wanted });
    }
    Ok(())
}

fn may_edit(terms: &Terms, with: &Value) -> Result<(), Refused> {
    let fields = match with {
        Value::Map(fields) if !fields.is_empty() => fields,
        _ => return Err(Refused::EmptyEdit),
    };
    match fields.keys().find(|field| !terms.editable.contains(field)) {
        None => Ok(()),
        Some(field) => {
            let nearest = nearest(field, terms.editable.iter().map(|name| &**name)).map(Arc::from);
            Err(Refused::NotEditable { field: field.clone(), nearest, editable: terms.editable.clone() })
        }
    }
}
