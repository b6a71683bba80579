//! What customers are told: nothing is asked that their last messages answer, and nothing is said that the records do not prove.

mod common;

use std::{path::Path, sync::Arc};

use async_trait::async_trait;
use common::{changed, desk, letters, number, place, program, run_changed};
use serde_json::{Value, json};
use support_desk::{mailroom::Mailroom, natives};
use surefoot::{ModelRequest, Proposed, Provider, Reply, Surefoot, Usage};

/// Runs a message of Odalys in a thread; gives the reply of the result.
fn wrote(place: &Path, thread: &str, number: usize, body: &str) -> Value {
    let change = json!({ "message_id": format!("{thread}-{number}"), "thread_id": thread, "body": body });
    run_changed(place, "refund-30", &change)["reply"].clone()
}

/// Whether a reply asks which payment is meant.
fn asks(reply: &Value) -> bool {
    assert_eq!(
        (&reply["by"], &reply["unused"], &reply["state"]),
        (&json!("writer"), &Value::Null, &json!("sent")),
        "{reply}"
    );
    reply["body"].as_str().unwrap().contains("Which payment is it about?")
}

const NAMED: &str = "Order ORD-20005 is on my statement two times.";
const SILENT: &str = "I was charged twice. Please refund the second payment.";

#[test]
fn a_reply_asks_nothing_that_the_last_three_messages_answer() {
    let place = place();
    let threads: [(&str, &[&str], &[bool]); 4] = [
        ("never", &[SILENT, SILENT], &[true, true]),
        ("before", &[NAMED, SILENT, SILENT], &[false, false, false]),
        ("in-between", &[SILENT, SILENT, NAMED, SILENT, SILENT], &[true, true, false, false, false]),
        // The fourth message does not see the first.
        ("long-ago", &[NAMED, SILENT, SILENT, SILENT], &[false, false, false, true]),
    ];
    for (thread, messages, wanted) in threads {
        for (at, (body, wanted)) in messages.iter().zip(wanted).enumerate() {
            let reply = wrote(place.path(), thread, at, body);
            assert_eq!(asks(&reply), *wanted, "{thread}, message {at}: {reply}");
            let again = reply["body"].as_str().unwrap().contains("your earlier messages");
            assert_eq!(again, at > 0, "{thread}, message {at}: {reply}");
        }
    }
    assert_eq!(number(place.path(), "SELECT count(*) FROM refund"), 0);
}

#[test]
fn the_writer_sees_three_messages_of_this_customer_and_no_older_one() {
    let place = place();
    let db = desk(place.path());
    db.execute_batch(
        "INSERT INTO thread (id, customer_id, subject) VALUES ('t', 'C-1002', 's'), ('other', 'C-1003', 's'), ('nobody', NULL, 's');
         INSERT INTO message (id, thread, direction, sender, auth, subject, body, received_at)
         VALUES ('1', 't', 'in', 'a', 'pass', 's', 'one', '2026-11-05T00:00:00Z'), ('2', 't', 'in', 'a', 'pass', 's', 'two', '2026-11-04T00:00:00Z'),
                ('x', 't', 'out', 'a', 'pass', 's', 'ours', '2026-11-04T00:00:00Z'), ('3', 't', 'in', 'a', 'pass', 's', 'three', '2026-11-03T00:00:00Z'),
                ('y', 'other', 'in', 'a', 'pass', 's', 'of another', '2026-11-04T00:00:00Z'), ('4', 't', 'in', 'a', 'pass', 's', 'four', '2026-11-02T00:00:00Z'),
                ('z', 'nobody', 'in', 'a', 'pass', 's', 'of somebody', '2026-11-04T00:00:00Z');",
    )
    .unwrap();
    let sql = std::fs::read_to_string(place.path().join("sql/desk/last_messages.sql")).unwrap();
    let seen = |thread: &str, customer: &str| {
        let items: String =
            db.query_row(&sql, &[(":thread", thread), (":customer_id", customer)], |row| row.get(0)).unwrap();
        let items: Vec<Value> = serde_json::from_str(&items).unwrap();
        items.iter().map(|one| one["body"].as_str().unwrap().to_owned()).collect::<Vec<_>>().join(" ")
    };
    // In the order in which they came, whatever date they bear.
    assert_eq!(seen("t", "C-1002"), "two three four");
    assert_eq!(seen("t", "C-1003"), "");
    assert_eq!(seen("t", "C-9999"), "");
    assert_eq!(seen("nobody", "C-9999"), "of somebody");
}

