//! Complaints: what is wrong in a file a person wrote, where it stands and what to try instead.

use std::{fmt, sync::Arc};

/// One line of the list of complaints: its id, its title, and what it means and what to do about it.
pub type Known = (&'static str, &'static str, &'static str);

/// YAML files.
pub const YAML: &[Known] = &[
    ("Y001", "not YAML", "The file cannot be read as YAML. Quote a value that holds `: `, ` #`, a comma or a brace."),
    ("Y002", "anchor", "Anchors (`&name`) are not read: write the value where it is used."),
    (
        "Y003",
        "alias",
        "Aliases (`*name`) are not read: write the value where it is used, or quote a text that starts with `*`.",
    ),
    ("Y004", "tag", "Tags (`!!str`, `!x`) are not read: quote a text, and quote a text that starts with `!`."),
    ("Y005", "duplicate key", "A key stands twice in one map. YAML readers disagree about which one counts."),
    ("Y006", "several documents", "A file holds one document: no `---` after the first line of content and no `...`."),
    ("Y007", "tab", "Tabs are not read anywhere: indent with spaces, and write `\\t` in a double-quoted text."),
    ("Y008", "too deep", "Lists and maps may be nested 64 deep."),
    ("Y009", "too big", "A file may have 1 MiB."),
    ("Y010", "key is not a text", "A key is a plain or quoted text, never a list or a map, and never empty."),
    ("Y011", "merge key", "`<<` is not read: write the keys where they are used."),
    (
        "Y012",
        "ambiguous value",
        "YAML readers disagree about this value. Quote it to have a text, or write true, false, null or a plain decimal number.",
    ),
    ("Y013", "control character", "A control character stands in the file, perhaps from copying."),
    ("Y014", "nothing in the file", "The file is empty or holds comments only."),
    ("Y015", "number out of range", "Whole numbers go to 2^53 - 1: beyond it, write a text."),
];

/// Schemas.
pub const SCHEMA: &[Known] = &[
    ("S001", "not a schema", "The file does not follow JSON Schema 2020-12."),
    (
        "S002",
        "unknown keyword",
        "JSON Schema would ignore this keyword in silence, so it is refused. Notes belong in `description` or `$comment`.",
    ),
    ("S003", "remote reference", "`$ref` may point into the same file only (`#/$defs/…`): a bundle must be complete."),
    ("S004", "reference to nothing", "The place that `$ref` names does not exist in this file."),
    ("S005", "endless reference", "`$ref` goes back to itself without a property or an item in between."),
    (
        "S006",
        "bad pattern",
        "The pattern is no regular expression of the linear kind: no look-around, no back-references, no huge repetitions.",
    ),
    (
        "S007",
        "keyword not supported yet",
        "The keyword is planned and not built. It is refused because ignoring it would be worse.",
    ),
    ("S008", "unknown format", "The format is not one that is checked here."),
];

/// Expressions and texts with holes.
pub const EXPRESSION: &[Known] = &[
    ("E001", "not an expression", "The expression cannot be read."),
    ("E002", "unknown name", "No step, input or function of this name can be seen here."),
    ("E003", "wrong type", "The value has a type that cannot be used here."),
    ("E004", "may be none", "A step that may be skipped gives none: guard it with `ran(step)`."),
    ("E005", "hole is not closed", "`{{` opens a hole that no `}}` closes."),
    (
        "E006",
        "only holes",
        "A text may hold `{{ expressions }}` and nothing else: no blocks `{% %}` and no comments `{# #}`.",
    ),
    ("E007", "literal in `see:`", "`see:` shows data, never text of its own: that belongs in the prompt."),
    (
        "E008",
        "too long",
        "An expression may have 8 KiB, 250 operators and 24 nested brackets: put a `set` step before it.",
    ),
];

/// Workflows, steps, tools and projects.
pub const WORKFLOW: &[Known] = &[
    ("W001", "unknown key", "The key is not one of those that may stand here. Unknown keys are never ignored."),
    (
        "W002",
        "not supported yet",
        "The key is documented and not built yet. It is refused because ignoring it would be worse.",
    ),
    ("W003", "missing key", "A key that is needed here is missing."),
    ("W004", "wrong kind of value", "Something else is expected here, such as a list instead of a text."),
    ("W005", "unknown value", "The value is not one of those that may stand here."),
    ("W010", "file missing from the project", "A project has `surefoot.yaml` and at least one file in `workflows/`."),
    ("W011", "name taken", "Two workflows, or two tools, have one name."),
    ("W012", "no such file", "The project has no file of that path. Paths begin at the project's folder."),
    ("W013", "no such workflow", "No file in `workflows/` has a workflow of that name."),
    ("W014", "input does not fit", "The input that `try:` names does not fit the workflow's input schema."),
    ("W015", "no such model", "A step names a model that `surefoot.yaml` does not declare under `models:`."),
    (
        "W020",
        "name not possible",
        "Names are lower-case letters, digits and `_`, begin with a letter, and are no word that means something already.",
    ),
    (
        "W021",
        "name stands twice",
        "Step names and stage names are unique in their workflow, names and ids in their file of rules.",
    ),
    (
        "W022",
        "stage cannot be chosen",
        "A `then` or a recovery names a stage that stands further down in the same workflow, and never from inside a body.",
    ),
    ("W023", "no such failure kind", "The key under `on_failure` is no failure kind; `docs/failures.md` lists them."),
    (
        "W024",
        "not known at the start",
        "`about` is computed when the run starts: it can read `input` and nothing else.",
    ),
    (
        "W025",
        "result does not fit",
        "The result, or the answer of a file of rules, can be seen not to fit its schema before any run.",
    ),
    (
        "W026",
        "function without a version",
        "A native function is named with its version, `name@version`, so that an old run never meets new code.",
    ),
    ("W027", "arguments do not fit", "The arguments can be seen not to fit the operation's schema before any run."),
    ("W028", "no such operation", "An `act` names `tool.operation`, as a file in `tools/` declares it."),
    ("W029", "a step does one thing", "A step has exactly one key that says what it does."),
    ("W030", "idempotent without a key", "The receiver can de-duplicate only on a key that it gets."),
    (
        "W031",
        "sites outside a demonstration",
        "Only a profile named `demo` may serve sites from this machine, and only for hosts that nobody can own: .test, .example, .invalid, .localhost.",
    ),
    (
        "W032",
        "probe that cannot tell",
        "An operation with the effect `probed` says how to find out whether it was performed: `probe: { operation: …, with: …, found: … }` names a reading operation of the same tool. Other effects have no probe.",
    ),
    (
        "W040",
        "statement does not fit its schemas",
        "Each `:name` of a statement file is a property of the operation's `params`, and each property is used; the answer is of the form that `rows` says.",
    ),
    (
        "W041",
        "not a statement file",
        "Statement files stand below `sql/`, hold whole statements with parameters `:name`, and leave transactions to us; migrations begin with a number.",
    ),
    (
        "W050",
        "not a policy",
        "The rule cannot be read as Cedar. Each ends with `;`, has at most 8 KiB, 80 operators and 16 nested brackets, and is no template.",
    ),
    (
        "W051",
        "rule without an id of its own",
        "Each rule carries `@id(\"…\")`, and no other rule of the three sets has the same: decisions, cases and journals name it.",
    ),
    (
        "W052",
        "wrong kind of rule for its folder",
        "`policies/never/` and `policies/ask/` hold `forbid` rules, `policies/allow/` holds `permit` rules.",
    ),
    (
        "W053",
        "annotation not possible",
        "An annotation is unknown, does not belong in this folder, or has a value that cannot be read. Annotations are compiled, and a slip in one would ask nobody.",
    ),
    (
        "W054",
        "rule does not fit the tools",
        "A rule names an operation, a type, a field, a workflow or a step that there is not, or compares what cannot be compared.",
    ),
    (
        "W055",
        "rule never decides",
        "Nothing that can be asked for is decided by this rule: it matches no operation, or another rule decides before it always.",
    ),
    (
        "W056",
        "file that nothing reads",
        "Below `policies/` stand `never/`, `allow/` and `ask/` with `.cedar` files and `cases/` with `.yaml` files. Rules elsewhere would hold nobody.",
    ),
    (
        "W057",
        "case that cannot be judged",
        "A case names a rule, an operation, a counter or an argument that there is not: it would prove nothing.",
    ),
    (
        "W060",
        "document does not describe it",
        "An OpenAPI document is 3.0 or 3.1, stands below `tools/`, refers to nothing outside, and describes the operation by its `operationId` with parameters that can be sent as plain texts and a body that is JSON.",
    ),
    ("W070", "no such person", "`stand_in` names a person of `people.yaml` by the id that stands below `people:`."),
    (
        "W071",
        "no such group",
        "Every group that is named stands below `groups:` in `people.yaml`, as `name: {}` at least.",
    ),
    ("W072", "nobody in the group", "A group has the people who name it; an empty one could never decide."),
    ("W073", "escalation goes round", "`escalate_to` comes back to where it began: nobody would be the last to ask."),
    (
        "W074",
        "not working hours",
        "Hours are days (`mon`, `mon-fri`) with times (`\"09:00-17:00\"`, or a list), each day once and each time before the next.",
    ),
    ("W075", "no such zone", "`zone` is a name of the IANA time zone database, such as `Europe/Berlin`."),
    ("W076", "not an absence", "An absence ends on or after its first day, and nobody stands in for himself."),
    (
        "W077",
        "id not possible",
        "Ids of people and groups are lower-case letters, digits and `_`, `-`, `.`, `@`, begin with a letter and have at most 64 characters.",
    ),
    (
        "W080",
        "no such label",
        "A label is lower-case letters, digits, `_` and `-`. A word that looks like one of ours and is not is a slip; `trusted` and `public` may not stand under `see`.",
    ),
    (
        "W081",
        "field cannot be trusted so",
        "`trust` names a field of the answer's schema; `enum` wants one that can hold no text, `at_most` one that holds a number.",
    ),
    ("W082", "tied to untrusted data", "What `trust` compares with must itself be trusted, or it says nothing."),
    (
        "W083",
        "control of no argument",
        "`control` names arguments of the operation, and `allow_list` those that are `control`.",
    ),
    (
        "W084",
        "untrusted control argument",
        "An argument that says what is done to whom comes from outside. It must be tied to trusted data, be on an allow-list, or be put before a person.",
    ),
    (
        "W090",
        "not an amount of money",
        "Money is written in US dollars with at most six decimal places, as in `0.50 USD`. It is counted in millionths, never rounded.",
    ),
    (
        "W091",
        "not a price",
        "A price is US dollars for a million tokens: a plain number with at most six decimal places, as in `3.00`.",
    ),
    ("W092", "budget limits nothing", "A budget has at least one of `money`, `tokens`, `calls` and `time`."),
    (
        "W093",
        "price without an output cap",
        "What a call costs at most is reserved before it; a model with a price needs `max_tokens`, the longest answer.",
    ),
    (
        "W094",
        "model without a price",
        "Where a limit of money applies, a model whose price is not known is refused. Rules, and scripted and registered models without a price, cost nothing.",
    ),
    (
        "W110",
        "a proof only reads",
        "`by` of a `verify` names an operation whose effect is `read`: proving changes nothing outside.",
    ),
    (
        "W111",
        "no such step to prove",
        "`proves` and `verified` name a step that can be seen from there: one that stands above, and for `verified` a `verify`.",
    ),
    (
        "W112",
        "can never be done",
        "`done_when` names an operation that no step of the workflow performs: no run could complete, or none could fail to.",
    ),
    (
        "W113",
        "a demand is one fact",
        "Each item of `done_when` says exactly one of `performed`, `not_performed`, `verified` and `holds`.",
    ),
    (
        "W120",
        "a form of several people",
        "One person fills in a form; `quorum` wants more than one yes, and no two answers are one.",
    ),
    ("W121", "too few people", "`quorum` wants more people than the groups of `of` have: nobody could ever say yes."),
    (
        "W130",
        "nothing to take back",
        "`undo` takes back an act that changes something, by an operation that changes something.",
    ),
    (
        "W131",
        "nothing was done here",
        "The recovery `undo` takes back what was done where its list stands: in a stage, in a workflow, or inside an each, parallel or repeat.",
    ),
    (
        "W132",
        "cannot be kept",
        "`keep` says of an act outside of all bodies that changes something that its effect stands.",
    ),
    (
        "W133",
        "no way back out of a body",
        "A checkpoint, and a recovery that returns to one, stand outside of each, parallel and repeat.",
    ),
    (
        "W134",
        "no way back",
        "`return_to` names a checkpoint that stands before, and each act on the way that changes something says `undo` or `keep`.",
    ),
    (
        "W135",
        "nothing to probe",
        "The recovery `probe` stands in the list for `unknown_outcome`, where an action has a probe: one with the effect `probed`.",
    ),
    (
        "W185",
        "no such workflow to hand work to",
        "A `handoff` names a workflow of this project: the text after `workflow:` in one of the files in `workflows/`.",
    ),
    (
        "W186",
        "handed over does not fit",
        "What a `handoff` gives a workflow in `with:` is that workflow's input, and must fit the schema that its `input:` names.",
    ),
    (
        "W187",
        "result does not fit the contract",
        "What a workflow gives as its `result:` must fit the contract of every `handoff` to it.",
    ),
    (
        "W188",
        "a claim, where only facts cross",
        "Of another workflow's result only what is verified crosses as a fact. `accept: claims` takes the rest too, labelled `unverified`.",
    ),
    (
        "W189",
        "no such tool in the scope",
        "The `tools` of a scope are names of tools, or of operations, as in `billing` or `billing.pay`.",
    ),
    (
        "W190",
        "act outside the scope",
        "A step of the other workflow calls what the scope does not hold: it would be denied each time.",
    ),
    (
        "W220",
        "not a decision table",
        "In a file of `decisions/` each row says what it gives, or each says which stages follow; a value fits `output` and is small.",
    ),
    (
        "W221",
        "inputs of the table do not fit",
        "A step that decides by a table gives each of its inputs in `with:`, of the type that the table says, and nothing else.",
    ),
    (
        "W222",
        "condition cannot be",
        "A condition of a row names an input of the table, and values that this input can have.",
    ),
    (
        "W223",
        "rows overlap",
        "With `hit: unique` at most one row may match, whatever the inputs are. Write `hit: first` if the order decides.",
    ),
    ("W224", "rows leave a gap", "For some inputs no row matches, and the table has no `otherwise:`."),
    ("W225", "row never fires", "The rows above match wherever this one does. It may stand too far down."),
    (
        "W175",
        "no route",
        "A route names the models that stand in for each other: at least one, each once, and no route. Its own name is no model's.",
    ),
    (
        "W176",
        "routes in the wrong file",
        "Routes decide what a run does, and so they are frozen with it: they stand in routes.yaml, which is in the bundle, as surefoot.yaml is not.",
    ),
    (
        "W150",
        "shown and not used",
        "`see` gives a prompt an object of which its holes read only some fields. Show those, so that a change of the others changes nothing here.",
    ),
    (
        "W151",
        "in no hole",
        "The prompt has holes, and none of them places this item, so that it stands before the text under its name.",
    ),
    (
        "W152",
        "shows too much",
        "`see` shows a whole input or value: with a field that is private and that no hole needs, or with very many fields. A model is best shown what it uses.",
    ),
    (
        "W153",
        "shown under one name twice",
        "Two layers show something under the same name, and one would hide the other.",
    ),
    (
        "W154",
        "run data above a cache edge",
        "The texts of the shared and the stage layer are the same in every call, and a provider reads them from its cache. A hole that is filled from the run ends that for all that follows.",
    ),
    (
        "W155",
        "untrusted text in the system text",
        "The texts of the shared and the stage layer are system text, which a model obeys. What comes from outside is never placed in them.",
    ),
    (
        "W156",
        "does not fit its tokens",
        "What never shrinks may be longer than the tokens that are given to it, to its layer or to the call: the step would fail with `context_overflow`.",
    ),
    (
        "W157",
        "secret in a prompt",
        "Something in a prompt looks like a key, a token or a password. Prompts are frozen with the project and sent with every call; a secret belongs in the settings of a tool.",
    ),
    (
        "W158",
        "cannot shrink so",
        "What `overflow` does needs a text or a list, an item that may shrink, and a prompt that can do without what is gone.",
    ),
    (
        "W159",
        "not cleared for this model",
        "A model that others run is shown data with the label `private` or `secret`. `cleared` at the model says that it may be.",
    ),
    (
        "W165",
        "a whole tool is granted",
        "An agent is granted each operation by its own name, so that an operation that a tool gets later is not granted with it.",
    ),
    ("W166", "granted nothing, or twice", "`tools` lists at least one operation, and each of them once."),
    (
        "W167",
        "arguments that no model can know",
        "An operation that a model may propose says in its tool file what its arguments must fit: `params`, the schema of an object.",
    ),
    (
        "W168",
        "a name that no model can use",
        "A model calls an operation `tool__operation`: letters, digits, `_` and `-`, at most 64 of them.",
    ),
    (
        "W169",
        "an answer that is no object",
        "An agent proposes its answer like an action, so its schema is one of an object.",
    ),
    (
        "W170",
        "claims are missing",
        "An agent that may change something says what it did in `claims`, each with the evidence of it: they are compared with the journal.",
    ),
    (
        "W171",
        "rules cannot propose",
        "A model that answers from rules is asked by a `reason` step; it proposes no actions.",
    ),
    (
        "W227",
        "nobody has accepted a server's tool",
        "What an MCP server says of a tool counts only as a person accepted it: `surefoot tools pin` shows it and, with `--yes`, writes `pins/<tool>.json`.",
    ),
    (
        "W228",
        "pins that do not hold",
        "A file in `pins/` is written by `surefoot tools pin`; each definition in it is named by its hash.",
    ),
    (
        "W229",
        "a server's hint speaks against a class",
        "`effect` is the operator's word, and a server's `readOnlyHint` or `destructiveHint` never sets it; where they differ somebody should look again.",
    ),
    (
        "W230",
        "a definition that nobody can accept",
        "What a server says of a tool holds no characters that people do not see and models read, and is not longer than people read.",
    ),
    (
        "W231",
        "a description that steers",
        "A description that names other tools, or tells a model what to do, works on the model that reads it.",
    ),
    (
        "W232",
        "a server's schema cannot be used",
        "The schema of a pinned tool is no JSON Schema that can be checked here: write `params` or `returns` in the tool file.",
    ),
    ("W233", "pins of no tool", "Each file in `pins/` belongs to an MCP tool of the same name."),
];

const PARTS: &[&[Known]] = &[YAML, SCHEMA, EXPRESSION, WORKFLOW];

const fn total(parts: &[&[Known]]) -> usize {
    let (mut sum, mut part) = (0, 0);
    while part < parts.len() {
        sum += parts[part].len();
        part += 1;
    }
    sum
}

const fn joined() -> [Known; total(PARTS)] {
    let mut all = [("", "", ""); total(PARTS)];
    let (mut at, mut part) = (0, 0);
    while part < PARTS.len() {
        let mut line = 0;
        while line < PARTS[part].len() {
            all[at] = PARTS[part][line];
            at += 1;
            line += 1;
        }
        part += 1;
    }
    all
}

/// Every complaint there is: id, title, explanation. The reference page is made from it.
pub static ALL: &[Known] = &joined();

/// Where something stands in a file. All three count characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The line, from 1.
    pub line: u32,
    /// The column, from 1.
    pub column: u32,
    /// How many characters of that line are meant, at least 1.
    pub len: u32,
}

