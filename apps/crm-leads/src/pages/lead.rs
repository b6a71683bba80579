//! `GET /app/leads/{lead}`: who is it, what is known, and who says so? A field is edited here, and another enrichment asked for.

use std::collections::BTreeMap;

use askama::Template;
use axum::{
    Extension,
    extract::{Path, Query},
};
use serde::Deserialize;
use surefoot::{
    RunError, RunId,
    pages::{Failed, Sent, Shown, Site, Viewer, plain},
};

use super::{acting, after, ago, host, lead_path, percent, review, standing, told, wrong};
use crate::{
    claim::{Claim, Field},
    crm::{self, Act, Crm, FieldValue, Lead, Proposal, value},
};

#[derive(Template)]
#[template(path = "lead.html")]
struct LeadPage {
    csrf: String,
    path: String,
    proposals_path: String,
    company: String,
    class: &'static str,
    stands: &'static str,
    /// Whether a run is on its way.
    busy: bool,
    /// A run was on its way when the page was loaded, and is not any more.
    ended: bool,
    run: Option<String>,
    why: Option<String>,
    nobody: bool,
    identity: Vec<(&'static str, String)>,
    scores: Vec<(&'static str, i64)>,
    fields: Vec<FieldRow>,
    brief: Vec<Sentence>,
    sources: Vec<Source>,
    proposals: Vec<review::Card>,
    activity: Vec<(String, String, String)>,
}

struct FieldRow {
    name: String,
    field: &'static str,
    value: Option<String>,
    class: &'static str,
    stands: &'static str,
    sure: String,
    source: Option<(String, String)>,
    as_of: Option<i64>,
    /// What other pages say: the value, and the page.
    conflicts: Vec<(String, String)>,
    written: String,
    /// Why what was written is not taken.
    wrong: Option<String>,
    hint: &'static str,
    long: bool,
    version: i64,
}

struct Sentence {
    text: String,
    /// Numbers of its sources.
    sources: Vec<usize>,
}

struct Source {
    number: usize,
    field: String,
    href: Option<String>,
}

/// What the last run knows beyond what it wrote: it is kept in the run's journal, and nowhere twice.
#[derive(Default)]
struct Behind {
    claims: BTreeMap<String, Claim>,
    /// The brief: each sentence with the names of its claims.
    sentences: Vec<(String, Vec<String>)>,
}

impl Behind {
    async fn of(site: &Site, run: Option<&str>) -> Result<Behind, RunError> {
        let Some(run) = run.and_then(|run| run.parse::<RunId>().ok()) else { return Ok(Behind::default()) };
        let last = async |step: &str| -> Result<serde_json::Value, RunError> {
            let gave = match site.gave(run, step).await {
                Err(RunError::NoRun { .. }) => Vec::new(),
                gave => gave?,
            };
            let value = gave.last().map(|(_, value)| value.to_json());
            Ok(value.and_then(|json| serde_json::from_str(&json).ok()).unwrap_or_default())
        };
        let (known, checked) = (last("known").await?, last("checked").await?);
        let claims: Vec<Claim> = serde_json::from_value(known["claims"].clone()).unwrap_or_default();
        let sentences = checked["sentences"].as_array().into_iter().flatten().map(|sentence| {
            let ids = sentence["claim_ids"].as_array().into_iter().flatten();
            (
                sentence["text"].as_str().unwrap_or_default().to_owned(),
                ids.filter_map(|id| id.as_str().map(str::to_owned)).collect(),
            )
        });
        Ok(Behind {
            sentences: sentences.collect(),
            claims: claims.into_iter().map(|claim| (claim.id.clone(), claim)).collect(),
        })
    }

    /// The sentences with their sources, and the sources in the order in which they are named.
    fn brief(&self, numbers: &BTreeMap<String, (i64, String)>, viewer: &Viewer) -> (Vec<Sentence>, Vec<Source>) {
        let (mut names, mut sentences): (Vec<&str>, Vec<Sentence>) = (Vec::new(), Vec::new());
        for (text, ids) in &self.sentences {
            let mut sources = Vec::new();
            for id in ids {
                let place = names.iter().position(|name| name == id).unwrap_or_else(|| {
                    names.push(id);
                    names.len() - 1
                });
                sources.push(place + 1);
            }
            sentences.push(Sentence { text: plain(text), sources });
        }
        let sources = names.iter().enumerate().map(|(at, name)| {
            let field = self.claims.get(*name).map(|claim| claim.field.as_str());
            let row = numbers.get(*name);
            Source {
                number: at + 1,
                field: value::named(field.or(row.map(|(_, field)| &**field)).unwrap_or(name)),
                href: row.map(|(claim, _)| viewer.own(format_args!("/sources/{claim}"))),
            }
        });
        (sentences, sources.collect())
    }
}

/// Whether a script asks how the enrichment stands.
#[derive(Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    was: String,
}

/// Everything that a lead's page shows from the CRM.
type Card = (Lead, Vec<FieldValue>, Vec<Proposal>, Vec<(i64, String, String)>, BTreeMap<String, (i64, String)>);

async fn card(crm: &Crm, id: String) -> Result<Card, Failed> {
    let card = crm.with(move |db| {
        let Some(lead) = crm::lead(db, &id)? else { return Ok(None) };
        let claims = match &lead.enriched_by {
            Some(run) => crm::run_claims(db, &id, run)?,
            None => BTreeMap::new(),
        };
        Ok(Some((lead, crm::fields(db, &id)?, crm::proposals(db, &id, 50)?, crm::activities(db, &id)?, claims)))
    });
    card.await?.ok_or_else(|| Failed::not_found("there is no such lead"))
}

pub(super) async fn page(
    viewer: Viewer,
    Extension(crm): Extension<Crm>,
    Path(id): Path<String>,
    Query(asked): Query<Asked>,
) -> Shown {
    shown(&viewer, &crm, id, asked.was == "busy", None).await
}

/// The page, perhaps with what somebody wrote in a field, and why that is not taken.
async fn shown(viewer: &Viewer, crm: &Crm, id: String, was_busy: bool, wrong: Option<(Edit, String)>) -> Shown {
    let (lead, values, proposals, activity, numbers) = card(crm, id).await?;
    let behind = Behind::of(viewer.site(), lead.enriched_by.as_deref()).await?;
    let (brief, sources) = behind.brief(&numbers, viewer);
    let (class, stands) = standing(&lead.enrichment);
    let busy = matches!(&*lead.enrichment, "queued" | "running");
    let fields = Field::ALL.into_iter().map(|field| {
        let now = values.iter().find(|value| value.field == field.as_str());
        let open = proposals.iter().any(|proposal| proposal.field == field.as_str());
        let mut row = row(field, now, open, (&behind, lead.enriched_by.as_deref()), viewer);
        if let Some((edit, why)) = wrong.as_ref().filter(|(edit, _)| edit.field == row.field) {
            (row.written, row.wrong, row.version) = (plain(&edit.value), Some(plain(why)), edit.version);
        }
        row
    });
    let run = lead.run.as_ref().or(lead.enriched_by.as_ref());
    let why = lead.enriched_by.as_ref().map(|run| viewer.path(format_args!("/runs/{run}/why?step=scored")));
    let scores = [("fit", lead.fit), ("intent", lead.intent)];
    let body = LeadPage {
        csrf: viewer.csrf().to_owned(),
        path: lead_path(viewer, &lead.id),
        proposals_path: viewer.own("/proposals"),
        class,
        stands,
        busy,
        ended: !busy && was_busy,
        run: run.map(|run| viewer.path(format_args!("/runs/{run}"))),
        why,
        nobody: viewer.person().is_none(),
        scores: scores.into_iter().filter_map(|(name, score)| Some((name, score?))).collect(),
        fields: fields.collect(),
        brief,
        sources,
        proposals: proposals.into_iter().map(|proposal| review::Card::of(proposal, viewer)).collect(),
        activity: activity.into_iter().map(|(at, by, text)| (ago(at, viewer), plain(&by), plain(&text))).collect(),
        identity: identity(&lead, viewer),
        company: plain(&lead.company),
    };
    viewer.page(body.company.clone(), "Who is it, what is known, and who says so?", "/leads", &body)
}

fn identity(lead: &Lead, viewer: &Viewer) -> Vec<(&'static str, String)> {
    let some = |text: &Option<String>| text.clone().unwrap_or_default();
    let contact = [&*lead.given_name, &*lead.family_name].join(" ");
    let made = match lead.created_at_us {
        0 => format!("by {}", lead.created_by),
        at => format!(
            "{} by {}, {}",
            ago(at, viewer),
            lead.created_by,
            match &*lead.source {
                "form" => "on a form".to_owned(),
                "csv" => format!("from {}", lead.source_ref),
                _ => "through the API".to_owned(),
            }
        ),
    };
    let all = [
        ("website", some(&lead.domain)),
        ("country", some(&lead.country)),
        ("contact", contact.trim().to_owned()),
        ("job title", lead.title.clone()),
        ("e-mail", some(&lead.email)),
        ("phone", lead.phone.clone()),
        ("note", lead.note.clone()),
        ("owner", some(&lead.owner)),
        ("added", made),
        ("version", lead.version.to_string()),
    ];
    all.into_iter().filter(|(_, text)| !text.is_empty()).map(|(name, text)| (name, plain(&text))).collect()
}

fn row(
    field: Field,
    now: Option<&FieldValue>,
    open: bool,
    (behind, run): (&Behind, Option<&str>),
    viewer: &Viewer,
) -> FieldRow {
    // What a run knows beyond the claim: only of the run that is at hand.
    let named = now.and_then(|now| now.named.as_ref()).filter(|(by, _)| Some(&**by) == run);
    let claim = named.and_then(|(_, name)| behind.claims.get(name));
    let (class, stands) = match now {
        Some(now) if now.by_person => ("good", "set by a person"),
        Some(_) => ("calm", "found"),
        None if open => ("wait", "proposed"),
        None => ("calm", "not known"),
    };
    let source =
        now.and_then(|now| Some((viewer.own(format_args!("/sources/{}", now.claim?)), host(now.url.as_deref()?))));
    FieldRow {
        name: value::named(field.as_str()),
        field: field.as_str(),
        value: now.map(|now| told(&now.value)),
        class,
        stands,
        sure: now.and_then(|now| now.confidence).map(percent).unwrap_or_default(),
        source,
        as_of: claim.and_then(|claim| claim.as_of_year),
        conflicts: claim
            .map(|claim| claim.conflicts.iter().map(|other| (told(&other.value), host(&other.evidence.url))).collect())
            .unwrap_or_default(),
        written: now.map(|now| plain(&value::written(&now.value))).unwrap_or_default(),
        wrong: None,
        hint: value::hint(field),
        long: field.is_list() || field == Field::Description,
        version: now.map_or(0, |now| now.version),
    }
}

/// A field as a person wants it.
#[derive(Deserialize)]
pub(super) struct Edit {
    field: String,
    value: String,
    version: i64,
}

pub(super) async fn edit(Extension(crm): Extension<Crm>, Path(id): Path<String>, sent: Sent<Edit>) -> Shown {
    let Sent { viewer, form: said } = sent;
    let by = acting(&viewer)?;
    let known = Field::parse(&said.field).ok_or_else(|| Failed::not_found("there is no such field"))?;
    let now = viewer.site().now();
    let year = now.to_string().get(..4).and_then(|year| year.parse().ok()).unwrap_or(i64::MAX);
    let read = match value::read(known, &said.value, year) {
        Ok(read) => read,
        Err(why) => return wrong(shown(&viewer, &crm, id, false, Some((said, why))).await),
    };
    let version = said.version;
    let path = lead_path(&viewer, &id);
    let changed =
        crm.with(move |db| crm::edit(db, &id, (known, &read, version), &Act { by: &by, now_us: now.micros() }));
    after(changed.await?, &path)
}

/// Nothing but the token of the session.
#[derive(Deserialize)]
pub(super) struct Nothing {}

pub(super) async fn ask_again(Extension(crm): Extension<Crm>, Path(id): Path<String>, sent: Sent<Nothing>) -> Shown {
    let viewer = sent.viewer;
    let (by, now_us) = (acting(&viewer)?, viewer.site().now().micros());
    let path = lead_path(&viewer, &id);
    let changed = crm.with(move |db| crm::ask_again(db, &id, &Act { by: &by, now_us })).await?;
    crm.tell();
    after(changed, &path)
}
