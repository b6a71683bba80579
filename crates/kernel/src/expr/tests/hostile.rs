//! Expressions that would take the machine with them.

use super::*;

#[test]
fn they_stop() {
    let run = || {
        let x = Value::text("x".repeat(10_000));
        let many = Value::list((0..10_000).map(|_| x.clone()));
        let hostile = [
            "'a' * 10**9".to_owned(),
            "[0] * 10**9".to_owned(),
            "range(10**9)".to_owned(),
            "range(-10**9, 10**9)".to_owned(),
            "x | replace('x', x)".to_owned(),
            "many | join(x)".to_owned(),
            "many | select('stands_in', x ~ 'y')".to_owned(),
            "many | map('upper') | list".to_owned(),
            "many | string".to_owned(),
            "range(10000) | map('string') | join(x)".to_owned(),
            "10 ** 10 ** 10".to_owned(),
            format!("{}1{}", "[".repeat(5000), "]".repeat(5000)),
            format!("{}1{}", "(".repeat(5000), ")".repeat(5000)),
            format!("{}1{}", "(".repeat(24), ")".repeat(24)),
            format!("{}1{}", "[".repeat(24), "]".repeat(24)),
            format!("{}1", "-".repeat(5000)),
            format!("{}1", "-".repeat(249)),
            format!("{}true", "not ".repeat(5000)),
            format!("{}true", "not ".repeat(249)),
            format!("x{}", ".a".repeat(5000)),
            format!("x{}", ".a".repeat(249)),
            format!("x{}", "[0]".repeat(249)),
            format!("x{}", "[0]".repeat(60)),
            format!("x{}", "|upper".repeat(60)),
            format!("1{}", " + 1".repeat(60)),
            format!("x{}", "|default(1)".repeat(60)),
            format!("x{}", "[1:]".repeat(60)),
            format!("x{}", " is none".repeat(60)),
            format!("x{}", " == 1 and x".repeat(110)),
            format!("x{}", "|upper".repeat(249)),
            format!("1{}", " + 1".repeat(249)),
            format!("1{}", " if true else 1".repeat(80)),
            format!("{}1", "1 if true else ".repeat(80)),
            format!("1{}", " and 1".repeat(249)),
            format!("1{}", " < 1".repeat(249)),
            format!("1{}", " ** 1".repeat(249)),
            format!("1{}", " is none".repeat(249)),
            format!("{}1{}", "----(".repeat(24), ")".repeat(24)),
            format!("{}true{}", "not not not (".repeat(24), ")".repeat(24)),
            format!("{}1{}", "(1 if 1 else -x[".repeat(12), "])".repeat(12)),
            format!("{}1{}", "{'a': [".repeat(12), "]}".repeat(12)),
            format!("{}1{}", "f(a=".repeat(24), ")".repeat(24)),
            format!("{}1{}", "(x|default(".repeat(12), "))".repeat(12)),
            format!("1{}", ".a".repeat(3000)),
            format!("1.{}", "0.a".repeat(249)),
            "a".repeat(20_000),
            "'".to_owned(),
            "'\\".to_owned(),
            "\u{1F600}".to_owned(),
            "x[9223372036854775807]".to_owned(),
            "x[-9223372036854775807:9223372036854775807:9223372036854775807]".to_owned(),
            "x[:9007199254740991:9007199254740991]".to_owned(),
            "9007199254740991 * 9007199254740991".to_owned(),
            "-9007199254740991 // -1".to_owned(),
            "2 ** 9007199254740991".to_owned(),
            "0 ** -1".to_owned(),
            "0.0 / 0.0".to_owned(),
            "1e308 * 10.5".to_owned(),
            "1e308 | int".to_owned(),
            "x | int".to_owned(),
            "many | groupby('a')".to_owned(),
            "many | sort | first | length".to_owned(),
            "many == many".to_owned(),
            "many | round".to_owned(),
            "1.5 | round(10**12)".to_owned(),
            "1.5 | round(-400)".to_owned(),
        ];
        for text in hostile {
            if let Ok(expr) = Expr::compile(&text) {
                let values: Vec<_> = expr
                    .roots()
                    .iter()
                    .map(|root| if &*root.name == "many" { many.clone() } else { x.clone() })
                    .collect();
                let _ = expr.eval(&values);
                let _ = expr.ty(&Names { types: &|_| Some(Type::Any), known: &[] });
                let _ = Condition::compile(&text).map(|condition| condition.eval(&values));
            }
        }
        let deep = (0..60).fold(Value::Int(1), |value, _| Value::list([value]));
        let expr = Expr::compile("[[[[[[x]]]]]]").unwrap();
        assert!(expr.eval(&[deep]).unwrap_err().contains("64 deep"));
    };
    on_a_small_stack(run);
}
