mod hostile;
mod same_as_minijinja;
mod types;

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

/// Runs a test with the stack of a worker thread.
fn on_a_small_stack(run: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new().stack_size(2 << 20).spawn(run).unwrap().join().unwrap();
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

#[test]
fn references_and_what_is_not_there() {
    check(
        r#"
        input
        input.name
        input['name']
        input . name
        payments.items[0].cents
        payments.items[-1].id
        payments['items'][1].id
        payments.items[7]
        payments.items[7] | default('none')
        input.nmae
        input.nmae.x
        input.nmae.x | default(1)
        input.nmae | default(1)
        input.none | default(1)
        input.nmae is defined
        input.name is defined
        input.nmae is undefined
        input.none is none
        input.none.x
        input.name.x
        skipped.x
        skipped.x | default(1)
        skipped is none
        ran(skipped)
        ran(input) and input.age > 30
        ran(skipped) and skipped.x > 30
        meta(input).cost
        input.name[0]
        input.name[1:]
        input.tags[:1]
        input.tags[::-1]
        payments.items[0:10:0]
        input.age[0]
        input.tags['a']
        "#,
        expect![[r#"
            input  ->  {"age":36,"body":"The “quick”  brown\nfox – really","name":"Ada","none":null,"score":0.5,"tags":["a","b"],"yes":true}
            input.name  ->  "Ada"
            input['name']  ->  "Ada"
            input . name  ->  "Ada"
            payments.items[0].cents  ->  1250
            payments.items[-1].id  ->  "p2"
            payments['items'][1].id  ->  "p2"
            payments.items[7]  ->  error: `payments.items` has 2 items, and item 7 was asked for
            payments.items[7] | default('none')  ->  "none"
            input.nmae  ->  error: `input` has no `nmae`: did you mean `name`?
            input.nmae.x  ->  error: `input` has no `nmae`: did you mean `name`?
            input.nmae.x | default(1)  ->  error: `input` has no `nmae`: did you mean `name`?
            input.nmae | default(1)  ->  1
            input.none | default(1)  ->  null
            input.nmae is defined  ->  false
            input.name is defined  ->  true
            input.nmae is undefined  ->  true
            input.none is none  ->  true
            input.none.x  ->  error: `input.none` is none, so it has no `x`
            input.name.x  ->  error: `input.name` is a text, so it has no `x`
            skipped.x  ->  error: `skipped` is none, so it has no `x`
            skipped.x | default(1)  ->  error: `skipped` is none, so it has no `x`
            skipped is none  ->  true
            ran(skipped)  ->  false
            ran(input) and input.age > 30  ->  true
            ran(skipped) and skipped.x > 30  ->  false
            meta(input).cost  ->  0.25
            input.name[0]  ->  "A"
            input.name[1:]  ->  "da"
            input.tags[:1]  ->  ["a"]
            input.tags[::-1]  ->  error: a slice goes forward in steps of at least 1; use `| reverse` to turn it round
            payments.items[0:10:0]  ->  error: a slice goes forward in steps of at least 1; use `| reverse` to turn it round
            input.age[0]  ->  error: `input.age` is a number, and a number cannot pick from it
            input.tags['a']  ->  error: `input.tags` is a list, so it has no `a`
        "#]],
    );
}

#[test]
fn filters_tests_and_functions() {
    check(
        r#"
        input.tags | length
        input.name | length
        input.age | length
        input.name | upper
        input.tags | join(', ')
        payments.items | map(attribute='id') | list
        payments.items | map(attribute='cents') | sum
        payments.items | map(attribute='cents') | max
        payments.items | map(attribute='nope')
        payments.items | map(attribute='nope', default=0)
        payments.items | selectattr('open') | map(attribute='id')
        payments.items | selectattr('cents', 'gt', 500) | map(attribute='id')
        payments.items | rejectattr('open') | list | length
        payments.items | sort(attribute='cents') | first
        payments.items | map(attribute='cents') | map('money') | join(' ')
        payments.largest | money
        -5 | money
        1.5 | money
        [3, 1, 2] | sort
        [3, 1, 2] | sort(reverse=true)
        [1, 1, 2] | unique
        [1, 2] | reverse
        'a,b' | split(',')
        ' a ' | trim
        'abc' | replace('b', 'x')
        'abc' | list
        input.score | round
        7.6 | int
        '12' | int
        '1e999' | float
        {'b': 1, 'a': 2} | items
        [1, 2] | zip(['a', 'b'])
        [[1, [2]]] | string
        {'a': 1.50} | tojson
        range(3)
        range(1, 10, 4)
        range(3, 0, -1)
        range(10**9)
        range(0)
        range('a')
        stands_in('The "quick" brown fox - really', input.body)
        stands_in('slow', input.body)
        stands_in('', input.body)
        stands_in(1, input.body)
        ['quick', 'slow'] | select('stands_in', input.body)
        'fox' is stands_in(input.body)
        input.name is string
        input.tags is sequence
        input.age is even
        input.age is divisibleby 5
        'a' is in ['a']
        input.name is startingwith('A')
        "#,
        expect![[r#"
            input.tags | length  ->  2
            input.name | length  ->  3
            input.age | length  ->  error: a number has no length (in `input.age`)
            input.name | upper  ->  "ADA"
            input.tags | join(', ')  ->  "a, b"
            payments.items | map(attribute='id') | list  ->  ["p1","p2"]
            payments.items | map(attribute='cents') | sum  ->  1550
            payments.items | map(attribute='cents') | max  ->  1250
            payments.items | map(attribute='nope')  ->  error: a value is missing here: some item has no such field (in `payments.items`)
            payments.items | map(attribute='nope', default=0)  ->  [0,0]
            payments.items | selectattr('open') | map(attribute='id')  ->  ["p1"]
            payments.items | selectattr('cents', 'gt', 500) | map(attribute='id')  ->  ["p1"]
            payments.items | rejectattr('open') | list | length  ->  1
            payments.items | sort(attribute='cents') | first  ->  {"cents":300,"id":"p2","open":false}
            payments.items | map(attribute='cents') | map('money') | join(' ')  ->  "$12.50 $3.00"
            payments.largest | money  ->  "$12.50"
            -5 | money  ->  "-$0.05"
            1.5 | money  ->  error: `money` wants whole cents, and here is a number (in `1.5`)
            [3, 1, 2] | sort  ->  [1,2,3]
            [3, 1, 2] | sort(reverse=true)  ->  [3,2,1]
            [1, 1, 2] | unique  ->  [1,2]
            [1, 2] | reverse  ->  [2,1]
            'a,b' | split(',')  ->  ["a","b"]
            ' a ' | trim  ->  "a"
            'abc' | replace('b', 'x')  ->  "axc"
            'abc' | list  ->  ["a","b","c"]
            input.score | round  ->  0
            7.6 | int  ->  7
            '12' | int  ->  12
            '1e999' | float  ->  error: the result is no number (in `'1e999'`)
            {'b': 1, 'a': 2} | items  ->  [["a",2],["b",1]]
            [1, 2] | zip(['a', 'b'])  ->  [[1,"a"],[2,"b"]]
            [[1, [2]]] | string  ->  "[[1,[2]]]"
            {'a': 1.50} | tojson  ->  "{\"a\":1.5}"
            range(3)  ->  [0,1,2]
            range(1, 10, 4)  ->  [1,5,9]
            range(3, 0, -1)  ->  [3,2,1]
            range(10**9)  ->  error: `range` gives 1000000000 numbers, and at most 10000 are allowed
            range(0)  ->  []
            range('a')  ->  error: `range` wants whole numbers, and here is a text
            stands_in('The "quick" brown fox - really', input.body)  ->  true
            stands_in('slow', input.body)  ->  false
            stands_in('', input.body)  ->  false
            stands_in(1, input.body)  ->  error: `stands_in` wants two texts, and here are a number and a text
            ['quick', 'slow'] | select('stands_in', input.body)  ->  ["quick"]
            'fox' is stands_in(input.body)  ->  true
            input.name is string  ->  true
            input.tags is sequence  ->  true
            input.age is even  ->  true
            input.age is divisibleby 5  ->  false
            'a' is in ['a']  ->  true
            input.name is startingwith('A')  ->  true
        "#]],
    );
}

#[test]
fn faults_name_the_place_and_the_way_out() {
    let mut out = String::new();
    for text in [
        "",
        "  ",
        "1 +",
        "a b",
        "a.",
        "a..b",
        "(a",
        "a)",
        "'a",
        "a = b",
        "a && b",
        "a || b",
        "!a",
        "a ? b : c",
        "{{ a }}",
        "=a",
        "a | uper",
        "a | nofilter",
        "a is strnig",
        "upper(a)",
        "a.upper()",
        "foo(a)",
        "ran('x')",
        "ran(a.b)",
        "ran()",
        "ran",
        "meta(x, y)",
        "range()",
        "range(1, 2, 3, 4)",
        "stands_in(a)",
        "stands_in(a, text=b)",
        "null",
        "TRUE",
        "a | map",
        "a | map('joinn')",
        "a | map('join')",
        "a | map(b)",
        "a | map(attribut='x')",
        "a | selectattr()",
        "a | selectattr('x', 'nope')",
        "a | select('gt')",
        "a | length(1)",
        "a | default",
        "a is even(2)",
        "f(*a)",
        "loop.index",
        "self.x",
        "a | escape",
        "a | safe",
        "include('x')",
        "debug()",
        "a if",
        "a %} b",
        "a }} b",
        "a # b",
        "ä",
        "a\u{0}",
        "1 if 2 else",
        "[1, 2",
        "{'a': }",
        "a[",
        "a | ",
        "not",
        "9999999999999999999999",
        "1_000",
        "1e400",
        "\"\\q\"",
        "x in [1",
        "lambda x: x",
        "a; b",
        "a @ b",
        "namespace()",
        "dict(a=1)",
    ] {
        match Expr::compile(text) {
            Ok(expr) => out.push_str(&format!(
                "{text:?}  fine, reads {:?}\n",
                expr.roots().iter().map(|root| &*root.name).collect::<Vec<_>>()
            )),
            Err(fault) => {
                assert!(
                    fault.offset <= text.len() && fault.offset + fault.len <= text.len().max(1),
                    "{text}: {fault:?}"
                );
                let part = text.get(fault.offset..fault.offset + fault.len).unwrap_or("?");
                let hint = fault.hint.map_or(String::new(), |hint| format!("  ({hint})"));
                out.push_str(&format!("{text:?}  {} at {part:?}: {}{hint}\n", fault.id, fault.message));
            }
        }
    }
    expect![[r##"
        ""  E001 at "": an expression is missing here
        "  "  E001 at "  ": an expression is missing here
        "1 +"  E001 at "+": the expression ends here, and a value is missing
        "a b"  E001 at "b": the expression should end before this
        "a."  E001 at ".": the expression ends here, and a name is missing
        "a..b"  E001 at ".": unexpected `.`, expected identifier or integer
        "(a"  E001 at "a": the expression ends here, and `)` is missing
        "a)"  E001 at ")": the expression should end before this
        "'a"  E001 at "'": this text is not closed  (end it with the quote it began with)
        "a = b"  E001 at "=": the expression should end before this  (compare with `==`)
        "a && b"  E001 at "&": unexpected character  (write `and` instead of `&&`)
        "a || b"  E001 at "|": unexpected `|`, expected identifier  (write `or` instead of `||`)
        "!a"  E001 at "!": unexpected character  (write `not` instead of `!`)
        "a ? b : c"  E001 at "?": unexpected character  (write `a if condition else b`)
        "{{ a }}"  E001 at "}": unexpected `}`, expected `:`  (write the expression without `{{ }}` here)
        "=a"  E001 at "=": unexpected `=`  (write the expression without `=` here)
        "a | uper"  E002 at "uper": there is no filter `uper`  (did you mean `upper`?)
        "a | nofilter"  E002 at "nofilter": there is no filter `nofilter`
        "a is strnig"  E002 at "strnig": there is no test `strnig`  (did you mean `string`?)
        "upper(a)"  E002 at "upper(a)": there is no function `upper`  (it is a filter: write `value | upper`)
        "a.upper()"  E001 at "a.upper()": values have no methods such as `upper()`  (write `a | upper`)
        "foo(a)"  E002 at "foo(a)": there is no function `foo`  (one of `ran`, `meta`, `stands_in`, `range`)
        "ran('x')"  E001 at "ran('x')": `ran` wants the name of one step: `ran(step)`
        "ran(a.b)"  E001 at "ran(a.b)": `ran` wants the name of one step: `ran(step)`
        "ran()"  E001 at "ran()": `ran` wants the name of one step: `ran(step)`
        "ran"  E001 at "ran": `ran` is a function: it needs arguments in parentheses
        "meta(x, y)"  E001 at "meta(x, y)": `meta` wants the name of one step: `meta(step)`
        "range()"  E001 at "range()": `range` is written `range(stop), range(start, stop) or range(start, stop, step)`
        "range(1, 2, 3, 4)"  E001 at "range(1, 2, 3, 4)": `range` is written `range(stop), range(start, stop) or range(start, stop, step)`
        "stands_in(a)"  E001 at "stands_in(a)": `stands_in` is written `stands_in(quote, text)`
        "stands_in(a, text=b)"  E001 at "stands_in(a, text=b)": `stands_in` is written `stands_in(quote, text)`
        "null"  E002 at "null": there is no `null`  (nothing is written `none`)
        "TRUE"  E002 at "TRUE": there is no `TRUE`  (write `true` or `false`)
        "a | map"  E001 at "map": `map` is written `map(attribute='field')` or `map('filter')`
        "a | map('joinn')"  E002 at "'joinn'": there is no filter `joinn`
        "a | map('join')"  E001 at "'join'": `join` cannot be used in `map`
        "a | map(b)"  E001 at "b": `map` wants the name of a filter in quotes
        "a | map(attribut='x')"  E001 at "map(attribut='x')": `map` takes no argument called `attribut`  (did you mean `attribute`?)
        "a | selectattr()"  E001 at "selectattr()": `selectattr` wants the name of a field first: `selectattr('field')`
        "a | selectattr('x', 'nope')"  E002 at "'nope'": there is no test `nope`  (did you mean `none`?)
        "a | select('gt')"  E001 at "select('gt')": the test `gt` takes one argument
        "a | length(1)"  E001 at "length(1)": `length` takes no arguments, and 1 stand here
        "a | default"  E001 at "default": `default` takes 1 argument, and 0 stand here
        "a is even(2)"  E001 at "even(2)": the test `even` takes no argument
        "f(*a)"  E002 at "f(*a)": there is no function `f`  (one of `ran`, `meta`, `stands_in`, `range`)
        "loop.index"  fine, reads ["loop"]
        "self.x"  fine, reads ["self"]
        "a | escape"  E002 at "escape": there is no filter `escape`
        "a | safe"  E002 at "safe": there is no filter `safe`
        "include('x')"  E002 at "include('x')": there is no function `include`  (one of `ran`, `meta`, `stands_in`, `range`)
        "debug()"  E002 at "debug()": there is no function `debug`  (one of `ran`, `meta`, `stands_in`, `range`)
        "a if"  E001 at "if": the expression ends here, and a value is missing
        "a %} b"  E001 at "}": unexpected `}`
        "a }} b"  E001 at "}}": the expression should end before this
        "a # b"  E001 at "#": unexpected character
        "ä"  E001 at "?": unexpected character
        "a\0"  E001 at "\0": unexpected character
        "1 if 2 else"  E001 at "else": the expression ends here, and a value is missing
        "[1, 2"  E001 at "2": the expression ends here, and `,` is missing
        "{'a': }"  E001 at "}": unexpected `}`
        "a["  E001 at "[": the expression ends here, and a value is missing
        "a | "  E001 at "|": the expression ends here, and a name is missing
        "not"  E001 at "not": the expression ends here, and a value is missing
        "9999999999999999999999"  E001 at "9999999999999999999999": `9999999999999999999999` is beyond 2^53 - 1  (write it as a text)
        "1_000"  fine, reads []
        "1e400"  E001 at "1e400": `1e400` is beyond 2^53 - 1  (write it as a text)
        "\"\\q\""  fine, reads []
        "x in [1"  E001 at "1": the expression ends here, and `,` is missing
        "lambda x: x"  E001 at "x": the expression should end before this
        "a; b"  E001 at ";": unexpected character
        "a @ b"  E001 at "@": unexpected character
        "namespace()"  E002 at "namespace()": there is no function `namespace`  (one of `ran`, `meta`, `stands_in`, `range`)
        "dict(a=1)"  E002 at "dict(a=1)": there is no function `dict`  (one of `ran`, `meta`, `stands_in`, `range`)
    "##]].assert_eq(&out);
}

#[test]
fn names_are_roots_in_order_and_once() {
    let expr = Expr::compile("b.x + a + b.y if ran(c) and meta(a).cost > 1 else {'k': c}").unwrap();
    let roots: Vec<_> = expr.roots().iter().map(|root| format!("{:?} {}", root.what, root.name)).collect();
    assert_eq!(roots, ["Value b", "Value a", "Ran c", "Meta a", "Value c"]);
    assert!(Expr::compile("1 + 1").unwrap().roots().is_empty());
}

#[test]
fn a_condition_is_true_or_false_in_every_part() {
    let mut out = String::new();
    for text in [
        "input.age > 30 and input.yes",
        "input.age and input.yes",
        "input.yes and input.name",
        "input.yes or input.name",
        "not input.yes or input.name",
        "not input.name",
        "false and input.name",
        "false and input.nope.x",
        "input.name",
        "none",
        "'yes' == input.name or (input.yes and not skipped is none)",
        "ran(skipped) and skipped.x",
        "input.tags",
        "(input.age > 1) and (input.age > 2 or input.tags)",
        "true if input.yes else 1",
        "1 if input.yes else true",
        "input.nope is defined and input.nope > 1",
    ] {
        let condition = Condition::compile(text).unwrap();
        out.push_str(&format!("{text}  ->  {:?}\n", condition.eval(&values(condition.roots()))));
    }
    expect![[r#"
        input.age > 30 and input.yes  ->  Ok(true)
        input.age and input.yes  ->  Err("`input.age` is a number, and a condition needs true or false")
        input.yes and input.name  ->  Err("`input.name` is a text, and a condition needs true or false")
        input.yes or input.name  ->  Ok(true)
        not input.yes or input.name  ->  Err("`input.name` is a text, and a condition needs true or false")
        not input.name  ->  Err("`input.name` is a text, and a condition needs true or false")
        false and input.name  ->  Ok(false)
        false and input.nope.x  ->  Ok(false)
        input.name  ->  Err("`input.name` is a text, and a condition needs true or false")
        none  ->  Err("`none` is none, and a condition needs true or false")
        'yes' == input.name or (input.yes and not skipped is none)  ->  Ok(false)
        ran(skipped) and skipped.x  ->  Ok(false)
        input.tags  ->  Err("`input.tags` is a list, and a condition needs true or false")
        (input.age > 1) and (input.age > 2 or input.tags)  ->  Ok(true)
        true if input.yes else 1  ->  Ok(true)
        1 if input.yes else true  ->  Err("`1 if input.yes else true` is a number, and a condition needs true or false")
        input.nope is defined and input.nope > 1  ->  Ok(false)
    "#]]
    .assert_eq(&out);
    let proven =
        Condition::compile("ran(a) and (ran(b) and x.y) and not ran(c) and (ran(d) or ran(e))").unwrap().proves();
    assert_eq!(proven.iter().map(|name| &**name).collect::<Vec<_>>(), ["a", "b"]);
}

#[test]
fn texts_are_filled() {
    let mut out = String::new();
    for text in [
        "plain",
        "",
        "Dear {{ input.name }},",
        "{{input.name}}{{ input.age }}",
        "{{ payments.items | map(attribute='id') | list }} and {{ input.score }} {{ input.yes }}",
        "{{ payments.largest | money }} for {{ {'a': {'b': 1}} }}",
        "{{ '}}' }} {{ \"{{\" }} {{ '{%' }}",
        "{ not a hole } {x} }} { {",
        "{{ input.none }}",
        "{{ input.nope }}",
        "{{ input.nope | default('-') }}",
        "{{ skipped }}",
        "open {{ input.name",
        "{{ }}",
        "{{- input.name }}",
        "{{ input.name -}}",
        "{{ -input.age }}",
        "{% if x %}",
        "{# note #}",
        "line one\nline {{ input.nme + }} two",
        "{{ a }} {{ b b }}",
        "ümlaut {{ input.name }} ünd {{ 'ß' ~ input.name }}",
    ] {
        match Text::compile(text) {
            Err(fault) => {
                let part = &text[fault.offset..(fault.offset + fault.len).min(text.len())];
                out.push_str(&format!("{text:?}  {} at {part:?}: {}\n", fault.id, fault.message));
            }
            Ok(filled) => match filled.render(&values(filled.roots())) {
                Ok(rendered) => out.push_str(&format!("{text:?}  ->  {rendered:?}\n")),
                Err(error) => out.push_str(&format!("{text:?}  error: {error}\n")),
            },
        }
    }
    expect![[r#"
        "plain"  ->  "plain"
        ""  ->  ""
        "Dear {{ input.name }},"  ->  "Dear Ada,"
        "{{input.name}}{{ input.age }}"  ->  "Ada36"
        "{{ payments.items | map(attribute='id') | list }} and {{ input.score }} {{ input.yes }}"  ->  "[\"p1\",\"p2\"] and 0.5 true"
        "{{ payments.largest | money }} for {{ {'a': {'b': 1}} }}"  ->  "$12.50 for {\"a\":{\"b\":1}}"
        "{{ '}}' }} {{ \"{{\" }} {{ '{%' }}"  ->  "}} {{ {%"
        "{ not a hole } {x} }} { {"  ->  "{ not a hole } {x} }} { {"
        "{{ input.none }}"  error: `input.none` is none, and a hole needs a value
        "{{ input.nope }}"  error: `input` has no `nope`: did you mean `none`?
        "{{ input.nope | default('-') }}"  ->  "-"
        "{{ skipped }}"  error: `skipped` is none, and a hole needs a value
        "open {{ input.name"  E005 at "{{ input.name": this hole is not closed
        "{{ }}"  E001 at "{{ }}": this hole is empty
        "{{- input.name }}"  E006 at "{{- input.name }}": a hole cannot trim what stands around it
        "{{ input.name -}}"  E006 at "{{ input.name -}}": a hole cannot trim what stands around it
        "{{ -input.age }}"  ->  "-36"
        "{% if x %}"  E006 at "{%": a text has no blocks: only `{{ holes }}`
        "{# note #}"  E006 at "{#": a text has no comments: only `{{ holes }}`
        "line one\nline {{ input.nme + }} two"  E001 at "+": the expression ends here, and a value is missing
        "{{ a }} {{ b b }}"  E001 at "b": the expression should end before this
        "ümlaut {{ input.name }} ünd {{ 'ß' ~ input.name }}"  ->  "ümlaut Ada ünd ßAda"
    "#]].assert_eq(&out);
    let text = Text::compile("{{ b.x }} {{ a }} {{ ran(a) }} {{ b.y }}").unwrap();
    assert_eq!(text.holes().iter().map(|name| &**name).collect::<Vec<_>>(), ["b", "a"]);
}

fn template(text: &str) -> Result<String, String> {
    let node = yaml::parse(&"t.yaml".into(), text).map_err(|complaint| complaint.render(Some(text)))?;
    let template = Template::compile(&node).map_err(|complaint| complaint.render(Some(text)))?;
    template.eval(&values(template.roots())).map(|value| value.to_json())
}

#[test]
fn templates_are_values_with_expressions() {
    let mut out = String::new();
    for text in [
        "a: =input.age + 1\nb: [ =input.name, plain, 3, true, null, \"3\" ]\nc: { d: \"Dear {{ input.name }}\" }\n",
        "=input.tags",
        "==x",
        "'==x'",
        "'= 1 + 1'",
        "\"{{ input.age }}\"",
        "a: 1\nb: [ 1, { c: 2 } ]\n",
        "a: =input.nope\n",
        "a: =input.\n",
        "a: [ =f(input.a, b) ]\n",
        "a: { x: \"=input.tags | join(', ')\", y: =input.tags | join(', ') }\n",
        "a: no\n",
        "a: |\n  Dear {{ input.name }},\n  {{ input.oops + }}\n",
        "a: \"{{ input.none }}\"\n",
        "a: =\n",
    ] {
        match template(text) {
            Ok(value) => out.push_str(&format!("{value}\n")),
            Err(error) => out.push_str(&format!("{}\n", error.trim_end())),
        }
    }
    expect![[r#"
        {"a":37,"b":["Ada","plain",3,true,null,"3"],"c":{"d":"Dear Ada"}}
        ["a","b"]
        "=x"
        "=x"
        2
        "36"
        {"a":1,"b":[1,{"c":2}]}
        `input` has no `nope`: did you mean `none`?
        t.yaml:1:10: error[E001]: the expression ends here, and a name is missing
            1 | a: =input.
              |          ^
        t.yaml:1:15: error[E001]: the expression ends here, and `,` is missing
            1 | a: [ =f(input.a, b) ]
              |               ^
           help: YAML splits at `,` and at braces and brackets here: quote the whole value, or write it on lines of its own
        t.yaml:1:62: error[Y001]: this is not YAML: a quoted text is not closed
            1 | a: { x: "=input.tags | join(', ')", y: =input.tags | join(', ') }
              |                                                              ^
           help: YAML splits at `,` and at braces and brackets here: quote the whole value, or write it on lines of its own
        t.yaml:1:4: error[Y012]: `no` means different things to different readers of YAML
            1 | a: no
              |    ^^
           help: quote it ("no") to have a text, or write false
        t.yaml:3:17: error[E001]: the expression ends here, and a value is missing
            3 |   {{ input.oops + }}
              |                 ^
        `input.none` is none, and a hole needs a value
        t.yaml:1:5: error[E001]: an expression is missing here
            1 | a: =
              |     ^
    "#]].assert_eq(&out);
    let node = yaml::parse(&"t.yaml".into(), "a: [ 1, { b: x } ]").unwrap();
    assert!(Template::compile(&node).unwrap().literal().is_some());
}

#[test]
fn what_see_shows_is_data() {
    for text in [
        "input.name",
        "input",
        "payments.items | map(attribute='id') | list",
        "input.body[:2000]",
        "input.tags[0]",
        "input.age > 30",
        "input.x | default(none)",
        "{'a': input.name}",
        "input.name if input.age > 3 else none",
    ] {
        assert!(Projection::compile(text).is_ok(), "{text}");
    }
    for text in [
        "'gold'",
        "1",
        "true",
        "['a']",
        "{'a': 'b'}",
        "input.name ~ 'x'",
        "'x' if input.age > 3 else input.name",
        "input.name or 'x'",
        "'x' | upper",
    ] {
        assert_eq!(Projection::compile(text).unwrap_err().id, "E007", "{text}");
    }
}
