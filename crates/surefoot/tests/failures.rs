//! What goes wrong around the program: it says so, ends with the right code, never panics, and loses nothing.

mod common;

use std::{
    fs,
    io::{BufRead as _, BufReader, Seek as _, SeekFrom, Write as _},
    process::{Command, Stdio},
};

use common::{Place, Said, said};
use store::sqlite::{SqliteOptions, SqliteStore};

fn refused(place: &Place, args: &[&str], code: i32, says: &str) {
    let said = place.call(args);
    assert_eq!(said.code, code, "{args:?}\n{}{}", said.out, said.err);
    assert!(said.err.contains(says), "{args:?}\n{}", said.err);
}

fn sound(said: &Said) {
    assert!(!said.err.contains("panicked"), "{}", said.err);
}

#[test]
fn what_does_not_exist_is_named() {
    let place = Place::new();
    refused(&place, &["check", "nowhere"], 4, "there is no folder nowhere");
    refused(&place, &["run", "nowhere"], 4, "there is no folder nowhere");
    refused(&place, &["check"], 4, ". is no project: it has no surefoot.yaml");
    refused(&place, &["runs", "ls", "nowhere"], 4, "there are no data in nowhere/.surefoot");
    refused(&place, &["db", "check", "--data", "gone"], 4, "there are no data in gone");
    refused(&place, &["frobnicate"], 2, "unrecognized subcommand");
    refused(&place, &["--log", "a=b=c", "init", "x"], 2, "is no log filter");
}

#[test]
fn a_second_process_is_refused_and_disturbs_nothing() {
    let place = Place::with_demo();
    place.ok(&["run", "demo"]);
    let held = SqliteStore::open(&place.path().join("demo/.surefoot"), SqliteOptions::default()).unwrap();
    for args in [
        &["run", "demo"][..],
        &["runs", "ls", "demo"],
        &["runs", "show", "last", "demo"],
        &["runs", "pause", "last", "demo"],
        &["db", "check", "demo"],
        &["run", "demo", "--crash-at", "save"],
    ] {
        refused(&place, args, 5, "in use by another process");
    }
    drop(held);
    assert_eq!(place.ok(&["runs", "ls", "demo", "--json"]).lines().count(), 1);
}

#[test]
fn data_of_a_newer_version_are_left_alone() {
    let place = Place::with_demo();
    place.ok(&["run", "demo"]);
    let file = place.path().join("demo/.surefoot/surefoot.db");
    let conn = rusqlite::Connection::open(&file).unwrap();
    conn.execute("UPDATE refinery_schema_history SET version = version + 9998 WHERE version = 1", []).unwrap();
    conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    drop(conn);
    let before = fs::read(&file).unwrap();
    refused(&place, &["run", "demo"], 7, "has schema 9999");
    refused(&place, &["runs", "ls", "demo"], 7, "has schema 9999");
    assert_eq!(fs::read(&file).unwrap(), before);
}

#[test]
fn flipped_bytes_are_found_and_never_a_panic() {
    let place = Place::with_demo();
    // So many that most of the file is journals and values.
    for _ in 0..24 {
        place.ok(&["run", "demo"]);
    }
    let file = place.path().join("demo/.surefoot/surefoot.db");
    let conn = rusqlite::Connection::open(&file).unwrap();
    conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    drop(conn);
    let whole = fs::read(&file).unwrap();
    // The anchors are put back with the data, in place: this is about damage.
    let anchors = place.path().join("demo/.surefoot.anchors.ndjson");
    let kept = fs::read(&anchors).unwrap();
    let mut found = 0;
    // Not at the same place of each page, whatever the number of pages.
    for at in (100..whole.len()).step_by(whole.len() / 24 - 1_021).take(24) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x55;
        fs::write(&file, &bytes).unwrap();
        fs::write(&anchors, &kept).unwrap();
        for args in [&["db", "check", "demo"][..], &["runs", "ls", "demo"], &["run", "demo", "--resume"]] {
            let said = place.call(args);
            sound(&said);
            assert!([0, 6, 8, 10, 70, 74].contains(&said.code), "byte {at}: {args:?}: {}\n{}", said.code, said.err);
            found += usize::from(args[0] == "db" && said.code != 0);
        }
    }
    assert!(found >= 6, "only {found} of 24 flips were found");
    fs::write(&file, &whole).unwrap();
    place.ok(&["db", "check", "demo"]);
}

#[test]
fn a_body_that_was_changed_in_the_database_is_found() {
    let place = Place::with_demo();
    place.ok(&["run", "demo"]);
    let file = place.path().join("demo/.surefoot/surefoot.db");
    let bytes = {
        let conn = rusqlite::Connection::open(&file).unwrap();
        conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
        fs::read(&file).unwrap()
    };
    // The same length: only the meaning changes.
    let (from, to) = (b"Report from Mill Lane", b"Report from Hill Lane");
    let mut open = fs::OpenOptions::new().write(true).open(&file).unwrap();
    // A page that is no longer used may hold it as well.
    for at in (0..bytes.len() - from.len()).filter(|at| bytes[*at..].starts_with(from)) {
        open.seek(SeekFrom::Start(at as u64)).unwrap();
        open.write_all(to).unwrap();
    }
    drop(open);
    refused(&place, &["db", "check", "demo"], 6, "finding");
    refused(&place, &["runs", "show", "last", "demo"], 6, "does not hold");
    place.ok(&["runs", "export", "last", "demo", "--out", "x.ndjson"]);
    refused(&place, &["evidence", "verify", "x.ndjson"], 6, "does not fit its digest");
}

