//! `compose:`: short texts built from items that the step was shown, each with the ids of the items it was built from.

use std::sync::Arc;

use kernel::{
    expr::{Condition, Template, Text},
    types::Type,
    values::{Map, Value},
    yaml::{Fields, Kind as NodeKind, Node},
};

use super::{
    Shown,
    read::Reader,
    scope::{Scope, values},
};

/// The most texts, unless a file says less.
const MOST: i64 = 100;

/// One list of texts.
#[derive(Debug)]
pub(super) struct Composer {
    from: Arc<str>,
    keys: Arc<[Arc<str>]>,
    by: Arc<str>,
    id: Arc<str>,
    rank: Option<Arc<str>>,
    when: Option<Condition>,
    says: Vec<Sentence>,
    most: usize,
    gives: Template,
}

/// One text, and which items it needs.
#[derive(Debug)]
struct Sentence {
    of: Vec<Arc<str>>,
    take: Take,
    when: Option<Condition>,
    text: Text,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Take {
    First,
    All,
    List,
}

impl Composer {
    pub(super) fn read(node: &Node, reader: &mut Reader<'_>) -> Option<(Composer, Type)> {
        let known = ["from", "by", "id", "rank", "when", "says", "most", "gives"];
        let fields = Fields::new(node, "a composition", &known, &[], &mut reader.complaints)?;
        let from_node = fields.required("from", &mut reader.complaints)?;
        let from = from_node.text(&mut reader.complaints)?;
        let keys = reader.keys_of(&from, from_node)?;
        let by = reader.key(&fields, "by", Some("field"), &keys)?;
        let id = reader.key(&fields, "id", Some("id"), &keys)?;
        let rank = reader.key(&fields, "rank", None, &keys);
        let item: Scope = keys.iter().fold(Scope::default(), |scope, key| scope.with(key, Type::Any));
        let when = fields.get("when").and_then(|node| item.condition(node, &mut reader.complaints));
        let says = fields.required("says", &mut reader.complaints)?.list(&mut reader.complaints)?;
        let says = says.iter().filter_map(|node| Sentence::read(node, &item, &keys, reader)).collect();
        let most = fields.int("most", 1, MOST, &mut reader.complaints).unwrap_or(MOST);
        let scope = Scope::default()
            .with("text", Type::TEXT)
            .with("ids", Type::list(Type::Any))
            .with("items", Type::list(Type::object(keys.iter().map(|key| (key.clone(), Type::Any)))));
        let (gives, ty) = match fields.get("gives") {
            Some(node) => scope.template(node, &mut reader.complaints)?,
            None => {
                let plain = Node::plain(&node.file, "={'text': text, 'ids': ids}");
                scope.template(&plain, &mut reader.complaints)?
            }
        };
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        Some((Composer { from, keys, by, id, rank, when, says, most, gives }, Type::list(ty)))
    }

    /// # Errors
    /// An expression of it failed, or an item has no id.
    pub(super) fn compose(&self, shown: &Shown) -> Result<Value, String> {
        let Some(Value::List(items)) = shown.get(&self.from) else { return Ok(Value::list([])) };
        let mut kept: Vec<&Map> = Vec::new();
        for item in items.iter() {
            let Value::Map(item) = item else { continue };
            let holds = match &self.when {
                Some(when) => when.eval(&values(when.roots(), |name| item.get(name).cloned()))?,
                None => true,
            };
            if holds {
                kept.push(item);
            }
        }
        if let Some(rank) = &self.rank {
            kept.sort_by(|a, b| amount(b.get(rank)).total_cmp(&amount(a.get(rank))));
        }
        let mut given = Vec::new();
        for sentence in &self.says {
            let of = |field: &Arc<str>| -> Vec<&Map> {
                let field = Value::Text(field.clone());
                kept.iter().filter(|item| item.get(&self.by) == Some(&field)).copied().collect()
            };
            let groups: Vec<Vec<&Map>> = sentence.of.iter().map(of).collect();
            if groups.iter().any(Vec::is_empty) {
                continue;
            }
            for (names, items) in Self::filled(sentence, &groups, &self.keys) {
                if given.len() == self.most {
                    return Ok(Value::list(given));
                }
                if let Some(text) = sentence.say(&names)? {
                    let ids: Result<Vec<Value>, String> = items.iter().map(|item| self.id(item)).collect();
                    let ids = Value::list(ids?);
                    let find = |name: &str| match name {
                        "text" => Some(text.clone()),
                        "ids" => Some(ids.clone()),
                        _ => Some(Value::list(items.iter().map(|item| Value::Map(Arc::new((*item).clone()))))),
                    };
                    given.push(self.gives.eval(&values(self.gives.roots(), find))?);
                }
            }
        }
        Ok(Value::list(given))
    }

