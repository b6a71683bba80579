//! What people do on the pages of both applications, in a real Chromium. Without one, each test says that it was skipped.

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
    browser.close().await.unwrap();
}