#[test]
fn a_place_that_cannot_be_written_is_the_disk() {
    let place = Place::with_demo();
    place.write("file", "x");
    refused(&place, &["run", "demo", "--data", "file"], 74, "not a directory");
    refused(&place, &["run", "demo", "--data", "none/data"], 74, "cannot use the data directory none/data");
    refused(&place, &["init", "file/project"], 2, "file/project is a file");
    place.ok(&["run", "demo"]);
    refused(&place, &["runs", "export", "last", "demo", "--out", "none/x.ndjson"], 74, "cannot be written");
    refused(&place, &["bench", "chain", "--dir", "none"], 4, "cannot be made");
}

#[cfg(unix)]
#[test]
fn arguments_and_folders_may_have_any_bytes() {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt as _};
    let place = Place::with_demo();
    let odd = OsStr::from_bytes(b"d\xff");
    let mut command = place.command(&["run"]);
    let failed = said(command.arg(odd).output().unwrap());
    sound(&failed);
    assert_eq!(failed.code, 4, "{}", failed.err);
    fs::rename(place.path().join("demo"), place.path().join(odd)).unwrap();
    let mut command = place.command(&["run", "--crash-at", "save"]);
    let done = said(command.arg(odd).output().unwrap());
    assert_eq!(done.code, 0, "{}{}", done.out, done.err);
    let mut command = place.command(&["run", "--workflow"]);
    assert_eq!(said(command.arg(odd).output().unwrap()).code, 2);
}

#[cfg(unix)]
#[test]
fn a_full_device_behind_standard_output_is_an_error_and_a_closed_pipe_is_none() {
    let place = Place::with_demo();
    place.ok(&["run", "demo"]);
    if let Ok(full) = fs::OpenOptions::new().write(true).open("/dev/full") {
        let failed = said(place.command(&["runs", "export", "last", "demo"]).stdout(full).output().unwrap());
        assert_eq!(failed.code, 74, "{}", failed.err);
    }
    let mut child = place.command(&["run", "demo"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let done = said(child.wait_with_output().unwrap());
    assert_eq!((done.code, &*done.err), (0, ""));
    assert_eq!(place.ok(&["runs", "ls", "demo", "--status", "completed", "--json"]).lines().count(), 2);
}

#[cfg(unix)]
#[test]
fn ctrl_c_leaves_cleanly_and_the_run_goes_on_later() {
    let place = Place::with_demo();
    place.edit("demo/workflows/report.yaml", "for: 20ms", "for: 30s");
    let mut child = place.command(&["run", "demo"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let waits = lines.find(|line| line.as_ref().unwrap().contains("pause: waits until"));
    assert!(waits.is_some());
    let signalled = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(signalled.success());
    let rest: Vec<String> = lines.map(Result::unwrap).collect();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(rest.iter().any(|line| line.contains("nothing that was recorded is lost")), "{rest:?}");
    assert!(rest.iter().any(|line| line.ends_with("surefoot run demo --resume")), "{rest:?}");
    place.ok(&["db", "check", "demo"]);
    let rows = place.ok(&["runs", "ls", "demo", "--json"]);
    let row: serde_json::Value = serde_json::from_str(rows.trim()).unwrap();
    assert_eq!((row["status"].as_str(), row["strikes"].as_u64()), (Some("waiting"), Some(0)));
}

#[test]
fn a_secret_is_never_printed() {
    let place = Place::new();
    place.write("p/surefoot.yaml", "project: p\n");
    place.write(
        "p/tools/web.yaml",
        "tool: web\nhttp: { base_url: =env.WEB, headers: { Authorization: Bearer secret://web-key } }\n\
         operations: { get: { effect: read, method: GET, path: /x, timeout: 1s } }\n",
    );
    place.write(
        "p/workflows/w.yaml",
        "workflow: w\nstages: [{ stage: s, steps: [{ step: a, act: web.get, on_failure: { tool_error: [ fail ] } }] }]\n",
    );
    refused(&place, &["run", "p"], 3, "needs the environment variable WEB, which is not set");
    let mut command = place.command(&["run", "p", "--log", "trace", "--json"]);
    command.env("WEB", "http://127.0.0.1:1").env("SUREFOOT_SECRET_WEB_KEY", "hunter2hunter2");
    let failed = said(command.output().unwrap());
    assert_eq!(failed.code, 1, "{}{}", failed.out, failed.err);
    assert!(!failed.out.contains("hunter2") && !failed.err.contains("hunter2"), "{}{}", failed.out, failed.err);
    let folder = place.path().join("keys");
    fs::create_dir(&folder).unwrap();
    let mut command = place.command(&["run", "p"]);
    command.env("WEB", "http://127.0.0.1:1").env("SUREFOOT_SECRETS", &folder);
    let failed = said(command.output().unwrap());
    assert!(failed.out.contains("web-key"), "{}", failed.out);
}
