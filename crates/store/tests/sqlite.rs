//! What only the embedded database promises: one process, restarts, clear refusals, and damage that is found.

mod cases;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use cases::{Bed, Pen, at, blob_step, run_id, step_done, worker};
use kernel::{
    ids::{Digest, RunId},
    journal::{Blob, Entry},
};
use store::{
    Appended, Guard, Status, Store, StoreError,
    fault::Points,
    sqlite::{SqliteOptions, SqliteStore, newest_schema},
};

fn open(dir: &Path) -> Result<SqliteStore, StoreError> {
    SqliteStore::open(dir, SqliteOptions::default())
}

fn refused(dir: &Path) -> StoreError {
    match open(dir) {
        Ok(_) => panic!("{} was opened", dir.display()),
        Err(error) => error,
    }
}

#[tokio::test]
async fn a_second_open_is_told_who_holds_the_directory() {
    let keep = tempfile::tempdir().unwrap();
    let dir = keep.path().join("data");
    let first = open(&dir).unwrap();
    let error = refused(&dir);
    assert!(matches!(error, StoreError::Locked { .. }), "{error:?}");
    assert_eq!(error.to_string(), format!("the data directory {} is in use by another process", dir.display()));
    drop(first);
    open(&dir).unwrap();
}

#[tokio::test]
async fn a_newer_schema_is_refused_by_number() {
    let keep = tempfile::tempdir().unwrap();
    drop(open(keep.path()).unwrap());
    let known = newest_schema();
    let conn = rusqlite::Connection::open(keep.path().join("surefoot.db")).unwrap();
    let sql = "INSERT INTO refinery_schema_history SELECT version + 100, name, applied_on, checksum FROM refinery_schema_history";
    conn.execute_batch(sql).unwrap();
    drop(conn);
    let error = refused(keep.path());
    assert!(
        matches!(error, StoreError::Newer { found, known: own, .. } if found == known + 100 && own == known),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_schema_that_was_changed_and_a_newer_format_are_refused() {
    let keep = tempfile::tempdir().unwrap();
    drop(open(keep.path()).unwrap());
    let run = |sql: &str| {
        rusqlite::Connection::open(keep.path().join("surefoot.db")).unwrap().execute_batch(sql).unwrap();
    };
    run("UPDATE meta SET value = '9' WHERE key = 'format'");
    let error = refused(keep.path());
    assert!(matches!(error, StoreError::Newer { found: 9, .. }), "{error:?}");
    run("UPDATE meta SET value = '1' WHERE key = 'format'; UPDATE refinery_schema_history SET checksum = '1'");
    let error = refused(keep.path());
    assert!(matches!(error, StoreError::Unusable { .. }), "{error:?}");
}

#[tokio::test]
async fn a_data_directory_of_the_first_schema_is_read_on() {
    let keep = tempfile::tempdir().unwrap();
    let conn = rusqlite::Connection::open(keep.path().join("surefoot.db")).unwrap();
    conn.execute_batch(include_str!("fixtures/schema_1.sql")).unwrap();
    conn.execute_batch("UPDATE journal SET body = NULL WHERE seq = 7").unwrap();
    drop(conn);
    let store = open(keep.path()).unwrap();
    assert_eq!(store.check().await.unwrap(), []);
    let row = store.runs(Default::default()).await.unwrap().remove(0);
    let journal = store.journal(row.run, 0, 100).await.unwrap();
    assert_eq!(kernel::journal::verify(row.run, kernel::journal::Head::START, &journal), Ok(row.head));
    let erased: Vec<u64> = journal.iter().filter(|entry| entry.body.is_none()).map(|entry| entry.seq).collect();
    assert_eq!((journal.len(), erased), (31, vec![7]));
    assert!(matches!(journal[30].event().unwrap(), kernel::journal::Event::RunFinished { .. }));
    assert_eq!(store.journal(row.run, 10, 5).await.unwrap(), journal[10..15]);
    let found = store.find(store::FindQuery { text: "mill lane".to_owned(), ..Default::default() }).await.unwrap();
    assert_eq!(found.iter().map(|found| found.row.run).collect::<Vec<_>>(), [row.run], "its business keys find it");
    assert_eq!(row.cost, None, "nobody has kept what it cost");
    let counts = store.run_counts().await.unwrap();
    assert_eq!(counts.iter().map(|count| (count.status, count.runs)).collect::<Vec<_>>(), [(row.status, 1)]);
    drop(store);
    let conn = rusqlite::Connection::open(keep.path().join("surefoot.db")).unwrap();
    let keys: i64 = conn.query_row("SELECT count(*) FROM run WHERE length(key) = 32", [], |row| row.get(0)).unwrap();
    assert_eq!(keys, 1, "each run has got a key");
}

#[tokio::test]
async fn counts_and_keys_that_do_not_fit_the_runs_are_found() {
    for (sql, rule, detail) in [
        ("UPDATE run_count SET runs = 5", "counts", "5 runs of `lead` are counted as queued, there are 2"),
        ("DELETE FROM run_count", "counts", "0 runs of `lead` are counted as queued, there are 2"),
        ("DELETE FROM run_key WHERE value = '1'", "key", "its row says `1` of `number`, and it is not found by that"),
        (
            "UPDATE run_key SET value = 'x' WHERE value = '1'",
            "key",
            "it is found by `number`, and its row does not say `x` of that",
        ),
    ] {
        let keep = tempfile::tempdir().unwrap();
        let bed = Bed::over(Arc::new(open(keep.path()).unwrap()));
        bed.queued(1, 1).await;
        bed.queued(2, 1).await;
        bed.sound().await;
        drop(bed);
        rusqlite::Connection::open(keep.path().join("surefoot.db")).unwrap().execute_batch(sql).unwrap();
        let found = open(keep.path()).unwrap().check().await.unwrap();
        assert!(found.iter().any(|found| found.rule == rule && found.detail == detail), "{sql}: {found:?}");
    }
}

#[tokio::test]
async fn the_generation_outlives_a_restart_and_a_change_that_did_not_fit() {
    let keep = tempfile::tempdir().unwrap();
    let store = Arc::new(open(keep.path()).unwrap());
    let bed = Bed::over(store.clone());
    let own = bed.join(1, 0).await;
    let mut pen = bed.owned(1, own, 1).await;
    store.limit_pages(80).await.unwrap();
    let large = store.govern(cases::governed::change(&"x".repeat(400_000), 2)).await;
    assert!(matches!(large, Err(StoreError::Full)), "{large:?}");
    bed.write(pen.append(&[], vec![Guard::GovernanceIs(0)]), &mut pen).await;
    store.govern(cases::governed::change("{}", 2)).await.unwrap();
    drop((bed, store));

    let bed = Bed::over(Arc::new(open(keep.path()).unwrap()));
    let older = bed.append(pen.append(&[], vec![Guard::GovernanceIs(0)])).await;
    assert_eq!(older, Appended::Refused { guard: 0, current: 1 });
    bed.write(pen.append(&[], vec![Guard::GovernanceIs(1)]), &mut pen).await;
    bed.sound().await;
}

#[tokio::test]
async fn what_was_erased_stands_in_no_file() {
    let keep = tempfile::tempdir().unwrap();
    let store = Arc::new(open(keep.path()).unwrap());
    let bed = Bed::over(store.clone());
    let own = bed.join(1, 0).await;
    let mut pens = Vec::new();
    let mut guessed = Vec::new();
    for number in [1, 2] {
        let mut new = bed.new_run(number, Some(own), 1).await;
        let (run, head) = (new.run, new.first.head());
        new.about.insert("mail".into(), format!("kept by {run} in a business key"));
        new.start_key = Some(format!("kept by {run} in a start key").into());
        new.input = Digest::of(&[format!("input of {run}").as_bytes()]);
        guessed.push(new.input);
        assert_eq!(store.start(new).await.unwrap(), store::Started::Created);
        pens.push(Pen { run, epoch: 1, owner: own, head, now: at(1) });
    }
    let [mut pen, mut other] = pens.try_into().unwrap_or_else(|_| unreachable!());
    let secrets =
        ["in a step", "in a blob", "in a message", "in a card", "in a business key", "in a start key", "in an outcome"];
    for pen in [&mut pen, &mut other] {
        let run = pen.run;
        let say = move |secret: &str| format!("kept by {run} {secret}").into_bytes();
        for round in 0..40 {
            let event = step_done(&format!("{round} kept by {} in a step {}", pen.run, "x".repeat(round * 100)));
            bed.write(pen.append(&[event], vec![]), pen).await;
        }
        let blob = Blob::new([say("in a blob"), vec![7; 9000]].concat());
        let card = say("in a card").into();
        let shown = Digest::of(&[&say("in a card")]);
        guessed.extend([shown, blob.digest]);
        let id = pen.run.to_string();
        let ask = Guard::ApprovalOpen(store::OpenApproval { card, shown, ..cases::approval::ask(&id) });
        let mut append = pen.append(&[blob_step("b", &blob)], vec![ask]);
        append.blobs.push(blob);
        bed.write(append, pen).await;
        let message = store::Message { body: say("in a message").into(), ..cases::message("m", "signal", 2) };
        store.post(pen.run, message, false).await.unwrap();
        let vote = store::Vote { shown, ..cases::approval::vote(&id, "bob", "approve", 4) };
        let body = kernel::values::Value::Null.to_jcs().into();
        let message = store::Message { body, ..vote.message.clone() };
        assert!(matches!(store.vote(store::Vote { message, ..vote }).await.unwrap(), store::Voted::New { .. }));
        bed.write(pen.finish(Status::Completed), pen).await;
        for words in [say("in an outcome").repeat(9), say("in an outcome")] {
            let because = String::from_utf8(words).unwrap().into();
            let outcome = store::RunOutcome { because, ..cases::outcome::said(pen.run, "bob", false, 7) };
            assert_eq!(store.say_outcome(outcome).await.unwrap(), store::OutcomeSaid::Done);
        }
    }
    // Whoever tries values until the digest fits must find no digest over a value alone.
    let digests = |which: usize| -> usize {
        let bytes = fs::read(keep.path().join("surefoot.db")).unwrap();
        let log = fs::read(keep.path().join("surefoot.db-wal")).unwrap_or_default();
        let of_run = [guessed[which], guessed[2 + 2 * which], guessed[3 + 2 * which]];
        let in_file = |digest: &Digest| {
            [&bytes, &log].iter().any(|bytes| bytes.windows(32).any(|window| window == digest.bytes()))
        };
        of_run.iter().filter(|digest| in_file(digest)).count()
    };
    let stands = |run: RunId, secret: &str| -> Vec<(&str, usize)> {
        let wanted = format!("kept by {run} {secret}");
        let places = |name: &'static str| {
            let bytes = fs::read(keep.path().join(name)).unwrap_or_default();
            let found = bytes.windows(wanted.len()).enumerate().filter(|(_, window)| *window == wanted.as_bytes());
            found.map(|(place, _)| (name, place)).collect::<Vec<_>>()
        };
        ["surefoot.db", "surefoot.db-wal"].into_iter().flat_map(places).collect()
    };
    assert!(secrets.iter().all(|secret| !stands(pen.run, secret).is_empty()));
    assert_eq!((digests(0), digests(1)), (3, 3));
    assert_eq!(store.erase(pen.run, at(9)).await.unwrap(), store::Erased::Done);
    assert_eq!((digests(0), digests(1)), (0, 3));
    for secret in secrets {
        assert_eq!(stands(pen.run, secret), [], "{secret}");
        assert!(!stands(other.run, secret).is_empty(), "{secret}");
    }
    bed.sound().await;
}

#[test]
fn what_cannot_be_a_data_directory_is_refused() {
    let keep = tempfile::tempdir().unwrap();
    let file = keep.path().join("file");
    fs::write(&file, "x").unwrap();
    for (path, why) in [
        (file.clone(), "not a directory"),
        (file.join("under"), "Not a directory"),
        (keep.path().join("missing/parent"), "No such file"),
    ] {
        let error = refused(&path);
        assert!(matches!(&error, StoreError::Unusable { detail, .. } if detail.contains(why)), "{error:?}");
    }
    let no_database = keep.path().join("text");
    fs::create_dir(&no_database).unwrap();
    fs::write(no_database.join("surefoot.db"), "this is no database, it is a text of some length".repeat(200)).unwrap();
    let error = refused(&no_database);
    assert!(matches!(error, StoreError::Damaged { .. }), "{error:?}");
}

/// A store with runs in several states, and the pens of those that are owned.
async fn filled(dir: &Path) -> Vec<Pen> {
    let bed = Bed::over(Arc::new(open(dir).unwrap()));
    let own = bed.join(1, 0).await;
    let mut pens = Vec::new();
    for number in 1..=6 {
        let mut pen = bed.owned(number, own, 1).await;
        let blob = Blob::new(vec![number as u8; 9000]);
        let events: Vec<_> = (0..30 * number).map(|step| step_done(&format!("step{step}"))).collect();
        bed.write(pen.append(&events, vec![]), &mut pen).await;
        let mut append = pen.append(&[blob_step("report", &blob)], vec![]);
        append.blobs.push(blob);
        bed.write(append, &mut pen).await;
        bed.write(pen.start_action("pay"), &mut pen).await;
        bed.post(pen.run, "m1", "signal", 2).await;
        pens.push(pen);
    }
    bed.queued(7, 3).await;
    pens
}

#[tokio::test]
async fn a_restart_finds_everything_and_releases_what_was_running() {
    let keep = tempfile::tempdir().unwrap();
    let pens = filled(keep.path()).await;
    let bed = Bed::over(Arc::new(open(keep.path()).unwrap()));
    bed.sound().await;
    assert_eq!(bed.row(pens[0].run).await.status, Status::Running);
    let own = bed.join(2, 10).await;
    for pen in &pens {
        let row = bed.row(pen.run).await;
        assert_eq!((row.status, row.head, row.strikes, row.epoch), (Status::Queued, pen.head, 1, 2));
        assert_eq!(bed.append(pen.append(&[step_done("late")], vec![])).await, Appended::Fenced);
    }
    assert_eq!(bed.claim(own, 100, 10).await.len(), 7);
    bed.sound().await;
}

#[tokio::test]
async fn a_failed_write_tells_everybody_and_the_next_start_reads_every_page() {
    let keep = tempfile::tempdir().unwrap();
    let said = Arc::new(Mutex::new(Vec::new()));
    let heard = said.clone();
    let options = SqliteOptions {
        points: Points::parse("before_commit:3:eio"),
        on_fatal: Box::new(move |detail| heard.lock().unwrap().push(detail)),
        ..SqliteOptions::default()
    };
    let store = Arc::new(SqliteStore::open(keep.path(), options).unwrap());
    let bed = Bed::over(store.clone());
    bed.join(1, 0).await;
    bed.bundle().await;
    let waiting: Vec<_> = (0..20)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { store.beat(worker(1), cases::LEASE, at(1)).await })
        })
        .collect();
    for answer in waiting {
        let error = answer.await.unwrap().unwrap_err();
        assert!(matches!(error, StoreError::Stopped { .. }), "{error:?}");
    }
    assert!(matches!(store.reap(at(2)).await, Err(StoreError::Stopped { .. })));
    drop((bed, store));
    assert_eq!(*said.lock().unwrap(), ["an armed point made an input/output error before COMMIT"]);
    assert!(keep.path().join("suspect").exists());
    drop(open(keep.path()).unwrap());
    assert!(!keep.path().join("suspect").exists(), "it was examined and found sound");
}

