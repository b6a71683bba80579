//! Standing limits: periods, lines, raises, and their stored form.

use proptest::prelude::*;

use super::*;
use crate::values::Value;

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).expect("a time of a test")
}

fn limits() -> Limits {
    let per = |per, money_uusd| Limit { per, money_uusd: Some(money_uusd), ..Limit::default() };
    Limits {
        workflow: [
            ("w".into(), Limit { calls: Some(5), ..per(Period::Month, 50) }),
            ("x".into(), per(Period::Hour, 1)),
        ]
        .into(),
        tenant: Some(per(Period::Hour, 30)),
        day: Some(per(Period::Day, 100)),
        raised: Vec::new(),
    }
}

fn print(lines: &[Line]) -> String {
    let line = |line: &Line| {
        let Line { scope, unit, per, period, limit, max } = line;
        format!("{scope} {} {} {} {limit} {max}\n", unit.as_str(), per.as_str(), Timestamp::from_micros(*period))
    };
    lines.iter().map(line).collect()
}

#[test]
fn periods_begin_in_utc() {
    let table = [
        ("2026-11-25T13:59:59.999999Z", "2026-11-25T13:00:00Z", "2026-11-25", "2026-11-01"),
        ("2026-11-25T14:00:00Z", "2026-11-25T14:00:00Z", "2026-11-25", "2026-11-01"),
        ("2026-11-30T23:59:59.999999Z", "2026-11-30T23:00:00Z", "2026-11-30", "2026-11-01"),
        ("2026-12-01T00:00:00Z", "2026-12-01", "2026-12-01", "2026-12-01"),
        ("2027-01-01T00:00:00Z", "2027-01-01", "2027-01-01", "2027-01-01"),
        ("2028-02-29T12:30:00Z", "2028-02-29T12:00:00Z", "2028-02-29", "2028-02-01"),
        ("2028-03-01T00:30:00Z", "2028-03-01", "2028-03-01", "2028-03-01"),
        ("2026-11-25T00:30:00+01:00", "2026-11-24T23:00:00Z", "2026-11-24", "2026-11-01"),
        ("1969-12-31T23:59:59.999999Z", "1969-12-31T23:00:00Z", "1969-12-31", "1969-12-01"),
    ];
    for (now, hour, day, month) in table {
        let starts = Period::ALL.map(|period| Timestamp::from_micros(period.start(at(now))));
        assert_eq!(starts, [at(hour), at(day), at(month), Timestamp::from_micros(0)], "{now}");
    }
}

proptest! {
    #[test]
    fn a_period_holds_its_own_start_and_ends_where_the_next_begins(now in any::<i64>()) {
        for period in [Period::Hour, Period::Day, Period::Month] {
            let start = period.start(Timestamp::from_micros(now));
            prop_assert!(start <= now, "{} {now}", period.as_str());
            if now > i64::MIN / 2 {
                prop_assert_eq!(period.start(Timestamp::from_micros(start)), start);
                prop_assert!(period.start(Timestamp::from_micros(start - 1)) < start);
            }
        }
    }
}

