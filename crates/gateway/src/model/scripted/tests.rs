use super::*;

fn script(text: &str) -> Scripted {
    Scripted::new(Script::parse(&"cases/a.yaml".into(), text).unwrap())
}

fn complaints(text: &str) -> String {
    let complaints = Script::parse(&"cases/a.yaml".into(), text).unwrap_err();
    complaints.iter().map(|complaint| format!("{}\n", complaint.message)).collect()
}

fn request(step: &str, attempt: u32) -> ModelRequest {
    ModelRequest {
        step: step.into(),
        workflow: "w".into(),
        attempt,
        model: "small".into(),
        system: String::new(),
        user: String::new(),
        data: Value::from_json(br#"{"page":{"title":"Home","n":3},"empty":null}"#).unwrap(),
        output_schema: Some(
            kernel::schema::Schema::from_json(&serde_json::json!({"type": "object"})).expect("a schema"),
        ),
        ..ModelRequest::default()
    }
}

async fn said(scripted: &Scripted, step: &str, attempt: u32) -> String {
    match scripted.ask(&request(step, attempt)).await.answer {
        Ok(value) => value.to_json(),
        Err(failure) => format!("{}: {}", failure.kind, failure.detail),
    }
}

#[tokio::test]
async fn an_answer_is_made_from_what_the_step_was_shown() {
    let scripted = script(
        r#"
answers:
  - step: read[*]/facts
    value: { name: =page.title, next: "=page.n + 1", says: "On {{ page.title }}", fixed: true }
"#,
    );
    let wanted = r#"{"fixed":true,"name":"Home","next":4,"says":"On Home"}"#;
    assert_eq!(said(&scripted, "read[0]/facts", 1).await, wanted);
    assert_eq!(
        said(&scripted, "facts", 1).await,
        "internal: the script has no answer for attempt 1 of `facts` by the model `small`"
    );
}

#[tokio::test]
async fn answers_follow_each_other_by_attempt_and_by_nothing_else() {
    let text = r#"
answers:
  - { step: triage, failure: provider_overloaded, detail: too busy, times: 2 }
  - { step: triage, attempt: 4, value: 4 }
  - { step: triage, value: 1 }
  - { step: triage, value: 2 }
"#;
    let mut wanted = Vec::new();
    for attempt in 1..=7 {
        wanted.push(said(&script(text), "triage", attempt).await);
    }
    let busy = "provider_overloaded: too busy";
    assert_eq!(wanted, [busy, busy, "1", "4", "2", "2", "2"]);
    // Asked in another order, asked twice, asked by another process: the same.
    let scripted = script(text);
    for attempt in [7, 3, 3, 1, 5, 2, 6, 4] {
        assert_eq!(said(&scripted, "triage", attempt).await, wanted[attempt as usize - 1]);
        assert_eq!(said(&scripted, "other[3]/triage~2", attempt).await, wanted[attempt as usize - 1]);
    }
}

#[tokio::test]
async fn a_script_that_counts_can_run_out() {
    let scripted = script("answers: [ { step: triage, value: 1, times: 1 } ]");
    assert_eq!(said(&scripted, "triage", 1).await, "1");
    assert!(said(&scripted, "triage", 2).await.starts_with("internal: the script has no answer for attempt 2"));
}

#[tokio::test]
async fn an_answer_can_depend_on_the_model_and_on_the_data() {
    let scripted = script(
        r#"
answers:
  - { step: triage, model: strong, value: strong }
  - { step: triage, when: page.n > 5, value: many }
  - { step: triage, when: page.n <= 5, value: few }
"#,
    );
    assert_eq!(said(&scripted, "triage", 1).await, r#""few""#);
    let strong = ModelRequest { model: "strong".into(), ..request("triage", 1) };
    assert_eq!(scripted.ask(&strong).await.answer, Ok("strong".into()));
}

#[tokio::test]
async fn a_text_is_what_a_model_might_write() {
    let scripted = script("answers: [ { step: good, text: '{\"a\": 1}' }, { step: bad, text: 'Sure! {\"a\"' } ]");
    assert_eq!(said(&scripted, "good", 1).await, r#"{"a":1}"#);
    let reply = scripted.ask(&request("bad", 1)).await;
    assert_eq!(reply.answer.unwrap_err().kind, FailureKind::InvalidOutput);
    assert_eq!(reply.raw.as_deref(), Some(br#"Sure! {"a""#.as_slice()));
    let free = ModelRequest { output_schema: None, ..request("bad", 1) };
    assert_eq!(scripted.ask(&free).await.answer, Ok(r#"Sure! {"a""#.into()));
}

#[tokio::test(start_paused = true)]
async fn an_answer_takes_its_time_and_costs_what_it_says() {
    let scripted = script(
        r#"
answers:
  - step: slow
    failure: provider_timeout
    delay: 5m
    retry_after: 2s
    usage: { input: 10, output: 3 }
"#,
    );
    let before = tokio::time::Instant::now();
    let reply = scripted.ask(&request("slow", 1)).await;
    assert_eq!(before.elapsed().as_secs(), 300);
    assert_eq!(reply.usage, Usage { input: 10, output: 3, ..Usage::default() });
    let failure = reply.answer.unwrap_err();
    assert_eq!((failure.phase, failure.retry_after), (Phase::MaybeSent, Some(Span::from_millis(2000))));
}

#[tokio::test]
async fn what_the_step_was_not_shown_cannot_be_answered_from() {
    let scripted = script("answers: [ { step: triage, value: =other.title } ]");
    assert_eq!(said(&scripted, "triage", 1).await, "internal: the script: `triage` was not shown `other`");
}

/// A request of an agent's turn, after a result of `mail.send`.
fn offered(step: &str) -> ModelRequest {
    let offer = |name: &str| kernel::context::Offer {
        name: name.into(),
        says: "".into(),
        params: kernel::schema::Schema::from_json(&serde_json::json!({"type": "object"})).expect("a schema"),
    };
    let returned = kernel::context::Returned {
        id: "p".into(),
        name: "mail__send".into(),
        text: "{\"id\":1}\nevidence: run_1/7".into(),
        failed: false,
    };
    ModelRequest {
        output_schema: None,
        offers: [offer("mail__send"), offer("answer")].into(),
        turns: vec![Turn::Returned(vec![returned])],
        ..request(step, 1)
    }
}

#[tokio::test]
async fn a_turn_of_an_agent_is_scripted_by_its_path() {
    let scripted = script(
        r#"
answers:
  - step: tell[0]/ask
    propose: [ { mail.send: { to: =page.title } }, { kb.search: {} } ]
  - step: tell[1]/ask
    value: { evidence: =evidence.mail__send }
"#,
    );
    let proposed = |reply: Reply| {
        let all = reply.proposed.into_iter().map(|one| format!("{} {}", one.name, one.arguments.to_json()));
        all.collect::<Vec<_>>().join("; ")
    };
    let first = scripted.ask(&offered("tell[0]/ask")).await;
    assert_eq!(proposed(first), r#"mail__send {"to":"Home"}; kb__search {}"#);
    let last = scripted.ask(&offered("tell[1]/ask")).await;
    assert_eq!(proposed(last), r#"answer {"evidence":"run_1/7"}"#);
    let alone = scripted.ask(&request("tell[0]/ask", 1)).await.answer.unwrap_err();
    assert_eq!(alone.detail, "the script: `tell[0]/ask` was offered nothing to propose");
}

#[test]
fn what_is_wrong_with_a_script_is_said_with_its_place() {
    let text = r#"
answers:
  - { step: a, value: 1, text: two }
  - { step: "a b", value: 1 }
  - { step: a, failure: invalid_output }
  - { value: 1, tmes: 2 }
  - { step: a, value: 1, attempt: 0 }
  - { step: a, value: =ran(b) }
  - { step: a, value: 1, detail: why }
  - { step: a, propose: [ { mail.send: {}, kb.search: {} } ] }
"#;
    expect_test::expect![[r#"
        an answer has exactly one of `value`, `text`, `propose` and `failure`
        `a b` names no step: write its name, or its path as in `read[*]/facts`
        `invalid_output` cannot stand here
        an answer needs `step`
        unknown key `tmes` in an answer
        0 is too small: at least 1
        an answer knows what its step was shown, not how the step `b` went
        `detail` belongs to a `failure`
        a proposal is one operation with its arguments: `{ tool.operation: { … } }`
    "#]]
    .assert_eq(&complaints(text));
    let complaint = &Script::parse(&"cases/a.yaml".into(), text).unwrap_err()[0];
    assert_eq!((complaint.file.as_ref(), complaint.at.unwrap().line), ("cases/a.yaml", 3));
}

#[tokio::test]
async fn the_manual_tells_the_truth() {
    let manual = include_str!("../../../../../docs/models.md");
    let example =
        manual.split("```").find_map(|part| part.strip_prefix("yaml\n").filter(|text| text.starts_with("answers")));
    let scripted = script(example.unwrap());
    assert_eq!(said(&scripted, "read[2]/facts", 1).await, r#"{"name":"Home","quoted":"It says Home"}"#);
    let data = Value::from_json(br#"{"page":{"words":200}}"#).unwrap();
    for (attempt, wanted) in [(1, None), (2, None), (3, Some(true)), (4, Some(false)), (9, Some(false))] {
        let reply = scripted.ask(&ModelRequest { data: data.clone(), ..request("triage", attempt) }).await;
        let urgent = reply.answer.ok().and_then(|value| value.get("urgent").cloned());
        assert_eq!(urgent, wanted.map(Value::Bool), "{attempt}");
    }
    assert!(said(&scripted, "tell", 1).await.starts_with("invalid_output: "));
    assert_eq!(said(&scripted, "tell", 2).await, r#"{"text":"Done"}"#);
}
