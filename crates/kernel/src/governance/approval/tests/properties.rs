//! What must hold of every approval, whoever votes what and when. The oracle of these properties is a table of the people of the
//! tests and counts for itself: it asks neither the directory nor the machine.

use proptest::{
    prelude::*,
    strategy::ValueTree as _,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};

use super::{
    machine::{Machine, TRUE, WRONG},
    *,
};

/// Who tries: those who can mostly decide come twice.
const WHO: [&str; 13] =
    ["anna", "anna", "bob", "bob", "gus", "gus", "dora", "dora", "carol", "erik", "zed", "=run", "=model"];

/// For which groups somebody can truly decide at that hour.
fn truly(who: &str, hour: i64) -> &'static [&'static str] {
    match who {
        "anna" => &["finance"],
        "bob" => &["finance", "legal"],
        "carol" => &["legal"],
        "dora" => &["audit"],
        "gus" if hour < 16 => &["finance", "legal"],
        "erik" if hour >= 16 => &["finance", "legal"],
        _ => &[],
    }
}

/// One attempt to vote.
#[derive(Clone, Debug)]
struct Try {
    who: &'static str,
    decision: Decision,
    /// Hours after the question: when he decided, and how much later it is admitted; by a wrong clock, earlier.
    at: i64,
    late: i64,
    /// Whether he saw the card that is asked about.
    fresh: bool,
    /// Whether the vote claims all groups instead of those that the directory gives.
    claims: bool,
}

impl Try {
    fn vote(&self, terms: &Terms, people: &People) -> Vote {
        let by = match self.who {
            "=run" => By::Run(RunId::from_bytes([1; 16])),
            "=model" => By::Model("fast".into()),
            id => By::Person(id.into()),
        };
        let shown = if self.fresh { terms.shown } else { Digest::ZERO };
        let mut vote = Vote::cast(by, self.decision.clone(), shown, "session", people, hour(self.at));
        if self.claims {
            vote.groups = names(&["audit", "finance", "legal"]).into_iter().collect();
        }
        vote
    }

    fn admitted_at(&self) -> i64 {
        self.at + self.late
    }

    /// Whether this can be a vote at all, by the table above.
    fn sound(&self, terms: &Terms) -> bool {
        let groups = truly(self.who, self.admitted_at());
        let entitled = terms.groups.iter().flatten().any(|group| groups.contains(&&**group));
        let in_time = terms.expires_at.is_none_or(|until| hour(self.admitted_at()) < until);
        let own = terms.no_self && terms.requesters.iter().any(|id| &**id == self.who);
        let may = match &self.decision {
            Decision::Edit { with: Value::Map(fields) } => {
                !fields.is_empty() && fields.keys().all(|field| terms.editable.contains(field))
            }
            Decision::Edit { .. } => false,
            Decision::Answer { .. } => terms.answerable,
            Decision::Approve | Decision::Reject { .. } => true,
        };
        let timely = in_time && self.at >= 0 && self.late >= 0;
        entitled && timely && !own && may && self.fresh && !self.claims
    }
}

#[derive(Clone, Debug)]
struct Case {
    terms: Terms,
    tries: Vec<Try>,
    use_at: i64,
    same_action: bool,
    changed: usize,
}