#[tokio::test]
async fn a_full_disk_refuses_only_what_does_not_fit() {
    let keep = tempfile::tempdir().unwrap();
    let own = worker(1);
    let store = Arc::new(open(keep.path()).unwrap());
    let bed = Bed::over(store.clone());
    bed.join(1, 0).await;
    let pens = [bed.owned(1, own, 1).await, bed.owned(2, own, 1).await, bed.owned(3, own, 1).await];
    store.limit_pages(80).await.unwrap();
    let large = |pen: &Pen| {
        let blob = Blob::new(vec![7; 400_000]);
        let mut append = pen.append(&[blob_step("report", &blob)], vec![]);
        append.blobs.push(blob);
        append
    };
    let appends =
        [pens[0].append(&[step_done("a")], vec![]), large(&pens[1]), pens[2].append(&[step_done("c")], vec![])];
    let heads: Vec<_> = appends.iter().map(|append| append.entries.last().map(Entry::head)).collect();
    let hands: Vec<_> = appends
        .into_iter()
        .map(|append| {
            let store = store.clone();
            tokio::spawn(async move { store.append(append).await })
        })
        .collect();
    let mut answers = Vec::new();
    for hand in hands {
        answers.push(hand.await.unwrap());
    }
    assert!(matches!(answers[0], Ok(Appended::Done { .. })), "{answers:?}");
    assert!(matches!(answers[1], Err(StoreError::Full)), "{answers:?}");
    assert!(matches!(answers[2], Ok(Appended::Done { .. })), "{answers:?}");
    assert_eq!(Some(bed.row(pens[0].run).await.head), heads[0]);
    assert_eq!(bed.row(pens[1].run).await.head, pens[1].head);
    bed.sound().await;
    store.limit_pages(1 << 30).await.unwrap();
    let mut pen = pens[1];
    bed.write(large(&pens[1]), &mut pen).await;
    bed.sound().await;
}

