//! Two actions of one name, each of which a person must approve.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use gateway::{
    Gateway,
    tool::native::{Call, Native},
};
use kernel::{
    governance::approval::Decision,
    next::Starter,
    values::Value,
    workflow::project::{Sources, check},
};
use runtime::{
    Start,
    govern::{Asker, Decide},
};
use store::{ApprovalQuery, ApprovalRow, ApprovalState};

use super::inside::{embed, open};
use crate::victim::Trouble;

const NAME: &str = "asked";

const PEOPLE: &str = "groups: { desk: {} }\npeople: { ann: { name: Ann, groups: [desk] } }\n";

const FILES: [(&str, &str); 6] = [
    ("surefoot.yaml", "project: asked\n"),
    ("people.yaml", PEOPLE),
    ("tools/box.yaml", "tool: box\nnative: true\noperations: { put: { effect: at_most_once } }\n"),
    ("policies/allow/all.cedar", "@id(\"all\") permit (principal, action, resource);\n"),
    (
        "policies/ask/box.cedar",
        "@id(\"look\") @approve_by(\"desk\") @expires(\"4h\") forbid (principal, action == Action::\"box.put\", resource);\n",
    ),
    (
        "workflows/two.yaml",
        "workflow: two\nstages:\n  - stage: only\n    steps:\n      - { step: first, act: box.put, with: { n: 1 } }\n      - { step: second, act: box.put, with: { n: 2 } }\n",
    ),
];

/// Approves the first action; the second must ask for itself, and the first approval must be used up.
pub(super) async fn asked(mutant: Option<&str>) -> Result<Option<String>, Trouble> {
    let folder = tempfile::tempdir()?;
    let checked = check(&FILES.into_iter().collect::<Sources>());
    let complaints: Vec<_> = checked.complaints.iter().map(ToString::to_string).collect();
    let project = checked.project.ok_or_else(|| complaints.join("\n"))?;
    let (store, done) = (open(&folder, mutant)?, Arc::new(AtomicU64::new(0)));
    let counted = done.clone();
    let tool = Native::new(move |_: Call| {
        counted.fetch_add(1, Ordering::SeqCst);
        async { Ok(Value::Null) }
    });
    let runtime = embed(&store, mutant).gateway(Gateway::new().with_tool("box", tool)).build();
    runtime.deploy(&project.bundle).await?;
    let ann = Asker { by: "ann".into(), auth: "local".into() };
    runtime.enact(&NAME.into(), project.policies.as_deref(), Some(PEOPLE), &ann).await?;
    let start = Start {
        bundle: project.bundle.digest,
        workflow: "two".into(),
        input: Value::Null,
        key: None,
        tenant: None,
        starter: Starter { project: NAME.into(), by: None },
    };
    let worker = tokio::spawn(runtime.worker().run(std::future::pending::<()>()));
    let run = runtime.start(start).await?.run;
    for nth in 1..=2_u64 {
        let begun = Instant::now();
        let asked: ApprovalRow = loop {
            let pending = runtime.approvals(ApprovalQuery { run: Some(run), ..ApprovalQuery::default() }).await?;
            if let Some(row) = pending.into_iter().find(|row| row.state == ApprovalState::Pending) {
                break row;
            }
            if done.load(Ordering::SeqCst) >= nth {
                worker.abort();
                return Ok(Some(format!("action {nth} was done, and nobody was asked about it")));
            }
            if begun.elapsed() > Duration::from_secs(20) {
                worker.abort();
                return Err("nothing is asked".into());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        };
        let (approval, decision, shown) = (asked.id.clone(), Decision::Approve, Some(asked.shown));
        runtime.decide(Decide { approval: approval.clone(), decision, shown, reason: None }, &ann).await?;
        while done.load(Ordering::SeqCst) < nth {
            if begun.elapsed() > Duration::from_secs(20) {
                return Err("what was approved does not begin".into());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let row = runtime.approvals(ApprovalQuery { id: Some(approval), ..ApprovalQuery::default() }).await?;
        let state = row.first().map(|row| row.state);
        if state != Some(ApprovalState::Consumed) {
            worker.abort();
            return Ok(Some(format!("action {nth} was done, and its approval is {state:?}, not used up")));
        }
    }
    runtime.finished(run).await?;
    worker.abort();
    let times = done.load(Ordering::SeqCst);
    Ok((times != 2).then(|| format!("two actions were done {times} times")))
}
