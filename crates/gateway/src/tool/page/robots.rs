//! robots.txt, as RFC 9309 has it.
//!
//! Ours rather than a crate's, because a person is told *which* rule kept us out; the crates say yes or no. A test compares the
//! answers with such a crate on real files.

use std::{
    collections::HashMap,
    fmt::Write as _,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use kernel::recovery::Failure;
use reqwest::header::HeaderMap;
use tokio::time::Instant;

use super::{Admitted, PageTool, fetch::Fetch, location};

/// What is read of a robots.txt (RFC 9309, 2.5: at least 500 KiB).
const MOST_BYTES: usize = 512 * 1024;
/// Redirects of a robots.txt (RFC 9309, 2.3.1.2: at least five).
const MOST_REDIRECTS: usize = 5;
/// How long a robots.txt is believed. The RFC allows a day.
const BELIEVED: Duration = Duration::from_secs(3600);
/// How long a server that failed is taken at its word.
const FAILED: Duration = Duration::from_secs(60);
/// Hosts that are remembered.
const MOST_HOSTS: usize = 1024;

/// May a URL be asked for?
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    pub allowed: bool,
    /// The line that decided, or why there is none; empty if nothing is said about it.
    pub rule: String,
}

/// What a host says to robots.
#[derive(Debug)]
pub(super) enum Robots {
    Rules(Rules),
    /// Nobody may, for a reason that is no rule.
    Closed(String),
}

impl Robots {
    fn open() -> Robots {
        Robots::Rules(Rules::default())
    }

    fn verdict(&self, url: &Admitted) -> Verdict {
        match self {
            Robots::Rules(rules) => rules.verdict(&url.url()[url::Position::BeforePath..url::Position::AfterQuery]),
            Robots::Closed(why) => Verdict { allowed: false, rule: why.clone() },
        }
    }
}

type Slot = Arc<tokio::sync::Mutex<Option<(Instant, Arc<Robots>)>>>;

/// The robots.txt of hosts that were asked lately.
#[derive(Default)]
pub(super) struct Known {
    by_origin: Mutex<HashMap<String, Slot>>,
}

impl Known {
    /// Whether `url` may be asked for; asks its host for robots.txt, once for all that wait for it.
    pub(super) async fn verdict(
        &self,
        tool: &PageTool,
        fetch: &mut Fetch<'_>,
        url: &Admitted,
    ) -> Result<Verdict, Failure> {
        let slot = self.slot(url.origin());
        let mut known = fetch.wait(url, slot.lock()).await?;
        if let Some((until, robots)) = &*known
            && Instant::now() < *until
        {
            return Ok(robots.verdict(url));
        }
        let robots = Arc::new(ask(tool, fetch, url).await?);
        let verdict = robots.verdict(url);
        let keep = if matches!(*robots, Robots::Closed(_)) { FAILED } else { BELIEVED };
        *known = Some((Instant::now() + keep, robots));
        Ok(verdict)
    }

    fn slot(&self, origin: &str) -> Slot {
        let mut all = self.by_origin.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MOST_HOSTS && !all.contains_key(origin) {
            // Those that nobody waits for; what is forgotten is asked for again.
            all.retain(|_, slot| Arc::strong_count(slot) > 1);
        }
        all.entry(origin.to_owned()).or_default().clone()
    }
}

async fn ask(tool: &PageTool, fetch: &mut Fetch<'_>, url: &Admitted) -> Result<Robots, Failure> {
    let mut from = match tool.guard.redirected(url, "/robots.txt") {
        Ok(from) => from,
        Err(refusal) => return Ok(Robots::Closed(refusal.to_string())),
    };
    for _ in 0..=MOST_REDIRECTS {
        let response = fetch.get(&from, HeaderMap::new()).await?;
        if let Some(location) = location(&response) {
            from = match tool.guard.redirected(&from, &location) {
                Ok(next) => next,
                Err(refusal) => return Ok(Robots::Closed(format!("robots.txt cannot be read: {refusal}"))),
            };
            continue;
        }
        return match response.status().as_u16() {
            200..=299 => {
                let body = fetch.body(response, MOST_BYTES).await?;
                Ok(Robots::Rules(Rules::parse(&body.bytes, &tool.token)))
            }
            // There is none, so nothing is forbidden.
            300..=499 => Ok(Robots::open()),
            status => Ok(Robots::Closed(format!("robots.txt answered {status}"))),
        };
    }
    // RFC 9309, 2.3.1.2: as if there were none.
    Ok(Robots::open())
}

