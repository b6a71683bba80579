//! Evaluation: a walk over the code. References are borrowed, so that reading costs nothing.

use std::{borrow::Cow, sync::Arc};

use super::{
    code::{Code, Comparison, Function, Math, Op},
    functions::{self, Budget, Filter, MAX_DEPTH, Stop},
};
use crate::values::{Map, Value};

/// The value of an expression.
pub(super) fn value(code: &Code, source: &str, values: &[Value]) -> Result<Value, String> {
    // By far the most common, and needs nothing at all.
    if let Op::Path { root, fields } = &code.op
        && let Some(found) = walk(values, *root, fields)
    {
        return Ok(found.clone());
    }
    let mut eval = Eval { source, values, budget: Budget::new(), built: false };
    let value = eval.code(code).map_err(Stop::message)?.into_owned();
    if eval.built && deeper(&value, MAX_DEPTH) {
        return Err(functions::too_deep());
    }
    Ok(value)
}

/// The truth of a condition: every part of it must be true or false.
pub(super) fn truth(code: &Code, source: &str, values: &[Value]) -> Result<bool, String> {
    Eval { source, values, budget: Budget::new(), built: false }.truth(code).map_err(Stop::message)
}

fn walk<'v>(values: &'v [Value], root: u32, fields: &[Arc<str>]) -> Option<&'v Value> {
    let mut value = values.get(root as usize)?;
    for field in fields {
        value = value.get(field)?;
    }
    Some(value)
}

/// Whether a value is nested more than `levels` deep.
pub(super) fn deeper(value: &Value, levels: usize) -> bool {
    match value {
        Value::List(items) => levels == 0 || items.iter().any(|item| deeper(item, levels - 1)),
        Value::Map(map) => levels == 0 || map.values().any(|item| deeper(item, levels - 1)),
        _ => false,
    }
}

struct Eval<'v> {
    source: &'v str,
    values: &'v [Value],
    budget: Budget,
    /// Whether a list or map was built, so that its depth is not known.
    built: bool,
}

type Found<'v> = Result<Cow<'v, Value>, Stop>;

fn own<'v>(value: Value) -> Found<'v> {
    Ok(Cow::Owned(value))
}

impl<'v> Eval<'v> {
    fn code(&mut self, code: &'v Code) -> Found<'v> {
        match &code.op {
            Op::Const(value) => Ok(Cow::Borrowed(value)),
            Op::Path { root, fields } => match walk(self.values, *root, fields) {
                Some(value) => Ok(Cow::Borrowed(value)),
                None => Err(self.lost(code, *root, fields)),
            },
            Op::Get(of, field) => {
                let value = self.present(of)?;
                match &*value {
                    Value::Map(map) if map.contains_key(field) => Ok(pick(value, |value| value.get(field))),
                    other => Err(self.no_field(of, other, field)),
                }
            }
            Op::Item(of, index) => self.item(of, index),
            Op::Slice { of, start, stop, step } => self.slice(of, [start, stop, step]),
            Op::Not(inner) => {
                let truth = self.truth(inner)?;
                own(Value::Bool(!truth))
            }
            Op::Neg(inner) => match &*self.code(inner)? {
                Value::Int(number) => own(Value::Int(-number)),
                Value::Float(number) => own(Value::Float(-number)),
                other => {
                    Stop::fail(format!("`{}` is {}, and only a number can be negative", self.text(inner), other.kind()))
                }
            },
            Op::Math(math, left, right) => {
                let a = self.code(left)?;
                let b = self.code(right)?;
                self.math(code, *math, &a, &b).map(Cow::Owned)
            }
            Op::Compare { first, rest } => self.compare(first, rest),
            Op::And(parts) => self.first_where(parts, false),
            Op::Or(parts) => self.first_where(parts, true),
            Op::If { test, then, other } => {
                if self.truth(test)? {
                    return self.code(then);
                }
                match other {
                    Some(other) => self.code(other),
                    None => own(Value::Null),
                }
            }
            Op::List(parts) => {
                self.built = true;
                let mut items = Vec::with_capacity(parts.len());
                for part in parts {
                    self.budget.build(16)?;
                    items.push(self.code(part)?.into_owned());
                }
                own(Value::List(Arc::new(items)))
            }
            Op::Map(pairs) => {
                self.built = true;
                let mut map = Map::new();
                for (key, value) in pairs {
                    let name = match &*self.code(key)? {
                        Value::Text(name) => name.clone(),
                        other => {
                            return Stop::fail(format!(
                                "`{}` is {}, and a key must be a text",
                                self.text(key),
                                other.kind()
                            ));
                        }
                    };
                    self.budget.build(16 + name.len())?;
                    let value = self.code(value)?.into_owned();
                    if map.insert(name.clone(), value).is_some() {
                        return Stop::fail(format!("the key `{name}` stands twice in `{}`", self.text(code)));
                    }
                }
                own(Value::Map(Arc::new(map)))
            }
            Op::Filter { filter, input, args, named } => self.filter(*filter, input, args, named),
            Op::Test { test, input, args } => {
                self.test(test.0, input, args).map(|truth| Cow::Owned(Value::Bool(truth)))
            }
            Op::Call { function, args } => {
                let args = self.args(args)?;
                match function {
                    Function::StandsIn => {
                        self.budget.work(1, args.get(1).and_then(Value::as_str).map_or(0, str::len))?;
                        functions::stands_in(&args[0], &args[1]).map(|truth| Cow::Owned(Value::Bool(truth)))
                    }
                    Function::Range => functions::range(&args, &mut self.budget).map(Cow::Owned),
                }
            }
        }
    }

    fn text(&self, code: &Code) -> &'v str {
        code.at.of(self.source)
    }

