//! `measure`: how often the classifier is right on `data/banking77/test.csv`, which nothing was learnt from.

use std::{collections::BTreeMap, ffi::OsString, path::Path};

use serde_json::json;
use surefoot::{Sources, Value, rules::Rules};

use crate::{
    banking::{self, Split},
    fit,
};

/// Below this confidence the workflow calls an answer unsure, and a person sorts the message.
pub const SURE: f64 = 0.7;

const USAGE: &str = "support-desk measure [--every N] [--sure P] [--json] [--wrong]

  --every N   take every Nth message of data/banking77/test.csv [default: 1]
  --sure P    the confidence from which an answer counts as given [default: 0.7, as in the workflow]
  --json      print JSON, one object a line
  --wrong     print each message that is answered and put in the wrong place";

struct Asked {
    every: usize,
    sure: f64,
    json: bool,
    wrong: bool,
}

/// How many intents are named for which it does worst.
const WORST: usize = 5;

/// What came of one category, or of all.
#[derive(Clone, Copy, Debug, Default)]
struct Figures {
    /// Messages that belong there.
    messages: u64,
    /// Of these, put there, sure or not.
    right: u64,
    /// Of these, answered surely.
    sure: u64,
    /// Of those, put there.
    sure_right: u64,
    /// Of all messages, put there surely.
    given: u64,
}

/// Runs one command line, without the program's name and the word `measure`; gives the exit code.
pub fn main(args: &[OsString], project: &Path) -> i32 {
    let asked = match parse(args) {
        Ok(Some(asked)) => asked,
        Ok(None) => {
            say(USAGE);
            return 0;
        }
        Err(wrong) => {
            complain(&format!("error: {wrong}\n  try: support-desk measure --help"));
            return 2;
        }
    };
    match measure(&asked, project) {
        Ok(()) => 0,
        Err(error) => {
            complain(&format!("error: {error}"));
            70
        }
    }
}

fn parse(args: &[OsString]) -> Result<Option<Asked>, String> {
    let mut asked = Asked { every: 1, sure: SURE, json: false, wrong: false };
    let mut args = args.iter().map(|arg| arg.to_string_lossy().into_owned());
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or_else(|| format!("`{arg}` needs a value"));
        match &*arg {
            "--every" => {
                let text = value()?;
                asked.every =
                    text.parse().ok().filter(|every| *every > 0).ok_or(format!("`{text}` is no number from 1"))?;
            }
            "--sure" => {
                let text = value()?;
                let share = text.parse().ok().filter(|share| (0.0..=1.0).contains(share));
                asked.sure = share.ok_or(format!("`{text}` is no number from 0 to 1"))?;
            }
            "--json" => asked.json = true,
            "--wrong" => asked.wrong = true,
            "-h" | "--help" => return Ok(None),
            other => return Err(format!("`{other}` is not known")),
        }
    }
    Ok(Some(asked))
}

