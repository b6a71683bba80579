//! Expressions: MiniJinja's language over our own [`Value`]s.
//!
//! MiniJinja parses and brings filters and tests. The operators are evaluated here, directly on shared values, because a
//! reference then costs no copy, a whole number stays one, and nothing can be repeated into gigabytes. An expression has no
//! loops and no side effects; what it builds is counted and bounded.
//!
//! An [`Expr`] knows the names it needs ([`Expr::roots`]); a caller looks those up and evaluates with a slice of values in
//! that order, so that nothing else can be read.

mod check;
mod code;
mod condition;
mod derive;
mod eval;
mod functions;
mod template;
mod text;

use std::sync::Arc;

pub use check::Names;
pub use condition::Condition;
pub use derive::{Derivation, Reads};
pub use template::Template;
pub use text::Text;

use self::code::{Code, Op};
use crate::{complaint::Complaint, types::Type, values::Value, yaml::Node};

/// Names that no step may have.
pub const RESERVED: [&str; 8] = ["input", "run", "item", "index", "output", "event", "with", "env"];

/// The longest expression, in bytes.
pub const MAX_BYTES: usize = 8 << 10;

/// What is wrong in an expression, and where: offsets are bytes of its source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Its number among the complaints.
    pub id: &'static str,
    /// The first byte that is meant.
    pub offset: usize,
    /// How many bytes are meant.
    pub len: usize,
    /// What is wrong: lower case, no full stop.
    pub message: String,
    /// What to try.
    pub hint: Option<String>,
}

impl Fault {
    fn new(id: &'static str, at: At, message: impl Into<String>) -> Fault {
        Fault { id, offset: at.start as usize, len: (at.end - at.start) as usize, message: message.into(), hint: None }
    }

    fn hint(mut self, hint: impl Into<String>) -> Fault {
        self.hint = Some(hint.into());
        self
    }

    fn or_hint(mut self, hint: Option<String>) -> Fault {
        self.hint = self.hint.or(hint);
        self
    }

    /// The same, moved: for an expression inside a longer text.
    #[must_use]
    pub fn shifted(mut self, by: usize) -> Fault {
        self.offset += by;
        self
    }

    /// As a complaint about the scalar that holds the expression.
    pub fn complaint(self, node: &Node) -> Complaint {
        let at = node.place_of(self.offset, self.len);
        let complaint = Complaint::new(self.id, &node.file, at, self.message);
        // A value that YAML has split explains every other fault in it.
        match node.split_hint() {
            Some(split) => complaint.hint(split),
            None => complaint.or_hint(self.hint),
        }
    }
}

/// Bytes of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct At {
    start: u32,
    end: u32,
}

impl At {
    fn to(self, other: At) -> At {
        At { start: self.start.min(other.start), end: self.end.max(other.end) }
    }

    fn of(self, source: &str) -> &str {
        source.get(self.start as usize..self.end as usize).unwrap_or_default()
    }
}

/// A name that an expression reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Root {
    /// The step, `input`, or another name.
    pub name: Arc<str>,
    /// What of it.
    pub what: RootKind,
}

/// What an expression wants to know about a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RootKind {
    /// Its value.
    Value,
    /// `ran(name)`: whether the step ran; a [`Value::Bool`].
    Ran,
    /// `meta(name)`: what its run cost; a map.
    Meta,
}

/// Names in the order they were first read.
#[derive(Clone, Debug, Default)]
struct Roots {
    list: Vec<Root>,
}

impl Roots {
    fn index(&mut self, name: &str, what: RootKind) -> u32 {
        let found = self.list.iter().position(|root| &*root.name == name && root.what == what);
        let at = found.unwrap_or_else(|| {
            self.list.push(Root { name: name.into(), what });
            self.list.len() - 1
        });
        u32::try_from(at).expect("an expression has at most MAX_BYTES names: held in code::compile")
    }
}

/// An expression, ready to run.
#[derive(Clone, Debug)]
pub struct Expr {
    source: Arc<str>,
    roots: Arc<[Root]>,
    code: Arc<Code>,
}