    /// A part that must be there: what is missing in it is no longer caught by `default`.
    fn present(&mut self, code: &'v Code) -> Found<'v> {
        self.code(code).map_err(|stop| Stop::Fail(stop.message()))
    }

    /// True or false, and nothing else.
    fn truth(&mut self, code: &'v Code) -> Result<bool, Stop> {
        match &code.op {
            Op::And(parts) => {
                for part in parts {
                    if !self.truth(part)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            Op::Or(parts) => {
                for part in parts {
                    if self.truth(part)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Op::Not(inner) => self.truth(inner).map(|truth| !truth),
            _ => match &*self.code(code)? {
                Value::Bool(truth) => Ok(*truth),
                other => Stop::fail(format!(
                    "`{}` is {}, and a condition needs true or false",
                    self.text(code),
                    other.kind()
                )),
            },
        }
    }

    /// `and` and `or` outside of conditions: the part that decides.
    fn first_where(&mut self, parts: &'v [Code], decides: bool) -> Found<'v> {
        let Some((last, before)) = parts.split_last() else { return own(Value::Null) };
        for part in before {
            let value = self.code(part)?;
            if truthy(&value) == decides {
                return Ok(value);
            }
        }
        self.code(last)
    }

    /// Why a path ends in nothing.
    fn lost(&self, code: &Code, root: u32, fields: &[Arc<str>]) -> Stop {
        let text = self.text(code);
        let Some(mut value) = self.values.get(root as usize) else {
            return Stop::Fail(format!("`{text}` has no value here"));
        };
        for (at, field) in fields.iter().enumerate() {
            let Some(next) = value.get(field) else {
                // The source may hold spaces around its dots; the part before is said by its names then.
                let mut path: Vec<&str> = vec![text.split('.').next().unwrap_or(text).trim()];
                path.extend(fields[..at].iter().map(|field| &**field));
                let message = absent(&path.join("."), value, field);
                // Only the last field may be caught by `default`.
                return if at + 1 == fields.len() && !value.is_null() {
                    Stop::Missing(message)
                } else {
                    Stop::Fail(message)
                };
            };
            value = next;
        }
        Stop::Fail(format!("`{text}` has no value here"))
    }

    fn no_field(&self, of: &Code, value: &Value, field: &str) -> Stop {
        let message = absent(self.text(of), value, field);
        if matches!(value, Value::Map(_)) { Stop::Missing(message) } else { Stop::Fail(message) }
    }

    fn item(&mut self, of: &'v Code, index: &'v Code) -> Found<'v> {
        let value = self.present(of)?;
        let index_value = self.present(index)?;
        match (&*value, &*index_value) {
            (Value::List(items), Value::Int(at)) => match position(*at, items.len()) {
                Some(at) => Ok(pick(value, |value| match value {
                    Value::List(items) => items.get(at),
                    _ => None,
                })),
                None => {
                    let message = format!("`{}` has {} items, and item {at} was asked for", self.text(of), items.len());
                    Err(Stop::Missing(message))
                }
            },
            (Value::Map(map), Value::Text(field)) if map.contains_key(field) => {
                Ok(pick(value, |value| value.get(field)))
            }
            (other, Value::Text(field)) => Err(self.no_field(of, other, field)),
            (Value::Text(text), Value::Int(at)) => {
                match position(*at, text.chars().count()).and_then(|at| text.chars().nth(at)) {
                    Some(c) => own(Value::text(String::from(c))),
                    None => Err(Stop::Missing(format!("`{}` has no character {at}", self.text(of)))),
                }
            }
            (other, index) => {
                Stop::fail(format!("`{}` is {}, and {} cannot pick from it", self.text(of), other.kind(), index.kind()))
            }
        }
    }

    fn slice(&mut self, of: &'v Code, bounds: [&'v Option<Box<Code>>; 3]) -> Found<'v> {
        let value = self.present(of)?;
        let mut numbers = [None; 3];
        for (slot, bound) in numbers.iter_mut().zip(bounds) {
            let Some(bound) = bound else { continue };
            *slot = match &*self.present(bound)? {
                Value::Int(number) => Some(*number),
                Value::Null => None,
                other => {
                    return Stop::fail(format!(
                        "`{}` is {}, and a position is a whole number",
                        self.text(bound),
                        other.kind()
                    ));
                }
            };
        }
        let [start, stop, step] = numbers;
        let step = step.unwrap_or(1);
        if step <= 0 {
            return Stop::fail("a slice goes forward in steps of at least 1; use `| reverse` to turn it round");
        }
        let step = usize::try_from(step).unwrap_or(usize::MAX);
        match &*value {
            Value::List(items) => {
                let (from, to) = bounds_of(start, stop, items.len());
                self.budget.build((to - from) * 16)?;
                own(Value::list(items[from..to].iter().step_by(step).cloned()))
            }
            Value::Text(text) => {
                let (from, to) = bounds_of(start, stop, text.chars().count());
                self.budget.build(to - from)?;
                own(Value::text(text.chars().take(to).skip(from).step_by(step).collect::<String>()))
            }
            other => {
                Stop::fail(format!("`{}` is {}, and only a list or a text can be sliced", self.text(of), other.kind()))
            }
        }
    }

    fn math(&mut self, code: &Code, math: Math, a: &Value, b: &Value) -> Result<Value, Stop> {
        let failed = |why: &str| Stop::fail(format!("`{}`: {why}", self.text(code)));
        match (math, a, b) {
            (Math::Concat, a, b) => {
                self.budget.build(functions::weight(a) + functions::weight(b))?;
                Ok(Value::text([&*say(a), &*say(b)].concat()))
            }
            (Math::Add, Value::Text(a), Value::Text(b)) => {
                self.budget.build(a.len() + b.len())?;
                Ok(Value::text([&**a, &**b].concat()))
            }
            (Math::Add, Value::List(a), Value::List(b)) => {
                self.budget.build((a.len() + b.len()) * 16)?;
                Ok(Value::list(a.iter().chain(b.iter()).cloned()))
            }
            (Math::Div | Math::FloorDiv | Math::Rem, Value::Int(_) | Value::Float(_), Value::Int(0)) => {
                failed("this divides by zero")
            }
            (_, Value::Int(a), Value::Int(b)) => match whole(math, *a, *b) {
                Some(result) => functions::int(result).or_else(|_| failed("the result is beyond 2^53 - 1")),
                None if math == Math::Div || (math == Math::Pow && *b < 0) => fraction(math, to_f64(*a), to_f64(*b))
                    .and_then(Value::number)
                    .map_or_else(|| failed("the result is no number that can be kept"), Ok),
                None => failed("the result is beyond 2^53 - 1"),
            },
            (_, Value::Int(_) | Value::Float(_), Value::Int(_) | Value::Float(_)) => {
                let as_f64 = |value: &Value| match value {
                    Value::Int(number) => to_f64(*number),
                    Value::Float(number) => *number,
                    _ => f64::NAN,
                };
                fraction(math, as_f64(a), as_f64(b))
                    .and_then(Value::number)
                    .map_or_else(|| failed("the result is no number that can be kept"), Ok)
            }
            _ => failed(&format!("`{}` cannot join {} and {}", math.sign(), a.kind(), b.kind())),
        }
    }

    fn compare(&mut self, first: &'v Code, rest: &'v [(Comparison, Code)]) -> Found<'v> {
        let mut left_code = first;
        let mut left = self.code(first)?;
        for (comparison, right_code) in rest {
            let right = self.code(right_code)?;
            if !self.holds(*comparison, (left_code, &left), (right_code, &right))? {
                return own(Value::Bool(false));
            }
            (left_code, left) = (right_code, right);
        }
        own(Value::Bool(true))
    }

    fn holds(&mut self, comparison: Comparison, a: (&Code, &Value), b: (&Code, &Value)) -> Result<bool, Stop> {
        let order = match (a.1, b.1) {
            (Value::Int(a), Value::Int(b)) => Some(a.cmp(b)),
            (Value::Text(a), Value::Text(b)) => Some(a.as_bytes().cmp(b.as_bytes())),
            (Value::Int(a), Value::Float(b)) => to_f64(*a).partial_cmp(b),
            (Value::Float(a), Value::Int(b)) => a.partial_cmp(&to_f64(*b)),
            (Value::Float(a), Value::Float(b)) => a.partial_cmp(b),
            _ => None,
        };
        match comparison {
            Comparison::Eq => Ok(a.1 == b.1),
            Comparison::Ne => Ok(a.1 != b.1),
            Comparison::In => functions::contains(b.1, a.1),
            Comparison::NotIn => functions::contains(b.1, a.1).map(|found| !found),
            Comparison::Lt | Comparison::Lte | Comparison::Gt | Comparison::Gte => {
                let Some(order) = order else {
                    return Stop::fail(format!(
                        "`{}` is {} and `{}` is {}: these have no order",
                        self.text(a.0),
                        a.1.kind(),
                        self.text(b.0),
                        b.1.kind()
                    ));
                };
                Ok(match comparison {
                    Comparison::Lt => order.is_lt(),
                    Comparison::Lte => order.is_le(),
                    Comparison::Gt => order.is_gt(),
                    _ => order.is_ge(),
                })
            }
        }
    }

    fn args(&mut self, args: &'v [Code]) -> Result<Vec<Value>, Stop> {
        args.iter().map(|arg| self.present(arg).map(Cow::into_owned)).collect()
    }

    fn filter(
        &mut self,
        filter: Filter,
        input: &'v Code,
        args: &'v [Code],
        named: &'v [(Arc<str>, Code)],
    ) -> Found<'v> {
        if filter == Filter::Default {
            return match self.code(input) {
                Err(Stop::Missing(_)) => self.code(&args[0]),
                found => found,
            };
        }
        let value = self.present(input)?;
        let args = self.args(args)?;
        let result = match filter {
            Filter::Default => return Ok(value),
            Filter::Length => functions::length(&value),
            Filter::List if matches!(&*value, Value::List(_)) => return Ok(value),
            Filter::List => functions::list(&value, &mut self.budget),
            Filter::String => functions::string(&value, &mut self.budget),
            Filter::Json => functions::json(&value, &mut self.budget),
            Filter::Money => functions::money(&value),
            Filter::Replace => functions::replace(&value, &args[0], &args[1], &mut self.budget),
            Filter::Join => match args.first() {
                None => functions::join(&value, "", &mut self.budget),
                Some(Value::Text(between)) => functions::join(&value, between, &mut self.budget),
                Some(other) => {
                    Stop::fail(format!("`join` wants a text between the items, and here is {}", other.kind()))
                }
            },
            Filter::Engine(name) => {
                self.built = true;
                let mut words = Vec::with_capacity(named.len());
                for (word, code) in named {
                    words.push((word.clone(), self.present(code)?.into_owned()));
                }
                functions::apply(name, &value, &args, &words, &mut self.budget)
            }
        };
        match result {
            Ok(value) => own(value),
            Err(stop) => Stop::fail(format!("{} (in `{}`)", stop.message(), self.text(input))),
        }
    }

    fn test(&mut self, name: &'static str, input: &'v Code, args: &'v [Code]) -> Result<bool, Stop> {
        match name {
            "defined" | "undefined" => match self.code(input) {
                Ok(_) => Ok(name == "defined"),
                Err(Stop::Missing(_)) => Ok(name == "undefined"),
                Err(stop) => Err(stop),
            },
            "none" => Ok(self.code(input)?.is_null()),
            "stands_in" | "in" | "containing" => {
                let value = self.present(input)?;
                let args = self.args(args)?;
                match name {
                    "in" => functions::contains(&args[0], &value),
                    "containing" => functions::contains(&value, &args[0]),
                    _ => {
                        self.budget.work(1, args[0].as_str().map_or(0, str::len))?;
                        functions::stands_in(&value, &args[0])
                    }
                }
            }
            _ => {
                let value = self.present(input)?;
                let args = self.args(args)?;
                functions::test(name, &value, &args)
            }
        }
    }
}

fn pick<'v>(value: Cow<'v, Value>, part: impl Fn(&Value) -> Option<&Value>) -> Cow<'v, Value> {
    match value {
        Cow::Borrowed(value) => part(value).map_or(Cow::Owned(Value::Null), Cow::Borrowed),
        Cow::Owned(value) => Cow::Owned(part(&value).cloned().unwrap_or_default()),
    }
}

