//! What can be wrong in the files of a project, by id.

use super::Known;

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
        "A price is US dollars for a million tokens: a plain number with at most six decimal places, as in `3.00`. It holds `from` a day and `until` a later one, if either is written.",
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
        "W140",
        "no key for a public service",
        "The public services of OpenAI, Anthropic and Google answer nobody without a key; a server of your own may need none.",
    ),
    (
        "W147",
        "schema too large for the model's server",
        "The server of this model cannot be made to hold answers to this schema. The model is told of it in the text instead, and answers are checked all the same.",
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
        "W177",
        "what follows an unsure answer",
        "`unsure.then` is a list of `{ model: … }`, `{ person: … }`, `accept` and `fail`, in the order in which they have their turn; the last two end it.",
    ),
    (
        "W178",
        "how long a result is kept",
        "`cache.ttl` says how long an answer or a result may be used again: more than no time, at most thirty days.",
    ),
    (
        "W179",
        "a cached part has an effect",
        "What says `cache` is not done again while its result counts. So a step, a stage or a workflow with `cache` has nothing inside that must \
         happen in every run: no call of a tool that changes something, no event, no approval, no handoff, no wait, no proof.",
    ),
    (
        "W180",
        "the key leaves something out",
        "A result is used again by whoever has the same `cache.key`, the same labels and the same project. What else the part reads may be \
         another in another run, and the result would be the one of the first.",
    ),
    (
        "W181",
        "a cached stage is left or returned to",
        "When the result of a stage is used again, none of its steps happens: none can choose stages, and to none can a recovery return.",
    ),
    (
        "W182",
        "a cached workflow proves nothing",
        "`done_when` names facts that the journal of each run must hold. A run that is given the result of another one did nothing, and has none.",
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
        "W191",
        "no deadline here",
        "Every step may have a `deadline`, except `decide`: it takes no time of its own. Write it on the steps of the stages that it chooses, or on the workflow.",
    ),
    (
        "W192",
        "a retry that guesses",
        "An action with the effect `at_most_once` is never sent again after it may have been performed: no `retry` for `tool_error`, `tool_timeout` or `unknown_outcome` could say otherwise, and what never left is sent again without a list. For `tool_error`, and in a list of the stage or the workflow, which is about other steps too, it is a warning: what never left may be sent again.",
    ),
    (
        "W193",
        "a retry that changes nothing",
        "A retry waits and sends the same again. That cannot help against a verdict, a decision of people, an answer that does not fit or time that is over: write what changes something, such as `repair`, `{ model: … }`, `{ stage: … }` or `{ person: … }`.",
    ),
    (
        "W194",
        "going on over what may have been done",
        "`continue_with` says what a step gave. For an action whose outcome is not known nobody can say that: ask people, who resolve it with evidence.",
    ),
    (
        "W195",
        "never reached",
        "`stage`, `continue_with`, `pause` and `fail` end a list of recoveries: what stands behind one of them has no turn.",
    ),
    (
        "W196",
        "cannot occur",
        "No step that the list is about can fail with this kind. `surefoot check --failures` prints what can occur at each step, and what is done about it.",
    ),
    (
        "W197",
        "failing over what cannot be undone",
        "The step may fail the run after an action of the group `Irreversible` that has no `undo`: what was done stands, and the run ends without a result. Write what is done about the failure, such as `{ person: … }` or `pause`.",
    ),
    (
        "W198",
        "output that nobody reads",
        "No step, `check` or result reads this field of an answer: it is asked for and paid, and nothing comes of it. Read it, or take it out of the schema.",
    ),
    (
        "W199",
        "no such word in the schema",
        "A prompt names a word between backticks that is neither a field nor a value of the answer's schema, nor anything that the step is shown. Models follow the prompt, and the schema refuses the answer.",
    ),
    (
        "W200",
        "always denied",
        "The policies deny the action whatever the facts are: a rule in `policies/never/` without a condition matches it, or no rule in `policies/allow/` permits it.",
    ),
    (
        "W201",
        "dearer than the budget",
        "What a run costs at most is more than its budget: it may be paused on its way. `surefoot check --cost` prints what each step adds.",
    ),
    (
        "W202",
        "budget that never fits",
        "Not even the plainest run fits the budget: one call alone sets aside more, or the steps that always run are more calls than it has.",
    ),
    (
        "W203",
        "allows nothing",
        "`# surefoot: allow W198 because …` stands on the line of a warning or above it, names one that is there and says why. Errors are mended, not allowed.",
    ),
    (
        "W204",
        "a person instead of a measure",
        "A guess. Praise and biography (\"You are a world-class expert\") say who the model should be, which changes nothing that can be checked. Say what a good answer is. How often such guesses are right stands in `docs/context.md`; one that is wrong is allowed with a reason.",
    ),
    (
        "W205",
        "instructions that contradict each other",
        "A guess. Two sentences that one call is shown cannot both be followed: always and never, short and long, two formats of one answer, two numbers for one limit. Keep one, or say when which one holds.",
    ),
    (
        "W206",
        "a measure that is left open",
        "A guess. `a few`, `as needed`, `etc.`, `briefly`: nobody can compare an answer with that. Give a number, a list or a rule.",
    ),
    (
        "W207",
        "left over in a prompt",
        "A guess. A note of unfinished work, a blank that was never filled in, a fence or a tag that opens and never closes: finish it, or take it out.",
    ),
    (
        "W208",
        "said twice",
        "A guess. Two sentences that one call is shown say the same in nearly the same words. Once is cheaper, and only one of them will be mended when the rule changes.",
    ),
    (
        "W215",
        "a case names what there is not",
        "A case in `cases/` names a workflow, stage, step, operation or counter that the project does not have.",
    ),
    (
        "W216",
        "a case that cannot be played",
        "A case is about a whole workflow, one stage or one step outside of bodies, and says what was given before a part alone.",
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
        "W226",
        "event cannot be named so",
        "An event has a type, as in `order.paid`, and may have a key; `any` is a list of what a `wait` waits for, and stands alone.",
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
    (
        "W234",
        "a server's model without a price",
        "What a model behind a server bills is known before it is asked: by the price list that comes with Surefoot, or by its `price`. A model that bills nothing says `price: free`.",
    ),
    (
        "W240",
        "other arguments than a server takes",
        "A `params` that is written for an operation of an MCP server may allow less than the accepted definition, and nothing else.",
    ),
    (
        "W241",
        "work that is handed on without an end",
        "Where each workflow of a circle always hands on to the next, work goes round until the bound on depth fails it: somewhere on the way it must be possible to end without handing on.",
    ),
];
