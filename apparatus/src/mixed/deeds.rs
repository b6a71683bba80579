//! Runs of the workflow `deeds`: actions of every class, as many of each as a mix says.

use std::{fmt, str::FromStr};

use serde_json::json;

use super::{Case, noise};
use crate::ledger::{Class, Line};

/// How many of a hundred actions are of each class: read, idempotent, probed, at most once; and how many of a hundred runs fail when all
/// is done, and take it back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mix {
    parts: [u8; 4],
    late: u8,
}

/// Of a hundred runs, those that fail late where a mix does not say.
const LATE: u8 = 20;

/// In the order of a [`Mix`].
pub const CLASSES: [Class; 4] = [Class::Read, Class::Idempotent, Class::Probed, Class::AtMostOnce];

impl FromStr for Mix {
    type Err = String;

    fn from_str(text: &str) -> Result<Mix, String> {
        let bad = || {
            format!(
                "a mix is four percentages that add up to 100, as 40,30,15,15 or, with late failures, 40,30,15,15/20, and not `{text}`"
            )
        };
        let (classes, late) = match text.split_once('/') {
            Some((classes, late)) => (classes, late.parse().ok().filter(|late| *late <= 100).ok_or_else(bad)?),
            None => (text, LATE),
        };
        let parts: Vec<u8> =
            classes.split(',').map(|part| part.trim().parse().map_err(|_| bad())).collect::<Result<_, _>>()?;
        let parts = <[u8; 4]>::try_from(parts).map_err(|_| bad())?;
        let all: u32 = parts.iter().map(|part| u32::from(*part)).sum();
        if all == 100 { Ok(Mix { parts, late }) } else { Err(bad()) }
    }
}

impl fmt::Display for Mix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [read, idempotent, probed, at_most_once] = self.parts;
        write!(f, "{read},{idempotent},{probed},{at_most_once}/{}", self.late)
    }
}

impl Mix {
    /// All of one class, and no run fails.
    pub fn only(class: Class) -> Mix {
        Mix { parts: CLASSES.map(|other| if other == class { 100 } else { 0 }), late: 0 }
    }

    /// The same, and every run fails when all is done.
    #[must_use]
    pub fn all_late(self) -> Mix {
        Mix { late: 100, ..self }
    }

    /// Whether all are of one class: then there are no runs with actions of other kinds.
    pub fn is_pure(self) -> bool {
        self.parts.contains(&100)
    }

    /// The class that a number from 0 to 99 falls on.
    fn class(self, drawn: u64) -> Class {
        let mut left = drawn % 100;
        for (class, part) in CLASSES.into_iter().zip(self.parts) {
            match left.checked_sub(u64::from(part)) {
                None => return class,
                Some(rest) => left = rest,
            }
        }
        Class::Read
    }
}

/// One action of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deed {
    /// What its receiver promises.
    pub class: Class,
    /// Its number, which no other action of the batch has.
    pub item: u64,
}

impl Deed {
    /// The effect's kind.
    fn kind(self) -> &'static str {
        kind(self.class)
    }
}

/// The kind that effects of a class have in runs of `deeds`.
pub fn kind(class: Class) -> &'static str {
    match class {
        Class::Read => "read",
        Class::Idempotent => "note",
        Class::Probed => "book",
        Class::AtMostOnce => "fire",
    }
}

/// The kind of the effect that takes one of this class back; a read changes nothing.
pub fn undo_kind(class: Class) -> Option<&'static str> {
    match class {
        Class::Read => None,
        Class::Idempotent => Some("unnote"),
        Class::Probed => Some("unbook"),
        Class::AtMostOnce => Some("unfire"),
    }
}

/// What happens in a run of `deeds` when all is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Late {
    /// Nothing: it completes.
    Never,
    /// It fails, takes back what it did, and ends with the original failure.
    Fails,
    /// It fails, takes back what it did, and goes on in another stage.
    GoesOn,
}

impl Late {
    fn as_str(self) -> &'static str {
        match self {
            Late::Never => "never",
            Late::Fails => "fails",
            Late::GoesOn => "goes_on",
        }
    }
}

/// What happens late in a case.
pub(super) fn late(case: &Case, mix: Mix) -> Late {
    let drawn = case.noise("late");
    match (drawn % 100 < u64::from(mix.late), case.noise("end").is_multiple_of(2)) {
        (false, _) => Late::Never,
        (true, true) => Late::Fails,
        (true, false) => Late::GoesOn,
    }
}

