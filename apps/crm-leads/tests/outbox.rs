//! From a lead that is saved to its run, with the real engine: killed between the start of the run and the note of it, there is still one.

use std::{
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
};

use crm_leads::{
    crm::{
        self, Act, Added, Crm,
        draft::{Draft, check},
        outbox::{Event, NotStarted, deliver},
    },
    harness, natives,
};
use surefoot::{Surefoot, Value};

const NOW: i64 = 1_700_000_000_000_000;

#[tokio::test]
async fn a_lead_is_one_run_however_often_its_event_is_delivered() {
    let keep = tempfile::tempdir().unwrap();
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    harness::copy_project(project, keep.path()).unwrap();
    harness::copy(&project.join("seed"), &keep.path().join("seed")).unwrap();
    let surefoot = natives::register(Surefoot::builder().project(keep.path())).build().unwrap();

    let file = keep.path().join("pages.db");
    let db = rusqlite::Connection::open(&file).unwrap();
    for migration in ["001_crm.sql", "002_pages.sql"] {
        db.execute_batch(&std::fs::read_to_string(project.join("sql/migrations").join(migration)).unwrap()).unwrap();
    }
    drop(db);
    let crm = Crm::open(&file).unwrap();
    let draft = Draft { name: "Konkurenta".into(), domain: "konkurenta.test".into(), ..Draft::default() };
    let clean = check(&draft, &[""; 0]).unwrap();
    let added = crm.with(move |db| crm::add(db, &clean, ("form", ""), false, &Act { by: "rosa", now_us: NOW })).await;
    let Added::New(lead) = added.unwrap() else { panic!("it was there already") };

    let killed = AtomicBool::new(false);
    let start = |event: Event| {
        let (surefoot, killed) = (surefoot.clone(), &killed);
        async move {
            let input = Value::from_json(event.body.as_bytes()).unwrap();
            let key = natives::start_key(&input);
            let run = surefoot.start_once("enrich", input, key.as_deref()).await.unwrap().run;
            if killed.swap(true, Ordering::Relaxed) {
                Ok(run.to_string())
            } else {
                Err(NotStarted::Later("killed".into()))
            }
        }
    };
    assert_eq!(deliver(&crm, NOW, start).await.unwrap(), 0);
    assert_eq!(deliver(&crm, NOW, start).await.unwrap(), 1);
    let runs =
        surefoot.runtime().store().runs(surefoot::pages::RunQuery { limit: 10, ..Default::default() }).await.unwrap();
    assert_eq!(runs.len(), 1);
    let kept = crm.with(move |db| crm::lead(db, &lead)).await.unwrap().unwrap();
    assert_eq!(kept.run, Some(runs[0].run.to_string()));
}
