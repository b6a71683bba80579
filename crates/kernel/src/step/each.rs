//! `each`: the same steps for each item of a list, several at a time. `EachOpened` freezes the list, `BodyDone` closes an item,
//! `StepDone` or `StepFailed` closes the step as its `join` says.

use std::sync::Arc;

use crate::{
    expr::{Expr, Template},
    ids::StepPath,
    journal::{BodyResult, Event, Held},
    next::{Frame, Inner, Record, Steps, Stop, Walk, Walked},
    recovery::{Failure, FailureKind},
    run::{Bodies, Doing, Open},
    step::Step,
    types::Type,
    values::Value,
    workflow::reading::Reading,
    yaml::{Fields, Kind},
};

/// `each: list`, `as`, `max_parallel`, `join`, `steps`, `gives`.
#[derive(Debug)]
pub struct Each {
    /// The list.
    pub list: Expr,
    /// What the steps call an item; `item` always works as well.
    pub name: Arc<str>,
    /// So many items at a time.
    pub max_parallel: u32,
    /// When the step is over.
    pub join: Join,
    /// What is done with an item.
    pub steps: Vec<Step>,
    /// What an item gives; the value of its last step if absent.
    pub gives: Option<Template>,
}

/// When a step over bodies is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Join {
    /// When all gave; one failure fails the step.
    All,
    /// When one gave.
    Any,
    /// When so many gave.
    Quorum(u32),
    /// When all are over; failures are values: `{ok, value, failure}`.
    Settle,
}

/// Items at a time, unless `max_parallel` says otherwise.
pub const WIDTH: u32 = 16;

/// Most items of one `each`.
pub const MOST: usize = 100_000;

impl Each {
    pub(crate) fn begin(&self, walk: &mut Walk<'_>, path: &StepPath, frame: &Frame<'_>) -> Result<(), Stop> {
        let list = walk.compute(&self.list, frame)?;
        let Value::List(items) = &list else {
            let detail = format!("`{}` gave {}, no list", self.list.source(), list.kind());
            return Err(Stop::Failed(Failure::inside(FailureKind::Internal, detail)));
        };
        if items.len() > MOST {
            let detail = format!("`{}` has {} items, at most {MOST} are possible", self.list.source(), items.len());
            return Err(Stop::Failed(Failure::inside(FailureKind::ContractViolated, detail)));
        }
        let count = u32::try_from(items.len()).expect("at most MOST: checked above");
        let digest = list.digest();
        let mut blobs = Vec::new();
        let items = Held::hold(list, &mut blobs);
        walk.push(Record { event: Event::EachOpened { step: path.clone(), items, count, digest }, blobs });
        Ok(())
    }

