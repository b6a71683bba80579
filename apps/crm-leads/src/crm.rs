//! The CRM behind the pages: the same database that the tool `crm` works on, and what people do in it.
//!
//! Everything that changes something does so in one transaction, with who did it. Statements are files in `sql`.

pub mod draft;
pub mod import;
pub mod outbox;
pub mod value;

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
    time::Duration,
};

use rusqlite::{Connection, OptionalExtension as _, Row, TransactionBehavior, named_params};
use serde_json::{Value, json};
use tokio::sync::Notify;

use self::draft::{Clean, Found, Known};
use crate::claim::Field;

/// Leads on a page.
pub const PAGE: u32 = 50;

/// Runs that ended within so long are one line of the news.
const TOGETHER_US: i64 = 60_000_000;

/// Why the CRM does not answer.
#[derive(Debug, thiserror::Error)]
pub enum CrmError {
    /// The database does not.
    #[error("the CRM's database cannot be read or written")]
    Database(#[from] rusqlite::Error),
    /// What stands in it is not what we write.
    #[error("the CRM holds text that is no JSON")]
    Json(#[from] serde_json::Error),
    /// A thread ended early.
    #[error("the CRM's thread ended early")]
    Thread,
}

/// The CRM. Cheap to clone.
#[derive(Clone)]
pub struct Crm {
    inner: Arc<Inner>,
}

struct Inner {
    db: Mutex<Connection>,
    /// Unread news by the owner of the lead: what every page shows of them.
    unread: RwLock<BTreeMap<Option<String>, u64>>,
    /// An event was written.
    told: Notify,
}

/// Who does something, and when.
#[derive(Clone, Debug)]
pub struct Act<'a> {
    /// A person, or what stands for one.
    pub by: &'a str,
    /// The time, in microseconds.
    pub now_us: i64,
}

/// A lead in a list.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// Its id.
    pub id: String,
    /// The company.
    pub company: String,
    /// Its site, or nothing.
    pub site: String,
    /// How its enrichment stands.
    pub enrichment: String,
    /// Fit, if it is known.
    pub fit: Option<i64>,
    /// Intent, if it is known.
    pub intent: Option<i64>,
    /// Whose it is, or nothing.
    pub owner: String,
    /// When it was made; 0: a run made it.
    pub created_at_us: i64,
    /// Proposals that wait.
    pub open: u64,
}

/// Who a lead is.
#[derive(Clone, Debug, PartialEq)]
pub struct Lead {
    /// Its id.
    pub id: String,
    /// The company.
    pub company: String,
    /// +1 at every change.
    pub version: i64,
    /// Its website's host.
    pub domain: Option<String>,
    /// Its country's code.
    pub country: Option<String>,
    /// The contact.
    pub given_name: String,
    /// The contact.
    pub family_name: String,
    /// What the contact does.
    pub title: String,
    /// The contact's address.
    pub email: Option<String>,
    /// The contact's number.
    pub phone: String,
    /// What somebody wrote.
    pub note: String,
    /// Whose it is.
    pub owner: Option<String>,
    /// `form`, `csv`, `api`.
    pub source: String,
    /// Which file, or what a program says.
    pub source_ref: String,
    /// Who made it.
    pub created_by: String,
    /// When.
    pub created_at_us: i64,
    /// How its enrichment stands.
    pub enrichment: String,
    /// The run that was started last.
    pub run: Option<String>,
    /// The run that ended last.
    pub enriched_by: Option<String>,
    /// Fit.
    pub fit: Option<i64>,
    /// Intent.
    pub intent: Option<i64>,
}

/// What the card shows of a field.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldValue {
    /// Which.
    pub field: String,
    /// Its value.
    pub value: Value,
    /// Whether a person set it: then no run changes it.
    pub by_person: bool,
    /// +1 at every change.
    pub version: i64,
    /// The claim that it comes from.
    pub claim: Option<i64>,
    /// How sure that is.
    pub confidence: Option<f64>,
    /// The page that says so.
    pub url: Option<String>,
    /// The run, and the claim's name in it.
    pub named: Option<(String, String)>,
}

