//! What may be called: the allowed filters, tests and functions, and the bridge to MiniJinja's.

use std::sync::{Arc, LazyLock};

use minijinja::{
    Environment, Error, ErrorKind, UndefinedBehavior, Value as Engine, filters, tests,
    value::{Enumerator, Kwargs, Object, ObjectRepr, ValueKind},
};

use super::{
    At, Fault,
    code::{Code, Op},
};
use crate::{
    complaint::did_you_mean,
    values::{Map, Value},
};

/// How much an evaluation may build: bytes of text and 16 for each item.
const MAX_BUILT: u64 = 4 << 20;
/// How much it may look through for one another: items times size.
const MAX_WORK: u64 = 32 << 20;
/// The deepest value it may give. A journal is read back with this bound.
pub(super) const MAX_DEPTH: usize = 64;
/// The most numbers of a `range`.
const MAX_RANGE: i64 = 10_000;

/// Why an evaluation stopped.
#[derive(Debug)]
pub(super) enum Stop {
    /// A field or item that is not there; `default` and `is defined` catch it.
    Missing(String),
    /// Anything else.
    Fail(String),
}

impl Stop {
    pub fn fail<T>(message: impl Into<String>) -> Result<T, Stop> {
        Err(Stop::Fail(message.into()))
    }

    pub fn message(self) -> String {
        match self {
            Stop::Missing(message) | Stop::Fail(message) => message,
        }
    }
}

/// What is left to build and to look through.
#[derive(Debug)]
pub(super) struct Budget {
    built: u64,
    work: u64,
}

impl Budget {
    pub fn new() -> Budget {
        Budget { built: MAX_BUILT, work: MAX_WORK }
    }

    pub fn build(&mut self, bytes: usize) -> Result<(), Stop> {
        match self.built.checked_sub(bytes as u64) {
            Some(left) => {
                self.built = left;
                Ok(())
            }
            None => Stop::fail(format!("the expression builds more than {} MiB", MAX_BUILT >> 20)),
        }
    }

    pub fn work(&mut self, items: usize, size: usize) -> Result<(), Stop> {
        match self.work.checked_sub((items as u64).saturating_mul(size as u64)) {
            Some(left) => {
                self.work = left;
                Ok(())
            }
            None => Stop::fail("the expression compares too much: narrow the list first"),
        }
    }
}

/// How a filter is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Filter {
    Default,
    Length,
    List,
    String,
    Json,
    Join,
    Replace,
    Money,
    /// By MiniJinja.
    Engine(&'static str),
}

/// A filter that may be used.
#[derive(Debug)]
pub(super) struct FilterName {
    name: &'static str,
    filter: Filter,
    /// Positional arguments, at least and at most.
    args: (usize, usize),
    named: &'static [&'static str],
    /// Whether `map('name')` may call it: it must not make much from little.
    each: bool,
}

