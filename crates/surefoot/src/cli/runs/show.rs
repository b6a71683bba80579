use clap::Args;
use kernel::report::Report;
use serde_json::json;
use store::Status;

use super::{OneRun, ls};
use crate::{
    cli::{
        Scene,
        out::{BAD, FAINT, GOOD, STRONG, WAIT, count, paint, plain},
        session,
    },
    error::CliError,
    exit::Exit,
    story,
};

/// Show how a run stands: done, doing, next, waiting for whom, what may be tried again and why
#[derive(Debug, Args)]
pub(super) struct Show {
    #[command(flatten)]
    one: OneRun,
}

impl Show {
    pub(super) async fn run(self, scene: &Scene) -> Result<Exit, CliError> {
        let found = self.one.read().await?;
        let row = &found.row;
        let report = Report::of(&found.state, &found.entries, found.program.as_deref());
        let below = session::calls_below(&*found.store, &found.state).await?;
        let place = self.one.place.typed();
        let typed = |(what, rest): &session::Typed| format!("{} {what}{place}{rest}", scene.application.call);
        let below: Vec<String> = below.iter().map(typed).collect();
        let out = &scene.out;
        if out.json {
            out.object(&json!({ "run": ls::as_json(row), "report": report, "steps": report.tally.steps,
                "model_calls": report.tally.asked, "actions": report.tally.actions, "usage": report.tally.usage,
                "charged_uusd": report.tally.charged_uusd, "unpriced_calls": report.tally.unpriced, "below": below }));
            return Ok(Exit::Ok);
        }
        let style = match row.status {
            Status::Completed => GOOD,
            Status::Failed | Status::Cancelled | Status::Quarantined | Status::Blocked => BAD,
            _ => WAIT,
        };
        let field = |name: &str, text: String| out.line(format!("{} {text}", paint(FAINT, format!("{name:<9}"))));
        out.line(format!("{} · {} · {}", row.run, paint(STRONG, &row.workflow), paint(style, row.status.as_str())));
        if !row.about.is_empty() {
            field("about", ls::about_line(row));
        }
        if let (Some(started), Some(last)) = (report.started, report.last) {
            let took = story::elapsed(report.tally.took_us).trim().trim_start_matches('+').to_owned();
            field("time", format!("{started} to {last}, {took}"));
        }
        let entries = count(row.head.seq, "entry").replace("entrys", "entries");
        field(
            "journal",
            format!("{entries}, epoch {}, bundle {}, head {}", row.epoch, row.bundle.short(), row.head.hash.short()),
        );
        let charged = story::charged(&report.tally).map(|charged| format!(" · {charged}")).unwrap_or_default();
        field("did", format!("{}{charged}", story::totals(&report.tally)));
        let list = |name: &str, lines: Vec<String>| {
            for (place, line) in lines.into_iter().enumerate() {
                field(if place == 0 { name } else { "" }, line);
            }
        };
        list(
            "done",
            report.done.iter().map(|done| format!("{}: {}", paint(STRONG, &done.step), plain(&done.gave))).collect(),
        );
        if let Some(parent) = found.state.parent() {
            field("parent", format!("{}, step {}", parent.run, parent.step));
        }
        if let Some(fork) = found.state.fork() {
            field("fork", kernel::story::forked(fork));
        }
        let forks = runtime::Runtime::builder(found.store.clone()).build().forks(row.run).await?;
        let forked = |seen: &runtime::fork::Seen| {
            let (run, status) = (seen.row.run, seen.row.status.as_str());
            let what = if seen.is_retry() { "tries it again" } else { "goes on from it" };
            format!("{run} {what} after entry {}: {status}", seen.row.fork.map_or(0, |fork| fork.entry))
        };
        list("forks", forks.iter().map(forked).collect());
        list(
            "handed",
            report
                .handed
                .iter()
                .map(|one| {
                    let said = one.said.unwrap_or("not over");
                    format!("{}: workflow {}, {}, {said}", paint(STRONG, &one.step), one.workflow, one.run)
                })
                .collect(),
        );
        list(
            "failures",
            report
                .failures
                .iter()
                .map(|met| {
                    let answer = met.answer.as_deref().unwrap_or("nothing is done about it yet");
                    format!("{}: {} → {answer}", paint(STRONG, &met.step), plain(&met.failure))
                })
                .collect(),
        );
        list(
            "claims",
            report
                .claims
                .iter()
                .map(|said| {
                    let (standing, rest) = said.claimed.in_words();
                    let style = if said.claimed.fails() { BAD } else { GOOD };
                    format!("{}: {} {}", paint(STRONG, &said.step), paint(style, standing), plain(&rest))
                })
                .collect(),
        );
        list(
            "doing",
            report.doing.iter().map(|now| format!("{}: {}", paint(STRONG, &now.step), plain(&now.what))).collect(),
        );
        list(
            "again",
            report
                .doing
                .iter()
                .filter_map(|now| Some(format!("{}: {}", now.step, plain(now.again.as_ref()?))))
                .collect(),
        );
        list("below", below);
        if !report.next.is_empty() {
            field("next", report.next.join(", "));
        }
        if matches!(row.status, Status::Waiting | Status::Paused | Status::Blocked | Status::Quarantined) {
            field("waiting", plain(session::waits(row).trim_start_matches("waits ")));
        }
        if row.inbox_gen > row.inbox_read {
            field("inbox", format!("{} not read yet", count(row.inbox_gen - row.inbox_read, "message")));
        }
        if !report.kept_signals.is_empty() {
            field("kept", format!("signals that no step has taken yet: {}", report.kept_signals.join(", ")));
        }
        if let Some(failure) = &report.failed {
            field("why", plain(&kernel::story::failure(failure)));
        }
        if let Some(end) = &found.state.end
            && let Some(result) = &end.result
        {
            field("result", kernel::story::held(result));
        }
        if found.program.is_none() {
            field("note", "its bundle cannot be read by this version: what follows is not known".to_owned());
        }
        if !row.status.is_final() {
            field("go on", format!("surefoot run{} --resume", self.one.place.typed()));
        }
        Ok(Exit::Ok)
    }
}
