//! What `surefoot.yaml` says under `channels:`: how people are told that a run needs them.

use std::{collections::BTreeMap, sync::Arc};

use super::project::PROJECT_FILE;
use crate::{
    complaint::{Complaint, Complaints, did_you_mean},
    expr::Text,
    governance::{
        channel::{Channel, NAMES, News},
        people::People,
    },
    tool::secret,
    yaml::{self, Fields, Kind, Node},
};

/// One channel.
#[derive(Clone, Debug, PartialEq)]
pub struct ChannelDecl {
    /// How it is reached.
    pub way: Way,
    /// What it tells.
    pub channel: Channel,
}

/// How a channel is reached. Texts stand as they are written; one that begins with `=env.` is a variable of the environment.
#[derive(Clone, Debug, PartialEq)]
pub enum Way {
    /// Signed messages to an address (Standard Webhooks 1.0).
    Webhook {
        /// A text, or `=env.NAME`.
        url: Arc<str>,
        /// `secret://name`, one or more while one is replaced.
        secrets: Vec<Arc<str>>,
    },
    /// Letters.
    Mail {
        /// `smtps://host:port` or `smtp://host:port`, or `=env.NAME`.
        smtp: Arc<str>,
        /// Who writes.
        from: Arc<str>,
        /// To whom.
        to: Vec<Arc<str>>,
        /// Whom the server knows us as, and `secret://name`.
        login: Option<(Arc<str>, Arc<str>)>,
    },
}

const COMMON: [&str; 6] = ["kind", "events", "groups", "link", "subject", "text"];
const WEBHOOK: [&str; 2] = ["url", "secret"];
const MAIL: [&str; 5] = ["smtp", "from", "to", "user", "password"];

/// Reads `channels:`.
pub(super) fn read(file: &Fields<'_>, complaints: &mut Complaints) -> BTreeMap<Arc<str>, ChannelDecl> {
    let mut all = BTreeMap::new();
    for (key, node) in file.map("channels", complaints) {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if !key.text.starts_with(|c: char| c.is_ascii_lowercase()) || !key.text.chars().all(plain) {
            let message = format!("`{}` cannot name a channel", key.text);
            let hint = "write lower-case letters, digits and `_`, beginning with a letter";
            complaints.push(Complaint::new("W020", &node.file, key.span, message).hint(hint));
        } else if let Some(decl) = channel(node, complaints) {
            all.insert(key.text.clone(), decl);
        }
    }
    all
}

fn channel(node: &Node, complaints: &mut Complaints) -> Option<ChannelDecl> {
    let before = complaints.len();
    // Which keys there are follows from the kind.
    let Kind::Map(entries) = &node.kind else {
        complaints
            .push(node.expected("a channel, as in `{ kind: webhook, url: =env.HOOK_URL, secret: secret://hook }`"));
        return None;
    };
    let Some((_, kind)) = entries.iter().find(|(key, _)| &*key.text == "kind") else {
        complaints.push(node.complaint("W003", "a channel has a `kind`: `webhook` or `mail`"));
        return None;
    };
    let kind = kind.one_of(&["webhook", "mail"], complaints)?;
    let own: &[&str] = if kind == "mail" { &MAIL } else { &WEBHOOK };
    let known: Vec<&str> = COMMON.iter().chain(own).copied().collect();
    let what = if kind == "mail" { "a channel of kind `mail`" } else { "a channel of kind `webhook`" };
    let fields = Fields::new(node, what, &known, &[], complaints)?;
    let way = if kind == "mail" { mail(&fields, complaints) } else { webhook(&fields, complaints) };
    let words = News::ALL.map(News::as_str);
    let tells = match fields.get("events") {
        None => News::ALL.into(),
        Some(_) => {
            let named = fields.list("events", complaints).iter().filter_map(|node| node.one_of(&words, complaints));
            let named: Vec<&str> = named.collect();
            News::ALL.into_iter().filter(|news| named.contains(&news.as_str())).collect()
        }
    };
    let groups = fields.get("groups").and_then(|node| node.texts(complaints)).unwrap_or_default();
    let link = fields.get("link").and_then(|node| link(node, complaints));
    let subject = fields.get("subject").and_then(|node| own_text(node, complaints));
    let text = fields.get("text").and_then(|node| own_text(node, complaints));
    let channel = Channel { tells, groups: groups.into_iter().collect(), link, subject, text };
    let whole = complaints.len() == before;
    way.filter(|_| whole).map(|way| ChannelDecl { way, channel })
}

