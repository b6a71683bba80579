//! Bad files, as they are complained about.

use super::*;

/// All complaints about `rules/a.yaml`, as printed.
fn complaints(text: &str, others: &[(&str, &str)]) -> String {
    let sources = sources(text, others);
    let complaints = Rules::parse(&"rules/a.yaml".into(), &sources).expect_err("a file with faults");
    complaints.iter().map(|one| one.render(sources.get(&one.file).map(|text| &**text))).collect()
}

#[test]
fn names_that_nothing_stands_behind() {
    let text = r#"
answers: schemas/any.yaml
raeds: {}
reads: { text: text, page: txt, 9: any, items: [id, field] }
lexicons:
  cities: lexicons/citys.txt
  int: [one]
patterns:
  near: "in {{citie}}"
  late: "{{near}} {{open"
weights:
  a: { in: txet, features: { neer: 1, x: { weight: 1, value: =pgae } } }
  text: { in: text, features: {} }
extract:
  facts:
    from: text
    only: page
    fields:
      staff:
        as: { n: itn, m: int }
        find: [ { match: "(?P<k>[0-9]+)", unless: [deny], value: =kk, set: { polarity: 1 } } ]
compose:
  sum: { from: items, by: fild, says: [ { of: staff, text: "{{ vlaue }}" } ] }
calibration: { fitted_on: x, tables: { fact: [[0, 0.5]] } }
answer: {}
"#;
    expect![[r#"
        rules/a.yaml:3:1: error[W001]: unknown key `raeds` in a file of rules
            3 | raeds: {}
              | ^^^^^
           help: did you mean `reads`?
        rules/a.yaml:4:28: error[W005]: `txt` cannot stand here
            4 | reads: { text: text, page: txt, 9: any, items: [id, field] }
              |                            ^^^
           help: did you mean `text`?
        rules/a.yaml:4:33: error[W020]: `9` is no name: lower-case letters, digits and `_`, beginning with a letter
            4 | reads: { text: text, page: txt, 9: any, items: [id, field] }
              |                                 ^
        rules/a.yaml:6:11: error[W012]: the project has no file `lexicons/citys.txt`
            6 |   cities: lexicons/citys.txt
              |           ^^^^^^^^^^^^^^^^^^
           help: did you mean `lexicons/cities.txt`?
        rules/a.yaml:7:3: error[W020]: `int` means something here already
            7 |   int: [one]
              |   ^^^
        rules/a.yaml:9:13: error[E002]: there is no lexicon `citie`, and no pattern of that name above
            9 |   near: "in {{citie}}"
              |             ^^^^^^^^^
           help: one of `int`
        rules/a.yaml:10:19: error[E005]: `{{` opens a hole that no `}}` closes
           10 |   late: "{{near}} {{open"
              |                   ^^
        rules/a.yaml:12:12: error[E002]: `reads` has no `txet`
           12 |   a: { in: txet, features: { neer: 1, x: { weight: 1, value: =pgae } } }
              |            ^^^^
           help: did you mean `text`?
        rules/a.yaml:12:36: error[E002]: there is no pattern and no lexicon `neer`
           12 |   a: { in: txet, features: { neer: 1, x: { weight: 1, value: =pgae } } }
              |                                    ^
           help: did you mean `near`?
        rules/a.yaml:12:63: error[E002]: there is no `pgae` here
           12 |   a: { in: txet, features: { neer: 1, x: { weight: 1, value: =pgae } } }
              |                                                               ^^^^
           help: did you mean `page`?
        rules/a.yaml:13:3: error[W021]: `text` is the name of what is read, or another result as well
           13 |   text: { in: text, features: {} }
              |   ^^^^
        rules/a.yaml:20:18: error[W005]: `itn` is no kind of value and no lexicon
           20 |         as: { n: itn, m: int }
              |                  ^^^
           help: did you mean `int`?
        rules/a.yaml:21:67: error[E002]: there is no `kk` here
           21 |         find: [ { match: "(?P<k>[0-9]+)", unless: [deny], value: =kk, set: { polarity: 1 } } ]
              |                                                                   ^^
           help: did you mean `k`?
        rules/a.yaml:23:27: error[E002]: the items have no `fild` for `by`
           23 |   sum: { from: items, by: fild, says: [ { of: staff, text: "{{ vlaue }}" } ] }
              |                           ^^^^
           help: did you mean `field`?
        rules/a.yaml:24:46: error[W005]: nothing here has a score of the name `fact`
           24 | calibration: { fitted_on: x, tables: { fact: [[0, 0.5]] } }
              |                                              ^^^^^^^^^^^
           help: did you mean `facts`?
    "#]]
    .assert_eq(&complaints(text, &[("lexicons/cities.txt", "Graz\n")]));
}

#[test]
fn a_confidence_that_nobody_measured() {
    let text = r#"
answers: schemas/any.yaml
reads: { text: text }
patterns: { bad: bad }
weights: { a: { in: text, features: { bad: 1 } } }
extract:
  facts:
    from: text
    fields: { bad: { find: [ { match: "bad", weight: 0.9 } ] } }
    gives: { value: =value, confidence: =confidence }
answer: { facts: =facts.found, confidence: 0.9, other: =a.confidence }
"#;
    expect![[r#"
        rules/a.yaml:10:42: error[E002]: there is no `confidence` here
           10 |     gives: { value: =value, confidence: =confidence }
              |                                          ^^^^^^^^^^
           help: a confidence is measured: fit a table to judged answers and write it as `calibration: { fitted_on: …, table: [[0, …]] }`; docs/models.md says how
    "#]].assert_eq(&complaints(text, &[]));
    let text = text
        .replace("gives: { value: =value, confidence: =confidence }", "gives: { value: =value, confidence: =score }");
    expect![[r#"
        rules/a.yaml:10:41: error[W005]: this is no confidence that a table gave
           10 |     gives: { value: =value, confidence: =score }
              |                                         ^^^^^^
           help: a confidence is measured: fit a table to judged answers and write it as `calibration: { fitted_on: …, table: [[0, …]] }`; docs/models.md says how
    "#]].assert_eq(&complaints(&text, &[]));
    let text = text.replace("=score", "=confidence");
    let text = format!("{text}calibration: {{ fitted_on: 20 texts, table: [[0, 0.5]] }}\n");
    expect![[r#"
        rules/a.yaml:11:44: error[W005]: this is no confidence that a table gave
           11 | answer: { facts: =facts.found, confidence: 0.9, other: =a.confidence }
              |                                            ^^^
           help: a confidence is measured: fit a table to judged answers and write it as `calibration: { fitted_on: …, table: [[0, …]] }`; docs/models.md says how
    "#]].assert_eq(&complaints(&text, &[]));
    parse(&text.replace("confidence: 0.9", "confidence: =a.confidence"), &[]);
}

#[test]
fn tables_that_are_none() {
    let file = |table: &str| {
        format!("answers: schemas/any.yaml\nreads: {{ text: text }}\ncalibration: {table}\nanswer: {{ text: =text }}\n")
    };
    let mut all = String::new();
    for table in [
        "{ table: [[0, 0.5]] }",
        "{ fitted_on: \" \", table: [[0, 0.5]] }",
        "{ fitted_on: x }",
        "{ fitted_on: x, table: [] }",
        "{ fitted_on: x, table: [[0.1, 0.5]] }",
        "{ fitted_on: x, table: [[0, 0.5], [0.5, 0.6], [0.5, 0.7]] }",
        "{ fitted_on: x, table: [[0, 1.5]] }",
        "{ fitted_on: x, table: [[0]] }",
        "{ fitted_on: x, table: [0, 1] }",
    ] {
        let said = complaints(&file(table), &[]);
        all.extend(said.lines().filter(|line| line.starts_with("rules/")).map(|line| format!("{line}\n")));
    }
    expect![[r#"
        rules/a.yaml:3:14: error[W003]: a calibration needs `fitted_on`
        rules/a.yaml:3:27: error[W004]: expected which data the table was fitted on, and how many, but here stands the text ` `
        rules/a.yaml:3:14: error[W003]: a calibration needs `table` or `tables`
        rules/a.yaml:3:37: error[W004]: expected at least one row [score, share], but here stands an empty list
        rules/a.yaml:3:38: error[W005]: the first row begins at the score 0, not at 0.1
        rules/a.yaml:3:60: error[W005]: the score 0.5 stands after 0.5: rows go up
        rules/a.yaml:3:38: error[W004]: expected a row [score, share], both from 0 to 1, but here stands a list
        rules/a.yaml:3:38: error[W004]: expected a row [score, share], both from 0 to 1, but here stands a list
        rules/a.yaml:3:38: error[W004]: expected a list, but here stands the number `0`
    "#]].assert_eq(&all);
}

#[test]
fn patterns_that_cannot_be_followed() {
    let text = r#"
answers: schemas/any.yaml
reads: { text: text }
lexicons: { twice: [one, One], none: [] }
patterns:
  open: "(bad"
  ahead: "(?=x)"
  back: "(a)\\1"
  huge: "(?:\\w{900}){900}"
  empty: "x*"
  same: "(?P<a>x)(?P<a>y)"
  fine: "[]{{] a[^] ]"
  fine: "a"
answer: {}
"#;
    expect![[r#"
        rules/a.yaml:13:3: error[Y005]: the key `fine` stands twice in one map: first on line 12
           13 |   fine: "a"
              |   ^^^^
    "#]]
    .assert_eq(&complaints(text, &[]));
    let text = text.replace("  fine: \"a\"\n", "");
    expect![[r#"
        rules/a.yaml:4:26: error[Y005]: the word `One` stands twice
            4 | lexicons: { twice: [one, One], none: [] }
              |                          ^^^
        rules/a.yaml:4:38: error[W004]: a lexicon has 1 to 5000 words, and this one has 0
            4 | lexicons: { twice: [one, One], none: [] }
              |                                      ^^^
        rules/a.yaml:6:9: error[S006]: the pattern cannot be read: unclosed group
            6 |   open: "(bad"
              |         ^^^^^^
        rules/a.yaml:7:10: error[S006]: the pattern cannot be read: look-around, including look-ahead and look-behind, is not supported
            7 |   ahead: "(?=x)"
              |          ^^^^^^^
        rules/a.yaml:8:9: error[S006]: the pattern cannot be read: backreferences are not supported
            8 |   back: "(a)\\1"
              |         ^^^^^^^^
        rules/a.yaml:9:9: error[S006]: the pattern cannot be read: it needs more than 8 MiB
            9 |   huge: "(?:\\w{900}){900}"
              |         ^^^^^^^^^^^^^^^^^^^
        rules/a.yaml:10:10: error[S006]: the pattern fits where nothing stands
           10 |   empty: "x*"
              |          ^^^^
           help: write `+` for `*`, or what must be there
        rules/a.yaml:11:9: error[S006]: the pattern cannot be read: duplicate capture group name
           11 |   same: "(?P<a>x)(?P<a>y)"
              |         ^^^^^^^^^^^^^^^^^^
    "#]].assert_eq(&complaints(&text, &[]));
}

#[test]
fn an_answer_that_can_be_seen_not_to_fit() {
    let schema = "type: object\nadditionalProperties: false\nrequired: [kind, facts]\nproperties:\n  \
                  kind: { enum: [shop, blog] }\n  facts: { type: array, items: { type: object, required: [quote], \
                  properties: { quote: { type: string } } } }\n";
    let text = r#"
answers: schemas/reading.yaml
reads: { text: text }
patterns: { buy: buy }
weights: { kind: { in: text, labels: { shop: { features: { buy: 1 } }, other: {} } } }
extract: { facts: { from: text, fields: { buy: { find: [ { match: buy } ] } }, gives: { value: =value } } }
answer: { kind: =kind.label }
"#;
    let others = &[("schemas/reading.yaml", schema)];
    expect![[r#"
        rules/a.yaml:7:9: error[W025]: the answer does not fit schemas/reading.yaml: `facts` is missing
            7 | answer: { kind: =kind.label }
              |         ^^^^^^^^^^^^^^^^^^^^^
    "#]]
    .assert_eq(&complaints(text, others));
    let text = text.replace("answer: { kind: =kind.label }", "answer:\n  kind: =kind.label\n  facts: =facts.found");
    expect![[r#"
        rules/a.yaml:9:10: error[W025]: the answer does not fit schemas/reading.yaml: `/facts/-`: `quote` is missing
            9 |   facts: =facts.found
              |          ^^^^^^^^^^^^
    "#]]
    .assert_eq(&complaints(&text, others));
    let text = text.replace("gives: { value: =value }", "gives: { quote: =quote }");
    expect![[r#"
        rules/a.yaml:8:9: error[W025]: the answer does not fit schemas/reading.yaml: `/kind`: "other" is not one of "blog", "shop"
            8 |   kind: =kind.label
              |         ^^^^^^^^^^^
    "#]].assert_eq(&complaints(&text, others));
    parse(&text.replace("other: {}", "blog: {}"), others);
    expect![[r#"
        rules/a.yaml:2:10: error[W012]: the project has no file `schemas/raeding.yaml`
            2 | answers: schemas/raeding.yaml
              |          ^^^^^^^^^^^^^^^^^^^^
           help: did you mean `schemas/reading.yaml`?
    "#]]
    .assert_eq(&complaints(&text.replace("schemas/reading", "schemas/raeding"), others));
}

#[test]
fn words_that_no_text_can_hold_and_numbers_that_are_none() {
    let text = r#"
answers: schemas/any.yaml
reads: { text: text }
weights:
  a: { in: text, words: { re-send: 1, one two three four five: 1, Card: 1, card: 2, app: soon } }
  b: { in: text, words: lexicons/b.txt }
  c: { in: text, words: lexicons/d.yaml }
  d: { in: text }
  e: { in: text, words: {}, labels: { x: { words: [a] }, y: { word: {} } } }
answer: {}
"#;
    expect![[r#"
        rules/a.yaml:5:27: error[W004]: `re-send` is not 1 to 4 words of letters, digits and apostrophes, with a space between them
            5 |   a: { in: text, words: { re-send: 1, one two three four five: 1, Card: 1, card: 2, app: soon } }
              |                           ^^^^^^^
        rules/a.yaml:5:39: error[W004]: `one two three four five` is not 1 to 4 words of letters, digits and apostrophes, with a space between them
            5 |   a: { in: text, words: { re-send: 1, one two three four five: 1, Card: 1, card: 2, app: soon } }
              |                                       ^^^^^^^^^^^^^^^^^^^^^^^
        rules/a.yaml:5:76: error[Y005]: the word `card` stands twice
            5 |   a: { in: text, words: { re-send: 1, one two three four five: 1, Card: 1, card: 2, app: soon } }
              |                                                                            ^^^^
        rules/a.yaml:5:90: error[W004]: expected a number, but here stands the text `soon`
            5 |   a: { in: text, words: { re-send: 1, one two three four five: 1, Card: 1, card: 2, app: soon } }
              |                                                                                          ^^^^
        rules/a.yaml:6:25: error[W004]: expected a map of words to numbers, or a .yaml file in lexicons/ that holds one, but here stands the text `lexicons/b.txt`
            6 |   b: { in: text, words: lexicons/b.txt }
              |                         ^^^^^^^^^^^^^^
        rules/a.yaml:7:25: error[W012]: the project has no file `lexicons/d.yaml`
            7 |   c: { in: text, words: lexicons/d.yaml }
              |                         ^^^^^^^^^^^^^^^
           help: did you mean `lexicons/c.yaml`?
        rules/a.yaml:8:6: error[W003]: a weight needs `features`
            8 |   d: { in: text }
              |      ^^^^^^^^^^^^
        rules/a.yaml:9:18: error[W001]: `words` belongs to one label, not beside `labels`
            9 |   e: { in: text, words: {}, labels: { x: { words: [a] }, y: { word: {} } } }
              |                  ^^^^^
        rules/a.yaml:9:51: error[W004]: expected a map of words to numbers, but here stands a list
            9 |   e: { in: text, words: {}, labels: { x: { words: [a] }, y: { word: {} } } }
              |                                                   ^^^^
        rules/a.yaml:9:63: error[W001]: unknown key `word` in a label
            9 |   e: { in: text, words: {}, labels: { x: { words: [a] }, y: { word: {} } } }
              |                                                               ^^^^
           help: did you mean `words`?
    "#]].assert_eq(&complaints(text, &[("lexicons/c.yaml", "a: 1")]));
}
