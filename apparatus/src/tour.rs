//! A walk past every page of both applications, and of a project with whatever can need a person: something stands on each.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::{Value as Json, json};
use thirtyfour::{By, components::SelectElement};
use tokio::net::TcpListener;

use crate::{
    browser::{Browser, Served},
    smtp::{Faults, SmtpSink, Treatment},
    victim::Trouble,
};

/// A project that is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum House {
    /// The support desk of the demonstration.
    Desk,
    /// The CRM of the demonstration.
    Leads,
    /// `apparatus/projects/moments`.
    Moments,
}

/// A page with something on it.
#[derive(Clone, Debug)]
pub struct Place {
    /// As its template is called, or more than that.
    pub name: &'static str,
    /// Below the base.
    pub path: String,
}

/// A project that is served, and its places.
pub struct Standing {
    house: House,
    /// Ends with it.
    pub served: Served,
    /// In the order of a walk.
    pub places: Vec<Place>,
    _mails: Option<tempfile::TempDir>,
}

impl Standing {
    /// Comes in with a browser, as somebody of the project, and does what only a browser can.
    ///
    /// # Errors
    /// A page is not as it is looked for.
    pub async fn enter(&mut self, browser: &Browser) -> Result<(), Trouble> {
        let driver = &browser.driver;
        let person = match self.house {
            House::Desk => "sam",
            House::Leads => "rosa",
            House::Moments => "ines",
        };
        driver.goto(&self.served.link).await?;
        SelectElement::new(&driver.find(By::Id("person")).await?).await?.select_by_value(person).await?;
        driver.find(By::Css(format!("option[value={person}]:checked"))).await?;
        match self.house {
            House::Desk => {}
            House::Leads => {
                let file = self.served.folder.join("leads.csv");
                fs::write(&file, LEADS)?;
                driver.goto(format!("{}/app/imports", self.served.base)).await?;
                driver.find(By::Id("file")).await?.send_keys(file.display().to_string()).await?;
                driver.find(By::Css("main button.good")).await?.click().await?;
                driver.find(By::Css("main table")).await?;
                self.places.push(place("import", driver.current_url().await?.path()));
            }
            House::Moments => {
                driver.goto(format!("{}/workflows/callback", self.served.base)).await?;
                let link = driver.find(By::PartialLinkText("what changed")).await?.attr("href").await?;
                self.places.push(place("changes", link.unwrap_or_default()));
            }
        }
        Ok(())
    }
}

/// A file with something of everything.
const LEADS: &str =
    "Company,Website,Email\nKonkurenta,konkurenta.test,\nNew Ones,new-ones.test,ann@new-ones.test\n,nameless.test,\n";

impl House {
    /// All of them.
    pub const ALL: [House; 3] = [House::Desk, House::Leads, House::Moments];

    /// As pictures name it.
    pub fn name(self) -> &'static str {
        match self {
            House::Desk => "support-desk",
            House::Leads => "crm-leads",
            House::Moments => "moments",
        }
    }
}

fn place(name: &'static str, path: impl Into<String>) -> Place {
    Place { name, path: path.into() }
}

/// Starts a project, does a few things in it, and says where to look.
///
/// # Errors
/// It does not start, or does not come to what is looked for.
pub async fn open(house: House) -> Result<Standing, Trouble> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let program = std::env::current_exe()?;
    // A test stands in `deps`, beside the programs' folder.
    let folder = program.parent().ok_or("this program has no folder")?;
    let folder = if folder.ends_with("deps") { folder.parent().unwrap_or(folder) } else { folder };
    match house {
        House::Desk => {
            let app = here.join("../apps/support-desk");
            let served = Served::open(&folder.join("support-desk"), &app).await?;
            let places = desk(&served, &app).await?;
            Ok(Standing { house, served, places, _mails: None })
        }
        House::Leads => {
            let app = here.join("../apps/crm-leads");
            let served = Served::open(&folder.join("crm-leads"), &app).await?;
            let places = leads(&served, &app).await?;
            Ok(Standing { house, served, places, _mails: None })
        }
        House::Moments => {
            let project = here.join("projects/moments");
            let (environment, mails) = outside().await?;
            let served = Served::open_with(&folder.join("surefoot"), &project, &environment).await?;
            let places = moments(&served).await?;
            Ok(Standing { house, served, places, _mails: Some(mails) })
        }
    }
}