fn absent(path: &str, value: &Value, field: &str) -> String {
    match value {
        Value::Map(map) => {
            let hint = crate::complaint::nearest(field, map.keys().map(|key| &**key));
            let hint = hint.map_or(String::new(), |name| format!(": did you mean `{name}`?"));
            format!("`{path}` has no `{field}`{hint}")
        }
        Value::Null => format!("`{path}` is none, so it has no `{field}`"),
        other => format!("`{path}` is {}, so it has no `{field}`", other.kind()),
    }
}

fn position(at: i64, len: usize) -> Option<usize> {
    let at = if at < 0 { i64::try_from(len).ok()?.checked_add(at)? } else { at };
    usize::try_from(at).ok().filter(|at| *at < len)
}

fn bounds_of(start: Option<i64>, stop: Option<i64>, len: usize) -> (usize, usize) {
    let clamp = |at: i64| {
        let len = i64::try_from(len).unwrap_or(i64::MAX);
        let at = if at < 0 { len.saturating_add(at).max(0) } else { at.min(len) };
        usize::try_from(at).unwrap_or(0)
    };
    let from = start.map_or(0, clamp);
    let to = stop.map_or(len, clamp);
    (from, to.max(from))
}

#[expect(clippy::cast_precision_loss, reason = "whole numbers stay below 2^53: held by Value")]
fn to_f64(number: i64) -> f64 {
    number as f64
}