impl Expr {
    /// Reads an expression.
    ///
    /// # Errors
    /// Where it cannot be read, or names a filter, test or function that does not exist.
    pub fn compile(text: &str) -> Result<Expr, Fault> {
        let mut roots = Roots::default();
        let code = code::compile(text, &mut roots)?;
        Ok(Expr { source: text.into(), roots: roots.list.into(), code: Arc::new(code) })
    }

    /// Reads the expression that a scalar holds.
    pub fn of_node(node: &Node) -> Result<Expr, Complaint> {
        let text = node.scalar().ok_or_else(|| node.expected("an expression"))?;
        Expr::compile(text).map_err(|fault| fault.complaint(node))
    }

    /// As it was written.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The names it reads, in the order [`Expr::eval`] wants their values.
    pub fn roots(&self) -> &[Root] {
        &self.roots
    }

    /// The value, given one value for each of [`Expr::roots`].
    ///
    /// # Errors
    /// A sentence that names the part that could not be evaluated.
    pub fn eval(&self, values: &[Value]) -> Result<Value, String> {
        eval::value(&self.code, &self.source, values)
    }

    /// The type of its value, or all that is certain to be wrong.
    pub fn ty(&self, names: &Names<'_>) -> Result<Type, Vec<Fault>> {
        check::expr(&self.code, &self.source, &self.roots, names)
    }
}

/// What a `see:` entry shows: an expression that only picks, never speaks.
#[derive(Clone, Debug)]
pub struct Projection {
    expr: Expr,
}

impl Projection {
    /// Reads a projection: an expression without literal values of its own (literals as arguments of filters, in comparisons
    /// and as positions are fine).
    pub fn compile(text: &str) -> Result<Projection, Fault> {
        let expr = Expr::compile(text)?;
        match literal(&expr.code) {
            None => Ok(Projection { expr }),
            Some(at) => {
                Err(Fault::new("E007", at, format!("`{}` is a literal, and `see:` shows data only", at.of(text)))
                    .hint("write it in the prompt, or name a value such as `input.subject`"))
            }
        }
    }

    /// Reads the projection that a scalar holds.
    pub fn of_node(node: &Node) -> Result<Projection, Complaint> {
        let text = node.scalar().ok_or_else(|| node.expected("an expression"))?;
        Projection::compile(text).map_err(|fault| fault.complaint(node))
    }

    /// The expression.
    pub fn expr(&self) -> &Expr {
        &self.expr
    }

    /// The names it reads.
    pub fn roots(&self) -> &[Root] {
        self.expr.roots()
    }

    /// The value.
    pub fn eval(&self, values: &[Value]) -> Result<Value, String> {
        self.expr.eval(values)
    }

    /// The type of its value.
    pub fn ty(&self, names: &Names<'_>) -> Result<Type, Vec<Fault>> {
        self.expr.ty(names)
    }
}

/// The first literal that would become part of the value.
fn literal(code: &Code) -> Option<At> {
    match &code.op {
        Op::Const(Value::Text(_) | Value::Int(_) | Value::Float(_) | Value::Bool(_)) => Some(code.at),
        Op::Const(_) | Op::Path { .. } | Op::Compare { .. } | Op::Not(_) | Op::Test { .. } | Op::Call { .. } => None,
        Op::Get(inner, _) | Op::Item(inner, _) | Op::Slice { of: inner, .. } | Op::Neg(inner) => literal(inner),
        Op::Filter { input, .. } => literal(input),
        Op::Math(_, left, right) => literal(left).or_else(|| literal(right)),
        Op::And(parts) | Op::Or(parts) | Op::List(parts) => parts.iter().find_map(literal),
        Op::If { then, other, .. } => literal(then).or_else(|| other.as_deref().and_then(literal)),
        Op::Map(pairs) => pairs.iter().find_map(|(_, value)| literal(value)),
    }
}

#[cfg(test)]
mod tests;
