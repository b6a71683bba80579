//! A site of a small project over the store in memory, asked as a browser and as a program ask it.

mod copies;
mod details;
mod effects;
mod events;
mod forks;
mod outcome;
mod own;
mod people;
mod policies;
mod reference;
mod rules;
mod runs;
mod work;
mod workflows;

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    http::{Request, Response, StatusCode, header},
};
use futures_util::StreamExt as _;
use gateway::Gateway;
use kernel::{
    journal::Event,
    workflow::project::{self, Sources},
};
use runtime::{Runtime, govern::Asker, testing::TestRandom};
use serde_json::{Value as Json, json};
use store::memory::MemoryStore;
use tokio::{sync::watch, task::JoinHandle};
use tower::ServiceExt as _;

use super::Server;
use crate::{
    guard::Hosts,
    own::Own,
    session::Sessions,
    site::{Served, Site},
};

const HOST: &str = "127.0.0.1:4000";
const TOKEN: &str = "token-of-the-tests";

const FILES: [(&str, &str); 5] = [
    ("surefoot.yaml", "project: shop\n"),
    ("people.yaml", "groups: { chiefs: {} }\npeople:\n  cleo: { name: Cleo, groups: [ chiefs ] }\n"),
    (
        "schemas/order.yaml",
        "type: object\nproperties: { id: { type: string, maxLength: 4000 } }\nrequired: [ id ]\nadditionalProperties: false\n",
    ),
    (
        "workflows/ship.yaml",
        "workflow: ship\ninput: schemas/order.yaml\nresult: { value: =input.id }\nabout: { order: =input.id }\nstages:\n  \
         - stage: all\n    steps:\n      - step: release\n        approve: { ask: \"Ship {{ input.id }}?\", of: chiefs }\n",
    ),
    (
        "workflows/note.yaml",
        "workflow: note\ninput: schemas/order.yaml\nresult: { value: =input.id }\nstages:\n  - stage: all\n    steps:\n      \
         - { step: noted, set: { id: =input.id } }\n",
    ),
];

/// A server with a worker behind it.
struct Scene {
    router: Router,
    sessions: Sessions,
    site: Site,
    runtime: Runtime,
    #[expect(dead_code, reason = "held for its drop")]
    worker: Option<Worker>,
    close: watch::Sender<bool>,
}

/// Drives runs until it is dropped.
struct Worker(JoinHandle<()>);

impl Drop for Worker {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn scene() -> Scene {
    scene_of(&FILES).await
}

async fn scene_of(files: &[(&str, &str)]) -> Scene {
    scene_with(files, Gateway::new()).await
}

async fn scene_with(files: &[(&str, &str)], gateway: Gateway) -> Scene {
    let scene = idle_with(files, gateway).await;
    let worker = scene.runtime.worker();
    let worker = Worker(tokio::spawn(async move {
        worker.run(std::future::pending::<()>()).await.expect("the worker works");
    }));
    Scene { worker: Some(worker), ..scene }
}

/// A site of these files, with nobody who drives its runs.
async fn idle(files: &[(&str, &str)]) -> Scene {
    idle_with(files, Gateway::new()).await
}

async fn idle_with(files: &[(&str, &str)], gateway: Gateway) -> Scene {
    idle_bringing(files, gateway, None).await
}

async fn idle_bringing(files: &[(&str, &str)], gateway: Gateway, own: Option<Own>) -> Scene {
    let sources: Sources = files.iter().copied().collect();
    let checked = project::check(&sources);
    let project = checked.project.unwrap_or_else(|| panic!("{:?}", checked.complaints));
    let runtime = Runtime::builder(Arc::new(MemoryStore::new())).gateway(gateway).build();
    runtime.deploy(&project.bundle).await.expect("memory takes it");
    let asker = Asker { by: "program".into(), auth: "local".into() };
    let people = sources.get("people.yaml").map(|text| &**text);
    let policies = project.policies.as_deref();
    runtime.enact(&project.file.name, policies, people, &asker).await.expect("memory takes it");
    runtime.limit(&project, &asker).await.expect("memory takes it");
    let copies: Option<Arc<dyn crate::Copies>> = Some(Arc::new(copies::Fixed));
    let served = Served { runtime: runtime.clone(), project, sources, start_key: Arc::new(|_, _| None), copies };
    let sessions = Sessions::new(Arc::new(TestRandom::default()), Some(TOKEN));
    let (close, closing) = watch::channel(false);
    let site = Site::new("", served);
    own.into_iter().for_each(|own| site.bring(own));
    let server = Server::new(vec![site.clone()], sessions.clone());
    let router = server.router(Hosts::of(([127, 0, 0, 1], 4000).into()), closing).expect("one site has one name");
    Scene { router, sessions, site, runtime, worker: None, close }
}

/// An answer, read whole.
struct Heard {
    status: StatusCode,
    headers: axum::http::HeaderMap,
    text: String,
}

impl Heard {
    async fn of(response: Response<Body>) -> Heard {
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, 1 << 22).await.expect("an answer ends");
        Heard { status: parts.status, headers: parts.headers, text: String::from_utf8_lossy(&bytes).into_owned() }
    }