/// What a run claims and did not write.
#[derive(Clone, Debug, PartialEq)]
pub struct Proposal {
    /// The claim.
    pub claim: i64,
    /// The lead.
    pub lead: String,
    /// The company.
    pub company: String,
    /// Which field.
    pub field: String,
    /// What it would become.
    pub value: Value,
    /// How sure that is.
    pub confidence: f64,
    /// The page.
    pub url: String,
    /// Its words.
    pub quote: String,
    /// Why it was not written.
    pub reason: String,
    /// What the field is now.
    pub now: Option<Value>,
    /// Whether a person set it.
    pub by_person: bool,
    /// The version that the field has now; 0: it is empty.
    pub version: i64,
    /// Whose lead it is, or nothing.
    pub owner: String,
}

/// A claim with its words.
#[derive(Clone, Debug, PartialEq)]
pub struct Said {
    /// Its number.
    pub id: i64,
    /// The lead.
    pub lead: String,
    /// The company.
    pub company: String,
    /// The run.
    pub run: String,
    /// Its name in the run.
    pub name: String,
    /// The field.
    pub field: String,
    /// The value.
    pub value: Value,
    /// How sure.
    pub confidence: f64,
    /// The page.
    pub url: String,
    /// The page's words.
    pub quote: String,
    /// SHA-256 over the page's bytes.
    pub sha256: String,
}

/// What became of a new lead.
#[derive(Clone, Debug, PartialEq)]
pub enum Added {
    /// It is there, and its event is on its way.
    New(String),
    /// It was there already, or may have been: nothing was written.
    Known(Found),
}

/// What became of a change that rests on what a person saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Changed {
    /// It is done.
    Done,
    /// It stands otherwise meanwhile: nothing was changed.
    Meanwhile,
    /// There is no such thing.
    Gone,
}

/// Lines of the news: one for all runs that ended within a minute.
#[derive(Clone, Debug, PartialEq)]
pub struct News {
    /// When the last of them ended.
    pub at_us: i64,
    /// What it says.
    pub says: String,
    /// Whether somebody should look.
    pub look: bool,
    /// Whether some of it is unread.
    pub unread: bool,
    /// The leads: id, company, what the run said.
    pub leads: Vec<(String, String, String)>,
    /// The newest of them.
    pub newest: i64,
}

impl Crm {
    /// Opens the database, whose tables are there already.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn open(file: &Path) -> Result<Crm, CrmError> {
        let db = Connection::open(file)?;
        db.busy_timeout(Duration::from_secs(5))?;
        db.pragma_update(None, "foreign_keys", true)?;
        db.pragma_update(None, "synchronous", "full")?;
        Ok(Crm { inner: Arc::new(Inner { db: Mutex::new(db), unread: RwLock::default(), told: Notify::new() }) })
    }

    /// Does something on the database, on a thread of its own.
    ///
    /// # Errors
    /// As `work`.
    pub async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<T, CrmError> + Send + 'static,
    ) -> Result<T, CrmError> {
        let crm = self.clone();
        tokio::task::spawn_blocking(move || work(&mut crm.db())).await.map_err(|_| CrmError::Thread)?
    }

    fn db(&self) -> MutexGuard<'_, Connection> {
        // A panic drops its transaction, which undoes it.
        self.inner.db.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The relay may look.
    pub fn tell(&self) {
        self.inner.told.notify_one();
    }

    /// Waits until somebody told.
    pub async fn told(&self) {
        self.inner.told.notified().await;
    }

    /// How much of the news a person has not read: of the own leads and of those that are nobody's. Nobody in particular sees all.
    pub fn unread(&self, person: Option<&str>) -> u64 {
        let unread = self.inner.unread.read().unwrap_or_else(PoisonError::into_inner);
        let theirs = |owner: &Option<String>| match (person, owner) {
            (Some(person), Some(owner)) => owner == person,
            _ => true,
        };
        unread.iter().filter(|(owner, _)| theirs(owner)).map(|(_, count)| count).sum()
    }

    /// Counts again what is unread.
    ///
    /// # Errors
    /// The database.
    pub async fn count_unread(&self) -> Result<(), CrmError> {
        let counted = self.with(|db| {
            let mut statement = db.prepare_cached(include_str!("crm/sql/unread.sql"))?;
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            Ok(rows.collect::<Result<BTreeMap<_, _>, _>>()?)
        });
        let counted = counted.await?;
        *self.inner.unread.write().unwrap_or_else(PoisonError::into_inner) = counted;
        Ok(())
    }
}

