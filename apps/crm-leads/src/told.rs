//! What a stranger reads when a run has ended.

use std::fmt::Write as _;

use serde_json::Value;
use surefoot::cli::Told;

use crate::brief::spoken;

/// Fields beyond these, and sentences beyond these, are counted.
const MOST: usize = 20;

/// The lines about a run; none if it has no result.
pub fn lines(told: &Told<'_>) -> Vec<String> {
    let Some(result) = told.result.and_then(|result| serde_json::from_slice::<Value>(&result.to_jcs()).ok()) else {
        return Vec::new();
    };
    let mut lines = enriched(&result);
    let seen = told.seen;
    if seen.calls > 0 {
        let less = seen.everything as f64 / seen.shown.max(1) as f64;
        lines.push(format!(
            "models  {} calls were shown {} tokens; with everything that was known it would have been {}, {less:.1} times as many",
            seen.calls,
            grouped(seen.shown),
            grouped(seen.everything)
        ));
    }
    lines.push(match seen.billed {
        0 => "money   $0.00: no model billed a token; put a language model in surefoot.yaml, and nothing else changes"
            .to_owned(),
        billed => format!("money   {} tokens were billed; what they cost is not known here", grouped(billed)),
    });
    let (call, run, place) = (told.call, told.run, told.place);
    let next = [
        format!("{call} runs why {run} brief{place}        # what the analyst was shown: claims, and no page"),
        format!("{call} runs why {run} 'documents[0]/reading'{place}"),
        format!("{call} measure --draw 40 --seed N      # other companies, drawn by a number of yours"),
    ];
    lines.extend(
        next.into_iter()
            .enumerate()
            .map(|(at, line)| format!("{} {line}", if at == 0 { "try    " } else { "       " })),
    );
    lines
}

/// The lead: each field with how sure and whose words, then what was not believed, and what is left to a person.
pub fn enriched(result: &Value) -> Vec<String> {
    let list = |key: &str| result[key].as_array().cloned().unwrap_or_default();
    let text = |value: &Value, key: &str| value[key].as_str().unwrap_or_default().to_owned();
    let mut lines = vec![
        format!("lead    {}: {}", text(result, "company"), text(result, "status").replace('_', " ")),
        format!(
            "site    {} ({} of {} pages)",
            text(result, "site_reason"),
            result["pages_read"].as_u64().unwrap_or(0),
            result["pages_asked"].as_u64().unwrap_or(0)
        ),
    ];
    let fields = list("fields");
    for field in fields.iter().take(MOST) {
        let name = text(field, "field");
        let sure = field["confidence"].as_f64().unwrap_or(0.0) * 100.0;
        let mark = match &*text(field, "outcome") {
            "applied" => "✓",
            "kept" => "=",
            _ => "?",
        };
        lines.push(format!(
            "  {mark} {name:<16} {:<34} {sure:>3.0} %  “{}”",
            cut(&spoken(&field["value"]), 34),
            cut(&text(field, "quote"), 60)
        ));
        let mut about = format!("{:22}{}", "", text(field, "url"));
        for conflict in field["conflicts"].as_array().into_iter().flatten() {
            let _ = write!(about, " · another page says {}", cut(&spoken(conflict), 30));
        }
        if text(field, "outcome") != "applied" {
            let _ = write!(about, " · left to a person: {}", text(field, "reason"));
        }
        lines.push(about);
    }
    let missing: Vec<String> = list("missing").iter().filter_map(Value::as_str).map(str::to_owned).collect();
    if !missing.is_empty() {
        lines.push(format!("unknown {}", missing.join(", ")));
    }
    for score in list("scores") {
        let (low, high) = (&score["range"][0], &score["range"][1]);
        let parts = score["parts"].as_array().cloned().unwrap_or_default();
        let parts: Vec<String> = parts
            .iter()
            .map(|part| format!("{:+} {}", part["points"].as_i64().unwrap_or(0), text(part, "label")))
            .collect();
        lines.push(format!(
            "{:<7} {} of 100, between {low} and {high}: {}",
            text(&score, "axis"),
            score["score"],
            parts.join(", ")
        ));
    }
    for (at, sentence) in result["brief"]["sentences"].as_array().into_iter().flatten().take(MOST).enumerate() {
        let ids: Vec<&str> = sentence["claim_ids"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        lines.push(format!(
            "{} {} [{}]",
            if at == 0 { "brief  " } else { "       " },
            text(sentence, "text"),
            ids.join(" ")
        ));
    }
    for refused in result["brief"]["refused"].as_array().into_iter().flatten().take(3) {
        lines.push(format!("refused “{}”: {}", cut(&text(refused, "text"), 60), text(refused, "reason")));
    }
    let dropped = list("dropped");
    for fact in dropped.iter().take(4) {
        lines.push(format!(
            "dropped {} {}: {}",
            text(fact, "field"),
            cut(&spoken(&fact["value"]), 30),
            text(fact, "reason")
        ));
    }
    if dropped.len() > 4 {
        lines.push(format!("        and {} more", dropped.len() - 4));
    }
    for line in list("instructions").iter().take(3) {
        lines.push(format!("injected {} says “{}”", text(line, "url"), cut(&text(line, "line"), 90)));
        let injected = text(line, "line");
        let rests = |field: &&Value| crate::verify::stands(&text(field, "quote"), &injected).is_some();
        lines.push(match fields.iter().filter(rests).count() {
            0 => "        a reader was shown it as data; no field rests on its words".to_owned(),
            some => format!("        {some} of the fields above rest on its words: look at them"),
        });
    }
    lines.into_iter().map(|line| line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()).collect()
}

fn cut(text: &str, most: usize) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match text.char_indices().nth(most) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}

fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
