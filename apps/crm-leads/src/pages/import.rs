//! `GET /app/imports`: which file? And one file: what its columns mean, what would become of each row, and the button that does it.

use askama::Template;
use axum::{Extension, extract::Path};
use serde::Deserialize;
use surefoot::pages::{Failed, Sent, Shown, Uploaded, Viewer, go, plain};

use super::{acting, ago, lead_path, wrong};
use crate::crm::{
    self, Act, Crm,
    draft::PARTS,
    import::{self, Batch, Outcome, Row},
};

/// Rows that are shown; all are counted.
const MOST: usize = 200;

#[derive(Template)]
#[template(path = "imports.html")]
struct ImportsPage {
    csrf: String,
    path: String,
    nobody: bool,
    refused: Option<String>,
    /// Where, what it was called, when, how many rows, whether it is imported.
    batches: Vec<(String, String, String, u64, bool)>,
    most: usize,
}

#[derive(Template)]
#[template(path = "import.html")]
struct ImportPage {
    csrf: String,
    path: String,
    leads: String,
    nobody: bool,
    name: String,
    imported: bool,
    columns: Vec<Column>,
    /// Columns that nobody knows.
    unknown: usize,
    /// No column has the company's name.
    nameless: bool,
    says: String,
    /// New leads and those that learn something.
    useful: usize,
    rows: Vec<Shape>,
    hidden: usize,
}

struct Column {
    at: usize,
    name: String,
    /// What it could be: the part, what it is called, whether it is.
    choices: Vec<(&'static str, &'static str, bool)>,
}

struct Shape {
    line: u64,
    company: String,
    class: &'static str,
    word: &'static str,
    says: String,
    href: Option<String>,
}

fn word(outcome: Outcome) -> (&'static str, &'static str) {
    match outcome {
        Outcome::New => ("good", "new"),
        Outcome::Update => ("busy", "update"),
        Outcome::Same => ("calm", "nothing new"),
        Outcome::Unclear => ("wait", "unclear"),
        Outcome::Wrong => ("bad", "wrong"),
    }
}

async fn uploads(viewer: &Viewer, crm: &Crm, refused: Option<String>) -> Shown {
    let batches = crm.with(|db| import::batches(db)).await?;
    let batches = batches.into_iter().map(|one| {
        let href = viewer.own(format_args!("/imports/{}", one.id));
        (href, plain(&one.name), ago(one.at_us, viewer), one.rows, one.imported)
    });
    let body = ImportsPage {
        csrf: viewer.csrf().to_owned(),
        path: viewer.own("/imports"),
        nobody: viewer.person().is_none(),
        refused: refused.map(|why| plain(&why)),
        batches: batches.collect(),
        most: import::MOST,
    };
    viewer.page("Import", "Which file has leads?", "/imports", &body)
}

pub(super) async fn list(viewer: Viewer, Extension(crm): Extension<Crm>) -> Shown {
    uploads(&viewer, &crm, None).await
}

pub(super) async fn send(Extension(crm): Extension<Crm>, sent: Uploaded) -> Shown {
    let Uploaded { viewer, file, .. } = sent;
    let (by, now_us) = (acting(&viewer)?, viewer.site().now().micros());
    let Some(file) = file.filter(|file| !file.bytes.is_empty()) else {
        return wrong(uploads(&viewer, &crm, Some("no file was chosen, or it is empty".to_owned())).await);
    };
    let sheet = match import::read(&file.bytes) {
        Ok(sheet) => sheet,
        Err(why) => return wrong(uploads(&viewer, &crm, Some(why.to_string())).await),
    };
    let name: String = file.name.chars().filter(|c| !c.is_control()).take(100).collect();
    let id = crm.with(move |db| import::keep(db, &name, &sheet, &Act { by: &by, now_us })).await?;
    go(&viewer.own(format_args!("/imports/{id}")))
}

async fn batch(crm: &Crm, id: i64) -> Result<Batch, Failed> {
    let batch = crm.with(move |db| import::batch(db, id)).await?;
    batch.ok_or_else(|| Failed::not_found("there is no such file"))
}

