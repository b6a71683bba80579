//! Pages that an application brings.

use axum::{Extension, Router, extract::Path, routing::get as on_get};
use serde::Deserialize;

use super::*;
use crate::{Failed, Sent, Shown, Uploaded, Viewer, go};

#[derive(askama::Template)]
#[template(
    source = "<form><input type=\"hidden\" name=\"csrf\" value=\"{{ csrf }}\"></form><p>{{ says }}</p>",
    ext = "html"
)]
struct Page {
    csrf: String,
    says: String,
}

#[derive(Deserialize)]
struct Note {
    text: String,
    #[serde(default)]
    times: u32,
}

/// What an application keeps: the texts that it was sent.
type Kept = Arc<std::sync::Mutex<Vec<String>>>;

fn keep(kept: &Kept, text: String) {
    kept.lock().expect("no test panics with it").push(text);
}

async fn notes(viewer: Viewer, Extension(kept): Extension<Kept>) -> Shown {
    let says = kept.lock().expect("no test panics with it").join(" · ");
    viewer.page("Notes", "What was noted?", "/notes", &Page { csrf: viewer.csrf().to_owned(), says })
}

async fn note(Extension(kept): Extension<Kept>, sent: Sent<Note>) -> Shown {
    let by = sent.viewer.person().unwrap_or("nobody").to_owned();
    keep(&kept, format!("{} by {by}, {} times", sent.form.text, sent.form.times));
    go(&sent.viewer.own("/notes"))
}

async fn file(Extension(kept): Extension<Kept>, sent: Uploaded) -> Shown {
    let file = sent.file.ok_or_else(|| Failed::refused("no file was chosen").hint("choose one"))?;
    keep(&kept, format!("{}: {} bytes for {}", file.name, file.bytes.len(), sent.fields["about"]));
    go(&sent.viewer.own("/notes"))
}

async fn one(viewer: Viewer, Path(step): Path<String>) -> Shown {
    let id = viewer.site().start("note", kernel::values::Value::map([("id", "N-1".into())]), None, None).await?.run;
    let _ = viewer.site().gave(id, &step).await?;
    Err(Failed::not_found(format!("there is no note `{step}`")))
}

async fn scene() -> (Scene, Kept) {
    let kept = Kept::default();
    let routes = Router::new()
        .route("/notes", on_get(notes).post(note))
        .route("/notes/file", axum::routing::post(file))
        .route("/notes/{step}", on_get(one))
        .layer(Extension(kept.clone()));
    let count = kept.clone();
    let own = Own::new(routes).link("Notes", "/notes").bell("News", "/news", move |person| {
        let noted = count.lock().expect("no test panics with it").len() as u64;
        if person == Some("cleo") { noted } else { 0 }
    });
    (idle_bringing(&FILES, Gateway::new(), Some(own)).await, kept)
}

fn all(kept: &Kept) -> Vec<String> {
    kept.lock().expect("no test panics with it").clone()
}

#[tokio::test]
async fn an_applications_page_is_in_the_layout_of_all_and_its_links_come_first() {
    let (scene, kept) = scene().await;
    keep(&kept, "<b>bold</b>".to_owned());
    let cookie = scene.enter_as("cleo").await;
    let heard = scene.page(&cookie, "/app/notes").await;
    assert_eq!(heard.status, StatusCode::OK);
    assert!(heard.text.contains("<h1>Notes</h1>") && heard.text.contains("What was noted?"), "{}", heard.text);
    assert!(heard.text.contains("&#60;b&#62;bold"), "{}", heard.text);
    assert!(heard.text.contains("href=\"/app/notes\" aria-current=\"page\""), "{}", heard.text);
    // Whoever changes who he is comes back to it.
    assert_eq!(heard.field("back"), "/app/notes");
    assert!(heard.headers[header::CONTENT_SECURITY_POLICY].to_str().expect("it is ASCII").contains("'self'"));
    for path in ["/app/notes", "/", "/runs"] {
        let heard = scene.page(&cookie, path).await;
        let (own, ours) = (heard.text.find("/app/notes"), heard.text.find("Needs attention</a>"));
        assert!(own < ours && own.is_some(), "{path}");
        assert!(heard.text.contains("1 new"), "{path}");
    }
    assert!(scene.page(&cookie, "/bell").await.text.contains("1 new"));
    let other = scene.enter().await;
    assert!(!scene.page(&other, "/bell").await.text.contains("1 new"));
}

