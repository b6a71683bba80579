//! The CRM over the tables of the project, in memory; what a run writes is written by the statements of the tool.

use std::{
    collections::BTreeSet,
    sync::{
        Mutex,
        atomic::{AtomicU32, Ordering},
    },
};

use rusqlite::{fallible_iterator::FallibleIterator as _, types::Value as Cell};
use serde_json::json;

use super::{
    draft::{Clean, Draft, check},
    outbox::{NotStarted, deliver},
    *,
};

const NOW: i64 = 1_700_000_000_000_000;

/// The tables, as the tool's migrations make them.
pub(crate) fn database() -> Connection {
    let db = Connection::open_in_memory().expect("memory is there");
    db.pragma_update(None, "foreign_keys", true).expect("it is known");
    for migration in
        [include_str!("../../sql/migrations/001_crm.sql"), include_str!("../../sql/migrations/002_pages.sql")]
    {
        db.execute_batch(migration).expect("the migration holds");
    }
    db
}

pub(crate) fn count(db: &Connection, table: &str) -> i64 {
    db.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).expect("the table is there")
}

fn crm(db: Connection) -> Crm {
    Crm { inner: Arc::new(Inner { db: Mutex::new(db), unread: RwLock::default(), told: Notify::new() }) }
}

fn rosa() -> Act<'static> {
    Act { by: "rosa", now_us: NOW }
}

fn clean(name: &str) -> Clean {
    let draft = Draft { name: name.into(), domain: format!("{}.test", name.to_lowercase()), ..Draft::default() };
    check(&draft, &["rosa"]).expect("the draft is right")
}

fn added(db: &mut Connection, name: &str) -> String {
    match add(db, &clean(name), ("form", ""), false, &rosa()).expect("it is added") {
        Added::New(id) => id,
        Added::Known(found) => panic!("{found:?}"),
    }
}

/// The run of a lead is on its way.
fn runs(db: &Connection, lead: &str) {
    db.execute(include_str!("sql/lead_runs.sql"), named_params! { ":lead": lead, ":run": "run_1" }).unwrap();
}

/// Runs the statements of an operation of the tool, as the gateway does: each with those parameters that it names.
fn operate(db: &Connection, text: &str, with: &[(&str, Cell)]) {
    let mut batch = rusqlite::Batch::new(db, text);
    while let Some(mut statement) = batch.next().expect("the statement holds") {
        for (name, value) in with {
            if let Some(at) = statement.parameter_index(name).expect("a name is text") {
                statement.raw_bind_parameter(at, value).expect("it is bound");
            }
        }
        let mut rows = statement.raw_query();
        while rows.next().expect("the statement is done").is_some() {}
    }
}

/// What a run writes about a field of a lead that it has seen at `seen`.
fn write(db: &Connection, lead: &str, (field, value, seen): (&str, &Value, i64), decision: &str) {
    let text = |text: &str| Cell::Text(text.to_owned());
    operate(
        db,
        include_str!("../../sql/write_field.sql"),
        &[
            (":lead", text(lead)),
            (":run", text("run_1")),
            (":claim", text(&format!("c-{field}"))),
            (":field", text(field)),
            (":value", text(&value.to_string())),
            (":confidence", Cell::Real(0.9)),
            (":ci_low", Cell::Real(0.8)),
            (":url", text("https://pumps.test/")),
            (":quote", text("the page's words")),
            (":sha256", text(&"0".repeat(64))),
            (":decision", text(decision)),
            (":mode", text("fill_if_empty")),
            (":reason", text("its policy asks a person")),
            (":seen_version", Cell::Integer(seen)),
        ],
    );
}

fn notify(db: &Connection, lead: &str, run: &str, says: &str) {
    let text = |text: &str| Cell::Text(text.to_owned());
    operate(
        db,
        include_str!("../../sql/notify.sql"),
        &[
            (":lead", text(lead)),
            (":run", text(run)),
            (":text", text(says)),
            (":fit", Cell::Integer(70)),
            (":intent", Cell::Integer(40)),
        ],
    );
}

