//! The description of the API, and how fast it may be asked.

use std::collections::BTreeSet;

use super::*;

const METHODS: [&str; 5] = ["get", "post", "put", "delete", "patch"];

#[test]
fn the_document_is_whole() {
    let document: Json = serde_json::from_str(&crate::document()).expect("it is JSON");
    assert_eq!(document["openapi"], "3.1.0");
    let (mut ids, mut refs) = (BTreeSet::new(), BTreeSet::new());
    let paths = document["paths"].as_object().expect("it has paths");
    for (path, item) in paths {
        for (method, operation) in item.as_object().expect("a path has operations") {
            assert!(METHODS.contains(&method.as_str()), "{path}: {method}");
            let id = operation["operationId"].as_str().expect("an operation has an id");
            assert!(ids.insert(id.to_owned()), "{id} is there twice");
            assert!(operation["summary"].as_str().is_some_and(|summary| !summary.is_empty()), "{id} says nothing");
            assert!(operation["tags"][0].is_string(), "{id} belongs nowhere");
            for (status, response) in operation["responses"].as_object().expect("it is answered") {
                let says = response["description"].as_str();
                assert!(says.is_some_and(|says| !says.is_empty()), "{id}: {status} says nothing");
            }
            assert!(operation["responses"]["default"]["content"]["application/problem+json"].is_object(), "{id}");
            let named: Vec<&str> = path.split(['{', '}']).skip(1).step_by(2).collect();
            let params = operation["parameters"].as_array();
            let told: Vec<&str> = params
                .into_iter()
                .flatten()
                .filter(|param| param["in"] == "path")
                .filter_map(|param| param["name"].as_str())
                .collect();
            assert_eq!(named, told, "{id}");
        }
    }
    collect(&document, &mut refs);
    for reference in refs {
        let at = reference.strip_prefix('#').expect("it is a place of the document");
        assert!(document.pointer(at).is_some(), "there is no {reference}");
    }
}

fn collect(value: &Json, refs: &mut BTreeSet<String>) {
    match value {
        Json::Object(map) => {
            refs.extend(map.get("$ref").and_then(Json::as_str).map(str::to_owned));
            map.values().for_each(|value| collect(value, refs));
        }
        Json::Array(list) => list.iter().for_each(|value| collect(value, refs)),
        _ => {}
    }
}

#[tokio::test]
async fn everybody_may_read_what_the_api_is_and_nobody_else_may_use_it() {
    let scene = scene().await;
    let document = scene.send(get("/api/v1/openapi.json", &[])).await;
    assert_eq!(document.json(), serde_json::from_str::<Json>(&crate::document()).expect("it is JSON"));
    let page = scene.send(get("/api/v1/docs", &[])).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(
        page.text.contains("POST /approvals/{id}/decision") && page.text.contains("id=\"shape-Problem\""),
        "{}",
        page.text
    );
    assert!(!page.text.contains("<script") && !page.text.contains("style="), "it holds no script and no style");
    assert!(!page.text.contains("src=\"http") && !page.text.contains("href=\"http"), "it loads nothing from elsewhere");
    let links: Vec<&str> = page.text.split("href=\"#").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert!(links.len() > 40);
    for link in links {
        assert!(page.text.contains(&format!("id=\"{link}\"")), "there is no #{link}");
    }
    // Whatever the document holds is there, and wants a token unless it says otherwise.
    let document = document.json();
    for (path, item) in document["paths"].as_object().expect("it has paths") {
        for (method, operation) in item.as_object().expect("a path has operations") {
            let path = format!("/api/v1{}", path.replace("{run}", "run_x").replace(['{', '}'], ""));
            let headers = [("content-type", "application/json")];
            let heard = scene.send(request(&method.to_uppercase(), &path, &headers, "{}".to_owned())).await;
            let wanted = if operation["security"].is_array() { StatusCode::OK } else { StatusCode::UNAUTHORIZED };
            assert_eq!(heard.status, wanted, "{method} {path}: {}", heard.text);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_sender_that_is_too_fast_waits_and_others_do_not() {
    let scene = scene().await;
    let cookie = scene.enter().await;
    for _ in 0..crate::pace::BURST {
        assert_eq!(scene.api("GET", "/holds", &Json::Null).await.status, StatusCode::OK);
    }
    let heard = scene.api("GET", "/holds", &Json::Null).await;
    assert_eq!(
        (heard.status, &heard.headers[header::RETRY_AFTER]),
        (StatusCode::TOO_MANY_REQUESTS, &"1".parse().expect("a number"))
    );
    assert_eq!(heard.json()["type"], "/api/v1/problems#paced");
    assert_eq!(scene.page(&cookie, "/runs").await.status, StatusCode::OK, "a session has its own");
    tokio::time::advance(std::time::Duration::from_secs(1)).await;
    assert_eq!(scene.api("GET", "/holds", &Json::Null).await.status, StatusCode::OK);
    for _ in 0..crate::pace::BURST {
        scene.page(&cookie, "/runs").await;
    }
    let heard = scene.page(&cookie, "/runs").await;
    assert_eq!((heard.status, heard.headers.contains_key(header::RETRY_AFTER)), (StatusCode::TOO_MANY_REQUESTS, true));
}
