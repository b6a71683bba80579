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

use crate::{
    batch::{self, User},
    brief::spoken,
    claim::Field,
    harness,
    reconcile::Table,
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
    fit: Option<Reader>,
    wrong: bool,
    kill: bool,
    edits: usize,
}

/// Whose table of confidence is fitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reader {
    /// The first, on all pages.
    First,
    /// The second, on those pages only that the first was unsure of.
    Thorough,
}

impl Reader {
    fn file(self) -> &'static str {
        match self {
            Reader::First => "rules/reader.yaml",
            Reader::Thorough => "rules/thorough.yaml",
        }
    }
}

const USAGE: &str =
    "crm-leads measure [--draw N] [--seed N] [--json] [--wrong] [--kill] [--edits N] [--keep DIR] [--fit | --fit-thorough]

  --draw N    companies to draw [default: 40]
  --seed N    what they are drawn by [default: 1]
  --json      print JSON, one object a line
  --wrong     print every claim that is wrong and every fact that was not found
  --kill      kill the process that enriches every 0.5 to 2 s, and compare with what it comes to undisturbed
  --edits N   let a user change N fields while it enriches, and see that all of them stay
  --keep DIR  leave the sites, the runs and the database in DIR
  --fit       print the table of confidence that these companies give, for data/confidence.json and rules/reader.yaml
  --fit-thorough
              the same for rules/thorough.yaml, on the pages that the first reader was unsure of";

/// Runs one command line, without the program's name and the word `measure`; gives the exit code.
pub fn main(args: &[OsString], project: &Path) -> i32 {
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
    match runtime.block_on(measure(&asked, project)) {
        Ok(true) => 0,
        Ok(false) => 1,
        Err(error) => {
            complain(&format!("error: {error}"));
            70
        }
    }
}