    fn json(&self) -> Json {
        serde_json::from_str(&self.text).unwrap_or_else(|why| panic!("{why}: {}", self.text))
    }

    /// What a form of the page carries under `name`.
    fn field(&self, name: &str) -> String {
        let (_, rest) = self
            .text
            .split_once(&format!("name=\"{name}\" value=\""))
            .unwrap_or_else(|| panic!("no {name} in {}", self.text));
        rest.split('"').next().unwrap_or_default().to_owned()
    }
}

impl Scene {
    async fn send(&self, request: Request<Body>) -> Heard {
        Heard::of(self.router.clone().oneshot(request).await.expect("a router answers")).await
    }

    /// Comes in by a link: the cookie.
    async fn enter(&self) -> String {
        let link = format!("/enter?token={}", self.sessions.link());
        let heard = self.send(get(&link, &[])).await;
        assert_eq!(heard.status, StatusCode::SEE_OTHER);
        let set = heard.headers[header::SET_COOKIE].to_str().expect("a cookie is visible ASCII");
        assert!(set.contains("HttpOnly") && set.contains("SameSite=Strict"), "{set}");
        set.split(';').next().unwrap_or_default().to_owned()
    }

    /// Comes in, and acts as a person.
    async fn enter_as(&self, person: &str) -> String {
        let cookie = self.enter().await;
        let csrf = self.page(&cookie, "/").await.field("csrf");
        let heard = self.form(&cookie, "/acting", &[("csrf", &csrf), ("person", person)]).await;
        assert_eq!(heard.status, StatusCode::SEE_OTHER, "{}", heard.text);
        cookie
    }

    async fn page(&self, cookie: &str, path: &str) -> Heard {
        self.send(get(path, &[("cookie", cookie)])).await
    }

    async fn form(&self, cookie: &str, path: &str, fields: &[(&str, &str)]) -> Heard {
        let body = serde_urlencoded::to_string(fields).expect("texts are a form");
        let headers = [
            ("cookie", cookie),
            ("origin", "http://127.0.0.1:4000"),
            ("content-type", "application/x-www-form-urlencoded"),
        ];
        self.send(request("POST", path, &headers, body)).await
    }

    async fn api(&self, method: &str, path: &str, body: &Json) -> Heard {
        self.keyed(method, path, body, &[]).await
    }

    async fn keyed(&self, method: &str, path: &str, body: &Json, more: &[(&str, &str)]) -> Heard {
        let bearer = format!("Bearer {TOKEN}");
        let mut headers = vec![("authorization", bearer.as_str())];
        headers.extend(more);
        let body = if body.is_null() {
            String::new()
        } else {
            headers.push(("content-type", "application/json"));
            body.to_string()
        };
        self.send(request(method, &format!("/api/v1{path}"), &headers, body)).await
    }

