//! From YAML to an [`Extractor`].

use std::sync::Arc;

use kernel::{
    expr::Template,
    types::Type,
    yaml::{Fields, Key, Node},
};
use regex::Regex;

use super::{Case, Extractor, Field, MOST_MATCHES, Quotes, Rule, Take};
use crate::model::rules::{kind, kind::Kind, read::Reader, scope::Scope};

/// What `gives:` can read of every finding.
const OURS: [&str; 7] = ["field", "value", "quote", "quotes", "rule", "score", "confidence"];

impl Extractor {
    pub(in crate::model::rules) fn read(node: &Node, name: &str, reader: &mut Reader<'_>) -> Option<(Extractor, Type)> {
        let known = ["from", "only", "quote", "sentence", "fields", "gives"];
        let of = Fields::new(node, "an extraction", &known, &[], &mut reader.complaints)?;
        let from = of.required("from", &mut reader.complaints).and_then(|node| reader.text_name(node));
        let only = of.get("only").and_then(|node| reader.list_name(node));
        let quotes = match of.one_of("quote", &["sentence", "match"], &mut reader.complaints) {
            Some("match") => Quotes::Match,
            _ => Quotes::Sentence,
        };
        let mut said = Scope::default();
        let sentence = cases(&of, &mut said, reader);
        let mut fields = Vec::new();
        let mut value = None;
        reader.scored.push(name.to_owned());
        let entries = of.required("fields", &mut reader.complaints)?.map(&mut reader.complaints)?;
        for (key, node) in entries {
            let whole = format!("{name}.{}", key.text);
            if let Some((field, ty)) = field(key, node, &whole, &mut said, reader) {
                value = Some(value.map_or(ty.clone(), |all: Type| all.join(ty)));
                fields.push(field);
            }
        }
        let words: Arc<[Arc<str>]> = entries.iter().map(|(key, _)| key.text.clone()).collect();
        let mut scope = said
            .with("field", Type::Text { options: Some(words) })
            .with("value", value.unwrap_or_default())
            .with("quote", Type::TEXT)
            .with("quotes", Type::list(Type::TEXT))
            .with("rule", Type::TEXT)
            .with("score", Type::Number);
        scope = if fields.iter().flat_map(|field| &field.rules).all(|rule| rule.table.is_some()) {
            scope.with("confidence", Type::Number)
        } else {
            scope.without_confidence()
        };
        let (gives, item) = match of.get("gives") {
            Some(node) => scope.template(node, &mut reader.complaints)?,
            None => {
                let plain = Node::plain(&node.file, "={'field': field, 'value': value, 'quote': quote}");
                scope.template(&plain, &mut reader.complaints)?
            }
        };
        let ty = Type::object([("found", Type::list(item)), ("missing", Type::list(Type::TEXT))]);
        Some((Extractor { from: from?, only, quotes, sentence, fields, gives }, ty))
    }
}

/// `sentence: { name: [ { match, value }, …, { value } ] }`.
fn cases(of: &Fields<'_>, said: &mut Scope, reader: &mut Reader<'_>) -> Vec<(Arc<str>, Vec<Case>)> {
    let mut all = Vec::new();
    for (key, node) in of.map("sentence", &mut reader.complaints) {
        reader.name(key, node, &OURS);
        let mut ty: Option<Type> = None;
        let mut list = Vec::new();
        for node in node.list(&mut reader.complaints).unwrap_or_default() {
            let case = |reader: &mut Reader<'_>| -> Option<(Case, Type)> {
                let fields = Fields::new(node, "a case", &["match", "case", "value"], &[], &mut reader.complaints)?;
                let pattern = match fields.get("match") {
                    Some(node) => Some(pattern(node, &fields, reader)?),
                    None => None,
                };
                let captures = pattern.iter().flat_map(Regex::capture_names).flatten();
                let scope = captures.fold(Scope::default(), |scope, name| scope.with(name, Type::TEXT));
                let value = fields.required("value", &mut reader.complaints)?;
                let (value, ty) = scope.template(value, &mut reader.complaints)?;
                Some((Case { pattern, value }, ty))
            };
            if let Some((case, of_case)) = case(reader) {
                ty = Some(ty.map_or(of_case.clone(), |all| all.join(of_case)));
                list.push(case);
            }
        }
        let sure = list.iter().any(|case| case.pattern.is_none());
        let ty = ty.unwrap_or_default();
        said.add(key.text.clone(), if sure { ty } else { ty.maybe() });
        all.push((key.text.clone(), list));
    }
    all
}

fn pattern(node: &Node, fields: &Fields<'_>, reader: &mut Reader<'_>) -> Option<Regex> {
    let ignore_case = !fields.bool("case", false, &mut reader.complaints);
    reader.shapes.pattern(node, ignore_case, &mut reader.complaints)
}