fn webhook(fields: &Fields<'_>, complaints: &mut Complaints) -> Option<Way> {
    let url = fields.text("url", complaints);
    let node = fields.required("secret", complaints)?;
    let listed = match &node.kind {
        Kind::List(items) => items.as_slice(),
        _ => std::slice::from_ref(node),
    };
    if listed.is_empty() {
        complaints.push(node.complaint("W003", "a webhook is signed: name a secret, as in `secret://hook`"));
    }
    let secrets: Vec<_> = listed.iter().filter_map(|node| secret(node, complaints)).collect();
    Some(Way::Webhook { url: url?, secrets })
}

fn mail(fields: &Fields<'_>, complaints: &mut Complaints) -> Option<Way> {
    let smtp = fields.text("smtp", complaints);
    let from = fields.text("from", complaints);
    let to = fields.required("to", complaints).and_then(|node| match &node.kind {
        Kind::List(_) => node.texts(complaints),
        _ => node.text(complaints).map(|one| vec![one]),
    });
    let user = fields.opt_text("user", complaints);
    let password = fields.get("password").and_then(|node| secret(node, complaints));
    if user.is_some() != fields.has("password") {
        let message = "a mail server that knows us asks for `user` and `password`, both";
        complaints.push(fields.node.complaint("W003", message));
    }
    let to = to?;
    if to.is_empty() {
        complaints.push(fields.node.complaint("W003", "a letter goes to somebody: `to` is empty"));
    }
    Some(Way::Mail { smtp: smtp?, from: from?, to, login: user.zip(password) })
}

fn link(node: &Node, complaints: &mut Complaints) -> Option<Arc<str>> {
    let text = node.text(complaints)?;
    if !text.starts_with("https://") && !text.starts_with("http://") {
        complaints.push(node.expected("where the pages are, as in `https://surefoot.example`"));
        return None;
    }
    Some(text)
}

/// A text of the project's own: it knows the names of [`NAMES`].
fn own_text(node: &Node, complaints: &mut Complaints) -> Option<Arc<str>> {
    let source = node.text(complaints)?;
    let text = complaints.take(Text::of_node(node))?;
    for hole in text.holes() {
        if !NAMES.contains(&&*hole) {
            let message = format!("a text of a channel does not know `{hole}`");
            let hint = did_you_mean(&hole, NAMES).unwrap_or_else(|| format!("it knows {}", NAMES.join(", ")));
            complaints.push(node.complaint("E002", message).hint(hint));
        }
    }
    Some(source)
}

/// Complains about groups that `people.yaml` does not have.
pub(super) fn unknown_groups(project: &Node, people: &People, complaints: &mut Complaints) {
    let at = |node: &Node, wanted: &str| -> Option<Node> {
        let Kind::Map(entries) = &node.kind else { return None };
        entries.iter().find(|(key, _)| &*key.text == wanted).map(|(_, node)| node.clone())
    };
    let Some(Node { kind: Kind::Map(channels), .. }) = at(project, "channels") else { return };
    for (_, channel) in &channels {
        let Some(Node { kind: Kind::List(groups), .. }) = at(channel, "groups") else { continue };
        for node in &groups {
            let Some(group) = node.scalar() else { continue };
            if !people.group_names().any(|name| name == group) {
                let hint = did_you_mean(group, people.group_names().map(|name| &**name));
                let message = format!("there is no group `{group}` in people.yaml");
                complaints.push(node.complaint("W071", message).or_hint(hint));
            }
        }
    }
}

/// The project file as it is read once more, for what needs other files.
pub(super) fn file(sources: &super::project::Sources) -> Option<Node> {
    let path: Arc<str> = PROJECT_FILE.into();
    sources.get(&path).and_then(|text| yaml::parse(&path, text).ok())
}