    /// Starts a run and waits until it rests.
    async fn started(&self, workflow: &str, id: &str) -> String {
        let heard = self.api("POST", "/runs", &json!({ "workflow": workflow, "input": { "id": id } })).await;
        assert_eq!(heard.status, StatusCode::CREATED, "{}", heard.text);
        let run = heard.json()["id"].as_str().expect("a run has an id").to_owned();
        let mut entries = self.runtime.entries(run.parse().expect("it is an id"));
        while let Some((_, event)) = entries.next().await.expect("the journal can be read") {
            if matches!(
                event,
                Event::ApprovalRequested { .. }
                    | Event::WorkOpened { .. }
                    | Event::WaitStarted { .. }
                    | Event::OutcomeUnknown { .. }
            ) {
                break;
            }
        }
        run
    }

    /// The result of a run, once it is over.
    async fn ended(&self, run: &str) -> Json {
        let ended = self.runtime.finished(run.parse().expect("it is an id")).await.expect("it ends");
        assert_eq!(ended.end, kernel::journal::End::Completed);
        self.api("GET", &format!("/runs/{run}"), &Json::Null).await.json()["result"].clone()
    }
}

/// Status, and what a problem says.
fn said(heard: &Heard) -> (u16, String) {
    let detail = heard.json()["detail"].as_str().unwrap_or_default().to_owned();
    (heard.status.as_u16(), detail)
}

fn request(method: &str, path: &str, headers: &[(&str, &str)], body: String) -> Request<Body> {
    let request = Request::builder().method(method).uri(path).header("host", HOST);
    headers
        .iter()
        .fold(request, |request, (name, value)| request.header(*name, *value))
        .body(body.into())
        .expect("the tests write requests")
}

fn get(path: &str, headers: &[(&str, &str)]) -> Request<Body> {
    request("GET", path, headers, String::new())
}