/// Whether a complaint stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The project cannot be used.
    Error,
    /// Worth a look.
    Warning,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
        })
    }
}

/// One thing that is wrong in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// Its number in [`ALL`].
    pub id: &'static str,
    /// Whether it stops.
    pub severity: Severity,
    /// The file, as the project names it.
    pub file: Arc<str>,
    /// Where in the file; `None` when it is about the file as a whole.
    pub at: Option<Place>,
    /// What is wrong: lower case, no full stop.
    pub message: String,
    /// What to try.
    pub hint: Option<String>,
}

impl Complaint {
    /// An error about a place.
    pub fn new(
        id: &'static str,
        file: &Arc<str>,
        at: impl Into<Option<Place>>,
        message: impl Into<String>,
    ) -> Complaint {
        debug_assert!(ALL.iter().any(|known| known.0 == id), "complaint {id} is not in the list");
        let (file, at, message) = (file.clone(), at.into(), message.into());
        Complaint { id, severity: Severity::Error, file, at, message, hint: None }
    }

    /// The same, as a warning.
    #[must_use]
    pub fn warning(self) -> Complaint {
        Complaint { severity: Severity::Warning, ..self }
    }

    /// The same, with what to try.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Complaint {
        Complaint { hint: Some(hint.into()), ..self }
    }

    /// The same; a hint that is already there stays.
    #[must_use]
    pub fn or_hint(self, hint: Option<String>) -> Complaint {
        Complaint { hint: self.hint.or(hint), ..self }
    }

    /// For a terminal: file, place, message; the line it is about, if `source` (the text of the file) is there; the hint.
    pub fn render(&self, source: Option<&str>) -> String {
        let mut out = self.to_string();
        out.push('\n');
        if let (Some(at), Some(source)) = (self.at, source)
            && let Some(line) = source.lines().nth(at.line as usize - 1)
        {
            excerpt(&mut out, at, line);
        }
        if let Some(hint) = &self.hint {
            out.push_str("   help: ");
            out.push_str(hint);
            out.push('\n');
        }
        out
    }
}

