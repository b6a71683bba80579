//! Reads `people.yaml`: unknown names, impossible hours and escalations without an end are found before anybody is asked.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use jiff::civil::Date;

use super::{
    Absence, Group, PEOPLE_FILE, People, Person,
    hours::{self, DAYS, Hours},
};
use crate::{
    complaint::{Complaint, Complaints, did_you_mean},
    workflow::project::Sources,
    yaml::{self, Fields, Key, Node},
};

/// A name that must be the name of somebody or something of the same file, and where it stands.
type Named<'a> = (Arc<str>, &'a Node);

/// What was named, to be looked up when all is read.
#[derive(Default)]
struct Names<'a> {
    groups: Vec<Named<'a>>,
    people: Vec<Named<'a>>,
    /// From a group to a group.
    escalations: Vec<(Arc<str>, Named<'a>)>,
}

impl People {
    /// Reads the directory of a project. Without the file nobody is in it. `None`: a complaint says why.
    pub fn read(sources: &Sources, complaints: &mut Complaints) -> Option<People> {
        let Some(text) = sources.get(PEOPLE_FILE) else { return Some(People::default()) };
        let mut found = Complaints::new();
        let people = found.take(yaml::parse(&PEOPLE_FILE.into(), text)).and_then(|node| file(&node, &mut found));
        let sound = !found.has_errors();
        complaints.extend(found.into_sorted());
        people.filter(|_| sound)
    }
}

fn file(node: &Node, complaints: &mut Complaints) -> Option<People> {
    let fields = Fields::new(node, "people.yaml", &["people", "groups"], &[], complaints)?;
    let mut names = Names::default();
    let mut read = People::default();
    fields.required("people", complaints)?;
    for (key, node) in fields.map("people", complaints) {
        id(key, node, "a person", complaints);
        if let Some(person) = person(key, node, &mut names, complaints) {
            read.people.insert(key.text.clone(), person);
        }
    }
    for (key, node) in fields.map("groups", complaints) {
        id(key, node, "a group", complaints);
        if let Some(group) = group(key, node, &mut names, complaints) {
            read.groups.insert(key.text.clone(), group);
        }
    }
    look_up(&names, &read, complaints);
    for (key, _) in fields.map("groups", complaints) {
        if read.members(&key.text).next().is_none() {
            let message = format!("nobody is in the group `{}`", key.text);
            let hint = format!("write `groups: [{}]` at a person, or leave the group out", key.text);
            complaints.push(Complaint::new("W072", &node.file, key.span, message).hint(hint));
        }
    }
    Some(read)
}

fn id(key: &Key, node: &Node, what: &str, complaints: &mut Complaints) {
    let may = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-' | '.' | '@');
    let sound = key.text.starts_with(|c: char| c.is_ascii_lowercase()) && key.text.chars().all(may);
    if !sound || key.text.len() > 64 {
        let message = format!("`{}` cannot be the id of {what}", yaml::cut(&key.text, 60));
        let hint = "use lower-case letters, digits and `_`, `-`, `.`, `@`, beginning with a letter, at most 64";
        complaints.push(Complaint::new("W077", &node.file, key.span, message).hint(hint));
    }
}

fn person<'a>(key: &Key, node: &'a Node, names: &mut Names<'a>, complaints: &mut Complaints) -> Option<Person> {
    let fields = Fields::new(node, "a person", &["name", "groups", "hours", "absences"], &[], complaints)?;
    // Who is complained about stays somebody whom others may name.
    let name = fields.text("name", complaints).unwrap_or_default();
    let mut groups = BTreeSet::new();
    for node in fields.list("groups", complaints) {
        if let Some(group) = node.text(complaints) {
            names.groups.push((group.clone(), node));
            groups.insert(group);
        }
    }
    let hours = fields.get("hours").and_then(|node| hours_of(node, complaints));
    let mut absences = Vec::new();
    for node in fields.list("absences", complaints) {
        absences.extend(absence(key, node, names, complaints));
    }
    Some(Person { name, groups, hours, absences })
}

fn absence<'a>(key: &Key, node: &'a Node, names: &mut Names<'a>, complaints: &mut Complaints) -> Option<Absence> {
    let fields = Fields::new(node, "an absence", &["from", "until", "stand_in"], &[], complaints)?;
    let from = fields.required("from", complaints).and_then(|node| date(node, complaints));
    let until = fields.required("until", complaints).and_then(|node| date(node, complaints));
    let stand_in = fields.get("stand_in").and_then(|node| Some((node.text(complaints)?, node)));
    if let Some((id, node)) = &stand_in {
        if *id == key.text {
            complaints.push(node.complaint("W076", format!("`{id}` cannot stand in for `{id}`")));
        }
        names.people.push((id.clone(), node));
    }
    let (from, until) = (from?, until?);
    if until < from {
        let message = format!("the absence ends on {until}, before it begins on {from}");
        complaints.push(node.complaint("W076", message).hint("`from` and `until` are the first and the last day away"));
    }
    Some(Absence { from, until, stand_in: stand_in.map(|(id, _)| id) })
}

fn date(node: &Node, complaints: &mut Complaints) -> Option<Date> {
    let found = node.scalar().filter(|text| text.len() == 10).and_then(|text| text.parse().ok());
    if found.is_none() {
        complaints.push(node.expected("a day, such as 2026-12-24"));
    }
    found
}

