//! What is known of an expression before it runs.

use expect_test::{Expect, expect};

use super::super::*;
use crate::yaml;

/// The types of the world, as schemas would give them.
pub(super) fn type_of(name: &str) -> Option<Type> {
    let item = Type::object([("id", Type::TEXT), ("cents", Type::Int), ("open", Type::Bool)]);
    let kinds = Type::Text { options: Some(Arc::from(["full".into(), "part".into()])) };
    let mut input = crate::types::Properties::new();
    for (name, ty, required) in [
        ("name", Type::TEXT, true),
        ("age", Type::Int, true),
        ("tags", Type::list(Type::TEXT), true),
        ("tier", Type::TEXT, false),
        ("note", Type::TEXT.maybe(), true),
        ("kind", kinds, true),
        ("score", Type::Number, true),
        ("yes", Type::Bool, true),
    ] {
        input.insert(name.into(), (ty, required));
    }
    match name {
        "input" => Some(Type::Object { fields: Arc::new(input), open: false }),
        "payments" => Some(Type::object([("items", Type::list(item)), ("largest", Type::Int)])),
        "skipped" => Some(Type::object([("x", Type::Int), ("ok", Type::Bool)]).maybe()),
        "anything" => Some(Type::Any),
        _ => None,
    }
}

pub(super) const KNOWN: &[&str] = &["input", "payments", "skipped", "anything"];

fn types(rows: &str, condition: bool, expected: Expect) {
    let mut out = String::new();
    let names = Names { types: &type_of, known: KNOWN };
    for row in rows.lines().map(str::trim).filter(|row| !row.is_empty()) {
        let result = if condition {
            Condition::compile(row).unwrap().check(&names).map(|()| "fine".to_owned())
        } else {
            Expr::compile(row).unwrap().ty(&names).map(|ty| ty.to_string())
        };
        match result {
            Ok(ty) => out.push_str(&format!("{row}  :  {ty}\n")),
            Err(faults) => {
                out.push_str(&format!("{row}\n"));
                for fault in faults {
                    let part = &row[fault.offset..fault.offset + fault.len];
                    let hint = fault.hint.map_or(String::new(), |hint| format!("  ({hint})"));
                    out.push_str(&format!("    {} `{part}`: {}{hint}\n", fault.id, fault.message));
                }
            }
        }
    }
    expected.assert_eq(&out);
}