const fn engine(name: &'static str, max: usize, named: &'static [&'static str], each: bool) -> FilterName {
    FilterName { name, filter: Filter::Engine(name), args: (0, max), named, each }
}

const fn ours(name: &'static str, filter: Filter, args: (usize, usize), each: bool) -> FilterName {
    FilterName { name, filter, args, named: &[], each }
}

static FILTERS: &[FilterName] = &[
    ours("default", Filter::Default, (1, 1), false),
    ours("d", Filter::Default, (1, 1), false),
    ours("length", Filter::Length, (0, 0), true),
    ours("count", Filter::Length, (0, 0), true),
    ours("list", Filter::List, (0, 0), false),
    ours("string", Filter::String, (0, 0), true),
    ours("tojson", Filter::Json, (0, 0), true),
    ours("join", Filter::Join, (0, 1), false),
    ours("replace", Filter::Replace, (2, 2), false),
    ours("money", Filter::Money, (0, 0), true),
    engine("abs", 0, &[], true),
    engine("attr", 1, &[], false),
    engine("bool", 0, &[], true),
    engine("capitalize", 0, &[], true),
    engine("chain", 8, &[], false),
    engine("dictsort", 0, &["by", "reverse", "case_sensitive"], false),
    engine("first", 0, &[], true),
    engine("float", 0, &["default"], true),
    engine("groupby", 1, &["attribute", "default", "case_sensitive"], false),
    engine("int", 0, &["default"], true),
    engine("items", 0, &[], false),
    engine("last", 0, &[], true),
    engine("lines", 0, &[], false),
    engine("lower", 0, &[], true),
    engine("map", 3, &["attribute", "default"], false),
    engine("max", 0, &[], true),
    engine("min", 0, &[], true),
    engine("reject", 2, &[], false),
    engine("rejectattr", 3, &[], false),
    engine("reverse", 0, &[], false),
    engine("round", 1, &["precision", "method"], true),
    engine("select", 2, &[], false),
    engine("selectattr", 3, &[], false),
    engine("sort", 0, &["attribute", "reverse", "case_sensitive"], false),
    engine("split", 2, &[], false),
    engine("sum", 0, &[], true),
    engine("title", 0, &[], true),
    engine("trim", 1, &[], true),
    engine("unique", 0, &["attribute", "case_sensitive"], false),
    engine("upper", 0, &[], true),
    engine("zip", 8, &[], false),
];

impl FilterName {
    pub fn find(name: &str) -> Option<&'static FilterName> {
        FILTERS.iter().find(|filter| filter.name == name)
    }

    pub fn all() -> impl Iterator<Item = &'static str> + Clone {
        FILTERS.iter().map(|filter| filter.name)
    }

    /// Checks the arguments as far as they are written out.
    pub fn resolve(&self, at: At, args: &[Code], named: &[(Arc<str>, Code)]) -> Result<Filter, Fault> {
        let name = self.name;
        let (min, max) = self.args;
        if args.len() < min || args.len() > max {
            let wanted = match (min, max) {
                (0, 0) => "takes no arguments".to_owned(),
                (min, max) if min == max => format!("takes {min} argument{}", if min == 1 { "" } else { "s" }),
                (_, max) => format!("takes at most {max} argument{}", if max == 1 { "" } else { "s" }),
            };
            return Err(Fault::new("E001", at, format!("`{name}` {wanted}, and {} stand here", args.len())));
        }
        for (word, _) in named {
            if !self.named.contains(&&**word) {
                let hint = did_you_mean(word, self.named.iter().copied());
                return Err(Fault::new("E001", at, format!("`{name}` takes no argument called `{word}`")).or_hint(hint));
            }
        }
        match name {
            "map" => Self::check_map(at, args, named)?,
            "select" | "reject" => Self::check_test(at, name, args.first(), args.len().saturating_sub(1))?,
            "selectattr" | "rejectattr" => {
                if args.is_empty() {
                    return Err(Fault::new(
                        "E001",
                        at,
                        format!("`{name}` wants the name of a field first: `{name}('field')`"),
                    ));
                }
                Self::check_test(at, name, args.get(1), args.len().saturating_sub(2))?;
            }
            _ => {}
        }
        Ok(self.filter)
    }

    fn check_map(at: At, args: &[Code], named: &[(Arc<str>, Code)]) -> Result<(), Fault> {
        let attribute = named.iter().any(|(name, _)| &**name == "attribute");
        match args.first() {
            None if attribute => Ok(()),
            Some(first) if !attribute => {
                let Op::Const(Value::Text(filter)) = &first.op else {
                    return Err(Fault::new("E001", first.at, "`map` wants the name of a filter in quotes"));
                };
                match FilterName::find(filter) {
                    Some(known) if known.each => Ok(()),
                    Some(_) => Err(Fault::new("E001", first.at, format!("`{filter}` cannot be used in `map`"))),
                    None => {
                        let each = FILTERS.iter().filter(|filter| filter.each).map(|filter| filter.name);
                        Err(Fault::new("E002", first.at, format!("there is no filter `{filter}`"))
                            .or_hint(did_you_mean(filter, each)))
                    }
                }
            }
            _ => Err(Fault::new("E001", at, "`map` is written `map(attribute='field')` or `map('filter')`")),
        }
    }

    fn check_test(at: At, name: &str, test: Option<&Code>, args: usize) -> Result<(), Fault> {
        let Some(test) = test else { return Ok(()) };
        let Op::Const(Value::Text(word)) = &test.op else {
            return Err(Fault::new("E001", test.at, format!("`{name}` wants the name of a test in quotes")));
        };
        match TestName::find(word) {
            Some(known) => known.arguments(at, args),
            None => Err(Fault::new("E002", test.at, format!("there is no test `{word}`"))
                .or_hint(did_you_mean(word, TestName::all()))),
        }
    }
}

