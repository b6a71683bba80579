//! `measure`: how much of what companies state is found, and how much of what is claimed is right, on companies drawn by a number.
//!
//! The companies are rendered into a folder of their own, the project's workflow runs on all of them as it would in earnest, and the
//! results are compared with the truth that the generator wrote. Nothing here is part of a run.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};
use surefoot::{Lookup, Surefoot};

use crate::{
    brief::spoken,
    claim::{Field, Method},
    natives,
    reconcile::{Table, kind},
    sites::{self, Drawn, Kind, Truth},
};

/// Anything that ends a measurement with one line.
type Trouble = Box<dyn std::error::Error + Send + Sync>;

/// What is measured.
struct Asked {
    draw: usize,
    seed: u64,
    json: bool,
    keep: Option<PathBuf>,
    fit: bool,
    wrong: bool,
}

const USAGE: &str = "crm-leads measure [--draw N] [--seed N] [--json] [--wrong] [--keep DIR] [--fit]

  --draw N    companies to draw [default: 40]
  --seed N    what they are drawn by [default: 1]
  --json      print JSON, one object a line
  --wrong     print every claim that is wrong and every fact that was not found
  --keep DIR  leave the sites, the runs and the database in DIR
  --fit       print the table of confidence that these companies give, for data/confidence.json";

/// Runs one command line, without the program's name and the word `measure`; gives the exit code.
pub fn main(args: &[OsString], project: &Path, environment: Lookup) -> i32 {
    let asked = match parse(args) {
        Ok(Some(asked)) => asked,
        Ok(None) => {
            say(USAGE);
            return 0;
        }
        Err(wrong) => {
            complain(&format!("error: {wrong}\n  try: crm-leads measure --help"));
            return 2;
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(&format!("error: the threads that do the work cannot be started: {error}"));
            return 74;
        }
    };
    match runtime.block_on(measure(&asked, project, environment)) {
        Ok(true) => 0,
        Ok(false) => 1,
        Err(error) => {
            complain(&format!("error: {error}"));
            70
        }
    }
}

fn parse(args: &[OsString]) -> Result<Option<Asked>, String> {
    let mut asked = Asked { draw: 40, seed: 1, json: false, keep: None, fit: false, wrong: false };
    let mut args = args.iter().map(|arg| arg.to_string_lossy().into_owned());
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or_else(|| format!("`{arg}` needs a value"));
        match &*arg {
            "--draw" => asked.draw = number(&value()?)?,
            "--seed" => asked.seed = number(&value()?)?,
            "--json" => asked.json = true,
            "--wrong" => asked.wrong = true,
            "--fit" => asked.fit = true,
            "--keep" => asked.keep = Some(value()?.into()),
            "-h" | "--help" => return Ok(None),
            other => return Err(format!("`{other}` is not known")),
        }
    }
    Ok(Some(asked))
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("`{text}` is no number"))
}

/// What was found of one field.
#[derive(Clone, Copy, Debug, Default)]
struct Figures {
    /// Companies whose prose states it.
    stated: u64,
    /// Of those, the ones for which a right claim was made.
    found: u64,
    /// Claims.
    claimed: u64,
    /// Right ones.
    right: u64,
}