#[test]
fn lines_are_those_of_the_run_and_sorted() {
    let max = Amounts { money_uusd: 7, tokens: 9, calls: 1, time_us: 3 };
    expect![[r#"
        day money_uusd day 2026-11-25T00:00:00.000Z 100 7
        tenant:main money_uusd hour 2026-11-25T13:00:00.000Z 30 7
        workflow:w money_uusd month 2026-11-01T00:00:00.000Z 50 7
        workflow:w calls month 2026-11-01T00:00:00.000Z 5 1
    "#]]
    .assert_eq(&print(&lines(&limits(), &run(), at("2026-11-25T13:05:00Z"), &max)));
    assert_eq!(lines(&Limits::default(), &run(), at("2026-11-25"), &max), []);
    let lines = lines(&limits(), &run(), at("2026-11-25"), &max);
    assert_eq!(lines[0].full(None).to_string(), "`day` has no room for $0.000007 more: its limit is $0.000100 a day");
}

#[test]
fn a_raise_holds_for_its_period_alone_and_the_later_one_counts() {
    let (today, tomorrow) = (at("2026-11-25T08:00:00Z"), at("2026-11-26T08:00:00Z"));
    let mut limits = limits();
    let of_day = |limits: &Limits, now| lines(limits, &run(), now, &Amounts::NOTHING)[0].limit;
    let raise = |limit| Raise { scope: "day".into(), unit: Unit::Money, period: Period::Day.start(today), limit };
    limits.raise(raise(500));
    assert_eq!((of_day(&limits, today), of_day(&limits, tomorrow)), (500, 100));
    limits.raise(raise(200));
    assert_eq!(of_day(&limits, today), 200);
    limits.raise(raise(-1));
    assert_eq!(of_day(&limits, today), 100, "a raise never lowers what the file says");
    // Of a unit without a limit nothing is left to raise.
    limits.raise(Raise { unit: Unit::Tokens, ..raise(5) });
    assert_eq!(lines(&limits, &run(), today, &Amounts::NOTHING).len(), 4);
}

#[test]
fn which_units_are_limited_and_by_whom() {
    let own = Limit { tokens: Some(1), ..Limit::default() };
    let found = limiting(Some(&own), &limits(), &run());
    let found: Vec<String> = found.iter().map(|(unit, scope)| format!("{}: {scope}", unit.word())).collect();
    assert_eq!(found, ["money: day", "tokens: run", "calls: workflow:w"]);
    assert_eq!(limiting(None, &Limits::default(), &run()), Limiting::new());
}

#[test]
fn limits_are_canonical_json() {
    let mut limits = limits();
    limits.raise(Raise { scope: "tenant:main".into(), unit: Unit::Money, period: 0, limit: 9 });
    limits.raise(Raise { scope: "day".into(), unit: Unit::Time, period: 5, limit: 8 });
    expect![[r#"{"day":{"money_uusd":100,"per":"day"},"raised":[{"limit":8,"period":5,"scope":"day","unit":"time_us"},{"limit":9,"period":0,"scope":"tenant:main","unit":"money_uusd"}],"tenant":{"money_uusd":30,"per":"hour"},"workflow":{"w":{"calls":5,"money_uusd":50,"per":"month"},"x":{"money_uusd":1,"per":"hour"}}}"#]]
    .assert_eq(&limits.to_value().to_json());
    assert_eq!(Limits::from_value(&limits.to_value()), Ok(limits.clone()));
    assert_eq!(Limits::default().to_value().to_json(), "{}");
    assert_ne!(Limits::default().digest(), limits.digest());
}

#[test]
fn what_is_no_limits_is_refused() {
    let wrong = [
        "[]",
        r#"{"week":{"per":"day"}}"#,
        r#"{"tenant":{"calls":1}}"#,
        r#"{"tenant":{"per":"week","calls":1}}"#,
        r#"{"tenant":{"per":"day","calls":1.5}}"#,
        r#"{"tenant":{"per":"day","calls":-1}}"#,
        r#"{"tenant":{"per":"day","cost":1}}"#,
        r#"{"day":{"per":"hour","calls":1}}"#,
        r#"{"day":["day",1,null,null,null]}"#,
        r#"{"day":{"per":"day","calls":1,"tokens":null}}"#,
        r#"{"raised":[{"scope":"day","unit":"tokens","period":0,"limit":1},{"scope":"day","unit":"money_uusd","period":0,"limit":1}]}"#,
        r#"{"raised":[{"scope":"day","unit":"money","period":0,"limit":1}]}"#,
        r#"{"raised":[{"scope":"day","unit":"calls","period":0,"limit":-1}]}"#,
    ];
    for text in wrong {
        let value = Value::from_json(text.as_bytes()).expect("JSON of a test");
        let error = Limits::from_value(&value).expect_err(text).to_string();
        assert!(error.starts_with("the value is no limits: "), "{error}");
    }
}
