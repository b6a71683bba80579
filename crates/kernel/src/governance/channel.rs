//! Channels: what people are told outside of this program when a run needs them, decided from events.
//!
//! A message has a fixed text of the project with values that no model and no tool wrote: names of the project's own, ids, times.
//! So it needs no policy. What a channel tells is part of the charter; how it is reached is a matter of each process.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use super::approval::Terms;
use crate::{
    expr::Text,
    ids::{Digest, RunId, StepPath},
    journal::{Control, Event},
    recovery::Response,
    values::{Span, Timestamp, Value},
};

/// What people may be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum News {
    /// An approval is asked for.
    ApprovalAsked,
    /// Nobody decided in time, and more people are asked.
    ApprovalEscalated,
    /// The time to decide is almost over.
    ApprovalExpiring,
    /// Work was handed to people.
    WorkHanded,
    /// Only a person can tell whether an action was performed.
    OutcomeUnknown,
    /// A run was paused, by a person or by a declared recovery.
    RunPaused,
    /// A run was put aside because its worker died again and again.
    RunQuarantined,
}

impl News {
    /// Everything that people may be told.
    pub const ALL: [News; 7] = [
        News::ApprovalAsked,
        News::ApprovalEscalated,
        News::ApprovalExpiring,
        News::WorkHanded,
        News::OutcomeUnknown,
        News::RunPaused,
        News::RunQuarantined,
    ];

    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            News::ApprovalAsked => "approval_asked",
            News::ApprovalEscalated => "approval_escalated",
            News::ApprovalExpiring => "approval_expiring",
            News::WorkHanded => "work_handed",
            News::OutcomeUnknown => "outcome_unknown",
            News::RunPaused => "run_paused",
            News::RunQuarantined => "run_quarantined",
        }
    }

    /// Our own line on top, where the project has none.
    fn subject(self, workflow: &str) -> String {
        match self {
            News::ApprovalAsked => format!("{workflow} asks for an approval"),
            News::ApprovalEscalated => format!("{workflow} still asks for an approval"),
            News::ApprovalExpiring => format!("{workflow} asks for an approval, and the time is almost over"),
            News::WorkHanded => format!("{workflow} hands work over"),
            News::OutcomeUnknown => format!("{workflow} does not know whether an action was performed"),
            News::RunPaused => format!("a run of {workflow} is paused"),
            News::RunQuarantined => format!("a run of {workflow} is put aside"),
        }
    }

    /// Our own words, where the project has none.
    fn text(self, said: &BTreeMap<&str, String>) -> String {
        let get = |name: &str| said.get(name).map_or("", String::as_str);
        let if_any = |before: &str, name: &str| match get(name) {
            "" => String::new(),
            said => format!("{before}{said}"),
        };
        let at = format!("step {} of run {}", get("step"), get("run"));
        let rest = format!("{}{}", if_any(", by rule ", "rule"), if_any(", until ", "until"));
        let text = match self {
            News::ApprovalAsked | News::ApprovalEscalated | News::ApprovalExpiring => {
                format!("Approval {} for {}: {at}{rest}.", get("approval"), get("groups"))
            }
            News::WorkHanded => format!("Work {} for {}: {at}{rest}.", get("work"), get("groups")),
            News::OutcomeUnknown => format!("Somebody must look outside and say what became of {at}."),
            News::RunPaused => format!("Run {} goes on when somebody resumes it.", get("run")),
            News::RunQuarantined => {
                format!("The worker of run {} died again and again. It goes on when somebody resumes it.", get("run"))
            }
        };
        format!("{text}{}\n", if_any("\n", "link"))
    }
}

/// The names that a text of a channel may read. Each is a text; one that says nothing is empty.
pub const NAMES: [&str; 10] =
    ["news", "run", "workflow", "step", "approval", "work", "rule", "groups", "until", "link"];