#[test]
fn types_are_known_before_it_runs() {
    types(
        r#"
        input.name
        inptu.name
        gold
        input.nmae
        input.age + 1
        input.age / 2
        input.score * input.age
        input.name + 1
        input.name ~ input.age
        input.age + input.tags
        input.tags + ['x']
        input.tags[0]
        input.tags['x']
        input['age']
        input['aeg']
        input.name.length
        input.tags | length
        input.tags | join(', ')
        input.tags | first | upper
        input.age | upper
        payments.items | map(attribute='cents') | sum
        payments.items | map(attribute='cent') | list
        payments.items | selectattr('open') | list
        payments.items[0].id
        payments.largest | money
        input.name | money
        input.tier
        input.tier | default('x')
        input.tier if input.tier is defined else 'x'
        input.note
        input.note | upper
        input.note | upper if input.note is not none else 'x'
        skipped
        skipped.x
        skipped.x if ran(skipped) else 0
        skipped.x if skipped is not none else 0
        0 if not ran(skipped) else skipped.x
        skipped.x if ran(input) else 0
        skiped.x if ran(skipped) else 0
        ran(skippd)
        meta(input).cost + 1
        {'a': input.age, 'b': [input.name]}
        1 if input.yes else 'x'
        1 if input.age else 2
        anything.x.y + 1
        anything | sort | first
        input.name == 1
        input.kind == 'half'
        input.kind == 'part'
        input.kind in ['full', 'half']
        input.age in ['a']
        input.name in input.tags
        1 in 'abc'
        input.age < input.name
        input.age < 1.5
        stands_in(input.name, input.age)
        input.tags[:2]
        input.age[:2]
        -input.name
        "#,
        false,
        expect![[r#"
            input.name  :  a text
            inptu.name
                E002 `inptu`: there is no `inptu` here  (did you mean `input`?)
            gold
                E002 `gold`: there is no `gold` here  (to have the text itself, quote it: 'gold')
            input.nmae
                E002 `nmae`: `input` has no `nmae`  (did you mean `name`?)
            input.age + 1  :  a whole number
            input.age / 2  :  a number
            input.score * input.age  :  a number
            input.name + 1
                E003 `input.name`: `input.name` is a text, and `+` wants numbers  (join texts with `~`)
            input.name ~ input.age  :  a text
            input.age + input.tags
                E003 `input.tags`: `input.tags` is a list of texts, and `+` wants numbers
            input.tags + ['x']  :  a list of texts
            input.tags[0]  :  a text
            input.tags['x']
                E003 `'x'`: `'x'` is the text "x", and a position must be a whole number
            input['age']  :  a whole number
            input['aeg']
                E002 `input['aeg']`: `input` has no `aeg`  (did you mean `age`?)
            input.name.length
                E003 `length`: `input.name` is a text, so it has no `length`
            input.tags | length  :  a whole number
            input.tags | join(', ')  :  a text
            input.tags | first | upper  :  a text
            input.age | upper
                E003 `input.age`: `input.age` is a whole number, and `upper` wants a text
            payments.items | map(attribute='cents') | sum  :  a whole number
            payments.items | map(attribute='cent') | list
                E002 `'cent'`: items of `payments.items` have no `cent`  (did you mean `cents`?)
            payments.items | selectattr('open') | list  :  a list of objects
            payments.items[0].id  :  a text
            payments.largest | money  :  a text
            input.name | money
                E003 `input.name`: `input.name` is a text, and an amount in cents must be a whole number
            input.tier
                E004 `tier`: `input` may lack `tier`  (write `input.tier | default(…)`, ask `input.tier is defined` first, or list it under `required` in the schema)
            input.tier | default('x')  :  a text
            input.tier if input.tier is defined else 'x'  :  a text
            input.note  :  a text or none
            input.note | upper
                E004 `input.note`: `input.note` may be none here  (guard it: `… if x is not none else …`)
            input.note | upper if input.note is not none else 'x'  :  a text
            skipped  :  an object or none
            skipped.x
                E004 `skipped.x`: `skipped` may be none, and then it has no `x`  (the step may be skipped: guard it with `ran(skipped)`, as in `ran(skipped) and …` or `… if ran(skipped) else …`)
            skipped.x if ran(skipped) else 0  :  a whole number
            skipped.x if skipped is not none else 0  :  a whole number
            0 if not ran(skipped) else skipped.x  :  a whole number
            skipped.x if ran(input) else 0
                E004 `skipped.x`: `skipped` may be none, and then it has no `x`  (the step may be skipped: guard it with `ran(skipped)`, as in `ran(skipped) and …` or `… if ran(skipped) else …`)
            skiped.x if ran(skipped) else 0
                E002 `skiped`: there is no `skiped` here  (did you mean `skipped`?)
            ran(skippd)
                E002 `ran(skippd)`: there is no `skippd` here  (did you mean `skipped`?)
            meta(input).cost + 1  :  a number
            {'a': input.age, 'b': [input.name]}  :  an object
            1 if input.yes else 'x'  :  a whole number or the text "x"
            1 if input.age else 2
                E003 `input.age`: `input.age` is a whole number, and a condition needs true or false  (compare it: `… > 0`)
            anything.x.y + 1  :  anything
            anything | sort | first  :  anything
            input.name == 1
                E003 `input.name == 1`: `input.name` is a text and `1` is a whole number: `==` has always the same answer
            input.kind == 'half'
                E003 `'half'`: `input.kind` is never "half"  (one of `full`, `part`)
            input.kind == 'part'  :  true or false
            input.kind in ['full', 'half']  :  true or false
            input.age in ['a']
                E003 `input.age in ['a']`: `input.age` is a whole number and `['a']` is the text "a": `in` has always the same answer
            input.name in input.tags  :  true or false
            1 in 'abc'
                E003 `1`: `1` is a whole number, and only a text can be in the text "abc"
            input.age < input.name
                E003 `input.age < input.name`: `input.age` is a whole number and `input.name` is a text: `<` wants two numbers or two texts
            input.age < 1.5  :  true or false
            stands_in(input.name, input.age)
                E003 `input.age`: `input.age` is a whole number, and this must be a text
            input.tags[:2]  :  a list of texts
            input.age[:2]
                E003 `input.age`: `input.age` is a whole number, and only a list or a text can be sliced
            -input.name
                E003 `input.name`: `input.name` is a text, and only a number can be negative
        "#]],
    );
}

#[test]
fn conditions_are_checked_before_they_run() {
    types(
        r#"
        input.yes
        input.yes and input.age > 3
        input.age
        input.name
        input.tags and input.yes
        not input.name
        skipped.ok
        ran(skipped) and skipped.ok
        ran(skipped) and skipped.x > 3 and skipped.y
        not ran(skipped) or skipped.ok
        ran(skipped) or skipped.ok
        input.tier == 'gold'
        input.tier is defined and input.tier == 'gold'
        input.note is none or input.note == 'x'
        input.note == 'x'
        anything
        anything.ok and anything.x > 3
        input.yes == true
        input.yes == 'true'
        payments.items | length > 0
        payments.items
        "#,
        true,
        expect![[r#"
            input.yes  :  fine
            input.yes and input.age > 3  :  fine
            input.age
                E003 `input.age`: `input.age` is a whole number, and a condition needs true or false  (compare it: `… > 0`)
            input.name
                E003 `input.name`: `input.name` is a text, and a condition needs true or false  (compare it: `… == 'text'`, or ask `… != ''`)
            input.tags and input.yes
                E003 `input.tags`: `input.tags` is a list of texts, and a condition needs true or false  (ask `… | length > 0`)
            not input.name
                E003 `input.name`: `input.name` is a text, and a condition needs true or false  (compare it: `… == 'text'`, or ask `… != ''`)
            skipped.ok
                E004 `skipped.ok`: `skipped` may be none, and then it has no `ok`  (the step may be skipped: guard it with `ran(skipped)`, as in `ran(skipped) and …` or `… if ran(skipped) else …`)
            ran(skipped) and skipped.ok  :  fine
            ran(skipped) and skipped.x > 3 and skipped.y
                E002 `y`: `skipped` has no `y`  (one of `ok`, `x`)
            not ran(skipped) or skipped.ok  :  fine
            ran(skipped) or skipped.ok
                E004 `skipped.ok`: `skipped` may be none, and then it has no `ok`  (the step may be skipped: guard it with `ran(skipped)`, as in `ran(skipped) and …` or `… if ran(skipped) else …`)
            input.tier == 'gold'
                E004 `tier`: `input` may lack `tier`  (write `input.tier | default(…)`, ask `input.tier is defined` first, or list it under `required` in the schema)
            input.tier is defined and input.tier == 'gold'  :  fine
            input.note is none or input.note == 'x'  :  fine
            input.note == 'x'  :  fine
            anything  :  fine
            anything.ok and anything.x > 3  :  fine
            input.yes == true  :  fine
            input.yes == 'true'
                E003 `input.yes == 'true'`: `input.yes` is true or false and `'true'` is the text "true": `==` has always the same answer
            payments.items | length > 0  :  fine
            payments.items
                E003 `payments.items`: `payments.items` is a list of objects, and a condition needs true or false  (ask `… | length > 0`)
        "#]],
    );
}

#[test]
fn a_template_has_the_type_of_its_parts() {
    let text = "a: =input.age\nb: \"{{ skipped }} {{ input.nmae }}\"\nc: [ =input.name, 1 ]\nd: =skipped.x\n";
    let node = yaml::parse(&"t.yaml".into(), text).unwrap();
    let template = Template::compile(&node).unwrap();
    let names = Names { types: &type_of, known: KNOWN };
    let out: String = template.ty(&names).unwrap_err().iter().map(|complaint| complaint.render(Some(text))).collect();
    expect![[r#"
        t.yaml:2:8: error[E004]: `skipped` may be none
            2 | b: "{{ skipped }} {{ input.nmae }}"
              |        ^^^^^^^
           help: the step may be skipped: guard it with `ran(skipped)`, as in `skipped if ran(skipped) else …`
        t.yaml:2:28: error[E002]: `input` has no `nmae`
            2 | b: "{{ skipped }} {{ input.nmae }}"
              |                            ^^^^
           help: did you mean `name`?
        t.yaml:4:5: error[E004]: `skipped` may be none, and then it has no `x`
            4 | d: =skipped.x
              |     ^^^^^^^^^
           help: the step may be skipped: guard it with `ran(skipped)`, as in `ran(skipped) and …` or `… if ran(skipped) else …`
    "#]].assert_eq(&out);
    let node =
        yaml::parse(&"t.yaml".into(), "a: =input.age\nb: hi {{ input.name }}\nc: { d: [ =input.name, x ] }\n").unwrap();
    let ty = Template::compile(&node).unwrap().ty(&names).unwrap();
    assert!(ty.accepts(&Type::object([
        ("a", Type::Int),
        ("b", Type::TEXT),
        ("c", Type::object([("d", Type::list(Type::TEXT))]))
    ])));
}
