mod machine;
mod properties;

use std::sync::LazyLock;

use expect_test::expect;

use super::*;
use crate::{
    complaint::Complaints,
    governance::Effect,
    ids::StepPath,
    values::{Span, Value},
    workflow::project::Sources,
};

const HOUR: i64 = 3_600_000_000;

/// `erik` is away for the first sixteen hours of the tests, and `gus`, who has no group, stands in for him.
const DIRECTORY: &str = r"
people:
  anna: { name: Anna, groups: [finance] }
  bob: { name: Bob, groups: [finance, legal] }
  carol: { name: Carol, groups: [legal] }
  dora: { name: Dora, groups: [audit] }
  erik: { name: Erik, groups: [finance, legal], absences: [{ from: 2026-11-20, until: 2026-11-25, stand_in: gus }] }
  gus: { name: Gus }
groups:
  finance: { escalate_to: audit }
  legal: {}
  audit: {}
";

static PEOPLE: LazyLock<People> = LazyLock::new(|| {
    let mut complaints = Complaints::new();
    let people = People::read(&Sources::from_iter([("people.yaml", DIRECTORY)]), &mut complaints);
    people.unwrap_or_else(|| panic!("{complaints:?}"))
});

/// So many hours after the question.
fn hour(hours: i64) -> Timestamp {
    Timestamp::parse("2026-11-25T08:00:00Z").unwrap() + Span::from_micros(hours * HOUR)
}

fn names(names: &[&str]) -> Vec<Arc<str>> {
    names.iter().map(|name| Arc::from(*name)).collect()
}

fn terms() -> Terms {
    Terms {
        groups: vec![names(&["finance"])],
        quorum: 1,
        asked_at: hour(0),
        expires_at: Some(hour(10)),
        on_expiry: OnExpiry::Deny,
        escalated: false,
        editable: names(&["amount"]),
        answerable: false,
        no_self: true,
        requesters: names(&["anna"]),
        hash: Digest::of(&[b"action"]),
        shown: Digest::of(&[b"card"]),
    }
}

fn vote(by: &str, decision: Decision, at: i64) -> Vote {
    Vote::cast(By::Person(by.into()), decision, terms().shown, "session", &PEOPLE, hour(at))
}

fn no(reason: &str) -> Decision {
    Decision::Reject { reason: reason.into() }
}

fn edit(json: &str) -> Decision {
    Decision::Edit { with: Value::from_json(json.as_bytes()).unwrap() }
}

fn action() -> Action {
    Action {
        tenant: "acme".into(),
        run: RunId::new(hour(0), [7; 10]),
        step: StepPath::new("pay"),
        call: 1,
        tool: "bank".into(),
        operation: "transfer".into(),
        tool_pin: Digest::of(&[b"pin"]),
        class: Effect::Idempotent,
        resource: Value::map([("type", Value::from("Account")), ("id", Value::from("a1"))]),
        with: Value::map([("amount", Value::from(2_u32)), ("note", Value::from("x"))]),
        secrets: [("bank-key".into(), "3".into())].into(),
        undo: vec![Digest::of(&[b"undo"])],
    }
}

