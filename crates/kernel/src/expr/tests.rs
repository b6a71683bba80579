use std::collections::BTreeMap;

use expect_test::{Expect, expect};

use super::*;
use crate::yaml;

/// A value from YAML, with this little world around it.
fn world() -> BTreeMap<&'static str, Value> {
    let text = r#"
input: { name: Ada, age: 36, tags: [a, b], score: 0.5, none: null, yes: true, body: "The “quick”  brown\nfox – really" }
payments: { items: [ { id: p1, cents: 1250, open: true }, { id: p2, cents: 300, open: false } ], largest: 1250 }
skipped: null
"#;
    let node = yaml::parse(&"world.yaml".into(), text).unwrap();
    let yaml::Kind::Map(entries) = &node.kind else { panic!() };
    let names = ["input", "payments", "skipped"];
    names.iter().zip(entries).map(|(name, (_, node))| (*name, node.to_value().unwrap())).collect()
}

fn values(roots: &[Root]) -> Vec<Value> {
    let world = world();
    roots
        .iter()
        .map(|root| match root.what {
            RootKind::Value => world.get(&*root.name).cloned().unwrap_or_default(),
            RootKind::Ran => Value::Bool(world.get(&*root.name).is_some_and(|value| !value.is_null())),
            RootKind::Meta => Value::map([("cost", Value::Float(0.25))]),
        })
        .collect()
}

fn run(text: &str) -> String {
    match Expr::compile(text) {
        Err(fault) => {
            format!("fault: {}{}", fault.message, fault.hint.map_or(String::new(), |hint| format!(" ({hint})")))
        }
        Ok(expr) => match expr.eval(&values(expr.roots())) {
            Ok(value) => value.to_json(),
            Err(error) => format!("error: {error}"),
        },
    }
}

fn check(rows: &str, expected: Expect) {
    let mut out = String::new();
    for row in rows.lines().map(str::trim).filter(|row| !row.is_empty()) {
        out.push_str(&format!("{row}  ->  {}\n", run(row)));
    }
    expected.assert_eq(&out);
}

#[test]
fn operators() {
    check(
        r#"
        1 + 2 * 3
        7 // 2
        -7 // 2
        -7 % 3
        7 / 2
        6 / 2
        2 ** 10
        2 ** -1
        1 / 0
        1 % 0
        9007199254740991 + 1
        9007199254740993
        2 ** 100
        10 ** 400
        1.5 + 1.5
        'a' ~ 1 ~ true ~ none
        'a' + 'b'
        'a' + 1
        [1] + [2, 3]
        'a' * 10**9
        [1] * 10**9
        1 < 2 <= 2
        'b' > 'a'
        1 < 'a'
        1 == '1'
        'a' in ['a', 'b']
        'x' not in 'abc'
        'name' in input
        1 in 'abc'
        not true
        not 1
        true and 'x'
        none or 'y'
        'x' if true else 'y'
        'x' if 1 else 'y'
        'x' if false
        {'a': 1, 'b': [2]}
        {'a': 1, 'a': 2}
        {1: 2}
        (1, 2)
        -input.age
        "#,
        expect![[r#"
            1 + 2 * 3  ->  7
            7 // 2  ->  3
            -7 // 2  ->  -4
            -7 % 3  ->  2
            7 / 2  ->  3.5
            6 / 2  ->  3
            2 ** 10  ->  1024
            2 ** -1  ->  0.5
            1 / 0  ->  error: `1 / 0`: this divides by zero
            1 % 0  ->  error: `1 % 0`: this divides by zero
            9007199254740991 + 1  ->  error: `9007199254740991 + 1`: the result is beyond 2^53 - 1
            9007199254740993  ->  fault: `9007199254740993` is beyond 2^53 - 1 (write it as a text)
            2 ** 100  ->  error: `2 ** 100`: the result is beyond 2^53 - 1
            10 ** 400  ->  error: `10 ** 400`: the result is beyond 2^53 - 1
            1.5 + 1.5  ->  3
            'a' ~ 1 ~ true ~ none  ->  "a1truenull"
            'a' + 'b'  ->  "ab"
            'a' + 1  ->  error: `'a' + 1`: `+` cannot join a text and a number
            [1] + [2, 3]  ->  [1,2,3]
            'a' * 10**9  ->  error: `'a' * 10**9`: `*` cannot join a text and a number
            [1] * 10**9  ->  error: `[1] * 10**9`: `*` cannot join a list and a number
            1 < 2 <= 2  ->  true
            'b' > 'a'  ->  true
            1 < 'a'  ->  error: `1` is a number and `'a'` is a text: these have no order
            1 == '1'  ->  false
            'a' in ['a', 'b']  ->  true
            'x' not in 'abc'  ->  true
            'name' in input  ->  true
            1 in 'abc'  ->  error: a number cannot be in a text: only a text can
            not true  ->  false
            not 1  ->  error: `1` is a number, and a condition needs true or false
            true and 'x'  ->  "x"
            none or 'y'  ->  "y"
            'x' if true else 'y'  ->  "x"
            'x' if 1 else 'y'  ->  error: `1` is a number, and a condition needs true or false
            'x' if false  ->  null
            {'a': 1, 'b': [2]}  ->  {"a":1,"b":[2]}
            {'a': 1, 'a': 2}  ->  error: the key `a` stands twice in `{'a': 1, 'a': 2}`
            {1: 2}  ->  error: `1` is a number, and a key must be a text
            (1, 2)  ->  [1,2]
            -input.age  ->  -36
        "#]],
    );
}

#[test]
fn what_fills_a_hole_can_be_encoded_and_refused() {
    let text = Text::compile("a/{{ with.x }}/b").unwrap();
    let with = |x: Value| [Value::map([("x", x)])];
    let encode = |value: &Value| match value.as_str() {
        Some(text) => Ok(text.replace('/', "%2F")),
        None => Err(format!("{} cannot stand here", value.kind())),
    };
    assert_eq!(text.render_with(&with("y/z".into()), &encode).unwrap(), "a/y%2Fz/b");
    assert_eq!(text.render_with(&with(true.into()), &encode).unwrap_err(), "`with.x`: true or false cannot stand here");
}