/// The widest part of a line that is shown.
const SHOWN: usize = 110;

fn excerpt(out: &mut String, at: Place, line: &str) {
    let column = at.column.max(1) as usize - 1;
    let from = if column >= SHOWN { column - SHOWN / 4 } else { 0 };
    let shown: String = line.chars().skip(from).take(SHOWN).map(|c| if c.is_control() { ' ' } else { c }).collect();
    let width = shown.chars().count();
    let start = (column - from).min(width);
    let len = (at.len.max(1) as usize).min(width.saturating_sub(start).max(1));
    let pad = " ".repeat(start);
    let marks = "^".repeat(len);
    out.push_str(&format!("{:>5} | {}\n      | {pad}{marks}\n", at.line, shown.trim_end()));
}

impl fmt::Display for Complaint {
    /// One line: `workflows/mail.yaml:12:9: error[W001]: unknown key …`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Complaint { id, severity, file, message, .. } = self;
        match self.at {
            Some(at) => write!(f, "{file}:{}:{}: {severity}[{id}]: {message}", at.line, at.column),
            None => write!(f, "{file}: {severity}[{id}]: {message}"),
        }
    }
}

/// Collects complaints, so that a person sees all of a file's and not only the first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Complaints {
    list: Vec<Complaint>,
}

impl Complaints {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// One more.
    pub fn push(&mut self, complaint: Complaint) {
        self.list.push(complaint);
    }

