//! `GET /app/review`: what do runs propose that nobody has decided?

use askama::Template;
use axum::{
    Extension,
    extract::{Path, Query},
};
use serde::Deserialize;
use surefoot::pages::{Failed, Sent, Shown, Viewer, plain};

use super::{acting, after, host, lead_path, percent, told};
use crate::crm::{self, Act, Crm, Proposal, value};

/// Proposals of a page: the oldest; the next come when these are decided.
const MOST: u32 = 50;

#[derive(Template)]
#[template(path = "review.html")]
struct ReviewPage {
    csrf: String,
    proposals_path: String,
    leads: String,
    nobody: bool,
    /// Links: all, and those of one's own leads.
    choices: Vec<(&'static str, String, bool)>,
    proposals: Vec<Card>,
    full: bool,
}

/// A proposal, as two pages show it.
pub(super) struct Card {
    pub(super) claim: i64,
    pub(super) company: String,
    pub(super) href: String,
    pub(super) field: String,
    pub(super) old: Option<String>,
    pub(super) by_person: bool,
    pub(super) new: String,
    pub(super) sure: String,
    pub(super) reason: String,
    pub(super) quote: String,
    pub(super) source: String,
    pub(super) host: String,
    pub(super) version: i64,
}

impl Card {
    pub(super) fn of(proposal: Proposal, viewer: &Viewer) -> Card {
        Card {
            claim: proposal.claim,
            href: lead_path(viewer, &proposal.lead),
            company: plain(&proposal.company),
            field: value::named(&proposal.field),
            old: proposal.now.as_ref().map(told),
            by_person: proposal.by_person,
            new: told(&proposal.value),
            sure: percent(proposal.confidence),
            reason: plain(&proposal.reason),
            quote: plain(&proposal.quote),
            source: viewer.own(format_args!("/sources/{}", proposal.claim)),
            host: host(&proposal.url),
            version: proposal.version,
        }
    }
}

/// Whose.
#[derive(Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    whose: String,
}

pub(super) async fn page(viewer: Viewer, Extension(crm): Extension<Crm>, Query(asked): Query<Asked>) -> Shown {
    let mine = asked.whose == "mine" && viewer.person().is_some();
    // Those of one person are found among those of all.
    let most = if mine { MOST * 200 } else { MOST * 4 };
    let mut all = crm.with(move |db| crm::proposals(db, "", most)).await?;
    if mine {
        all.retain(|one| Some(&*one.owner) == viewer.person());
    }
    let full = all.len() > MOST as usize;
    all.truncate(MOST as usize);
    let mut choices = Vec::new();
    if viewer.person().is_some() {
        choices.push(("of all leads", viewer.own("/review"), !mine));
        choices.push(("of mine", viewer.own("/review?whose=mine"), mine));
    }
    let body = ReviewPage {
        csrf: viewer.csrf().to_owned(),
        proposals_path: viewer.own("/proposals"),
        leads: viewer.own("/leads"),
        nobody: viewer.person().is_none(),
        choices,
        proposals: all.into_iter().map(|one| Card::of(one, &viewer)).collect(),
        full,
    };
    viewer.page("Review", "What was found and not written, and why?", "/review", &body)
}

/// A decision, on what was seen.
#[derive(Deserialize)]
pub(super) struct Decision {
    decision: String,
    version: i64,
    back: String,
}

pub(super) async fn decide(Extension(crm): Extension<Crm>, Path(claim): Path<i64>, sent: Sent<Decision>) -> Shown {
    let Sent { viewer, form } = sent;
    let (by, now_us) = (acting(&viewer)?, viewer.site().now().micros());
    let accept = match &*form.decision {
        "accept" => true,
        "reject" => false,
        _ => return Err(Failed::refused("a proposal is accepted or rejected, and nothing else")),
    };
    let said = crm.with(move |db| {
        let lead = crm::claim(db, claim)?.map(|said| said.lead).unwrap_or_default();
        Ok((crm::decide(db, claim, accept, form.version, &Act { by: &by, now_us })?, lead))
    });
    let (changed, lead) = said.await?;
    let path = if form.back == "lead" { lead_path(&viewer, &lead) } else { viewer.own("/review") };
    after(changed, &path)
}
