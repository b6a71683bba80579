//! What can be known about an expression before it runs: names, fields, types, and what may be none.

use std::sync::Arc;

use super::{
    At, Fault, Root, RootKind,
    code::{Code, Comparison, Function, Math, Op},
    functions::Filter,
};
use crate::{
    complaint::{did_you_mean, nearest},
    types::{Properties, Property, Type},
    values::Value,
};

/// The names an expression may use, for static checks.
#[derive(Clone, Copy)]
pub struct Names<'a> {
    /// The type of a name's value; `None` if there is no such name here.
    pub types: &'a dyn Fn(&str) -> Option<Type>,
    /// All names there are, to suggest one.
    pub known: &'a [&'a str],
}

/// What `meta(step)` gives.
pub fn meta_type() -> Type {
    Type::Object { fields: Arc::new([("cost".into(), (Type::Number, true))].into()), open: true }
}

pub(super) fn expr(code: &Code, source: &str, roots: &[Root], names: &Names<'_>) -> Result<Type, Vec<Fault>> {
    let mut check = Check { source, roots, names, faults: Vec::new(), proven: Vec::new() };
    let ty = check.value(code);
    if check.faults.is_empty() { Ok(ty) } else { Err(check.faults) }
}

pub(super) fn condition(code: &Code, source: &str, roots: &[Root], names: &Names<'_>) -> Result<(), Vec<Fault>> {
    let mut check = Check { source, roots, names, faults: Vec::new(), proven: Vec::new() };
    check.truth(code);
    if check.faults.is_empty() { Ok(()) } else { Err(check.faults) }
}

/// Adds how to guard what may be none.
pub(super) fn guard(fault: Fault, code: &Code, roots: &[Root]) -> Fault {
    let hint = match &code.op {
        Op::Path { root, fields } if fields.is_empty() => roots.get(*root as usize).map(|root| {
            let name = &root.name;
            format!("the step may be skipped: guard it with `ran({name})`, as in `{name} if ran({name}) else …`")
        }),
        _ => None,
    };
    fault.or_hint(hint.or_else(|| Some("guard it: `… if x is not none else …`".to_owned())))
}

/// What is known to be there: a name and a path of fields.
type Path = (u32, Box<[Arc<str>]>);

/// What a condition proves when it holds.
#[derive(Clone, Debug, PartialEq)]
enum Fact {
    /// The step ran, or the value is not none.
    NotNull(Path),
    /// The field is there.
    Defined(Path),
}

struct Check<'a> {
    source: &'a str,
    roots: &'a [Root],
    names: &'a Names<'a>,
    faults: Vec<Fault>,
    proven: Vec<Fact>,
}

/// A type, and why the value may be missing altogether.
struct Known {
    ty: Type,
    missing: Option<Fault>,
}

impl From<Type> for Known {
    fn from(ty: Type) -> Known {
        Known { ty, missing: None }
    }
}