/// Adds a lead, with its event, unless the CRM may have it. `anyway`: a person has looked, and it is another one; an address is never there twice.
///
/// # Errors
/// The database.
pub fn add(
    db: &mut Connection,
    lead: &Clean,
    (source, source_ref): (&str, &str),
    anyway: bool,
    act: &Act<'_>,
) -> Result<Added, CrmError> {
    let begun = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let added = add_within(&begun, lead, (source, source_ref), anyway, act)?;
    begun.commit()?;
    Ok(added)
}

/// As [`add`], within a transaction of the caller.
fn add_within(
    db: &Connection,
    lead: &Clean,
    (source, source_ref): (&str, &str),
    anyway: bool,
    act: &Act<'_>,
) -> Result<Added, CrmError> {
    let found = draft::find(db, lead)?;
    match &found {
        Found::New => {}
        Found::Unclear(_) | Found::Same { by: Known::Site | Known::Name, .. } if anyway => {}
        Found::Same { .. } | Found::Unclear(_) => return Ok(Added::Known(found)),
    }
    let mut insert = db.prepare_cached(include_str!("crm/sql/add_lead.sql"))?;
    let id: String = insert.query_row(
        named_params! {
            ":name": lead.name, ":domain": lead.domain, ":country": lead.country, ":given_name": lead.given_name,
            ":family_name": lead.family_name, ":title": lead.title, ":email": lead.email, ":phone": lead.phone, ":note": lead.note,
            ":owner": lead.owner, ":source": source, ":source_ref": source_ref, ":by": act.by, ":now_us": act.now_us,
            ":key_email": lead.keys.email, ":key_site": lead.keys.site, ":key_name": lead.keys.name,
        },
        |row| row.get(0),
    )?;
    event(db, "crm.lead.created", &id, act)?;
    let how = match source {
        "form" => "added on a form".to_owned(),
        "csv" => format!("imported from {source_ref}"),
        _ => "added by a program".to_owned(),
    };
    happened(db, &id, act, &how)?;
    Ok(Added::New(id))
}

/// Writes down that a lead is to be enriched, as it stands now.
fn event(db: &Connection, event: &str, id: &str, act: &Act<'_>) -> Result<(), CrmError> {
    let Some(lead) = lead(db, id)? else { return Ok(()) };
    let body = body(&lead).to_string();
    db.prepare_cached(include_str!("crm/sql/add_event.sql"))?.execute(named_params! {
        ":event": event, ":lead": id, ":version": lead.version, ":body": body, ":by": act.by, ":now_us": act.now_us,
    })?;
    Ok(())
}

/// The input of the workflow `enrich`. What is not known is left out.
fn body(lead: &Lead) -> Value {
    let mut contact = serde_json::Map::new();
    let email = lead.email.clone().unwrap_or_default();
    let parts = [
        ("given_name", &lead.given_name),
        ("family_name", &lead.family_name),
        ("title", &lead.title),
        ("email", &email),
        ("phone", &lead.phone),
    ];
    for (key, text) in parts.into_iter().filter(|(_, text)| !text.is_empty()) {
        contact.insert(key.to_owned(), json!(text));
    }
    json!({
        "id": lead.id, "version": lead.version, "name": lead.company, "domain": lead.domain, "country": lead.country,
        "source": lead.source, "source_ref": lead.source_ref, "note": lead.note, "contact": contact,
    })
}

