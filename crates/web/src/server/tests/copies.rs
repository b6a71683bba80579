//! Files of runs, as pages and the API offer them; how they are made is tried where they are made.

use async_trait::async_trait;
use kernel::{
    ids::{Digest, RunId},
    journal::Head,
};

use super::*;
use crate::{CaseCopy, Copies, ExportCopy, NotCopied, Verified};

/// Gives the same for every run.
pub(super) struct Fixed;

const HEAD: Head = Head { seq: 3, hash: Digest::ZERO };

#[async_trait]
impl Copies for Fixed {
    async fn case(&self, run: RunId) -> Result<CaseCopy, NotCopied> {
        Ok(CaseCopy { text: format!("case: of {run}\n"), notes: Vec::new() })
    }

    async fn export(&self, run: RunId) -> Result<ExportCopy, NotCopied> {
        Ok(ExportCopy { bytes: format!("{{\"run\":\"{run}\"}}\n").into_bytes(), head: HEAD })
    }

    async fn verify(&self, _: RunId) -> Result<Verified, NotCopied> {
        let (acts, blobs, seals, sealed) = (2, 1, 1, 3);
        Ok(Verified { entries: 3, acts, blobs, head: HEAD, seals, sealed, unanchored: Some(0), erased: false })
    }
}

#[tokio::test]
async fn a_case_is_made_of_a_run_that_is_over() {
    let scene = scene().await;
    let cookie = scene.enter().await;
    let run = scene.started("note", "N-1").await;
    scene.ended(&run).await;
    let page = scene.page(&cookie, &format!("/runs/{run}")).await;
    let href = page.link(&format!("/runs/{run}/case"));
    let file = scene.page(&cookie, &href).await;
    assert_eq!((file.status, &*file.text), (StatusCode::OK, &*format!("case: of {run}\n")));
    let kept = file.headers[header::CONTENT_DISPOSITION].to_str().expect("it is ASCII");
    assert_eq!(kept, format!("attachment; filename=\"{run}.yaml\""));
    assert_eq!(scene.api("GET", &format!("/runs/{run}/case"), &Json::Null).await.text, file.text);

    let open = scene.started("ship", "A-1").await;
    let early = scene.api("GET", &format!("/runs/{open}/case"), &Json::Null).await;
    assert_eq!(said(&early), (409, format!("run {open} is waiting: a case is made of it once it is over")));
    assert!(!scene.page(&cookie, &format!("/runs/{open}")).await.text.contains("/case\""));
    let unknown = format!("/runs/{}/case", run.replace('0', "1"));
    assert_eq!(scene.page(&cookie, &unknown).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn evidence_is_checked_and_exported() {
    let scene = scene().await;
    let cookie = scene.enter().await;
    let run = scene.started("note", "N-1").await;
    scene.ended(&run).await;
    let path = format!("/runs/{run}/evidence");
    let page = scene.page(&cookie, &path).await;
    assert!(!page.text.contains("all of it holds"), "it is checked when somebody asks");
    let checked = scene.page(&cookie, &format!("{path}?verify=yes")).await;
    for told in [
        "all of it holds",
        "3 entries: each follows",
        "2 acts: each allowed before it began",
        "1 blob: exactly",
        "1 seal, up to entry 3, all of them in the anchor file",
    ] {
        assert!(checked.text.contains(told), "{told}: {}", checked.text);
    }
    let verified = scene.api("GET", &format!("/runs/{run}/verification"), &Json::Null).await.json();
    assert_eq!((&verified["holds"], &verified["checked"]["entries"]), (&json!(true), &json!(3)));
    let file = scene.page(&cookie, &page.link(&format!("/runs/{run}/export"))).await;
    assert_eq!(file.headers["surefoot-head"], Digest::ZERO.to_string());
    assert_eq!(scene.api("GET", &format!("/runs/{run}/export"), &Json::Null).await.text, file.text);
    let unknown = run.replace('0', "1");
    for path in [format!("/runs/{unknown}/export"), format!("/runs/{unknown}/verification")] {
        assert_eq!(scene.api("GET", &path, &Json::Null).await.status, StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test]
async fn a_run_is_erased_by_somebody_with_a_name() {
    let scene = scene().await;
    let run = scene.started("note", "N-1").await;
    scene.ended(&run).await;
    let path = format!("/runs/{run}/erasure");
    assert_eq!(scene.api("POST", &path, &json!({ "reason": "article 17" })).await.status, StatusCode::CONFLICT);
    let empty = json!({ "reason": " ", "as": "cleo" });
    assert_eq!(scene.api("POST", &path, &empty).await.status, StatusCode::BAD_REQUEST);
    let open = scene.started("ship", "A-1").await;
    let body = json!({ "reason": "article 17", "as": "cleo" });
    let early = scene.api("POST", &format!("/runs/{open}/erasure"), &body).await;
    assert_eq!(early.status, StatusCode::CONFLICT, "{}", early.text);
    let erased = scene.api("POST", &path, &body).await;
    assert_eq!((erased.status, &erased.json()["by"]), (StatusCode::OK, &json!("cleo")), "{}", erased.text);
    let id: RunId = run.parse().expect("it is an id");
    let journal = scene.runtime.store().journal(id, 0, 9).await.expect("it can be read");
    assert!(journal.iter().all(|entry| entry.body.is_none()));
    let cookie = scene.enter().await;
    let page = scene.page(&cookie, &format!("/runs/{run}/evidence")).await;
    assert!(page.text.contains("What the run held was erased"), "{}", page.text);
    let page = scene.page(&cookie, &format!("/runs/{run}")).await;
    for (told, is) in
        [("was erased by cleo at", true), ("article 17", true), ("cannot be read", false), ("Was it right?", false)]
    {
        assert_eq!(page.text.contains(told), is, "{told}: {}", page.text);
    }
    // Who erased it, and why, stands: nobody says so a second time.
    let (status, why) = said(&scene.api("POST", &path, &json!({ "reason": "mine", "as": "cleo" })).await);
    assert_eq!((status, why.contains("was erased before")), (409, true), "{why}");
}
