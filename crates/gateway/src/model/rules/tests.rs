use expect_test::expect;
use kernel::schema::Schema;

use super::*;

mod faults;
mod weird;

/// A project with the file `rules/a.yaml` and a schema that any answer fits.
fn sources(text: &str, others: &[(&str, &str)]) -> Sources {
    let base = [("rules/a.yaml", text), ("schemas/any.yaml", "type: object\n")];
    base.iter().chain(others).copied().collect()
}

fn parse(text: &str, others: &[(&str, &str)]) -> Rules {
    let sources = sources(text, others);
    Rules::parse(&"rules/a.yaml".into(), &sources).unwrap_or_else(|complaints| {
        let shown = |one: &Complaint| one.render(sources.get(&one.file).map(|text| &**text));
        panic!("{}", complaints.iter().map(shown).collect::<String>())
    })
}

fn data(json: &str) -> Value {
    Value::from_json(json.as_bytes()).unwrap()
}

fn said(rules: &Rules, json: &str) -> String {
    match rules.answer(&data(json)) {
        Ok(value) => format!("{:#}", value.to_serde()),
        Err(failure) => format!("{}: {}", failure.kind, failure.detail),
    }
}

const MAIL: &str = r#"
answers: schemas/mail.yaml
reads: { subject: text?, body: text, known: bool }
lexicons:
  angry: [furious, unacceptable, "third time", ridiculous]
  people: lexicons/people.txt
  bills: [invoice, bill, charged]
  parcels: [parcel, delivery]
patterns:
  asks: "(?:speak|talk) (?:to|with) (?:an? )?(?:real )?{{people}}"
  shouting: { match: "\\b[A-Z]{4,}\\b", case: true }
  marks: "!{2,}"
weights:
  anger:
    in: [subject, body]
    bias: -2
    features:
      angry: { weight: 1.5, most: 3 }
      shouting: 1
      marks: 0.5
      stranger: { weight: 0.25, value: =not known }
  person: { in: body, bias: -1, features: { asks: 3 } }
  kind:
    in: [subject, body]
    labels:
      bill: { features: { bills: 2 } }
      parcel: { features: { parcels: 2 } }
      other: { bias: 0.5 }
calibration:
  fitted_on: 412 messages, the half that no rule was written on
  table: [[0, 0.5], [0.7, 0.8]]
  tables: { kind: [[0, 0.4], [0.6, 0.75]] }
answer:
  anger: =anger.score
  angry_words: =anger.found
  asks_for_person: =person.is
  kind: =kind.label
  confidence: "=[anger.confidence, kind.confidence] | min"
"#;

const MAIL_FILES: &[(&str, &str)] = &[
    ("lexicons/people.txt", "# whom people ask for\nperson\nhuman\n\nhuman being\nagent\n"),
    (
        "schemas/mail.yaml",
        "type: object\nrequired: [anger, asks_for_person, kind]\nproperties:\n  anger: { type: number }\n  \
         angry_words: { type: array, items: { type: string } }\n  \
         asks_for_person: { type: boolean }\n  kind: { enum: [bill, parcel, other] }\n  confidence: { type: number }\n",
    ),
];

fn mail() -> Rules {
    parse(MAIL, MAIL_FILES)
}