#[tokio::test]
async fn nobody_reaches_or_changes_an_applications_pages_past_the_guard() {
    let (scene, kept) = scene().await;
    assert_eq!(scene.send(get("/app/notes", &[])).await.status, StatusCode::UNAUTHORIZED);
    let cookie = scene.enter_as("cleo").await;
    let csrf = scene.page(&cookie, "/app/notes").await.field("csrf");
    for fields in [vec![("text", "x")], vec![("csrf", "guessed"), ("text", "x")]] {
        assert_eq!(scene.form(&cookie, "/app/notes", &fields).await.status, StatusCode::FORBIDDEN);
    }
    let headers = [
        ("cookie", cookie.as_str()),
        ("origin", "http://evil.example"),
        ("content-type", "application/x-www-form-urlencoded"),
    ];
    let heard = scene.send(request("POST", "/app/notes", &headers, format!("csrf={csrf}&text=x"))).await;
    assert_eq!(heard.status, StatusCode::FORBIDDEN);
    assert_eq!(all(&kept), [""; 0]);
    let heard = scene.form(&cookie, "/app/notes", &[("csrf", &csrf), ("text", "buy ink"), ("times", "2")]).await;
    assert_eq!(heard.status, StatusCode::SEE_OTHER, "{}", heard.text);
    assert_eq!(heard.headers[header::LOCATION], "/app/notes");
    assert_eq!(all(&kept), ["buy ink by cleo, 2 times"]);
    // What an application says is not there is a page as ours are.
    let heard = scene.page(&cookie, "/app/notes/x").await;
    assert_eq!(heard.status, StatusCode::NOT_FOUND);
    assert!(heard.text.contains("there is no note `x`"), "{}", heard.text);
    assert_eq!(scene.page(&cookie, "/app/nothing").await.status, StatusCode::NOT_FOUND);
}

/// A form with a file, as a browser sends it.
async fn upload(scene: &Scene, cookie: &str, csrf: &str, file: &str) -> Heard {
    let part =
        |name: &str, text: &str| format!("--b\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{text}\r\n");
    let body = format!(
        "{}{}--b\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.csv\"\r\n\r\n{file}\r\n--b--\r\n",
        part("csrf", csrf),
        part("about", "ink"),
    );
    let headers =
        [("cookie", cookie), ("origin", "http://127.0.0.1:4000"), ("content-type", "multipart/form-data; boundary=b")];
    scene.send(request("POST", "/app/notes/file", &headers, body)).await
}

#[tokio::test]
async fn a_file_is_taken_from_a_form_of_this_session_if_it_is_not_too_large() {
    let (scene, kept) = scene().await;
    let cookie = scene.enter().await;
    let csrf = scene.page(&cookie, "/app/notes").await.field("csrf");
    assert_eq!(upload(&scene, &cookie, "guessed", "a,b").await.status, StatusCode::FORBIDDEN);
    let large = upload(&scene, &cookie, &csrf, &"x".repeat(crate::guard::BODY_BYTES)).await;
    assert_eq!(large.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(large.text.contains("more than 1024 KiB"), "{}", large.text);
    assert_eq!(all(&kept), [""; 0]);
    assert_eq!(upload(&scene, &cookie, &csrf, "a,b").await.status, StatusCode::SEE_OTHER);
    assert_eq!(all(&kept), ["a.csv: 3 bytes for ink"]);
}

#[tokio::test]
async fn an_application_reads_what_the_steps_of_a_run_gave() {
    let scene = super::scene().await;
    let served = scene.started("note", "N-2").await;
    scene.ended(&served).await;
    let gave = scene.site.gave(served.parse().expect("it is an id"), "noted").await.expect("memory answers");
    let gave: Vec<_> = gave.iter().map(|(path, value)| (path.as_str(), value.to_json())).collect();
    assert_eq!(gave, [("noted", r#"{"id":"N-2"}"#.to_owned())]);
}