/// `None`: the result is no whole number that fits.
fn whole(math: Math, a: i64, b: i64) -> Option<i64> {
    match math {
        Math::Add => a.checked_add(b),
        Math::Sub => a.checked_sub(b),
        Math::Mul => a.checked_mul(b),
        Math::FloorDiv => {
            let quotient = a.checked_div(b)?;
            if a % b != 0 && (a < 0) != (b < 0) { quotient.checked_sub(1) } else { Some(quotient) }
        }
        Math::Rem => {
            let rest = a.checked_rem(b)?;
            if rest != 0 && (rest < 0) != (b < 0) { rest.checked_add(b) } else { Some(rest) }
        }
        Math::Pow => a.checked_pow(u32::try_from(b).ok()?),
        Math::Div | Math::Concat => None,
    }
}

fn fraction(math: Math, a: f64, b: f64) -> Option<f64> {
    match math {
        Math::Add => Some(a + b),
        Math::Sub => Some(a - b),
        Math::Mul => Some(a * b),
        Math::Div => Some(a / b),
        Math::FloorDiv => Some((a / b).floor()),
        Math::Rem => Some(a - b * (a / b).floor()),
        Math::Pow => Some(a.powf(b)),
        Math::Concat => None,
    }
}

/// A value inside a text: a text as it is, anything else as canonical JSON.
pub(super) fn say(value: &Value) -> Cow<'_, str> {
    match value {
        Value::Text(text) => Cow::Borrowed(text),
        other => Cow::Owned(other.to_json()),
    }
}

fn truthy(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(truth) => *truth,
        Value::Int(number) => *number != 0,
        Value::Float(number) => *number != 0.0,
        Value::Text(text) => !text.is_empty(),
        Value::List(items) => !items.is_empty(),
        Value::Map(map) => !map.is_empty(),
    }
}