async fn measure(asked: &Asked, project: &Path, environment: Lookup) -> Result<bool, Trouble> {
    let drawn = sites::draw(asked.seed, asked.draw);
    let scratch = Scratch::new(asked.keep.clone())?;
    stage(project, &scratch.folder, asked.seed, &drawn)?;
    let runs = enrich(&scratch.folder, &drawn, environment).await?;
    let log: Vec<(String, String)> = Vec::new();

    let mut figures: BTreeMap<Field, Figures> = BTreeMap::new();
    let (mut table, mut wrong): (Table, Vec<String>) = (Table::new(), Vec::new());
    let (mut parked_facts, mut unquoted, mut injected, mut clean) = (0_u64, 0_u64, 0_u64, 0_u64);
    for (one, result) in drawn.iter().zip(&runs) {
        let Some(site) = one.sites.first() else { continue };
        let truth = &site.truth;
        let claims = result["fields"].as_array().cloned().unwrap_or_default();
        unquoted += claims.iter().filter(|claim| !stands(claim, &scratch.folder, truth)).count() as u64;
        if truth.facts.is_empty() {
            parked_facts += claims.len() as u64;
        }
        let injections: Vec<&str> = truth.injections.iter().map(|injection| &*injection.text).collect();
        injected += claims.iter().filter(|claim| injections.iter().any(|text| within(claim, text))).count() as u64;
        if !truth.odd.is_empty() {
            continue;
        }
        clean += 1;
        for field in Field::ALL {
            let true_values = values(truth, field);
            let claim = claims.iter().find(|claim| claim["field"] == field.as_str());
            let figure = figures.entry(field).or_default();
            let right =
                claim.is_some_and(|claim| true_values.iter().any(|value| same(field, &claim["value"], value, truth)));
            if truth.facts.iter().any(|fact| of(fact.field) == Some(field) && fact.kind == Kind::Prose) {
                figure.stated += 1;
                figure.found += u64::from(right);
                if !right {
                    let quote =
                        truth.facts.iter().find(|fact| of(fact.field) == Some(field) && fact.kind == Kind::Prose);
                    wrong.push(format!("{} {field}: not found: {}", truth.host, quote.map_or("", |fact| &fact.quote)));
                }
            }
            if let Some(claim) = claim {
                figure.claimed += 1;
                figure.right += u64::from(right);
                count(&mut table, claim, right);
                if !right {
                    wrong.push(format!(
                        "{} {field}: claimed {} by “{}”",
                        truth.host,
                        spoken(&claim["value"]),
                        claim["quote"].as_str().unwrap_or("")
                    ));
                }
            }
        }
    }
    let disallowed = log.iter().filter(|request| forbidden(&drawn, &request.0, &request.1)).count() as u64;
    let total = figures.values().fold(Figures::default(), |sum, one| Figures {
        stated: sum.stated + one.stated,
        found: sum.found + one.found,
        claimed: sum.claimed + one.claimed,
        right: sum.right + one.right,
    });
    if asked.fit {
        say(&serde_json::to_string_pretty(&table)?);
        return Ok(true);
    }
    let line = |name: &str, figure: Figures| {
        json!({ "field": name, "stated": figure.stated, "found": figure.found,
        "recall": ratio(figure.found, figure.stated), "claimed": figure.claimed, "right": figure.right,
        "precision": ratio(figure.right, figure.claimed) })
    };
    let summary = json!({ "companies": drawn.len(), "clean": clean, "seed": asked.seed, "requests": log.len(),
        "disallowed_requests": disallowed, "claims_without_standing_quote": unquoted, "claims_from_injected_text": injected,
        "claims_on_parked_sites": parked_facts, "recall": ratio(total.found, total.stated),
        "precision": ratio(total.right, total.claimed) });
    if asked.json {
        figures.iter().for_each(|(field, figure)| say(&line(field.as_str(), *figure).to_string()));
        say(&summary.to_string());
    } else {
        say(&format!(
            "{:<18}{:>8}{:>8}{:>9}{:>10}{:>8}{:>11}",
            "field", "stated", "found", "recall", "claimed", "right", "precision"
        ));
        for (name, figure) in figures.iter().map(|(field, figure)| (field.as_str(), *figure)).chain([("all", total)]) {
            say(&format!(
                "{name:<18}{:>8}{:>8}{:>8} %{:>10}{:>8}{:>9} %",
                figure.stated,
                figure.found,
                percent(figure.found, figure.stated),
                figure.claimed,
                figure.right,
                percent(figure.right, figure.claimed)
            ));
        }
        say(&format!("{clean} clean sites of {} companies drawn by {}", drawn.len(), asked.seed));
        say(&format!(
            "{} requests, {disallowed} to disallowed paths · {unquoted} claims without a standing quote · {injected} from injected text · \
             {parked_facts} on parked sites",
            log.len()
        ));
    }
    if asked.wrong {
        wrong.iter().for_each(|line| say(line));
    }
    Ok(disallowed + unquoted + injected + parked_facts == 0)
}

fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 1.0 } else { (part as f64 / whole as f64 * 1000.0).round() / 1000.0 }
}

fn percent(part: u64, whole: u64) -> String {
    if whole == 0 { "-".to_owned() } else { format!("{:.0}", part as f64 / whole as f64 * 100.0) }
}

/// The field of the truth in our words.
fn of(field: sites::Field) -> Option<Field> {
    Field::parse(&field.to_string())
}

fn values(truth: &Truth, field: Field) -> Vec<Value> {
    truth.facts.iter().filter(|fact| of(fact.field) == Some(field)).map(|fact| fact.value.clone()).collect()
}