/// A test that may be used: `x is name`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TestName(pub &'static str);

/// Each with the number of its arguments.
static TESTS: &[(&str, usize)] = &[
    ("boolean", 0),
    ("containing", 1),
    ("defined", 0),
    ("divisibleby", 1),
    ("endingwith", 1),
    ("eq", 1),
    ("equalto", 1),
    ("even", 0),
    ("false", 0),
    ("float", 0),
    ("ge", 1),
    ("gt", 1),
    ("in", 1),
    ("integer", 0),
    ("iterable", 0),
    ("le", 1),
    ("lower", 0),
    ("lt", 1),
    ("mapping", 0),
    ("ne", 1),
    ("none", 0),
    ("number", 0),
    ("odd", 0),
    ("sequence", 0),
    ("stands_in", 1),
    ("startingwith", 1),
    ("string", 0),
    ("true", 0),
    ("undefined", 0),
    ("upper", 0),
];

impl TestName {
    pub fn find(name: &str) -> Option<TestName> {
        TESTS.iter().find(|(known, _)| *known == name).map(|(known, _)| TestName(known))
    }

    pub fn all() -> impl Iterator<Item = &'static str> + Clone {
        TESTS.iter().map(|(name, _)| *name)
    }

    pub fn arguments(self, at: At, given: usize) -> Result<(), Fault> {
        let wanted = TESTS.iter().find(|(known, _)| *known == self.0).map_or(0, |(_, wanted)| *wanted);
        if wanted == given {
            return Ok(());
        }
        let wanted = if wanted == 0 { "no argument" } else { "one argument" };
        Err(Fault::new("E001", at, format!("the test `{}` takes {wanted}", self.0)))
    }
}