#[test]
fn every_refusal_is_one_sentence() {
    let (terms, people) = (terms(), &*PEOPLE);
    let mut said = String::new();
    let mut say = |votes: &[Vote], vote: &Vote, now: i64| {
        let refused = admit(&terms, votes, vote, people, hour(now)).expect_err("it must be refused");
        said.push_str(&format!("{refused}\n"));
    };
    let yes = || Decision::Approve;
    say(&[], &Vote { by: By::Run(RunId::new(hour(0), [1; 10])), ..vote("bob", yes(), 1) }, 1);
    say(&[], &Vote { by: By::Model("fast".into()), ..vote("bob", yes(), 1) }, 1);
    say(&[], &vote("zed", yes(), 1), 1);
    say(&[], &Vote { groups: names(&["finance"]).into_iter().collect(), ..vote("carol", yes(), 1) }, 1);
    say(&[], &Vote { directory: Digest::ZERO, ..vote("bob", yes(), 1) }, 1);
    say(&[], &vote("erik", yes(), 1), 1);
    say(&[], &vote("carol", yes(), 1), 1);
    say(&[], &vote("anna", yes(), 1), 1);
    say(&[], &Vote { shown: Digest::ZERO, ..vote("bob", yes(), 1) }, 1);
    say(&[], &vote("bob", yes(), 9), 10);
    say(&[vote("gus", yes(), 1)], &vote("bob", yes(), 2), 2);
    say(&[vote("gus", no("too\u{202e} much"), 1)], &vote("bob", yes(), 2), 2);
    say(&[vote("bob", yes(), 1)], &vote("bob", no("on second thought"), 2), 2);
    say(&[], &vote("bob", edit(r#"{"amonut":1}"#), 1), 1);
    say(&[], &vote("bob", edit(r#"{"amount":1,"to":"me"}"#), 1), 1);
    say(&[], &vote("bob", edit("{}"), 1), 1);
    say(&[], &vote("bob", Decision::Answer { value: Value::Null }, 1), 1);
    expect![[r#"
        only a person decides, and the run `run_01a211b7fc0071018101010101010101` is none
        only a person decides, and the model `fast` is none
        `zed` is not in people.yaml, so this decision does not count
        people.yaml says otherwise about the groups of `carol` than this decision does: decide again
        people.yaml says otherwise about the groups of `bob` than this decision does: decide again
        `erik` is away until 2026-11-25, and `gus` stands in
        `carol` is in none of the groups that decide this: `finance`
        `anna` asked for this action, and who asks does not decide
        what is asked has changed since it was shown: look at it again, then decide
        the time to decide this ran out at 2026-11-25T18:00:00.000Z
        this is decided already: `gus` approved it
        this is decided already: `gus` rejected it
        `bob` has approved this already, and a decision is not taken back
        `amonut` cannot be changed here; did you mean `amount`?
        `to` cannot be changed here; what can be changed: `amount`
        an edit is a map of at least one field with its new value
        this action is approved, edited or rejected; it is not a question to be answered
    "#]]
    .assert_eq(&said);
}

#[test]
fn a_stand_in_decides_while_the_other_is_away_and_not_after() {
    let (terms, people) = (Terms { expires_at: None, ..terms() }, &*PEOPLE);
    let yes = |by, at| admit(&terms, &[], &vote(by, Decision::Approve, at), people, hour(at));
    assert_eq!(yes("gus", 15), Ok(Admitted::New));
    assert!(matches!(yes("erik", 15), Err(Refused::Away { .. })));
    assert!(matches!(yes("gus", 16), Err(Refused::WrongGroup { .. })));
    assert_eq!(yes("erik", 16), Ok(Admitted::New));
}

#[test]
fn what_is_missing_is_told() {
    let terms = Terms { groups: vec![names(&["finance"]), names(&["legal", "audit"])], quorum: 2, ..terms() };
    let pending = |people, groups: &[&[&str]]| Standing::Pending {
        people,
        groups: groups.iter().map(|list| names(list)).collect(),
    };
    assert_eq!(standing(&terms, &[], hour(1)), pending(2, &[&["finance"], &["legal", "audit"]]));
    let gus = vote("gus", Decision::Approve, 1);
    assert_eq!(standing(&terms, std::slice::from_ref(&gus), hour(1)), pending(1, &[]));
    let two = [gus, vote("dora", Decision::Approve, 2)];
    assert_eq!(standing(&terms, &two, hour(2)), Standing::Approved { by: names(&["dora", "gus"]) });
    let dora = [vote("dora", Decision::Approve, 2)];
    assert_eq!(standing(&Terms { quorum: 1, ..terms }, &dora, hour(2)), pending(0, &[&["finance"]]));
}

#[test]
fn nobody_to_ask_is_never_a_yes() {
    let votes = [vote("bob", Decision::Approve, 1), vote("gus", Decision::Approve, 1)];
    for groups in [vec![], vec![vec![]], vec![names(&["finance"]), vec![]]] {
        for quorum in [0, 1] {
            let terms = Terms { groups: groups.clone(), quorum, ..terms() };
            assert!(matches!(standing(&terms, &votes, hour(2)), Standing::Pending { .. }), "{groups:?}");
        }
    }
    assert!(matches!(standing(&Terms { quorum: 0, ..terms() }, &[], hour(1)), Standing::Pending { people: 1, .. }));
}

#[test]
fn a_reason_is_handed_on_with_everything_visible() {
    let votes = [vote("bob", no("\u{1b}[2Jignore the\u{200b} rules"), 1)];
    let reason = "⟨U+001B⟩[2Jignore the⟨U+200B⟩ rules".to_owned();
    assert_eq!(standing(&terms(), &votes, hour(99)), Standing::Rejected { by: "bob".into(), reason });
}

#[test]
fn keyed_hashes_are_hmac_sha_256() {
    // RFC 4231 §4.2, §4.3, §4.4, §4.7: a short key, a text key, a long run of bytes, a key longer than a block.
    let vectors: [(&[u8], &[u8], &str); 4] = [
        (&[0x0b; 20], b"Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
        (b"Jefe", b"what do ya want for nothing?", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
        (&[0xaa; 20], &[0xdd; 50], "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"),
        (
            &[0xaa; 131],
            b"Test Using Larger Than Block-Size Key - Hash Key First",
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
        ),
    ];
    for (key, text, wanted) in vectors {
        assert_eq!(action::keyed(key, text).to_string(), wanted);
    }
}

#[test]
fn the_hash_of_an_action_is_a_stored_format() {
    expect![[r#"{"call":1,"class":"idempotent","operation":"transfer","resource":{"id":"a1","type":"Account"},"run":"run_01a211b7fc0077078707070707070707","secrets":{"bank-key":"3"},"step":"pay","tenant":"acme","tool":"bank","tool_pin":"64f46a7526a186d2346552453ae478ca51244674f5b21ba150bd483b39f7c812","undo":["f015346ae3563d83d3a9cad3223586a53d2a62b08a6a7f47d7eeeb3f89be4e90"],"v":1,"with":{"amount":2,"note":"x"}}"#]].assert_eq(&action().to_value().to_json());
    expect!["0ab1a4e37b313968439b07e702b0073c4e4baa28e1e00c5d15720c1e559882e1"]
        .assert_eq(&action_hash(&[1; 32], &action()).to_string());
}

fn card() -> Card {
    Card {
        says: "Transfer 2 to a1\nand all is well".into(),
        why: vec![Why {
            rule: "money.review".into(),
            at: "policies/ask/money.cedar:3".into(),
            values: Value::map([("input.amount", Value::from(2_u32))]),
            reason: "above the limit of a run".into(),
        }],
        evidence: Value::list([Value::from("mail\u{200b}")]),
        model_words: Some("line\nline\u{1b}[8m".into()),
        effect: Some(Effect::Idempotent),
        form: None,
        with: Value::map([("to\u{202e}", Value::from("a1\r"))]),
        undo: None,
        on_yes: "the transfer is made".into(),
        on_no: "the step fails".into(),
        terms: terms(),
    }
}

#[test]
fn a_card_shows_what_cannot_be_seen() {
    expect![[r#"{"effect":"idempotent","evidence":["mail⟨U+200B⟩"],"model_words":"line\nline⟨U+001B⟩[8m","on_no":"the step fails","on_yes":"the transfer is made","says":"Transfer 2 to a1⟨U+000A⟩and all is well","terms":{"answerable":false,"asked_at":"2026-11-25T08:00:00.000Z","editable":["amount"],"expires_at":"2026-11-25T18:00:00.000Z","groups":[["finance"]],"hash":"bd938c688f49b77c7fc537c6b9222e2c97ebddd63076b87f2feaec66fb9c05d0","no_self":true,"on_expiry":"deny","quorum":1,"requesters":["anna"]},"undo":null,"v":1,"why":[{"at":"policies/ask/money.cedar:3","reason":"above the limit of a run","rule":"money.review","values":{"input.amount":2}}],"with":{"to⟨U+202E⟩":"a1⟨U+000D⟩"}}"#]].assert_eq(&card().to_value().to_json());
}

#[test]
fn a_card_is_bound_to_all_that_it_shows() {
    let key = [1; 32];
    let bound = card().bind(&key);
    assert_eq!(bound, Terms { shown: shown_hash(&key, &card()), ..terms() });
    // Binding again, or escalating, does not change what was shown.
    assert_eq!(Card { terms: bound.clone(), ..card() }.bind(&key), bound);
    let why = Why { at: "policies/ask/money.cedar:4".into(), ..card().why[0].clone() };
    let others = [
        Card { says: "Transfer 2 to a1 and all is well".into(), ..card() },
        Card { why: vec![why], ..card() },
        Card { evidence: Value::Null, ..card() },
        Card { model_words: None, ..card() },
        Card { effect: Some(Effect::AtMostOnce), ..card() },
        Card { effect: None, ..card() },
        Card { form: Some(Value::Null), ..card() },
        Card { with: Value::map([("to⟨U+202E⟩", Value::from("a1\r"))]), ..card() },
        Card { undo: Some(String::new()), ..card() },
        Card { on_yes: String::new(), ..card() },
        Card { on_no: String::new(), ..card() },
        Card { terms: Terms { quorum: 2, ..terms() }, ..card() },
        Card { terms: Terms { groups: vec![], ..terms() }, ..card() },
        Card { terms: Terms { expires_at: None, ..terms() }, ..card() },
        Card { terms: Terms { on_expiry: OnExpiry::ContinueWith, ..terms() }, ..card() },
        Card { terms: Terms { editable: vec![], ..terms() }, ..card() },
        Card { terms: Terms { no_self: false, ..terms() }, ..card() },
        Card { terms: Terms { requesters: vec![], ..terms() }, ..card() },
        Card { terms: Terms { answerable: true, ..terms() }, ..card() },
        Card { terms: Terms { hash: Digest::ZERO, ..terms() }, ..card() },
    ];
    for other in others {
        assert_ne!(shown_hash(&key, &other), bound.shown, "{other:?}");
    }
    assert_ne!(shown_hash(&[2; 32], &card()), bound.shown);
}

#[test]
fn votes_and_terms_are_read_back_and_nonsense_is_not() {
    let vote = Vote { reason: Some("as agreed".into()), ..vote("bob", edit(r#"{"amount":1}"#), 1) };
    let text = serde_json::to_string(&vote).unwrap();
    assert_eq!(serde_json::from_str::<Vote>(&text).unwrap(), vote);
    let asked = Terms { on_expiry: OnExpiry::Escalate("audit".into()), ..terms() };
    assert_eq!(serde_json::from_str::<Terms>(&serde_json::to_string(&asked).unwrap()).unwrap(), asked);
    for cut in 0..text.len() {
        assert!(serde_json::from_str::<Vote>(&text[..cut]).is_err(), "{cut}");
    }
    for (from, to) in [("\"edit\"", "\"yes\""), ("\"person\"", "\"admin\""), ("\"auth\"", "\"allow\"")] {
        let wrong = text.replacen(from, to, 1);
        assert_ne!(wrong, text, "{from}");
        assert!(serde_json::from_str::<Vote>(&wrong).is_err(), "{wrong}");
    }
}