    pub(crate) fn go_on<'a>(
        &'a self,
        walk: &mut Walk<'a>,
        open: &'a Open,
        path: &StepPath,
        frame: &Frame<'_>,
    ) -> Result<(), Stop> {
        let Doing::Bodies(bodies) = &open.doing else { return Ok(()) };
        let decided = self.decided(bodies);
        if decided.is_some() && !open.doing.is_acting() && !walk.state.takes_back_inside(path) {
            return self.close(walk, bodies, path, decided.unwrap_or(Verdict::Enough));
        }
        let waiting = (bodies.first..bodies.count).filter(|index| bodies.results[*index as usize].is_none());
        for index in waiting.take(self.max_parallel as usize) {
            let body = bodies.open.get(&index);
            let Some(mut inner) = self.body(walk, bodies, index, path)? else { continue };
            inner.drain = decided.is_some();
            let mut blobs = Vec::new();
            let result = match walk.body(body, frame, &inner) {
                Walked::Busy => continue,
                Walked::Failed(failure) => BodyResult::Failed(failure),
                Walked::Over if frame.draining() => continue,
                Walked::Over => match walk.gives(self.gives.as_ref(), body, frame, &inner) {
                    Ok(value) => BodyResult::Gave(Held::hold(value, &mut blobs)),
                    Err(Stop::Failed(failure)) => BodyResult::Failed(failure),
                    Err(look) => return Err(look),
                },
            };
            walk.push(Record { event: Event::BodyDone { body: StepPath::new(inner.path), result }, blobs });
        }
        Ok(())
    }

    pub(crate) fn body<'a>(
        &'a self,
        walk: &Walk<'_>,
        bodies: &Bodies,
        index: u32,
        path: &StepPath,
    ) -> Result<Option<Inner<'a>>, Stop> {
        let Some(items) = &bodies.items else { return Ok(None) };
        let Value::List(items) = walk.unhold(items)? else { return Ok(None) };
        Ok(items.get(index as usize).map(|item| Inner {
            path: format!("{path}[{index}]"),
            steps: Steps::Written(&self.steps),
            named: Some((self.name.clone(), item.clone())),
            item: Some(item.clone()),
            index: Some(index),
            drain: false,
        }))
    }

    /// How the join stands; `None`: more bodies must come in.
    fn decided(&self, bodies: &Bodies) -> Option<Verdict> {
        let left = bodies.count - bodies.over;
        let enough = |wanted: u32| {
            if bodies.gave >= wanted {
                return Some(Verdict::Enough);
            }
            let failure = bodies.failed.clone();
            (bodies.gave + left < wanted).then_some(Verdict::Short { wanted, failure })
        };
        match self.join {
            Join::All => match &bodies.failed {
                Some(failure) => Some(Verdict::Short { wanted: bodies.count, failure: Some(failure.clone()) }),
                None => (left == 0).then_some(Verdict::Enough),
            },
            Join::Any => enough(1),
            Join::Quorum(wanted) => enough(wanted),
            Join::Settle => (left == 0).then_some(Verdict::Enough),
        }
    }

    fn close(&self, walk: &mut Walk<'_>, bodies: &Bodies, path: &StepPath, verdict: Verdict) -> Result<(), Stop> {
        if let Verdict::Short { wanted, failure } = verdict {
            let failure = failure.unwrap_or_else(|| {
                let detail = format!("{} of {} items gave something, {wanted} were wanted", bodies.gave, bodies.count);
                Failure::inside(FailureKind::ContractViolated, detail)
            });
            return Err(Stop::Failed(failure));
        }
        let mut values = Vec::with_capacity(bodies.results.len());
        for result in &bodies.results {
            let value = match (result, self.join) {
                (Some(BodyResult::Gave(held)), Join::Settle) => {
                    Value::map([("ok", true.into()), ("value", walk.unhold(held)?), ("failure", Value::Null)])
                }
                (Some(BodyResult::Failed(failure)), Join::Settle) => Value::map([
                    ("ok", false.into()),
                    ("value", Value::Null),
                    (
                        "failure",
                        Value::map([
                            ("kind", Value::from(failure.kind.as_str())),
                            ("detail", Value::from(failure.detail.as_str())),
                        ]),
                    ),
                ]),
                (Some(BodyResult::Gave(held)), _) => walk.unhold(held)?,
                _ => Value::Null,
            };
            values.push(value);
        }
        let mut blobs = Vec::new();
        let output = Held::hold(Value::list(values), &mut blobs);
        walk.push(Record { event: Event::StepDone { step: path.clone(), output }, blobs });
        Ok(())
    }
}

/// How a join came out.
enum Verdict {
    Enough,
    Short { wanted: u32, failure: Option<Failure> },
}

/// The keys of this kind.
pub(crate) const KEYS: [&str; 6] = ["each", "as", "max_parallel", "join", "steps", "gives"];

/// Reads the step; gives the type of its value.
pub(crate) fn read(fields: &Fields<'_>, reading: &mut Reading<'_>) -> Option<(Each, Type)> {
    let node = fields.get("each")?;
    let list = reading.expr(node);
    let item = list.as_ref().map_or(Type::Any, |(_, ty)| ty.item());
    if let Some((_, ty)) = &list
        && let Some(why) = Type::list(Type::Any).refusal(ty)
    {
        reading.complaints.push(node.complaint("E003", format!("`each` wants a list: {why}")));
    }
    let name = match fields.get("as") {
        Some(node) => reading.name(node, "an item")?,
        None => "item".into(),
    };
    let max_parallel = fields.int("max_parallel", 1, 1000, &mut reading.complaints);
    let join = match fields.get("join") {
        Some(node) => join(node, reading)?,
        None => Join::All,
    };
    reading.enter([(name.clone(), item.clone()), ("item".into(), item), ("index".into(), Type::Int)]);
    let (steps, gives, ty) = super::read_body(fields, reading);
    reading.leave();
    let ty = match join {
        Join::All => Type::list(ty),
        Join::Any | Join::Quorum(_) => Type::list(ty.maybe()),
        Join::Settle => Type::list(Type::object([
            ("ok", Type::Bool),
            ("value", ty.maybe()),
            ("failure", Type::object([("kind", Type::TEXT), ("detail", Type::TEXT)]).maybe()),
        ])),
    };
    let max_parallel = max_parallel.and_then(|most| u32::try_from(most).ok()).unwrap_or(WIDTH);
    Some((Each { list: list?.0, name, max_parallel, join, steps, gives: gives? }, ty))
}

fn join(node: &crate::yaml::Node, reading: &mut Reading<'_>) -> Option<Join> {
    if let Kind::Map(_) = &node.kind {
        let fields = Fields::new(node, "`join`", &["quorum"], &[], &mut reading.complaints)?;
        fields.required("quorum", &mut reading.complaints)?;
        let wanted = fields.int("quorum", 1, 100_000, &mut reading.complaints)?;
        return Some(Join::Quorum(u32::try_from(wanted).unwrap_or(1)));
    }
    match node.one_of(&["all", "any", "settle"], &mut reading.complaints)? {
        "any" => Some(Join::Any),
        "settle" => Some(Join::Settle),
        _ => Some(Join::All),
    }
}