/// Filters and tests that MiniJinja does for us. Nothing else of it is reachable: no loader, no template, no global.
static ENGINE: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut env = Environment::empty();
    env.set_undefined_behavior(UndefinedBehavior::Strict);
    env.set_debug(false);
    env.add_filter("abs", filters::abs);
    env.add_filter("attr", filters::attr);
    env.add_filter("bool", filters::bool);
    env.add_filter("capitalize", filters::capitalize);
    env.add_filter("chain", filters::chain);
    env.add_filter("dictsort", filters::dictsort);
    env.add_filter("first", filters::first);
    env.add_filter("float", filters::float);
    env.add_filter("groupby", filters::groupby);
    env.add_filter("int", filters::int);
    env.add_filter("items", filters::items);
    env.add_filter("last", filters::last);
    env.add_filter("lines", filters::lines);
    env.add_filter("lower", filters::lower);
    env.add_filter("map", filters::map);
    env.add_filter("max", filters::max);
    env.add_filter("min", filters::min);
    env.add_filter("reject", filters::reject);
    env.add_filter("rejectattr", filters::rejectattr);
    env.add_filter("reverse", filters::reverse);
    env.add_filter("round", filters::round);
    env.add_filter("select", filters::select);
    env.add_filter("selectattr", filters::selectattr);
    env.add_filter("sort", filters::sort);
    env.add_filter("split", filters::split);
    env.add_filter("sum", filters::sum);
    env.add_filter("title", filters::title);
    env.add_filter("trim", filters::trim);
    env.add_filter("unique", filters::unique);
    env.add_filter("upper", filters::upper);
    env.add_filter("zip", filters::zip);
    // Ours, for `map('…')`.
    for name in ["length", "count"] {
        env.add_filter(name, |value: &Engine| through(value, |value, _| length(value)));
    }
    env.add_filter("string", |value: &Engine| through(value, string));
    env.add_filter("tojson", |value: &Engine| through(value, json));
    env.add_filter("money", |value: &Engine| through(value, |value, _| money(value)));
    env.add_test("boolean", tests::is_boolean);
    env.add_test("containing", |value: &Engine, part: &Engine| both(value, part, contains));
    env.add_test("defined", tests::is_defined);
    env.add_test("divisibleby", tests::is_divisibleby);
    env.add_test("endingwith", tests::is_endingwith);
    env.add_test("eq", tests::is_eq);
    env.add_test("equalto", tests::is_eq);
    env.add_test("even", tests::is_even);
    env.add_test("false", tests::is_false);
    env.add_test("float", tests::is_float);
    env.add_test("ge", tests::is_ge);
    env.add_test("gt", tests::is_gt);
    env.add_test("in", |value: &Engine, list: &Engine| both(value, list, |value, list| contains(list, value)));
    env.add_test("integer", tests::is_integer);
    env.add_test("iterable", tests::is_iterable);
    env.add_test("le", tests::is_le);
    env.add_test("lower", tests::is_lower);
    env.add_test("lt", tests::is_lt);
    env.add_test("mapping", tests::is_mapping);
    env.add_test("ne", tests::is_ne);
    env.add_test("none", tests::is_none);
    env.add_test("number", tests::is_number);
    env.add_test("odd", tests::is_odd);
    env.add_test("sequence", tests::is_sequence);
    env.add_test("stands_in", |quote: &Engine, text: &Engine| both(quote, text, stands_in));
    env.add_test("startingwith", tests::is_startingwith);
    env.add_test("string", tests::is_string);
    env.add_test("true", tests::is_true);
    env.add_test("undefined", tests::is_undefined);
    env.add_test("upper", tests::is_upper);
    env
});

fn stopped(stop: Stop) -> Error {
    Error::new(ErrorKind::InvalidOperation, stop.message())
}

fn through(value: &Engine, f: impl Fn(&Value, &mut Budget) -> Result<Value, Stop>) -> Result<Engine, Error> {
    let mut budget = Budget::new();
    let value = from_engine(value, &mut budget).map_err(stopped)?;
    f(&value, &mut budget).map(|value| to_engine(&value)).map_err(stopped)
}

fn both(a: &Engine, b: &Engine, f: impl Fn(&Value, &Value) -> Result<bool, Stop>) -> Result<bool, Error> {
    let mut budget = Budget::new();
    let a = from_engine(a, &mut budget).map_err(stopped)?;
    let b = from_engine(b, &mut budget).map_err(stopped)?;
    f(&a, &b).map_err(stopped)
}

/// Lets MiniJinja apply a filter.
pub(super) fn apply(
    name: &'static str,
    input: &Value,
    args: &[Value],
    named: &[(Arc<str>, Value)],
    budget: &mut Budget,
) -> Result<Value, Stop> {
    // What looks through every item for every other, or for a long text, is bounded by the product.
    let wide = args.iter().map(size).max().unwrap_or(0).max(1);
    budget.work(size(input), wide)?;
    match name {
        // Each item is made anew before we see any of them.
        "map" if !args.is_empty() => budget.build(weight(input))?,
        "sort" | "unique" | "groupby" | "dictsort" | "min" | "max" => budget.work(weight(input), 16)?,
        "lower" | "upper" | "title" | "capitalize" | "split" | "lines" => budget.build(weight(input))?,
        _ => {}
    }
    let mut all = Vec::with_capacity(args.len() + 2);
    all.push(to_engine(input));
    all.extend(args.iter().map(to_engine));
    if !named.is_empty() {
        all.push(named.iter().map(|(name, value)| (&**name, to_engine(value))).collect::<Kwargs>().into());
    }
    let result = ENGINE.empty_state().apply_filter(name, &all).map_err(|error| refused(name, &error))?;
    from_engine(&result, budget)
}