/// Whether a claim says what the truth says.
fn same(field: Field, claimed: &Value, truth: &Value, site: &Truth) -> bool {
    let text = |value: &Value| value.as_str().unwrap_or_default().trim().trim_end_matches(['.', '/']).to_lowercase();
    match field {
        Field::Technologies => {
            // Every one of them must be true, or named without being stated.
            let known: Vec<String> = site
                .facts
                .iter()
                .filter(|fact| fact.field == sites::Field::Technologies)
                .flat_map(|fact| fact.value.as_array().cloned().unwrap_or_else(|| vec![fact.value.clone()]))
                .map(|name| text(&name))
                .chain(site.mentions.technologies.iter().map(|name| name.to_lowercase()))
                .collect();
            let items = claimed.as_array().cloned().unwrap_or_default();
            !items.is_empty() && items.iter().all(|item| known.contains(&text(item)))
        }
        Field::OpenRoles => {
            let known: Vec<String> = site
                .facts
                .iter()
                .filter(|fact| fact.field == sites::Field::OpenRoles)
                .map(|fact| text(&fact.value["title"]))
                .collect();
            let items = claimed.as_array().cloned().unwrap_or_default();
            !items.is_empty() && items.iter().all(|item| known.contains(&text(item)))
        }
        Field::Description => {
            let (one, other) = (text(claimed), text(truth));
            one == other || (one.len() > 20 && other.contains(&one)) || (other.len() > 20 && one.contains(&other))
        }
        Field::HeadcountRange => {
            let end = |value: &Value, key: &str| value.get(key).and_then(Value::as_i64);
            end(claimed, "min") == end(truth, "min") && end(claimed, "max") == end(truth, "max")
        }
        Field::FoundedYear => claimed.as_i64() == truth.as_i64(),
        _ => text(claimed) == text(truth),
    }
}

fn within(claim: &Value, injected: &str) -> bool {
    let quote = claim["quote"].as_str().unwrap_or_default();
    !quote.is_empty() && crate::verify::stands(quote, injected).is_some()
}

/// Whether the claim's quote stands in a file of its host: looked for in the rendered site, not in what a run stored.
fn stands(claim: &Value, folder: &Path, truth: &Truth) -> bool {
    let quote = claim["quote"].as_str().unwrap_or_default();
    !quote.is_empty() && crate::harness::stands_on_site(&folder.join("seed/sites").join(&truth.host), quote)
}

fn forbidden(drawn: &[Drawn], host: &str, path: &str) -> bool {
    drawn.iter().flat_map(|one| &one.sites).any(|site| {
        site.truth.host == host
            && site.truth.disallowed.iter().any(|page| page.trim_end_matches(".html") == path.trim_end_matches(".html"))
    })
}

fn count(table: &mut Table, claim: &Value, right: bool) {
    let kind = claim["kind"].as_str().map_or_else(|| kind(Method::Prose, false, false), str::to_owned);
    let counts = table.entry(kind).or_default();
    if right { counts.right += 1.0 } else { counts.wrong += 1.0 }
}

/// The project, with the drawn companies in the place of its own.
fn stage(project: &Path, folder: &Path, seed: u64, drawn: &[Drawn]) -> Result<(), Trouble> {
    crate::harness::copy_project(project, folder)?;
    sites::render_to(&folder.join("seed"), seed, drawn)?;
    Ok(())
}

/// Enriches every lead; gives their results in order.
async fn enrich(folder: &Path, drawn: &[Drawn], environment: Lookup) -> Result<Vec<Value>, Trouble> {
    let builder = Surefoot::builder().environment(environment).project(folder).data_dir(folder.join(".surefoot"));
    let surefoot = natives::register(builder).build()?;
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = surefoot.clone();
    let worker = tokio::spawn(async move {
        let shutdown = async {
            // Sent or dropped: both mean that all is done.
            let _ = stopped.await;
        };
        serving.serve(shutdown).await
    });
    let mut started = Vec::new();
    for one in drawn {
        let input = surefoot::Value::from_json(&serde_json::to_vec(&one.lead)?)?;
        started.push(surefoot.start("enrich", input).await?.run);
    }
    let mut results = Vec::new();
    for run in started {
        let ended = surefoot.runtime().finished(run).await?;
        match ended.result {
            Some(result) => results.push(serde_json::from_slice(&result.to_jcs())?),
            None => return Err(format!("run {run} ended without a result: {:?}", ended.failure).into()),
        }
    }
    drop(stop);
    worker.await??;
    Ok(results)
}

/// A folder that goes away, unless somebody wants to keep it.
struct Scratch {
    folder: PathBuf,
    _own: Option<tempfile::TempDir>,
}

impl Scratch {
    fn new(keep: Option<PathBuf>) -> io::Result<Scratch> {
        match keep {
            Some(folder) => {
                fs::create_dir_all(&folder)?;
                Ok(Scratch { folder, _own: None })
            }
            None => {
                let own = tempfile::tempdir()?;
                Ok(Scratch { folder: own.path().to_owned(), _own: Some(own) })
            }
        }
    }
}

#[expect(clippy::print_stdout, reason = "the figures are what it is for")]
fn say(text: &str) {
    println!("{text}");
}

#[expect(clippy::print_stderr, reason = "the one place where it complains")]
fn complain(text: &str) {
    eprintln!("{text}");
}
