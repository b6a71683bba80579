use expect_test::{Expect, expect};

use super::*;
use crate::values::MAX_INT;

fn read(text: &str) -> Result<Value, Complaint> {
    parse(&"a.yaml".into(), text)?.to_value()
}

/// Cases are separated by lines of `---8<---`.
fn check(cases: &[&str], expected: Expect) {
    let mut out = String::new();
    for text in cases {
        match read(text) {
            Ok(value) => out.push_str(&format!("{value}\n")),
            Err(complaint) => out.push_str(&complaint.render(Some(text))),
        }
    }
    expected.assert_eq(&out);
}

#[test]
fn plain_files_are_read() {
    check(
        &[
            "a: 1\nb: [ x, y z, 1.5, -3, true, null ]\nc:\n  d: \"1\"\n  e:\n",
            "- a\n- b: |\n    one\n    two\n  c: >\n    folded\n    text\n",
            "x: '=input.a'\ny: =input.a\nz: a: b\n",
            "text: 1.2.3\ndate: 2026-11-20\nid: 0a1\nsha: 12ab\nv: -x\n",
            "on: 1\ny: 2\nno: 3\n",
            "'null': 1\n",
            "{ a: 1, b: { c: [ ] } }\n",
            "\u{feff}a: 1\r\nb: 2\r\n",
            "just a text\n",
        ],
        expect![[r#"
            {"a":1,"b":["x","y z",1.5,-3,true,null],"c":{"d":"1","e":null}}
            ["a",{"b":"one\ntwo\n","c":"folded text\n"}]
            a.yaml:3:5: error[Y001]: this is not YAML: `: ` stands inside a value, or a key is indented too far
                3 | z: a: b
                  |     ^
               help: quote the whole value
            {"date":"2026-11-20","id":"0a1","sha":"12ab","text":"1.2.3","v":"-x"}
            {"no":3,"on":1,"y":2}
            {"null":1}
            {"a":1,"b":{"c":[]}}
            {"a":1,"b":2}
            "just a text"
        "#]],
    );
}

#[test]
fn what_we_do_not_read_says_so() {
    check(
        &[
            "a: &x 1\n",
            "a: *x\n",
            "a: &x 1\nb: *x\n",
            "a: !!str 1\n",
            "a: !x\n",
            "a: 1\nb: 2\na: 3\n",
            "a: 1\n---\nb: 2\n",
            "a:\n\tb: 1\n",
            "a: 1\n<<: { b: 2 }\n",
            "[a]: 1\n",
            "{ a: 1 }: 2\n",
            "? [a]\n: 1\n",
            "~: 1\n",
            "null: 1\n",
            ": 1\n",
            "a: \u{7}\n",
            "",
            "# nothing\n",
            "a: [ 1, 2\n",
            "a: 'x\n",
            "a: b: c\n",
            "a:\n  b: 1\n c: 2\n",
            "a: {{ x }}\n",
            "a: @x\n",
            "a: `x`\n",
            "a: %x\n",
        ],
        expect![[r#"
            a.yaml:1:4: error[Y002]: anchors are not read
                1 | a: &x 1
                  |    ^^^^
               help: write the value where it is used
            a.yaml:1:4: error[Y003]: aliases are not read
                1 | a: *x
                  |    ^
               help: write the value where it is used, or quote a text that starts with `*`
            a.yaml:1:4: error[Y002]: anchors are not read
                1 | a: &x 1
                  |    ^^^^
               help: write the value where it is used
            a.yaml:1:4: error[Y004]: tags are not read
                1 | a: !!str 1
                  |    ^^^^^^^
               help: quote a text, and quote a text that starts with `!`
            a.yaml:1:4: error[Y004]: tags are not read
                1 | a: !x
                  |    ^^
               help: quote a text, and quote a text that starts with `!`
            a.yaml:3:1: error[Y005]: the key `a` stands twice in one map: first on line 1
                3 | a: 3
                  | ^
            a.yaml:2:1: error[Y006]: a second document starts here
                2 | ---
                  | ^^^
            a.yaml:2:1: error[Y007]: a tab stands here
                2 |  b: 1
                  | ^
               help: indent with spaces; in a text, write `\t` between double quotes
            a.yaml:2:1: error[Y011]: merge keys are not read
                2 | <<: { b: 2 }
                  | ^^
               help: write the keys where they are used
            a.yaml:1:1: error[Y010]: a key must be a text
                1 | [a]: 1
                  | ^
               help: quote a text that starts with `{` or `[`
            a.yaml:1:1: error[Y010]: a key must be a text
                1 | { a: 1 }: 2
                  | ^^
               help: YAML splits at `,` and at braces and brackets here: quote the whole value, or write it on lines of its own
            a.yaml:1:3: error[Y010]: a key must be a text
                1 | ? [a]
                  |   ^
               help: quote a text that starts with `{` or `[`
            a.yaml:1:1: error[Y010]: the key `~` is no text
                1 | ~: 1
                  | ^
               help: quote it
            a.yaml:1:1: error[Y010]: the key `null` is no text
                1 | null: 1
                  | ^^^^
               help: quote it
            a.yaml:1:1: error[Y010]: a key must be a text, and nothing stands here
                1 | : 1
                  | ^
            a.yaml:1:4: error[Y013]: the control character U+0007 stands here
                1 | a:
                  |    ^
            a.yaml: error[Y014]: the file holds nothing
            a.yaml: error[Y014]: the file holds nothing
            a.yaml:2:1: error[Y001]: this is not YAML: expected ',' or ']'
               help: YAML splits at `,` and at braces and brackets here: quote the whole value, or write it on lines of its own
            a.yaml:1:4: error[Y001]: this is not YAML: a quoted text is not closed
                1 | a: 'x
                  |    ^
            a.yaml:1:5: error[Y001]: this is not YAML: `: ` stands inside a value, or a key is indented too far
                1 | a: b: c
                  |     ^
               help: quote the whole value
            a.yaml:3:2: error[Y001]: this is not YAML: a key is expected here
                3 |  c: 2
                  |  ^
               help: indent the keys of one map alike
            a.yaml:1:5: error[Y010]: a key must be a text
                1 | a: {{ x }}
                  |     ^^
               help: quote a text that holds `{{ … }}`
            a.yaml:1:4: error[Y001]: this is not YAML: a value cannot begin with this character
                1 | a: @x
                  |    ^
               help: quote the whole value
            a.yaml:1:4: error[Y001]: this is not YAML: a value cannot begin with this character
                1 | a: `x`
                  |    ^
               help: quote the whole value
            a.yaml:1:4: error[Y001]: this is not YAML: a value cannot begin with this character
                1 | a: %x
                  |    ^
               help: quote the whole value
        "#]],
    );
}

#[test]
fn values_that_readers_disagree_about_must_be_quoted() {
    for text in [
        "NO", "no", "No", "n", "N", "y", "Y", "yes", "YES", "on", "On", "off", "OFF", "True", "TRUE", "False", "Null",
        "NULL", "~", "1_000", "0x1F", "0o7", "0b1", "1e3", "1E-3", "+1", "012", "00", ".5", "5.", ".inf", "-.inf",
        ".NaN", "12:30", "1:2:3", "1,000", "=", "1.5e3", "-012",
    ] {
        let complaint = read(&format!("a:\n  - {text}\n")).expect_err(text);
        assert_eq!(complaint.id, "Y012", "{text}: {complaint}");
        assert!(complaint.hint.unwrap().contains("quote it"), "{text}");
        assert_eq!(read(&format!("\"{text}\"")).unwrap(), Value::text(text));
    }
    for text in [
        "nope",
        "yesterday",
        "onwards",
        "10%",
        "1 000",
        "1a",
        "v1",
        "0xyz",
        "12h",
        "3d",
        "e5",
        "1:a",
        "a:1",
        "1.2.3",
        "-",
        "--",
        "..",
        "$5",
    ] {
        if text == "-" {
            continue;
        }
        assert_eq!(read(&format!("a: {text}\n")).unwrap().get("a"), Some(&Value::text(text)), "{text}");
    }
    for (text, value) in [("0", 0), ("-1", -1), ("9007199254740991", MAX_INT), ("1.0", 1), ("-0", 0)] {
        assert_eq!(read(text).unwrap(), Value::Int(value), "{text}");
    }
    assert_eq!(read("9007199254740992").unwrap_err().id, "Y015");
    assert_eq!(read("9".repeat(400).as_str()).unwrap_err().id, "Y015");
}

#[test]
fn a_text_is_a_text() {
    let mut complaints = Complaints::new();
    let file: Arc<str> = "a.yaml".into();
    let text = |text: &str, complaints: &mut Complaints| {
        parse(&file, text).unwrap().text(complaints).map(|text| text.to_string())
    };
    for (source, wanted) in [("x", "x"), ("12", "12"), ("'no'", "no"), ("\"\"", ""), ("007", "007"), ("'true'", "true")]
    {
        assert_eq!(text(source, &mut complaints).as_deref(), Some(wanted));
    }
    assert!(complaints.is_empty());
    for source in ["no", "True", "~", "true", "null", "[a]", "{a: 1}"] {
        assert_eq!(text(source, &mut complaints), None, "{source}");
    }
    assert_eq!(complaints.len(), 7);
}

#[test]
fn bombs_are_refused_and_nothing_panics() {
    let run = || {
        for (open, close) in [("[", "]"), ("{a: ", "}"), ("- ", ""), ("[", ""), ("{", ""), ("? ", ""), ("[[{", "")] {
            for count in [63, 64, 65, 300, 5000] {
                let text = format!("{}1{}", open.repeat(count), close.repeat(count));
                let result = parse(&"a".into(), &text);
                assert!(count < 65 || result.is_err(), "{open} {count}");
                if count == 5000 && close == "]" {
                    assert_eq!(result.unwrap_err().id, "Y008");
                }
            }
        }
        let mut nested = String::new();
        for depth in 0..500 {
            nested.push_str(&format!("{}a:\n", " ".repeat(depth)));
        }
        assert_eq!(parse(&"a".into(), &nested).unwrap_err().id, "Y008");
        let laughs = "a: &a [x, x, x]\nb: &b [*a, *a, *a]\nc: &c [*b, *b, *b]\n";
        assert_eq!(parse(&"a".into(), laughs).unwrap_err().id, "Y002");
        assert_eq!(parse(&"a".into(), &"x".repeat(MAX_BYTES + 1)).unwrap_err().id, "Y009");
        assert!(parse(&"a".into(), &"a: 1\n".repeat(200_000)).is_err());
        let wide = format!("[{}]", "1, ".repeat(100_000));
        assert!(parse(&"a".into(), &wide).is_ok());
    };
    std::thread::Builder::new().stack_size(2 << 20).spawn(run).unwrap().join().unwrap();
}

#[test]
fn unknown_and_later_keys_are_complained_about_together() {
    let text = "raeson: x\nunsure: y\nsee: { a: b }\ntokens: [ f(a, b) ]\nextra: { x: f(a, b) }\n";
    let node = parse(&"a.yaml".into(), text).unwrap();
    let mut complaints = Complaints::new();
    let fields =
        Fields::new(&node, "a step", &["reason", "see", "tokens", "extra", "max"], &["unsure"], &mut complaints)
            .unwrap();
    assert_eq!(fields.required("reason", &mut complaints), None);
    assert_eq!(fields.int("max", 0, 5, &mut complaints), None);
    assert_eq!(fields.text("see", &mut complaints), None);
    let extra = fields.get("extra").unwrap();
    Fields::new(extra, "an extra", &["x"], &[], &mut complaints).unwrap();
    for item in fields.list("tokens", &mut complaints) {
        complaints.push(item.expected("a name"));
    }
    let out: String = complaints.into_sorted().iter().map(|complaint| complaint.render(Some(text))).collect();
    expect![[r#"
        a.yaml:1:1: error[W001]: unknown key `raeson` in a step
            1 | raeson: x
              | ^^^^^^
           help: did you mean `reason`?
        a.yaml:1:1: error[W003]: a step needs `reason`
            1 | raeson: x
              | ^^^^^^
        a.yaml:2:1: error[W002]: `unsure` in a step is not supported yet
            2 | unsure: y
              | ^^^^^^
        a.yaml:3:6: error[W004]: expected a text, but here stands a map
            3 | see: { a: b }
              |      ^^^^^^^^
        a.yaml:4:11: error[W004]: expected a name, but here stands the text `f(a`
            4 | tokens: [ f(a, b) ]
              |           ^^^
           help: YAML splits at `,` and at braces and brackets here: quote the whole value, or write it on lines of its own
        a.yaml:4:16: error[W004]: expected a name, but here stands the text `b)`
            4 | tokens: [ f(a, b) ]
              |                ^^
           help: YAML splits at `,` and at braces and brackets here: quote the whole value, or write it on lines of its own
        a.yaml:5:18: error[W001]: unknown key `b)` in an extra
            5 | extra: { x: f(a, b) }
              |                  ^^
           help: YAML splits at `,` and at braces and brackets here: quote the whole value, or write it on lines of its own
    "#]].assert_eq(&out);
}

#[test]
fn accessors_say_what_stands_there() {
    let text = "a: x\nb: 12\nc: soon\nd: [1]\ne: maybe\nf: { a: 1 }\ng: yes\n";
    let node = parse(&"a.yaml".into(), text).unwrap();
    let mut complaints = Complaints::new();
    let c = &mut complaints;
    let fields = Fields::new(&node, "x", &["a", "b", "c", "d", "e", "f", "g"], &[], c).unwrap();
    assert_eq!(fields.int("b", 0, 12, c), Some(12));
    fields.int("b", 0, 11, c);
    fields.int("b", 13, 20, c);
    fields.int("a", 0, 11, c);
    fields.time("c", c);
    fields.text("d", c);
    fields.one_of("e", &["always", "may be", "never"], c);
    fields.list("f", c);
    fields.bool("g", false, c);
    fields.map("d", c);
    let out: String = complaints.as_slice().iter().map(|complaint| format!("{complaint}\n")).collect();
    expect![[r#"
        a.yaml:2:4: error[W005]: 12 is too big: at most 11
        a.yaml:2:4: error[W005]: 12 is too small: at least 13
        a.yaml:1:4: error[W004]: expected a whole number, but here stands the text `x`
        a.yaml:3:4: error[W004]: expected a length of time, such as `30s`, `5m` or `3d`, but here stands the text `soon`
        a.yaml:4:4: error[W004]: expected a text, but here stands a list
        a.yaml:5:4: error[W005]: `maybe` cannot stand here
        a.yaml:6:4: error[W004]: expected a list, but here stands a map
        a.yaml:7:4: error[Y012]: `yes` means different things to different readers of YAML
        a.yaml:4:4: error[W004]: expected a map, but here stands a list
    "#]]
    .assert_eq(&out);
}

#[test]
fn places_inside_a_scalar_are_found() {
    let text =
        "a: x + yy\nb: \"x + yy\"\nc: |\n  first\n  x + yy\nd: \"x\\n + yy\"\ne: >\n  x +\n  yy\nf: [ x + yy ]\n";
    let node = parse(&"a.yaml".into(), text).unwrap();
    let Kind::Map(entries) = &node.kind else { panic!() };
    let mut out = String::new();
    for (key, value) in entries {
        let value = if let Kind::List(items) = &value.kind { &items[0] } else { value };
        let offset = value.scalar().unwrap().find("yy").unwrap();
        let at = value.place_of(offset, 2);
        out.push_str(&Complaint::new("E001", &value.file, at, &*key.text).render(Some(text)));
    }
    expect![[r#"
        a.yaml:1:8: error[E001]: a
            1 | a: x + yy
              |        ^^
        a.yaml:2:9: error[E001]: b
            2 | b: "x + yy"
              |         ^^
        a.yaml:5:7: error[E001]: c
            5 |   x + yy
              |       ^^
        a.yaml:6:4: error[E001]: d
            6 | d: "x\n + yy"
              |    ^^^^^^^^^^
        a.yaml:8:3: error[E001]: e
            8 |   x +
              |   ^^^
        a.yaml:10:10: error[E001]: f
           10 | f: [ x + yy ]
              |          ^^
    "#]]
    .assert_eq(&out);
}

#[test]
fn spans_cover_what_they_mean() {
    let text = "key: value\nlist:\n  - one\n  - { a: b }\nmap:\n  inner: 1\nempty:\n";
    let node = parse(&"a.yaml".into(), text).unwrap();
    let mut out = String::new();
    fn walk(node: &Node, text: &str, out: &mut String) {
        out.push_str(&node.complaint("Y001", node.describe()).render(Some(text)));
        match &node.kind {
            Kind::List(items) => items.iter().for_each(|item| walk(item, text, out)),
            Kind::Map(entries) => entries.iter().for_each(|(_, value)| walk(value, text, out)),
            Kind::Scalar { .. } => {}
        }
    }
    walk(&node, text, &mut out);
    expect![[r#"
        a.yaml:1:1: error[Y001]: a map
            1 | key: value
              | ^^^
        a.yaml:1:6: error[Y001]: the text `value`
            1 | key: value
              |      ^^^^^
        a.yaml:3:3: error[Y001]: a list
            3 |   - one
              |   ^
        a.yaml:3:5: error[Y001]: the text `one`
            3 |   - one
              |     ^^^
        a.yaml:4:5: error[Y001]: a map
            4 |   - { a: b }
              |     ^^^^^^^^
        a.yaml:4:10: error[Y001]: the text `b`
            4 |   - { a: b }
              |          ^
        a.yaml:6:3: error[Y001]: a map
            6 |   inner: 1
              |   ^^^^^
        a.yaml:6:10: error[Y001]: the number `1`
            6 |   inner: 1
              |          ^
        a.yaml:7:6: error[Y001]: nothing
            7 | empty:
              |      ^
    "#]]
    .assert_eq(&out);
}