/// Lets MiniJinja make a test.
pub(super) fn test(name: &'static str, input: &Value, args: &[Value]) -> Result<bool, Stop> {
    let mut all = Vec::with_capacity(args.len() + 1);
    all.push(to_engine(input));
    all.extend(args.iter().map(to_engine));
    ENGINE.empty_state().perform_test(name, &all).map_err(|error| refused(name, &error))
}

fn refused(name: &str, error: &Error) -> Stop {
    let detail = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
    Stop::Fail(format!("`{name}` fails: {detail}"))
}

/// About as many bytes as the value has written out.
pub(super) fn weight(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) => 4,
        Value::Text(text) => text.len() + 2,
        Value::List(items) => items.iter().map(weight).sum::<usize>() + 2,
        Value::Map(map) => map.iter().map(|(key, value)| key.len() + 4 + weight(value)).sum::<usize>() + 2,
    }
}

fn size(value: &Value) -> usize {
    match value {
        Value::Text(text) => text.len(),
        Value::List(items) => items.len(),
        Value::Map(map) => map.len(),
        _ => 1,
    }
}

/// A list of ours, as MiniJinja sees it.
#[derive(Debug)]
struct Items(Arc<Vec<Value>>);

impl Object for Items {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, key: &Engine) -> Option<Engine> {
        self.0.get(key.as_usize()?).map(to_engine)
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Seq(self.0.len())
    }
}

/// A map of ours, as MiniJinja sees it.
#[derive(Debug)]
struct Fields(Arc<Map>);

impl Object for Fields {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Map
    }

    fn get_value(self: &Arc<Self>, key: &Engine) -> Option<Engine> {
        self.0.get(key.as_str()?).map(to_engine)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Engine> {
        self.0.get(key).map(to_engine)
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.0.keys().map(Engine::from).collect())
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        Some(self.0.len())
    }
}

/// Ours to MiniJinja's; lists, maps and texts are shared.
fn to_engine(value: &Value) -> Engine {
    match value {
        Value::Null => Engine::from(()),
        Value::Bool(value) => Engine::from(*value),
        Value::Int(value) => Engine::from(*value),
        Value::Float(value) => Engine::from(*value),
        Value::Text(text) => Engine::from(text),
        Value::List(items) => Engine::from_object(Items(items.clone())),
        Value::Map(map) => Engine::from_object(Fields(map.clone())),
    }
}

/// MiniJinja's to ours; what was ours comes back without a copy.
pub(super) fn from_engine(value: &Engine, budget: &mut Budget) -> Result<Value, Stop> {
    convert(value, budget, 0)
}

