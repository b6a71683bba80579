//! `GET /runs/{run}/evidence`: what can be proven about what the run did outside?

use askama::Template;
use axum::extract::{Path, Query};
use kernel::{
    evidence::{self, Audit},
    ids::{Digest, RunId},
    journal::{Entry, Head},
};
use runtime::record::Record;
use serde::Deserialize;

use super::{
    Failed, Layout, Shown, Viewer,
    run::{claim_words, named},
    show,
};
use crate::{Verified, api, view::words};

#[derive(Template)]
#[template(path = "evidence.html")]
struct EvidencePage {
    layout: Layout,
    run: String,
    /// The last entry and its hash, if every entry before it holds.
    head: Option<(u64, String)>,
    /// What it held was erased: nothing of it can be told.
    erased: bool,
    /// What does not hold.
    broken: Option<String>,
    /// What was checked besides, if somebody asked: whether it holds, and in words.
    checked: Option<(bool, Vec<String>)>,
    /// Files of runs are made here.
    copies: bool,
    acts: Vec<Act>,
    handed: Vec<(String, String, String)>,
    claims: Vec<(&'static str, &'static str, String)>,
}

struct Act {
    class: &'static str,
    stands: String,
    name: String,
    /// A word, and what it says.
    lines: Vec<(String, String)>,
}

/// What is looked at.
#[derive(Deserialize)]
pub(super) struct Look {
    /// Whether everything is checked as well.
    verify: Option<String>,
}

pub(super) async fn page(viewer: Viewer, Path(run): Path<String>, Query(look): Query<Look>) -> Shown {
    let run = named(&run)?;
    let checked = match look.verify {
        Some(_) => Some(match api::verified(&viewer.app.site, run).await? {
            Ok(verified) => (true, in_words(&verified)),
            Err(broken) => (false, vec![words::plain(&broken)]),
        }),
        None => None,
    };
    let Record { entries, .. } = viewer.app.site.runtime().record(run).await?;
    let mut audit = Audit::new(run);
    let erased = entries.iter().any(|entry| entry.body.is_none());
    let head = verified(run, &entries, &mut audit);
    let ledger = audit.ledger();
    let hash = |seq: u64| -> Option<Digest> {
        let place = usize::try_from(seq.checked_sub(1)?).ok()?;
        entries.get(place).map(|entry| entry.hash)
    };
    let acts = ledger.acts.iter().map(|act| Act {
        class: words::act(act.status),
        stands: act.status.as_str().replace('_', " "),
        name: words::plain(&act.name()),
        lines: evidence::lines(act, &ledger.actor, &hash).iter().skip(1).map(|line| worded(line)).collect(),
    });
    let handed = ledger.handed.iter().map(|one| {
        let href = viewer.path(format_args!("/runs/{}/evidence", one.run));
        (href, one.workflow.to_string(), words::plain(one.step.as_str()))
    });
    let (head, broken) = match head {
        Ok(head) => (Some((head.seq, head.hash.to_string())), None),
        Err(why) => (None, Some(words::plain(&why))),
    };
    let page = EvidencePage {
        layout: viewer.layout("Evidence", "What can be proven about what the run did outside?", "runs"),
        run: run.to_string(),
        head,
        checked,
        copies: viewer.app.site.served().copies.is_some(),
        erased,
        broken,
        acts: acts.collect(),
        handed: handed.collect(),
        claims: ledger.claims.iter().map(claim_words).collect(),
    };
    show(&page)
}

/// What was checked, a sentence each.
fn in_words(verified: &Verified) -> Vec<String> {
    let count = |many: u64, one: &str, all: &str| format!("{many} {}", if many == 1 { one } else { all });
    let mut said = vec![format!("{}: each follows from the one before", count(verified.entries, "entry", "entries"))];
    if verified.erased {
        said.push("what it held was erased, and the log of changes says by whom".to_owned());
    } else {
        let acts = count(verified.acts, "act", "acts");
        said.push(format!("{acts}: each allowed before it began, and no outcome came of nothing"));
        said.push(format!(
            "{}: exactly those that entries name, each of its digest",
            count(verified.blobs, "blob", "blobs")
        ));
    }
    let seals = count(verified.seals, "seal", "seals");
    said.push(match (verified.seals, verified.unanchored) {
        (0, _) => "no seal yet: what was not sealed could have been made anew".to_owned(),
        (_, None) => format!("{seals}, up to entry {}; there is no anchor file to compare them with", verified.sealed),
        (_, Some(0)) => format!("{seals}, up to entry {}, all of them in the anchor file", verified.sealed),
        (_, Some(out)) => {
            format!("{seals}, up to entry {}; {out} of them are not in the anchor file", verified.sealed)
        }
    });
    said
}

/// `GET /runs/{run}/export`: the run as one file.
pub(super) async fn export(viewer: Viewer, Path(run): Path<String>) -> Shown {
    let run = named(&run)?;
    api::export_file(&viewer.app.site, run).await.map_err(Failed::from)
}

/// The head of a chain of which every entry holds and, as far as it was not erased, tells what can have happened.
fn verified(run: RunId, entries: &[Entry], audit: &mut Audit) -> Result<Head, String> {
    let head = kernel::journal::verify(run, Head::START, entries).map_err(|why| why.to_string())?;
    for entry in entries.iter().filter(|entry| entry.body.is_some()) {
        let event = entry.event().map_err(|why| format!("entry {} cannot be read: {why}", entry.seq))?;
        audit.add(entry.seq, entry.at, &event).map_err(|finding| finding.to_string())?;
    }
    Ok(head)
}

/// A line of an act: its word, and what it says. One without a word goes on.
fn worded(line: &str) -> (String, String) {
    let line = line.strip_prefix("    ").unwrap_or(line);
    let (word, says) = line.split_at_checked(10).unwrap_or((line, ""));
    (word.trim().to_owned(), words::plain(says.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_an_act_is_a_word_and_what_it_says() {
        let two = |word: &str, says: &str| (word.to_owned(), says.to_owned());
        assert_eq!(worded("    allowed    by large.review"), two("allowed", "by large.review"));
        assert_eq!(
            worded(&format!("    {:<10} {}", "", "large.review (a.cedar:3)")),
            two("", "large.review (a.cedar:3)")
        );
    }
}
