//! What a run has spent, under any order of what may happen to its calls.

use proptest::prelude::*;

use super::*;
use crate::ids::StepPath;

#[derive(Clone, Debug)]
enum Happens {
    /// A step wants to call, at most for that.
    Call(u8, Amounts),
    /// It came back: it cost so many thousandths of what was reserved.
    Back(u8, i64),
    /// Nobody will know what it cost.
    Lost(u8),
    /// The owner adds to a limit.
    Raise(usize, i64),
    /// A person has looked at an overrun.
    Look,
}

fn amounts() -> impl Strategy<Value = Amounts> {
    prop::array::uniform4(0_i64..40).prop_map(|[money_uusd, tokens, calls, time_us]| Amounts {
        money_uusd,
        tokens,
        calls,
        time_us,
    })
}

fn happens(most: i64) -> impl Strategy<Value = Happens> {
    prop_oneof![
        6 => (0_u8..6, amounts()).prop_map(|(step, max)| Happens::Call(step, max)),
        4 => (0_u8..6, 0..=most).prop_map(|(step, part)| Happens::Back(step, part)),
        1 => (0_u8..6).prop_map(Happens::Lost),
        1 => (0_usize..4, 0_i64..50).prop_map(|(unit, more)| Happens::Raise(unit, more)),
        1 => Just(Happens::Look),
    ]
}

fn limit() -> impl Strategy<Value = Limit> {
    prop::array::uniform4(prop::option::of(0_i64..120)).prop_map(|[money_uusd, tokens, calls, time_us]| Limit {
        per: Period::Ever,
        money_uusd,
        tokens,
        calls,
        time_us,
    })
}

fn path(step: u8) -> StepPath {
    StepPath::new(format!("s{step}"))
}

/// Lets it happen, and checks after each that no limit is exceeded by more than bills exceeded reservations.
fn goes_well(limit: Limit, happens: Vec<Happens>) -> Result<Spent, TestCaseError> {
    let (mut spent, mut raised) = (Spent::default(), limit);
    for one in happens {
        match one {
            Happens::Call(step, max) if !spent.reserved.contains_key(&path(step)) => {
                if spent.fits(&limit, &max).is_ok() {
                    spent.reserve(path(step), max).unwrap();
                }
            }
            Happens::Call(step, max) => prop_assert_eq!(spent.reserve(path(step), max), Err(Misfit::Open(path(step)))),
            Happens::Back(step, part) => match spent.reserved.get(&path(step)).copied() {
                None => prop_assert!(spent.settle(&path(step), Amounts::NOTHING).is_err()),
                Some(max) => {
                    let of = |unit: Unit| max.get(unit) * part / 1000;
                    let [money_uusd, tokens, calls, time_us] = Unit::ALL.map(of);
                    spent.settle(&path(step), Amounts { money_uusd, tokens, calls, time_us }).unwrap();
                }
            },
            Happens::Lost(step) => {
                prop_assert_eq!(spent.reserved.contains_key(&path(step)), spent.forfeit(&path(step)).is_ok())
            }
            Happens::Raise(unit, more) => {
                let unit = Unit::ALL[unit];
                if let Some(most) = raised.get(unit) {
                    spent.raise(unit, most + more);
                    let slot = match unit {
                        Unit::Money => &mut raised.money_uusd,
                        Unit::Tokens => &mut raised.tokens,
                        Unit::Calls => &mut raised.calls,
                        Unit::Time => &mut raised.time_us,
                    };
                    *slot = Some(most + more);
                }
            }
            Happens::Look => spent.release(),
        }
        for (unit, most) in raised.limited() {
            let (total, overrun) = (spent.total().get(unit), spent.overrun.get(unit));
            prop_assert!(total <= most + overrun, "{} of {most} {}, {overrun} overrun", total, unit.word());
        }
    }
    Ok(spent)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn settled_and_reserved_never_exceed_a_limit(limit in limit(), happens in prop::collection::vec(happens(1000), 0..80)) {
        prop_assert_eq!(goes_well(limit, happens)?.overrun, Amounts::NOTHING);
    }

    #[test]
    fn only_bills_above_reservations_exceed_a_limit(limit in limit(), happens in prop::collection::vec(happens(1500), 0..80)) {
        goes_well(limit, happens)?;
    }
}

#[test]
fn an_overrun_is_counted_and_freezes_until_a_person_has_looked() {
    let limit = Limit { money_uusd: Some(1_000_000), ..Limit::default() };
    let call = |money_uusd| Amounts { money_uusd, tokens: 7, calls: 1, time_us: 0 };
    let mut spent = Spent::default();
    spent.reserve(path(1), call(100_000)).unwrap();
    assert_eq!(spent.settle(&path(1), call(250_000)), Ok(Amounts { money_uusd: 150_000, ..Amounts::NOTHING }));
    assert_eq!(
        spent.fits(&limit, &call(0)).unwrap_err().to_string(),
        "`run` is frozen: a call cost $0.15 more than was reserved for it"
    );
    // A unit that has no limit holds nobody up.
    assert!(spent.fits(&Limit { calls: Some(9), ..Limit::default() }, &call(0)).is_ok());
    spent.release();
    assert!(spent.fits(&limit, &call(750_000)).is_ok());
    assert_eq!(
        spent.fits(&limit, &call(750_001)).unwrap_err().to_string(),
        "`run` has no room for $0.750001 more: $0.75 of $1.00 is left"
    );
    spent.raise(Unit::Money, 1_100_000);
    assert!(spent.fits(&limit, &call(750_001)).is_ok());
    spent.raise(Unit::Money, 10);
    assert!(spent.fits(&limit, &call(750_000)).is_ok(), "a raise never lowers what the workflow says");
}

#[test]
fn a_warning_comes_at_four_fifths() {
    let limit = Limit { calls: Some(10), tokens: Some(3), ..Limit::default() };
    let mut spent = Spent::default();
    spent.reserve(path(1), Amounts { calls: 7, tokens: 2, ..Amounts::NOTHING }).unwrap();
    assert_eq!(spent.near(&limit), []);
    spent.reserve(path(2), Amounts { calls: 1, ..Amounts::NOTHING }).unwrap();
    assert_eq!(spent.near(&limit), [Unit::Calls]);
    assert!(near(i64::MAX, i64::MAX) && !near(0, i64::MAX));
}

#[test]
fn sums_stop_at_the_largest_number_and_then_nothing_fits() {
    let most = Amounts { money_uusd: i64::MAX, ..Amounts::NOTHING };
    let limit = Limit { money_uusd: Some(crate::values::MAX_INT), ..Limit::default() };
    let mut spent = Spent::default();
    spent.reserve(path(1), most).unwrap();
    spent.reserve(path(2), most).unwrap();
    spent.forfeit(&path(1)).unwrap();
    assert_eq!(spent.total().money_uusd, i64::MAX);
    assert!(spent.fits(&limit, &Amounts { money_uusd: 1, ..Amounts::NOTHING }).is_err());
}