/// A mail server that says nothing after it has taken a mail, and a port where no model is.
async fn outside() -> Result<([(&'static str, String); 2], tempfile::TempDir), Trouble> {
    let folder = tempfile::tempdir()?;
    let faults = Faults { mode: Treatment::DropAfter, ..Faults::default() };
    let mails = SmtpSink::open(&folder.path().join("mails"), 0, faults).await?;
    let closed = TcpListener::bind(("127.0.0.1", 0)).await?.local_addr()?;
    let environment =
        [("SMTP_URL", format!("smtp://{}", mails.address())), ("MODEL_URL", format!("http://{closed}/v1"))];
    tokio::spawn(mails.serve());
    Ok((environment, folder))
}

/// Asks the API until it says what is looked for.
async fn until<T>(served: &Served, path: &str, find: impl Fn(&Json) -> Option<T>) -> Result<T, Trouble> {
    for _ in 0..600 {
        if let Some(found) = find(&served.get(path).await?) {
            return Ok(found);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Err(format!("{path} does not come to what is looked for: {}", served.get(path).await?).into())
}

fn text(value: &Json, key: &str) -> String {
    value[key].as_str().unwrap_or_default().to_owned()
}

/// The number of a run's first entry that says this.
async fn entry(served: &Served, run: &str, event: &str) -> Result<u64, Trouble> {
    until(served, &format!("/runs/{run}/entries?limit=500"), |said| {
        let entries = said["entries"].as_array()?;
        entries.iter().find(|entry| entry["kind"] == event)?["seq"].as_u64()
    })
    .await
}

async fn start(served: &Served, workflow: &str, input: &Json) -> Result<String, Trouble> {
    let started = served.post("/runs", &json!({ "workflow": workflow, "input": input })).await?;
    let run = text(&started, "id");
    if run.is_empty() { Err(format!("{workflow} does not start: {started}").into()) } else { Ok(run) }
}

fn read(path: PathBuf) -> Result<Json, Trouble> {
    Ok(serde_json::from_str(&fs::read_to_string(path)?)?)
}

async fn desk(served: &Served, app: &Path) -> Result<Vec<Place>, Trouble> {
    let mut large = String::new();
    for mail in ["technical", "refund-30", "complaint", "angry", "bulk", "refund-620"] {
        large = start(served, "support-email", &read(app.join(format!("seed/{mail}.json")))?).await?;
    }
    let asked = until(served, "/approvals", |said| {
        let all = said["approvals"].as_array()?;
        let refund = all.iter().find(|one| text(one, "step") == "refund")?;
        (all.len() >= 4).then(|| (text(refund, "id"), text(refund, "run")))
    });
    let (approval, billing) = asked.await?;
    let done = until(served, "/runs?workflow=billing&status=completed", |said| {
        Some(text(said["runs"].as_array()?.first()?, "id"))
    });
    let done = done.await?;
    served.post("/holds", &json!({ "scope": "tool:letters.escalate", "reason": "the list of team leads is being changed", "as": "sam" })).await?;
    let judged = entry(served, &billing, "approval_requested").await?;
    let shown = entry(served, &large, "model_asked").await?;
    Ok(vec![
        place("attention", "/"),
        place("runs", "/runs"),
        place("search", "/search?q=C-1001"),
        place("run", format!("/runs/{billing}")),
        place("decision", format!("/runs/{billing}?entry={judged}#entry")),
        place("shown", format!("/runs/{large}/shown/{shown}")),
        place("why", format!("/runs/{billing}/why?step=assess")),
        place("evidence", format!("/runs/{done}/evidence")),
        place("approvals", "/approvals"),
        place("approval", format!("/approvals/{approval}")),
        place("money", "/money"),
        place("holds", "/holds"),
        place("workflows", "/workflows"),
        place("workflow", "/workflows/support-email"),
        place("policies", "/policies"),
        place("try", "/policies/try"),
        place("failed", "/runs/run_of_nobody"),
        place("reference", "/api/v1/docs"),
    ])
}

async fn leads(served: &Served, app: &Path) -> Result<Vec<Place>, Trouble> {
    let mut first = String::new();
    for name in ["ambaum", "airbyte", "konkurenta"] {
        let lead = read(app.join(format!("seed/leads/{name}.json")))?;
        let run = start(served, "enrich", &lead).await?;
        until(served, &format!("/runs/{run}"), |said| (text(said, "status") == "completed").then_some(())).await?;
        first = text(&lead, "id");
    }
    Ok(vec![
        place("attention", "/"),
        place("leads", "/app/leads"),
        place("lead", format!("/app/leads/{first}")),
        place("source", "/app/sources/1"),
        place("add", "/app/leads/new"),
        place("review", "/app/review"),
        place("imports", "/app/imports"),
        place("news", "/app/news"),
        place("workflow", "/workflows/enrich"),
    ])
}

async fn moments(served: &Served) -> Result<Vec<Place>, Trouble> {
    for (workflow, customer, cents) in [
        ("refund", "Ada", 4_000),
        ("refund", "Bo", 60_000),
        ("callback", "Dee", 1),
        ("twice", "Eli", 100),
        ("reply", "Fay", 1),
        ("letter", "Gus", 1),
    ] {
        let input =
            json!({ "customer": customer, "payment": format!("P-{customer}"), "cents": cents, "to": "a@shop.example" });
        start(served, workflow, &input).await?;
    }
    // Its next version, and a run of it.
    let version = async || -> Result<String, Trouble> {
        until(served, "/workflows?workflow=callback&runs=0", |said| Some(text(&said["workflows"][0], "version"))).await
    };
    let (before, file) = (version().await?, served.folder.join("workflows/callback.yaml"));
    fs::write(&file, fs::read_to_string(&file)?.replace("timeout: 2d", "timeout: 1d"))?;
    while version().await? == before {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    start(served, "callback", &json!({ "customer": "Hal", "payment": "P-Hal", "cents": 1, "to": "a@shop.example" }))
        .await?;
    let work = until(served, "/work", |said| Some(text(said["work"].as_array()?.first()?, "id"))).await?;
    let unknown = until(served, "/effects?unknown=true", |said| {
        let one = said["effects"].as_array()?.first()?;
        Some(format!("/effects/{}?step={}", one["run"].as_str()?, one["step"].as_str()?))
    });
    let unknown = unknown.await?;
    let asked = until(served, "/approvals", |said| Some(text(said["approvals"].as_array()?.first()?, "id"))).await?;
    let short =
        until(served, "/runs?status=paused", |said| Some(text(said["runs"].as_array()?.first()?, "id"))).await?;
    Ok(vec![
        place("attention", "/"),
        place("work", "/work"),
        place("work_item", format!("/work/{work}")),
        place("effects", "/effects"),
        place("effect", unknown),
        place("paused", format!("/runs/{short}")),
        // The browser unfolds what the address leads into.
        place("change", format!("/approvals/{asked}#answer.cents")),
    ])
}
