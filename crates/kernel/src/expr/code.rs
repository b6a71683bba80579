//! From text to code: MiniJinja's tree, reduced to what we allow.

use std::sync::Arc;

use minijinja::machinery::{Span, ast, parse_expr};

use super::{
    At, Fault, MAX_BYTES, RootKind, Roots,
    functions::{self, Filter, FilterName, TestName},
};
use crate::{complaint::did_you_mean, values::Value};

/// The most operators, and the deepest brackets: what keeps every walk over the tree far from the end of the stack.
const MAX_OPERATORS: usize = 250;
const MAX_NESTING: usize = 24;
/// The deepest tree: our own walks recur once for each level.
const MAX_DEPTH: usize = 64;
/// The most `-` or `not` in a row, and the most inline `if`s: the parser recurs for each.
const MAX_SIGNS: usize = 4;
const MAX_CHOICES: usize = 24;

/// Arguments by name.
pub(super) type Named = Vec<(Arc<str>, Code)>;

/// A part of an expression.
#[derive(Clone, Debug)]
pub(super) struct Code {
    pub at: At,
    pub op: Op,
}

#[derive(Clone, Debug)]
pub(super) enum Op {
    Const(Value),
    /// `name.field.field`: by far the most common, and free of allocation.
    Path {
        root: u32,
        fields: Box<[Arc<str>]>,
    },
    Get(Box<Code>, Arc<str>),
    Item(Box<Code>, Box<Code>),
    Slice {
        of: Box<Code>,
        start: Option<Box<Code>>,
        stop: Option<Box<Code>>,
        step: Option<Box<Code>>,
    },
    Not(Box<Code>),
    Neg(Box<Code>),
    Math(Math, Box<Code>, Box<Code>),
    /// `a < b <= c`.
    Compare {
        first: Box<Code>,
        rest: Vec<(Comparison, Code)>,
    },
    And(Vec<Code>),
    Or(Vec<Code>),
    If {
        test: Box<Code>,
        then: Box<Code>,
        other: Option<Box<Code>>,
    },
    List(Vec<Code>),
    Map(Vec<(Code, Code)>),
    Filter {
        filter: Filter,
        input: Box<Code>,
        args: Vec<Code>,
        named: Named,
    },
    Test {
        test: TestName,
        input: Box<Code>,
        args: Vec<Code>,
    },
    Call {
        function: Function,
        args: Vec<Code>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Math {
    Add,
    Sub,
    Mul,
    Div,
    FloorDiv,
    Rem,
    Pow,
    Concat,
}

impl Math {
    pub fn sign(self) -> &'static str {
        match self {
            Math::Add => "+",
            Math::Sub => "-",
            Math::Mul => "*",
            Math::Div => "/",
            Math::FloorDiv => "//",
            Math::Rem => "%",
            Math::Pow => "**",
            Math::Concat => "~",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Eq,
    Ne,
    Lt,
    Lte,
    Gt,
    Gte,
    In,
    NotIn,
}

impl Comparison {
    pub fn sign(self) -> &'static str {
        match self {
            Comparison::Eq => "==",
            Comparison::Ne => "!=",
            Comparison::Lt => "<",
            Comparison::Lte => "<=",
            Comparison::Gt => ">",
            Comparison::Gte => ">=",
            Comparison::In => "in",
            Comparison::NotIn => "not in",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    StandsIn,
    Range,
}

pub(super) fn compile(text: &str, roots: &mut Roots) -> Result<Code, Fault> {
    measure(text)?;
    let tree = parse_expr(text).map_err(|error| syntax(text, &error))?;
    if deep(&tree) {
        let message = format!("the expression goes more than {MAX_DEPTH} operators deep");
        return Err(Fault::new("E008", whole(text), message).hint("put a `set` step before it"));
    }
    Lower { text, roots }.expr(&tree)
}

/// Whether the tree is too deep to walk. It is not walked for that: `1 + 1 + …` leans to the left as far as it is long.
fn deep(tree: &ast::Expr<'_>) -> bool {
    let mut left = vec![(tree, 0)];
    while let Some((tree, depth)) = left.pop() {
        if depth > MAX_DEPTH {
            return true;
        }
        let below = depth + 1;
        match tree {
            ast::Expr::Var(_) | ast::Expr::Const(_) => {}
            // These are read in a row.
            ast::Expr::GetAttr(get) => {
                left.push((&get.expr, if matches!(get.expr, ast::Expr::GetAttr(_)) { depth } else { below }));
            }
            ast::Expr::BinOp(binary) => {
                left.push((&binary.left, if continues(binary) { depth } else { below }));
                left.push((&binary.right, below));
            }
            ast::Expr::UnaryOp(unary) => left.push((&unary.expr, below)),
            ast::Expr::GetItem(get) => left.extend([(&get.expr, below), (&get.subscript_expr, below)]),
            ast::Expr::Slice(slice) => {
                left.push((&slice.expr, below));
                left.extend([&slice.start, &slice.stop, &slice.step].into_iter().flatten().map(|tree| (tree, below)));
            }
            ast::Expr::Compare(chain) => {
                left.push((&chain.expr, below));
                left.extend(chain.ops.iter().map(|op| (&op.expr, below)));
            }
            ast::Expr::IfExpr(choice) => {
                left.extend([(&choice.test_expr, below), (&choice.true_expr, below)]);
                left.extend(choice.false_expr.iter().map(|tree| (tree, below)));
            }
            ast::Expr::List(list) => left.extend(list.items.iter().map(|tree| (tree, below))),
            ast::Expr::Tuple(tuple) => left.extend(tuple.items.iter().map(|tree| (tree, below))),
            ast::Expr::Map(map) => left.extend(map.keys.iter().chain(&map.values).map(|tree| (tree, below))),
            ast::Expr::Filter(filter) => {
                left.extend(filter.expr.iter().map(|tree| (tree, below)));
                left.extend(filter.args.iter().map(|arg| (argument(arg), below)));
            }
            ast::Expr::Test(test) => {
                left.push((&test.expr, below));
                left.extend(test.args.iter().map(|arg| (argument(arg), below)));
            }
            ast::Expr::Call(call) => {
                left.push((&call.expr, below));
                left.extend(call.args.iter().map(|arg| (argument(arg), below)));
            }
        }
    }
    false
}

fn argument<'t, 's>(arg: &'t ast::CallArg<'s>) -> &'t ast::Expr<'s> {
    match arg {
        ast::CallArg::Pos(tree)
        | ast::CallArg::Kwarg(_, tree)
        | ast::CallArg::PosSplat(tree)
        | ast::CallArg::KwargSplat(tree) => tree,
    }
}

/// Whether `a and b and c` goes on to the left with the same word.
fn continues(binary: &ast::BinOp<'_>) -> bool {
    let ast::Expr::BinOp(left) = &binary.left else { return false };
    matches!((operator(binary.op), operator(left.op)), (Operator::And, Operator::And) | (Operator::Or, Operator::Or))
}

fn whole(text: &str) -> At {
    At { start: 0, end: u32::try_from(text.len()).unwrap_or(u32::MAX) }
}

/// Refuses what could nest deeply, before anything walks it.
fn measure(text: &str) -> Result<(), Fault> {
    if text.len() > MAX_BYTES {
        let message = format!("the expression has {} bytes, and at most {MAX_BYTES} are read", text.len());
        return Err(Fault::new("E008", At { start: 0, end: 1 }, message));
    }
    if text.trim().is_empty() {
        return Err(Fault::new("E001", whole(text), "an expression is missing here"));
    }
    let bytes = text.as_bytes();
    let (mut at, mut nesting, mut operators, mut signs, mut choices) = (0, 0_usize, 0_usize, 0_usize, 0_usize);
    while at < bytes.len() {
        let here = At { start: u32::try_from(at).unwrap_or(u32::MAX), end: u32::try_from(at + 1).unwrap_or(u32::MAX) };
        let sign = bytes[at] == b'-'
            || (bytes[at..].starts_with(b"not") && !bytes.get(at + 3).is_some_and(u8::is_ascii_alphanumeric));
        if sign {
            signs += 1;
        } else if !bytes[at].is_ascii_whitespace() {
            signs = 0;
        }
        if signs > MAX_SIGNS {
            return Err(Fault::new("E008", here, "too many signs stand in a row here"));
        }
        match bytes[at] {
            quote @ (b'\'' | b'"') => {
                at += 1;
                while at < bytes.len() && bytes[at] != quote {
                    at += if bytes[at] == b'\\' { 2 } else { 1 };
                }
                if at >= bytes.len() {
                    return Err(
                        Fault::new("E001", here, "this text is not closed").hint("end it with the quote it began with")
                    );
                }
            }
            b'(' | b'[' | b'{' => {
                nesting += 1;
                operators += 1;
                if nesting > MAX_NESTING {
                    return Err(Fault::new(
                        "E008",
                        here,
                        format!("brackets are nested more than {MAX_NESTING} deep here"),
                    ));
                }
            }
            b')' | b']' | b'}' => nesting = nesting.saturating_sub(1),
            b'0'..=b'9' => {
                while bytes.get(at + 1).is_some_and(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_')) {
                    at += 1;
                    operators += usize::from(bytes[at] == b'.');
                }
            }
            b'+' | b'-' | b'*' | b'/' | b'%' | b'~' | b'|' | b'.' | b'<' | b'>' | b'=' | b'!' => operators += 1,
            b if b.is_ascii_alphabetic() || b == b'_' => {
                let start = at;
                while bytes.get(at + 1).is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_') {
                    at += 1;
                }
                if matches!(&bytes[start..=at], b"and" | b"or" | b"not" | b"in" | b"is" | b"if" | b"else") {
                    operators += 1;
                }
                choices += usize::from(&bytes[start..=at] == b"if");
            }
            _ => {}
        }
        if choices > MAX_CHOICES {
            return Err(Fault::new("E008", here, format!("the expression has more than {MAX_CHOICES} choices"))
                .hint("write a `decide` step with a table"));
        }
        if operators > MAX_OPERATORS {
            return Err(Fault::new("E008", here, format!("the expression has more than {MAX_OPERATORS} operators"))
                .hint("put a `set` step before it"));
        }
        at += 1;
    }
    Ok(())
}

fn syntax(text: &str, error: &minijinja::Error) -> Fault {
    let range = error.range().unwrap_or(0..text.len());
    let end = range.end.clamp(range.start.min(text.len()), text.len());
    let at = At {
        start: u32::try_from(range.start.min(end)).unwrap_or(0),
        end: u32::try_from(end.max(range.start.min(end) + usize::from(end < text.len()))).unwrap_or(0),
    };
    let detail = error.detail().unwrap_or("this is not an expression");
    let detail = match detail.strip_prefix("unexpected end of input, expected ") {
        Some(wanted) => {
            let wanted = match wanted {
                "expression" => "a value",
                "identifier" | "identifier or integer" => "a name",
                other => other,
            };
            format!("the expression ends here, and {wanted} is missing")
        }
        None if detail == "unexpected input after expression" => "the expression should end before this".to_owned(),
        None => detail.replace("template", "expression"),
    };
    let fault = Fault::new("E001", at, detail);
    let trimmed = text.trim();
    if trimmed.starts_with("{{") {
        return fault.hint("write the expression without `{{ }}` here");
    }
    if trimmed.starts_with('=') {
        return fault.hint("write the expression without `=` here");
    }
    for (sign, word) in [("&&", "and"), ("||", "or")] {
        if text.contains(sign) {
            return fault.hint(format!("write `{word}` instead of `{sign}`"));
        }
    }
    if text.contains('?') {
        return fault.hint("write `a if condition else b`");
    }
    if trimmed.starts_with('!') || text.contains(" !") && !text.contains("!=") {
        return fault.hint("write `not` instead of `!`");
    }
    if let Some(at) = text.find('=')
        && !text[at + 1..].starts_with('=')
        && !text[..at].ends_with(['=', '!', '<', '>'])
        && !text.contains('(')
    {
        return fault.hint("compare with `==`");
    }
    fault
}

struct Lower<'a> {
    text: &'a str,
    roots: &'a mut Roots,
}

fn at(span: Span) -> At {
    At { start: span.start_offset, end: span.end_offset.max(span.start_offset) }
}

impl Lower<'_> {
    fn expr(&mut self, tree: &ast::Expr<'_>) -> Result<Code, Fault> {
        let own = at(tree.span());
        let op = match tree {
            ast::Expr::Var(var) => return self.name(own, var.id),
            ast::Expr::Const(constant) => Op::Const(self.constant(own, &constant.value)?),
            ast::Expr::GetAttr(get) => return self.get(own, get),
            ast::Expr::GetItem(get) => {
                let of = self.boxed(&get.expr)?;
                let index = self.boxed(&get.subscript_expr)?;
                let at = own.to(of.at).to(index.at);
                return Ok(Code { at, op: Op::Item(of, index) });
            }
            ast::Expr::Slice(slice) => {
                let of = self.boxed(&slice.expr)?;
                let at = own.to(of.at);
                let (start, stop, step) = (
                    self.optional(slice.start.as_ref())?,
                    self.optional(slice.stop.as_ref())?,
                    self.optional(slice.step.as_ref())?,
                );
                return Ok(Code { at, op: Op::Slice { of, start, stop, step } });
            }
            ast::Expr::UnaryOp(unary) => return self.unary(own, unary),
            ast::Expr::BinOp(binary) => return self.binary(binary),
            ast::Expr::Compare(chain) => {
                let first = self.boxed(&chain.expr)?;
                let mut rest = Vec::with_capacity(chain.ops.len());
                let mut at = first.at;
                for step in &chain.ops {
                    let right = self.expr(&step.expr)?;
                    at = at.to(right.at);
                    rest.push((comparison(step.op), right));
                }
                return Ok(Code { at, op: Op::Compare { first, rest } });
            }
            ast::Expr::IfExpr(choice) => {
                let then = self.boxed(&choice.true_expr)?;
                let test = self.boxed(&choice.test_expr)?;
                let other = self.optional(choice.false_expr.as_ref())?;
                let at = then.at.to(test.at).to(other.as_ref().map_or(test.at, |other| other.at));
                return Ok(Code { at, op: Op::If { test, then, other } });
            }
            ast::Expr::Filter(filter) => return self.filter(own, filter),
            ast::Expr::Test(test) => return self.test(own, test),
            ast::Expr::Call(call) => return self.call(own, call),
            ast::Expr::List(list) => Op::List(self.all(&list.items)?),
            ast::Expr::Tuple(tuple) => Op::List(self.all(&tuple.items)?),
            ast::Expr::Map(map) => {
                let mut pairs = Vec::with_capacity(map.keys.len());
                for (key, value) in map.keys.iter().zip(&map.values) {
                    pairs.push((self.expr(key)?, self.expr(value)?));
                }
                Op::Map(pairs)
            }
        };
        Ok(Code { at: own, op })
    }

    fn boxed(&mut self, tree: &ast::Expr<'_>) -> Result<Box<Code>, Fault> {
        self.expr(tree).map(Box::new)
    }

    fn optional(&mut self, tree: Option<&ast::Expr<'_>>) -> Result<Option<Box<Code>>, Fault> {
        tree.map(|tree| self.boxed(tree)).transpose()
    }

    fn all(&mut self, trees: &[ast::Expr<'_>]) -> Result<Vec<Code>, Fault> {
        trees.iter().map(|tree| self.expr(tree)).collect()
    }

    fn constant(&self, at: At, value: &minijinja::Value) -> Result<Value, Fault> {
        functions::from_engine(value, &mut functions::Budget::new()).map_err(|_| {
            let message = format!("`{}` is beyond 2^53 - 1", at.of(self.text));
            Fault::new("E001", at, message).hint("write it as a text")
        })
    }

    fn name(&mut self, at: At, name: &str) -> Result<Code, Fault> {
        if matches!(name, "ran" | "meta" | "stands_in" | "range") {
            return Err(Fault::new("E001", at, format!("`{name}` is a function: it needs arguments in parentheses")));
        }
        if matches!(name, "null" | "nil" | "undefined" | "NULL" | "Null") {
            return Err(Fault::new("E002", at, format!("there is no `{name}`")).hint("nothing is written `none`"));
        }
        if matches!(name, "TRUE" | "FALSE") {
            return Err(Fault::new("E002", at, format!("there is no `{name}`")).hint("write `true` or `false`"));
        }
        let root = self.roots.index(name, RootKind::Value);
        Ok(Code { at, op: Op::Path { root, fields: Box::default() } })
    }

    fn get(&mut self, own: At, get: &ast::GetAttr<'_>) -> Result<Code, Fault> {
        let mut spine = vec![(own, get.name)];
        let mut below = &get.expr;
        while let ast::Expr::GetAttr(get) = below {
            spine.push((at(get.span()), get.name));
            below = &get.expr;
        }
        let mut code = self.expr(below)?;
        for (own, name) in spine.into_iter().rev() {
            let at = own.to(code.at);
            let op = match code.op {
                Op::Path { root, fields } => {
                    let mut fields = fields.into_vec();
                    fields.push(name.into());
                    Op::Path { root, fields: fields.into() }
                }
                op => Op::Get(Box::new(Code { at: code.at, op }), name.into()),
            };
            code = Code { at, op };
        }
        Ok(code)
    }

    fn unary(&mut self, own: At, unary: &ast::UnaryOp<'_>) -> Result<Code, Fault> {
        let inner = self.boxed(&unary.expr)?;
        // `a not in b` and `a is not b` come as `not` around the whole; its own span begins where `a` does.
        let at = own.to(inner.at);
        let op = match unary.op {
            ast::UnaryOpKind::Not => Op::Not(inner),
            ast::UnaryOpKind::Neg => match inner.op {
                Op::Const(Value::Int(number)) => Op::Const(Value::Int(-number)),
                Op::Const(Value::Float(number)) => Op::Const(Value::Float(-number)),
                _ => Op::Neg(inner),
            },
        };
        Ok(Code { at, op })
    }

    fn binary(&mut self, binary: &ast::BinOp<'_>) -> Result<Code, Fault> {
        let wrap = match operator(binary.op) {
            Operator::Math(math) => {
                let (left, right) = (self.boxed(&binary.left)?, self.boxed(&binary.right)?);
                return Ok(Code { at: left.at.to(right.at), op: Op::Math(math, left, right) });
            }
            Operator::Compare(comparison) => {
                let (first, right) = (self.boxed(&binary.left)?, self.expr(&binary.right)?);
                return Ok(Code {
                    at: first.at.to(right.at),
                    op: Op::Compare { first, rest: vec![(comparison, right)] },
                });
            }
            Operator::And => Op::And,
            Operator::Or => Op::Or,
        };
        let mut spine = vec![binary];
        while let Some(last) = spine.last().copied()
            && continues(last)
            && let ast::Expr::BinOp(next) = &last.left
        {
            spine.push(next);
        }
        let mut parts = Vec::with_capacity(spine.len() + 1);
        if let Some(first) = spine.last() {
            parts.push(self.expr(&first.left)?);
        }
        for binary in spine.into_iter().rev() {
            parts.push(self.expr(&binary.right)?);
        }
        let at = parts.iter().map(|part| part.at).reduce(At::to).unwrap_or(At { start: 0, end: 0 });
        Ok(Code { at, op: wrap(parts) })
    }

    fn arguments(&mut self, at: At, args: &[ast::CallArg<'_>]) -> Result<(Vec<Code>, Named), Fault> {
        let (mut plain, mut named) = (Vec::new(), Vec::new());
        for arg in args {
            match arg {
                ast::CallArg::Pos(tree) => plain.push(self.expr(tree)?),
                ast::CallArg::Kwarg(name, tree) => named.push(((*name).into(), self.expr(tree)?)),
                ast::CallArg::PosSplat(_) | ast::CallArg::KwargSplat(_) => {
                    return Err(Fault::new("E001", at, "arguments cannot be unpacked with `*`"));
                }
            }
        }
        Ok((plain, named))
    }

    fn filter(&mut self, own: At, filter: &ast::Filter<'_>) -> Result<Code, Fault> {
        let Some(input) = &filter.expr else {
            return Err(Fault::new("E001", own, "a filter needs a value before `|`"));
        };
        let input = self.boxed(input)?;
        let Some(known) = FilterName::find(filter.name) else {
            let hint = did_you_mean(filter.name, FilterName::all());
            return Err(Fault::new("E002", own, format!("there is no filter `{}`", filter.name)).or_hint(hint));
        };
        let (args, named) = self.arguments(own, &filter.args)?;
        let filter = known.resolve(own, &args, &named)?;
        Ok(Code { at: input.at.to(own), op: Op::Filter { filter, input, args, named } })
    }

    fn test(&mut self, own: At, test: &ast::Test<'_>) -> Result<Code, Fault> {
        let input = self.boxed(&test.expr)?;
        let Some(name) = TestName::find(test.name) else {
            let hint = did_you_mean(test.name, TestName::all());
            return Err(Fault::new("E002", own, format!("there is no test `{}`", test.name)).or_hint(hint));
        };
        let (args, named) = self.arguments(own, &test.args)?;
        if let Some((name, _)) = named.first() {
            return Err(Fault::new("E001", own, format!("a test takes no argument called `{name}`")));
        }
        name.arguments(own, args.len())?;
        let at = args.iter().fold(input.at.to(own), |at, arg| at.to(arg.at));
        Ok(Code { at, op: Op::Test { test: name, input, args } })
    }

    fn call(&mut self, own: At, call: &ast::Call<'_>) -> Result<Code, Fault> {
        let name = match call.identify_call() {
            ast::CallType::Function(name) => name,
            ast::CallType::Method(of, name) => {
                let of = self.expr(of)?;
                let fault = Fault::new("E001", own.to(of.at), format!("values have no methods such as `{name}()`"));
                let hint = FilterName::find(name).map(|_| format!("write `{} | {name}`", of.at.of(self.text)));
                return Err(fault.or_hint(hint));
            }
            ast::CallType::Object(_) => return Err(Fault::new("E001", own, "this cannot be called")),
        };
        if matches!(name, "ran" | "meta") {
            let what = if name == "ran" { RootKind::Ran } else { RootKind::Meta };
            let [ast::CallArg::Pos(ast::Expr::Var(step))] = call.args.as_slice() else {
                return Err(Fault::new("E001", own, format!("`{name}` wants the name of one step: `{name}(step)`")));
            };
            let root = self.roots.index(step.id, what);
            return Ok(Code { at: own, op: Op::Path { root, fields: Box::default() } });
        }
        let (function, min, max) = match name {
            "stands_in" => (Function::StandsIn, 2, 2),
            "range" => (Function::Range, 1, 3),
            _ => {
                let fault = Fault::new("E002", own, format!("there is no function `{name}`"));
                let hint = match FilterName::find(name) {
                    Some(_) => Some(format!("it is a filter: write `value | {name}`")),
                    None => did_you_mean(name, ["ran", "meta", "stands_in", "range"]),
                };
                return Err(fault.or_hint(hint));
            }
        };
        let (args, named) = self.arguments(own, &call.args)?;
        if !named.is_empty() || args.len() < min || args.len() > max {
            let wanted = if name == "range" {
                "range(stop), range(start, stop) or range(start, stop, step)"
            } else {
                "stands_in(quote, text)"
            };
            return Err(Fault::new("E001", own, format!("`{name}` is written `{wanted}`")));
        }
        Ok(Code { at: own, op: Op::Call { function, args } })
    }
}

fn comparison(op: ast::CompareOpKind) -> Comparison {
    match op {
        ast::CompareOpKind::Eq => Comparison::Eq,
        ast::CompareOpKind::Ne => Comparison::Ne,
        ast::CompareOpKind::Lt => Comparison::Lt,
        ast::CompareOpKind::Lte => Comparison::Lte,
        ast::CompareOpKind::Gt => Comparison::Gt,
        ast::CompareOpKind::Gte => Comparison::Gte,
        ast::CompareOpKind::In => Comparison::In,
        ast::CompareOpKind::NotIn => Comparison::NotIn,
    }
}

enum Operator {
    Math(Math),
    Compare(Comparison),
    And,
    Or,
}

fn operator(op: ast::BinOpKind) -> Operator {
    use ast::BinOpKind as Kind;
    match op {
        Kind::Eq => Operator::Compare(Comparison::Eq),
        Kind::Ne => Operator::Compare(Comparison::Ne),
        Kind::Lt => Operator::Compare(Comparison::Lt),
        Kind::Lte => Operator::Compare(Comparison::Lte),
        Kind::Gt => Operator::Compare(Comparison::Gt),
        Kind::Gte => Operator::Compare(Comparison::Gte),
        Kind::In => Operator::Compare(Comparison::In),
        Kind::Add => Operator::Math(Math::Add),
        Kind::Sub => Operator::Math(Math::Sub),
        Kind::Mul => Operator::Math(Math::Mul),
        Kind::Div => Operator::Math(Math::Div),
        Kind::FloorDiv => Operator::Math(Math::FloorDiv),
        Kind::Rem => Operator::Math(Math::Rem),
        Kind::Pow => Operator::Math(Math::Pow),
        Kind::Concat => Operator::Math(Math::Concat),
        Kind::ScAnd => Operator::And,
        Kind::ScOr => Operator::Or,
    }
}
