//! Ten moments of a working day, each at most two clicks away from *Needs attention*.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use apparatus::{
    browser::{Browser, EYES, Served},
    smtp::{Faults, SmtpSink, Treatment},
};
use axum::{Json, Router, http::StatusCode, routing::post};
use serde_json::json;
use thirtyfour::{By, WebDriver};

use super::{be, click, is_there, program, says};

/// A way from *Needs attention* that counts its clicks.
struct Way<'d> {
    driver: &'d WebDriver,
    clicks: u32,
}

impl<'d> Way<'d> {
    /// At *Needs attention*.
    async fn begin(driver: &'d WebDriver, served: &Served) -> Way<'d> {
        driver.goto(format!("{}/", served.base)).await.unwrap();
        Way { driver, clicks: 0 }
    }

    async fn click(&mut self, by: By) {
        self.clicks += 1;
        assert!(self.clicks <= 2, "the third click");
        click(self.driver, by).await;
    }

    /// A link or a button with these words.
    async fn on(&mut self, words: &str) {
        self.click(By::XPath(format!(
            "//main//*[(self::a or self::button) and contains(normalize-space(.), \"{words}\")]"
        )))
        .await;
    }

    async fn write(&self, field: &str, text: &str) {
        let field = self.driver.find(By::Id(field)).await.unwrap();
        field.send_keys(text).await.unwrap();
    }

    async fn says(&self, text: &str) {
        says(self.driver, text).await;
    }

    /// The badge of a run that went well; its page renews itself.
    async fn goes_well(&self) {
        self.driver.find(By::Css(".stands .badge.good")).await.unwrap();
    }
}

/// A model's server that is down until it is well.
async fn model(well: Arc<AtomicBool>) -> String {
    let answer = move || {
        let well = well.load(Ordering::SeqCst);
        async move {
            let body = json!({
                "id": "c1", "object": "chat.completion", "created": 1, "model": "clerk",
                "choices": [{ "index": 0, "message": { "role": "assistant", "content": "{\"text\":\"We are sorry.\"}" },
                              "finish_reason": "stop" }],
                "usage": { "prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15 },
            });
            if well { Ok(Json(body)) } else { Err(StatusCode::SERVICE_UNAVAILABLE) }
        }
    };
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = Router::new().route("/v1/chat/completions", post(answer));
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    format!("http://{address}/v1")
}

/// Starts a run for a customer.
async fn start(served: &Served, workflow: &str, customer: &str, cents: i64) {
    let input =
        json!({ "customer": customer, "payment": format!("P-{customer}"), "cents": cents, "to": "a@shop.example" });
    let started = served.post("/runs", &json!({ "workflow": workflow, "input": input })).await.unwrap();
    assert!(started["id"].is_string(), "{started}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_moments_are_two_clicks_away() {
    if !is_there() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let faults = Faults { mode: Treatment::DropAfter, ..Faults::default() };
    let mails = SmtpSink::open(&folder.path().join("mails"), 0, faults).await.unwrap();
    let well = Arc::new(AtomicBool::new(false));
    let environment = [("SMTP_URL", format!("smtp://{}", mails.address())), ("MODEL_URL", model(well.clone()).await)];
    tokio::spawn(mails.serve());
    let project = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("projects/moments");
    let served = Served::open_with(&program("surefoot"), &project, &environment).await.unwrap();
    start(&served, "refund", "Ada", 4_000).await;
    start(&served, "refund", "Bo", 60_000).await;
    start(&served, "refund", "Cy", 100).await;
    start(&served, "callback", "Dee", 1).await;
    start(&served, "twice", "Eli", 100).await;
    start(&served, "reply", "Fay", 1).await;
    start(&served, "reply", "Gus", 1).await;

    let browser = Browser::open(EYES[0]).await.unwrap();
    let driver = &browser.driver;
    driver.goto(&served.link).await.unwrap();
    be(driver, "ines").await;

    // What waits for me; and why this value.
    let mut way = Way::begin(driver, &served).await;
    way.on("Refund $40.00 of P-Ada to Ada").await;
    way.on("Where do these values come from?").await;
    way.says("the run's input, entry 1").await;
    other_values(Way::begin(driver, &served).await).await;
    // Approve one act.
    let mut way = Way::begin(driver, &served).await;
    way.on("Refund $40.00 of P-Ada to Ada").await;
    way.on("Approve").await;
    way.goes_well().await;
    // "My refund?" by business key.
    let mut way = Way::begin(driver, &served).await;
    way.write("q", "P-Cy").await;
    way.click(By::Css("form.search button")).await;
    way.goes_well().await;
    way.says("billing.refund").await;
    // Why denied.
    let mut way = Way::begin(driver, &served).await;
    way.on("customer Bo").await;
    way.says("refund.cap").await;
    way.says("policies/never/refund.cedar:1").await;
    way.says("Nobody gives back more than 500 dollars at once").await;
    // A budget raised.
    let mut way = Way::begin(driver, &served).await;
    way.on("customer Eli").await;
    way.write("amount", "2").await;
    way.on("Raise and resume").await;
    way.goes_well().await;
    // Hold all refunds.
    let mut way = Way::begin(driver, &served).await;
    way.click(By::LinkText("Holds")).await;
    way.write("scope", "tool:billing.refund").await;
    way.click(By::Css("button[value=hold]")).await;
    way.says("by ines").await;
    // A provider outage that is over: retry all.
    well.store(true, Ordering::SeqCst);
    retry_all(Way::begin(driver, &served).await).await;
    // An unknown effect resolved: what was retried has sent its letter, and the mail server said nothing.
    let mut way = Way::begin(driver, &served).await;
    way.on("letters.send").await;
    way.click(By::Css("input[value=not_performed]")).await;
    way.clicks -= 1; // A choice in a form, no way.
    way.write("reason", "the mail server's log has nothing").await;
    way.on("Record it").await;
    // Take over an angry customer.
    be(driver, "mia").await;
    let mut way = Way::begin(driver, &served).await;
    way.on("Call Dee, who is angry").await;
    way.on("I do it").await;
    way.says("You do it.").await;
    browser.close().await.unwrap();
}

/// What the rules say of other values stands beside them while they are typed, and nothing is decided by that.
async fn other_values(mut way: Way<'_>) {
    way.on("Refund $40.00 of P-Ada to Ada").await;
    way.click(By::Css("#change summary")).await;
    for (cents, said) in [("1000", "allow by all"), ("60000", "deny by refund.cap"), ("many", "no whole number")] {
        let field = way.driver.find(By::Id("answer.cents")).await.unwrap();
        field.clear().await.unwrap();
        field.send_keys(cents).await.unwrap();
        way.driver.find(By::XPath(format!("//*[@id='checked'][contains(., '{said}')]"))).await.unwrap();
        assert_eq!(field.prop("value").await.unwrap().as_deref(), Some(cents), "what is typed stays");
    }
}

/// All runs that failed of one cause are tried again.
async fn retry_all(mut way: Way<'_>) {
    way.on("Retry 2").await;
    way.on("Retry").await;
    way.says("2 runs told to retry").await;
}
