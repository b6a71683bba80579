//! A project whose model is a file of rules: checked, run, and read back from its journal.

mod common;

use common::{Place, stable};
use gateway::model::rules::Rules;
use insta::assert_snapshot;
use kernel::workflow::{bundle::Bundle, project::Sources};
use serde_json::{Value, json};

const FILES: [(&str, &str); 7] = [
    (
        "surefoot.yaml",
        "project: pages\nmodels:\n  reader: { provider: rules, file: rules/reader.yaml }\n  writer: { provider: rules, \
         file: rules/writer.yaml }\ntry: { workflow: read, input: cases/page.yaml }\n",
    ),
    (
        "workflows/read.yaml",
        "workflow: read
input: schemas/page.yaml
result: { value: =brief.sentences }
stages:
  - stage: only
    steps:
      - step: facts
        reason: prompts/read.md
        model: reader
        see: { text: input.text, fields: input.fields }
        output: schemas/facts.yaml
        check: [ \"output.facts | length > 0\" ]
      - step: brief
        reason: prompts/write.md
        model: writer
        see: { facts: facts.facts }
        output: schemas/brief.yaml
",
    ),
    ("prompts/read.md", "Read.\n\n{{ text }}\n\nFields: {{ fields }}\n"),
    ("prompts/write.md", "Write.\n\n{{ facts }}\n"),
    (
        "rules/reader.yaml",
        "answers: schemas/facts.yaml
reads: { text: text, fields: list }
lexicons: { countries: lexicons/countries.yaml }
extract:
  facts:
    from: text
    only: fields
    fields:
      staff: { as: { value: int }, find: [ { match: \"(?P<value>[0-9][0-9,]*) (?:people|employees)\", weight: 0.9 } ] }
      country: { as: { value: countries }, find: [ { match: \"in (?P<value>{{countries}})\", weight: 0.5 } ] }
    gives: { id: \"=field\", field: =field, value: =value, quote: =quote, confidence: =confidence }
calibration: { fitted_on: the pages of this test, table: [[0, 0.4], [0.8, 0.9]] }
answer: { facts: =facts.found, not_found: =facts.missing }
",
    ),
    (
        "rules/writer.yaml",
        "answers: schemas/brief.yaml
reads: { facts: [id, field, value, confidence] }
compose:
  sentences:
    from: facts
    when: confidence > 0.3
    says:
      - { of: [staff, country], text: \"{{ staff.value }} people work there, in {{ country.value }}.\" }
answer: { sentences: =sentences }
",
    ),
    ("lexicons/countries.yaml", "AT: [Austria, Österreich]\nDE: [Germany, Deutschland]\n"),
];

const DATA: [(&str, &str); 4] = [
    (
        "schemas/page.yaml",
        "type: object\nrequired: [text, fields]\nproperties: { text: { type: string }, fields: { type: array, items: { type: \
         string } } }\n",
    ),
    (
        "schemas/facts.yaml",
        "type: object
required: [facts, not_found]
properties:
  not_found: { type: array, items: { type: string } }
  facts:
    type: array
    items:
      type: object
      required: [id, field, value, quote, confidence]
      properties:
        id: { type: string }
        field: { type: string }
        value: { type: [string, integer] }
        quote: { type: string }
        confidence: { type: number }
",
    ),
    (
        "schemas/brief.yaml",
        "type: object
required: [sentences]
properties:
  sentences:
    type: array
    items:
      type: object
      required: [text, ids]
      properties: { text: { type: string }, ids: { type: array, items: { type: string } } }
",
    ),
    (
        "cases/page.yaml",
        "text: |\n  Acme builds pumps.\n  Today 1,250 people\n  work for us in Österreich.\nfields: [staff, country, founded]\n",
    ),
];

fn project() -> Place {
    let place = Place::new();
    for (file, text) in FILES.iter().chain(&DATA) {
        place.write(&format!("demo/{file}"), text);
    }
    place
}

#[test]
fn a_model_of_rules_answers_without_network_or_key() {
    let place = project();
    place.ok(&["check", "demo"]);
    place.ok(&["run", "demo"]);
    let run = place.newest();
    let export = place.ok(&["runs", "export", &run, "demo"]);
    let json = |text: &str| -> Value { serde_json::from_str(text).unwrap() };
    let bodies = export.lines().filter_map(|line| json(line)["body"].as_str().map(json));
    let answered: Vec<Value> = bodies.filter(|body| body["event"] == "model_answered").collect();
    let [facts, brief] = answered.as_slice() else { panic!("{export}") };
    let quote = "Today 1,250 people\nwork for us in Österreich.";
    assert_eq!(
        facts["result"]["done"]["value"],
        json!({
            "facts": [
                { "id": "staff", "field": "staff", "value": 1250, "quote": quote, "confidence": 0.9 },
                { "id": "country", "field": "country", "value": "AT", "quote": quote, "confidence": 0.4 },
            ],
            "not_found": ["founded"],
        })
    );
    assert_eq!(
        brief["result"]["done"]["value"],
        json!({ "sentences": [{ "text": "1250 people work there, in AT.", "ids": ["staff", "country"] }] })
    );
    assert_eq!((&facts["usage"], &brief["usage"]), (&json!({}), &json!({})));
}

#[test]
fn rules_and_lexicons_are_frozen_with_the_project() {
    let place = project();
    let bundle = || Bundle::pack(&surefoot::project::read(&place.path().join("demo"), true).unwrap()).digest;
    let before = bundle();
    place.edit("demo/lexicons/countries.yaml", "Austria", "Austria, AUT");
    let after = bundle();
    assert_ne!(before, after);
    place.edit("demo/rules/reader.yaml", "0.5", "0.6");
    assert_ne!(bundle(), after);
    place.edit("demo/surefoot.yaml", "project: pages", "project: sheets");
    place.edit("demo/lexicons/countries.yaml", "Austria, AUT", "Austria");
    place.edit("demo/rules/reader.yaml", "0.6", "0.5");
    assert_eq!(bundle(), before);
}

#[test]
fn check_reads_the_rules_as_well() {
    let place = project();
    place.edit("demo/rules/reader.yaml", "calibration:", "# calibration:");
    place.edit("demo/rules/writer.yaml", "sentences: =sentences", "sentences: =sentence");
    let said = place.call(&["check", "demo"]);
    let ran = place.call(&["run", "demo"]);
    assert_eq!((said.code, ran.code), (3, 3));
    assert_snapshot!(stable(&said.out));
}

#[test]
fn the_examples_of_the_page_are_files_of_rules() {
    let page = include_str!("../../../docs/models.md");
    let (_, rules) = page.split_once("## Rules").unwrap();
    let schema = |keys: &str| format!("type: object\nrequired: [{keys}]\n");
    let (reading, brief) = (schema("facts, not_found, anger, kind"), schema("summary"));
    let mut seen = 0;
    for example in rules.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next()) {
        let files = [
            ("rules/a.yaml", example),
            ("schemas/reading.yaml", &reading),
            ("schemas/brief.yaml", &brief),
            ("lexicons/places.yaml", "{ Graz: AT, Bern: CH }\n"),
        ];
        let sources: Sources = files.into_iter().collect();
        let parsed = Rules::parse(&"rules/a.yaml".into(), &sources);
        assert!(parsed.is_ok(), "{:?}", parsed.map(|_| ()));
        seen += 1;
    }
    assert_eq!(seen, 2);
}
