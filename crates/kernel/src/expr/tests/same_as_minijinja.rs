//! The whole language compared with the engine that it follows, on random expressions.

use proptest::prelude::*;

use super::{
    types::{KNOWN, type_of},
    *,
};

fn expression() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        (-20_i64..20).prop_map(|number| number.to_string()),
        Just("0.5".to_owned()),
        Just("2.25".to_owned()),
        Just("true".to_owned()),
        Just("false".to_owned()),
        Just("none".to_owned()),
        Just("'a'".to_owned()),
        Just("'ab'".to_owned()),
        Just("n".to_owned()),
        Just("t".to_owned()),
        Just("l".to_owned()),
        Just("m.x".to_owned()),
        Just("m".to_owned()),
    ];
    leaf.prop_recursive(4, 24, 3, |inner| {
        let sign = prop::sample::select(vec![
            "+", "-", "*", "/", "//", "%", "**", "==", "!=", "<", "<=", ">", ">=", "and", "or", "in", "not in",
        ]);
        let filter = prop::sample::select(vec![
            "length", "upper", "first", "last", "list", "sort", "reverse", "abs", "sum", "unique", "trim", "max",
        ]);
        prop_oneof![
            (inner.clone(), sign, inner.clone()).prop_map(|(a, sign, b)| format!("({a} {sign} {b})")),
            inner.clone().prop_map(|a| format!("(-{a})")),
            inner.clone().prop_map(|a| format!("(not {a})")),
            (inner.clone(), filter).prop_map(|(a, filter)| format!("({a} | {filter})")),
            (inner.clone(), inner.clone(), inner.clone()).prop_map(|(a, b, c)| format!("({a} if {b} else {c})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("[{a}, {b}]")),
            (inner.clone(), inner).prop_map(|(a, b)| format!("({a})[{b}]")),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    /// We refuse more than MiniJinja does, but what both give is the same.
    #[test]
    fn where_both_answer(text in expression()) {
        let value = |name: &str| match name {
            "n" => Value::Int(7),
            "t" => Value::text("b a"),
            "l" => Value::list([Value::Int(3), Value::Int(1), Value::Int(2)]),
            _ => Value::map([("x", Value::Int(4)), ("y", Value::text("z"))]),
        };
        let Ok(expr) = Expr::compile(&text) else { return Ok(()) };
        let values: Vec<_> = expr.roots().iter().map(|root| value(&root.name)).collect();
        let Ok(ours) = expr.eval(&values) else { return Ok(()) };
        let mut env = minijinja::Environment::new();
        env.set_undefined_behavior(minijinja::UndefinedBehavior::Strict);
        // The engine gives the keys of a reversed map forwards or backwards, by how often they were read: ours are read once.
        env.add_filter("reverse", |value: minijinja::Value| match value.kind() {
            minijinja::value::ValueKind::Map => minijinja::Value::from_iter(value.try_iter()?).reverse(),
            _ => minijinja::filters::reverse(&value),
        });
        let world = Value::map(["n", "t", "l", "m"].map(|name| (name, value(name))));
        let theirs = env.compile_expression(&text).unwrap().eval(minijinja::Value::from(minijinja::value::Serde(&world)));
        let Ok(theirs) = theirs else { return Ok(()) };
        let Ok(theirs) = functions::from_engine(&theirs, &mut functions::Budget::new()) else { return Ok(()) };
        // A whole number is whole for us at every step: the text `14` where the engine writes `14.0`.
        // And `true` is not the number 1: not beside it, nor in a list that holds it.
        let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
        let truth_as_number = has(&[" in ", "==", "!=", "unique"]) && has(&["true", "false", "not", "<", ">"]);
        if theirs.to_json().contains(".0") || truth_as_number {
            return Ok(());
        }
        prop_assert_eq!(ours, theirs, "{}", text);
    }

    #[test]
    fn no_text_makes_it_panic(text in "[a-z0-9.'\"()\\[\\]{}|+*/%~=<>! ,:-]{0,40}") {
        if let Ok(expr) = Expr::compile(&text) {
            let values: Vec<_> = expr.roots().iter().map(|_| Value::list([Value::Int(1)])).collect();
            let _ = expr.eval(&values);
            let _ = expr.ty(&Names { types: &type_of, known: KNOWN });
        }
        if let Ok(filled) = Text::compile(&text) {
            let values: Vec<_> = filled.roots().iter().map(|_| Value::text("x")).collect();
            let _ = filled.render(&values);
        }
    }
}
