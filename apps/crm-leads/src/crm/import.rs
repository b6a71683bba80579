//! Leads from a CSV file: sent, its columns understood, looked at, imported.
//!
//! The preview is the import itself in a transaction that is taken back: what it announces is what will be done, as long as nobody changes the
//! CRM in between.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior, named_params};

use super::{
    Act, Added, CrmError,
    draft::{self, Draft, Found, PARTS},
    happened,
};

/// Rows of a file at most.
pub const MOST: usize = 2_000;

/// Why a file is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It is something else.
    #[error("it cannot be read as CSV: {0}")]
    NoCsv(String),
    /// It has a header, or not even that.
    #[error("it has no rows below its header")]
    Empty,
    /// It is too long.
    #[error("it has more than {MOST} rows: send it in several parts")]
    TooLong,
}

/// A file as it was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sheet {
    /// The names of its columns.
    pub header: Vec<String>,
    /// Its rows: the line on which each begins, and its cells.
    pub rows: Vec<(u64, Vec<String>)>,
}

/// A file in the CRM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Its number.
    pub id: i64,
    /// What it was called.
    pub name: String,
    /// When it was sent.
    pub at_us: i64,
    /// By whom.
    pub by: String,
    /// The names of its columns.
    pub header: Vec<String>,
    /// What each column is: a part of a lead, or nothing.
    pub columns: Vec<String>,
    /// Whether it is imported.
    pub imported: bool,
}

/// What becomes of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// A new lead.
    New,
    /// A lead learns what it did not have.
    Update,
    /// A lead has all of it already.
    Same,
    /// Several leads could be meant: left out.
    Unclear,
    /// It cannot be read: left out.
    Wrong,
}

impl Outcome {
    /// As it is kept.
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::New => "new",
            Outcome::Update => "update",
            Outcome::Same => "same",
            Outcome::Unclear => "unclear",
            Outcome::Wrong => "wrong",
        }
    }

    fn parse(text: &str) -> Option<Outcome> {
        let all = [Outcome::New, Outcome::Update, Outcome::Same, Outcome::Unclear, Outcome::Wrong];
        all.into_iter().find(|one| one.as_str() == text)
    }
}

/// A row, and what becomes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Where it stands in the file.
    pub line: u64,
    /// The company, as the row has it.
    pub company: String,
    /// What becomes of it.
    pub outcome: Outcome,
    /// Why.
    pub says: String,
    /// The lead that it is.
    pub lead: Option<String>,
}

/// Reads a file: UTF-8, its separator guessed from its header among comma, semicolon and tab.
///
/// # Errors
/// [`Refused`].
pub fn read(bytes: &[u8]) -> Result<Sheet, Refused> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = std::str::from_utf8(bytes)
        .map_err(|_| Refused::NoCsv("its letters are not UTF-8: save it as “CSV UTF-8”".to_owned()))?;
    // However its lines end: they are counted by their line feeds.
    let text = &*text.replace("\r\n", "\n").replace('\r', "\n");
    let first = text.lines().next().unwrap_or_default();
    let often = |separator: char| first.matches(separator).count();
    let separator =
        [';', '\t'].into_iter().filter(|separator| often(*separator) > often(',')).max_by_key(|one| often(*one));
    let separator = separator.map_or(b',', |separator| if separator == ';' { b';' } else { b'\t' });
    let mut reader = csv::ReaderBuilder::new().delimiter(separator).trim(csv::Trim::All).from_reader(text.as_bytes());
    let unread = |error: csv::Error| match error.kind() {
        csv::ErrorKind::UnequalLengths { pos, expected_len, len } => {
            let line = pos.as_ref().map_or(0, csv::Position::line);
            Refused::NoCsv(format!("line {line} has {len} cells, and the header {expected_len}"))
        }
        _ => Refused::NoCsv(error.to_string()),
    };
    let header: Vec<String> = reader.headers().map_err(unread)?.iter().map(str::to_owned).collect();
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(unread)?;
        if record.iter().all(str::is_empty) {
            continue;
        }
        if rows.len() == MOST {
            return Err(Refused::TooLong);
        }
        rows.push((record.position().map_or(0, csv::Position::line), record.iter().map(str::to_owned).collect()));
    }
    if rows.is_empty() { Err(Refused::Empty) } else { Ok(Sheet { header, rows }) }
}