#[test]
fn a_text_is_scored_and_given_a_label() {
    let rules = mail();
    let angry = r#"{"subject":"THIRD TIME","body":"This is unacceptable, furious!!! I want to talk to a\nhuman being about my invoice.","known":true}"#;
    expect![[r#"
        {
          "anger": 0.982,
          "angry_words": [
            "THIRD TIME",
            "unacceptable",
            "furious",
            "THIRD",
            "!!!"
          ],
          "asks_for_person": true,
          "confidence": 0.75,
          "kind": "bill"
        }"#]]
    .assert_eq(&said(&rules, angry));
    expect![[r#"
        {
          "anger": 0.1192,
          "angry_words": [],
          "asks_for_person": false,
          "confidence": 0.4,
          "kind": "other"
        }"#]]
    .assert_eq(&said(&rules, r#"{"body":"Thank you, that helped.","known":true}"#));
}

#[test]
fn words_with_numbers_add_up_once_each_also_where_they_overlap() {
    let rules = parse(
        r#"
answers: schemas/any.yaml
reads: { subject: text, body: text }
weights:
  kind:
    in: [subject, body]
    labels:
      bill: { bias: 0.5, words: lexicons/bill.yaml }
      card: { words: { new: 0.25, card: 0.5, new card: 1, bill: -1 } }
  sure: { in: body, bias: -1, words: { "don't": 2 } }
answer: { kind: =kind.label, scores: =kind.scores, why: =kind.found, sure: =sure.is }
"#,
        &[("lexicons/bill.yaml", "bill: 2\nsent twice: 1\n")],
    );
    // card: 0.25 + 0.5 + 1; bill: 0.5. The words `card` and `new` stand twice and count once; no phrase spans the two texts.
    expect![[r#"
        {
          "kind": "card",
          "scores": {
            "bill": 0.2227,
            "card": 0.7773
          },
          "sure": true,
          "why": [
            "new card",
            "card",
            "new"
          ]
        }"#]]
    .assert_eq(&said(&rules, r#"{"subject":"It was sent","body":"Twice: a NEW-card, new card. I don’t know"}"#));
    expect![[r#"
        {
          "kind": "bill",
          "scores": {
            "bill": 0.989,
            "card": 0.011
          },
          "sure": false,
          "why": [
            "bill",
            "sent twice"
          ]
        }"#]]
    .assert_eq(&said(&rules, r#"{"subject":"","body":"bill, sent. Twice!"}"#));
}

#[test]
fn what_was_not_shown_or_is_something_else_is_a_failure_that_names_it() {
    let rules = mail();
    for (json, wanted) in [
        ("{}", "internal: rules/a.yaml: `body` was not shown: `see:` of the step must name it"),
        (r#"{"body":1,"known":true}"#, "internal: rules/a.yaml: `body` is a number, and a text is read"),
        (r#"{"body":"a","known":"b"}"#, "internal: rules/a.yaml: `known` is a text, and true or false is read"),
    ] {
        assert_eq!(said(&rules, json), wanted);
    }
    let long = Value::map([("body", Value::text("a".repeat(MAX_TEXT + 1))), ("known", Value::Bool(true))]);
    assert_eq!(rules.answer(&long).unwrap_err().kind, FailureKind::ContextOverflow);
}

const READER: &str = r#"
answers: schemas/any.yaml
reads: { text: text, fields: list }
lexicons:
  countries: { Germany: DE, Austria: AT, United Kingdom: GB, UK: GB }
  tools: [Rust, PostgreSQL, Go]
  plans: [plan to, will, by the end of]
patterns:
  count: "[0-9](?:[0-9,.' ]*[0-9])?"
  denied: "\\b(?:not|no longer|never|don't)\\b"
  others: "\\b(?:those we serve|their)\\b"
  founding: founded|our story
  uses: "\\b(?:use|built with|stack)\\b"
weights:
  about: { in: text, bias: -1, features: { founding: 2 } }
extract:
  facts:
    from: text
    only: fields
    sentence:
      polarity:
        - { match: "{{denied}}", value: denied }
        - { match: "\\b{{plans}}\\b", value: planned }
        - { value: stated }
      as_of:
        - { match: "\\b(?:as of|since|in) (?P<year>(?:19|20)[0-9]{2})\\b", value: "=year | int" }
        - { value: null }
    fields:
      staff:
        take: best
        as: { low: int, high: int, n: int }
        find:
          - { id: range, match: "(?P<low>{{count}}) ?(?:-|–|to) ?(?P<high>{{count}}) (?:people|employees)", weight: 0.9, value: { min: =low, max: =high } }
          - { id: plain, match: "(?P<n>{{count}}) (?:people|employees)", weight: 0.8, unless: others, value: { min: =n, max: =n } }
      founded: { as: { value: year }, find: [ { match: "founded in (?P<value>[0-9]{4})", weight: 0.95 } ] }
      country: { as: { value: countries }, take: first, find: [ { match: "\\b(?P<value>{{countries}})\\b" } ] }
      uses: { as: { value: tools }, take: list, find: [ { match: "\\b(?P<value>{{tools}})\\b", weight: 0.7, needs: uses } ] }
      remote: { find: [ { match: "fully remote", value: "yes", set: { polarity: stated } } ] }
    gives: { field: =field, value: =value, quote: =quote, confidence: =confidence, polarity: =polarity, as_of: =as_of }
calibration: { fitted_on: nothing but this test, table: [[0, 0.3], [0.8, 0.7], [0.9, 0.9]], tables: { facts.uses: [[0, 0.55]] } }
answer: { facts: =facts.found, not_found: =facts.missing, about: =about.is }
"#;

fn reader() -> Rules {
    parse(READER, &[])
}

#[test]
fn facts_are_extracted_with_the_characters_that_say_them() {
    let text = "Müller & Söhne – our story\\n\\nFounded in 1998 in Germany, we are fully remote. We do not have offices in the UK. \
                Their parent has 90,000 employees.\\nAs of 2024 we are 1,200 – 1,500\\npeople. We use Rust and  postgresql; Go \
                is not for us.";
    let rules = reader();
    let json = |fields: &str| format!(r#"{{"text":"{text}","fields":{fields}}}"#);
    expect![[r#"
        {
          "about": true,
          "facts": [
            {
              "as_of": 2024,
              "confidence": 0.9,
              "field": "staff",
              "polarity": "stated",
              "quote": "As of 2024 we are 1,200 – 1,500\npeople.",
              "value": {
                "max": 1500,
                "min": 1200
              }
            },
            {
              "as_of": 1998,
              "confidence": 0.9,
              "field": "founded",
              "polarity": "stated",
              "quote": "Founded in 1998 in Germany, we are fully remote.",
              "value": 1998
            },
            {
              "as_of": 1998,
              "confidence": 0.9,
              "field": "country",
              "polarity": "stated",
              "quote": "Founded in 1998 in Germany, we are fully remote.",
              "value": "DE"
            },
            {
              "as_of": null,
              "confidence": 0.55,
              "field": "uses",
              "polarity": "denied",
              "quote": "We use Rust and  postgresql; Go is not for us.",
              "value": [
                "Rust",
                "PostgreSQL",
                "Go"
              ]
            }
          ],
          "not_found": [
            "turnover"
          ]
        }"#]]
    .assert_eq(&said(&rules, &json(r#"["staff","founded","country","uses","turnover"]"#)));
    let shown = data(&json(r#"["remote","staff"]"#));
    let scored = rules.scored(&shown).unwrap();
    let names: Vec<(&str, f64)> = scored.iter().map(|one| (one.name.as_str(), one.score)).collect();
    assert_eq!(names, [("about", 0.7311), ("facts.staff.range", 0.9), ("facts.remote.1", 1.0)]);
}

#[test]
fn a_word_in_capitals_is_found_in_capitals_only() {
    let rules = parse(
        r#"
answers: schemas/any.yaml
reads: { text: text }
lexicons: { places: { US: USA, New York: NYC, New York City: City } }
patterns:
  as_written: { match: "x{{places}}", case: true }
weights: { exact: { in: text, features: { as_written: 1 } }, plain: { in: text, features: { places: { weight: 1, most: 9 } } } }
extract:
  all: { from: text, quote: match, fields: { place: { take: all, as: { value: places }, find: [ { match: "(?P<value>{{places}})" } ] } },
         gives: =value }
answer: { all: =all.found, exact: =exact.found, plain: =plain.found }
"#,
        &[],
    );
    let text = r#"{"text":"Join us in the US, in NEW  york city or new\nyork. xnew york, xNew York, USB"}"#;
    assert_eq!(
        rules.answer(&data(text)).unwrap().to_json(),
        r#"{"all":["USA","City","NYC"],"exact":["xNew York"],"plain":["US","NEW york city","new york"]}"#
    );
}

const SUMMARY: &str = r#"
answers: schemas/any.yaml
reads: { claims: [id, field, value, confidence], name: text }
compose:
  summary:
    from: claims
    rank: confidence
    when: confidence >= 0.6
    most: 4
    says:
      - { of: industry, text: "They work in {{ value }}." }
      - { of: [staff, country], text: "{{ staff.value }} people work there, in {{ country.value }}." }
      - { of: staff, when: value > 50, text: "{{ value }} people work there." }
      - { of: uses, take: list, text: "They use {{ value | join(', ') }}." }
      - { of: opening, take: all, text: "They look for: {{ value }}" }
    gives: { text: =text, claim_ids: =ids, least: "=items | map(attribute='confidence') | min" }
answer: { title: "About {{ name }}", summary: =summary }
"#;

#[test]
fn texts_are_built_from_what_was_shown_and_name_it() {
    let claims = r#"[{"id":"c1","field":"staff","value":12,"confidence":0.6},{"id":"c2","field":"staff","value":80,"confidence":0.9},
        {"id":"c3","field":"uses","value":"Rust","confidence":0.7},{"id":"c4","field":"uses","value":"Go","confidence":0.8},
        {"id":"c5","field":"industry","value":"mining","confidence":0.2},{"id":"c6","field":"opening","value":"a cook","confidence":1},
        {"id":"c7","field":"opening","value":null,"confidence":1},{"id":"c8","field":"opening","value":"a smith","confidence":1},
        {"id":"c9","field":"opening","value":"a clerk","confidence":1}]"#;
    expect![[r#"
        {
          "summary": [
            {
              "claim_ids": [
                "c2"
              ],
              "least": 0.9,
              "text": "80 people work there."
            },
            {
              "claim_ids": [
                "c4",
                "c3"
              ],
              "least": 0.7,
              "text": "They use Go, Rust."
            },
            {
              "claim_ids": [
                "c6"
              ],
              "least": 1,
              "text": "They look for: a cook"
            },
            {
              "claim_ids": [
                "c8"
              ],
              "least": 1,
              "text": "They look for: a smith"
            }
          ],
          "title": "About Acme"
        }"#]]
    .assert_eq(&said(&parse(SUMMARY, &[]), &format!(r#"{{"claims":{claims},"name":"Acme"}}"#)));
    let both = r#"[{"id":1,"field":"staff","value":12,"confidence":0.6},{"id":2,"field":"country","value":"AT","confidence":0.9}]"#;
    let answer = parse(SUMMARY, &[]).answer(&data(&format!(r#"{{"claims":{both},"name":"Acme"}}"#))).unwrap();
    assert_eq!(
        answer.get("summary").unwrap().to_json(),
        r#"[{"claim_ids":[1,2],"least":0.6,"text":"12 people work there, in AT."}]"#
    );
    assert_eq!(
        said(&parse(SUMMARY, &[]), r#"{"claims":[{"field":"staff","value":99,"confidence":1}],"name":"Acme"}"#),
        "internal: rules/a.yaml: `summary`: an item of `claims` has no `id`"
    );
}

#[tokio::test]
async fn the_provider_answers_what_the_rules_say_and_bills_nothing() {
    let schema = |json| Some(Schema::from_json(&json).unwrap());
    let request = ModelRequest {
        step: "read".into(),
        workflow: "w".into(),
        attempt: 1,
        model: "reader".into(),
        system: String::new(),
        user: String::new(),
        data: data(r#"{"text":"Founded in 1998.","fields":["founded"]}"#),
        output_schema: schema(serde_json::json!({"type": "object"})),
        ..ModelRequest::default()
    };
    let rules = reader();
    let reply = rules.ask(&request).await;
    assert_eq!(reply.answer, rules.answer(&request.data));
    assert_eq!((reply.usage, reply.raw), (Usage::default(), None));
    // A schema that the answer does not fit is the kernel's to judge; none at all wants a text.
    let other = ModelRequest { output_schema: schema(serde_json::json!({"type": "array"})), ..request.clone() };
    assert_eq!(rules.ask(&other).await.answer, rules.answer(&request.data));
    let text = rules.ask(&ModelRequest { output_schema: None, ..request.clone() }).await.answer.unwrap();
    assert_eq!(text.as_str(), Some(&*rules.answer(&request.data).unwrap().to_json()));
    // A long text is read on another thread, to the same end.
    let long = Value::map([
        ("text", Value::text("We are 12 people. ".repeat(MUCH / 8))),
        ("fields", Value::list([Value::text("staff")])),
    ]);
    let reply = rules.ask(&ModelRequest { data: long.clone(), ..request }).await;
    assert_eq!(reply.answer, rules.answer(&long));
}