fn group<'a>(key: &Key, node: &'a Node, names: &mut Names<'a>, complaints: &mut Complaints) -> Option<Group> {
    let fields = Fields::new(node, "a group", &["escalate_to", "holidays"], &[], complaints)?;
    let escalate_to = fields.get("escalate_to").and_then(|node| {
        let to = node.text(complaints)?;
        names.groups.push((to.clone(), node));
        names.escalations.push((key.text.clone(), (to.clone(), node)));
        Some(to)
    });
    let holidays = fields.list("holidays", complaints).iter().filter_map(|node| date(node, complaints)).collect();
    Some(Group { escalate_to, holidays })
}

fn look_up(names: &Names<'_>, read: &People, complaints: &mut Complaints) {
    for (group, node) in &names.groups {
        if read.group(group).is_none() {
            let hint = did_you_mean(group, read.group_names().map(|name| &**name));
            let hint = hint.unwrap_or_else(|| format!("write it below `groups:`, as `{group}: {{}}`"));
            complaints.push(node.complaint("W071", format!("there is no group `{group}`")).hint(hint));
        }
    }
    for (person, node) in &names.people {
        if read.person(person).is_none() {
            let hint = did_you_mean(person, read.ids().map(|id| &**id));
            complaints.push(node.complaint("W070", format!("there is no person `{person}`")).or_hint(hint));
        }
    }
    let to: BTreeMap<&str, &str> = names.escalations.iter().map(|(from, (to, _))| (&**from, &**to)).collect();
    for (from, (_, node)) in &names.escalations {
        let mut way = vec![&**from];
        while let Some(next) = way.last().and_then(|last| to.get(last)) {
            let round = way.contains(next);
            way.push(next);
            if round {
                break;
            }
        }
        // Said once, at the first group of the circle by name; who only escalates into it is not at fault.
        let closed = way.len() > 1 && way.last() == Some(&&**from);
        if closed && way.iter().all(|other| **other >= **from) {
            let message = format!("the escalation goes round: {}", way.join(" → "));
            complaints.push(node.complaint("W073", message).hint("let the last group escalate to nobody"));
        }
    }
}

fn hours_of(node: &Node, complaints: &mut Complaints) -> Option<Hours> {
    let mut zone = None;
    let mut week: [Vec<(u16, u16)>; 7] = Default::default();
    let mut sound = true;
    for (key, value) in node.map(complaints)? {
        if &*key.text == "zone" {
            zone = Some(zone_of(value, complaints));
            continue;
        }
        let Some((first, last)) = days(&key.text) else {
            let words = DAYS.iter().copied().chain(["zone", "mon-fri"]);
            let hint = did_you_mean(&key.text, words);
            let message = format!("`{}` is no day", yaml::cut(&key.text, 40));
            let hint =
                hint.unwrap_or_else(|| "write `mon`, or `mon-fri` for several days in the order of a week".into());
            complaints.push(Complaint::new("W074", &value.file, key.span, message).hint(hint));
            sound = false;
            continue;
        };
        let Some(parts) = parts(value, complaints) else {
            sound = false;
            continue;
        };
        for day in first..=last {
            if !week[day].is_empty() {
                let message = format!("the hours of `{}` stand twice", DAYS[day]);
                complaints.push(Complaint::new("W074", &value.file, key.span, message));
                sound = false;
                break;
            }
            week[day].clone_from(&parts);
        }
    }
    let Some(zone) = zone else {
        complaints.push(node.complaint("W003", "working hours need `zone`").hint("such as `zone: Europe/Berlin`"));
        return None;
    };
    if sound && week.iter().all(Vec::is_empty) {
        let hint = "write at least one, such as `mon-fri: \"09:00-17:00\"`, or leave `hours` out";
        complaints.push(node.complaint("W074", "these working hours have no day").hint(hint));
        return None;
    }
    Some(Hours { zone: zone?, week })
}

fn zone_of(node: &Node, complaints: &mut Complaints) -> Option<jiff::tz::TimeZone> {
    let name = node.text(complaints)?;
    let found = hours::zone(&name);
    if found.is_none() {
        let hint = hours::nearest_zone(&name).unwrap_or_else(|| "zones are named as in `Europe/Berlin`".into());
        complaints.push(node.complaint("W075", format!("there is no zone `{name}`")).hint(hint));
    }
    found
}

/// `mon` or `mon-fri`, as indices.
fn days(text: &str) -> Option<(usize, usize)> {
    let day = |name: &str| DAYS.iter().position(|day| *day == name);
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (day(first)?, day(last)?);
    (first <= last).then_some((first, last))
}

/// `09:00-17:00`, or a list of such, in order.
fn parts(node: &Node, complaints: &mut Complaints) -> Option<Vec<(u16, u16)>> {
    let items = match &node.kind {
        yaml::Kind::List(items) => &items[..],
        _ => std::slice::from_ref(node),
    };
    let mut parts: Vec<(u16, u16)> = Vec::new();
    for item in items {
        let text = item.text(complaints)?;
        let part = text.split_once('-').and_then(|(from, to)| Some((hours::minute(from)?, hours::minute(to)?)));
        let Some((from, to)) = part else {
            complaints.push(
                item.complaint("W074", format!("`{}` is no time of work", yaml::cut(&text, 40))).hint(
                    "write from and to with hours and minutes, as in \"09:00-17:00\"; a list has several of them",
                ),
            );
            return None;
        };
        if from >= to {
            let hint = "what goes over midnight belongs to two days: until \"24:00\", and from \"00:00\" on the next";
            complaints.push(item.complaint("W074", format!("`{text}` ends before it begins")).hint(hint));
            return None;
        }
        if parts.last().is_some_and(|(_, before)| from < *before) {
            complaints.push(item.complaint("W074", format!("`{text}` begins before the time above it has ended")));
            return None;
        }
        parts.push((from, to));
    }
    if parts.is_empty() {
        complaints.push(node.expected("at least one time of work"));
        return None;
    }
    Some(parts)
}
