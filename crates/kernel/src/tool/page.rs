//! `page`: a tool that reads pages of the web, whose addresses come from data.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::json;

use super::{Operation, Reach, host::HostPattern};
use crate::{
    complaint::Complaint,
    governance::Effect,
    schema::Schema,
    values::Span,
    workflow::reading::Reading,
    yaml::{Fields, Key, Kind, Node},
};

/// `page: { hosts, … }`.
#[derive(Clone, Debug, PartialEq)]
pub struct Page {
    /// Where it may go.
    pub hosts: Hosts,
    /// How it names itself; `None`: `surefoot/VERSION`. What stands before the first `/` is the name that robots.txt is asked for.
    pub user_agent: Option<Arc<str>>,
    /// Whether unencrypted `http:` is allowed beside `https:`.
    pub http: bool,
    /// The ports it may go to; empty: those of the schemes.
    pub ports: Vec<u16>,
    /// Of a page's body, after decompression; the rest is not read.
    pub most_bytes: u64,
    /// How many redirects are followed, each checked like the first address.
    pub most_redirects: u32,
    /// The least time between two requests to one host.
    pub delay: Option<Span>,
}

/// The hosts that a page tool may go to.
#[derive(Clone, Debug, PartialEq)]
pub enum Hosts {
    /// `any`: every public host. Open on purpose.
    Any,
    /// These.
    Listed(Vec<HostPattern>),
}

impl Hosts {
    /// Whether `host` may be asked.
    pub fn allow(&self, host: &str) -> bool {
        match self {
            Hosts::Any => true,
            Hosts::Listed(patterns) => patterns.iter().any(|pattern| pattern.matches(host)),
        }
    }
}

const MOST_BYTES: u64 = 2_000_000;
const MOST_REDIRECTS: u32 = 3;

/// The key `page` of a tool file.
pub(super) fn read(node: &Node, reading: &mut Reading<'_>) -> Option<Reach> {
    let known = ["hosts", "user_agent", "http", "ports", "most_bytes", "most_redirects", "delay", "respect_robots"];
    let complaints = &mut reading.complaints;
    let fields = Fields::new(node, "`page`", &known, &["headers", "auth"], complaints)?;
    let hosts = hosts(fields.required("hosts", complaints)?, reading)?;
    let complaints = &mut reading.complaints;
    let user_agent = match fields.get("user_agent") {
        None => None,
        Some(node) => {
            let text = node.text(complaints)?;
            let name = text.split('/').next().unwrap_or_default();
            let token = |c: char| c.is_ascii_alphabetic() || matches!(c, '-' | '_');
            if name.is_empty() || !name.chars().all(token) || text.chars().any(|c| !matches!(c, ' '..='~')) {
                let message = format!("`{text}` cannot name us to a site");
                let hint =
                    "begin with a name of letters, `-` and `_`, as in `acme-reader/1.0 (+https://acme.example/bot)`";
                complaints.push(node.complaint("W005", message).hint(hint));
                return None;
            }
            Some(text)
        }
    };
    if let Some(node) = fields.get("respect_robots")
        && !node.bool(complaints)?
    {
        let message = "robots.txt is always respected: `respect_robots` is `true`, or is not written";
        complaints.push(node.complaint("W005", message));
        return None;
    }
    let mut ports = Vec::new();
    for port in fields.list("ports", complaints) {
        ports.push(u16::try_from(port.int(1, 65_535, complaints)?).unwrap_or(u16::MAX));
    }
    let most_bytes = match fields.get("most_bytes") {
        None => MOST_BYTES,
        Some(node) => bytes(node).map_err(|complaint| complaints.push(complaint)).ok()?,
    };
    let most_redirects = match fields.get("most_redirects") {
        None => MOST_REDIRECTS,
        Some(node) => u32::try_from(node.int(0, i64::from(MOST_REDIRECTS), complaints)?).unwrap_or(MOST_REDIRECTS),
    };
    let delay = match fields.get("delay") {
        None => None,
        Some(node) => Some(node.time(complaints)?),
    };
    let http = fields.bool("http", false, complaints);
    Some(Reach::Page(Page { hosts, user_agent, http, ports, most_bytes, most_redirects, delay }))
}

fn hosts(node: &Node, reading: &mut Reading<'_>) -> Option<Hosts> {
    if node.scalar().is_some_and(|text| &**text == "any") {
        return Some(Hosts::Any);
    }
    let Kind::List(items) = &node.kind else {
        reading.complaints.push(node.expected("a list of hosts, or `any`"));
        return None;
    };
    let patterns: Vec<_> = items.iter().filter_map(|item| pattern(item, &mut reading.complaints)).collect();
    if items.is_empty() {
        let hint = "`any` lets it go to every public host";
        reading.complaints.push(node.complaint("W005", "no host may be asked").hint(hint));
    }
    (!patterns.is_empty() && patterns.len() == items.len()).then_some(Hosts::Listed(patterns))
}

