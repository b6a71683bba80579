//! From a tool file to an effect outside and back: the kernel decides, the gateway acts, the ledger counts.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
};

use apparatus::{ledger::Ledger, ledgerd::Ledgerd};
use gateway::{
    Gateway,
    tool::http::{HttpBody, HttpClient, HttpOperation, HttpSpec, HttpTool, Method},
};
use kernel::{
    governance::charter::Charter,
    ids::RunId,
    journal::{Entry, Head},
    next::{self, Facts, Next, Record, Starter},
    run::RunState,
    settle::{Answer, Settled, settle},
    tool::Reach,
    values::{Timestamp, Value},
    workflow::{
        Program,
        project::{Project, Sources, check},
    },
};
use serde_json::json;

fn project(on_failure: &str) -> Project {
    let tool = "
tool: bank
http: { base_url: =env.BANK_URL }
operations:
  transfer:
    effect: idempotent
    method: POST
    path: /effect/{{ with.kind }}
    body: { cents: =with.cents }
    key: { header: Idempotency-Key }
";
    let workflow = format!(
        "
workflow: pay
input: schemas/input.yaml
stages:
  - stage: main
    steps:
      - step: transfer
        act: bank.transfer
        with: {{ kind: transfer, cents: =input.cents }}
        on_failure: {on_failure}
"
    );
    let files = [
        ("surefoot.yaml", "project: pay".to_owned()),
        ("tools/bank.yaml", tool.to_owned()),
        ("schemas/input.yaml", "type: object\nproperties: { cents: { type: integer } }\nrequired: [cents]".to_owned()),
        ("workflows/pay.yaml", workflow),
    ];
    let checked = check(&files.into_iter().collect::<Sources>());
    checked.project.unwrap_or_else(|| panic!("{:#?}", checked.complaints))
}

fn gateway(project: &Project, url: &str) -> Gateway {
    let file = &project.tools["bank"];
    let Reach::Http { base_url, .. } = &file.reach else { panic!("not HTTP") };
    let base_url = base_url.eval(&[Value::map([("BANK_URL", url.into())])]).unwrap();
    let operations = file.operations.iter().map(|(name, operation)| {
        let http = operation.http.as_ref().unwrap();
        let call = HttpOperation {
            body: http.body.clone().map_or(HttpBody::Json, HttpBody::Template),
            key_header: http.key_header.as_ref().map(ToString::to_string),
            ..HttpOperation::new(Method::POST, http.path.clone())
        };
        (name.clone(), call)
    });
    let base_url = base_url.as_str().unwrap().to_owned();
    let spec = HttpSpec { base_url, headers: Vec::new(), operations: operations.collect() };
    let tool = HttpTool::new(spec, Arc::new(BTreeMap::new()), HttpClient::new().unwrap()).unwrap();
    Gateway::new().with_tool("bank", tool)
}

/// One run, driven by hand; time passes only when the run sleeps.
struct Run<'a> {
    id: RunId,
    program: &'a Program,
    state: RunState,
    head: Head,
    now: Timestamp,
    outline: Vec<String>,
}

