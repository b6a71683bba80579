mod exact;
mod ledger;
mod standing;

use expect_test::expect;

use super::*;
use crate::{
    journal::Usage,
    recovery::{Failure, FailureKind, Phase},
    values::Timestamp,
};

fn dollars(text: &str) -> Money {
    text.parse().expect("an amount of a test")
}

/// 3 dollars in, 15 out, for a million tokens.
fn price() -> Price {
    Price {
        input: dollars("3 USD"),
        cache_read: dollars("0.30 USD"),
        cache_write: dollars("3.75 USD"),
        output: dollars("15 USD"),
        reasoning: dollars("15 USD"),
        as_of: Timestamp::parse("2026-11-01").expect("a date of a test"),
        from: None,
        until: None,
    }
}

fn run() -> RunScope {
    RunScope { tenant: "main".into(), workflow: "w".into(), above: Vec::new() }
}

#[test]
fn the_worst_case_is_half_the_bytes_at_the_dearest_input_and_the_whole_cap() {
    // 1001 bytes are 501 tokens at 3.75, 800 at 15: 1878.75 + 12000 micro-dollars.
    let worst = worst_case(1001, 800, &price());
    assert_eq!(worst, Amounts { money_uusd: 13_879, tokens: 1301, calls: 1, time_us: 0 });
    let thinking = Price { reasoning: dollars("60 USD"), ..price() };
    assert_eq!(worst_case(0, 800, &thinking).money_uusd, 48_000);
    assert_eq!(worst_case(u64::MAX, u32::MAX, &price()).money_uusd, crate::values::MAX_INT);
}

#[test]
fn the_bill_takes_each_bucket_at_its_price_and_rounds_up_once() {
    let usage = Usage { input: 1, cache_read: 1, cache_write: 1, output: 1, reasoning: 1 };
    // 3 + 0.3 + 3.75 + 15 + 15 = 37.05 micro-dollars.
    assert_eq!(actual(&usage, &price()), Amounts { money_uusd: 38, tokens: 5, calls: 1, time_us: 0 });
    assert_eq!(actual(&Usage { cache_read: 1, ..Usage::default() }, &price()).money_uusd, 1);
    let endless = Usage { input: u64::MAX, output: u64::MAX, ..Usage::default() };
    assert_eq!(actual(&endless, &price()).tokens, crate::values::MAX_INT);
}