/// What runs are made of: their journals and their blobs, as far as they can be read.
async fn contents(store: &SqliteStore) -> Result<Vec<(Vec<Entry>, Vec<bool>)>, StoreError> {
    let mut all = Vec::new();
    for number in 1..=7 {
        let journal = store.journal(run_id(number), 0, 10_000).await?;
        let blob = Blob::new(vec![number as u8; 9000]);
        let bytes = store.blob(run_id(number), blob.digest).await?;
        all.push((journal, vec![bytes.as_ref() == Some(&blob.bytes)]));
    }
    Ok(all)
}

/// Flips one bit, opens, reads and checks. Gives whether it was noticed; it must be wherever the contents changed.
async fn flip(template: &Path, place: usize, bit: u8, whole: &[(Vec<Entry>, Vec<bool>)]) -> bool {
    let keep = tempfile::tempdir().unwrap();
    let mut bytes = fs::read(template).unwrap();
    bytes[place] ^= 1 << bit;
    fs::write(keep.path().join("surefoot.db"), bytes).unwrap();
    let options = SqliteOptions { on_fatal: Box::new(|_| {}), ..SqliteOptions::default() };
    let store = match SqliteStore::open(keep.path(), options) {
        Ok(store) => store,
        Err(_) => return true,
    };
    let found = store.check().await.map_or(true, |findings| !findings.is_empty());
    let changed = contents(&store).await.map_or(true, |contents| contents != whole);
    assert!(found || !changed, "bit {bit} of byte {place} changed what is read, and nobody noticed");
    found
}

