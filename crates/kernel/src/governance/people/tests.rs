use std::collections::BTreeSet;

use expect_test::expect;
use proptest::prelude::*;

use super::*;
use crate::{complaint::Complaints, workflow::project::Sources};

const DIRECTORY: &str = r#"
# Not part of the digest.
people:
  anna:
    name: Anna Berg
    groups: [finance, finance-l2]
    hours: { zone: Europe/Berlin, mon-fri: "09:00-17:00" }
    absences:
      - { from: 2026-12-24, until: 2027-01-02, stand_in: bob }
  bob:
    name: Bob
    groups: [finance]
    hours: { zone: America/New_York, mon-thu: ["09:00-12:00", "13:00-18:00"], fri: "09:00-12:00" }
    absences:
      - { from: 2026-12-28, until: 2026-12-28, stand_in: carol }
  carol:
    name: Carol
    groups: [night]
groups:
  finance: { escalate_to: finance-l2, holidays: [2026-12-07] }
  finance-l2: {}
  night: {}
"#;

fn read(text: &str) -> People {
    let mut complaints = Complaints::new();
    let people = People::read(&Sources::from_iter([(PEOPLE_FILE, text)]), &mut complaints);
    people.unwrap_or_else(|| panic!("{complaints:?}"))
}

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

fn ids(ids: &[&str]) -> Vec<Arc<str>> {
    ids.iter().map(|id| Arc::from(*id)).collect()
}

fn until(people: &People, group: &str, from: &str, span: &str) -> String {
    people.working_until(group, at(from), span.parse().unwrap()).unwrap().to_string()
}

#[test]
fn without_a_file_nobody_decides() {
    let people = People::read(&Sources::default(), &mut Complaints::new()).unwrap();
    assert_eq!(people, People::default());
    assert!(people.present("finance", at("2026-12-01")).is_empty());
    assert_eq!(people.working_until("finance", at("2026-12-01"), Span::from_micros(1)), None);
}

#[test]
fn a_stand_in_decides_for_all_groups_of_who_is_away() {
    let people = read(DIRECTORY);
    let noon = "2026-12-23T12:00:00Z";
    assert_eq!(people.present("finance", at(noon)), ids(&["anna", "bob"]));
    assert_eq!(people.present("finance-l2", at(noon)), ids(&["anna"]));
    let noon = at("2026-12-24T12:00:00Z");
    assert_eq!(people.present("finance-l2", noon), ids(&["bob"]));
    assert_eq!(people.groups_at("bob", noon), ids(&["finance", "finance-l2"]).into_iter().collect());
    assert_eq!(people.groups_of("bob"), ids(&["finance"]).into_iter().collect());
    assert!(people.groups_at("anna", noon).is_empty());
    // He is away himself: carol has his own groups, and not those that he had from anna.
    let noon = at("2026-12-28T18:00:00Z");
    assert_eq!(people.present("finance", noon), ids(&["carol"]));
    assert_eq!(people.present("finance-l2", noon), ids(&[]));
    assert_eq!(people.groups_at("carol", noon), ids(&["finance", "night"]).into_iter().collect());
}

#[test]
fn days_away_are_days_of_the_persons_zone_and_both_ends_count() {
    let people = read(DIRECTORY);
    for (moment, away) in [
        ("2026-12-23T22:59:59Z", false),
        ("2026-12-23T23:00:00Z", true),
        ("2027-01-02T22:59:59Z", true),
        ("2027-01-02T23:00:00Z", false),
    ] {
        assert_eq!(people.away("anna", at(moment)).is_some(), away, "{moment}");
    }
    assert_eq!(people.away("anna", at("2026-12-25")).unwrap().until(), "2027-01-02");
}

#[test]
fn work_is_where_the_hours_are() {
    let people = read(DIRECTORY);
    for (person, moment, works) in [
        ("anna", "2026-12-01T08:00:00Z", true),
        ("anna", "2026-12-01T07:59:59Z", false),
        ("anna", "2026-12-01T16:00:00Z", false),
        ("anna", "2026-12-05T12:00:00Z", false),
        ("anna", "2026-12-24T12:00:00Z", false),
        // Summer: Berlin is two hours ahead.
        ("anna", "2026-07-01T07:00:00Z", true),
        ("bob", "2026-12-01T17:30:00Z", false),
        ("bob", "2026-12-01T18:00:00Z", true),
        ("carol", "2026-12-05T03:00:00Z", true),
        ("nobody", "2026-12-01T12:00:00Z", false),
    ] {
        assert_eq!(people.at_work(person, at(moment)), works, "{person} {moment}");
    }
}

