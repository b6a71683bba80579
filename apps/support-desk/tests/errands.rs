//! A message that asks for several things: one plan, and nothing of it before people have seen it.

mod common;

use std::path::Path;

use common::{act, asked_of, call, changed, decide, last, letters, number, place, run_until_asked, text, waiting};
use serde_json::json;
use support_desk::{
    banking,
    errands::{Body, asked},
};

/// How many refunds, exchanges and new addresses the records have.
fn done(place: &Path) -> [i64; 3] {
    ["refund", "exchange", "postal_address"].map(|table| number(place, &format!("SELECT count(*) FROM {table}")))
}

#[test]
fn three_things_are_done_after_people_have_seen_the_plan() {
    let place = place();
    let review = run_until_asked(place.path(), "three-things");
    let (_, shown) = call(place.path(), &["approvals", "ls"]);
    for part in ["version 1 of the plan", "Refund $30.00 of payment PAY-20005", "4 Quay Street", "order ORD-20004"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    assert_eq!(done(place.path()), [0, 0, 0]);
    // Mia handles the case: she has no part in the decision.
    assert_ne!(decide(place.path(), &review, "approve", "mia").0, 0);
    assert_eq!(decide(place.path(), &review, "approve", "sam").0, 8, "the address is asked about by itself");
    assert_eq!(done(place.path()), [0, 0, 0]);
    let address = waiting(place.path()).pop().unwrap();
    assert_eq!(decide(place.path(), &address, "approve", "sam").0, 8, "and so is the refund");
    let refund = waiting(place.path()).pop().unwrap();
    assert_ne!(decide(place.path(), &refund, "approve", "sam").0, 0, "money is for the billing desk");
    assert_eq!(decide(place.path(), &refund, "approve", "lee").0, 0);
    assert_eq!(done(place.path()), [1, 1, 1]);
    assert_eq!(text(place.path(), "SELECT address FROM postal_address"), "4 Quay Street, Harbour 1070");
    assert_eq!(text(place.path(), "SELECT payment_id FROM refund"), "PAY-20005");
    let letters = letters(place.path());
    assert_eq!(letters.len(), 1);
    for part in ["30.00 USD for payment PAY-20005", "order ORD-20004", "new address"] {
        assert!(letters[0].replace("=\r\n", "").contains(part), "{part}: {}", letters[0]);
    }
    let shown = act(place.path(), "errands", "orders.ship_to");
    assert!(shown.contains("errand.address"), "{shown}");
}

#[test]
fn a_no_to_the_plan_leaves_everything_undone() {
    let place = place();
    let review = run_until_asked(place.path(), "three-things");
    let (code, said) = decide(place.path(), &review, "reject", "sam");
    assert_eq!(code, 0, "{said}");
    assert_eq!(done(place.path()), [0, 0, 0]);
    let thread = "FROM thread WHERE status = 'escalated' AND queue = 'front-desk'";
    assert_eq!(number(place.path(), &format!("SELECT count(*) {thread}")), 1);
    assert!(text(place.path(), "SELECT text FROM case_note").contains("not all of them were done"));
}

#[test]
fn a_no_to_one_action_stops_what_comes_after_it() {
    let place = place();
    let review = run_until_asked(place.path(), "three-things");
    assert_eq!(decide(place.path(), &review, "approve", "sam").0, 8);
    let address = waiting(place.path()).pop().unwrap();
    assert_eq!(decide(place.path(), &address, "reject", "sam").0, 0);
    assert_eq!(done(place.path()), [0, 0, 0]);
}

#[test]
fn nothing_is_planned_on_the_word_of_somebody_who_is_not_known() {
    let place = place();
    let mail = changed(place.path(), "three-things", &json!({ "auth": "fail" }));
    let said = common::run_file(place.path(), &mail, &[]);
    assert_eq!((&said["result"]["status"], &said["result"]["queue"]), (&"escalated".into(), &"front-desk".into()));
    assert_eq!(done(place.path()), [0, 0, 0]);
    let (_, shown) = call(place.path(), &["runs", "show", &last(place.path(), "errands")]);
    assert!(!shown.contains("billing.list_payments"), "{shown}");
}

#[test]
fn what_belongs_to_somebody_else_is_refused_by_the_records() {
    let place = place();
    // ORD-20001 is another customer's.
    let body = "Please send a replacement for order ORD-20001.\nMy new address is 4 Quay Street, Harbour 1070";
    let mail = changed(place.path(), "three-things", &json!({ "body": body }));
    let review = asked_of(place.path(), &mail);
    assert_eq!(decide(place.path(), &review, "approve", "sam").0, 8);
    let address = waiting(place.path()).pop().unwrap();
    let (code, said) = decide(place.path(), &address, "approve", "sam");
    assert_eq!(code, 0, "{said}");
    assert_eq!(done(place.path()), [0, 0, 1]);
    assert!(text(place.path(), "SELECT text FROM case_note").contains("0 exchanges, 1 new addresses"));
}

#[test]
fn a_message_about_one_thing_is_not_taken_for_several() {
    let examples = banking::read(Path::new(env!("CARGO_MANIFEST_DIR")), banking::Split::Test).unwrap();
    let several = examples.iter().filter(|one| asked(&Body { body: one.text.clone() }).several);
    assert_eq!((examples.len(), several.count()), (3080, 0));
}