impl Check<'_> {
    fn fault(&mut self, fault: Fault) -> Type {
        if !self.faults.contains(&fault) {
            self.faults.push(fault);
        }
        Type::Any
    }

    fn said(&self, at: At) -> String {
        crate::yaml::cut(at.of(self.source).trim(), 60).into_owned()
    }

    /// The type of a value that must be there.
    fn value(&mut self, code: &Code) -> Type {
        let known = self.known(code);
        match known.missing {
            Some(fault) => {
                self.fault(fault);
                known.ty
            }
            None => known.ty,
        }
    }

    /// The type of a value that must be there and must not be none.
    fn solid(&mut self, code: &Code) -> Type {
        let ty = self.value(code);
        if matches!(ty, Type::Maybe(_)) || matches!(&ty, Type::Union(members) if members.iter().any(Type::may_be_null))
        {
            let fault = Fault::new("E004", code.at, format!("`{}` may be none here", self.said(code.at)));
            let fault = guard(fault, code, self.roots);
            self.fault(fault);
            return ty.present();
        }
        ty
    }

    fn known(&mut self, code: &Code) -> Known {
        match &code.op {
            Op::Const(value) => Type::of(value).into(),
            Op::Path { root, fields } => self.path(code, *root, fields),
            Op::Get(of, field) => {
                let ty = self.solid(of);
                self.property(code.at, &self.said(of.at), &ty, field)
            }
            Op::Item(of, index) => self.item(code, of, index),
            Op::Slice { of, start, stop, step } => {
                for bound in [start, stop, step].into_iter().flatten() {
                    let ty = self.value(bound);
                    self.want(bound, &ty, &Type::Int.maybe(), "a position");
                }
                let ty = self.solid(of);
                match ty {
                    Type::Text { .. } => Type::TEXT.into(),
                    Type::List(_) | Type::Any | Type::Union(_) => ty.into(),
                    other => self.fault(self.wrong(of, &other, "only a list or a text can be sliced")).into(),
                }
            }
            Op::Not(inner) => {
                self.truth(inner);
                Type::Bool.into()
            }
            Op::Neg(inner) => {
                let ty = self.solid(inner);
                match ty {
                    Type::Int | Type::Number | Type::Any => ty.into(),
                    other => self.fault(self.wrong(inner, &other, "only a number can be negative")).into(),
                }
            }
            Op::Math(math, left, right) => self.math(code, *math, left, right).into(),
            Op::Compare { first, rest } => {
                self.compare(first, rest);
                Type::Bool.into()
            }
            Op::And(_) | Op::Or(_) => self.either(code).into(),
            Op::If { test, then, other } => {
                self.truth(test);
                let mark = self.proven.len();
                self.assume(test, true);
                let a = self.value(then);
                self.proven.truncate(mark);
                self.assume(test, false);
                let b = other.as_ref().map_or(Type::Null, |other| self.value(other));
                self.proven.truncate(mark);
                a.join(b).into()
            }
            Op::List(parts) => {
                let types: Vec<Type> = parts.iter().map(|part| self.value(part)).collect();
                Type::list(types.into_iter().reduce(Type::join).unwrap_or(Type::Any)).into()
            }
            Op::Map(pairs) => self.map(pairs).into(),
            Op::Filter { filter, input, args, named } => self.filter(*filter, input, args, named).into(),
            Op::Test { test, input, args } => {
                if matches!(test.0, "defined" | "undefined" | "none") {
                    self.known(input);
                } else {
                    self.value(input);
                }
                args.iter().for_each(|arg| {
                    self.value(arg);
                });
                Type::Bool.into()
            }
            Op::Call { function, args } => {
                let wanted = match function {
                    Function::StandsIn => Type::TEXT,
                    Function::Range => Type::Int,
                };
                for arg in args {
                    let ty = self.solid(arg);
                    self.want(arg, &ty, &wanted, "this");
                }
                match function {
                    Function::StandsIn => Type::Bool.into(),
                    Function::Range => Type::list(Type::Int).into(),
                }
            }
        }
    }

    fn wrong(&self, code: &Code, ty: &Type, why: &str) -> Fault {
        Fault::new("E003", code.at, format!("`{}` is {ty}, and {why}", self.said(code.at)))
    }

    fn want(&mut self, code: &Code, ty: &Type, wanted: &Type, what: &str) {
        if !wanted.accepts(ty) {
            let fault = self.wrong(code, ty, &format!("{what} must be {wanted}"));
            self.fault(fault);
        }
    }

    fn path(&mut self, code: &Code, root: u32, fields: &[Arc<str>]) -> Known {
        let Some(Root { name, what }) = self.roots.get(root as usize) else { return Type::Any.into() };
        let found = (self.names.types)(name);
        let Some(found) = found else {
            let at = At { start: code.at.start, end: code.at.start + u32::try_from(name.len()).unwrap_or(0) };
            let at = if *what == RootKind::Value { at } else { code.at };
            let hint = nearest(name, self.names.known.iter().copied()).map(|name| format!("did you mean `{name}`?"));
            let hint = hint.or_else(|| {
                let quote = *what == RootKind::Value && fields.is_empty();
                quote.then(|| format!("to have the text itself, quote it: '{name}'"))
            });
            return self.fault(Fault::new("E002", at, format!("there is no `{name}` here")).or_hint(hint)).into();
        };
        let mut ty = match what {
            RootKind::Value => found,
            RootKind::Ran => Type::Bool,
            RootKind::Meta => meta_type(),
        };
        let mut missing = None;
        let mut said = match what {
            RootKind::Meta => format!("meta({name})"),
            _ => name.to_string(),
        };
        for (at, field) in fields.iter().enumerate() {
            if let Some(fault) = missing.take() {
                self.fault(fault);
            }
            ty = self.narrowed(ty, root, &fields[..at]);
            if ty.may_be_null() {
                let fault = Fault::new("E004", code.at, format!("`{said}` may be none, and then it has no `{field}`"));
                let hint = if at == 0 && *what == RootKind::Value {
                    format!(
                        "the step may be skipped: guard it with `ran({name})`, as in `ran({name}) and …` or `… if ran({name}) else …`"
                    )
                } else {
                    format!("guard it: `{said} is not none and …`")
                };
                self.fault(fault.hint(hint));
                ty = ty.present();
            }
            let known = self.property(code.at, &said, &ty, field);
            said = format!("{said}.{field}");
            missing = known.missing.filter(|_| !self.defined(root, &fields[..=at]));
            ty = known.ty;
        }
        Known { ty: self.narrowed(ty, root, fields), missing }
    }

    fn narrowed(&self, ty: Type, root: u32, fields: &[Arc<str>]) -> Type {
        if ty.may_be_null() && self.proves_not_null(root, fields) { ty.present() } else { ty }
    }

    fn proves_not_null(&self, root: u32, fields: &[Arc<str>]) -> bool {
        self.proven.iter().any(|fact| matches!(fact, Fact::NotNull((r, f)) if *r == root && **f == *fields))
    }

    fn defined(&self, root: u32, fields: &[Arc<str>]) -> bool {
        self.proven.iter().any(|fact| match fact {
            Fact::NotNull((r, f)) | Fact::Defined((r, f)) => *r == root && f.starts_with(fields),
        })
    }

    fn property(&mut self, at: At, of: &str, ty: &Type, field: &Arc<str>) -> Known {
        // The name of the field is the last thing written.
        let len = u32::try_from(field.len()).unwrap_or(0);
        let here = At { start: at.end.saturating_sub(len).max(at.start), end: at.end };
        let here = if here.of(self.source) == &**field { here } else { at };
        match ty.property(field) {
            Property::Unknown => Type::Any.into(),
            Property::Found { ty, required: true } => ty.into(),
            Property::Found { ty, required: false } => {
                let fault = Fault::new("E004", here, format!("`{of}` may lack `{field}`")).hint(format!(
                    "write `{of}.{field} | default(…)`, ask `{of}.{field} is defined` first, or list it under `required` in the schema"
                ));
                Known { ty, missing: Some(fault) }
            }
            Property::Missing(fields) => {
                let hint = did_you_mean(field, fields.iter().map(|name| &**name));
                self.fault(Fault::new("E002", here, format!("`{of}` has no `{field}`")).or_hint(hint)).into()
            }
            Property::NoObject => {
                self.fault(Fault::new("E003", here, format!("`{of}` is {ty}, so it has no `{field}`"))).into()
            }
            Property::MayBeNull => {
                self.fault(Fault::new("E004", here, format!("`{of}` may be none, and then it has no `{field}`"))).into()
            }
        }
    }

    fn item(&mut self, code: &Code, of: &Code, index: &Code) -> Known {
        let ty = self.solid(of);
        let by = self.solid(index);
        match (&ty, &index.op) {
            (Type::Object { .. }, Op::Const(Value::Text(field))) => {
                self.property(code.at, &self.said(of.at), &ty, field)
            }
            (Type::Object { .. }, _) => {
                self.want(index, &by, &Type::TEXT, "the name of a field");
                Type::Any.into()
            }
            (Type::List(item), _) => {
                self.want(index, &by, &Type::Int, "a position");
                (**item).clone().into()
            }
            (Type::Text { .. }, _) => {
                self.want(index, &by, &Type::Int, "a position");
                Type::TEXT.into()
            }
            (Type::Any | Type::Union(_), _) => Type::Any.into(),
            (other, _) => self.fault(self.wrong(of, other, "nothing can be picked from it")).into(),
        }
    }

    fn math(&mut self, code: &Code, math: Math, left: &Code, right: &Code) -> Type {
        let (a, b) = (self.solid(left), self.solid(right));
        if math == Math::Concat {
            return Type::TEXT;
        }
        let number = |ty: &Type| matches!(ty, Type::Int | Type::Number | Type::Any) || matches!(ty, Type::Union(_));
        if math == Math::Add {
            match (&a, &b) {
                (Type::Text { .. }, Type::Text { .. }) => return Type::TEXT,
                (Type::List(x), Type::List(y)) => return Type::list((**x).clone().join((**y).clone())),
                (Type::Any, Type::Text { .. } | Type::List(_)) | (Type::Text { .. } | Type::List(_), Type::Any) => {
                    return Type::Any;
                }
                _ => {}
            }
        }
        for (part, ty) in [(left, &a), (right, &b)] {
            if !number(ty) {
                let why = format!("`{}` wants numbers", math.sign());
                let mut fault = self.wrong(part, ty, &why);
                if matches!(ty, Type::Text { .. }) && math == Math::Add {
                    fault = fault.hint("join texts with `~`");
                }
                self.fault(fault);
                return Type::Any;
            }
        }
        let _ = code;
        match (math, &a, &b) {
            (Math::Div | Math::Pow, ..) => Type::Number,
            (_, Type::Int, Type::Int) => Type::Int,
            (_, Type::Any, _) | (_, _, Type::Any) if math == Math::Add => Type::Any,
            _ => Type::Number,
        }
    }

    fn compare(&mut self, first: &Code, rest: &[(Comparison, Code)]) {
        let mut left = first;
        for (comparison, right) in rest {
            let equality = matches!(comparison, Comparison::Eq | Comparison::Ne);
            let (a, b) =
                if equality { (self.value(left), self.value(right)) } else { (self.solid(left), self.solid(right)) };
            match comparison {
                Comparison::Eq | Comparison::Ne => self.same_kind(*comparison, (left, &a), (right, &b)),
                Comparison::In | Comparison::NotIn => self.member((left, &a), (right, &b)),
                _ => self.ordered(*comparison, (left, &a), (right, &b)),
            }
            left = right;
        }
    }

    /// Whether two values can ever be equal. A text that no schema allows is found here.
    fn same_kind(&mut self, comparison: Comparison, a: (&Code, &Type), b: (&Code, &Type)) {
        let (x, y) = (a.1.present(), b.1.present());
        if matches!(a.1, Type::Null) || matches!(b.1, Type::Null) || meet(&x, &y) {
            return;
        }
        for (options, text, at) in [(&x, &y, b.0), (&y, &x, a.0)] {
            if let (Type::Text { options: Some(options) }, Op::Const(Value::Text(word)), Type::Text { .. }) =
                (options, &at.op, text)
            {
                let hint = did_you_mean(word, options.iter().map(|option| &**option));
                let other = if std::ptr::eq(at, b.0) { a.0 } else { b.0 };
                let message = format!("`{}` is never \"{word}\"", self.said(other.at));
                self.fault(Fault::new("E003", at.at, message).or_hint(hint));
                return;
            }
        }
        let message = format!(
            "`{}` is {} and `{}` is {}: `{}` has always the same answer",
            self.said(a.0.at),
            a.1,
            self.said(b.0.at),
            b.1,
            comparison.sign()
        );
        self.fault(Fault::new("E003", a.0.at.to(b.0.at), message));
    }

    fn member(&mut self, a: (&Code, &Type), b: (&Code, &Type)) {
        match b.1 {
            Type::List(item) => self.same_kind(Comparison::In, a, (b.0, item)),
            Type::Text { .. } | Type::Object { .. } => {
                if !Type::TEXT.accepts(a.1) {
                    let fault = self.wrong(a.0, a.1, &format!("only a text can be in {}", b.1));
                    self.fault(fault);
                }
            }
            Type::Any | Type::Union(_) => {}
            other => {
                let fault = self.wrong(b.0, other, "nothing can be in it");
                self.fault(fault);
            }
        }
    }

    fn ordered(&mut self, comparison: Comparison, a: (&Code, &Type), b: (&Code, &Type)) {
        let number = |ty: &Type| matches!(ty, Type::Int | Type::Number);
        let text = |ty: &Type| matches!(ty, Type::Text { .. });
        let open = |ty: &Type| matches!(ty, Type::Any | Type::Union(_));
        let fine = match (a.1, b.1) {
            (x, y) if open(x) => open(y) || number(y) || text(y),
            (x, y) if open(y) => number(x) || text(x),
            (x, y) => (number(x) && number(y)) || (text(x) && text(y)),
        };
        if !fine {
            let message = format!(
                "`{}` is {} and `{}` is {}: `{}` wants two numbers or two texts",
                self.said(a.0.at),
                a.1,
                self.said(b.0.at),
                b.1,
                comparison.sign()
            );
            self.fault(Fault::new("E003", a.0.at.to(b.0.at), message));
        }
    }

    /// `and` and `or`. Where all parts are true or false, so is the whole; elsewhere they pick a value.
    fn either(&mut self, code: &Code) -> Type {
        let (parts, holds) = match &code.op {
            Op::And(parts) => (parts, true),
            Op::Or(parts) => (parts, false),
            _ => return self.value(code),
        };
        let mark = self.proven.len();
        let mut ty: Option<Type> = None;
        for (at, part) in parts.iter().enumerate() {
            let mut part_ty = self.value(part);
            self.assume(part, holds);
            // `x or y` goes on to `y` when `x` is none.
            if !holds && at + 1 < parts.len() {
                part_ty = part_ty.present();
            }
            ty = Some(ty.map_or(part_ty.clone(), |ty| ty.join(part_ty)));
        }
        self.proven.truncate(mark);
        ty.unwrap_or(Type::Any)
    }

    /// Checks what must be true or false.
    fn truth(&mut self, code: &Code) {
        match &code.op {
            Op::And(parts) | Op::Or(parts) => {
                let holds = matches!(code.op, Op::And(_));
                let mark = self.proven.len();
                for part in parts {
                    self.truth(part);
                    self.assume(part, holds);
                }
                self.proven.truncate(mark);
            }
            Op::Not(inner) => self.truth(inner),
            _ => {
                let ty = self.solid(code);
                if !Type::Bool.accepts(&ty) {
                    let hint = match &ty {
                        Type::Text { .. } => Some("compare it: `… == 'text'`, or ask `… != ''`"),
                        Type::List(_) => Some("ask `… | length > 0`"),
                        Type::Int | Type::Number => Some("compare it: `… > 0`"),
                        _ => None,
                    };
                    let fault =
                        self.wrong(code, &ty, "a condition needs true or false").or_hint(hint.map(str::to_owned));
                    self.fault(fault);
                }
            }
        }
    }

    /// Remembers what is proven when `code` is `holds`.
    fn assume(&mut self, code: &Code, holds: bool) {
        match &code.op {
            Op::Not(inner) => self.assume(inner, !holds),
            Op::And(parts) if holds => parts.iter().for_each(|part| self.assume(part, true)),
            Op::Or(parts) if !holds => parts.iter().for_each(|part| self.assume(part, false)),
            Op::Path { root, fields } => {
                if holds
                    && fields.is_empty()
                    && self.roots.get(*root as usize).is_some_and(|root| root.what == RootKind::Ran)
                {
                    let name = &self.roots[*root as usize].name;
                    let value = |other: &Root| other.name == *name && other.what == RootKind::Value;
                    if let Some(at) = self.roots.iter().position(value).and_then(|at| u32::try_from(at).ok()) {
                        self.proven.push(Fact::NotNull((at, Box::default())));
                    }
                } else if holds {
                    // What is true is there.
                    self.proven.push(Fact::NotNull((*root, fields.clone())));
                }
            }
            Op::Test { test, input, .. } => {
                let Op::Path { root, fields } = &input.op else { return };
                let path = (*root, fields.clone());
                match (test.0, holds) {
                    ("defined", true) | ("undefined", false) => self.proven.push(Fact::Defined(path)),
                    ("none", false) => self.proven.push(Fact::NotNull(path)),
                    ("none", true) => {}
                    (_, true) => self.proven.push(Fact::NotNull(path)),
                    _ => {}
                }
            }
            Op::Compare { first, rest } => {
                let [(comparison, second)] = rest.as_slice() else { return };
                let unequal = matches!((comparison, holds), (Comparison::Ne, true) | (Comparison::Eq, false));
                let equal = matches!((comparison, holds), (Comparison::Eq, true) | (Comparison::Ne, false));
                for (path, other) in [(&**first, second), (second, &**first)] {
                    let Op::Path { root, fields } = &path.op else { continue };
                    let Op::Const(constant) = &other.op else { continue };
                    if (unequal && constant.is_null()) || (equal && !constant.is_null()) {
                        self.proven.push(Fact::NotNull((*root, fields.clone())));
                    }
                }
            }
            _ => {}
        }
    }

    fn map(&mut self, pairs: &[(Code, Code)]) -> Type {
        let mut fields = Properties::new();
        let mut open = false;
        for (key, value) in pairs {
            let key_ty = self.solid(key);
            self.want(key, &key_ty, &Type::TEXT, "a key");
            let ty = self.value(value);
            match &key.op {
                Op::Const(Value::Text(name)) => {
                    fields.insert(name.clone(), (ty, true));
                }
                _ => open = true,
            }
        }
        Type::Object { fields: Arc::new(fields), open }
    }

    fn filter(&mut self, filter: Filter, input: &Code, args: &[Code], named: &[(Arc<str>, Code)]) -> Type {
        if filter == Filter::Default {
            let known = self.known(input);
            let other = args.first().map_or(Type::Any, |arg| self.value(arg));
            return known.ty.join(other);
        }
        let ty = self.solid(input);
        for arg in args.iter().chain(named.iter().map(|(_, arg)| arg)) {
            self.value(arg);
        }
        let list = |check: &mut Self, name: &str| -> Type {
            match &ty {
                Type::List(item) => (**item).clone(),
                Type::Any | Type::Union(_) | Type::Text { .. } | Type::Object { .. } => Type::Any,
                other => {
                    let fault = check.wrong(input, other, &format!("`{name}` wants a list"));
                    check.fault(fault)
                }
            }
        };
        match filter {
            Filter::Default => Type::Any,
            Filter::Length => match &ty {
                Type::Bool | Type::Int | Type::Number => self.fault(self.wrong(input, &ty, "it has no length")),
                _ => Type::Int,
            },
            Filter::List => Type::list(list(self, "list")),
            Filter::String | Filter::Json => Type::TEXT,
            Filter::Join => {
                list(self, "join");
                Type::TEXT
            }
            Filter::Replace => {
                self.want(input, &ty, &Type::TEXT, "what `replace` changes");
                Type::TEXT
            }
            Filter::Money => {
                self.want(input, &ty, &Type::Int, "an amount in cents");
                Type::TEXT
            }
            Filter::Engine(name) => match name {
                "upper" | "lower" | "title" | "capitalize" | "trim" => {
                    if !Type::TEXT.accepts(&ty) {
                        let fault = self.wrong(input, &ty, &format!("`{name}` wants a text"));
                        self.fault(fault);
                    }
                    Type::TEXT
                }
                "split" | "lines" => Type::list(Type::TEXT),
                "first" | "last" | "min" | "max" => list(self, name),
                "sort" | "unique" | "reverse" | "select" | "reject" | "selectattr" | "rejectattr" => {
                    Type::list(list(self, name))
                }
                "sum" => match list(self, name) {
                    Type::Int => Type::Int,
                    Type::Number => Type::Number,
                    _ => Type::Any,
                },
                "map" => {
                    let item = list(self, name);
                    Type::list(self.mapped(input, &item, args, named))
                }
                "abs" => ty,
                "round" => Type::Number,
                "int" => Type::Int,
                "float" => Type::Number,
                "bool" => Type::Bool,
                "items" | "dictsort" | "groupby" | "zip" | "chain" => Type::list(Type::Any),
                _ => Type::Any,
            },
        }
    }

    /// The type of an item after `map`.
    fn mapped(&mut self, input: &Code, item: &Type, args: &[Code], named: &[(Arc<str>, Code)]) -> Type {
        if let Some((_, attribute)) = named.iter().find(|(name, _)| &**name == "attribute") {
            let Op::Const(Value::Text(path)) = &attribute.op else { return Type::Any };
            let fallback = named.iter().any(|(name, _)| &**name == "default");
            let mut ty = item.clone();
            for field in path.split('.') {
                match ty.property(field) {
                    Property::Found { ty: found, required } => {
                        if !required && !fallback {
                            let message = format!("items of `{}` may lack `{field}`", self.said(input.at));
                            let hint =
                                "write `map(attribute='…', default=…)`, or list it under `required` in the schema";
                            self.fault(Fault::new("E004", attribute.at, message).hint(hint));
                        }
                        ty = found;
                    }
                    Property::Missing(fields) => {
                        let hint = did_you_mean(field, fields.iter().map(|name| &**name));
                        let message = format!("items of `{}` have no `{field}`", self.said(input.at));
                        return self.fault(Fault::new("E002", attribute.at, message).or_hint(hint));
                    }
                    _ => return Type::Any,
                }
            }
            return ty;
        }
        match args.first().map(|arg| &arg.op) {
            Some(Op::Const(Value::Text(name))) => match &**name {
                "upper" | "lower" | "title" | "capitalize" | "trim" | "string" | "tojson" | "money" => Type::TEXT,
                "length" | "count" | "int" => Type::Int,
                "float" => Type::Number,
                _ => Type::Any,
            },
            _ => Type::Any,
        }
    }
}

/// Whether two types have a value in common.
fn meet(a: &Type, b: &Type) -> bool {
    match (a, b) {
        (Type::Any, _) | (_, Type::Any) => true,
        (Type::Union(members), other) | (other, Type::Union(members)) => {
            members.iter().any(|member| meet(member, other))
        }
        (Type::Maybe(inner), other) | (other, Type::Maybe(inner)) => meet(inner, other),
        (Type::Int | Type::Number, Type::Int | Type::Number) => true,
        (Type::Text { options: Some(a) }, Type::Text { options: Some(b) }) => a.iter().any(|option| b.contains(option)),
        (Type::Text { .. }, Type::Text { .. })
        | (Type::List(_), Type::List(_))
        | (Type::Object { .. }, Type::Object { .. })
        | (Type::Bool, Type::Bool)
        | (Type::Null, Type::Null) => true,
        _ => false,
    }
}