fn cases() -> impl Strategy<Value = Case> {
    let list = || prop::sample::subsequence(vec!["finance", "legal", "audit"], 0..=2).prop_map(|list| names(&list));
    let lists = prop_oneof![
        4 => Just(vec![names(&["finance"])]),
        4 => Just(vec![names(&["finance"]), names(&["legal", "audit"])]),
        1 => prop::collection::vec(list(), 0..3),
    ];
    let decision = prop_oneof![
        9 => Just(Decision::Approve),
        1 => Just(no("no")),
        1 => Just(edit(r#"{"amount":1}"#)),
        1 => Just(edit(r#"{"amount":1,"to":"me"}"#)),
        1 => Just(Decision::Answer { value: Value::from("x") }),
    ];
    let at = prop_oneof![6 => 0..10_i64, 3 => 10..24_i64, 1 => Just(-1)];
    let late = prop_oneof![6 => Just(0_i64), 1 => Just(1), 1 => Just(-1)];
    let one = (prop::sample::select(&WHO[..]), decision, at, late, 0..10_u8, 0..10_u8).prop_map(
        |(who, decision, at, late, fresh, claims)| Try {
            who,
            decision,
            at,
            late,
            fresh: fresh > 0,
            claims: claims == 0,
        },
    );
    let expiry = prop_oneof![Just(Some(hour(10))), Just(Some(hour(20))), Just(None)];
    let rest = (prop::collection::vec(one, 0..10), 0..22_i64, prop::bool::weighted(0.8), 0..12_usize);
    (lists, 0..3_u32, expiry, any::<bool>(), any::<bool>(), rest).prop_map(
        |(groups, quorum, expires_at, no_self, answerable, (mut tries, use_at, same_action, changed))| {
            tries.sort_by_key(Try::admitted_at);
            let on_expiry = OnExpiry::Escalate("audit".into());
            let terms = Terms { groups, quorum, expires_at, no_self, answerable, on_expiry, ..terms() };
            Case { terms, tries, use_at, same_action, changed }
        },
    )
}

/// Lets the attempts come in, up to `until`. Returns the votes and, for each, the attempt that it came from.
fn vote_all<'c>(
    machine: &Machine,
    terms: &Terms,
    tries: impl IntoIterator<Item = &'c Try>,
    until: i64,
) -> (Vec<Vote>, Vec<&'c Try>) {
    let people = &*PEOPLE;
    let (mut votes, mut from) = (Vec::new(), Vec::new());
    for one in tries.into_iter().filter(|one| one.admitted_at() <= until) {
        let vote = one.vote(terms, people);
        if machine.admit(terms, &votes, &vote, people, hour(one.admitted_at())) == Ok(Admitted::New) {
            votes.push(vote);
            from.push(one);
        }
    }
    (votes, from)
}

type Property = fn(&Machine, &Case) -> Result<(), String>;

fn hold(holds: bool, why: &str) -> Result<(), String> {
    if holds { Ok(()) } else { Err(why.to_owned()) }
}

/// Whether sound approvals of different people satisfy what is asked.
fn enough(terms: &Terms, tries: &[&Try]) -> bool {
    let yes: Vec<_> = tries.iter().filter(|one| one.decision == Decision::Approve && one.sound(terms)).collect();
    let people: BTreeSet<_> = yes.iter().map(|one| one.who).collect();
    let satisfied = |list: &Vec<Arc<str>>| {
        yes.iter().any(|one| list.iter().any(|group| truly(one.who, one.admitted_at()).contains(&&**group)))
    };
    people.len() >= terms.quorum.max(1) as usize && !terms.groups.is_empty() && terms.groups.iter().all(satisfied)
}

fn a_leave_needs_a_yes_in_time_to_the_very_action(machine: &Machine, case: &Case) -> Result<(), String> {
    let terms = &case.terms;
    let (votes, from) = vote_all(machine, terms, &case.tries, case.use_at);
    let about_to = if case.same_action { terms.hash } else { Digest::of(&[b"other"]) };
    let now = hour(case.use_at);
    let leave = machine.consume(terms, &votes, about_to, now);
    let in_time = terms.expires_at.is_none_or(|until| now < until);
    let only_yes = from.iter().all(|one| one.decision == Decision::Approve);
    let may = case.same_action && in_time && only_yes && enough(terms, &from);
    hold(!leave || may, "a leave without a yes")?;
    hold(leave || !may, "a yes gives no leave")?;
    let approved = matches!(machine.standing(terms, &votes, now), Standing::Approved { .. });
    hold(approved == (in_time && only_yes && enough(terms, &from)), "approved is told, and is not so")
}

fn only_a_sound_vote_is_admitted(machine: &Machine, case: &Case) -> Result<(), String> {
    let (_, from) = vote_all(machine, &case.terms, &case.tries, i64::MAX);
    hold(from.iter().all(|one| one.sound(&case.terms)), "a vote was admitted that cannot be one")?;
    let people: BTreeSet<_> = from.iter().map(|one| one.who).collect();
    hold(people.len() == from.len(), "somebody voted twice")?;
    let ends = |one: &&Try| one.decision != Decision::Approve;
    hold(from.iter().rev().skip(1).all(|one| !ends(one)), "a vote was admitted after one that ended it")?;
    let before = &from[..from.len().saturating_sub(1)];
    hold(!enough(&case.terms, before), "a vote was admitted after enough had approved")
}

fn repeating_changes_nothing_and_contradicting_is_refused(machine: &Machine, case: &Case) -> Result<(), String> {
    let (terms, people) = (&case.terms, &*PEOPLE);
    let (votes, from) = vote_all(machine, terms, &case.tries, i64::MAX);
    let twice: Vec<Try> = case.tries.iter().flat_map(|one| [one.clone(), one.clone()]).collect();
    hold(vote_all(machine, terms, &twice, i64::MAX).0 == votes, "repeated requests are other votes")?;
    for (vote, one) in votes.iter().zip(from) {
        // However late it is repeated: what is recorded stays so.
        let again = machine.admit(terms, &votes, vote, people, hour(90));
        hold(again == Ok(Admitted::Again), "a repeated vote is not recognised")?;
        let other = if one.decision == Decision::Approve { no("no") } else { Decision::Approve };
        let other = Vote { decision: other, ..vote.clone() };
        let refused = machine.admit(terms, &votes, &other, people, hour(one.admitted_at()));
        hold(matches!(refused, Err(Refused::DecidedBefore { .. })), "a decision was taken back")?;
    }
    Ok(())
}

fn the_order_of_votes_does_not_matter(machine: &Machine, case: &Case) -> Result<(), String> {
    let people = &*PEOPLE;
    // Also votes that no machine would admit together; but one of each, as it is recorded.
    let mut votes: Vec<Vote> = Vec::new();
    for vote in case.tries.iter().map(|one| one.vote(&case.terms, people)) {
        if votes.iter().all(|other| other.by != vote.by) {
            votes.push(vote);
        }
    }
    let now = hour(case.use_at);
    let first = machine.standing(&case.terms, &votes, now);
    for _ in 0..votes.len() {
        votes.rotate_left(1);
        hold(machine.standing(&case.terms, &votes, now) == first, "another order is another decision")?;
    }
    votes.reverse();
    hold(machine.standing(&case.terms, &votes, now) == first, "the reverse order is another decision")
}

fn what_is_recorded_is_judged_again(machine: &Machine, case: &Case) -> Result<(), String> {
    // As if everything had been admitted, one of each: only what it says of itself is left to judge by.
    let mut seen = BTreeSet::new();
    let tries: Vec<&Try> = case.tries.iter().filter(|one| seen.insert(one.who)).collect();
    let votes: Vec<Vote> = tries.iter().map(|one| one.vote(&case.terms, &PEOPLE)).collect();
    let terms = &case.terms;
    let counts = |one: &&&Try| {
        let own = terms.no_self && terms.requesters.iter().any(|id| &**id == one.who);
        let in_time = one.at >= 0 && terms.expires_at.is_none_or(|until| hour(one.at) < until);
        one.decision == Decision::Approve && one.fresh && !own && in_time && !one.who.starts_with('=')
    };
    let groups = |one: &Try| -> &'static [&'static str] {
        if one.claims { &["audit", "finance", "legal"] } else { truly(one.who, one.at) }
    };
    let may = |one: &Try, list: &[Arc<str>]| list.iter().any(|group| groups(one).contains(&&**group));
    let yes: Vec<_> =
        tries.iter().filter(counts).filter(|one| terms.groups.iter().any(|list| may(one, list))).collect();
    let satisfied = terms.groups.iter().all(|list| yes.iter().any(|one| may(one, list)));
    let leave = machine.consume(terms, &votes, terms.hash, hour(case.use_at));
    hold(!leave || (satisfied && yes.len() >= terms.quorum.max(1) as usize), "a leave from votes that do not count")
}

fn one_no_ends_it(machine: &Machine, case: &Case) -> Result<(), String> {
    let (votes, from) = vote_all(machine, &case.terms, &case.tries, i64::MAX);
    let rejected = from.iter().any(|one| matches!(one.decision, Decision::Reject { .. }));
    for now in [case.use_at, 99] {
        let told = matches!(machine.standing(&case.terms, &votes, hour(now)), Standing::Rejected { .. });
        hold(told == rejected, "a no is not told as one")?;
    }
    // Even beside votes that would be enough.
    let mut votes: Vec<Vote> = ["bob", "gus", "dora"].map(|who| vote(who, Decision::Approve, 1)).into();
    votes.push(vote("bob", no("no"), 2));
    let asked = Terms { groups: vec![names(&["finance"])], ..case.terms.clone() };
    hold(!machine.consume(&asked, &votes, asked.hash, hour(3)), "a no was outvoted")
}

fn time_that_ran_out_never_means_yes(machine: &Machine, case: &Case) -> Result<(), String> {
    let terms = &case.terms;
    let (votes, _) = vote_all(machine, terms, &case.tries, i64::MAX);
    let Some(end) = terms.expires_at else { return Ok(()) };
    for now in [end, end + Span::from_micros(1), hour(99)] {
        let told = machine.standing(terms, &votes, now);
        let ended = matches!(told, Standing::Expired | Standing::Rejected { .. });
        hold(ended && !machine.consume(terms, &votes, terms.hash, now), "expired, and not told so")?;
    }
    hold(machine.escalate(terms, hour(5), hour(99)).is_none(), "escalated before its time ran out")?;
    let (now, until) = (hour(21), hour(40));
    let Some(after) = machine.escalate(terms, now, until) else { return Err("it does not escalate".into()) };
    hold(!machine.consume(&after, &votes, terms.hash, now), "the escalation itself was a yes")?;
    let more = Try { who: "dora", decision: Decision::Approve, at: 22, late: 0, fresh: true, claims: false };
    let asked_dora = !after.groups.is_empty() && after.quorum < 2;
    let rejected = matches!(machine.standing(terms, &votes, end), Standing::Rejected { .. });
    let still = matches!(machine.standing(&after, &votes, hour(22)), Standing::Rejected { .. });
    hold(still == rejected, "the escalation lifted a no")?;
    let vote = more.vote(&after, &PEOPLE);
    if asked_dora && !rejected {
        let admitted = machine.admit(&after, &votes, &vote, &PEOPLE, hour(22));
        hold(admitted == Ok(Admitted::New), "the group of the escalation cannot decide")?;
        let votes: Vec<Vote> = votes.into_iter().chain([vote]).collect();
        hold(machine.consume(&after, &votes, terms.hash, hour(23)), "the group's yes is none")?;
        hold(!machine.consume(&after, &votes, terms.hash, until), "a second expiry is none")?;
    }
    hold(machine.escalate(&after, until, hour(60)).is_none(), "escalated twice")
}

/// The action with one thing changed.
fn changed(which: usize) -> Action {
    let text: Arc<str> = "other".into();
    let a = action();
    match which {
        0 => Action { tenant: text, ..a },
        1 => Action { run: RunId::from_bytes([9; 16]), ..a },
        2 => Action { step: StepPath::new("pay~2"), ..a },
        3 => Action { call: 2, ..a },
        4 => Action { tool: text, ..a },
        5 => Action { operation: text, ..a },
        6 => Action { tool_pin: Digest::of(&[b"drifted"]), ..a },
        7 => Action { class: Effect::AtMostOnce, ..a },
        8 => Action { resource: Value::map([("type", Value::from("Account")), ("id", Value::from("a2"))]), ..a },
        9 => Action { secrets: [("bank-key".into(), "4".into())].into(), ..a },
        10 => Action { secrets: [("other-key".into(), "3".into())].into(), ..a },
        _ => Action { undo: vec![], ..a },
    }
}

fn another_action_is_another_hash(machine: &Machine, case: &Case) -> Result<(), String> {
    let key = [1; 32];
    let asked = machine.hash(&key, &action());
    hold(machine.hash(&key, &action()) == asked, "the same action has two hashes")?;
    hold(machine.hash(&[2; 32], &action()) != asked, "the key does not matter")?;
    let edit = Value::map([("amount", Value::from(3_u32 + u32::try_from(case.changed).unwrap_or(0)))]);
    let with = edited(&action().with, &edit);
    hold(with.get("note") == action().with.get("note"), "an edit changed what it does not name")?;
    let yes = [vote("bob", Decision::Approve, 1)];
    let terms = Terms { hash: asked, ..terms() };
    hold(machine.consume(&terms, &yes, asked, hour(2)), "a plain yes gives no leave")?;
    for other in [changed(case.changed), Action { with, ..action() }] {
        let found = machine.hash(&key, &other);
        hold(found != asked, "another action has the same hash")?;
        hold(!machine.consume(&terms, &yes, found, hour(2)), "a yes covers another action")?;
    }
    Ok(())
}

const PROPERTIES: [Property; 8] = [
    a_leave_needs_a_yes_in_time_to_the_very_action,
    only_a_sound_vote_is_admitted,
    repeating_changes_nothing_and_contradicting_is_refused,
    the_order_of_votes_does_not_matter,
    what_is_recorded_is_judged_again,
    one_no_ends_it,
    time_that_ran_out_never_means_yes,
    another_action_is_another_hash,
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_property_holds_of_the_machine(case in cases()) {
        for property in PROPERTIES {
            if let Err(why) = property(&TRUE, &case) {
                prop_assert!(false, "{}: {why}", TRUE.name);
            }
        }
    }
}

/// The same cases for every machine, in an order that never changes.
fn seeded() -> Vec<Case> {
    let config = Config { failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    (0..600).map(|_| cases().new_tree(&mut runner).expect("a case").current()).collect()
}

#[test]
fn every_wrong_machine_breaks_a_property() {
    let cases = seeded();
    let broken = |machine: &Machine| {
        let broken = |case| PROPERTIES.iter().find_map(|one: &Property| Some((one(machine, case).err()?, case)));
        cases.iter().find_map(broken)
    };
    assert!(broken(&TRUE).is_none(), "the machine itself must pass: {:?}", broken(&TRUE));
    let survivors: Vec<_> = WRONG.iter().filter(|one| broken(one).is_none()).map(|one| one.name).collect();
    assert!(survivors.is_empty(), "not told from the machine: {survivors:?}");
}

/// What the cases are worth: the interesting ends are all reached.
#[test]
fn the_cases_reach_every_end() {
    let mut ends = std::collections::BTreeMap::new();
    for case in seeded() {
        let (votes, _) = vote_all(&TRUE, &case.terms, &case.tries, case.use_at);
        let end = match TRUE.standing(&case.terms, &votes, hour(case.use_at)) {
            Standing::Pending { .. } => "pending",
            Standing::Approved { by } if by.len() > 1 => "approved by several",
            Standing::Approved { .. } => "approved",
            Standing::Edited { .. } => "edited",
            Standing::Rejected { .. } => "rejected",
            Standing::Answered { .. } => "answered",
            Standing::Expired => "expired",
        };
        *ends.entry(end).or_insert(0_u32) += 1;
    }
    assert!(ends.len() == 7 && ends.values().all(|count| *count >= 10), "{ends:?}");
}
