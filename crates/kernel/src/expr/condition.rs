//! Conditions: expressions that are true or false in every part.

use std::sync::Arc;

use super::{
    Expr, Fault, Names, Root, RootKind, check,
    code::{Code, Op},
    eval,
};
use crate::{complaint::Complaint, values::Value, yaml::Node};

/// An expression that must be true or false, on both sides of every `and` and `or` as well.
#[derive(Clone, Debug)]
pub struct Condition {
    expr: Expr,
}

impl Condition {
    /// Reads a condition.
    pub fn compile(text: &str) -> Result<Condition, Fault> {
        Expr::compile(text).map(|expr| Condition { expr })
    }

    /// Reads the condition that a scalar holds.
    pub fn of_node(node: &Node) -> Result<Condition, Complaint> {
        let text = node.scalar().ok_or_else(|| node.expected("a condition"))?;
        Condition::compile(text).map_err(|fault| fault.complaint(node))
    }

    /// As it was written.
    pub fn source(&self) -> &str {
        self.expr.source()
    }

    /// The names it reads, in the order [`Condition::eval`] wants their values.
    pub fn roots(&self) -> &[Root] {
        self.expr.roots()
    }

    /// Whether it holds.
    ///
    /// # Errors
    /// Which part is neither true nor false, or could not be evaluated. A part that no longer matters is not evaluated.
    pub fn eval(&self, values: &[Value]) -> Result<bool, String> {
        eval::truth(&self.expr.code, &self.expr.source, values)
    }

    /// Where what it looks at comes from.
    pub fn derivation(&self) -> super::Derivation<'_> {
        self.expr.derivation()
    }

    /// All that is certain to be wrong with it.
    pub fn check(&self, names: &Names<'_>) -> Result<(), Vec<Fault>> {
        check::condition(&self.expr.code, &self.expr.source, &self.expr.roots, names)
    }

    /// The steps that ran if this holds: those of `ran(step)` joined by `and`. For what stands under a `when:`.
    pub fn proves(&self) -> Vec<Arc<str>> {
        let mut steps = Vec::new();
        proven(&self.expr.code, &self.expr.roots, &mut steps);
        steps
    }
}

fn proven(code: &Code, roots: &[Root], steps: &mut Vec<Arc<str>>) {
    match &code.op {
        Op::And(parts) => parts.iter().for_each(|part| proven(part, roots, steps)),
        Op::Path { root, fields } if fields.is_empty() => {
            if let Some(Root { name, what: RootKind::Ran }) = roots.get(*root as usize) {
                steps.push(name.clone());
            }
        }
        _ => {}
    }
}
