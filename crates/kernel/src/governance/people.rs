//! Who may decide: the people of a project, their groups, working hours and absences, as `people.yaml` says today.
//!
//! The file is not part of a bundle: whom a run may ask is known when it asks, not when the run began. A vote records the digest of
//! the directory that admitted it.

mod hours;
mod read;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use jiff::{civil::Date, tz::TimeZone};

use self::hours::Hours;
use crate::{
    ids::Digest,
    values::{Span, Timestamp, Value},
};

/// The directory's file, beside the project file.
pub const PEOPLE_FILE: &str = "people.yaml";

/// How far ahead working hours are looked for, in days. What is not over by then is over then.
const AHEAD: usize = 3660;

/// The people of a project. A project without the file has none, and nobody decides anything.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct People {
    people: BTreeMap<Arc<str>, Person>,
    groups: BTreeMap<Arc<str>, Group>,
}

/// One person.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Person {
    /// As others call him.
    pub name: Arc<str>,
    /// His groups.
    pub groups: BTreeSet<Arc<str>>,
    /// `None`: at any hour, by UTC.
    hours: Option<Hours>,
    absences: Vec<Absence>,
}

/// Days on which a person is away, by the zone of his hours; both ends are days away.
#[derive(Clone, Debug, PartialEq)]
pub struct Absence {
    from: Date,
    until: Date,
    /// Who decides for him meanwhile, unless he is away himself.
    pub stand_in: Option<Arc<str>>,
}

impl Absence {
    /// The last day away, as `2027-01-02`.
    pub fn until(&self) -> String {
        self.until.to_string()
    }

    fn covers(&self, day: Date) -> bool {
        (self.from..=self.until).contains(&day)
    }
}

/// One group. Its members are the people who name it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Group {
    /// Who is asked when nobody of it decided in time.
    pub escalate_to: Option<Arc<str>>,
    /// Days on which nobody of it works.
    holidays: BTreeSet<Date>,
}

impl People {
    /// A person by id.
    pub fn person(&self, id: &str) -> Option<&Person> {
        self.people.get(id)
    }

    /// A group by name.
    pub fn group(&self, name: &str) -> Option<&Group> {
        self.groups.get(name)
    }

    /// The ids of all people, in order.
    pub fn ids(&self) -> impl Iterator<Item = &Arc<str>> + Clone {
        self.people.keys()
    }

    /// The names of all groups, in order.
    pub fn group_names(&self) -> impl Iterator<Item = &Arc<str>> + Clone {
        self.groups.keys()
    }

    /// The members of a group, in order of their ids, whether they are here or away.
    pub fn members<'a>(&'a self, group: &'a str) -> impl Iterator<Item = (&'a Arc<str>, &'a Person)> {
        self.people.iter().filter(move |(_, person)| person.groups.contains(group))
    }

    /// A person's own groups; none for somebody who is not in the directory.
    pub fn groups_of(&self, person: &str) -> BTreeSet<Arc<str>> {
        self.person(person).map(|person| person.groups.clone()).unwrap_or_default()
    }

    /// The groups for which a person may decide at that moment: his own and those of the people for whom he stands in. None while
    /// he is away. What came to him as a stand-in he does not hand on to his own.
    pub fn groups_at(&self, person: &str, at: Timestamp) -> BTreeSet<Arc<str>> {
        if self.person(person).is_none() || self.away(person, at).is_some() {
            return BTreeSet::new();
        }
        let mut groups = self.groups_of(person);
        for other in self.people.values() {
            if other.stand_ins(at).any(|id| &**id == person) {
                groups.extend(other.groups.iter().cloned());
            }
        }
        groups
    }

    /// Who can decide for a group at that moment, in order of their ids: the members who are not away, and the stand-ins of those
    /// who are.
    pub fn present(&self, group: &str, at: Timestamp) -> Vec<Arc<str>> {
        let mut present = BTreeSet::new();
        for (id, person) in self.members(group) {
            if person.away(at).is_none() {
                present.insert(id.clone());
                continue;
            }
            let here = |id: &&Arc<str>| self.person(id).is_some_and(|person| person.away(at).is_none());
            present.extend(person.stand_ins(at).filter(here).cloned());
        }
        present.into_iter().collect()
    }

    /// The absence that a person has at that moment.
    pub fn away(&self, person: &str, at: Timestamp) -> Option<&Absence> {
        self.person(person)?.away(at)
    }

    /// Whether a person works at that moment: he is not away, and it is one of his hours. Holidays belong to groups, and do not
    /// count here.
    pub fn at_work(&self, person: &str, at: Timestamp) -> bool {
        let Some(person) = self.person(person) else { return false };
        person.away(at).is_none() && person.hours.as_ref().is_none_or(|hours| hours.cover(at))
    }

    /// When a group has had `span` of working time since `at`: the earliest moment by which one of its members has had it. Hours
    /// count that lie in the member's working hours and neither in his absence nor on a holiday of the group. What would be over
    /// more than ten years later is over after ten. `None`: there is no such group, or nobody is in it.
    pub fn working_until(&self, group: &str, at: Timestamp, span: Span) -> Option<Timestamp> {
        let holidays = &self.group(group)?.holidays;
        self.members(group).map(|(_, person)| person.working_until(holidays, at, span)).min()
    }

    /// The directory as data: what [`Self::digest`] is taken of.
    pub fn to_value(&self) -> Value {
        let people = self.people.iter().map(|(id, person)| (id.clone(), person.to_value()));
        let groups = self.groups.iter().map(|(name, group)| (name.clone(), group.to_value()));
        Value::map([("v", Value::Int(1)), ("people", Value::map(people)), ("groups", Value::map(groups))])
    }

    /// Names this directory: SHA-256 over its canonical JSON. Comments and the order of the file do not count.
    pub fn digest(&self) -> Digest {
        self.to_value().digest()
    }
}

