//! What people do on the pages of both applications, in a real Chromium. Without one, each test says that it was skipped.

mod look;
mod moments;

use std::{
    io::Write as _,
    path::{Path, PathBuf},
};

use apparatus::browser::{Browser, EYES, Served, installed};
use serde_json::{Value as Json, json};
use thirtyfour::{By, WebDriver, components::SelectElement, error::WebDriverErrorInner};

/// Whether there is a browser; if not, that is told.
#[expect(clippy::explicit_write, reason = "written past the harness, which keeps what a passing test prints to itself")]
fn is_there() -> bool {
    let there = installed().is_some();
    if !there {
        writeln!(std::io::stderr(), "skipped: chromium and chromedriver are not installed").unwrap();
    }
    there
}

fn program(name: &str) -> PathBuf {
    Path::new(env!("CARGO_BIN_EXE_apparatus")).with_file_name(name)
}

fn app(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../apps").join(name)
}

async fn says(driver: &WebDriver, text: &str) {
    let found = driver.find(By::XPath(format!("//*[contains(normalize-space(.), \"{text}\")]"))).await;
    assert!(found.is_ok(), "`{text}` is not on {}", driver.current_url().await.unwrap());
}

/// Clicks what is there, or will be: the page renews itself, and may do so between a look and a click.
async fn click(driver: &WebDriver, by: By) {
    while let Err(error) = driver.find(by.clone()).await.unwrap().click().await {
        assert!(matches!(error.as_inner(), WebDriverErrorInner::StaleElementReference(_)), "{error}");
    }
}

