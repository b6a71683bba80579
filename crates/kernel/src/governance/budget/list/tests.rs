use super::*;

fn day(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

const OPENAI: &str = "https://api.openai.com/v1";
const ANTHROPIC: &str = "https://api.anthropic.com/v1";
const GOOGLE: &str = "https://generativelanguage.googleapis.com/v1beta";

/// Input, read from a cache, written to one, output, reasoning: micro-dollars for a million tokens.
fn buckets(price: Price) -> [i64; 5] {
    [price.input, price.cache_read, price.cache_write, price.output, price.reasoning].map(Money::micros)
}

#[test]
fn the_whole_list_is_read_and_everything_in_it_is_a_price() {
    let list = PriceList::today();
    assert!(list.name.starts_with("genai-prices 0.2."), "{}", list.name);
    let models = || list.providers.iter().flat_map(|provider| &provider.models);
    let priced = models().filter(|model| !model.periods.is_empty()).count();
    assert!(priced > 200, "{priced} of {}", models().count());
    for model in models() {
        let names = model.like.iter().chain(&model.but).chain([&model.name]);
        assert!(names.into_iter().all(|name| !name.is_empty() && *name == name.to_ascii_lowercase()), "{}", model.name);
        for tier in model.periods.iter().flat_map(|period| &period.tiers) {
            let dearest = tier.buckets().into_iter().max().unwrap();
            assert!(dearest < Money::from_micros(1_000_000_000), "{}: {dearest} for a million tokens", model.name);
        }
    }
}

#[test]
fn what_is_no_list_is_refused_with_the_model_that_is_wrong() {
    let list = |model: &str| {
        format!(
            r#"{{"list":"l","version":"1","fetched":"2026-11-29","licence":"MIT","providers":[{{"name":"p","at":["https://p/"],"models":[{model}]}}]}}"#
        )
    };
    let model = |periods: &str| list(&format!(r#"{{"name":"m","like":["m"],"periods":[{periods}]}}"#));
    let tiers = |tiers: &str| model(&format!(r#"{{"tiers":[{tiers}]}}"#));
    let good = tiers(r#"{"above":0,"input":1,"output":2}"#);
    PriceList::read(&good).unwrap();
    for (text, why) in [
        (good.replace("\"MIT\"", "\"\""), "it says no licence"),
        (good.replace("2026-11-29", "2026-11-31"), "`2026-11-31` is no day"),
        (good.replace("output", "outputs"), "unknown field `outputs`"),
        (good.replace(":2}", ":0.5}"), "invalid type: floating point `0.5`"),
        (tiers(r#"{"above":0,"input":-1,"output":2}"#), "p/m: a price is below nothing"),
        (tiers(r#"{"above":5,"input":1,"output":2}"#), "p/m: its tiers are not in order from 0"),
        (tiers(""), "p/m: its tiers are not in order from 0"),
        (model(r#"{"from":"2026-01-01","tiers":[]}"#), "p/m: its periods are not in order from the beginning"),
    ] {
        let found = PriceList::read(&text).unwrap_err();
        assert!(found.starts_with(why), "{found}");
    }
}

#[test]
fn the_names_that_people_write_and_those_that_servers_answer_with_are_found() {
    let list = PriceList::today();
    for (server, names) in [
        (GOOGLE, &["gemini-2.5-flash", "models/gemini-2.5-flash", "gemini-2.5-pro", "gemini-2.5-flash-lite"][..]),
        (
            ANTHROPIC,
            &["claude-haiku-4-5", "claude-haiku-4-5-20251001", "claude-sonnet-4-5", "claude-sonnet-4-5-20250929"],
        ),
        (OPENAI, &["gpt-5-mini", "gpt-5-mini-2025-08-07", "GPT-5-mini", "gpt-4o", "gpt-4o-2024-08-06", "o3"]),
        ("https://api.mistral.ai/v1", &["mistral-small-latest"]),
        ("https://api.groq.com/openai/v1", &["llama-3.3-70b-versatile"]),
    ] {
        for name in names {
            let found = list.find(server, name).unwrap_or_else(|| panic!("{server} has no price for {name}"));
            assert_eq!(found.within(day("2026-11-29"), 0).count(), 1, "{name}");
        }
    }
    let found = list.find(OPENAI, "gpt-5-mini-2025-08-07").unwrap();
    assert_eq!((&*found.by, found.as_of), (&*format!("{}, openai/gpt-5-mini", list.name), list.fetched));
    // What speaks is another model, though its name begins alike.
    let spoken = list.find(GOOGLE, "gemini-2.5-pro-preview-tts").unwrap();
    assert!(spoken.by.ends_with("google/gemini-2.5-pro-tts"), "{}", spoken.by);
    // A name that is not listed, one without a price for tokens, and the same name at another server have none.
    for (server, name) in [
        (OPENAI, "gpt-5-minimal"),
        (OPENAI, "whisper-1"),
        ("http://127.0.0.1:9000/v1", "gpt-5-mini"),
        ("https://api.openai.com.example/v1", "gpt-5-mini"),
        ("=env.SERVER", "gpt-5-mini"),
    ] {
        assert_eq!(list.find(server, name), None, "{server} {name}");
    }
}

#[test]
fn the_size_of_the_input_and_the_day_choose_the_price() {
    let sonnet = PriceList::today().find(ANTHROPIC, "claude-sonnet-4-5").unwrap();
    let now = day("2026-11-29");
    let at = |tokens| sonnet.within(now, tokens).map(buckets).collect::<Vec<_>>();
    let small = [3_000_000, 300_000, 3_750_000, 15_000_000, 15_000_000];
    let large = [6_000_000, 600_000, 7_500_000, 22_500_000, 22_500_000];
    assert_eq!(at(200_000), [small]);
    assert_eq!(at(200_001), [small, large], "whoever has so many may also have fewer");
    let tier = |input| Tier {
        above: 0,
        input: Money::from_micros(input),
        cache_read: None,
        cache_write: None,
        output: Money::from_micros(0),
        reasoning: None,
    };
    let period = |from: Option<&str>, input| Period { from: from.map(day), tiers: vec![tier(input)] };
    let listed = Listed {
        by: "l 1, p/m".into(),
        as_of: now,
        periods: vec![period(None, 1), period(Some("2026-06-01"), 2), period(Some("2027-01-01"), 3)],
    };
    let on = |text: &str| {
        let price = listed.within(day(text), 0).next().unwrap();
        (price.input.micros(), price.from, price.until)
    };
    let (june, january) = (Some(day("2026-06-01")), Some(day("2027-01-01")));
    assert_eq!(on("2026-05-31T23:59:59Z"), (1, None, june));
    assert_eq!(on("2026-06-01"), (2, june, january));
    assert_eq!(on("2027-01-01"), (3, january, None));
    let later: Vec<i64> = listed.from_now_on(0).map(|price| price.input.micros()).collect();
    assert_eq!(later, [2, 3], "what is over is not to be expected any more");
}