#[test]
fn what_cannot_be_priced_is_refused_with_one_sentence() {
    let (second, limits) = (Span::from_millis(1000), Limits::default());
    let of = |limit: Limit| limiting(Some(&limit), &limits, &run());
    let money = of(Limit { money_uusd: Some(1), ..Limit::default() });
    let tokens = of(Limit { tokens: Some(1), ..Limit::default() });
    let calls = of(Limit { calls: Some(1), ..Limit::default() });
    let refused = |tariff: &Tariff, limiting: &Limiting| {
        tariff.reserve("big", 10, second, limiting, Timestamp::default()).unwrap_err().to_string()
    };
    let unpriced = Tariff::Billed { price: None, cap: Some(10), list: None };
    let uncapped = Tariff::Billed { price: Some(price()), cap: None, list: None };
    let sentences = [refused(&unpriced, &money), refused(&uncapped, &money), refused(&uncapped, &tokens)];
    expect![[r#"
        the model `big` has no price, and `run` has a limit of money: write `price` at the model
        the model `big` has no output cap, and `run` has a limit of money: write `max_tokens` at the model
        the model `big` has no output cap, and `run` has a limit of tokens: write `max_tokens` at the model"#]]
    .assert_eq(&sentences.join("\n"));
    // Where no such limit applies, neither is needed.
    let max = unpriced.reserve("big", 10, second, &tokens, Timestamp::default()).unwrap();
    assert_eq!(max, Amounts { money_uusd: 0, tokens: 15, calls: 1, time_us: 1_000_000 });
    assert!(uncapped.reserve("big", 10, second, &calls, Timestamp::default()).is_ok());
    // What bills nothing needs neither, whatever is limited.
    let free = Tariff::Free.reserve("rules", 10, second, &money, Timestamp::default()).unwrap();
    assert_eq!(free, Amounts { money_uusd: 0, tokens: 0, calls: 1, time_us: 1_000_000 });
}

#[test]
fn every_reason_is_budget_exceeded_and_pauses() {
    let why = Exceeded::Unpriced { model: "big".into(), scope: "day".into() };
    let failure = Failure::from(why);
    assert_eq!((failure.kind, failure.phase), (FailureKind::BudgetExceeded, Phase::Inside));
    assert!(matches!(crate::recovery::by_default(&failure), [crate::recovery::Recovery::Pause]));
    let unsent = Failure { phase: Phase::NotSent, ..failure };
    assert!(matches!(crate::recovery::by_default(&unsent), [crate::recovery::Recovery::Pause]));
}

#[test]
fn a_failure_says_of_what_there_was_no_room() {
    for unit in Unit::ALL {
        let (wanted, scope) = (1, "workflow:pay".into());
        let full = Failure::from(Exceeded::Full { scope, unit, wanted, left: Some(0), limit: 1, per: Period::Day });
        assert_eq!(short_of(&full), Some(("workflow:pay", unit)), "{}", full.detail);
    }
    let unpriced = Failure::from(Exceeded::Unpriced { model: "big".into(), scope: "day".into() });
    assert_eq!(short_of(&unpriced), None);
}

#[test]
fn what_is_not_known_is_forfeited_and_what_was_not_sent_costs_nothing() {
    let (took, tariff) = (Span::from_millis(20), Tariff::Billed { price: Some(price()), cap: Some(9), list: None });
    let (silent, told) = (Usage::default(), Usage { input: 100, output: 9, ..Usage::default() });
    let close = |tariff: &Tariff, usage: &Usage, failure: Option<(FailureKind, Phase)>| {
        let failure = failure.map(|(kind, phase)| Failure { kind, phase, detail: String::new(), retry_after: None });
        match tariff.close(usage, failure.as_ref(), took, Some(&price())) {
            Closing::Forfeit => "forfeit".to_owned(),
            Closing::Settle(Amounts { money_uusd, tokens, calls, time_us }) => {
                format!("{money_uusd} {tokens} {calls} {time_us}")
            }
        }
    };
    use FailureKind::{Internal, ProviderError, ProviderRateLimited, ProviderTimeout, Truncated};
    use Phase::{Answered, Inside, MaybeSent, NotSent};
    assert_eq!(close(&tariff, &told, None), "435 109 1 20000");
    assert_eq!(close(&tariff, &silent, None), "forfeit", "a server that does not say what it bills");
    assert_eq!(close(&tariff, &told, Some((Truncated, Answered))), "435 109 1 20000");
    assert_eq!(close(&tariff, &silent, Some((Truncated, Answered))), "forfeit");
    assert_eq!(close(&tariff, &silent, Some((ProviderRateLimited, Answered))), "0 0 1 20000");
    assert_eq!(close(&tariff, &silent, Some((ProviderTimeout, MaybeSent))), "forfeit");
    assert_eq!(close(&tariff, &told, Some((ProviderError, MaybeSent))), "forfeit", "cut off: there may have been more");
    assert_eq!(close(&tariff, &silent, Some((ProviderError, NotSent))), "0 0 0 0");
    assert_eq!(close(&tariff, &silent, Some((Internal, Inside))), "0 0 0 0");
    assert_eq!(close(&Tariff::Free, &told, None), "0 0 1 20000");
    assert_eq!(close(&Tariff::Free, &silent, Some((ProviderTimeout, MaybeSent))), "0 0 1 20000");
    assert_eq!(
        act(Some(dollars("0.02 USD")), took),
        Amounts { money_uusd: 20_000, tokens: 0, calls: 1, time_us: 20_000 }
    );
}

#[test]
fn amounts_are_json_with_their_units_and_read_strictly() {
    let amounts = Amounts { money_uusd: 5, tokens: 0, calls: 1, time_us: 0 };
    let json = serde_json::to_string(&amounts).unwrap();
    assert_eq!(json, r#"{"money_uusd":5,"calls":1}"#);
    assert_eq!(serde_json::from_str::<Amounts>(&json).unwrap(), amounts);
    assert!(serde_json::from_str::<Amounts>(r#"{"money":5}"#).is_err());
    assert_eq!(Unit::ALL.map(|unit| unit.show(1)), ["$0.000001", "1 token", "1 call", "1µs"]);
}

/// What is listed for a model with two tiers: above 200000 tokens of input it is dearer.
fn tiered(price: Option<Price>) -> Tariff {
    let listed = PriceList::today().find("https://api.anthropic.com/v1", "claude-sonnet-4-5").expect("it is listed");
    Tariff::Billed { price, cap: Some(1000), list: Some(listed.into()) }
}

#[test]
fn the_dearest_that_the_input_can_reach_is_set_aside_and_the_real_price_settled() {
    let (tariff, now) = (tiered(None), Timestamp::parse("2026-11-29").unwrap());
    let money: Limiting = [(Unit::Money, "run".into())].into();
    let most = |bytes| tariff.reserve("m", bytes, Span::from_millis(1), &money, now).unwrap().money_uusd;
    assert_eq!(most(400_000), 765_000, "200000 in at 3.75, written to a cache, and 1000 out at 15");
    assert_eq!(most(400_001), 1_522_508, "200001 in at 7.50 and 1000 out at 22.50, rounded up");
    let cost = |usage: &Usage| {
        let (price, _) = tariff.price(now, usage.input + usage.cache_read + usage.cache_write);
        actual(usage, &price.unwrap()).money_uusd
    };
    let usage = Usage { input: 100_000, cache_read: 100_000, output: 900, reasoning: 100, ..Usage::default() };
    assert_eq!(cost(&usage), 345_000, "100000 at 3, as many at 0.30, and 1000 at 15");
    assert_eq!(cost(&Usage { cache_write: 1, ..usage }), 682_508, "all of it is dearer then");
    assert_eq!(tariff.at_most(400_001).money_uusd, most(400_001));
}

#[test]
fn an_own_price_goes_before_the_list_while_it_holds() {
    let day = |text: &str| Timestamp::parse(text).unwrap();
    let own = Price { from: Some(day("2026-11-01")), until: Some(day("2026-12-01")), ..price() };
    let tariff = tiered(Some(own));
    let on = |text: &str| tariff.price(day(text), 500_000);
    let listed = |text: &str| matches!(on(text), (Some(price), PriceFrom::List(_)) if price.input == dollars("6 USD"));
    assert!(listed("2026-10-31T23:59:59Z") && listed("2026-12-01"));
    assert_eq!(on("2026-11-01"), (Some(own), PriceFrom::Own));
    assert_eq!(on("2026-11-30T23:59:59Z"), (Some(own), PriceFrom::Own));
    let free = Tariff::Billed { price: Some(Price::NOTHING), cap: None, list: None };
    assert_eq!(free.price(day("2026-11-01"), 1), (None, PriceFrom::Free));
    let alone = Tariff::Billed { price: Some(own), cap: Some(9), list: None };
    assert!(alone.is_priced(day("2026-11-30")) && !alone.is_priced(day("2026-12-01")));
    // What was stored before there was a list reads as it did.
    let stored =
        r#"{"billed":{"price":{"input":1,"cache_read":1,"cache_write":1,"output":2,"reasoning":2,"as_of":0},"cap":9}}"#;
    let read: Tariff = serde_json::from_str(stored).unwrap();
    assert_eq!(serde_json::to_string(&read).unwrap(), stored);
    let whole = serde_json::to_string(&tariff).unwrap();
    assert_eq!(serde_json::from_str::<Tariff>(&whole).unwrap(), tariff);
}