impl<'a> Run<'a> {
    fn start(program: &'a Program, input: &Value) -> Run<'a> {
        let (id, now) = (RunId::new(Timestamp::from_micros(0), [1; 10]), Timestamp::from_micros(0));
        let first = next::start(program, id, 1, (input, &Starter::default()), now, [0; 16]).unwrap().first;
        let mut run = Run { id, program, state: RunState::new(id), head: Head::START, now, outline: Vec::new() };
        run.take(&first);
        run
    }

    fn take(&mut self, entry: &Entry) {
        let event = entry.event().unwrap();
        let words = format!("{event:?}");
        self.outline.push(words.split([' ', '{']).next().unwrap().to_owned());
        self.state.apply(entry, event).unwrap();
        self.head = entry.head();
    }

    fn record(&mut self, record: &Record) {
        let entry = Entry::seal(self.id, self.head, 1, self.now, [0; 16], &record.event);
        self.take(&entry);
    }

    async fn finish(mut self, gateway: &Gateway) -> (Vec<String>, RunState) {
        let (blobs, in_flight, charter, counters, refused) =
            (&BTreeMap::new(), &BTreeSet::new(), &Charter::default(), &BTreeMap::new(), &BTreeMap::new());
        let (places, cooling, answers) = (&BTreeMap::new(), &BTreeMap::new(), &BTreeMap::new());
        let facts = |now| Facts {
            now,
            epoch: 1,
            blobs,
            in_flight,
            charter,
            counters,
            refused,
            places,
            cooling,
            answers,
            tenant: "main",
            key: &[0; 32],
        };
        while self.state.end.is_none() {
            for next in next::next(self.program, &self.state, &facts(self.now)) {
                match next {
                    Next::Record(record) | Next::Finish(record) => self.record(&record),
                    Next::Call(permit) => {
                        let (step, attempt) = (permit.step().clone(), permit.attempt());
                        let answer = gateway.call(permit).await.answer;
                        let answer = Answer::Tool { attempt, answer, raw: None };
                        match settle(self.program, &self.state, &facts(self.now), &step, &answer) {
                            Settled::Record(record) => self.record(&record),
                            other => panic!("{other:?}"),
                        }
                    }
                    // What only a person can end is not waited for.
                    Next::Suspend(suspend) => match suspend.until {
                        Some(until) => self.now = until,
                        None => return (self.outline, self.state),
                    },
                    other => panic!("{other:?}"),
                }
            }
        }
        (self.outline, self.state)
    }
}

async fn set(url: &str, mode: &str) {
    let setting = json!({"kind": "transfer", "mode": mode});
    let sent = apparatus::http::client().unwrap().put(format!("{url}/mode")).json(&setting).send().await;
    assert_eq!(sent.unwrap().status(), 204);
}

async fn ledgerd(file: &Path) -> String {
    let ledgerd = Ledgerd::open(file, 0).await.unwrap();
    let url = ledgerd.url();
    tokio::spawn(ledgerd.serve());
    url
}

#[tokio::test]
async fn however_an_answer_is_lost_the_effect_happens_once() {
    for mode in ["drop_after", "fail_after", "truncated"] {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("ledger");
        let url = ledgerd(&file).await;
        set(&url, mode).await;
        let project = project("{ tool_error: [ { retry: 2, every: 1s }, fail ] }");
        let run = Run::start(&project.workflows["pay"], &Value::map([("cents", Value::Int(500))]));
        let (outline, _) = run.finish(&gateway(&project, &url)).await;
        let ledger = Ledger::read(&file).unwrap();
        assert_eq!(ledger.sent().into_values().collect::<Vec<_>>(), [3], "{mode} {outline:#?}");
        assert_eq!(ledger.applied().into_values().collect::<Vec<_>>(), [1], "{mode}");
        assert_eq!(ledger.bodies().into_values().map(|bodies| bodies.len()).collect::<Vec<_>>(), [1], "{mode}");
        assert_eq!(ledger.lines[0].body, json!({"cents": 500}));
        assert!(ledger.without_key().is_empty());
        assert_eq!(outline.last().map(String::as_str), Some("OutcomeUnknown"), "{mode} {outline:#?}");
    }
}

#[tokio::test]
async fn a_receiver_that_says_no_is_asked_once() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("ledger");
    let url = ledgerd(&file).await;
    set(&url, "reject_4xx").await;
    let project = project("{ tool_error: [ { retry: 2, every: 1s }, fail ] }");
    let run = Run::start(&project.workflows["pay"], &Value::map([("cents", Value::Int(500))]));
    let (outline, _) = run.finish(&gateway(&project, &url)).await;
    assert_eq!(Ledger::read(&file).unwrap().lines.len(), 1, "{outline:#?}");
    assert_eq!(outline.last().map(String::as_str), Some("RunFinished"));
}

#[test]
fn the_tool_file_of_the_manual_is_one() {
    let manual = include_str!("../../docs/tools.md");
    let example = manual.split("```").find_map(|part| part.strip_prefix("yaml\n")).unwrap();
    let anything =
        "type: object\nproperties:\n  account_id: { type: string }\n  since: { type: string }\nrequired: [account_id]";
    let workflow = "workflow: pay\nstages: [ { stage: main, steps: [ { step: a, set: { b: 1 } } ] } ]";
    let files = [
        ("surefoot.yaml", "project: pay"),
        ("tools/billing.yaml", example),
        ("schemas/list-payments.yaml", anything),
        ("schemas/payments.yaml", "type: object"),
        ("workflows/pay.yaml", workflow),
    ];
    let checked = check(&files.into_iter().collect::<Sources>());
    let project = checked.project.unwrap_or_else(|| panic!("{:#?}", checked.complaints));
    assert_eq!(project.tools["billing"].operations.len(), 2);
}