fn convert(value: &Engine, budget: &mut Budget, depth: usize) -> Result<Value, Stop> {
    if depth > MAX_DEPTH {
        return Stop::fail(too_deep());
    }
    match value.kind() {
        ValueKind::None => Ok(Value::Null),
        ValueKind::Bool => Ok(Value::Bool(value.is_true())),
        ValueKind::Number if value.is_integer() => match i64::try_from(value.clone()) {
            Ok(number) => int(number),
            Err(_) => Stop::fail(out_of_range()),
        },
        ValueKind::Number => match f64::try_from(value.clone()) {
            Ok(value) => number(value),
            Err(_) => Stop::fail("this number cannot be kept"),
        },
        ValueKind::String => match value.to_str() {
            Some(text) => {
                budget.build(text.len())?;
                Ok(Value::Text(text))
            }
            None => Stop::fail("this text cannot be kept"),
        },
        ValueKind::Undefined => Stop::fail("a value is missing here: some item has no such field"),
        ValueKind::Map => {
            if let Some(ours) = value.downcast_object_ref::<Fields>() {
                return Ok(Value::Map(ours.0.clone()));
            }
            let mut map = Map::new();
            for key in value.try_iter().map_err(|error| refused("map", &error))? {
                let inner = value.get_item(&key).map_err(|error| refused("map", &error))?;
                let Some(key) = key.to_str() else { return Stop::fail("the keys of a map must be texts") };
                budget.build(key.len() + 16)?;
                map.insert(key, convert(&inner, budget, depth + 1)?);
            }
            Ok(Value::Map(Arc::new(map)))
        }
        ValueKind::Seq | ValueKind::Iterable => {
            if let Some(ours) = value.downcast_object_ref::<Items>() {
                return Ok(Value::List(ours.0.clone()));
            }
            let mut list = Vec::new();
            for item in value.try_iter().map_err(|error| refused("list", &error))? {
                budget.build(16)?;
                list.push(convert(&item, budget, depth + 1)?);
            }
            Ok(Value::List(Arc::new(list)))
        }
        ValueKind::Invalid => Stop::fail(value.to_string()),
        other => Stop::fail(format!("{other} is no value that can be kept")),
    }
}

pub(super) fn too_deep() -> String {
    format!("the value is nested more than {MAX_DEPTH} deep")
}

fn out_of_range() -> &'static str {
    "the result is beyond 2^53 - 1"
}

pub(super) fn int(number: i64) -> Result<Value, Stop> {
    if number.unsigned_abs() > crate::values::MAX_INT.unsigned_abs() {
        return Stop::fail(out_of_range());
    }
    Ok(Value::Int(number))
}

pub(super) fn number(number: f64) -> Result<Value, Stop> {
    Value::number(number).map_or_else(|| Stop::fail("the result is no number"), Ok)
}

pub(super) fn length(value: &Value) -> Result<Value, Stop> {
    let length = match value {
        Value::Text(text) => text.chars().count(),
        Value::List(items) => items.len(),
        Value::Map(map) => map.len(),
        other => return Stop::fail(format!("{} has no length", other.kind())),
    };
    i64::try_from(length).map_or_else(|_| Stop::fail(out_of_range()), int)
}

/// As a text: a text is itself, anything else its canonical JSON.
pub(super) fn string(value: &Value, budget: &mut Budget) -> Result<Value, Stop> {
    match value {
        Value::Text(_) => Ok(value.clone()),
        other => json(other, budget),
    }
}

pub(super) fn json(value: &Value, budget: &mut Budget) -> Result<Value, Stop> {
    budget.build(weight(value))?;
    Ok(Value::text(value.to_json()))
}

pub(super) fn list(value: &Value, budget: &mut Budget) -> Result<Value, Stop> {
    match value {
        Value::List(_) => Ok(value.clone()),
        Value::Map(map) => {
            budget.build(map.len() * 16)?;
            Ok(Value::list(map.keys().map(|key| Value::Text(key.clone()))))
        }
        Value::Text(text) => {
            budget.build(text.len() * 16)?;
            Ok(Value::list(text.chars().map(|c| Value::text(String::from(c)))))
        }
        other => Stop::fail(format!("{} is no list", other.kind())),
    }
}

pub(super) fn join(value: &Value, between: &str, budget: &mut Budget) -> Result<Value, Stop> {
    let Value::List(items) = value else {
        return Stop::fail(format!("`join` wants a list, and here is {}", value.kind()));
    };
    let mut text = String::new();
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            budget.build(between.len())?;
            text.push_str(between);
        }
        match item {
            Value::Text(item) => {
                budget.build(item.len())?;
                text.push_str(item);
            }
            other => {
                budget.build(weight(other))?;
                text.push_str(&other.to_json());
            }
        }
    }
    Ok(Value::text(text))
}