fn people(viewer: &Viewer) -> Vec<String> {
    viewer.people().iter().map(ToString::to_string).collect()
}

/// `12 new, 3 update, 2 unclear`.
fn counted(rows: &[Row]) -> String {
    let all = [Outcome::New, Outcome::Update, Outcome::Same, Outcome::Unclear, Outcome::Wrong];
    let parts = all.into_iter().filter_map(|outcome| {
        let count = rows.iter().filter(|row| row.outcome == outcome).count();
        (count > 0).then(|| format!("{count} {}", word(outcome).1))
    });
    parts.collect::<Vec<_>>().join(", ")
}

pub(super) async fn page(viewer: Viewer, Extension(crm): Extension<Crm>, Path(id): Path<i64>) -> Shown {
    let batch = batch(&crm, id).await?;
    let (file, people) = (batch.clone(), people(&viewer));
    let rows = crm.with(move |db| import::preview(db, &file, &people)).await?;
    let columns = batch.header.iter().zip(&batch.columns).enumerate().map(|(at, (name, part))| Column {
        at,
        name: plain(name),
        choices: PARTS.iter().map(|(known, label, _)| (*known, *label, known == part)).collect(),
    });
    let shapes = rows.iter().take(MOST).map(|row| {
        let (class, word) = word(row.outcome);
        Shape {
            line: row.line,
            company: plain(&row.company),
            class,
            word,
            says: plain(&row.says),
            href: row.lead.as_ref().map(|lead| lead_path(&viewer, lead)),
        }
    });
    let body = ImportPage {
        csrf: viewer.csrf().to_owned(),
        path: viewer.own(format_args!("/imports/{id}")),
        leads: viewer.own("/leads"),
        nobody: viewer.person().is_none(),
        name: plain(&batch.name),
        imported: batch.imported,
        columns: columns.collect(),
        unknown: batch.columns.iter().filter(|part| part.is_empty()).count(),
        nameless: !batch.columns.iter().any(|part| part == "name"),
        says: counted(&rows),
        useful: rows.iter().filter(|row| matches!(row.outcome, Outcome::New | Outcome::Update)).count(),
        rows: shapes.collect(),
        hidden: rows.len().saturating_sub(MOST),
    };
    viewer.page("Import", "What becomes of each row?", "/imports", &body)
}

/// What each column means, by its place: `column.0`.
pub(super) async fn columns(
    Extension(crm): Extension<Crm>,
    Path(id): Path<i64>,
    sent: Sent<std::collections::BTreeMap<String, String>>,
) -> Shown {
    let Sent { viewer, form } = sent;
    acting(&viewer)?;
    let batch = batch(&crm, id).await?;
    let mut columns: Vec<String> = Vec::new();
    for at in 0..batch.header.len() {
        let part = form.get(&format!("column.{at}")).cloned().unwrap_or_default();
        let known = PARTS.iter().any(|(name, ..)| *name == part);
        // Two columns cannot be one part: the first is it.
        columns.push(if known && !columns.contains(&part) { part } else { String::new() });
    }
    if !crm.with(move |db| import::set_columns(db, id, &columns)).await? {
        return Err(Failed::refused("the file is imported already"));
    }
    go(&viewer.own(format_args!("/imports/{id}")))
}

/// Nothing but the token of the session.
#[derive(Deserialize)]
pub(super) struct Nothing {}

pub(super) async fn import(Extension(crm): Extension<Crm>, Path(id): Path<i64>, sent: Sent<Nothing>) -> Shown {
    let viewer = sent.viewer;
    let (by, now_us) = (acting(&viewer)?, viewer.site().now().micros());
    let (batch, people) = (batch(&crm, id).await?, people(&viewer));
    let done = crm.with(move |db| crm::import::import(db, &batch, &people, &Act { by: &by, now_us })).await?;
    if done.is_none() {
        return Err(Failed::refused("the file is imported already"));
    }
    crm.tell();
    go(&viewer.own(format_args!("/imports/{id}")))
}