async fn template() -> (tempfile::TempDir, PathBuf, Vec<(Vec<Entry>, Vec<bool>)>) {
    let keep = tempfile::tempdir().unwrap();
    filled(keep.path()).await;
    let store = open(keep.path()).unwrap();
    let whole = contents(&store).await.unwrap();
    drop(store);
    // The log is empty after a good end: the file is all there is.
    let file = keep.path().join("surefoot.db");
    assert!(fs::metadata(keep.path().join("surefoot.db-wal")).map_or(0, |log| log.len()) == 0);
    (keep, file, whole)
}

#[tokio::test]
async fn a_flipped_bit_in_an_entry_or_a_blob_is_found() {
    let (_keep, file, whole) = template().await;
    let bytes = fs::read(&file).unwrap();
    let find = |wanted: &[u8]| bytes.windows(wanted.len()).position(|window| window == wanted).expect("it is kept");
    let entry = &whole[2].0[40];
    let body = find(entry.body.as_deref().unwrap());
    let places = [
        ("body", body),
        ("end of body", body + entry.body.as_deref().unwrap().len() - 1),
        ("digest", find(entry.digest.bytes())),
        ("hash", find(entry.hash.bytes()) + 31),
        ("head's hash", find(whole[0].0.last().unwrap().hash.bytes())),
        ("blob", find(&[5; 2000]) + 1000),
        ("open action", find(b"crm.save")),
        ("bundle", find(b"{}")),
    ];
    for (what, place) in places {
        assert!(flip(&file, place, 0, &whole).await, "{what}");
    }
}

#[tokio::test]
async fn a_flipped_bit_anywhere_is_found_or_changes_nothing_that_is_read() {
    let (_keep, file, whole) = template().await;
    let length = fs::metadata(&file).unwrap().len() as usize;
    let mut noticed = 0;
    for round in 0..150 {
        // A fixed walk over the whole file, with a step that meets every part of a page.
        let place = (round * 7919 * 13 + round * round) % length;
        noticed += u32::from(flip(&file, place, (round % 8) as u8, &whole).await);
    }
    assert!(noticed > 50, "only {noticed} of 150 were noticed");
}