    /// Several more.
    pub fn extend(&mut self, complaints: impl IntoIterator<Item = Complaint>) {
        self.list.extend(complaints);
    }

    /// The value; or nothing, and its complaint is kept.
    pub fn take<T>(&mut self, result: Result<T, Complaint>) -> Option<T> {
        result.map_err(|complaint| self.push(complaint)).ok()
    }

    /// The value; or nothing, and its complaints are kept.
    pub fn take_all<T>(&mut self, result: Result<T, Vec<Complaint>>) -> Option<T> {
        result.map_err(|complaints| self.extend(complaints)).ok()
    }

    /// Whether nothing was complained about.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// How many so far.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether one of them stops.
    pub fn has_errors(&self) -> bool {
        self.list.iter().any(|complaint| complaint.severity == Severity::Error)
    }

    /// So far, in the order they came.
    pub fn as_slice(&self) -> &[Complaint] {
        &self.list
    }

    /// By file and place; what was said twice is said once.
    pub fn into_sorted(mut self) -> Vec<Complaint> {
        self.list.sort_by(|a, b| (&a.file, a.at, a.id, &a.message).cmp(&(&b.file, b.at, b.id, &b.message)));
        self.list.dedup();
        self.list
    }

    /// `value` if nothing stops, else everything that was said.
    pub fn finish<T>(self, value: Option<T>) -> Result<T, Vec<Complaint>> {
        match value {
            Some(value) if !self.has_errors() => Ok(value),
            _ => Err(self.into_sorted()),
        }
    }
}