/// What the columns mean, by their names; an empty text where nobody knows.
pub fn guessed(header: &[String]) -> Vec<String> {
    let mut taken = Vec::new();
    let plain = |text: &str| {
        let words = text.to_lowercase().replace(['_', '-', '.'], " ");
        words.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    for name in header {
        let name = plain(name);
        let known = PARTS.iter().find(|(part, label, others)| {
            plain(part) == name || plain(label) == name || others.contains(&name.as_str())
        });
        let part = known.map(|(part, ..)| (*part).to_owned()).filter(|part| !taken.contains(part)).unwrap_or_default();
        taken.push(part);
    }
    taken
}

/// Keeps a file; nothing of it is a lead yet. Gives its number.
///
/// # Errors
/// The database.
pub fn keep(db: &mut Connection, name: &str, sheet: &Sheet, act: &Act<'_>) -> Result<i64, CrmError> {
    let begun = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let header = serde_json::to_string(&sheet.header)?;
    let columns = serde_json::to_string(&guessed(&sheet.header))?;
    let params = named_params! {
        ":name": name, ":now_us": act.now_us, ":by": act.by, ":header": header, ":columns": columns,
    };
    let id: i64 = begun.query_row(include_str!("sql/add_batch.sql"), params, |row| row.get(0))?;
    for (line, cells) in &sheet.rows {
        let cells = serde_json::to_string(cells)?;
        let params = named_params! { ":batch": id, ":line": i64::try_from(*line).unwrap_or(i64::MAX), ":cells": cells };
        begun.prepare_cached(include_str!("sql/add_row.sql"))?.execute(params)?;
    }
    begun.commit()?;
    Ok(id)
}

/// A file; `None` if there is none.
///
/// # Errors
/// The database.
pub fn batch(db: &Connection, id: i64) -> Result<Option<Batch>, CrmError> {
    let found = db.query_row(include_str!("sql/batch.sql"), named_params! { ":batch": id }, |row| {
        let (header, columns, state): (String, String, String) = (row.get(4)?, row.get(5)?, row.get(6)?);
        let batch = Batch {
            id: row.get(0)?,
            name: row.get(1)?,
            at_us: row.get(2)?,
            by: row.get(3)?,
            header: Vec::new(),
            columns: Vec::new(),
            imported: state == "imported",
        };
        Ok((batch, header, columns))
    });
    let Some((batch, header, columns)) = found.optional()? else { return Ok(None) };
    Ok(Some(Batch { header: serde_json::from_str(&header)?, columns: serde_json::from_str(&columns)?, ..batch }))
}

/// A file in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// Its number.
    pub id: i64,
    /// What it was called.
    pub name: String,
    /// When it was sent.
    pub at_us: i64,
    /// Whether it is imported.
    pub imported: bool,
    /// How many rows it has.
    pub rows: u64,
}