pub(super) fn replace(value: &Value, from: &Value, to: &Value, budget: &mut Budget) -> Result<Value, Stop> {
    let (Value::Text(text), Value::Text(from), Value::Text(to)) = (value, from, to) else {
        return Stop::fail("`replace` wants three texts: `text | replace(from, to)`");
    };
    let count = text.matches(&**from).count();
    budget.build(text.len().saturating_add(count.saturating_mul(to.len())))?;
    Ok(Value::text(text.replace(&**from, to)))
}

/// Cents as dollars: `1234` is `$12.34`.
pub(super) fn money(value: &Value) -> Result<Value, Stop> {
    let Value::Int(cents) = value else {
        return Stop::fail(format!("`money` wants whole cents, and here is {}", value.kind()));
    };
    let sign = if *cents < 0 { "-" } else { "" };
    let cents = cents.unsigned_abs();
    Ok(Value::text(format!("{sign}${}.{:02}", cents / 100, cents % 100)))
}

/// Whether a list has the item, a text the part, a map the key.
pub(super) fn contains(container: &Value, part: &Value) -> Result<bool, Stop> {
    match (container, part) {
        (Value::List(items), part) => Ok(items.contains(part)),
        (Value::Text(text), Value::Text(part)) => Ok(text.contains(&**part)),
        (Value::Map(map), Value::Text(key)) => Ok(map.contains_key(key)),
        (Value::Map(_) | Value::Text(_), part) => {
            Stop::fail(format!("{} cannot be in {}: only a text can", part.kind(), container.kind()))
        }
        (container, _) => Stop::fail(format!("nothing can be in {}", container.kind())),
    }
}

/// Whether `quote` stands in `text` word for word. Runs of white space count as one space, and typographic quotes, dashes and
/// spaces as their plain forms, because copies of a page differ in them. An empty quote stands nowhere.
pub(super) fn stands_in(quote: &Value, text: &Value) -> Result<bool, Stop> {
    let (Value::Text(quote), Value::Text(text)) = (quote, text) else {
        return Stop::fail(format!("`stands_in` wants two texts, and here are {} and {}", quote.kind(), text.kind()));
    };
    let quote_folded = fold(quote);
    let quote_folded = quote_folded.trim();
    if quote_folded.is_empty() {
        return Ok(false);
    }
    Ok(text.contains(&**quote) || fold(text).contains(quote_folded))
}

fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    for c in text.chars() {
        let c = match c {
            '\u{2018}' | '\u{2019}' | '\u{201b}' => '\'',
            '\u{201c}' | '\u{201d}' | '\u{201e}' => '"',
            '\u{2010}'..='\u{2014}' => '-',
            '\u{ad}' | '\u{200b}' | '\u{feff}' => continue,
            c if c.is_whitespace() => {
                if folded.ends_with(' ') {
                    continue;
                }
                ' '
            }
            c => c,
        };
        folded.push(c);
    }
    folded
}

pub(super) fn range(args: &[Value], budget: &mut Budget) -> Result<Value, Stop> {
    let mut numbers = [0; 3];
    for (slot, arg) in numbers.iter_mut().zip(args) {
        let Value::Int(number) = arg else {
            return Stop::fail(format!("`range` wants whole numbers, and here is {}", arg.kind()));
        };
        *slot = *number;
    }
    let (start, stop, step) = match args.len() {
        1 => (0, numbers[0], 1),
        2 => (numbers[0], numbers[1], 1),
        _ => (numbers[0], numbers[1], numbers[2]),
    };
    if step == 0 {
        return Stop::fail("`range` cannot go in steps of 0");
    }
    // Whole numbers stay below 2^53, so neither the difference nor the sum can overflow.
    let distance = if step > 0 { stop - start } else { start - stop };
    let count = if distance <= 0 { 0 } else { (distance - 1) / step.abs() + 1 };
    if count > MAX_RANGE {
        return Stop::fail(format!("`range` gives {count} numbers, and at most {MAX_RANGE} are allowed"));
    }
    budget.build(usize::try_from(count).unwrap_or(0) * 16)?;
    Ok(Value::list((0..count).map(|at| Value::Int(start + at * step))))
}