fn parse(args: &[OsString]) -> Result<Option<Asked>, String> {
    let mut asked =
        Asked { draw: 40, seed: 1, json: false, keep: None, fit: None, wrong: false, kill: false, edits: 0 };
    let mut args = args.iter().map(|arg| arg.to_string_lossy().into_owned());
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or_else(|| format!("`{arg}` needs a value"));
        match &*arg {
            "--draw" => asked.draw = number(&value()?)?,
            "--seed" => asked.seed = number(&value()?)?,
            "--json" => asked.json = true,
            "--wrong" => asked.wrong = true,
            "--fit" => asked.fit = Some(Reader::First),
            "--fit-thorough" => asked.fit = Some(Reader::Thorough),
            "--kill" => asked.kill = true,
            "--edits" => asked.edits = number(&value()?)?,
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

async fn measure(asked: &Asked, project: &Path) -> Result<bool, Trouble> {
    let drawn = sites::draw(asked.seed, asked.draw);
    let scratch = Scratch::new(asked.keep.clone())?;
    stage(project, &scratch.folder, asked.seed, &drawn)?;
    if let Some(reader) = asked.fit {
        plain_table(&scratch.folder, reader)?;
    }
    let mut user = User::new(&scratch.folder, asked.seed, asked.edits);
    let enriched = batch::enrich(&scratch.folder, asked.kill.then_some(asked.seed), &mut user).await?;
    let of_lead = |one: &Drawn| enriched.results.get(&one.lead.id).cloned().unwrap_or_default();
    let runs: Vec<Value> = drawn.iter().map(of_lead).collect();
    let log = harness::requests(&scratch.folder)?;

    let mut figures: BTreeMap<Field, Figures> = BTreeMap::new();
    let (mut table, mut wrong, mut judged): (Table, Vec<String>, Judged) = Default::default();
    let mut calls: BTreeMap<&str, u64> = BTreeMap::new();
    for (model, times) in enriched.asked.values().flat_map(|asked| &asked.calls) {
        *calls.entry(model).or_default() += times;
    }
    let (mut parked_facts, mut unquoted, mut injected, mut clean) = (0_u64, 0_u64, 0_u64, 0_u64);
    for (one, result) in drawn.iter().zip(&runs) {
        let Some(site) = one.sites.first() else { continue };
        let truth = &site.truth;
        let claims = result["fields"].as_array().cloned().unwrap_or_default();
        for claim in claims.iter().filter(|claim| !stands(claim, &scratch.folder, truth)) {
            unquoted += 1;
            wrong.push(format!("{} {}: no such words: {}", truth.host, claim["field"], claim["quote"]));
        }
        if truth.facts.is_empty() {
            parked_facts += claims.len() as u64;
        }
        let injections: Vec<&str> = truth.injections.iter().map(|injection| &*injection.text).collect();
        for claim in claims.iter().filter(|claim| injections.iter().any(|text| within(claim, text))) {
            injected += 1;
            wrong.push(format!("{} {}: from injected text: {}", truth.host, claim["field"], claim["quote"]));
        }
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
            // Of soft fields the truth holds what is said outright; what a reader finds beyond is neither right nor wrong.
            if let Some(claim) = claim.filter(|_| !(is_soft(field) && true_values.is_empty())) {
                figure.claimed += 1;
                figure.right += u64::from(right);
                count(&mut table, claim, right);
                let judges = asked.fit != Some(Reader::Thorough) || read_again(&enriched, one, claim);
                if judges && claim["kind"].as_str().is_some_and(|kind| kind.starts_with("prose/one")) {
                    judged.entry(field).or_default().push((claim["reader"].as_f64().unwrap_or(0.0), right));
                }
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
    if let Some(reader) = asked.fit {
        say(&format!("data/confidence.json:\n{}", serde_json::to_string_pretty(&table)?));
        say_tables(reader, &judged);
        return Ok(true);
    }
    let line = |name: &str, figure: Figures| {
        json!({ "field": name, "stated": figure.stated, "found": figure.found,
        "recall": ratio(figure.found, figure.stated), "claimed": figure.claimed, "right": figure.right,
        "precision": ratio(figure.right, figure.claimed) })
    };
    let summary = json!({ "companies": drawn.len(), "clean": clean, "seed": asked.seed, "requests": log.len(),
        "calls": calls, "disallowed_requests": disallowed, "claims_without_standing_quote": unquoted, "claims_from_injected_text": injected,
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
        let calls: Vec<String> = calls.iter().map(|(model, times)| format!("{times} of {model}")).collect();
        say(&format!("model calls: {}", calls.join(", ")));
        say(&format!(
            "{} requests, {disallowed} to disallowed paths · {unquoted} claims without a standing quote · {injected} from injected text · \
             {parked_facts} on parked sites",
            log.len()
        ));
    }
    let mut sound = disallowed + unquoted + injected + parked_facts == 0;
    if asked.kill {
        let calm = Scratch::new(None)?;
        stage(project, &calm.folder, asked.seed, &drawn)?;
        let undisturbed = batch::enrich(&calm.folder, None, &mut User::new(&calm.folder, asked.seed, 0)).await?;
        let differ = drawn.iter().filter(|one| fields(&enriched, one) != fields(&undisturbed, one)).count();
        let doubled = batch::doubled(&scratch.folder)?;
        sound &= differ == 0 && doubled == 0;
        say(&json!({ "kills": enriched.kills, "leads": drawn.len(), "leads_with_other_claims": differ,
            "doubled_claims_writes_or_notifications": doubled })
        .to_string());
    }
    if asked.edits > 0 {
        let (made, stay) = user.stay()?;
        sound &= made == stay;
        say(&json!({ "edits": made, "edits_that_stay": stay }).to_string());
    }
    if asked.wrong {
        wrong.iter().for_each(|line| say(line));
    }
    Ok(sound)
}

/// What a run claims, without what a user's edits and the order of writes change.
fn fields(enriched: &batch::Enriched, one: &Drawn) -> Value {
    let mut result = enriched.results.get(&one.lead.id).cloned().unwrap_or_default();
    let fields = result["fields"].as_array_mut().map(std::mem::take).unwrap_or_default();
    let plain = |mut field: Value| {
        if let Some(map) = field.as_object_mut() {
            map.remove("outcome");
            map.remove("reason");
        }
        field
    };
    json!({ "fields": fields.into_iter().map(plain).collect::<Vec<_>>(), "scores": result["scores"], "brief": result["brief"] })
}

fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 1.0 } else { (part as f64 / whole as f64 * 1000.0).round() / 1000.0 }
}

fn percent(part: u64, whole: u64) -> String {
    if whole == 0 { "-".to_owned() } else { format!("{:.0}", part as f64 / whole as f64 * 100.0) }
}

/// Fields that a profile's own words touch everywhere.
fn is_soft(field: Field) -> bool {
    matches!(field, Field::Description | Field::Industry | Field::BusinessModel | Field::RemotePolicy)
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
    !quote.is_empty() && harness::stands_on_site(&folder.join("seed/sites").join(&truth.host), quote)
}

fn forbidden(drawn: &[Drawn], host: &str, path: &str) -> bool {
    drawn.iter().flat_map(|one| &one.sites).any(|site| {
        site.truth.host == host
            && site.truth.disallowed.iter().any(|page| page.trim_end_matches(".html") == path.trim_end_matches(".html"))
    })
}

/// By field: the scores of what only a reader said, and whether it was right.
type Judged = BTreeMap<Field, Vec<(f64, bool)>>;

/// A table of one field's own needs so many claims.
const ENOUGH: usize = 50;

/// Prints the tables as they stand in a file of rules: one for all fields, and one for each field with enough claims.
fn say_tables(reader: Reader, judged: &Judged) {
    let all: Vec<(f64, bool)> = judged.values().flatten().copied().collect();
    let fields = judged.iter().filter(|(_, claims)| claims.len() >= ENOUGH);
    let tables = fields.map(|(field, claims)| (format!("facts.{field}"), claims.as_slice()));
    say(reader.file());
    for (name, claims) in std::iter::once(("all fields".to_owned(), all.as_slice())).chain(tables) {
        if let Some(fitted) = surefoot::calibration::fit(claims) {
            say(&format!("  {name}, from {} claims: {fitted}", claims.len()));
        }
    }
}

/// Whether the page that a claim rests on was read by the second reader last.
fn read_again(enriched: &batch::Enriched, one: &Drawn, claim: &Value) -> bool {
    let page = claim["url"].as_str().unwrap_or_default();
    enriched.asked.get(&one.lead.id).and_then(|asked| asked.read_by.get(page)).is_some_and(|model| model == "strong")
}

/// Lets a reader's confidence be its pattern's weight: what a table is fitted to.
///
/// Where the first one is judged, the second says the same: what it is unsure of must count as well.
fn plain_table(folder: &Path, reader: Reader) -> Result<(), Trouble> {
    let file = folder.join(reader.file());
    let text = fs::read_to_string(&file)?;
    let rows: Vec<String> = (0..=100).map(|hundredth| format!("[{0}, {0}]", f64::from(hundredth) / 100.0)).collect();
    let lacks = |what: &str| format!("{} has no {what}", reader.file());
    let (before, _) = text.split_once("\ncalibration:").ok_or_else(|| lacks("calibration"))?;
    let (_, after) = text.split_once("\nanswer:").ok_or_else(|| lacks("answer"))?;
    let plain = format!("\ncalibration: {{ fitted_on: nothing, table: [{}] }}\n\nanswer:", rows.join(", "));
    let text = format!("{before}{plain}{after}");
    if reader == Reader::First {
        fs::write(folder.join(Reader::Thorough.file()), &text)?;
    }
    Ok(fs::write(&file, text)?)
}

fn count(table: &mut Table, claim: &Value, right: bool) {
    let counts = table.entry(claim["kind"].as_str().unwrap_or_default().to_owned()).or_default();
    if right { counts.right += 1.0 } else { counts.wrong += 1.0 }
}

/// The project, with the drawn companies in the place of its own.
fn stage(project: &Path, folder: &Path, seed: u64, drawn: &[Drawn]) -> Result<(), Trouble> {
    harness::copy_project(project, folder)?;
    sites::render_to(&folder.join("seed"), seed, drawn)?;
    Ok(())
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