/// The files that were sent last.
///
/// # Errors
/// The database.
pub fn batches(db: &Connection) -> Result<Vec<Sent>, CrmError> {
    let mut statement = db.prepare(include_str!("sql/batches.sql"))?;
    let rows = statement.query_map([], |row| {
        let state: String = row.get(3)?;
        Ok(Sent {
            id: row.get(0)?,
            name: row.get(1)?,
            at_us: row.get(2)?,
            imported: state == "imported",
            rows: row.get(4)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Says what the columns of a file mean. False: it is imported already.
///
/// # Errors
/// The database.
pub fn set_columns(db: &Connection, id: i64, columns: &[String]) -> Result<bool, CrmError> {
    let columns = serde_json::to_string(columns)?;
    Ok(db.execute(include_str!("sql/set_columns.sql"), named_params! { ":batch": id, ":columns": columns })? > 0)
}

/// What would become of each row now; of an imported file, what became of it.
///
/// # Errors
/// The database.
pub fn preview(db: &mut Connection, batch: &Batch, people: &[String]) -> Result<Vec<Row>, CrmError> {
    if batch.imported {
        return done(db, batch);
    }
    let begun = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let rows = each(&begun, batch, people, &Act { by: "preview", now_us: batch.at_us })?;
    begun.rollback()?;
    // Leads that are not there any more: a link to one would lead nowhere.
    let gone = |row: Row| Row { lead: row.lead.filter(|_| row.outcome != Outcome::New), ..row };
    Ok(rows.into_iter().map(gone).collect())
}

/// Imports a file, whole or not at all. `None`: it was imported already.
///
/// # Errors
/// The database.
pub fn import(
    db: &mut Connection,
    batch: &Batch,
    people: &[String],
    act: &Act<'_>,
) -> Result<Option<Vec<Row>>, CrmError> {
    let begun = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    if begun.execute(include_str!("sql/batch_done.sql"), named_params! { ":batch": batch.id })? == 0 {
        return Ok(None);
    }
    let rows = each(&begun, batch, people, act)?;
    for row in &rows {
        let params = named_params! {
            ":batch": batch.id, ":line": i64::try_from(row.line).unwrap_or(i64::MAX), ":outcome": row.outcome.as_str(),
            ":lead": row.lead, ":says": row.says,
        };
        begun.prepare_cached(include_str!("sql/row_done.sql"))?.execute(params)?;
    }
    begun.commit()?;
    Ok(Some(rows))
}

/// The rows of a file as they are kept: line, cells, and what became of each.
type Kept = (i64, Vec<String>, Option<String>, Option<String>, Option<String>);

fn kept(db: &Connection, batch: i64) -> Result<Vec<Kept>, CrmError> {
    let mut statement = db.prepare_cached(include_str!("sql/rows.sql"))?;
    let mut rows = statement.query(named_params! { ":batch": batch })?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        let cells: String = row.get(1)?;
        all.push((row.get(0)?, serde_json::from_str(&cells)?, row.get(2)?, row.get(3)?, row.get(4)?));
    }
    Ok(all)
}

fn drafted(batch: &Batch, cells: &[String]) -> Draft {
    let mut draft = Draft::default();
    for (part, cell) in batch.columns.iter().zip(cells) {
        if let Some(place) = draft.part(part) {
            cell.clone_into(place);
        }
    }
    draft
}

fn done(db: &Connection, batch: &Batch) -> Result<Vec<Row>, CrmError> {
    let rows = kept(db, batch.id)?.into_iter().map(|(line, cells, outcome, lead, says)| Row {
        line: line.unsigned_abs(),
        company: drafted(batch, &cells).name,
        outcome: outcome.as_deref().and_then(Outcome::parse).unwrap_or(Outcome::Wrong),
        says: says.unwrap_or_default(),
        lead,
    });
    Ok(rows.collect())
}

fn each(db: &Connection, batch: &Batch, people: &[String], act: &Act<'_>) -> Result<Vec<Row>, CrmError> {
    let mut all = Vec::new();
    // Leads that this file has brought, by the line that did.
    let mut brought: BTreeMap<String, u64> = BTreeMap::new();
    for (line, cells, ..) in kept(db, batch.id)? {
        let line = line.unsigned_abs();
        let draft = drafted(batch, &cells);
        let row = |outcome, says: String, lead| Row { line, company: draft.name.clone(), outcome, says, lead };
        let clean = match draft::check(&draft, people) {
            Ok(clean) => clean,
            Err(wrong) => {
                let says = wrong.into_iter().map(|(_, says)| says).collect::<Vec<_>>().join("; ");
                all.push(row(Outcome::Wrong, says, None));
                continue;
            }
        };
        all.push(match super::add_within(db, &clean, ("csv", &batch.name), false, act)? {
            Added::New(id) => {
                brought.insert(id.clone(), line);
                row(Outcome::New, String::new(), Some(id))
            }
            Added::Known(Found::Same { id, company, by }) => {
                let mut which = match brought.get(&id) {
                    Some(first) => format!("line {first} of this file has {}", by.told()),
                    None => format!("{company} has {}", by.told()),
                };
                let contact = super::lead(db, &id)?.and_then(|lead| lead.email).map(|email| email.to_lowercase());
                if contact.is_some() && clean.keys.email.is_some() && contact != clean.keys.email {
                    which.push_str("; it has another contact, who stays");
                }
                let filled = fill(db, &id, &clean)?;
                if filled {
                    happened(db, &id, act, &format!("filled in from {}", batch.name))?;
                }
                row(if filled { Outcome::Update } else { Outcome::Same }, which, Some(id))
            }
            Added::Known(Found::Unclear(could)) => {
                let names: Vec<_> = could.iter().map(|(_, company)| company.as_str()).collect();
                row(Outcome::Unclear, format!("it could be {}", names.join(" or ")), None)
            }
            Added::Known(Found::New) => row(Outcome::Unclear, String::new(), None),
        });
    }
    Ok(all)
}

/// A lead learns what it does not have; what it has stays. Whether there was something.
fn fill(db: &Connection, id: &str, lead: &draft::Clean) -> Result<bool, CrmError> {
    let filled = db.prepare_cached(include_str!("sql/fill_lead.sql"))?.query_row(
        named_params! {
            ":lead": id, ":domain": lead.domain, ":country": lead.country, ":given_name": lead.given_name,
            ":family_name": lead.family_name, ":title": lead.title, ":phone": lead.phone, ":note": lead.note, ":email": lead.email,
            ":key_email": lead.keys.email, ":key_site": lead.keys.site, ":key_name": lead.keys.name,
        },
        |_| Ok(()),
    );
    Ok(filled.optional()?.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crm::tests::{count, database};

    const FILE: &str = "Company,Website,E-Mail,Country,Mood\n\
        Pumps,pumps.test,ann@pumps.test,DE,good\n\
        \"Valves, Inc.\",valves.test,,US,\n\
        ,nameless.test,,,\n\
        Pumps GmbH,www.pumps.test,,,\n\
        Bakery,,,,\n\
        Mill,mill.test,not-an-address,,\n";

    fn rows(db: &mut Connection, id: i64) -> Vec<String> {
        let batch = batch(db, id).expect("it is read").expect("it is kept");
        let told = |row: Row| format!("{} {} {}: {}", row.line, row.outcome.as_str(), row.company, row.says);
        preview(db, &batch, &[]).expect("it is looked at").into_iter().map(told).collect()
    }

    #[test]
    fn lines_may_end_in_any_way_and_are_counted_alike() {
        for end in ["\n", "\r\n", "\r"] {
            let sheet = read(FILE.replace('\n', end).as_bytes()).expect("it is CSV");
            let lines: Vec<u64> = sheet.rows.iter().map(|(line, _)| *line).collect();
            assert_eq!(lines[..2], [2, 3], "{end:?}");
        }
    }

    #[test]
    fn a_preview_is_what_the_import_does_and_changes_nothing() {
        let mut db = database();
        let act = Act { by: "rosa", now_us: 7 };
        let known = Draft { name: "Bakery".into(), country: "FR".into(), ..Draft::default() };
        super::super::add(&mut db, &draft::check(&known, &[""; 0]).expect("it is right"), ("form", ""), false, &act)
            .expect("it is added");
        let sheet = read(FILE.as_bytes()).expect("it is CSV");
        assert_eq!(guessed(&sheet.header), ["name", "domain", "email", "country", ""]);
        let id = keep(&mut db, "leads.csv", &sheet, &act).expect("it is kept");
        let expected = [
            "2 new Pumps: ",
            "3 new Valves, Inc.: ",
            "4 wrong : the company has no name",
            "5 same Pumps GmbH: line 2 of this file has the same domain",
            "6 unclear Bakery: it could be Bakery",
            "7 wrong Mill: `not-an-address` is no e-mail address",
        ];
        assert_eq!(rows(&mut db, id), expected);
        assert_eq!((count(&db, "lead"), count(&db, "outbox")), (1, 1), "a preview writes nothing");
        let sent = batch(&db, id).expect("it is read").expect("it is kept");
        assert!(import(&mut db, &sent, &[], &act).expect("it is imported").is_some());
        assert_eq!((count(&db, "lead"), count(&db, "outbox")), (3, 3));
        assert_eq!(rows(&mut db, id), expected, "what became of it stays");
        assert_eq!(import(&mut db, &sent, &[], &act).expect("it answers"), None, "once");
        // The same file again brings nothing new.
        let again = keep(&mut db, "leads.csv", &sheet, &act).expect("it is kept");
        assert!(rows(&mut db, again).iter().all(|row| !row.contains(" new ")), "{:?}", rows(&mut db, again));
    }

    #[test]
    fn a_file_fills_in_what_a_lead_does_not_have_and_changes_nothing_else() {
        let mut db = database();
        let act = Act { by: "rosa", now_us: 7 };
        let known = Draft { name: "Pumps".into(), domain: "pumps.test".into(), phone: "1".into(), ..Draft::default() };
        super::super::add(&mut db, &draft::check(&known, &[""; 0]).expect("it is right"), ("form", ""), false, &act)
            .expect("it is added");
        let sheet =
            read(b"name;domain;phone;title;email\nPumps AG;pumps.test;2;CEO;ann@pumps.test\n").expect("it is CSV");
        let id = keep(&mut db, "more.csv", &sheet, &act).expect("it is kept");
        assert_eq!(rows(&mut db, id), ["2 update Pumps AG: Pumps has the same domain"]);
        let sent = batch(&db, id).expect("it is read").expect("it is kept");
        let done = import(&mut db, &sent, &[], &act).expect("it is imported").expect("once");
        let lead = done[0].lead.clone().expect("it is a lead");
        let lead = crate::crm::lead(&db, &lead).expect("it is read").expect("it is there");
        assert_eq!((&*lead.company, &*lead.phone, &*lead.title, lead.version), ("Pumps", "1", "CEO", 2));
        assert_eq!((lead.email.as_deref(), &*lead.created_by), (Some("ann@pumps.test"), "rosa"));
    }

    #[test]
    fn what_is_no_csv_says_where() {
        let says = |bytes: &[u8]| read(bytes).map_err(|why| why.to_string()).expect_err("it is refused");
        assert_eq!(says(b"a,b\n1,2\n1,2,3\n"), "it cannot be read as CSV: line 3 has 3 cells, and the header 2");
        assert_eq!(says(b"name,domain\n"), "it has no rows below its header");
        assert!(says(b"name\nM\xfcller\n").contains("UTF-8"));
        let long: String = std::iter::once("name\n".to_owned()).chain((0..=MOST).map(|n| format!("c{n}\n"))).collect();
        assert_eq!(says(long.as_bytes()), "it has more than 2000 rows: send it in several parts");
        let quoted = read(b"\xef\xbb\xbfname,note\n\"A \"\"B\"\"\",\"two\nlines\"\n\n").expect("it is CSV");
        assert_eq!(quoted.rows, [(2, vec!["A \"B\"".to_owned(), "two\nlines".to_owned()])]);
    }
}