#[test]
fn a_span_of_working_time_is_the_earliest_members() {
    let people = read(DIRECTORY);
    // Friday, an hour before Berlin closes: three more hours of Monday are needed, and that is a holiday.
    assert_eq!(until(&people, "finance-l2", "2026-12-04T15:00:00Z", "4h"), "2026-12-07T11:00:00.000Z");
    assert_eq!(until(&people, "finance", "2026-12-04T15:00:00Z", "4h"), "2026-12-08T11:00:00.000Z");
    // New York works on while Berlin sleeps.
    assert_eq!(until(&people, "finance", "2026-12-01T16:00:00Z", "2h"), "2026-12-01T19:00:00.000Z");
    // Over an absence, over the new year and over a change of the clock.
    assert_eq!(until(&people, "finance-l2", "2026-12-23T15:00:00Z", "2h"), "2027-01-04T09:00:00.000Z");
    assert_eq!(until(&people, "finance-l2", "2026-03-27T15:00:00Z", "2h"), "2026-03-30T08:00:00.000Z");
    // At any hour.
    assert_eq!(until(&people, "night", "2026-12-05T23:30:00Z", "90m"), "2026-12-06T01:00:00.000Z");
    assert_eq!(until(&people, "finance-l2", "2026-12-05T12:00:00Z", "0s"), "2026-12-07T08:00:00.000Z");
}

#[test]
fn an_endless_span_and_an_impossible_time_end() {
    let people = read(DIRECTORY);
    assert_eq!(&until(&people, "finance-l2", "2026-12-01", "36500d")[..4], "2036");
    for micros in [i64::MIN, i64::MAX] {
        let moment = Timestamp::from_micros(micros);
        assert!(people.working_until("finance", moment, Span::from_micros(5)).is_some());
        assert!(people.away("anna", moment).is_none() && people.present("night", moment).len() == 1);
    }
}

#[test]
fn the_digest_is_of_what_the_file_says() {
    let people = read(DIRECTORY);
    expect![[r#"{"groups":{"finance":{"escalate_to":"finance-l2","holidays":["2026-12-07"]},"finance-l2":{"escalate_to":null,"holidays":[]},"night":{"escalate_to":null,"holidays":[]}},"people":{"anna":{"absences":[{"from":"2026-12-24","stand_in":"bob","until":"2027-01-02"}],"groups":["finance","finance-l2"],"hours":{"week":{"fri":["09:00-17:00"],"mon":["09:00-17:00"],"thu":["09:00-17:00"],"tue":["09:00-17:00"],"wed":["09:00-17:00"]},"zone":"Europe/Berlin"},"name":"Anna Berg"},"bob":{"absences":[{"from":"2026-12-28","stand_in":"carol","until":"2026-12-28"}],"groups":["finance"],"hours":{"week":{"fri":["09:00-12:00"],"mon":["09:00-12:00","13:00-18:00"],"thu":["09:00-12:00","13:00-18:00"],"tue":["09:00-12:00","13:00-18:00"],"wed":["09:00-12:00","13:00-18:00"]},"zone":"America/New_York"},"name":"Bob"},"carol":{"absences":[],"groups":["night"],"hours":null,"name":"Carol"}},"v":1}"#]].assert_eq(&people.to_value().to_json());
    let moved =
        DIRECTORY.replace("# Not part of the digest.", "").replace("[finance, finance-l2]", "[finance-l2, finance]");
    assert_eq!(read(&moved).digest(), people.digest());
    for (from, to) in [
        ("Anna Berg", "Anna Burg"),
        ("[finance, finance-l2]", "[finance-l2]"),
        ("Europe/Berlin", "Europe/Paris"),
        ("mon-fri", "mon-thu"),
        ("09:00-17:00", "09:00-17:01"),
        ("until: 2027-01-02", "until: 2027-01-03"),
        ("stand_in: bob", "stand_in: carol"),
        ("escalate_to: finance-l2", "escalate_to: night"),
        ("2026-12-07", "2026-12-08"),
    ] {
        let other = DIRECTORY.replacen(from, to, 1);
        assert_ne!(read(&other).digest(), people.digest(), "{from}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn who_is_present_for_a_group_is_who_has_it_then(hours in 0..9000_i64) {
        let people = read(DIRECTORY);
        let moment = at("2026-06-01") + Span::from_micros(hours * 3_600_000_000);
        for group in people.group_names() {
            let present: BTreeSet<_> = people.present(group, moment).into_iter().collect();
            let with: BTreeSet<_> =
                people.ids().filter(|id| people.groups_at(id, moment).contains(group)).cloned().collect();
            prop_assert_eq!(present, with);
        }
    }

    #[test]
    fn more_time_ends_later_and_ends_at_work(hours in 0..9000_i64, minutes in 1..6000_i64) {
        let people = read(DIRECTORY);
        let moment = at("2026-06-01") + Span::from_micros(hours * 3_600_000_000);
        let end = |minutes: i64| people.working_until("finance-l2", moment, Span::from_micros(minutes * 60_000_000)).unwrap();
        prop_assert!(end(minutes) >= moment + Span::from_micros(minutes * 60_000_000));
        prop_assert!(end(minutes) < end(minutes + 1));
        let just_before = Timestamp::from_micros(end(minutes).micros() - 1);
        prop_assert!(people.at_work("anna", just_before));
    }
}