/// The rules of one robots.txt that are meant for us.
#[derive(Debug, Default)]
pub(super) struct Rules(Vec<Rule>);

#[derive(Debug)]
struct Rule {
    allow: bool,
    /// As a path is compared: see [`normal`]; `*` and a last `$` keep their meaning.
    pattern: String,
    /// As written.
    line: String,
}

impl Rules {
    /// Reads a file for the product `token`, in lower case. Lines that cannot be read mean nothing.
    pub(super) fn parse(bytes: &[u8], token: &str) -> Rules {
        let text = String::from_utf8_lossy(bytes);
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        let (mut ours, mut all) = (Vec::new(), Vec::new());
        let (mut named_ours, mut for_ours, mut for_all, mut in_rules) = (false, false, false, true);
        for line in text.split(['\n', '\r']) {
            let line = line.split('#').next().unwrap_or_default();
            let Some((key, value)) = line.split_once(':') else { continue };
            let (key, value) = (key.trim().to_ascii_lowercase(), value.trim());
            // Who writes it like this means it all the same, and other readers take it so.
            let key = match key.as_str() {
                "user agent" | "useragent" => "user-agent",
                "dissallow" | "dissalow" | "disalow" | "diasllow" | "disallaw" => "disallow",
                key => key,
            };
            match key {
                "user-agent" => {
                    if in_rules {
                        (for_ours, for_all, in_rules) = (false, false, false);
                    }
                    let name = value.split(|c: char| !(c.is_ascii_alphabetic() || matches!(c, '-' | '_'))).next();
                    if value == "*" || value.starts_with("* ") {
                        for_all = true;
                    } else if name.is_some_and(|name| name.eq_ignore_ascii_case(token)) {
                        (for_ours, named_ours) = (true, true);
                    }
                }
                "allow" | "disallow" => {
                    in_rules = true;
                    if value.is_empty() {
                        continue;
                    }
                    let rule = || Rule {
                        allow: key == "allow",
                        pattern: normal(value, true),
                        line: format!("{key}: {value}"),
                    };
                    if for_ours {
                        ours.push(rule());
                    }
                    if for_all {
                        all.push(rule());
                    }
                }
                _ => {}
            }
        }
        Rules(if named_ours { ours } else { all })
    }

    /// The most specific rule counts: the one with the longest path; of two as long, the one that allows.
    pub(super) fn verdict(&self, path: &str) -> Verdict {
        let plain = normal(path, false);
        if plain == "/robots.txt" {
            return Verdict { allowed: true, rule: String::new() };
        }
        let fitting = self.0.iter().filter(|rule| fits(&rule.pattern, &plain));
        match fitting.max_by_key(|rule| (rule.pattern.len(), rule.allow)) {
            Some(rule) => Verdict { allowed: rule.allow, rule: rule.line.clone() },
            None => Verdict { allowed: true, rule: String::new() },
        }
    }
}

/// Whether a pattern fits the beginning of a path.
fn fits(pattern: &str, path: &str) -> bool {
    let (pattern, to_end) = match pattern.strip_suffix('$') {
        Some(pattern) => (pattern, true),
        None => (pattern, false),
    };
    let mut parts = pattern.split('*');
    let Some(mut rest) = path.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return !to_end || rest.is_empty();
    }
    while let Some(part) = parts.next() {
        // The last part of an anchored pattern is the end itself: an earlier place where it stands would not do.
        if to_end && parts.peek().is_none() {
            return rest.ends_with(part);
        }
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    true
}

/// A path as paths are compared (RFC 9309, 2.2.2): what must be encoded is, in capitals; what need not be is not. In a path, as
/// opposed to a pattern, `*` and `$` are letters like any other.
fn normal(text: &str, pattern: bool) -> String {
    let bytes = text.as_bytes();
    let mut out = String::with_capacity(text.len());
    let hex = |at: usize| bytes.get(at).and_then(|byte| char::from(*byte).to_digit(16));
    let mut at = 0;
    while at < bytes.len() {
        let mut byte = bytes[at];
        let mut encoded = false;
        if byte == b'%'
            && let (Some(high), Some(low)) = (hex(at + 1), hex(at + 2))
        {
            byte = u8::try_from(high * 16 + low).unwrap_or(b'%');
            encoded = true;
            at += 2;
        }
        at += 1;
        let unreserved = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
        let special = matches!(byte, b'*' | b'$');
        let plain = if encoded { unreserved } else { byte.is_ascii_graphic() && (pattern || !special) };
        if plain {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests;