fn measure(asked: &Asked, project: &Path) -> Result<(), String> {
    let test = banking::read(project, Split::Test)?;
    let sources = surefoot::project::read(project, false).map_err(|error| error.to_string())?;
    let (rules, alarm) = (rules(&sources, fit::FILE)?, rules(&sources, "rules/alarm.yaml")?);
    let mut figures: BTreeMap<String, Figures> = BTreeMap::new();
    let mut intents: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    let (mut wrong, mut alarms) = (Vec::new(), 0_u64);
    for one in test.iter().step_by(asked.every) {
        let answer = ask(&rules, &one.text)?;
        let category = answer.get("category").and_then(Value::as_str).unwrap_or_default().to_owned();
        let sure = number(answer.get("confidence")) >= asked.sure;
        let right = category == one.category;
        let intent = intents.entry(&one.intent).or_default();
        *intent = (intent.0 + 1, intent.1 + u64::from(right));
        let figure = figures.entry(one.category.clone()).or_default();
        figure.messages += 1;
        figure.right += u64::from(right);
        figure.sure += u64::from(sure);
        figure.sure_right += u64::from(sure && right);
        if sure && !right {
            wrong.push(format!("{} for {} ({}): {}", category, one.category, one.intent, one.text));
        }
        figures.entry(category).or_default().given += u64::from(sure);
        alarms += u64::from(is_alarming(&ask(&alarm, &one.text)?));
    }
    let total = figures.values().fold(Figures::default(), |sum, one| Figures {
        messages: sum.messages + one.messages,
        right: sum.right + one.right,
        sure: sum.sure + one.sure,
        sure_right: sum.sure_right + one.sure_right,
        given: sum.given + one.given,
    });
    let mut worst: Vec<(&str, (u64, u64))> = intents.into_iter().collect();
    worst.sort_by(|(a, (all, right)), (b, (others, good))| (right * others, a).cmp(&(good * all, b)));
    worst.truncate(WORST);
    let lines = figures.iter().map(|(name, figure)| (&**name, *figure)).chain([("all", total)]);
    if asked.json {
        for (name, one) in lines {
            say(&json!({ "category": name, "messages": one.messages, "accuracy": ratio(one.right, one.messages),
                "sure_from": asked.sure, "coverage": ratio(one.sure, one.messages),
                "accuracy_of_sure": ratio(one.sure_right, one.sure), "precision_of_sure": ratio(one.sure_right, one.given),
                "answered": one.sure, "answered_right": one.sure_right })
            .to_string());
        }
        for (intent, (messages, right)) in worst {
            say(&json!({ "intent": intent, "messages": messages, "accuracy": ratio(right, messages) }).to_string());
        }
        say(&json!({ "alarms": alarms, "messages": total.messages }).to_string());
    } else {
        say(&format!(
            "{:<12}{:>9}{:>11}{:>12}{:>22}{:>23}",
            "category", "messages", "accuracy", "answered", "right of answered", "right of put there"
        ));
        for (name, one) in lines {
            say(&format!(
                "{name:<12}{:>9}{:>9} %{:>10} %{:>20} %{:>21} %",
                one.messages,
                percent(one.right, one.messages),
                percent(one.sure, one.messages),
                percent(one.sure_right, one.sure),
                percent(one.sure_right, one.given)
            ));
        }
        say(&format!(
            "answered: with a confidence of at least {}; {} of {} messages are left to a person",
            asked.sure,
            total.messages - total.sure,
            total.messages
        ));
        for (intent, (messages, right)) in worst {
            say(&format!("worst: {intent}, {right} of {messages} right"));
        }
        say(&format!("alarm: {alarms} of {} messages would be handed over before any model", total.messages));
    }
    if asked.wrong {
        wrong.iter().for_each(|line| say(line));
    }
    Ok(())
}

/// The rules of a file of the project.
///
/// # Errors
/// All that is wrong with it.
pub fn rules(sources: &Sources, file: &str) -> Result<Rules, String> {
    Rules::parse(&file.into(), sources)
        .map_err(|complaints| complaints.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
}

/// What rules answer to a message without a subject.
///
/// # Errors
/// As [`Rules::answer`].
pub fn ask(rules: &Rules, body: &str) -> Result<Value, String> {
    rules.answer(&message(body)).map_err(|failure| failure.detail.to_string())
}

/// The category that a message without a subject is put in, with its score before any table.
///
/// # Errors
/// As [`Rules::scored`].
pub fn scored(rules: &Rules, body: &str) -> Result<(String, f64), String> {
    let all = rules.scored(&message(body)).map_err(|failure| failure.detail.to_string())?;
    let one = all.iter().find(|one| one.name == "category").ok_or("the rules decide no category")?;
    Ok((one.value.as_str().unwrap_or_default().to_owned(), one.score))
}

fn message(body: &str) -> Value {
    Value::map([("subject", Value::text("")), ("body", Value::text(body))])
}

/// What the guard of the workflow looks at.
fn is_alarming(alarm: &Value) -> bool {
    let is = |name: &str| alarm.get(name) == Some(&Value::Bool(true));
    number(alarm.get("anger")) >= 0.7 || is("asks_for_person") || is("legal_or_safety")
}

fn number(value: Option<&Value>) -> f64 {
    match value {
        Some(Value::Float(number)) => *number,
        #[expect(clippy::cast_precision_loss, reason = "0 or 1: held by the schemas")]
        Some(Value::Int(number)) => *number as f64,
        _ => 0.0,
    }
}

#[expect(clippy::cast_precision_loss, reason = "a few thousand messages")]
fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { (part as f64 / whole as f64 * 10_000.0).round() / 10_000.0 }
}

fn percent(part: u64, whole: u64) -> String {
    if whole == 0 { "-".to_owned() } else { format!("{:.1}", ratio(part, whole) * 100.0) }
}

#[expect(clippy::print_stdout, reason = "the figures are what it is for")]
fn say(text: &str) {
    println!("{text}");
}

#[expect(clippy::print_stderr, reason = "the one place where it complains")]
fn complain(text: &str) {
    eprintln!("{text}");
}