#[tokio::test]
async fn nobody_is_let_in_without_a_link_or_the_token() {
    let scene = scene().await;
    for path in ["/", "/runs", "/approvals", "/runs/run_x", "/enter", "/enter?token=guessed"] {
        let heard = scene.send(get(path, &[])).await;
        assert_eq!(heard.status, StatusCode::UNAUTHORIZED, "{path}");
        assert!(!heard.text.contains("csrf"), "{path}");
    }
    for path in ["/api/v1/runs", "/api/v1/runs/run_x", "/api/v1/runs/run_x/entries"] {
        for headers in
            [vec![], vec![("authorization", "Bearer guessed")], vec![("cookie", "surefoot_session_4000=guessed")]]
        {
            let heard = scene.send(get(path, &headers)).await;
            assert_eq!(heard.status, StatusCode::UNAUTHORIZED, "{path}");
            assert_eq!(heard.headers[header::CONTENT_TYPE], "application/problem+json");
        }
    }
    // A program's token is no session: pages are for browsers.
    let bearer = format!("Bearer {TOKEN}");
    let heard = scene.send(get("/runs", &[("authorization", &bearer)])).await;
    assert_eq!(heard.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn every_answer_says_what_a_browser_may_do_with_it() {
    let scene = scene().await;
    let cookie = scene.enter().await;
    for path in ["/", "/runs", "/nothing", "/api/v1/nothing", "/assets/surefoot.svg"] {
        let heard = scene.page(&cookie, path).await;
        let csp = heard.headers[header::CONTENT_SECURITY_POLICY].to_str().expect("it is ASCII");
        assert!(
            csp.contains("default-src 'none'") && csp.contains("frame-ancestors 'none'") && !csp.contains("unsafe"),
            "{csp}"
        );
        assert_eq!(heard.headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff");
    }
    let heard = scene.page(&cookie, "/").await;
    assert_eq!(heard.headers[header::CACHE_CONTROL], "no-store");
    assert!(
        !heard.text.contains("<style") && !heard.text.contains(" style=") && !heard.text.contains("onclick"),
        "{}",
        heard.text
    );
}

#[tokio::test]
async fn another_host_and_another_site_are_refused() {
    let scene = scene().await;
    let cookie = scene.enter().await;
    let run = scene.started("ship", "A-1").await;
    let mut forged = get("/runs", &[("cookie", &cookie)]);
    forged.headers_mut().insert(header::HOST, "evil.example".parse().expect("it is a host"));
    assert_eq!(scene.send(forged).await.status, StatusCode::MISDIRECTED_REQUEST);

    let csrf = scene.page(&cookie, "/").await.field("csrf");
    let body = format!("csrf={csrf}&order=cancel");
    let path = format!("/runs/{run}/order");
    for origin in [("origin", "http://evil.example"), ("origin", "null"), ("sec-fetch-site", "cross-site")] {
        let headers = [("cookie", cookie.as_str()), origin, ("content-type", "application/x-www-form-urlencoded")];
        assert_eq!(scene.send(request("POST", &path, &headers, body.clone())).await.status, StatusCode::FORBIDDEN);
    }
    for csrf in ["", "guessed"] {
        assert_eq!(
            scene.form(&cookie, &path, &[("csrf", csrf), ("order", "cancel")]).await.status,
            StatusCode::FORBIDDEN
        );
    }
    assert_eq!(scene.form(&cookie, &path, &[("order", "cancel")]).await.status, StatusCode::FORBIDDEN);
    // A text that only looks like a form.
    let headers = [("cookie", cookie.as_str()), ("content-type", "text/plain")];
    assert_eq!(scene.send(request("POST", &path, &headers, body)).await.status, StatusCode::BAD_REQUEST);
    // A page cannot use the API with the cookie from elsewhere either.
    let headers =
        [("cookie", cookie.as_str()), ("origin", "http://evil.example"), ("content-type", "application/json")];
    let heard = scene
        .send(request("POST", &format!("/api/v1{path}"), &headers, json!({ "order": "cancel" }).to_string()))
        .await;
    assert_eq!(heard.status, StatusCode::FORBIDDEN);

    let row = scene
        .runtime
        .store()
        .run(run.parse().expect("it is an id"))
        .await
        .expect("it can be read")
        .expect("it is there");
    assert_eq!((row.inbox_gen, row.status), (0, store::Status::Waiting), "nothing was changed");
}

#[tokio::test]
async fn a_start_with_a_key_is_one_run() {
    let scene = scene().await;
    let body = json!({ "workflow": "note", "input": { "id": "N-1" } });
    let key = [("idempotency-key", "once")];
    let first = scene.keyed("POST", "/runs", &body, &key).await;
    let again = scene.keyed("POST", "/runs", &body, &key).await;
    assert_eq!((first.status, again.status), (StatusCode::CREATED, StatusCode::OK));
    assert_eq!(first.json()["id"], again.json()["id"]);
    assert_eq!(
        first.headers[header::LOCATION],
        format!("/api/v1/runs/{}", first.json()["id"].as_str().unwrap_or_default())
    );
    let other = json!({ "workflow": "note", "input": { "id": "N-2" } });
    let taken = scene.keyed("POST", "/runs", &other, &key).await;
    assert_eq!(
        (taken.status, &taken.json()["title"]),
        (StatusCode::CONFLICT, &json!("it stands otherwise than was assumed"))
    );
}

#[tokio::test]
async fn what_cannot_be_read_is_told_and_changes_nothing() {
    let scene = scene().await;
    let start = |body: Json| scene.api_body(body);
    let told = |heard: Heard| (heard.status.as_u16(), heard.json()["detail"].as_str().unwrap_or_default().to_owned());
    assert_eq!(told(start(json!({ "workflow": "shp" })).await), (404, "there is no workflow `shp`".into()));
    assert_eq!(start(json!({ "workflow": "note", "input": {} })).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(start(json!({ "workflow": "note", "imput": {} })).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(start(json!([1])).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    for query in ["?status=done", "?limit=0", "?limit=501", "?limit=x", "?before=x", "?about=x", "?colour=red"] {
        let heard = scene.api("GET", &format!("/runs{query}"), &Json::Null).await;
        assert_eq!(heard.status, StatusCode::BAD_REQUEST, "{query}: {}", heard.text);
    }
    for path in ["/runs/x", "/runs/run_01a22793cbdd7070871be1ebd00892d4", "/nothing"] {
        assert_eq!(scene.api("GET", path, &Json::Null).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    assert_eq!(scene.api("DELETE", "/runs", &Json::Null).await.status, StatusCode::METHOD_NOT_ALLOWED);
    let large = json!({ "workflow": "note", "input": { "id": "x".repeat(2 << 20) } });
    assert_eq!(start(large).await.status, StatusCode::PAYLOAD_TOO_LARGE);
    let runs = scene.api("GET", "/runs", &Json::Null).await.json();
    assert_eq!(runs, json!({ "runs": [], "next": null }));
}

impl Scene {
    async fn api_body(&self, body: Json) -> Heard {
        self.api("POST", "/runs", &body).await
    }
}

#[tokio::test]
async fn runs_come_page_by_page() {
    let scene = scene().await;
    for number in 0..5 {
        scene.started("note", &format!("N-{number}")).await;
    }
    scene.started("ship", "S-1").await;
    let (mut seen, mut before) = (Vec::new(), String::new());
    loop {
        let page = scene.api("GET", &format!("/runs?workflow=note&limit=2{before}"), &Json::Null).await.json();
        seen.extend(page["runs"].as_array().expect("a page has runs").iter().map(|run| run["id"].clone()));
        match page["next"].as_str() {
            Some(next) => before = format!("&before={next}"),
            None => break,
        }
    }
    assert_eq!(seen.len(), 5);
    let mut once = seen.clone();
    once.sort_by_key(Json::to_string);
    once.dedup();
    assert_eq!(once.len(), 5);
    let waiting = scene.api("GET", "/runs?status=waiting&about=order=S-1", &Json::Null).await.json();
    assert_eq!(waiting["runs"].as_array().map(Vec::len), Some(1), "{waiting}");
}

#[tokio::test]
async fn the_entries_of_a_run_go_on_where_a_reader_left() {
    let scene = scene().await;
    let run = scene.started("note", "N-1").await;
    let all = scene.api("GET", &format!("/runs/{run}/entries"), &Json::Null).await.json();
    let all: Vec<u64> =
        all["entries"].as_array().expect("there are some").iter().filter_map(|one| one["seq"].as_u64()).collect();
    let accept = [("accept", "text/event-stream"), ("last-event-id", "1")];
    let heard = scene.keyed("GET", &format!("/runs/{run}/entries"), &Json::Null, &accept).await;
    let ids: Vec<u64> = heard.text.lines().filter_map(|line| line.strip_prefix("id: ")?.parse().ok()).collect();
    assert_eq!(ids, all[1..]);
    assert_eq!(heard.headers[header::CONTENT_TYPE], "text/event-stream");
    // One that waits is told until the server closes.
    let run = scene.started("ship", "S-1").await;
    let bearer = format!("Bearer {TOKEN}");
    let open =
        get(&format!("/api/v1/runs/{run}/entries"), &[("authorization", &bearer), ("accept", "text/event-stream")]);
    let response = scene.router.clone().oneshot(open).await.expect("a router answers");
    let mut body = response.into_body().into_data_stream();
    assert!(body.next().await.is_some());
    scene.close.send_replace(true);
    while let Some(chunk) = body.next().await {
        chunk.expect("it ends well");
    }
}

#[tokio::test]
async fn a_person_decides_on_a_page_and_the_run_goes_on() {
    let scene = scene().await;
    let cookie = scene.enter().await;
    let run = scene.started("ship", "S-1").await;
    let page = scene.page(&cookie, "/").await;
    assert!(page.text.contains("Waits for a decision"), "{}", page.text);
    let (_, rest) = page.text.split_once("<a href=\"/approvals/").expect("the list names the card");
    let path = format!("/approvals/{}", rest.split('"').next().unwrap_or_default());
    let card = scene.page(&cookie, &path).await;
    assert!(card.text.contains("Ship S-1?"), "{}", card.text);
    let (csrf, shown) = (card.field("csrf"), card.field("shown"));
    let decision = format!("{path}/decision");
    let approve = [("csrf", csrf.as_str()), ("shown", shown.as_str()), ("decision", "approve")];
    // Nobody decides without a name, nor somebody who is not in people.yaml, nor on another card.
    assert_eq!(scene.form(&cookie, &decision, &approve).await.status, StatusCode::CONFLICT);
    let nobody = scene.form(&cookie, "/acting", &[("csrf", csrf.as_str()), ("person", "mallory")]).await;
    assert_eq!(nobody.status, StatusCode::NOT_FOUND);
    let away = [("csrf", csrf.as_str()), ("person", "cleo"), ("back", "//evil.example/")];
    let acting = scene.form(&cookie, "/acting", &away).await;
    assert_eq!(
        (acting.status, &acting.headers[header::LOCATION]),
        (StatusCode::SEE_OTHER, &"/".parse().expect("it is a path"))
    );
    let stale = [("csrf", csrf.as_str()), ("shown", &"0".repeat(64)), ("decision", "approve")];
    assert_eq!(scene.form(&cookie, &decision, &stale).await.status, StatusCode::CONFLICT);
    // A link alone decides nothing.
    assert_eq!(scene.page(&cookie, &decision).await.status, StatusCode::METHOD_NOT_ALLOWED);
    let done = scene.form(&cookie, &decision, &approve).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.text);
    let ended = scene.runtime.finished(run.parse().expect("it is an id")).await.expect("it ends");
    assert_eq!(ended.end, kernel::journal::End::Completed);
    let page = scene.page(&cookie, &format!("/runs/{run}")).await;
    assert!(page.text.contains("cleo") && page.text.contains("completed"), "{}", page.text);
    assert!(scene.page(&cookie, &path).await.text.contains("It is not open any more"));
}

#[tokio::test]
async fn markup_and_turned_text_are_shown_harmless() {
    let scene = scene().await;
    let cookie = scene.enter().await;
    let trick = "<img src=x onerror=alert(1)>\u{202e}gnihton\" autofocus onfocus=\"alert(2)";
    let run = scene.started("ship", trick).await;
    for path in [
        "/".to_owned(),
        "/runs".to_owned(),
        "/approvals".to_owned(),
        format!("/runs/{run}"),
        format!("/runs/{run}?entry=1"),
    ] {
        let page = scene.page(&cookie, &path).await;
        assert_eq!(page.status, StatusCode::OK, "{path}: {}", page.text);
        assert!(
            !page.text.contains("<img") && !page.text.contains('\u{202e}') && !page.text.contains("\" autofocus"),
            "{path}"
        );
    }
    let missing = scene.page(&cookie, "/runs/%3Cscript%3E").await;
    assert!(missing.status == StatusCode::NOT_FOUND && !missing.text.contains("<script>"), "{}", missing.text);
}

#[tokio::test]
async fn a_page_hears_of_what_it_does_not_show_yet() {
    let scene = scene().await;
    let cookie = scene.enter().await;
    let run = scene.started("note", "N-1").await;
    scene.runtime.finished(run.parse().expect("it is an id")).await.expect("it ends");
    // The run was over before the page began to listen.
    let heard = scene.page(&cookie, &format!("/runs/{run}/live?after=1")).await;
    let grown = heard.text.lines().filter(|line| *line == "event: grown").count();
    let all = scene.api("GET", &format!("/runs/{run}/entries"), &Json::Null).await.json();
    assert_eq!(Some(grown + 1), all["entries"].as_array().map(Vec::len), "{}", heard.text);
    let waiting = scene.started("ship", "S-1").await;
    assert!(scene.page(&cookie, &format!("/runs/{waiting}")).await.text.contains("/live?after="));
    assert_eq!(
        scene.page(&cookie, "/runs/run_01a22793cbdd7070871be1ebd00892d4/live?after=1").await.status,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn orders_are_obeyed_in_their_place() {
    let scene = scene().await;
    let run = scene.started("ship", "S-1").await;
    let order =
        async |word: &str| scene.api("POST", &format!("/runs/{run}/order"), &json!({ "order": word })).await.status;
    assert_eq!(order("explode").await, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(order("cancel").await, StatusCode::ACCEPTED);
    let ended = scene.runtime.finished(run.parse().expect("it is an id")).await.expect("it ends");
    assert_eq!(ended.end, kernel::journal::End::Cancelled);
    assert_eq!(order("pause").await, StatusCode::CONFLICT);
}