/// The actions of a case, in order.
pub(super) fn deeds(case: &Case, mix: Mix) -> Vec<Deed> {
    let count = 3 + case.noise("deeds") % 6;
    let of = |at: u64| Deed {
        class: mix.class(noise(&[&case.noise("class").to_be_bytes(), &at.to_be_bytes()])),
        item: case.number * 10 + at,
    };
    (0..count).map(of).collect()
}

/// What such a run works on.
pub(super) fn input(case: &Case, mix: Mix) -> serde_json::Value {
    let deeds: Vec<_> = deeds(case, mix).iter().map(|deed| json!({"class": deed.class, "item": deed.item})).collect();
    let late = late(case, mix).as_str();
    json!({"batch": case.batch, "number": case.number, "deeds": deeds, "nod": case.nods(), "late": late})
}

/// See [`Case::judge`].
pub(super) fn judge<'a>(
    (case, mix): (&Case, Mix),
    result: &serde_json::Value,
    applied: &dyn Fn(u64) -> Option<&'a Line>,
) -> Result<(), String> {
    let nod = if case.nods() { json!(case.value()) } else { json!(null) };
    if result["nod"] != nod {
        return Err(format!("`nod` is {}, not {nod}", result["nod"]));
    }
    let sorry = json!(late(case, mix) == Late::GoesOn);
    if result["sorry"] != sorry {
        return Err(format!("`sorry` is {}, not {sorry}", result["sorry"]));
    }
    let wanted = deeds(case, mix);
    let given = result["deeds"].as_array().map_or(&[][..], Vec::as_slice);
    if given.len() != wanted.len() {
        return Err(format!("`deeds` has {} items, not {}", given.len(), wanted.len()));
    }
    for (id, deed) in given.iter().zip(wanted) {
        let refused = *id == json!(0);
        match deed.class {
            Class::Read if refused => continue,
            Class::Probed | Class::AtMostOnce if refused => continue,
            _ => {}
        }
        let body = json!({"batch": case.batch, "number": case.number, "item": deed.item});
        match id.as_u64().and_then(applied).filter(|line| line.effect() == Some(deed.kind())) {
            Some(line) if line.applied && line.body == body => {}
            Some(line) => {
                return Err(format!("deed {} is effect {id}, which was {}, not {body}", deed.item, line.body));
            }
            None => return Err(format!("deed {} is effect {id}, which nobody saw as {}", deed.item, deed.kind())),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::mixed::cases;

    #[test]
    fn a_mix_is_four_percentages() {
        assert_eq!("40,30,15,15".parse::<Mix>().unwrap().to_string(), "40,30,15,15/20");
        assert_eq!("40,30,15,15/7".parse::<Mix>().unwrap().to_string(), "40,30,15,15/7");
        for bad in [
            "40,30,15,15/101",
            "40,30,15,15/",
            "",
            "40,30,15",
            "40,30,15,16",
            "40,30,15,x",
            "400,0,0,0",
            "25,25,25,25,0",
        ] {
            let why = bad.parse::<Mix>().unwrap_err();
            assert!(why.ends_with(&format!("not `{bad}`")), "{why}");
        }
    }

    #[test]
    fn runs_fail_late_as_often_as_the_mix_says() {
        let of = |mix: Mix| {
            let all = cases(1, 1, 600, Some(mix));
            let late = |end| all.values().filter(|case| case.late() == end).count() * 100 / 600;
            [Late::Never, Late::Fails, Late::GoesOn].map(late)
        };
        assert_eq!(of(Mix::only(Class::Probed)), [100, 0, 0]);
        let [never, fails, goes_on] = of(Mix::only(Class::Probed).all_late());
        assert!(never == 0 && fails.abs_diff(50) <= 5 && goes_on.abs_diff(50) <= 5, "{fails} {goes_on}");
        let [never, ..] = of(Mix { late: 20, ..Mix::only(Class::Probed) });
        assert!(never.abs_diff(80) <= 5, "{never}");
    }

    #[test]
    fn classes_come_as_often_as_the_mix_says() {
        let mix: Mix = "40,30,15,15".parse().unwrap();
        let mut seen = BTreeMap::new();
        for case in cases(1, 1, 600, Some(mix)).values().filter(|case| case.workflow() == "deeds") {
            for deed in deeds(case, mix) {
                *seen.entry(deed.class).or_insert(0_usize) += 1;
            }
        }
        let all: usize = seen.values().sum();
        for (class, part) in CLASSES.into_iter().zip([40, 30, 15, 15]) {
            let share = seen[&class] * 100 / all;
            assert!(share.abs_diff(part) <= 4, "{class:?}: {share} of a hundred");
        }
    }
}