#[test]
fn a_lead_and_its_event_are_both_there_or_neither_is() {
    let mut db = database();
    let id = added(&mut db, "Pumps");
    let (event, body): (String, String) =
        db.query_row("SELECT event, body FROM outbox", [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    assert_eq!(event, "crm.lead.created");
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        body,
        json!({
            "id": id, "version": 1, "name": "Pumps", "domain": "pumps.test", "country": null, "source": "form", "source_ref": "",
            "note": "", "contact": {},
        })
    );
    // The event cannot be written: there is no lead either.
    db.execute_batch("DROP TABLE outbox").unwrap();
    assert!(add(&mut db, &clean("Valves"), ("form", ""), false, &rosa()).is_err());
    assert_eq!(count(&db, "lead"), 1);
}

#[tokio::test]
async fn an_event_that_is_delivered_twice_starts_one_run() {
    let mut db = database();
    let id = added(&mut db, "Pumps");
    let crm = crm(db);
    // As the runtime does: the same key is the same run.
    let runs: Mutex<BTreeSet<String>> = Mutex::default();
    let calls = AtomicU32::new(0);
    let start = |event: outbox::Event| {
        runs.lock().unwrap().insert(format!("{}@{}", event.lead, event.version));
        let nth = calls.fetch_add(1, Ordering::Relaxed);
        // The first time, the process is killed before it notes the run.
        async move { if nth == 0 { Err(NotStarted::Later("killed".into())) } else { Ok("run_1".to_owned()) } }
    };
    assert_eq!(deliver(&crm, NOW, start).await.unwrap(), 0);
    assert_eq!(deliver(&crm, NOW, start).await.unwrap(), 1);
    assert_eq!(deliver(&crm, NOW, start).await.unwrap(), 0, "it is noted now");
    assert_eq!(runs.lock().unwrap().iter().collect::<Vec<_>>(), [&format!("{id}@1")]);
    let lead = crm.with(move |db| lead(db, &id)).await.unwrap().unwrap();
    assert_eq!((&*lead.enrichment, lead.run.as_deref()), ("running", Some("run_1")));
}

#[tokio::test]
async fn an_event_that_nobody_can_take_is_told_on_its_lead() {
    let mut db = database();
    let id = added(&mut db, "Pumps");
    let crm = crm(db);
    let start = |_| async { Err(NotStarted::Never("the input does not fit".into())) };
    deliver(&crm, NOW, start).await.unwrap();
    let (lead, told) = crm.with(move |db| Ok((lead(db, &id)?, activities(db, &id)?))).await.unwrap();
    assert_eq!(lead.unwrap().enrichment, "failed");
    assert_eq!(told[0].2, "no enrichment was started: the input does not fit");
}

#[tokio::test]
async fn a_run_that_is_over_before_it_is_noted_is_not_shown_as_running() {
    let mut db = database();
    let id = added(&mut db, "Pumps");
    notify(&db, &id, "run_1", "Pumps: 0 fields found");
    assert_eq!(lead(&db, &id).unwrap().unwrap().enrichment, "queued");
    let crm = crm(db);
    deliver(&crm, NOW, |_| async { Ok("run_1".to_owned()) }).await.unwrap();
    assert_eq!(crm.with(move |db| lead(db, &id)).await.unwrap().unwrap().enrichment, "done");
}

#[test]
fn a_field_that_a_person_edits_during_a_run_stays_and_the_claim_is_proposed() {
    let mut db = database();
    let id = added(&mut db, "Pumps");
    runs(&db, &id);
    // The run has seen the field empty. Then somebody types, then the run writes.
    let typed = json!("Pumps for ships");
    assert_eq!(edit(&mut db, &id, (Field::Description, &typed, 0), &rosa()).unwrap(), Changed::Done);
    write(&db, &id, ("description", &json!("We sell pumps"), 0), "apply");
    write(&db, &id, ("industry", &json!("machinery"), 0), "apply");
    notify(&db, &id, "run_1", "Pumps: 2 fields found");
    let fields = fields(&db, &id).unwrap();
    let told: Vec<_> = fields.iter().map(|field| (&*field.field, told_of(field), field.by_person)).collect();
    assert_eq!(
        told,
        [("description", "Pumps for ships".to_owned(), true), ("industry", "machinery".to_owned(), false)]
    );
    let open = proposals(&db, &id, 10).unwrap();
    assert_eq!(open.len(), 1);
    assert_eq!((&*open[0].field, &*open[0].reason, open[0].by_person), ("description", "a person has set it", true));
    let now = lead(&db, &id).unwrap().unwrap();
    assert_eq!((now.version, &*now.enrichment, now.fit), (2, "needs_review", Some(70)));
}

fn told_of(field: &FieldValue) -> String {
    value::told(&field.value)
}

#[test]
fn a_proposal_is_decided_once_and_on_what_was_seen() {
    let mut db = database();
    let id = added(&mut db, "Pumps");
    runs(&db, &id);
    write(&db, &id, ("legal_name", &json!("Pumps GmbH"), 0), "propose");
    notify(&db, &id, "run_1", "Pumps: 1 to look at");
    let open = proposals(&db, "", 10).unwrap();
    let claim = open[0].claim;
    // Somebody was quicker.
    assert_eq!(edit(&mut db, &id, (Field::LegalName, &json!("Pumps AG"), 0), &rosa()).unwrap(), Changed::Done);
    assert_eq!(decide(&mut db, claim, true, open[0].version, &rosa()).unwrap(), Changed::Meanwhile);
    assert_eq!(proposals(&db, "", 10).unwrap().len(), 1, "nothing was decided");
    assert_eq!(decide(&mut db, claim, true, 1, &rosa()).unwrap(), Changed::Done);
    assert_eq!(decide(&mut db, claim, false, 2, &rosa()).unwrap(), Changed::Meanwhile);
    let fields = fields(&db, &id).unwrap();
    assert_eq!(
        (told_of(&fields[0]), fields[0].by_person, fields[0].claim),
        ("Pumps GmbH".to_owned(), true, Some(claim))
    );
    assert_eq!(lead(&db, &id).unwrap().unwrap().enrichment, "done", "nothing is left to look at");
}

#[test]
fn an_edit_on_what_was_not_seen_changes_nothing() {
    let mut db = database();
    let id = added(&mut db, "Pumps");
    let set = |db: &mut Connection, value: &str, seen| {
        edit(db, &id, (Field::Industry, &json!(value), seen), &rosa()).unwrap()
    };
    assert_eq!(set(&mut db, "ships", 0), Changed::Done);
    assert_eq!(set(&mut db, "boats", 0), Changed::Meanwhile);
    assert_eq!(set(&mut db, "boats", 2), Changed::Meanwhile);
    assert_eq!(set(&mut db, "boats", 1), Changed::Done);
    assert_eq!(edit(&mut db, "nobody", (Field::Industry, &json!("x"), 0), &rosa()).unwrap(), Changed::Gone);
}

#[test]
fn who_made_a_lead_is_never_changed() {
    let mut db = database();
    added(&mut db, "Pumps");
    let error = db.execute("UPDATE lead SET created_by = 'theo'", []).unwrap_err().to_string();
    assert!(error.contains("never changed"), "{error}");
}

#[test]
fn a_lead_that_is_being_enriched_is_not_asked_for_again() {
    let mut db = database();
    let id = added(&mut db, "Pumps");
    assert_eq!(ask_again(&mut db, &id, &rosa()).unwrap(), Changed::Meanwhile);
    db.execute("UPDATE lead SET enrichment = 'done'", []).unwrap();
    assert_eq!(ask_again(&mut db, &id, &rosa()).unwrap(), Changed::Done);
    let versions: Vec<i64> = db
        .prepare("SELECT version FROM outbox ORDER BY id")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert_eq!(versions, [1, 2]);
}

#[tokio::test]
async fn runs_that_end_within_a_minute_are_one_line_of_the_news() {
    let mut db = database();
    let names = ["Pumps", "Valves", "Mill", "Bakery"];
    let ids = names.map(|name| added(&mut db, name));
    write(&db, &ids[1], ("legal_name", &json!("Valves Inc."), 0), "propose");
    for (at, id) in ids.iter().enumerate() {
        notify(&db, id, "run_1", &format!("{}: 1 fields found", names[at]));
        // Told again, as after a crash: still one.
        notify(&db, id, "run_1", "again");
    }
    db.execute("UPDATE notification SET at_us = id * 10000000", []).unwrap();
    db.execute("UPDATE notification SET at_us = 500000000 WHERE id = 4", []).unwrap();
    db.execute("UPDATE lead SET owner = 'theo' WHERE company = 'Bakery'", []).unwrap();
    let says: Vec<_> = news(&db, None).unwrap().into_iter().map(|line| (line.says, line.look, line.unread)).collect();
    assert_eq!(
        says,
        [
            ("Bakery: 1 fields found".to_owned(), false, true),
            ("3 leads enriched, 1 needs a look".to_owned(), true, true),
        ]
    );
    let crm = crm(db);
    crm.count_unread().await.unwrap();
    assert_eq!((crm.unread(None), crm.unread(Some("rosa")), crm.unread(Some("theo"))), (4, 3, 4));
    crm.with(|db| read_news(db, Some("rosa"), 4)).await.unwrap();
    crm.count_unread().await.unwrap();
    assert_eq!((crm.unread(None), crm.unread(Some("rosa")), crm.unread(Some("theo"))), (1, 0, 1));
}

#[test]
fn leads_are_found_by_state_and_words_and_come_in_pages() {
    let mut db = database();
    for nth in 0..=PAGE {
        added(&mut db, &format!("Company{nth}"));
    }
    let (first, more) = leads(&db, "", "", 0).unwrap();
    let (second, last) = leads(&db, "queued", "", 1).unwrap();
    assert_eq!((first.len(), more, second.len(), last), (PAGE as usize, true, 1, false));
    let (found, _) = leads(&db, "", " company50 ", 0).unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(leads(&db, "done", "", 0).unwrap().0, []);
}

#[test]
fn every_lead_that_is_being_enriched_is_looked_at_in_turn() {
    let mut db = database();
    for number in 0..120 {
        let lead = added(&mut db, &format!("Firm{number}"));
        runs(&db, &lead);
    }
    let (mut seen, mut after) = (BTreeSet::new(), String::new());
    for wanted in [50, 50, 20] {
        let some = outbox::running(&mut db, &after).unwrap();
        assert_eq!(some.len(), wanted);
        after = some.last().map(|(lead, _)| lead.clone()).unwrap();
        seen.extend(some);
    }
    assert_eq!(seen.len(), 120);
}