fn happened(db: &Connection, lead: &str, act: &Act<'_>, text: &str) -> Result<(), CrmError> {
    let params = named_params! { ":lead": lead, ":by": act.by, ":now_us": act.now_us, ":text": text };
    db.prepare_cached(include_str!("crm/sql/add_activity.sql"))?.execute(params)?;
    Ok(())
}

/// Asks for another enrichment of a lead.
///
/// # Errors
/// The database.
pub fn ask_again(db: &mut Connection, id: &str, act: &Act<'_>) -> Result<Changed, CrmError> {
    let begun = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    if lead(&begun, id)?.is_none() {
        return Ok(Changed::Gone);
    }
    let version: Option<i64> = begun
        .prepare_cached(include_str!("crm/sql/ask_again.sql"))?
        .query_row(named_params! { ":lead": id }, |row| row.get(0))
        .optional()?;
    if version.is_none() {
        return Ok(Changed::Meanwhile);
    }
    event(&begun, "crm.lead.asked", id, act)?;
    happened(&begun, id, act, "asked for another enrichment")?;
    begun.commit()?;
    Ok(Changed::Done)
}

/// A person sets a field, which had `seen` as its version when they looked; 0: it was empty.
///
/// # Errors
/// The database.
pub fn edit(
    db: &mut Connection,
    lead: &str,
    (field, value, seen): (Field, &Value, i64),
    act: &Act<'_>,
) -> Result<Changed, CrmError> {
    let begun = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let changed = set(&begun, lead, (field.as_str(), value, None, seen), act, "set")?;
    if changed == Changed::Done {
        begun.commit()?;
    }
    Ok(changed)
}

fn set(
    db: &Connection,
    id: &str,
    (field, value, claim, seen): (&str, &Value, Option<i64>, i64),
    act: &Act<'_>,
    how: &str,
) -> Result<Changed, CrmError> {
    if lead(db, id)?.is_none() {
        return Ok(Changed::Gone);
    }
    let set = db.prepare_cached(include_str!("crm/sql/set_field.sql"))?.execute(named_params! {
        ":lead": id, ":field": field, ":value": value.to_string(), ":claim": claim, ":seen_version": seen,
    })?;
    if set == 0 {
        return Ok(Changed::Meanwhile);
    }
    db.prepare_cached(include_str!("crm/sql/raise_version.sql"))?.execute(named_params! { ":lead": id })?;
    happened(db, id, act, &format!("{how} {} to {}", value::named(field), value::told(value)))?;
    Ok(Changed::Done)
}

/// A person accepts or rejects a proposal; `seen` is the version that the field had when they looked.
///
/// # Errors
/// The database.
pub fn decide(db: &mut Connection, id: i64, accept: bool, seen: i64, act: &Act<'_>) -> Result<Changed, CrmError> {
    let begun = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let Some(said) = claim(&begun, id)? else { return Ok(Changed::Gone) };
    let decided = begun.prepare_cached(include_str!("crm/sql/decide.sql"))?.execute(named_params! {
        ":claim": id, ":state": if accept { "accepted" } else { "rejected" }, ":by": act.by, ":now_us": act.now_us,
    })?;
    if decided == 0 {
        return Ok(Changed::Meanwhile);
    }
    if accept {
        let changed = set(&begun, &said.lead, (&said.field, &said.value, Some(id), seen), act, "accepted: set")?;
        if changed != Changed::Done {
            return Ok(changed);
        }
    } else {
        let text = format!("rejected {} for {}", value::told(&said.value), value::named(&said.field));
        happened(&begun, &said.lead, act, &text)?;
    }
    begun.prepare_cached(include_str!("crm/sql/settle_lead.sql"))?.execute(named_params! { ":lead": said.lead })?;
    begun.commit()?;
    Ok(Changed::Done)
}