/// What one channel tells.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Channel {
    /// Of all there is to tell, this.
    pub tells: BTreeSet<News>,
    /// Of approvals and work only those of these groups; empty: of all.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub groups: BTreeSet<Arc<str>>,
    /// Where the pages are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<Arc<str>>,
    /// The project's own line on top.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Arc<str>>,
    /// The project's own words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<Arc<str>>,
}

/// The channels of a project, by name.
pub type Channels = BTreeMap<Arc<str>, Channel>;

/// A message for one channel.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    /// On what the receiver de-duplicates: the same for every sending.
    pub id: Arc<str>,
    /// Which channel, with its project: `shop/desk`.
    pub channel: Arc<str>,
    /// What is said: the names of [`NAMES`] that say something, `subject` and `text`.
    pub body: Value,
    /// Not before then.
    pub due_at: Timestamp,
}

/// Which run there is something to tell of.
#[derive(Clone, Copy, Debug)]
pub struct Teller<'a> {
    /// The run.
    pub run: RunId,
    /// Its project.
    pub project: &'a str,
    /// Its workflow.
    pub workflow: &'a str,
}

/// One thing to tell.
#[derive(Default)]
struct Told<'a> {
    step: Option<&'a StepPath>,
    approval: Option<&'a Arc<str>>,
    work: Option<&'a Arc<str>>,
    rule: Option<&'a Arc<str>>,
    groups: BTreeSet<&'a Arc<str>>,
    until: Option<Timestamp>,
    due_at: Timestamp,
}

/// People are told that the time is almost over so long before its end, or at half of it.
const BEFORE: Span = Span::from_millis(3_600_000);

/// What entry number `seq` makes known to people.
pub fn notices(channels: &Channels, teller: Teller<'_>, event: &Event, (seq, at): (u64, Timestamp)) -> Vec<Notice> {
    if channels.is_empty() {
        return Vec::new();
    }
    let mut all = Vec::new();
    let mut tell = |news, told: &Told<'_>| all.extend(of(channels, teller, news, told, ("entry", seq)));
    match event {
        Event::ApprovalRequested { step, approval, verdict, terms, .. } => {
            let rule = verdict.as_ref().map(crate::governance::Verdict::rule);
            ask(News::ApprovalAsked, (step, approval, rule), terms, at, &mut tell);
        }
        Event::ApprovalEscalated { step, to, terms, .. } => {
            ask(News::ApprovalEscalated, (step, to, None), terms, at, &mut tell);
        }
        Event::WorkOpened { step, work, queue, due_at, .. } => {
            let groups = [queue].into();
            let told =
                Told { step: Some(step), work: Some(work), groups, until: *due_at, due_at: at, ..Told::default() };
            tell(News::WorkHanded, &told);
        }
        Event::OutcomeUnknown { step, probe_at: None, .. }
        | Event::ProbeFinished { step, result: crate::journal::ProbeResult::Unclear { again_at: None, .. }, .. } => {
            tell(News::OutcomeUnknown, &Told { step: Some(step), due_at: at, ..Told::default() });
        }
        Event::FailureAnswered { step, response: Response::Pause } => {
            tell(News::RunPaused, &Told { step: Some(step), due_at: at, ..Told::default() });
        }
        Event::ControlReceived { control: Control::Pause, .. } => {
            tell(News::RunPaused, &Told { due_at: at, ..Told::default() });
        }
        _ => {}
    }
    all
}

/// What is told of a run that was put aside in `epoch`.
pub fn quarantined(channels: &Channels, teller: Teller<'_>, epoch: u64, at: Timestamp) -> Vec<Notice> {
    let told = Told { due_at: at, ..Told::default() };
    of(channels, teller, News::RunQuarantined, &told, ("epoch", epoch))
}

