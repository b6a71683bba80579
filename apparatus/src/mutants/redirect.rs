//! A page that sends its reader on to this machine.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    http::{StatusCode, header::LOCATION},
    response::IntoResponse,
};
use gateway::{
    Gateway,
    egress::{DemoHosts, SystemResolver},
    tool::page::PageTool,
};
use kernel::{
    journal::End,
    next::Starter,
    tool::Reach,
    values::{Span, Value},
    workflow::project::{Sources, check},
};
use runtime::{Runtime, Start};
use tokio::net::TcpListener;

use super::inside::open;
use crate::victim::Trouble;

const FILES: [(&str, &str); 3] = [
    ("surefoot.yaml", "project: pages\nprofile: demo\nprofiles: { demo: { sites: { '*.test': sites } } }\n"),
    ("tools/web.yaml", "tool: web\npage: { hosts: any, http: true }\noperations: { read: { effect: read } }\n"),
    (
        "workflows/look.yaml",
        "workflow: look\nstages:\n  - stage: only\n    steps:\n      - { step: look, act: web.read, with: { url: 'http://news.test/' } }\non_failure: { tool_rejected: [ fail ] }\n",
    ),
];

/// Serves one answer to everything but `/robots.txt`, and counts what it is asked.
async fn serve(answer: Option<String>) -> Result<(SocketAddr, Arc<AtomicU64>), Trouble> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let (address, asked) = (listener.local_addr()?, Arc::new(AtomicU64::new(0)));
    let counted = asked.clone();
    let router = Router::new().fallback(move |uri: axum::http::Uri| {
        counted.fetch_add(1, Ordering::SeqCst);
        let answer = answer.clone().filter(|_| uri.path() != "/robots.txt");
        async move {
            match answer {
                Some(to) => (StatusCode::FOUND, [(LOCATION, to)]).into_response(),
                None => (StatusCode::NOT_FOUND, "nothing").into_response(),
            }
        }
    });
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok((address, asked))
}

/// Reads a page that redirects to an address of this machine: nothing may be sent there.
pub(super) async fn redirect(mutant: Option<&str>) -> Result<Option<String>, Trouble> {
    let (inner, asked) = serve(None).await?;
    let (pages, _) = serve(Some(format!("http://{inner}/metadata"))).await?;
    let checked = check(&FILES.into_iter().collect::<Sources>());
    let complaints: Vec<_> = checked.complaints.iter().map(ToString::to_string).collect();
    let project = checked.project.ok_or_else(|| complaints.join("\n"))?;
    let profile = project.file.profiles.choose(None).ok().flatten().and_then(|profile| profile.sites.as_ref());
    let demo = Arc::new(DemoHosts::new(profile.ok_or("the project has no sites")?, pages)?);
    let Some(Reach::Page(page)) = project.tools.get("web").map(|tool| &tool.reach) else {
        return Err("the project reads no pages".into());
    };
    let operations = BTreeMap::from([("read".into(), Span::from_millis(5_000))]);
    let tool = PageTool::new(page, operations, Arc::new(SystemResolver), Some(demo))?;
    let tool = mutant.into_iter().fold(tool, PageTool::mutant);
    let folder = tempfile::tempdir()?;
    let store = open(&folder, None)?;
    let runtime = Runtime::builder(store).gateway(Gateway::new().with_tool("web", tool)).build();
    runtime.deploy(&project.bundle).await?;
    let worker = tokio::spawn(runtime.worker().run(std::future::pending::<()>()));
    let start = Start {
        bundle: project.bundle.digest,
        workflow: "look".into(),
        input: Value::Null,
        key: None,
        tenant: None,
        starter: Starter { project: "pages".into(), by: None },
    };
    let run = runtime.start(start).await?.run;
    let ended = tokio::time::timeout(Duration::from_secs(30), runtime.finished(run)).await??;
    worker.abort();
    let asked = asked.load(Ordering::SeqCst);
    if asked > 0 {
        return Ok(Some(format!("{asked} requests went to {inner}, where a page had redirected")));
    }
    let refused = ended.failure.as_ref().is_some_and(|why| why.detail.contains("may not go where"));
    Ok((ended.end != End::Failed || !refused).then(|| format!("the run ended as {:?}: {:?}", ended.end, ended.failure)))
}