#[test]
fn an_article_that_the_earlier_message_calls_for_is_cited_and_an_old_one_is_not() {
    let place = place();
    let say = |number: usize, subject: &str, body: &str| {
        let change = json!({ "message_id": format!("c-{number}"), "thread_id": "c", "subject": subject, "body": body });
        run_changed(place.path(), "technical", &change)
    };
    let first = say(1, "Card reader", "My card reader at the till is declined, contactless, I mean.");
    assert_eq!(first["article"], Value::Null, "{first}");
    let second = say(
        2,
        "Card declined",
        "The card payment stopped working again, and the card is declined. The app is not working.",
    );
    assert_eq!((&second["article"], &second["reply"]["by"]), (&Value::Null, &json!("writer")), "{second}");
    let body = second["reply"]["body"].as_str().unwrap();
    assert!(
        body.contains("Perhaps this helps until then:") && body.contains("(article KB-101, version 3)"),
        "{second}"
    );
}

/// Says what it likes, and claims that it was done.
struct Liar;

#[async_trait]
impl Provider for Liar {
    async fn ask(&self, _: &ModelRequest) -> Reply {
        let lie = json!({
            "paragraphs": ["We have refunded 500 dollars to you."], "asks": [], "cites": "",
            "claims": [{
                "says": "I refunded 500", "action": "billing.refund", "resource": "PAY-20005", "status": "succeeded", "evidence": "refund/1",
            }],
        });
        let arguments = surefoot::Value::from_json(lie.to_string().as_bytes()).unwrap();
        let proposed = vec![Proposed { id: "p".into(), name: "answer".into(), arguments }];
        Reply { proposed, ..Reply::of(Ok("".into()), Usage::default(), None) }
    }
}

#[tokio::test]
async fn a_writer_that_lies_is_refuted_and_nothing_of_it_is_sent() {
    let place = place();
    drop(desk(place.path()));
    let mailroom = Mailroom::new(place.path().join(".surefoot/mail"));
    let kept = mailroom.kept();
    let builder = Surefoot::builder().project(place.path()).environment(Arc::new(move |name: &str| match name {
        "SMTP_URL" => mailroom.url(),
        _ => None,
    }));
    let desk = natives::register(builder, Some(kept)).provider("writer", Liar).build().unwrap();
    let file = changed(place.path(), "refund-30", &json!({ "body": SILENT }));
    let mail = surefoot::Value::from_json(&std::fs::read(file).unwrap()).unwrap();
    let ended = desk.run_to_end("support-email", mail).await.unwrap();
    let result: Value = serde_json::from_slice(&ended.result.unwrap_or_default().to_jcs()).unwrap();
    let reply = &result["reply"];
    assert_eq!(
        (&reply["by"], &reply["state"], &reply["template"]),
        (&json!("desk"), &json!("sent"), &json!("billing")),
        "{reply}"
    );
    let why = "refuted: “I refunded 500”: nothing of that kind was done in this case";
    assert_eq!(reply["unused"], why, "{reply}");
    let sent = letters(place.path());
    assert!(sent.len() == 1 && !sent[0].contains("500") && sent[0].contains("Which payment is it about?"), "{sent:?}");
}

#[test]
fn after_an_alarm_no_writer_is_asked() {
    let place = place();
    common::run_until_asked(place.path(), "angry");
    let run = common::last(place.path(), "support-email");
    let output = program().args(["runs", "show", &run]).arg(place.path()).output().unwrap();
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(shown.contains("alarm") && !shown.contains("draft[0]"), "{shown}");
    assert!(letters(place.path())[0].contains("a colleague is reading your message now"));
}