/// One page of leads, and whether there are more.
///
/// # Errors
/// The database.
pub fn leads(db: &Connection, state: &str, words: &str, page: u32) -> Result<(Vec<Line>, bool), CrmError> {
    let mut statement = db.prepare_cached(include_str!("crm/sql/list_leads.sql"))?;
    let params = named_params! {
        ":state": state, ":words": words.trim(), ":limit": PAGE + 1, ":skip": u64::from(page) * u64::from(PAGE),
    };
    let rows = statement.query_map(params, |row| {
        Ok(Line {
            id: row.get(0)?,
            company: row.get(1)?,
            site: row.get(2)?,
            enrichment: row.get(3)?,
            fit: row.get(4)?,
            intent: row.get(5)?,
            owner: row.get(6)?,
            created_at_us: row.get(7)?,
            open: row.get(8)?,
        })
    })?;
    let mut rows = rows.collect::<Result<Vec<_>, _>>()?;
    let more = rows.len() > PAGE as usize;
    rows.truncate(PAGE as usize);
    Ok((rows, more))
}

/// How many leads there are, by how their enrichment stands.
///
/// # Errors
/// The database.
pub fn counts(db: &Connection) -> Result<BTreeMap<String, u64>, CrmError> {
    let mut statement = db.prepare_cached(include_str!("crm/sql/count_leads.sql"))?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// A lead; `None` if there is none.
///
/// # Errors
/// The database.
pub fn lead(db: &Connection, id: &str) -> Result<Option<Lead>, CrmError> {
    let mut statement = db.prepare_cached(include_str!("crm/sql/lead.sql"))?;
    let lead = statement.query_row(named_params! { ":lead": id }, |row| {
        Ok(Lead {
            id: row.get(0)?,
            company: row.get(1)?,
            version: row.get(2)?,
            domain: row.get(3)?,
            country: row.get(4)?,
            given_name: row.get(5)?,
            family_name: row.get(6)?,
            title: row.get(7)?,
            email: row.get(8)?,
            phone: row.get(9)?,
            note: row.get(10)?,
            owner: row.get(11)?,
            source: row.get(12)?,
            source_ref: row.get(13)?,
            created_by: row.get(14)?,
            created_at_us: row.get(15)?,
            enrichment: row.get(16)?,
            run: row.get(17)?,
            enriched_by: row.get(18)?,
            fit: row.get(19)?,
            intent: row.get(20)?,
        })
    });
    Ok(lead.optional()?)
}

/// JSON of a column; what is none is shown as the text that it is.
fn json_of(row: &Row<'_>, at: usize) -> Result<Value, rusqlite::Error> {
    let text: String = row.get(at)?;
    Ok(serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

/// What the card of a lead shows.
///
/// # Errors
/// The database.
pub fn fields(db: &Connection, lead: &str) -> Result<Vec<FieldValue>, CrmError> {
    let mut statement = db.prepare_cached(include_str!("crm/sql/fields.sql"))?;
    let rows = statement.query_map(named_params! { ":lead": lead }, |row| {
        let by: String = row.get(2)?;
        let (run, name): (Option<String>, Option<String>) = (row.get(7)?, row.get(8)?);
        Ok(FieldValue {
            field: row.get(0)?,
            value: json_of(row, 1)?,
            by_person: by == "person",
            version: row.get(3)?,
            claim: row.get(4)?,
            confidence: row.get(5)?,
            url: row.get(6)?,
            named: run.zip(name),
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// What happened to a lead, newest first: when, who, what.
///
/// # Errors
/// The database.
pub fn activities(db: &Connection, lead: &str) -> Result<Vec<(i64, String, String)>, CrmError> {
    let mut statement = db.prepare_cached(include_str!("crm/sql/activities.sql"))?;
    let rows =
        statement.query_map(named_params! { ":lead": lead }, |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The claims of a run about a lead: name to number and field.
///
/// # Errors
/// The database.
pub fn run_claims(db: &Connection, lead: &str, run: &str) -> Result<BTreeMap<String, (i64, String)>, CrmError> {
    let mut statement = db.prepare_cached(include_str!("crm/sql/run_claims.sql"))?;
    let params = named_params! { ":lead": lead, ":run": run };
    let rows = statement.query_map(params, |row| Ok((row.get(0)?, (row.get(1)?, row.get(2)?))))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// A claim; `None` if there is none.
///
/// # Errors
/// The database.
pub fn claim(db: &Connection, id: i64) -> Result<Option<Said>, CrmError> {
    let mut statement = db.prepare_cached(include_str!("crm/sql/claim.sql"))?;
    let said = statement.query_row(named_params! { ":claim": id }, |row| {
        Ok(Said {
            id: row.get(0)?,
            lead: row.get(1)?,
            company: row.get(2)?,
            run: row.get(3)?,
            name: row.get(4)?,
            field: row.get(5)?,
            value: json_of(row, 6)?,
            confidence: row.get(7)?,
            url: row.get(8)?,
            quote: row.get(9)?,
            sha256: row.get(10)?,
        })
    });
    Ok(said.optional()?)
}

/// Proposals that wait: of one lead, or with an empty text of all.
///
/// # Errors
/// The database.
pub fn proposals(db: &Connection, lead: &str, limit: u32) -> Result<Vec<Proposal>, CrmError> {
    let mut statement = db.prepare_cached(include_str!("crm/sql/proposals.sql"))?;
    let rows = statement.query_map(named_params! { ":lead": lead, ":limit": limit }, |row| {
        let (now, by): (Option<String>, Option<String>) = (row.get(9)?, row.get(10)?);
        Ok(Proposal {
            claim: row.get(0)?,
            lead: row.get(1)?,
            company: row.get(2)?,
            field: row.get(3)?,
            value: json_of(row, 4)?,
            confidence: row.get(5)?,
            url: row.get(6)?,
            quote: row.get(7)?,
            reason: row.get(8)?,
            now: now.map(|text| serde_json::from_str(&text).unwrap_or(Value::String(text))),
            by_person: by.as_deref() == Some("person"),
            version: row.get(11)?,
            owner: row.get(12)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// What runs brought, newest first; those that ended within a minute are one line.
///
/// # Errors
/// The database.
pub fn news(db: &Connection, person: Option<&str>) -> Result<Vec<News>, CrmError> {
    let mut statement = db.prepare_cached(include_str!("crm/sql/news.sql"))?;
    let mut rows = statement.query(named_params! { ":person": person.unwrap_or_default() })?;
    let mut all: Vec<News> = Vec::new();
    // How many of the leads of the last line should be looked at.
    let mut looks = 0;
    while let Some(row) = rows.next()? {
        let (id, at_us, look, text, unread): (i64, i64, bool, String, bool) =
            (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?);
        let lead = (row.get(5)?, row.get(6)?, text.clone());
        match all.last_mut().filter(|last| last.at_us - at_us < TOGETHER_US) {
            Some(last) => {
                looks += u32::from(look);
                last.leads.push(lead);
                last.look |= look;
                last.unread |= unread;
                last.newest = last.newest.max(id);
                last.says = match looks {
                    0 => format!("{} leads enriched", last.leads.len()),
                    1 => format!("{} leads enriched, 1 needs a look", last.leads.len()),
                    looks => format!("{} leads enriched, {looks} need a look", last.leads.len()),
                };
            }
            None => {
                looks = u32::from(look);
                all.push(News { at_us, says: text, look, unread, leads: vec![lead], newest: id });
            }
        }
    }
    Ok(all)
}

/// Somebody has read the news up to one of them.
///
/// # Errors
/// The database.
pub fn read_news(db: &Connection, person: Option<&str>, upto: i64) -> Result<(), CrmError> {
    let params = named_params! { ":person": person.unwrap_or_default(), ":upto": upto };
    db.prepare_cached(include_str!("crm/sql/read_news.sql"))?.execute(params)?;
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests;