    fn id(&self, item: &Map) -> Result<Value, String> {
        let id = item.get(&self.id).filter(|id| !id.is_null()).cloned();
        id.ok_or_else(|| format!("an item of `{}` has no `{}`", self.from, self.id))
    }

    /// The names that a text reads, and the items they come from: once, or for each item.
    fn filled<'i>(sentence: &Sentence, groups: &[Vec<&'i Map>], keys: &[Arc<str>]) -> Vec<(Map, Vec<&'i Map>)> {
        match (groups, sentence.take) {
            ([items], Take::All) => items.iter().map(|item| ((*item).clone(), vec![*item])).collect(),
            ([items], Take::List) => {
                let column = |key: &Arc<str>| {
                    let mut all: Vec<Value> = Vec::new();
                    for value in items.iter().filter_map(|item| item.get(key)).filter(|value| !value.is_null()) {
                        if !all.contains(value) {
                            all.push(value.clone());
                        }
                    }
                    (key.clone(), Value::list(all))
                };
                vec![(keys.iter().map(column).collect(), items.clone())]
            }
            ([items], Take::First) => vec![(items[0].clone(), vec![items[0]])],
            _ => {
                let names = sentence.of.iter().zip(groups);
                let names = names.map(|(field, items)| (field.clone(), Value::Map(Arc::new(items[0].clone()))));
                vec![(names.collect(), groups.iter().map(|items| items[0]).collect())]
            }
        }
    }
}

impl Sentence {
    fn read(node: &Node, item: &Scope, keys: &[Arc<str>], reader: &mut Reader<'_>) -> Option<Sentence> {
        let fields = Fields::new(node, "a text", &["of", "take", "when", "text"], &[], &mut reader.complaints)?;
        let of_node = fields.required("of", &mut reader.complaints)?;
        let of = match &of_node.kind {
            NodeKind::List(_) => of_node.texts(&mut reader.complaints)?,
            _ => vec![of_node.text(&mut reader.complaints)?],
        };
        if of.is_empty() {
            reader.complaints.push(of_node.expected("the name of a field, or a list of names"));
            return None;
        }
        let take = fields.one_of("take", &["first", "all", "list"], &mut reader.complaints);
        let take = match take {
            Some("all") => Take::All,
            Some("list") => Take::List,
            _ => Take::First,
        };
        if of.len() > 1 && take != Take::First {
            let message = "a text of several fields takes the first item of each";
            reader.complaints.push(node.complaint("W005", message));
        }
        // One field's keys stand for themselves; of several fields, each stands under its name.
        let scope = if of.len() == 1 {
            item.clone()
        } else {
            let ty = Type::object(keys.iter().map(|key| (key.clone(), Type::Any)));
            of.iter().fold(Scope::default(), |scope, field| scope.with(field, ty.clone()))
        };
        let when = fields.get("when").and_then(|node| scope.condition(node, &mut reader.complaints));
        let text = scope.text(fields.required("text", &mut reader.complaints)?, &mut reader.complaints)?;
        Some(Sentence { of, take, when, text })
    }

    /// `None` if it does not hold, or if something that it would say is not there.
    fn say(&self, names: &Map) -> Result<Option<Value>, String> {
        if let Some(when) = &self.when
            && !when.eval(&values(when.roots(), |name| names.get(name).cloned()))?
        {
            return Ok(None);
        }
        let missing = self.text.roots().iter().any(|root| names.get(&root.name).is_none_or(Value::is_null));
        if missing {
            return Ok(None);
        }
        let text = self.text.render(&values(self.text.roots(), |name| names.get(name).cloned()))?;
        Ok(Some(Value::text(text)))
    }
}

#[expect(clippy::cast_precision_loss, reason = "only for an order")]
fn amount(value: Option<&Value>) -> f64 {
    match value {
        Some(Value::Int(number)) => *number as f64,
        Some(Value::Float(number)) => *number,
        _ => f64::NEG_INFINITY,
    }
}
