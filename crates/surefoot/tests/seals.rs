//! Data that were put back or copied, seals and anchors, erasure, sums that nobody settles: as the commands tell it.

mod common;

use std::{fs, path::Path};

use common::{Place, said, stable};
use expect_test::expect;
use rusqlite::Connection;

fn shown(place: &Place, args: &[&str]) -> String {
    let said = place.call(args);
    let folder = place.path().canonicalize().unwrap().display().to_string();
    stable(&format!("{}{}--- {}\n", said.out, said.err, said.code).replace(&folder, "…"))
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for file in fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}

/// How often the notebook was written to.
fn notes(place: &Place) -> usize {
    fs::read_to_string(place.path().join("demo/notebook.jsonl")).unwrap_or_default().lines().count()
}

#[test]
fn an_old_copy_is_refused_by_what_drives_runs_and_shown_by_what_reads() {
    let place = Place::with_demo();
    place.ok(&["run", "demo", "--quiet"]);
    let [data, old, new] = ["demo/.surefoot", "old", "new"].map(|name| place.path().join(name));
    copy(&data, &old);
    place.ok(&["run", "demo", "--quiet"]);
    let written = notes(&place);
    assert!(written >= 2);
    fs::rename(&data, &new).unwrap();
    fs::rename(&old, &data).unwrap();

    expect![[r#"
        error: the data end with seal 2, and …/demo/.surefoot.anchors.ndjson knows seal 4: they were put back to an earlier state, and what was done since would be done again
          try: put the newest data in their place; or look at what was done since, and go on from here with `surefoot db accept-rollback --as NAME --reason TEXT`: runs pause, and nothing is sent again by itself
        --- 10
    "#]].assert_eq(&shown(&place, &["run", "demo"]));
    for drives in
        [&["run", "demo", "--resume"][..], &["run", "demo", "--crash-at", "save"], &["evidence", "seal", "demo"]]
    {
        assert_eq!(place.call(drives).code, 10, "{drives:?}");
    }
    for reads in [&["runs", "ls", "demo"][..], &["runs", "show", "last", "demo"], &["db", "check", "demo"]] {
        assert_eq!(place.call(reads).code, 0, "{reads:?}");
    }
    assert_eq!(place.ok(&["runs", "ls", "demo"]).lines().filter(|line| line.contains("run_")).count(), 1);

    let accept = ["db", "accept-rollback", "demo", "--as", "ann", "--reason", "the disk was lost"];
    expect![[r#"
        accepted by ann: 0 runs not over, 0 actions without an outcome
        --- 0
    "#]]
    .assert_eq(&shown(&place, &accept));
    expect![[r#"
        error: the data are what the anchors say: there is nothing to accept
        --- 9
    "#]]
    .assert_eq(&shown(&place, &accept));
    assert_eq!(notes(&place), written, "nothing was sent again");
    place.ok(&["run", "demo", "--quiet"]);
    assert_eq!(place.ok(&["db", "check", "demo"]).lines().count(), 1);
}

#[test]
fn a_copied_project_is_refused_until_it_is_adopted() {
    let place = Place::with_demo();
    place.ok(&["run", "demo", "--quiet"]);
    copy(&place.path().join("demo/.surefoot"), &place.path().join("elsewhere"));
    expect![[r#"
        error: the data were sealed, and there is no …/elsewhere.anchors.ndjson: they are a copy, or were moved without it
          try: if no other process drives these runs any more, or this copy reaches other systems, make it a deployment of its own with `surefoot db adopt --as NAME --reason TEXT`: runs pause, and nothing is sent again by itself
        --- 10
    "#]].assert_eq(&shown(&place, &["run", "demo", "--data", "elsewhere"]));
    let adopt = ["db", "adopt", "demo", "--data", "elsewhere", "--as", "ann", "--reason", "trials", "--json"];
    let adopted: serde_json::Value = serde_json::from_str(&place.ok(&adopt)).unwrap();
    assert_eq!((adopted["kind"].as_str(), adopted["open"].as_u64()), (Some("adopted"), Some(0)));
    place.ok(&["run", "demo", "--data", "elsewhere", "--quiet"]);
    // Where the anchors are can be said.
    let mut elsewhere = place.command(&["run", "demo", "--data", "elsewhere", "--quiet"]);
    assert_eq!(said(elsewhere.env("SUREFOOT_ANCHORS", "other.anchors").output().unwrap()).code, 10);
    for (name, text) in [("SUREFOOT_SEAL_EVERY", "10ms"), ("SUREFOOT_SEAL_RECORDS", "none")] {
        let refused = said(place.command(&["run", "demo"]).env(name, text).output().unwrap());
        assert_eq!(refused.code, 2, "{}", refused.err);
        assert!(refused.err.contains(&format!("{name} is `{text}`")), "{}", refused.err);
    }
}

#[test]
fn whoever_removes_the_data_begins_anew() {
    let place = Place::with_demo();
    place.ok(&["run", "demo", "--quiet"]);
    fs::remove_dir_all(place.path().join("demo/.surefoot")).unwrap();
    place.ok(&["run", "demo", "--quiet"]);
}

#[test]
fn anchors_find_a_tail_that_was_cut_with_header_and_seals() {
    let place = Place::with_demo();
    place.ok(&["run", "demo", "--quiet"]);
    let anchors = "demo/.surefoot.anchors.ndjson";
    place.ok(&["runs", "export", "last", "demo", "--out", "run.ndjson"]);
    expect![[r#"
        ok <run 1> (report): 31 entries, 0 blobs, completed
        head <digest 1>
        2 seals, up to entry 31, all of them in the anchors
        --- 0
    "#]]
    .assert_eq(&shown(&place, &["evidence", "verify", "run.ndjson", "--anchors", anchors]));
    expect![[r#"
        nothing has moved since seal 2 of <time>: 1 head
        hash <digest 1>
        it stands in …/demo/.surefoot.anchors.ndjson as well: copy that to where the data cannot be written from
        --- 0
    "#]]
    .assert_eq(&shown(&place, &["evidence", "seal", "demo"]));

    // A run that goes on after it was exported: the file is a true journal, and not all of it.
    place.edit("demo/workflows/report.yaml", "for: 20ms", "for: 2d");
    place.call(&["run", "demo", "--quiet"]);
    place.ok(&["runs", "export", "last", "demo", "--out", "part.ndjson"]);
    place.ok(&["evidence", "verify", "part.ndjson", "--anchors", anchors]);
    place.ok(&["runs", "cancel", "last", "demo"]);
    place.call(&["run", "demo", "--resume", "--quiet"]);
    let cut = shown(&place, &["evidence", "verify", "part.ndjson", "--anchors", anchors]);
    assert!(cut.contains("its tail was cut") && cut.ends_with("--- 6\n"), "{cut}");
    assert_eq!(place.call(&["evidence", "verify", "part.ndjson"]).code, 0, "without anchors it is a whole one");

    let changed =
        fs::read_to_string(place.path().join(anchors)).unwrap().replacen("\"closed\":true", "\"closed\":false", 1);
    place.write("changed.anchors", &changed);
    let found = shown(&place, &["evidence", "verify", "run.ndjson", "--anchors", "changed.anchors"]);
    assert!(found.contains("do not give its root") && found.ends_with("--- 6\n"), "{found}");
    assert_eq!(place.call(&["evidence", "verify", "run.ndjson", "--anchors", "nothing"]).code, 4);
}

#[test]
fn a_run_that_was_removed_from_the_database_is_found_by_its_seals() {
    let place = Place::with_demo();
    place.ok(&["run", "demo", "--quiet"]);
    let run = place.newest();
    let id: Vec<u8> = (0..16).map(|at| u8::from_str_radix(&run[4 + 2 * at..6 + 2 * at], 16).unwrap()).collect();
    place.ok(&["db", "check", "demo"]);
    let data = Connection::open(place.path().join("demo/.surefoot/surefoot.db")).unwrap();
    data.execute_batch("PRAGMA foreign_keys = OFF").unwrap();
    for table in ["journal", "journal_mark", "inbox", "blob", "start_key", "counted", "reservation"] {
        data.execute(&format!("DELETE FROM {table} WHERE run = ?1"), [&id]).unwrap();
    }
    data.execute("DELETE FROM run WHERE id = ?1", [&id]).unwrap();
    drop(data);
    let found = place.call(&["db", "check", "demo"]);
    assert_eq!(found.code, 6);
    assert!(found.out.contains("seal run_") && found.out.contains("it is not there any more"), "{}", found.out);
}

/// Where a text stands in the files of the data directory, and beside it.
fn stands(place: &Place, text: &str) -> Vec<String> {
    let data = place.path().join("demo/.surefoot");
    let files = fs::read_dir(data).unwrap().map(|file| file.unwrap().path());
    let files = files.chain([place.path().join("demo/.surefoot.anchors.ndjson")]);
    let holds = |path: &std::path::PathBuf| {
        let bytes = fs::read(path).unwrap();
        bytes.windows(text.len()).any(|window| window == text.as_bytes())
    };
    files.filter(holds).map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect()
}

#[test]
fn what_was_erased_is_nowhere_and_its_chain_says_who_did_it() {
    const MAIL: &str = "ada.lovelace.1843@example.org";
    let place = Place::with_demo();
    let reporter = format!("reporter={MAIL}");
    place.edit("demo/workflows/report.yaml", "for: 20ms", "for: 2d");
    place.call(&["run", "demo", "--set", &reporter, "--key", MAIL, "--quiet"]);
    let run = place.newest();
    let erase = ["evidence", "erase", "last", "demo", "--as", "ann", "--reason", "article 17"];
    expect![[r#"
        error: run <run 1> is waiting: what it holds is what it goes on from; it is erased once it is over
        --- 9
    "#]]
    .assert_eq(&shown(&place, &erase));
    place.ok(&["runs", "cancel", "last", "demo"]);
    place.call(&["run", "demo", "--resume", "--quiet"]);
    assert_eq!(stands(&place, MAIL), ["surefoot.db"], "what is in the log is in the database once nobody has it open");

    expect![[r#"
        erased <run 1>, by ann (change 1)
        exports, backups and what was sent outside are not reached
        --- 0
    "#]]
    .assert_eq(&shown(&place, &erase));
    assert_eq!(stands(&place, MAIL), [""; 0]);
    assert_eq!(stands(&place, "lovelace"), [""; 0]);
    place.ok(&["db", "check", "demo"]);
    expect![[r#"
        error: what <run 1> held was erased by ann at <time>
          try: its chain still holds, and says why: `surefoot evidence export`, `evidence verify`
        --- 4
    "#]]
    .assert_eq(&shown(&place, &["runs", "show", "last", "demo"]));
    assert!(place.ok(&["runs", "ls", "demo"]).contains(&run[run.len() - 6..]), "that there was a run stays");

    place.ok(&["evidence", "export", "last", "demo", "--out", "erased.ndjson"]);
    let verify = ["evidence", "verify", "erased.ndjson", "--anchors", "demo/.surefoot.anchors.ndjson"];
    expect![[r#"
        ok <run 1>: 22 entries, 0 blobs, erased
        head <digest 1>
        erased by ann at <time>: article 17
        3 seals, up to entry 22, all of them in the anchors
        --- 0
    "#]]
    .assert_eq(&shown(&place, &verify));
    let text = fs::read_to_string(place.path().join("erased.ndjson")).unwrap();
    assert!(!text.contains(MAIL));
    let hidden = text.replace("article 17", "article 18");
    place.write("erased.ndjson", &hidden);
    assert_eq!(place.call(&verify).code, 6);

    // Whoever tries address after address has nothing to compare with: no salt, no key, no digest of a value alone.
    let data = Connection::open(place.path().join("demo/.surefoot/surefoot.db")).unwrap();
    let left: (Option<Vec<u8>>, Vec<u8>, String) = data
        .query_row("SELECT key, input, about FROM run", [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .unwrap();
    assert_eq!(left, (None, vec![0; 32], "{}".to_owned()));
    for table in ["blob", "start_key"] {
        let count: i64 = data.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap();
        assert_eq!(count, 0, "{table}");
    }
    drop(data);
    // The key starts another run now.
    place.call(&["run", "demo", "--set", &reporter, "--key", MAIL, "--quiet"]);
    assert_ne!(place.newest(), run);
}

/// A project whose runs ask a scripted model once, within a budget of all.
fn shop() -> Place {
    let place = Place::new();
    let files = [
        (
            "surefoot.yaml",
            "project: shop\nmodels: { small: { provider: scripted, answers: cases/answers.yaml } }\n\
             budgets: { tenant: { per: ever, calls: 9 } }\ntry: { workflow: mail, input: cases/mail.yaml }\n",
        ),
        (
            "workflows/mail.yaml",
            "workflow: mail\nresult: { value: =facts }\nstages:\n  - stage: only\n    steps:\n      \
             - { step: facts, reason: prompts/p.md, model: small, see: { n: input.n }, output: schemas/o.yaml }\n",
        ),
        ("prompts/p.md", "What about {{ n }}?\n"),
        ("schemas/o.yaml", "type: object\n"),
        ("cases/mail.yaml", "n: 1\n"),
        ("cases/answers.yaml", "answers:\n  - { step: facts, value: { ok: true } }\n"),
    ];
    for (file, text) in files {
        place.write(&format!("shop/{file}"), text);
    }
    place.ok(&["run", "shop", "--quiet"]);
    place
}

fn change(place: &Place, statements: &str) {
    let data = Connection::open(place.path().join("shop/.surefoot/surefoot.db")).unwrap();
    data.execute_batch(statements).unwrap();
}

#[test]
fn what_a_run_that_is_over_has_set_aside_raises_an_alarm_and_is_forfeited() {
    let place = shop();
    change(
        &place,
        "INSERT INTO reservation (run, step, scope, unit, period_us, amount, since_us)
         SELECT run.id, 'facts', budget.scope, budget.unit, budget.period_us, 2, 1 FROM run, budget;
         UPDATE budget SET reserved = 2;",
    );
    expect![[r#"
        orphan <run 1>: reservation `facts` is open, and its run is over
        error: 1 finding in shop/.surefoot
          try: keep a copy of the directory before anything else; runs that are not named can be exported and verified
        --- 6
    "#]]
    .assert_eq(&shown(&place, &["db", "check", "shop"]));
    expect![[r#"
        room tenant:main calls 1 call of 9 calls
            2 calls set aside for calls under way
        alarm 2 calls of tenant:main set aside by `facts` of <run 1>, which is over: the next worker forfeits it
        --- 0
    "#]]
    .assert_eq(&shown(&place, &["budget", "show", "shop"]));
    let told = place.call(&["run", "shop", "--log", "warn"]);
    assert!(told.err.contains("set aside by a run that is over: it counts as spent"), "{}", told.err);
    expect![[r#"
        room tenant:main calls 4 calls of 9 calls
        alarm 1 run had something set aside after the end: forfeited at <time>
        --- 0
    "#]]
    .assert_eq(&shown(&place, &["budget", "show", "shop"]));
    place.ok(&["db", "check", "shop"]);
}

#[test]
fn a_frozen_scope_says_so_and_is_freed_by_a_person() {
    let place = shop();
    change(&place, "UPDATE budget SET frozen = 1, overrun = 3, settled = settled + 3");
    expect![[r#"
        frozen tenant:main calls 4 calls of 9 calls
            bills were 3 calls above what was set aside for them
            frozen since then: nothing starts here until somebody has looked (surefoot budget unfreeze tenant:main)
        --- 0
    "#]]
    .assert_eq(&shown(&place, &["budget", "show", "shop"]));
    let second = place.call(&["run", "shop"]);
    assert!(second.out.contains("frozen"), "{}", second.out);
    let unfreeze =
        |scope| ["budget", "unfreeze", scope, "shop", "--as", "ann", "--reason", "a long answer", "--resume"];
    expect![[r#"
        error: `day` is not frozen; frozen: tenant:main
        --- 9
    "#]]
    .assert_eq(&shown(&place, &unfreeze("day")));
    expect![[r#"
        unfrozen tenant:main, by ann (change 2)
        resumed 1 run; without a worker they go on with `surefoot run shop --resume`
        --- 0
    "#]]
    .assert_eq(&shown(&place, &unfreeze("tenant:main")));
    place.ok(&["run", "shop", "--resume"]);
    expect![[r#"
        room tenant:main calls 5 calls of 9 calls
            bills were 3 calls above what was set aside for them
        --- 0
    "#]]
    .assert_eq(&shown(&place, &["budget", "show", "shop"]));
    let log: Vec<u8> = Connection::open(place.path().join("shop/.surefoot/surefoot.db"))
        .unwrap()
        .query_row("SELECT body FROM governance ORDER BY no DESC LIMIT 1", [], |row| row.get(0))
        .unwrap();
    assert_eq!(
        String::from_utf8(log).unwrap(),
        r#"{"change":"unfreeze","reason":"a long answer","scope":"tenant:main"}"#
    );
}
