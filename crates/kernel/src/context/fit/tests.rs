use super::*;
use crate::context::{said, tokens_of};

fn list(text: &str) -> Value {
    Value::from_json(text.as_bytes()).expect("JSON")
}

fn fitted(overflow: &Overflow, value: &Value, limit: u64) -> Value {
    let mut by = |expr: &Expr, item: &Value| Ok(expr.eval(std::slice::from_ref(item)).expect("it reads `item`"));
    fit(overflow, value, limit, &mut by).expect("nothing is looked up").expect("it can be done")
}

#[test]
fn a_text_is_cut_where_it_is_said() {
    let text = Value::from("one two three four five six seven eight nine ten");
    let cut = |cut| fitted(&Overflow::Truncate(cut), &text, 8).to_string();
    assert_eq!(cut(Cut::Tail), r#""one two three four five ""#);
    assert_eq!(cut(Cut::Head), r#""six seven eight nine ten""#);
    assert_eq!(cut(Cut::Middle), r#""one two t […] nine ten""#);
}

#[test]
fn no_text_is_cut_inside_a_block_a_character_or_json() {
    let text = "before\n```\nlet a = 1;\nlet b = 2;\n```\nafter that more";
    for limit in 1..20 {
        for cut in [Cut::Tail, Cut::Head, Cut::Middle] {
            let Value::Text(kept) = fitted(&Overflow::Truncate(cut), &Value::from(text), limit) else { panic!() };
            assert!(kept.len() as u64 <= limit * 3, "{limit} {cut:?}: {kept}");
            assert!(kept.matches("```").count() % 2 == 0, "{limit} {cut:?}: {kept}");
            assert_eq!(kept.contains("let a"), kept.contains("let b"), "{limit} {cut:?}: {kept}");
        }
    }
    let narrow = fitted(&Overflow::Truncate(Cut::Tail), &Value::from("äöüäöü"), 1);
    assert_eq!(narrow, Value::from("ä"));
    let json = Value::from(r#"{"a": "a text inside of a value"}"#);
    assert!(fit(&Overflow::Truncate(Cut::Tail), &json, 2, &mut |_, _| Ok(Value::Null)).expect("no look").is_none());
}

#[test]
fn a_list_loses_its_last_its_first_or_its_least() {
    let items = list(r#"[{"n":1,"s":0.2},{"n":2,"s":0.9},{"n":3,"s":0.5},{"n":4,"s":0.7}]"#);
    let numbers = |value: Value| -> Vec<i64> {
        let Value::List(items) = value else { panic!("{value}") };
        let number = |item: &Value| if let Some(Value::Int(n)) = item.get("n") { *n } else { 0 };
        items.iter().map(number).collect()
    };
    assert_eq!(numbers(fitted(&Overflow::DropLast, &items, 12)), [1, 2]);
    assert_eq!(numbers(fitted(&Overflow::DropFirst, &items, 12)), [3, 4]);
    let by = Some(Expr::compile("item.s").expect("an expression"));
    assert_eq!(numbers(fitted(&Overflow::Top { most: 2, by: by.clone() }, &items, 100)), [2, 4]);
    assert_eq!(numbers(fitted(&Overflow::Top { most: 3, by }, &items, 12)), [2, 4]);
    assert_eq!(numbers(fitted(&Overflow::Top { most: 3, by: None }, &items, 100)), [1, 2, 3]);
    for limit in 0..30 {
        let size = tokens_of(&said(&fitted(&Overflow::DropLast, &items, limit)));
        assert!(size <= limit.max(1), "{size} {limit}");
    }
}
