//! A project with one action that a person must agree to, the people, and a clock that jumps when it is told to.

use std::{
    sync::atomic::{AtomicI64, AtomicU64, Ordering},
    time::Duration,
};

use async_trait::async_trait;
use kernel::{
    values::{Span, Timestamp},
    workflow::project::{Project, Sources, check},
};
use runtime::{Clock, SystemClock};

/// The project's name.
pub(super) const NAME: &str = "races";

/// Who may agree.
pub(super) const PEOPLE: [&str; 10] = ["ann", "bob", "cid", "dee", "eve", "fay", "gus", "hal", "ida", "joe"];

/// Who starts every run. He is of their group, and may not agree to what he asked for himself.
pub(super) const STARTER: &str = "sam";

const FILES: [(&str, &str); 6] = [
    ("surefoot.yaml", "project: races\n"),
    (
        "tools/ledger.yaml",
        "tool: ledger
http: { base_url: =env.LEDGER_URL }
operations:
  fire:
    effect: at_most_once
    method: POST
    path: /as/at_most_once/effect/fire
    key: { header: Reference }
    params: schemas/fire.yaml
    returns: schemas/effect.yaml
",
    ),
    ("schemas/effect.yaml", include_str!("../../projects/mixed/schemas/effect.yaml")),
    (
        "schemas/fire.yaml",
        "type: object\nrequired: [run, item]\nadditionalProperties: false\nproperties: { run: { type: integer }, item: { type: integer } }\n",
    ),
    ("policies/allow/all.cedar", "@id(\"all\") permit (principal, action, resource);\n"),
    (
        "policies/ask/fire.cedar",
        "@id(\"look\") @approve_by(\"desk\") @expires(\"4h\") @no_self(\"true\") @editable(\"item\")
forbid (principal, action == Action::\"ledger.fire\", resource);\n",
    ),
];

const WORKFLOW: &str = "workflow: shoot
input: schemas/fire.yaml
stages:
  - stage: only
    steps:
      - { step: fire, act: ledger.fire, with: { run: =input.run, item: =input.item } }
";

/// The people file.
pub(super) fn people() -> String {
    let all = PEOPLE.into_iter().chain([STARTER]);
    let all: Vec<String> = all.map(|id| format!("  {id}: {{ name: {id}, groups: [ desk ] }}\n")).collect();
    format!("groups: {{ desk: {{}} }}\npeople:\n{}", all.concat())
}

/// The project.
pub(super) fn project() -> Result<(Sources, Project), String> {
    let people = people();
    let more = [("people.yaml", people.as_str()), ("workflows/shoot.yaml", WORKFLOW)];
    let sources: Sources = FILES.into_iter().chain(more).collect();
    let checked = check(&sources);
    let complaints: Vec<_> = checked.complaints.iter().map(ToString::to_string).collect();
    Ok((sources, checked.project.ok_or_else(|| complaints.join("\n"))?))
}

/// The machine's clock, set forward when it is told to, also at the n-th look from now.
#[derive(Default)]
pub(super) struct Jumping {
    clock: SystemClock,
    by_us: AtomicI64,
    /// Looks that are left before the jump; 0: it does not jump.
    left: AtomicU64,
    jump_us: AtomicI64,
}

impl Jumping {
    pub(super) fn jump(&self, by: Span) {
        self.by_us.fetch_add(by.micros(), Ordering::SeqCst);
    }

    /// At the n-th look from now.
    pub(super) fn jump_after(&self, looks: u64, by: Span) {
        self.jump_us.store(by.micros(), Ordering::SeqCst);
        self.left.store(looks, Ordering::SeqCst);
    }

    /// If it has not jumped yet, it does not.
    pub(super) fn stay(&self) {
        self.left.store(0, Ordering::SeqCst);
    }
}

#[async_trait]
impl Clock for Jumping {
    fn now(&self) -> Timestamp {
        let left = self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        if left == Ok(1) {
            self.by_us.fetch_add(self.jump_us.load(Ordering::SeqCst), Ordering::SeqCst);
        }
        Timestamp::from_micros(self.clock.now().micros() + self.by_us.load(Ordering::SeqCst))
    }

    fn monotonic(&self) -> Duration {
        self.clock.monotonic()
    }

    async fn sleep_until(&self, at: Timestamp) {
        // In pieces: the clock may jump meanwhile.
        while Clock::now(self) < at {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn sleep(&self, span: Span) {
        self.clock.sleep(span).await;
    }
}