impl Person {
    fn zone(&self) -> TimeZone {
        self.hours.as_ref().map_or(TimeZone::UTC, |hours| hours.zone.clone())
    }

    fn away(&self, at: Timestamp) -> Option<&Absence> {
        self.away_at(at).next()
    }

    fn away_at(&self, at: Timestamp) -> impl Iterator<Item = &Absence> {
        let day = hours::day(&self.zone(), at);
        self.absences.iter().filter(move |absence| day.is_some_and(|day| absence.covers(day)))
    }

    fn stand_ins(&self, at: Timestamp) -> impl Iterator<Item = &Arc<str>> {
        self.away_at(at).filter_map(|absence| absence.stand_in.as_ref())
    }

    fn working_until(&self, holidays: &BTreeSet<Date>, at: Timestamp, span: Span) -> Timestamp {
        let zone = self.zone();
        let Some(mut day) = hours::day(&zone, at) else { return at + span };
        let (mut left, mut last) = (span.micros(), at);
        for _ in 0..AHEAD {
            let free = holidays.contains(&day) || self.absences.iter().any(|absence| absence.covers(day));
            for (start, end) in hours::working(self.hours.as_ref(), &zone, day) {
                last = end.max(last);
                let start = start.max(at);
                let length = end.micros().saturating_sub(start.micros());
                if free || length <= 0 {
                    continue;
                }
                if left <= length {
                    return start + Span::from_micros(left);
                }
                left -= length;
            }
            // Only at the end of the calendar, in the year 9999, is there no tomorrow.
            let Ok(tomorrow) = day.tomorrow() else { break };
            day = tomorrow;
        }
        last
    }

    fn to_value(&self) -> Value {
        let absences = self.absences.iter().map(|absence| {
            Value::map([
                ("from", Value::from(absence.from.to_string())),
                ("until", Value::from(absence.until.to_string())),
                ("stand_in", absence.stand_in.clone().map_or(Value::Null, Value::Text)),
            ])
        });
        Value::map([
            ("name", Value::Text(self.name.clone())),
            ("groups", Value::list(self.groups.iter().cloned().map(Value::Text))),
            ("hours", self.hours.as_ref().map_or(Value::Null, Hours::to_value)),
            ("absences", Value::list(absences)),
        ])
    }
}

impl Group {
    fn to_value(&self) -> Value {
        Value::map([
            ("escalate_to", self.escalate_to.clone().map_or(Value::Null, Value::Text)),
            ("holidays", Value::list(self.holidays.iter().map(|day| Value::from(day.to_string())))),
        ])
    }
}

#[cfg(test)]
mod tests;
