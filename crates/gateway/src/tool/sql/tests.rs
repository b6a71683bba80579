use std::path::Path;

use kernel::{
    ids::{RunId, StepPath},
    values::Timestamp,
    yaml,
};
use rusqlite::Connection;

use super::*;

/// A database of two tables, made by a migration.
const BEGIN: &str = "CREATE TABLE entry (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE CHECK (length(name) > 0), price REAL, open INTEGER, tags TEXT
) STRICT;
CREATE TABLE part (entry INTEGER NOT NULL REFERENCES entry (id), amount INTEGER) STRICT;";

/// Endless work for the database's machine.
const FOREVER: &str = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) AS n FROM n;";

const ADD: &str = "INSERT INTO entry (name, price, open, tags) VALUES (:name, :price, :open, :tags)
RETURNING id, name, price, open, tags;";
const ADD_PARAMS: &str =
    "{ type: object, required: [ name ], additionalProperties: false, properties: { name: { type: string },
  price: { type: number }, open: { type: boolean }, tags: { type: [ array, \"null\" ], items: { type: string } } } }";
const ENTRY: &str = "{ type: object, properties: { id: { type: integer }, name: { type: string }, price: { type: [ number, \"null\" ] },
  open: { type: [ boolean, \"null\" ] }, tags: { type: [ array, \"null\" ] } } }";

fn schema(text: &str) -> Arc<Schema> {
    let file: Arc<str> = "schemas/test.yaml".into();
    Schema::load(&file, &yaml::parse(&file, text).unwrap()).unwrap()
}

fn operation(effect: Effect, rows: Option<Rows>, statement: &str) -> SqlOperation {
    SqlOperation {
        effect,
        file: "sql/test.sql".into(),
        statement: statement.into(),
        rows,
        params: None,
        returns: None,
        timeout: Span::from_millis(30_000),
    }
}

fn read(rows: Rows, statement: &str) -> SqlOperation {
    operation(Effect::Read, Some(rows), statement)
}

fn change(rows: Option<Rows>, statement: &str) -> SqlOperation {
    operation(Effect::Idempotent, rows, statement)
}

fn add() -> SqlOperation {
    let (params, returns) = (Some(schema(ADD_PARAMS)), Some(schema(ENTRY)));
    SqlOperation { params, returns, ..change(Some(Rows::One), ADD) }
}

fn all() -> SqlOperation {
    read(Rows::Many, "SELECT name FROM entry ORDER BY id")
}

fn migration(name: &str, text: &str) -> Migration {
    Migration { name: name.into(), text: text.into() }
}

struct Bench {
    folder: tempfile::TempDir,
    tool: Arc<SqlTool>,
}

fn tool(database: &Path, migrations: &[Migration], operations: &[(&str, SqlOperation)]) -> SqlTool {
    SqlTool::new(SqlSpec {
        database: database.to_owned(),
        links: false,
        migrations: migrations.to_vec(),
        operations: operations.iter().map(|(name, one)| (Arc::from(*name), one.clone())).collect(),
        now: Arc::new(|| Timestamp::from_micros(17)),
    })
}

impl Bench {
    fn new(operations: &[(&str, SqlOperation)]) -> Bench {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().canonicalize().unwrap().join("book.db");
        Bench { tool: Arc::new(tool(&file, &[migration("001_begin.sql", BEGIN)], operations)), folder }
    }

    /// The database, from outside.
    fn database(&self) -> Connection {
        let database = Connection::open(self.folder.path().join("book.db")).unwrap();
        database.busy_timeout(Duration::from_secs(5)).unwrap();
        database
    }

    fn count(&self, from: &str) -> i64 {
        self.database().query_row(&format!("SELECT count(*) FROM {from}"), [], |row| row.get(0)).unwrap()
    }

    async fn call(&self, operation: &str, input: &str, key: u32) -> Result<Value, Failure> {
        call(&self.tool, operation, input, key).await
    }

    async fn json(&self, operation: &str, input: &str, key: u32) -> String {
        self.call(operation, input, key).await.unwrap().to_json()
    }

    async fn fails(&self, operation: &str, input: &str, key: u32) -> (FailureKind, Phase, String) {
        let failure = self.call(operation, input, key).await.unwrap_err();
        (failure.kind, failure.phase, failure.detail)
    }
}

async fn call(tool: &SqlTool, operation: &str, input: &str, key: u32) -> Result<Value, Failure> {
    let effect = tool.operations.get(operation).map_or(Effect::Read, |found| found.effect);
    let step: StepPath = "act".into();
    let key = IdempotencyKey::derive(RunId::from_bytes([7; 16]), &step, key);
    tool.perform(("book", operation), effect, input.as_bytes(), &key).await
}

use FailureKind::{ContractViolated, Internal, InvalidArguments, ToolError, ToolRejected, ToolTimeout};

#[tokio::test]
async fn a_change_is_answered_with_the_types_of_its_schema_and_can_be_read() {
    let bench = Bench::new(&[("add", add()), ("all", all())]);
    let added = bench.json("add", r#"{"name":"lamp","price":3,"open":true,"tags":["a","b"]}"#, 1).await;
    assert_eq!(added, r#"{"id":1,"name":"lamp","open":true,"price":3,"tags":["a","b"]}"#);
    // What may be left out is NULL.
    let added = bench.json("add", r#"{"name":"desk"}"#, 2).await;
    assert_eq!(added, r#"{"id":2,"name":"desk","open":null,"price":null,"tags":null}"#);
    assert_eq!(bench.json("all", "null", 3).await, r#"{"rows":[{"name":"lamp"},{"name":"desk"}]}"#);
    let kept: (String, i64, String) = bench
        .database()
        .query_row("SELECT typeof(price), open, tags FROM entry WHERE id = 1", [], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
        .unwrap();
    assert_eq!(kept, ("real".to_owned(), 1, r#"["a","b"]"#.to_owned()));
    let key: (i64, String) = bench
        .database()
        .query_row("SELECT at_us, answer ->> 'name' FROM surefoot_key ORDER BY rowid LIMIT 1", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .unwrap();
    assert_eq!(key, (17, "lamp".to_owned()));
}

#[tokio::test]
async fn the_same_key_twice_is_one_change_and_one_answer() {
    let bench = Bench::new(&[("add", add())]);
    let first = bench.json("add", r#"{"name":"lamp"}"#, 1).await;
    bench.database().execute("UPDATE entry SET name = 'sold'", []).unwrap();
    assert_eq!(bench.json("add", r#"{"name":"lamp"}"#, 1).await, first);
    // Another process sees the key as well.
    let other = tool(&bench.tool.database.file(), &[migration("001_begin.sql", BEGIN)], &[("add", add())]);
    assert_eq!(call(&other, "add", r#"{"name":"lamp"}"#, 1).await.unwrap().to_json(), first);
    assert_eq!((bench.count("entry"), bench.count("surefoot_key")), (1, 1));
}

#[tokio::test]
async fn the_same_key_for_something_else_is_rejected() {
    let bench = Bench::new(&[("add", add()), ("clear", change(None, "DELETE FROM entry"))]);
    bench.json("add", r#"{"name":"lamp"}"#, 1).await;
    for (operation, input) in [("add", r#"{"name":"desk"}"#), ("clear", "{}")] {
        let (kind, phase, detail) = bench.fails(operation, input, 1).await;
        assert_eq!((kind, phase), (ToolRejected, Phase::Answered));
        assert!(detail.contains("was used for another operation or other arguments"), "{detail}");
    }
    assert_eq!(bench.count("entry"), 1);
}

#[tokio::test]
async fn a_constraint_refuses_and_nothing_was_done() {
    let two = "INSERT INTO entry (name) VALUES (:name); INSERT INTO part (entry) VALUES (99);";
    let bench = Bench::new(&[("add", add()), ("two", change(None, two))]);
    bench.json("add", r#"{"name":"lamp"}"#, 1).await;
    let (kind, phase, detail) = bench.fails("add", r#"{"name":"lamp"}"#, 2).await;
    assert_eq!((kind, phase), (ToolRejected, Phase::Answered));
    assert_eq!(detail, "`book.add`: a constraint refuses it, nothing was done: UNIQUE constraint failed: entry.name");
    // The first of two statements goes with the second.
    assert_eq!(bench.fails("two", r#"{"name":"desk"}"#, 3).await.0, ToolRejected);
    assert_eq!((bench.count("entry"), bench.count("surefoot_key")), (1, 1));
    // The connection is as good as new.
    assert_eq!(bench.call("add", r#"{"name":"desk"}"#, 2).await.unwrap().get("id"), Some(&Value::Int(2)));
}

#[tokio::test]
async fn several_statements_count_together_and_the_last_rows_are_the_answer() {
    let text = "UPDATE entry SET price = 2 WHERE name IN ('a', 'b'); -- :not_one
        CREATE TABLE IF NOT EXISTS note (x); SELECT 'first' AS which; SELECT 'last' AS which;
        DELETE FROM entry WHERE name = 'c';";
    let bench = Bench::new(&[("add", add()), ("many", change(Some(Rows::One), text)), ("count", change(None, text))]);
    for (key, name) in ["a", "b", "c"].iter().enumerate() {
        bench.json("add", &format!("{{\"name\":\"{name}\"}}"), u32::try_from(key).unwrap()).await;
    }
    assert_eq!(bench.json("count", "{}", 10).await, r#"{"changed":3}"#);
    assert_eq!(bench.json("many", "{}", 11).await, r#"{"which":"last"}"#);
}

#[tokio::test]
async fn a_dropped_call_is_rolled_back_and_can_be_sent_again() {
    let slow = format!("INSERT INTO entry (name) VALUES (:name); {FOREVER}");
    let bench = Bench::new(&[("slow", change(Some(Rows::One), &slow)), ("add", add())]);
    bench.json("add", r#"{"name":"first"}"#, 1).await;
    let call = {
        let tool = bench.tool.clone();
        tokio::spawn(async move { call(&tool, "slow", r#"{"name":"lamp"}"#, 2).await })
    };
    // It is inside its transaction when nobody else may begin one.
    let outside = bench.database();
    outside.busy_timeout(Duration::ZERO).unwrap();
    while outside.execute_batch("BEGIN IMMEDIATE; ROLLBACK").is_ok() {
        tokio::task::yield_now().await;
    }
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    // The next writer waits until the thread of the dropped call has given up.
    bench.json("add", r#"{"name":"lamp"}"#, 2).await;
    assert_eq!((bench.count("entry"), bench.count("surefoot_key")), (2, 2));
}

#[tokio::test]
async fn a_call_whose_time_is_up_is_rolled_back() {
    let slow = format!("INSERT INTO entry (name) VALUES ('lamp'); {FOREVER}");
    let timeout = Span::from_millis(50);
    let bench = Bench::new(&[
        ("slow", SqlOperation { timeout, ..change(Some(Rows::One), &slow) }),
        ("look", SqlOperation { timeout, ..read(Rows::One, FOREVER) }),
        ("add", add()),
    ]);
    bench.json("add", r#"{"name":"first"}"#, 1).await;
    for operation in ["slow", "look"] {
        let (kind, phase, detail) = bench.fails(operation, "{}", 2).await;
        assert_eq!((kind, phase), (ToolTimeout, Phase::NotSent), "{detail}");
    }
    assert_eq!((bench.count("entry"), bench.count("surefoot_key")), (1, 1));
}

#[tokio::test]
async fn a_call_that_waits_for_its_turn_in_vain_was_not_sent() {
    let timeout = Span::from_millis(20);
    let bench = Bench::new(&[("add", add()), ("late", SqlOperation { timeout, ..add() })]);
    bench.json("add", r#"{"name":"first"}"#, 1).await;
    let turn = bench.tool.database.turn(Effect::Idempotent).await;
    let (kind, phase, _) = bench.fails("late", r#"{"name":"lamp"}"#, 2).await;
    assert_eq!((kind, phase), (ToolTimeout, Phase::NotSent));
    drop(turn);
    assert_eq!(bench.count("entry"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn writers_at_once_lose_nothing_and_repeat_nothing() {
    let bench = Bench::new(&[("add", add()), ("all", all())]);
    let file = bench.tool.database.file();
    let other = Arc::new(tool(&file, &[migration("001_begin.sql", BEGIN)], &[("add", add()), ("all", all())]));
    let mut calls = tokio::task::JoinSet::new();
    for at in 0..120_u32 {
        // Two tools as of two processes, each key three times.
        let tool = if at % 2 == 0 { bench.tool.clone() } else { other.clone() };
        calls.spawn(async move {
            let name = at % 40;
            let added = call(&tool, "add", &format!("{{\"name\":\"n{name}\"}}"), name).await.unwrap();
            assert_eq!(added.get("name"), Some(&Value::text(format!("n{name}"))));
            call(&tool, "all", "{}", 1000).await.unwrap();
        });
    }
    while let Some(done) = calls.join_next().await {
        done.unwrap();
    }
    assert_eq!((bench.count("entry"), bench.count("surefoot_key"), bench.count("surefoot_migration")), (40, 40, 1));
}

#[tokio::test]
async fn a_read_that_would_write_is_refused() {
    let bench = Bench::new(&[
        ("add", add()),
        ("sneak", read(Rows::One, "DELETE FROM entry RETURNING id")),
        ("temp", read(Rows::One, "CREATE TABLE note (x); SELECT 1 AS x")),
        ("open", read(Rows::One, "PRAGMA query_only = 0; DELETE FROM entry RETURNING id")),
    ]);
    bench.json("add", r#"{"name":"lamp"}"#, 1).await;
    for operation in ["sneak", "temp", "open"] {
        let (kind, phase, detail) = bench.fails(operation, "{}", 2).await;
        assert_eq!((kind, phase), (ToolRejected, Phase::Answered), "{operation}: {detail}");
        assert!(detail.contains("only reading is allowed"), "{operation}: {detail}");
    }
    assert_eq!(bench.count("entry"), 1);
}

#[tokio::test]
async fn statements_cannot_leave_their_transaction() {
    let insert = "INSERT INTO entry (name) VALUES ('x');";
    let texts = ["COMMIT;", "ROLLBACK;", "SAVEPOINT a;", "BEGIN;", "ATTACH ':memory:' AS other;"];
    for text in texts {
        let bench = Bench::new(&[("leave", change(None, &format!("{insert} {text}"))), ("add", add())]);
        let (kind, phase, detail) = bench.fails("leave", "{}", 1).await;
        assert_eq!((kind, phase), (ToolRejected, Phase::Answered), "{text} {detail}");
        assert!(detail.contains("would leave its transaction"), "{text}: {detail}");
        assert_eq!(bench.count("entry"), 0, "{text}");
        bench.json("add", r#"{"name":"x"}"#, 1).await;
    }
}

#[tokio::test]
async fn values_stay_values_whatever_they_look_like() {
    let bench = Bench::new(&[
        ("add", add()),
        ("find", read(Rows::Maybe, "SELECT name FROM entry WHERE name = :name")),
        ("all", all()),
    ]);
    let big = "ä".repeat(1 << 20);
    let names =
        ["'; DROP TABLE entry; --", "\" OR 1=1", ":name", "%_'", "日本語 🦊 e\u{301}", "a\0b", "line\nline", "0", &big];
    for (key, name) in names.iter().enumerate() {
        let input = Value::map([("name", Value::text(*name))]).to_json();
        let added = bench.call("add", &input, u32::try_from(key).unwrap()).await.unwrap();
        assert_eq!(added.get("name"), Some(&Value::text(*name)));
        let found = bench.call("find", &input, 100).await.unwrap();
        assert_eq!(found, Value::map([("name", Value::text(*name))]));
    }
    assert_eq!(bench.call("find", r#"{"name":"none"}"#, 100).await.unwrap(), Value::Null);
    assert_eq!(bench.count("entry"), i64::try_from(names.len()).unwrap());
}

#[tokio::test]
async fn an_answer_that_is_too_big_or_of_another_form_undoes_the_change() {
    let insert = "INSERT INTO entry (name) VALUES ('lamp');";
    let returns = schema("{ type: object, properties: { open: { type: boolean }, tags: { type: object } } }");
    let typed = |text: &str| SqlOperation {
        returns: Some(returns.clone()),
        ..change(Some(Rows::One), &format!("{insert} {text}"))
    };
    let bench = Bench::new(&[
        ("big", typed("SELECT printf('%.*c', 9000000, 'x') AS x")),
        ("none", typed("SELECT 1 AS x WHERE 0")),
        ("two", typed("VALUES (1), (2)")),
        ("nothing", typed("DELETE FROM part")),
        ("twice", typed("SELECT 1 AS x, 2 AS x")),
        ("blob", typed("SELECT x'ff' AS x")),
        ("text", typed("SELECT CAST(x'ff' AS TEXT) AS x")),
        ("seven", typed("SELECT 7 AS open")),
        ("json", typed("SELECT '{' AS tags")),
        ("huge", typed("SELECT 9e999 AS x")),
        ("fine", typed("SELECT 0 AS open, '{\"a\":[1]}' AS tags, 9223372036854775807 AS x")),
    ]);
    for (operation, why) in [
        ("big", "the answer has more than 8388608 bytes"),
        ("none", "it gave no row, and `rows: one` is declared"),
        ("two", "it gave 2 rows, and one is declared"),
        ("nothing", "no statement gives rows"),
        ("twice", "the column `x` stands twice"),
        ("blob", "the column `x`: it holds 1 bytes that are no text"),
        ("text", "the column `x`: its text is not UTF-8"),
        ("seven", "the answer does not fit its schema: `/open`: 7 is not true or false"),
        ("json", "the column `tags`: its text is no JSON of ours"),
        ("huge", "the column `x`: inf is no number of JSON"),
    ] {
        let (kind, phase, detail) = bench.fails(operation, "{}", 1).await;
        assert_eq!((kind, phase), (ContractViolated, Phase::Answered), "{operation}: {detail}");
        assert!(detail.contains(why), "{operation}: {detail}");
        assert_eq!(bench.count("entry"), 0, "{operation}");
    }
    let fine = bench.json("fine", "{}", 1).await;
    assert_eq!(fine, r#"{"open":false,"tags":{"a":[1]},"x":"9223372036854775807"}"#);
}

#[tokio::test]
async fn arguments_and_parameters_belong_together() {
    let bench =
        Bench::new(&[("find", read(Rows::Many, "SELECT :a AS a")), ("mark", read(Rows::Many, "SELECT ? AS a"))]);
    for (operation, input, why) in [
        ("find", "{}", "there is no argument for `:a`"),
        ("find", r#"{"a":1,"b":2}"#, "no statement uses the argument `b`"),
        ("find", "[1]", "there is no argument for `:a`"),
        ("mark", "{}", "parameter 1 has no name"),
    ] {
        let (kind, phase, detail) = bench.fails(operation, input, 1).await;
        assert_eq!((kind, phase), (InvalidArguments, Phase::Inside), "{detail}");
        assert!(detail.contains(why), "{detail}");
    }
    assert_eq!(bench.json("find", r#"{"a":[1,{"b":null}]}"#, 1).await, r#"{"rows":[{"a":"[1,{\"b\":null}]"}]}"#);
    let (kind, _, detail) = bench.fails("gone", "{}", 1).await;
    assert_eq!((kind, &*detail), (Internal, "the tool `book` has no operation `gone` today"));
    let key = IdempotencyKey::derive(RunId::from_bytes([7; 16]), &"act".into(), 0);
    let judged = bench.tool.perform(("book", "find"), Effect::Idempotent, b"{}", &key).await.unwrap_err();
    assert_eq!(judged.phase, Phase::Inside);
}

#[tokio::test]
async fn migrations_are_applied_once_in_order_and_never_changed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().canonicalize().unwrap().join("book.db");
    let first = migration("001_begin.sql", BEGIN);
    let second =
        migration("002_more.sql", "ALTER TABLE entry ADD COLUMN more TEXT; INSERT INTO entry (name) VALUES ('x');");
    let all = [("all", all())];
    let names = |file: &Path| -> Vec<String> {
        let database = Connection::open(file).unwrap();
        let mut statement = database.prepare("SELECT name FROM surefoot_migration ORDER BY place").unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
    };
    call(&tool(&file, std::slice::from_ref(&first), &all), "all", "{}", 1).await.unwrap();
    // One that fails leaves nothing behind, and the next call tries it again.
    let broken = migration("002_more.sql", "INSERT INTO entry (name) VALUES ('x'); INSERT INTO nowhere VALUES (1);");
    let with_broken = tool(&file, &[first.clone(), broken], &all);
    for _ in 0..2 {
        let failure = call(&with_broken, "all", "{}", 1).await.unwrap_err();
        assert_eq!((failure.kind, failure.phase), (ToolRejected, Phase::Answered));
        assert!(failure.detail.starts_with("the migration 002_more.sql: "), "{}", failure.detail);
    }
    assert_eq!(names(&file), ["001_begin.sql"]);
    for _ in 0..2 {
        let both = tool(&file, &[first.clone(), second.clone()], &all);
        assert_eq!(call(&both, "all", "{}", 1).await.unwrap().to_json(), r#"{"rows":[{"name":"x"}]}"#);
    }
    assert_eq!(names(&file), ["001_begin.sql", "002_more.sql"]);
    for (migrations, why) in [
        (vec![first.clone()], "has the migration 002_more.sql, which the project has not"),
        (vec![first.clone(), migration("002_more.sql", "SELECT 1")], "002_more.sql was changed after it was applied"),
        (
            vec![migration("000_zero.sql", "SELECT 1"), first, second],
            "001_begin.sql where the project has 000_zero.sql",
        ),
    ] {
        let failure = call(&tool(&file, &migrations, &all), "all", "{}", 1).await.unwrap_err();
        assert_eq!((failure.kind, failure.phase), (Internal, Phase::Inside));
        assert!(failure.detail.contains(why), "{}", failure.detail);
    }
}

#[tokio::test]
async fn a_database_that_is_missing_damaged_locked_or_read_only_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().canonicalize().unwrap().join("book.db");
    let clear = change(None, "DELETE FROM entry");
    let hurry = SqlOperation { timeout: Span::from_millis(50), ..clear.clone() };
    let operations = [("all", all()), ("clear", clear), ("hurry", hurry)];
    // Without migrations nothing is made out of nothing.
    let plain = || tool(&file, &[], &operations);
    let failure = call(&plain(), "all", "{}", 1).await.unwrap_err();
    assert_eq!((failure.kind, failure.phase), (ToolError, Phase::NotSent));
    assert!(failure.detail.contains("cannot be opened") && failure.detail.contains("book.db"), "{}", failure.detail);
    assert!(!file.exists());

    std::fs::write(&file, "shopping list, long enough to be read as a header of a database file".repeat(20)).unwrap();
    let failure = call(&plain(), "all", "{}", 1).await.unwrap_err();
    assert_eq!((failure.kind, failure.phase), (Internal, Phase::Inside), "{}", failure.detail);

    std::fs::remove_file(&file).unwrap();
    let other = Connection::open(&file).unwrap();
    other.execute_batch(BEGIN).unwrap();
    let failure = call(&tool(&file, &[], &[("bad", read(Rows::Many, "SELECT * FROM nowhere"))]), "bad", "{}", 1).await;
    assert_eq!(failure.unwrap_err().detail, "`book.bad`: nothing was done: no such table: nowhere");

    let patient = plain();
    call(&patient, "clear", "{}", 1).await.unwrap();
    other.execute_batch("PRAGMA journal_mode = wal; BEGIN IMMEDIATE").unwrap();
    let failure = call(&patient, "hurry", "{}", 2).await.unwrap_err();
    assert_eq!((failure.kind, failure.phase), (ToolError, Phase::NotSent));
    assert!(failure.detail.contains("locked by somebody else, nothing was done"), "{}", failure.detail);
    // Readers do not wait for a writer, and what was locked can be sent again.
    call(&patient, "all", "{}", 3).await.unwrap();
    other.execute_batch("COMMIT").unwrap();
    assert_eq!(call(&patient, "clear", "{}", 2).await.unwrap().to_json(), r#"{"changed":0}"#);
}

#[tokio::test]
async fn a_full_database_undoes_the_change() {
    let bench = Bench::new(&[("add", add())]);
    bench.json("add", r#"{"name":"lamp"}"#, 1).await;
    bench.tool.database.no_larger();
    let input = format!("{{\"name\":\"{}\"}}", "x".repeat(100_000));
    let (kind, phase, detail) = bench.fails("add", &input, 2).await;
    assert_eq!((kind, phase), (ToolError, Phase::NotSent));
    assert!(detail.contains("the disk is full, nothing was done"), "{detail}");
    assert_eq!((bench.count("entry"), bench.count("surefoot_key")), (1, 1));
}

#[cfg(unix)]
#[tokio::test]
async fn a_link_is_followed_only_if_the_operator_named_it() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().canonicalize().unwrap();
    Connection::open(folder.join("real.db")).unwrap().execute_batch(BEGIN).unwrap();
    std::os::unix::fs::symlink("real.db", folder.join("link.db")).unwrap();
    for (links, found) in [(true, true), (false, false)] {
        let operations = [(Arc::from("all"), all())].into();
        let spec = SqlSpec {
            database: folder.join("link.db"),
            links,
            migrations: Vec::new(),
            operations,
            now: Arc::new(|| Timestamp::from_micros(17)),
        };
        assert_eq!(call(&SqlTool::new(spec), "all", "{}", 1).await.is_ok(), found);
    }
}