fn ask<'a>(
    news: News,
    (step, approval, rule): (&'a StepPath, &'a Arc<str>, Option<&'a Arc<str>>),
    terms: &'a Terms,
    at: Timestamp,
    tell: &mut impl FnMut(News, &Told<'a>),
) {
    let groups = terms.groups.iter().flatten().collect();
    let told = Told {
        step: Some(step),
        approval: Some(approval),
        rule,
        groups,
        until: terms.expires_at,
        due_at: at,
        ..Told::default()
    };
    tell(news, &told);
    if let Some(ends) = terms.expires_at {
        let half = Span::from_micros(ends.micros().saturating_sub(terms.asked_at.micros()).max(0) / 2);
        let before = BEFORE.min(half);
        let due_at = ends + Span::from_micros(-before.micros());
        tell(News::ApprovalExpiring, &Told { due_at, ..told });
    }
}

fn of(
    channels: &Channels,
    teller: Teller<'_>,
    news: News,
    told: &Told<'_>,
    (kind, number): (&str, u64),
) -> Vec<Notice> {
    let concerned = |channel: &Channel| {
        let all = channel.groups.is_empty() || told.groups.is_empty();
        channel.tells.contains(&news) && (all || told.groups.iter().any(|group| channel.groups.contains(&***group)))
    };
    let concerned = channels.iter().filter(|(_, channel)| concerned(channel));
    concerned
        .map(|(name, channel)| {
            let channel_id: Arc<str> = format!("{}/{name}", teller.project).into();
            let what = format!("{channel_id}\0{}\0{kind}\0{number}", news.as_str());
            let digest = Digest::of(&[b"surefoot/out/v1\0", &teller.run.bytes(), what.as_bytes()]);
            Notice {
                id: format!("msg_{}", &digest.to_string()[..40]).into(),
                channel: channel_id,
                body: body(channel, teller, news, told),
                due_at: told.due_at,
            }
        })
        .collect()
}

fn body(channel: &Channel, teller: Teller<'_>, news: News, told: &Told<'_>) -> Value {
    let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
    let groups: Vec<&str> = told.groups.iter().map(|group| &***group).collect();
    let link = channel.link.as_ref().map(|link| {
        let page = match (told.approval, told.work) {
            (Some(approval), _) => format!("approvals/{approval}"),
            (None, Some(work)) => format!("work/{work}"),
            (None, None) => format!("runs/{}", teller.run),
        };
        format!("{}/{page}", link.trim_end_matches('/'))
    });
    let said: [String; NAMES.len()] = [
        news.as_str().to_owned(),
        teller.run.to_string(),
        teller.workflow.to_owned(),
        text(told.step.map(StepPath::as_str)),
        text(told.approval.map(|id| &**id)),
        text(told.work.map(|id| &**id)),
        text(told.rule.map(|id| &**id)),
        groups.join(", "),
        told.until.map(|at| at.to_string()).unwrap_or_default(),
        link.unwrap_or_default(),
    ];
    let names: BTreeMap<&str, String> = NAMES.into_iter().zip(said).collect();
    let own = |text: &Arc<str>| -> Option<String> {
        let text = Text::compile(text).ok()?;
        let value = |name: &str| names.get(name).map(|text| Value::from(text.as_str())).unwrap_or_default();
        let values: Vec<Value> = text.roots().iter().map(|root| value(&root.name)).collect();
        text.render(&values).ok()
    };
    // A text of the project was read strictly; one that fails all the same is no reason to tell nobody.
    let subject = channel.subject.as_ref().and_then(own).unwrap_or_else(|| news.subject(teller.workflow));
    let text = channel.text.as_ref().and_then(own).unwrap_or_else(|| news.text(&names));
    let mut body: BTreeMap<Arc<str>, Value> = BTreeMap::new();
    for (name, said) in &names {
        if !said.is_empty() {
            body.insert((*name).into(), Value::from(said.as_str()));
        }
    }
    body.insert("subject".into(), Value::from(subject.replace('\n', " ")));
    body.insert("text".into(), Value::from(text));
    Value::Map(Arc::new(body))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000_000;

    fn channel(tells: &[News], groups: &[&str]) -> Channel {
        let groups = groups.iter().map(|group| Arc::from(*group)).collect();
        Channel { tells: tells.iter().copied().collect(), groups, ..Channel::default() }
    }

    fn asked(hours: i64) -> Event {
        let terms = Terms {
            groups: vec![vec!["desk".into()], vec!["chiefs".into(), "desk".into()]],
            quorum: 1,
            asked_at: Timestamp::from_micros(0),
            expires_at: Some(Timestamp::from_micros(hours * HOUR)),
            on_expiry: super::super::approval::OnExpiry::Deny,
            escalated: false,
            editable: Vec::new(),
            answerable: false,
            no_self: false,
            requesters: Vec::new(),
            hash: Digest::ZERO,
            shown: Digest::ZERO,
        };
        let card = crate::journal::Held::Value(Value::from("what a model wrote"));
        let (step, approval) = ("pay".into(), "apr_1".into());
        Event::ApprovalRequested { step, approval, proposal: None, verdict: None, terms, card, grounds: None }
    }

    fn told(channels: &Channels, event: &Event) -> Vec<Notice> {
        let run = RunId::new(Timestamp::from_micros(0), [7; 10]);
        let teller = Teller { run, project: "shop", workflow: "pay" };
        notices(channels, teller, event, (4, Timestamp::from_micros(0)))
    }

    #[test]
    fn a_channel_tells_what_it_is_for_to_the_groups_it_is_for() {
        let all = channel(&News::ALL, &[]);
        let channels: Channels = [
            ("all".into(), all),
            ("chiefs".into(), channel(&News::ALL, &["chiefs"])),
            ("other".into(), channel(&News::ALL, &["ops"])),
            ("paused".into(), channel(&[News::RunPaused], &["desk"])),
        ]
        .into();
        let to = |event: &Event| told(&channels, event).iter().map(|one| one.channel.to_string()).collect::<Vec<_>>();
        assert_eq!(to(&asked(24)), ["shop/all", "shop/chiefs", "shop/all", "shop/chiefs"]);
        let paused = Event::FailureAnswered { step: "pay".into(), response: Response::Pause };
        assert_eq!(
            to(&paused),
            ["shop/all", "shop/chiefs", "shop/other", "shop/paused"],
            "what is of no group is of all"
        );
    }

    #[test]
    fn the_last_call_comes_an_hour_before_the_end_or_at_half_the_time() {
        let channels: Channels = [("all".into(), channel(&[News::ApprovalExpiring], &[]))].into();
        let due = |hours| told(&channels, &asked(hours))[0].due_at.micros();
        assert_eq!((due(24), due(2), due(1)), (23 * HOUR, HOUR, HOUR / 2));
    }

    #[test]
    fn a_message_says_names_ids_and_times_and_nothing_that_a_model_wrote() {
        let own = Channel {
            link: Some("https://desk.example/".into()),
            text: Some("{{ step }} for {{ groups }}: {{ link }}".into()),
            ..channel(&[News::ApprovalAsked], &[])
        };
        let channels: Channels = [("all".into(), channel(&[News::ApprovalAsked], &[])), ("own".into(), own)].into();
        let notices = told(&channels, &asked(24));
        let said =
            |notice: &Notice, key: &str| notice.body.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        assert_eq!(said(&notices[0], "subject"), "pay asks for an approval");
        assert_eq!(said(&notices[1], "text"), "pay for chiefs, desk: https://desk.example/approvals/apr_1");
        let all: String = notices.iter().map(|one| one.body.to_json()).collect();
        assert!(!all.contains("model wrote"), "{all}");
        assert_ne!(notices[0].id, notices[1].id);
        assert_eq!(told(&channels, &asked(24)), notices, "the same event has the same ids");
    }
}
