//! How long expressions take: `cargo run --release -p kernel --example eval`. Figures, not a test.

#![expect(clippy::disallowed_methods, reason = "a measurement reads the clock")]
#![expect(clippy::print_stdout, reason = "a measurement prints")]

use std::{hint::black_box, sync::Arc, time::Instant};

use kernel::{
    expr::{Condition, Expr, RootKind, Template, Text},
    schema::Schema,
    values::Value,
    yaml,
};

fn values(roots: &[kernel::expr::Root]) -> Vec<Value> {
    let items = (0..20).map(|at| Value::map([("id", Value::text(format!("p{at}"))), ("cents", Value::Int(at * 100))]));
    let world = Value::map([
        ("a", Value::map([("b", Value::Int(41)), ("c", Value::map([("d", Value::text("deep"))]))])),
        ("payments", Value::map([("items", Value::list(items)), ("largest", Value::Int(1900))])),
    ]);
    roots
        .iter()
        .map(|root| match root.what {
            RootKind::Value => world.get(&root.name).cloned().unwrap_or_default(),
            RootKind::Ran => Value::Bool(true),
            RootKind::Meta => Value::map([("cost", Value::Float(0.5))]),
        })
        .collect()
}

fn time(name: &str, mut run: impl FnMut()) {
    for _ in 0..1000 {
        run();
    }
    let count = 200_000;
    let start = Instant::now();
    for _ in 0..count {
        run();
    }
    let nanos = start.elapsed().as_nanos() / count;
    println!("{nanos:>8} ns  {name}");
}

fn main() {
    for text in [
        "a.c.d",
        "a.b + 1",
        "a.b >= 7 and a.c.d == 'deep'",
        "ran(a) and a.b > 3",
        "{'x': a.b, 'y': [a.c]}",
        "a.c.d | upper",
        "payments.items | length",
        "payments.largest | money",
        "payments.items | map(attribute='cents') | sum",
        "payments.items | selectattr('cents', 'gt', 500) | map(attribute='id') | list",
    ] {
        let expr = Expr::compile(text).expect("an expression of ours");
        let values = values(expr.roots());
        time(text, || {
            black_box(expr.eval(black_box(&values))).expect("it has a value");
        });
    }
    let condition = Condition::compile("a.b >= 7 and a.c.d == 'deep'").expect("a condition of ours");
    let held = values(condition.roots());
    time("condition: a.b >= 7 and a.c.d == 'deep'", || {
        black_box(condition.eval(black_box(&held))).expect("it holds or not");
    });
    let text =
        Text::compile("Dear {{ a.c.d }}, you owe {{ payments.largest | money }} for {{ a.b }} items").expect("ours");
    let held = values(text.roots());
    time("text with three holes", || {
        black_box(text.render(black_box(&held))).expect("it has values");
    });
    let file: Arc<str> = "x.yaml".into();
    let node = yaml::parse(&file, "id: =a.c.d\ncents: =a.b\nnote: fixed\ntags: [ a, b ]\n").expect("YAML of ours");
    let template = Template::compile(&node).expect("a template of ours");
    let held = values(template.roots());
    time("template of four fields", || {
        black_box(template.eval(black_box(&held))).expect("it has values");
    });
    let schema = "type: object\nrequired: [id, cents]\nadditionalProperties: false\nproperties:\n  id: { type: string, minLength: 1 }\n  cents: { type: integer, minimum: 1 }\n  note: { type: string }\n  tags: { type: array, items: { type: string } }\n";
    let schema = Schema::load(&file, &yaml::parse(&file, schema).expect("YAML of ours")).expect("a schema of ours");
    let value = template.eval(&held).expect("it has values");
    time("schema of that template", || {
        black_box(schema.validate(black_box(&value))).expect("it fits");
    });
    time("compile: a.b >= 7 and a.c.d == 'deep'", || {
        black_box(Expr::compile(black_box("a.b >= 7 and a.c.d == 'deep'"))).expect("an expression of ours");
    });
}