/// Says at the top of the page who one is.
async fn be(driver: &WebDriver, person: &str) {
    let choice = SelectElement::new(&driver.find(By::Id("person")).await.unwrap()).await.unwrap();
    choice.select_by_value(person).await.unwrap();
    driver.find(By::Css(format!("option[value={person}]:checked"))).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refund_waits_is_approved_by_a_manager_and_finishes() {
    if !is_there() {
        return;
    }
    let served = Served::open(&program("support-desk"), &app("support-desk")).await.unwrap();
    let mail = std::fs::read_to_string(app("support-desk").join("seed/refund-620.json")).unwrap();
    let mail: Json = serde_json::from_str(&mail).unwrap();
    let started = served.post("/runs", &json!({ "workflow": "support-email", "input": mail })).await.unwrap();
    let run = started["id"].as_str().unwrap().to_owned();

    let browser = Browser::open(EYES[0]).await.unwrap();
    let driver = &browser.driver;
    driver.goto(&served.link).await.unwrap();
    // The page renews itself: the run may not have come to its question yet.
    click(driver, By::PartialLinkText("Refund $620.00")).await;
    says(driver, "refund.manager").await;
    says(driver, "Choose at the top who you are").await;
    be(driver, "ines").await;
    click(driver, By::Css("button[value=approve]")).await;
    // The card leads to the run that asked; it renews itself until it is over.
    driver.find(By::Css(".stands .badge.good")).await.unwrap();
    driver.goto(format!("{}/runs/{run}", served.base)).await.unwrap();
    driver.find(By::Css(".stands .badge.good")).await.unwrap();
    says(driver, "billing.refund").await;
    // What it did is proven: the run that gave the money back did, for the one that was asked.
    click(driver, By::PartialLinkText("billing")).await;
    click(driver, By::LinkText("Evidence")).await;
    says(driver, "billing.refund").await;
    says(driver, "ines").await;
    click(driver, By::LinkText("Check everything")).await;
    driver.find(By::Css("#checked .badge.good")).await.unwrap();
    browser.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lead_is_added_and_enriched_while_its_seller_works_on() {
    if !is_there() {
        return;
    }
    let served = Served::open(&program("crm-leads"), &app("crm-leads")).await.unwrap();
    // No page is read before the seller has typed something: whatever is quick, the edit comes during the run.
    let hold = json!({ "scope": "tool:web", "reason": "the seller types first", "as": "rosa" });
    let held = served.post("/holds", &hold).await.unwrap();
    assert_eq!(held["scope"], "tool:web", "{held}");

    let browser = Browser::open(EYES[0]).await.unwrap();
    let driver = &browser.driver;
    driver.goto(&served.link).await.unwrap();
    be(driver, "rosa").await;
    click(driver, By::LinkText("Add a lead")).await;
    driver.find(By::Id("name")).await.unwrap().send_keys("Konkurenta").await.unwrap();
    driver.find(By::Id("domain")).await.unwrap().send_keys("konkurenta.test").await.unwrap();
    click(driver, By::Css("main button.good")).await;
    // The form was answered at once, and the run is on its way.
    driver.find(By::XPath("//*[@id='standing'][contains(., 'being enriched')]")).await.unwrap();
    let lead = driver.current_url().await.unwrap().to_string();
    click(driver, By::Css("#field-description summary")).await;
    let typed = "Makes competitions, we met them in Porto.";
    driver.find(By::Id("value-description")).await.unwrap().send_keys(typed).await.unwrap();
    click(driver, By::Css("#field-description button")).await;
    driver.find(By::Css("#field-description .badge.good")).await.unwrap();

    // Work goes on elsewhere; the bell tells, and nothing else does.
    driver.goto(format!("{}/runs", served.base)).await.unwrap();
    served.post("/holds/release", &json!({ "scope": "tool:web", "as": "rosa" })).await.unwrap();
    driver.find(By::XPath("//a[@id='bell'][contains(., '1 new')]")).await.unwrap();
    assert!(driver.current_url().await.unwrap().path().ends_with("/runs"));
    click(driver, By::Id("bell")).await;
    says(driver, "Konkurenta: ").await;
    click(driver, By::XPath("//main//button[contains(., 'Mark all as read')]")).await;
    driver.find(By::XPath("//a[@id='bell'][not(contains(., 'new'))]")).await.unwrap();

    driver.goto(&lead).await.unwrap();
    says(driver, typed).await;
    driver.find(By::XPath("//li[@id='field-description']//*[contains(., 'set by a person')]")).await.unwrap();
    says(driver, "Not written: a person has set it").await;
    // What was found stands with its words, in the page that the run read.
    let quote = driver.find(By::XPath("//h2[contains(., 'Proposed')]/following::blockquote")).await.unwrap();
    let quote = quote.text().await.unwrap();
    click(driver, By::PartialLinkText("See it on the page")).await;
    let marked = driver.find(By::Css("mark#quote")).await.unwrap().text().await.unwrap();
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(words(&marked), words(&quote));

    // What does not fit a field comes back with a word about it, in its place.
    driver.goto(&lead).await.unwrap();
    click(driver, By::Css("#field-founded_year summary")).await;
    let year = driver.find(By::Id("value-founded_year")).await.unwrap();
    year.clear().await.unwrap();
    year.send_keys("soon").await.unwrap();
    click(driver, By::Css("#field-founded_year button")).await;
    driver
        .find(By::XPath("//li[@id='field-founded_year']//*[@role='alert'][contains(., '`soon` is no year')]"))
        .await
        .unwrap();
    let kept = driver.find(By::Id("value-founded_year")).await.unwrap().prop("value").await.unwrap();
    assert_eq!(kept.as_deref(), Some("soon"));

    // The same lead once more is not added, and one run was started.
    driver.goto(format!("{}/app/leads/new", served.base)).await.unwrap();
    driver.find(By::Id("name")).await.unwrap().send_keys("Other name").await.unwrap();
    driver.find(By::Id("domain")).await.unwrap().send_keys("www.konkurenta.test").await.unwrap();
    click(driver, By::Css("main button.good")).await;
    says(driver, "has the same domain").await;
    let kept = driver.find(By::Id("name")).await.unwrap().prop("value").await.unwrap();
    assert_eq!(kept.as_deref(), Some("Other name"));
    let client = apparatus::http::client().unwrap();
    let runs = client.get(format!("{}/api/v1/runs?workflow=enrich", served.base)).bearer_auth(&served.token).send();
    let runs: Json = runs.await.unwrap().json().await.unwrap();
    assert_eq!(runs["runs"].as_array().map(Vec::len), Some(1), "{runs}");
    browser.close().await.unwrap();
}