/// A pattern of hosts.
fn pattern(node: &Node, complaints: &mut crate::complaint::Complaints) -> Option<HostPattern> {
    let text = node.text(complaints)?;
    HostPattern::parse(&text)
        .map_err(|why| {
            let hint = "write `example.com`, or `*.example.com` for all below it";
            complaints.push(node.complaint("W005", format!("`{text}` {why}")).hint(hint));
        })
        .ok()
}

/// `2 MB`, `500 kB`, `300000`.
fn bytes(node: &Node) -> Result<u64, Complaint> {
    const LEAST: u64 = 1000;
    const MOST: u64 = 16_000_000;
    let wrong = || node.expected("a size from 1 kB to 16 MB, such as `2 MB` or `500 kB`");
    let text = node.scalar().ok_or_else(wrong)?;
    let (digits, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let factor = match unit.trim() {
        "" => 1,
        "kB" => 1000,
        "MB" => 1_000_000,
        _ => return Err(wrong()),
    };
    let number: u64 = digits.parse().map_err(|_| wrong())?;
    number.checked_mul(factor).filter(|bytes| (LEAST..=MOST).contains(bytes)).ok_or_else(wrong)
}

/// Gives an operation of a page tool what it has without being told; `None` if its file says something that it cannot have.
pub(super) fn complete(
    mut operation: Operation,
    key: &Key,
    node: &Node,
    reading: &mut Reading<'_>,
) -> Option<Operation> {
    let mut fine = operation.effect == Effect::Read;
    let written = match &node.kind {
        Kind::Map(entries) => entries.as_slice(),
        _ => &[],
    };
    for (field, value) in written {
        let message = match &*field.text {
            "effect" if operation.effect != Effect::Read => {
                let message = format!("`{}` only reads: its effect is `read`", key.text);
                reading.complaints.push(value.complaint("W005", message));
                continue;
            }
            "returns" if matches!(&value.kind, Kind::Map(keys) if keys.iter().all(|(key, _)| &*key.text == "labels")) =>
            {
                continue;
            }
            "params" | "returns" => format!("`{}` of a page operation is built in", field.text),
            "method" | "path" | "query" | "headers" | "body" | "key" => {
                format!("`{}` is no key of a page operation", field.text)
            }
            _ => continue,
        };
        let hint = "an operation of a page tool takes `with: { url }` and has `effect`, `timeout` and `says`";
        reading.complaints.push(Complaint::new("W001", &node.file, field.span, message).hint(hint));
        fine = false;
    }
    operation.params = Some(schema(&params()));
    operation.returns = Some(schema(&returns()));
    fine.then_some(operation)
}

fn schema(json: &serde_json::Value) -> Arc<Schema> {
    Schema::from_json(json).expect("a schema of ours is one: held by a test")
}

/// What a page operation takes.
pub fn params() -> serde_json::Value {
    json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["url"],
        "properties": { "url": { "type": "string", "minLength": 1, "maxLength": 4096 } },
    })
}

/// What a page operation gives. Every key is always there: a text that a page does not have is empty.
pub fn returns() -> serde_json::Value {
    let text = || json!({ "type": "string" });
    let truth = || json!({ "type": "boolean" });
    let number = || json!({ "type": "integer", "minimum": 0 });
    let object = |properties: BTreeMap<&str, serde_json::Value>| {
        let required: Vec<&str> = properties.keys().copied().collect();
        json!({ "type": "object", "additionalProperties": false, "required": required, "properties": properties })
    };
    let list = |items: serde_json::Value| json!({ "type": "array", "items": items });
    object(BTreeMap::from([
        ("url", text()),
        ("final_url", text()),
        ("status", number()),
        ("content_type", text()),
        ("charset", text()),
        ("sha256", text()),
        ("bytes", number()),
        ("truncated", truth()),
        ("title", text()),
        ("description", text()),
        ("lang", text()),
        ("generator", text()),
        ("text", text()),
        ("links", list(object(BTreeMap::from([("url", text()), ("text", text()), ("rel", text())])))),
        ("json_ld", json!({ "type": "array", "items": { "type": "object" } })),
        ("open_graph", json!({ "type": "object", "additionalProperties": { "type": "string" } })),
        ("refresh", text()),
        ("robots", object(BTreeMap::from([("allowed", truth()), ("rule", text())]))),
        ("redirects", list(object(BTreeMap::from([("status", number()), ("to", text())])))),
    ]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_schemas_are_schemas() {
        assert!(schema(&params()).is_valid(&crate::values::Value::map([("url", "https://a.example/".into())])));
        assert!(!schema(&returns()).is_valid(&crate::values::Value::map::<&str>([])));
    }

    #[test]
    fn sizes_are_read_with_their_units() {
        let size = |text: &str| bytes(&Node::plain(&"tools/web.yaml".into(), text)).ok();
        assert_eq!(size("2 MB"), Some(2_000_000));
        assert_eq!((size("500kB"), size("300000")), (Some(500_000), Some(300_000)));
        for text in ["", "0", "999", "17 MB", "2 GB", "2 MiB", "-1", "99999999999999999999 MB", "MB"] {
            assert_eq!(size(text), None, "{text}");
        }
    }
}