fn field(key: &Key, node: &Node, whole: &str, said: &mut Scope, reader: &mut Reader<'_>) -> Option<(Field, Type)> {
    let known = ["take", "most", "as", "value", "find"];
    let fields = Fields::new(node, "a field", &known, &[], &mut reader.complaints)?;
    let take = match fields.one_of("take", &["first", "best", "all", "list"], &mut reader.complaints) {
        Some("first") => Take::First,
        Some("all") => Take::All,
        Some("list") => Take::List,
        _ => Take::Best,
    };
    let limit = i64::try_from(MOST_MATCHES).unwrap_or(i64::MAX);
    let most = fields.int("most", 1, limit, &mut reader.complaints);
    let kinds = kinds(&fields, reader);
    reader.scored.push(whole.to_owned());
    let (mut rules, mut ty) = (Vec::new(), None);
    let find = fields.required("find", &mut reader.complaints)?.list(&mut reader.complaints)?;
    for (number, node) in (1..).zip(find) {
        if let Some((rule, of_rule)) = rule(node, number, &fields, whole, &kinds, said, reader) {
            ty = Some(match ty {
                None => of_rule,
                Some(all) => Type::join(all, of_rule),
            });
            rules.push(rule);
        }
    }
    for (name, _) in &kinds {
        let used = rules.iter().any(|rule| rule.pattern.capture_names().flatten().any(|known| known == &**name));
        if !used && rules.len() == find.len() {
            let message = format!("no pattern of `{}` captures `{name}`", key.text);
            let hint = format!("write `(?P<{name}>…)` in a pattern");
            let complaint = fields.node.complaint("E002", message).hint(hint);
            reader.complaints.push(kernel::complaint::Complaint { at: Some(key.span), ..complaint });
        }
    }
    let ty = ty.unwrap_or_default();
    let ty = match (take, ty) {
        (Take::List, list @ Type::List(_)) => list,
        (Take::List, item) => Type::list(item),
        (_, ty) => ty,
    };
    let most = most.and_then(|most| usize::try_from(most).ok()).unwrap_or(MOST_MATCHES);
    Some((Field { name: key.text.clone(), take, most, rules }, ty))
}

/// `as: { capture: kind }`.
fn kinds(fields: &Fields<'_>, reader: &mut Reader<'_>) -> Vec<(Arc<str>, Kind)> {
    let mut kinds = Vec::new();
    for (key, node) in fields.map("as", &mut reader.complaints) {
        let Some(word) = node.text(&mut reader.complaints) else { continue };
        let kind = Kind::of_word(&word).or_else(|| reader.shapes.lexicons.get(&word).cloned().map(Kind::Word));
        if let Some(kind) = kind {
            kinds.push((key.text.clone(), kind));
            continue;
        }
        let words = kind::WORDS.into_iter().chain(reader.shapes.lexicons.keys().map(|name| &**name));
        let hint = kernel::complaint::did_you_mean(&word, words.collect::<Vec<_>>());
        let message = format!("`{word}` is no kind of value and no lexicon");
        reader.complaints.push(node.complaint("W005", message).or_hint(hint));
    }
    kinds
}

fn rule(
    node: &Node,
    number: usize,
    of: &Fields<'_>,
    whole: &str,
    kinds: &[(Arc<str>, Kind)],
    said: &mut Scope,
    reader: &mut Reader<'_>,
) -> Option<(Rule, Type)> {
    let known = ["id", "match", "case", "weight", "unless", "needs", "value", "set"];
    let fields = Fields::new(node, "a rule", &known, &[], &mut reader.complaints)?;
    let id = fields.opt_text("id", &mut reader.complaints).unwrap_or_else(|| number.to_string().into());
    let pattern = pattern(fields.required("match", &mut reader.complaints)?, &fields, reader)?;
    let captures: Vec<(Arc<str>, Kind)> = pattern
        .capture_names()
        .flatten()
        .map(|name| {
            let kind = kinds.iter().find(|(known, _)| &**known == name).map(|(_, kind)| kind.clone());
            (name.into(), kind.unwrap_or(Kind::Text))
        })
        .collect();
    let scope = captures.iter().fold(Scope::default(), |scope, (name, _)| {
        let ty = Rule::type_of(&captures, name);
        scope.with(name, ty)
    });
    let value = match fields.get("value").or_else(|| of.get("value")) {
        Some(node) => Some(scope.template(node, &mut reader.complaints)?),
        // By itself, a capture of the name `value` is the value.
        None if scope.has("value") => {
            Template::of_expr("value").ok().map(|value| (value, Rule::type_of(&captures, "value")))
        }
        None => None,
    };
    let mut set = Vec::new();
    for (key, node) in fields.map("set", &mut reader.complaints) {
        if !said.has(&key.text) {
            let hint = kernel::complaint::did_you_mean(&key.text, said.names().collect::<Vec<_>>());
            let message = format!("`sentence` has no `{}` that a rule could set", key.text);
            reader.complaints.push(node.complaint("E002", message).or_hint(hint));
            continue;
        }
        if let Some((template, ty)) = scope.template(node, &mut reader.complaints) {
            said.join(&key.text, ty);
            set.push((key.text.clone(), template));
        }
    }
    let whole = format!("{whole}.{id}");
    if reader.scored.contains(&whole) {
        reader.complaints.push(node.complaint("W021", format!("two rules of this field have the id `{id}`")));
    }
    let table = reader.calibration.of(&whole).cloned();
    reader.scored.push(whole);
    let score = fields.get("weight").and_then(|node| reader.share(node)).unwrap_or(1.0);
    let unless = reader.shapes.by_names(fields.get("unless"), &mut reader.complaints);
    let needs = reader.shapes.by_names(fields.get("needs"), &mut reader.complaints);
    let ty = value.as_ref().map_or(Type::TEXT, |(_, ty)| ty.clone());
    let value = value.map(|(value, _)| value);
    Some((Rule { id, pattern, score, unless, needs, captures, value, set, table }, ty))
}
