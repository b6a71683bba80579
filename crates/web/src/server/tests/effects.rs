//! An action whose outcome nobody knows: shown, and resolved by a person.

use kernel::{
    governance::{Effect, Proposal, Verdict},
    ids::{Digest, IdempotencyKey, RunId, StepPath, WorkerId},
    journal::{Entry, Event, Held},
    recovery::{Failure, FailureKind, Phase},
    values::{Span, Timestamp, Value},
};
use store::{Append, Appended, Expect, Guard, OpenAction};

use super::*;

const FILES: [(&str, &str); 6] = [
    ("surefoot.yaml", "project: shop\n"),
    ("people.yaml", "groups: { chiefs: {} }\npeople:\n  cleo: { name: Cleo, groups: [ chiefs ] }\n"),
    (
        "schemas/order.yaml",
        "type: object\nproperties: { id: { type: string } }\nrequired: [ id ]\nadditionalProperties: false\n",
    ),
    ("schemas/paid.yaml", "type: object\nproperties: { receipt: { type: string } }\nrequired: [ receipt ]\n"),
    (
        "tools/bank.yaml",
        "tool: bank\nnative: true\noperations:\n  pay: { effect: at_most_once, params: schemas/order.yaml, returns: schemas/paid.yaml }\n",
    ),
    (
        "workflows/pay.yaml",
        "workflow: pay\ninput: schemas/order.yaml\nresult: { value: =paid.receipt }\nstages:\n  - stage: all\n    steps:\n      \
         - { step: paid, act: bank.pay, with: { id: =input.id } }\n",
    ),
];

impl Scene {
    /// A run whose payment was sent by a process that is gone.
    pub(super) async fn in_doubt(&self) -> RunId {
        let body = json!({ "workflow": "pay", "input": { "id": "P-1" } });
        let run: RunId = self.api("POST", "/runs", &body).await.json()["id"]
            .as_str()
            .and_then(|run| run.parse().ok())
            .expect("it starts");
        let (store, now) = (self.runtime.store(), Timestamp::from_micros(1_893_456_000_000_000));
        let worker = WorkerId::new(now, [7; 10]);
        store.join(worker, Span::from_millis(60_000), now).await.expect("memory takes it");
        let claimed = store.claim(worker, 1, now).await.expect("memory gives it").remove(0);
        let step = StepPath::new("paid");
        let with = Held::Value(Value::map([("id", Value::from("P-1"))]));
        let (key, policy) = (IdempotencyKey::derive(run, &step, 0), Digest::of(&[b"rules"]));
        let started = Event::ActionStarted {
            step: step.clone(),
            attempt: 1,
            proposal: Proposal { tool: "bank".into(), operation: "pay".into(), effect: Effect::AtMostOnce, with },
            verdict: Verdict::Allow { rule: "built-in".into(), policy, by: Vec::new() },
            key: key.clone(),
            grounds: None,
        };
        let failure = Failure {
            kind: FailureKind::ToolTimeout,
            phase: Phase::MaybeSent,
            detail: "the process ended while it was sent".to_owned(),
            retry_after: None,
        };
        let unknown = Event::OutcomeUnknown { step, attempt: 1, failure, probe_at: None };
        let mut head = claimed.head;
        let mut entries = Vec::new();
        for event in [started, unknown] {
            entries.push(Entry::seal(run, head, claimed.epoch, now, [1; 16], &event));
            head = entries.last().map(Entry::head).expect("one was added");
        }
        let open = OpenAction {
            step: "paid".into(),
            action: "bank.pay".into(),
            effect: "at_most_once".into(),
            key: key.as_str().into(),
            attempt: 1,
            since: now,
        };
        let append = Append {
            run,
            expect: Expect { epoch: claimed.epoch, owner: worker, head: claimed.head.seq },
            entries,
            blobs: Vec::new(),
            guards: vec![Guard::ActionOpen(open), Guard::ActionUnknown { step: "paid".into() }],
            progress: false,
            doing: None,
            inbox_read: None,
            charged: Some(0),
            now,
        };
        let appended = store.append(append).await.expect("memory takes it");
        assert!(matches!(appended, Appended::Done { .. }), "{appended:?}");
        run
    }
}

#[tokio::test]
async fn a_person_says_what_became_of_an_action() {
    let scene = idle(&FILES).await;
    let cookie = scene.enter_as("cleo").await;
    assert!(scene.page(&cookie, "/effects").await.text.contains("Every action has its outcome"));
    let run = scene.in_doubt().await;
    let path = format!("/effects/{run}?step=paid");
    for page in ["/", "/effects", &format!("/runs/{run}")] {
        assert_eq!(scene.page(&cookie, page).await.link("/effects/run_"), path, "{page}");
    }
    let page = scene.page(&cookie, &path).await;
    for told in ["bank.pay", "nobody knows whether it happened", "never sent twice", "P-1", "allowed", "answer.receipt"]
    {
        assert!(page.text.contains(told), "{told}: {}", page.text);
    }
    let csrf = page.field("csrf");
    let send = async |fields: &[(&str, &str)]| {
        let all = [("csrf", csrf.as_str()), ("attempt", "1")].into_iter().chain(fields.iter().copied());
        let heard = scene.form(&cookie, &path, &all.collect::<Vec<_>>()).await;
        (heard.status, heard.text)
    };
    for (fields, why) in [
        (&[("reason", "seen")][..], "say what became of it"),
        (&[("outcome", "performed"), ("answer.receipt", "R-1")], "say how it is known"),
        (&[("outcome", "guessed"), ("reason", "seen")], "say what became of it"),
    ] {
        let (status, text) = send(fields).await;
        assert!(status == StatusCode::UNPROCESSABLE_ENTITY && text.contains(why), "{why}: {text}");
    }
    // Another sending than the one that was looked at.
    let stale = [("csrf", csrf.as_str()), ("attempt", "2"), ("outcome", "given_up"), ("reason", "old")];
    let stale = scene.form(&cookie, &path, &stale).await;
    assert!(
        stale.status == StatusCode::UNPROCESSABLE_ENTITY && stale.text.contains("look at it again"),
        "{}",
        stale.text
    );
    assert!(scene.runtime.store().inbox(run, 0).await.expect("it can be read").is_empty(), "nothing was said");

    let said =
        [("outcome", "performed"), ("reason", "the bank lists it"), ("answer.receipt", "R-1"), ("external_id", "99")];
    assert_eq!(send(&said).await.0, StatusCode::SEE_OTHER);
    let inbox = scene.runtime.store().inbox(run, 0).await.expect("it can be read");
    let body = Value::from_json(&inbox[0].body).expect("a message is JSON");
    assert_eq!((inbox.len(), &*inbox[0].sender), (1, "cleo"));
    assert_eq!(
        body.to_json(),
        r#"{"attempt":1,"auth":"local","external_id":"99","output":{"receipt":"R-1"},"reason":"the bank lists it","resolution":"performed","step":"paid"}"#
    );
    let nothing = format!("/effects/{}?step=paid", run.to_string().replace('0', "1"));
    for missing in ["/effects/x?step=paid", &format!("/effects/{run}?step=elsewhere"), &nothing] {
        assert_eq!(scene.page(&cookie, missing).await.status, StatusCode::NOT_FOUND, "{missing}");
    }
}
