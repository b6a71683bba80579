//! Where a value comes from, as far as its text tells: what following data through a workflow needs.

use std::sync::Arc;

use super::{
    Expr, Root, RootKind,
    code::{Code, Op},
    text,
};
use crate::values::Value;

/// Where a value comes from. Names whole values where the expression only picks, and all that it reads where it computes.
#[derive(Clone, Debug, PartialEq)]
pub enum Derivation<'e> {
    /// Of nothing but what is written here.
    Literal,
    /// `name.field.field`.
    Path {
        /// The name.
        root: &'e Root,
        /// The fields, outermost first.
        fields: &'e [Arc<str>],
    },
    /// The field of that name.
    Field(Box<Derivation<'e>>, Arc<str>),
    /// An item of a list, or a property whose name is computed.
    Item {
        /// The list or map.
        of: Box<Derivation<'e>>,
        /// What says which.
        by: Box<Derivation<'e>>,
    },
    /// A map that is built here.
    Map(Vec<(Arc<str>, Derivation<'e>)>),
    /// A list that is built here.
    List(Vec<Derivation<'e>>),
    /// One of several, or a part of it.
    Either {
        /// Which.
        of: Vec<Derivation<'e>>,
        /// What says which.
        by: Vec<Derivation<'e>>,
    },
    /// Computed from all of these.
    Mixed(Vec<Derivation<'e>>),
}

/// A name that is read, and what of it: the fields, outermost first. Without fields, all of it.
pub type Reads = (Arc<str>, Vec<Arc<str>>);

impl Derivation<'_> {
    /// All that is read of values, each as far down as its text tells.
    pub fn reads(&self) -> Vec<Reads> {
        match self {
            Derivation::Literal => Vec::new(),
            Derivation::Path { root, fields } => match root.what {
                RootKind::Value => vec![(root.name.clone(), fields.to_vec())],
                RootKind::Ran | RootKind::Meta => Vec::new(),
            },
            Derivation::Field(of, name) => match &**of {
                Derivation::Path { root, fields } if root.what == RootKind::Value => {
                    let fields = fields.iter().chain([name]).cloned().collect();
                    vec![(root.name.clone(), fields)]
                }
                of => of.reads(),
            },
            Derivation::Item { of, by } => of.reads().into_iter().chain(by.reads()).collect(),
            Derivation::Map(fields) => fields.iter().flat_map(|(_, value)| value.reads()).collect(),
            Derivation::List(parts) | Derivation::Mixed(parts) => parts.iter().flat_map(Derivation::reads).collect(),
            Derivation::Either { of, by } => of.iter().chain(by).flat_map(Derivation::reads).collect(),
        }
    }
}

impl Expr {
    /// Where its value comes from.
    pub fn derivation(&self) -> Derivation<'_> {
        of(&self.code, &self.roots)
    }
}

/// Where the value of a part comes from.
pub(super) fn of<'e>(code: &'e Code, roots: &'e [Root]) -> Derivation<'e> {
    let one = |code: &'e Code| of(code, roots);
    let boxed = |code: &'e Code| Box::new(of(code, roots));
    match &code.op {
        Op::Const(_) => Derivation::Literal,
        Op::Path { root, fields } => match roots.get(*root as usize) {
            Some(root) => Derivation::Path { root, fields },
            None => Derivation::Literal,
        },
        Op::Get(inner, name) => Derivation::Field(boxed(inner), name.clone()),
        Op::Item(inner, index) => match &index.op {
            Op::Const(Value::Text(name)) => Derivation::Field(boxed(inner), name.clone()),
            _ => Derivation::Item { of: boxed(inner), by: boxed(index) },
        },
        Op::Slice { of: inner, start, stop, step } => {
            let by = [start, stop, step].into_iter().flatten().map(|code| one(code)).collect();
            Derivation::Either { of: vec![one(inner)], by }
        }
        Op::If { test, then, other } => {
            let branches = [Some(then), other.as_ref()];
            Derivation::Either {
                of: branches.into_iter().flatten().map(|code| one(code)).collect(),
                by: vec![one(test)],
            }
        }
        Op::List(parts) => Derivation::List(parts.iter().map(one).collect()),
        Op::Map(pairs) => map(pairs, roots),
        Op::Not(inner) | Op::Neg(inner) => Derivation::Mixed(vec![one(inner)]),
        Op::Math(_, left, right) => Derivation::Mixed(vec![one(left), one(right)]),
        Op::Compare { first, rest } => {
            Derivation::Mixed([one(first)].into_iter().chain(rest.iter().map(|(_, code)| one(code))).collect())
        }
        Op::And(parts) | Op::Or(parts) => Derivation::Mixed(parts.iter().map(one).collect()),
        Op::Filter { input, args, named, .. } => {
            let args = args.iter().chain(named.iter().map(|(_, code)| code)).map(one);
            Derivation::Mixed([one(input)].into_iter().chain(args).collect())
        }
        Op::Test { input, args, .. } => {
            Derivation::Mixed([one(input)].into_iter().chain(args.iter().map(one)).collect())
        }
        Op::Call { args, .. } => Derivation::Mixed(args.iter().map(one).collect()),
    }
}

/// A map whose keys are written is known by them; one with a computed key is not.
fn map<'e>(pairs: &'e [(Code, Code)], roots: &'e [Root]) -> Derivation<'e> {
    let known: Option<Vec<_>> = pairs
        .iter()
        .map(|(key, value)| match &key.op {
            Op::Const(Value::Text(name)) => Some((name.clone(), of(value, roots))),
            _ => None,
        })
        .collect();
    known.map_or_else(
        || Derivation::Mixed(pairs.iter().flat_map(|(key, value)| [of(key, roots), of(value, roots)]).collect()),
        Derivation::Map,
    )
}

/// Where a text with holes comes from.
pub(super) fn of_text<'e>(parts: &'e [text::Part], roots: &'e [Root]) -> Derivation<'e> {
    let holes: Vec<_> = parts.iter().filter_map(text::Part::code).map(|code| of(code, roots)).collect();
    if holes.is_empty() { Derivation::Literal } else { Derivation::Mixed(holes) }
}
