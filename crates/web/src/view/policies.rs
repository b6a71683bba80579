//! The rules that judge every action, and one request put to them.

use std::sync::Arc;

use kernel::{
    complaint::Complaints,
    governance::policy::{
        Decision, Matched, Policies, Then,
        cases::{self, Judged, Sample},
    },
    values::Value,
    workflow::project::{Project, Sources},
    yaml,
};

use super::{value, words};

/// What the cases of the project show.
pub(crate) struct Shown {
    /// How many there are.
    pub(crate) cases: usize,
    /// Those that do not hold: a name, and why.
    pub(crate) wrong: Vec<(String, String)>,
    /// By rule, in the order of the rules: what no case shows of it.
    pub(crate) missing: Vec<Vec<&'static str>>,
}

/// Judges the cases; `None`: they cannot be read, which `check` says.
pub(crate) fn shown(sources: &Sources, project: &Project, policies: &Policies) -> Option<Shown> {
    let mut complaints = Complaints::new();
    let cases = cases::read(sources, project, policies, &mut complaints);
    if complaints.has_errors() {
        return None;
    }
    let judged: Vec<Judged<'_>> = cases.iter().map(|case| case.judge(policies)).collect();
    let wrong = judged.iter().filter_map(|one| {
        let why = one.wrong.as_ref()?;
        Some((words::plain(&one.case.name), words::plain(why)))
    });
    let missing = cases::coverage(policies, &judged).into_iter().map(|one| one.missing);
    Some(Shown { cases: cases.len(), wrong: wrong.collect(), missing: missing.collect() })
}

/// A rule that decided, with the values that it read.
pub(crate) struct Why {
    pub(crate) id: String,
    pub(crate) at: String,
    pub(crate) reason: String,
    pub(crate) values: Vec<(String, String)>,
    /// As it is written.
    pub(crate) text: String,
    /// What would become of the request without it.
    pub(crate) without: String,
}

/// A request, judged, in words.
pub(crate) struct Verdict {
    /// `allow`, `ask` or `deny`.
    pub(crate) word: &'static str,
    pub(crate) class: &'static str,
    pub(crate) rule: String,
    /// The rules of the project allow it, and one that every project has does not.
    pub(crate) beneath: bool,
    /// What an operator is told of what is denied.
    pub(crate) why: String,
    /// Who is asked, if somebody is.
    pub(crate) of: String,
    pub(crate) matched: Vec<Why>,
    /// Rules that could allow it: id, place, and as it is written.
    pub(crate) could: Vec<(String, String, String)>,
    /// Nothing allows it.
    pub(crate) nothing: bool,
}

impl Verdict {
    /// The same of a fork, whose effects are put before people even if the rules allow them.
    pub(crate) fn of_fork(self) -> Verdict {
        match self.word {
            "allow" => Verdict { word: "ask", class: "wait", rule: kernel::action::SECOND.to_owned(), ..self },
            _ => self,
        }
    }
}

/// Judges a request that is written as in a case.
///
/// # Errors
/// What is wrong with it, in sentences.
pub(crate) fn judge(project: &Project, policies: &Policies, request: &Value) -> Result<Verdict, Vec<String>> {
    let mut complaints = Complaints::new();
    let file: Arc<str> = "request".into();
    let node = complaints.take(yaml::parse(&file, &request.to_json()));
    let sample = node.and_then(|node| Sample::read(&node, project, policies, &mut complaints));
    let Some(sample) = sample else {
        let said = complaints.into_sorted();
        return Err(said.iter().map(|one| words::plain(&one.message)).collect());
    };
    let explained = policies.explain(&sample);
    let decision = &explained.decision;
    let why = |(rule, then): (&Matched, &Then)| Why {
        id: rule.id.to_string(),
        at: rule.at.to_string(),
        reason: rule.reason.as_deref().map(words::plain).unwrap_or_default(),
        values: rule.values.iter().map(|(name, one)| (words::plain(name), value::text(one))).collect(),
        text: policies.rule(&rule.id).map(|rule| words::plain(&rule.text)).unwrap_or_default(),
        without: words::plain(&format!("{} by {}", then.outcome, then.rule)),
    };
    let (class, said, of) = match decision {
        Decision::Allow { .. } => ("good", "", String::new()),
        Decision::Ask { terms, .. } => {
            ("wait", "", terms.groups.iter().map(|one| one.join(" or ")).collect::<Vec<_>>().join(", and "))
        }
        Decision::Deny { why, .. } => ("bad", why.as_str(), String::new()),
    };
    let could = explained.could.iter().map(|rule| (rule.id.to_string(), rule.at.to_string(), words::plain(&rule.text)));
    let (class, said) = explained.beneath.as_ref().map_or((class, said), |beneath| ("bad", beneath.why.as_str()));
    Ok(Verdict {
        word: explained.outcome(),
        class,
        rule: words::plain(explained.rule()),
        beneath: explained.beneath.is_some(),
        why: words::plain(said),
        of: words::plain(&of),
        matched: decision.matched().iter().zip(&explained.without).map(why).collect(),
        could: could.collect(),
        nothing: decision.rule() == kernel::governance::policy::NOT_ALLOWED,
    })
}
