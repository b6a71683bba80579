//! Values with expressions inside: what `with:`, `set:`, `gives:` and `result:` hold.

use std::sync::Arc;

use super::{
    Derivation, Fault, Names, Root, Roots, check,
    code::{self, Code},
    derive,
    eval::{self, deeper},
    functions::{MAX_DEPTH, too_deep},
    text,
};
use crate::{
    complaint::Complaint,
    types::{Properties, Type},
    values::{Map, Value},
    yaml::{Kind, Node},
};

/// A value as it is written: a scalar that starts with `=` is a typed expression (`==x` is the text `=x`), one that contains
/// `{{` is a text with holes, anything else is itself; the same for every part of a list or map.
#[derive(Clone, Debug)]
pub struct Template {
    roots: Arc<[Root]>,
    part: Arc<Part>,
}

#[derive(Debug)]
enum Part {
    Itself(Value),
    Expr { source: Arc<str>, code: Code, node: Node },
    Text { source: Arc<str>, parts: Vec<text::Part>, node: Node },
    List(Vec<Part>),
    Map(Vec<(Arc<str>, Part)>),
}

impl Template {
    /// Reads a value.
    ///
    /// # Errors
    /// The first expression in it that cannot be read, or value that is ambiguous in YAML.
    pub fn compile(node: &Node) -> Result<Template, Complaint> {
        let mut roots = Roots::default();
        let part = compile(node, &mut roots)?;
        Ok(Template { roots: roots.list.into(), part: Arc::new(part) })
    }

    /// A template that is one expression; for defaults such as "the last step's value".
    pub fn of_expr(source: &str) -> Result<Template, Fault> {
        let mut roots = Roots::default();
        let code = code::compile(source, &mut roots)?;
        let node = Node::plain(&"".into(), &format!("={source}"));
        let part = Part::Expr { source: source.into(), code, node };
        Ok(Template { roots: roots.list.into(), part: Arc::new(part) })
    }

    /// A template that is a value itself.
    pub fn of_value(value: Value) -> Template {
        Template { roots: Arc::from([]), part: Arc::new(Part::Itself(value)) }
    }

    /// The names it reads, in the order [`Template::eval`] wants their values.
    pub fn roots(&self) -> &[Root] {
        &self.roots
    }

    /// The value itself, if it holds no expression.
    pub fn literal(&self) -> Option<&Value> {
        match &*self.part {
            Part::Itself(value) => Some(value),
            _ => None,
        }
    }

    /// The value as it is written, expressions as texts: what it says before it is known what it gives.
    pub fn written(&self) -> Value {
        written(&self.part)
    }

    /// The value, given one value for each of [`Template::roots`].
    ///
    /// # Errors
    /// Which part could not be evaluated.
    pub fn eval(&self, values: &[Value]) -> Result<Value, String> {
        let value = eval(&self.part, values)?;
        // Only a list or map of ours puts levels around what came in.
        if matches!(&*self.part, Part::List(_) | Part::Map(_)) && deeper(&value, MAX_DEPTH) {
            return Err(too_deep());
        }
        Ok(value)
    }

    /// The type of its value, or all that is certain to be wrong in it.
    pub fn ty(&self, names: &Names<'_>) -> Result<Type, Vec<Complaint>> {
        let mut complaints = Vec::new();
        let ty = ty(&self.part, &self.roots, names, &mut complaints);
        if complaints.is_empty() { Ok(ty) } else { Err(complaints) }
    }

    /// Where its value comes from.
    pub fn derivation(&self) -> Derivation<'_> {
        derivation(&self.part, &self.roots)
    }

    /// Where the expression or text under `key` is written, if it is a map that holds one there.
    pub fn field_node(&self, key: &str) -> Option<&Node> {
        let Part::Map(entries) = &*self.part else { return None };
        entries.iter().find(|(name, _)| &**name == key).and_then(|(_, part)| match part {
            Part::Expr { node, .. } | Part::Text { node, .. } => Some(node),
            _ => None,
        })
    }

    /// The part under `key`, if it is a map: to look at one argument alone. It wants the same values as the whole.
    pub fn field_source(&self, key: &str) -> Option<&str> {
        let Part::Map(entries) = &*self.part else { return None };
        entries.iter().find(|(name, _)| &**name == key).and_then(|(_, part)| match part {
            Part::Expr { source, .. } | Part::Text { source, .. } => Some(&**source),
            _ => None,
        })
    }
}