/// The candidate a person probably meant by `word`: the one with the fewest slips, if they are few for its length.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = word.to_lowercase();
    let length = lower.chars().count();
    let allowed = match length {
        0 => return None,
        1..=2 => 1,
        3..=5 => 2,
        _ => length / 3,
    };
    let mut best: Option<(usize, &str)> = None;
    for candidate in candidates {
        let other = candidate.to_lowercase();
        let slips = if other == lower {
            0
        } else if length >= 3 && (other.starts_with(&lower) || (other.len() >= 3 && lower.starts_with(&other))) {
            1
        } else {
            strsim::damerau_levenshtein(&lower, &other)
        };
        // A word of two letters has too little left of it after one slip, unless the first letter holds.
        let alike = length > 2 || slips == 0 || other.chars().next() == lower.chars().next();
        if slips <= allowed
            && slips < other.chars().count().max(2)
            && alike
            && best.is_none_or(|(least, _)| slips < least)
        {
            best = Some((slips, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// `did you mean …?`, or the list of what may stand here when it is short.
pub fn did_you_mean<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str> + Clone) -> Option<String> {
    if let Some(candidate) = nearest(word, candidates.clone()) {
        return Some(format!("did you mean `{candidate}`?"));
    }
    let all: Vec<_> = candidates.into_iter().collect();
    match all.len() {
        0 => None,
        1..=13 => Some(format!("one of {}", all.iter().map(|one| format!("`{one}`")).collect::<Vec<_>>().join(", "))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn ids_are_unique_and_in_order_within_their_area() {
        for part in PARTS {
            assert!(part.windows(2).all(|pair| pair[0].0 < pair[1].0), "{part:?}");
        }
        assert_eq!(ALL.len(), YAML.len() + SCHEMA.len() + EXPRESSION.len() + WORKFLOW.len());
        assert_eq!(ALL[0].0, "Y001");
    }

    #[test]
    fn a_complaint_shows_the_line_and_what_to_try() {
        let source = "a: 1\nsteps:\n      - raeson: prompts/x.md\n";
        let at = Place { line: 3, column: 9, len: 6 };
        let complaint = Complaint::new("W001", &"workflows/mail.yaml".into(), at, "unknown key `raeson` in a step")
            .hint("did you mean `reason`?");
        expect![[r#"
            workflows/mail.yaml:3:9: error[W001]: unknown key `raeson` in a step
                3 |       - raeson: prompts/x.md
                  |         ^^^^^^
               help: did you mean `reason`?
        "#]]
        .assert_eq(&complaint.render(Some(source)));
        assert_eq!(complaint.render(None).lines().count(), 2);
    }

    #[test]
    fn long_lines_are_cut_around_the_place() {
        let source = format!("{}here{}", "x".repeat(500), "y".repeat(500));
        let at = Place { line: 1, column: 501, len: 4 };
        let text = Complaint::new("Y001", &"f".into(), at, "m").render(Some(&source));
        let lines: Vec<_> = text.lines().collect();
        assert!(lines[1].len() < 130);
        let start = lines[2].find('^').unwrap();
        assert_eq!(&lines[1][start..start + 4], "here");
    }

    #[test]
    fn places_outside_the_file_do_no_harm() {
        for (line, column, len) in [(1, 90, 3), (9, 1, 1), (1, 1, 5000)] {
            Complaint::new("Y001", &"f".into(), Place { line, column, len }, "m").render(Some("ab"));
        }
    }

    #[test]
    fn the_nearest_word_is_near() {
        let keys = ["reason", "see", "output", "when", "with", "act", "on_failure"];
        for (word, wanted) in [
            ("raeson", Some("reason")),
            ("Reason", Some("reason")),
            ("outptu", Some("output")),
            ("onfailure", Some("on_failure")),
            ("on_fail", Some("on_failure")),
            ("wehn", Some("when")),
            ("zebra", None),
            ("", None),
            ("x", None),
        ] {
            assert_eq!(nearest(word, keys), wanted, "{word}");
        }
    }
}