fn compile(node: &Node, roots: &mut Roots) -> Result<Part, Complaint> {
    match &node.kind {
        Kind::Scalar { text, .. } => {
            if let Some(rest) = text.strip_prefix('=') {
                if rest.starts_with('=') {
                    return Ok(Part::Itself(Value::text(rest)));
                }
                let code = code::compile(rest, roots).map_err(|fault| fault.shifted(1).complaint(node))?;
                return Ok(Part::Expr { source: rest.into(), code, node: node.clone() });
            }
            if text.contains("{{") {
                let parts = text::compile(text, roots).map_err(|fault| fault.complaint(node))?;
                return Ok(Part::Text { source: text.clone(), parts, node: node.clone() });
            }
            node.to_value().map(Part::Itself)
        }
        Kind::List(items) => {
            let parts: Result<Vec<_>, _> = items.iter().map(|item| compile(item, roots)).collect();
            Ok(settle_list(parts?))
        }
        Kind::Map(entries) => {
            let parts: Result<Vec<_>, Complaint> =
                entries.iter().map(|(key, value)| Ok((key.text.clone(), compile(value, roots)?))).collect();
            Ok(settle_map(parts?))
        }
    }
}

fn written(part: &Part) -> Value {
    fn itself(value: &Value) -> Value {
        match value {
            Value::Text(text) if text.starts_with('=') => Value::from(format!("={text}")),
            Value::List(items) => Value::list(items.iter().map(itself)),
            Value::Map(map) => Value::map(map.iter().map(|(key, value)| (key.clone(), itself(value)))),
            value => value.clone(),
        }
    }
    match part {
        Part::Itself(value) => itself(value),
        Part::Expr { source, .. } => Value::from(format!("={source}")),
        Part::Text { source, .. } => Value::Text(source.clone()),
        Part::List(parts) => Value::list(parts.iter().map(written)),
        Part::Map(parts) => Value::map(parts.iter().map(|(key, part)| (key.clone(), written(part)))),
    }
}

/// A list without expressions is built once.
fn settle_list(parts: Vec<Part>) -> Part {
    if !parts.iter().all(|part| matches!(part, Part::Itself(_))) {
        return Part::List(parts);
    }
    Part::Itself(Value::list(parts.into_iter().filter_map(|part| match part {
        Part::Itself(value) => Some(value),
        _ => None,
    })))
}

fn settle_map(parts: Vec<(Arc<str>, Part)>) -> Part {
    if !parts.iter().all(|(_, part)| matches!(part, Part::Itself(_))) {
        return Part::Map(parts);
    }
    Part::Itself(Value::map(parts.into_iter().filter_map(|(key, part)| match part {
        Part::Itself(value) => Some((key, value)),
        _ => None,
    })))
}

fn eval(part: &Part, values: &[Value]) -> Result<Value, String> {
    match part {
        Part::Itself(value) => Ok(value.clone()),
        Part::Expr { source, code, .. } => eval::value(code, source, values),
        Part::Text { source, parts, .. } => text::render(parts, source, values).map(Value::text),
        Part::List(parts) => {
            let items: Result<Vec<_>, _> = parts.iter().map(|part| eval(part, values)).collect();
            Ok(Value::List(Arc::new(items?)))
        }
        Part::Map(parts) => {
            let map: Result<Map, String> =
                parts.iter().map(|(key, part)| Ok((key.clone(), eval(part, values)?))).collect();
            Ok(Value::Map(Arc::new(map?)))
        }
    }
}

fn derivation<'e>(part: &'e Part, roots: &'e [Root]) -> Derivation<'e> {
    match part {
        // A map of literals is known by its keys as well: no other key can come out of it.
        Part::Itself(Value::Map(map)) => {
            Derivation::Map(map.keys().map(|key| (key.clone(), Derivation::Literal)).collect())
        }
        Part::Itself(_) => Derivation::Literal,
        Part::Expr { code, .. } => derive::of(code, roots),
        Part::Text { parts, .. } => derive::of_text(parts, roots),
        Part::List(parts) => Derivation::List(parts.iter().map(|part| derivation(part, roots)).collect()),
        Part::Map(parts) => {
            Derivation::Map(parts.iter().map(|(key, part)| (key.clone(), derivation(part, roots))).collect())
        }
    }
}

fn ty(part: &Part, roots: &[Root], names: &Names<'_>, complaints: &mut Vec<Complaint>) -> Type {
    match part {
        Part::Itself(value) => Type::of(value),
        Part::Expr { source, code, node } => match check::expr(code, source, roots, names) {
            Ok(ty) => ty,
            Err(faults) => {
                complaints.extend(faults.into_iter().map(|fault| fault.shifted(1).complaint(node)));
                Type::Any
            }
        },
        Part::Text { parts, node, .. } => {
            if let Err(faults) = text::check_parts(parts, roots, names) {
                complaints.extend(faults.into_iter().map(|fault| fault.complaint(node)));
            }
            Type::TEXT
        }
        Part::List(parts) => {
            let items: Vec<Type> = parts.iter().map(|part| ty(part, roots, names, complaints)).collect();
            Type::list(items.into_iter().reduce(Type::join).unwrap_or(Type::Any))
        }
        Part::Map(parts) => {
            let fields: Properties =
                parts.iter().map(|(key, part)| (key.clone(), (ty(part, roots, names, complaints), true))).collect();
            Type::Object { fields: Arc::new(fields), open: false }
        }
    }
}
