//! `extract:`: what a text says about fields, each finding with the characters that say it.

use std::{ops::Range, sync::Arc};

use kernel::{
    expr::Template,
    types::Type,
    values::{Map, Value},
};
use regex::Regex;

use super::{
    Shown,
    calibration::Table,
    kind::Kind,
    scope::values,
    sentence::{Sentences, quote},
};

mod read;

/// The most matches of one pattern that are looked at: what keeps the time proportional to the length of the text.
pub(super) const MOST_MATCHES: usize = 64;

/// What is asked of one text.
#[derive(Debug)]
pub(super) struct Extractor {
    pub from: Arc<str>,
    /// The shown list of the fields that are asked for; all of them without one.
    pub only: Option<Arc<str>>,
    pub quotes: Quotes,
    /// What the sentence around a finding says: a name, and the first case that fits.
    pub sentence: Vec<(Arc<str>, Vec<Case>)>,
    pub fields: Vec<Field>,
    pub gives: Template,
}

/// What a finding quotes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Quotes {
    Sentence,
    Match,
}

/// What a sentence says by the way.
#[derive(Debug)]
pub(super) struct Case {
    /// Without one, it holds always.
    pub pattern: Option<Regex>,
    pub value: Template,
}

/// One field and the patterns that find it.
#[derive(Debug)]
pub(super) struct Field {
    pub name: Arc<str>,
    pub take: Take,
    pub most: usize,
    pub rules: Vec<Rule>,
}

/// Which findings of a field count.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Take {
    First,
    Best,
    All,
    List,
}

/// One pattern of a field.
#[derive(Debug)]
pub(super) struct Rule {
    pub id: Arc<str>,
    pub pattern: Regex,
    pub score: f64,
    /// Found in the same sentence, each keeps the rule from counting.
    pub unless: Vec<Regex>,
    /// Each must be found in the same sentence.
    pub needs: Vec<Regex>,
    pub captures: Vec<(Arc<str>, Kind)>,
    /// `None`: what was matched.
    pub value: Option<Template>,
    /// What it says instead of the sentence.
    pub set: Vec<(Arc<str>, Template)>,
    pub table: Option<Table>,
}

/// Something that was found.
#[derive(Debug)]
pub(super) struct Finding<'a> {
    pub field: &'a Field,
    pub rule: &'a Rule,
    pub at: Range<usize>,
    pub value: Value,
    pub quote: Arc<str>,
    /// All quotes of a list.
    pub quotes: Vec<Value>,
    set: Map,
}

impl Extractor {
    /// The findings, in the order of the fields, and the names of the fields that have none.
    ///
    /// # Errors
    /// An expression failed.
    pub(super) fn find(&self, shown: &Shown) -> Result<(Vec<Finding<'_>>, Vec<Value>), String> {
        let text = shown.text(&self.from).unwrap_or_default();
        let sentences = Sentences::of(text);
        let asked = self.only.as_ref().and_then(|name| match shown.get(name) {
            Some(Value::List(items)) => Some(items.as_slice()),
            _ => None,
        });
        let (mut found, mut missing) = (Vec::new(), Vec::new());
        let is_asked =
            |field: &Field| asked.is_none_or(|asked| asked.iter().any(|one| one.as_str() == Some(&*field.name)));
        for field in self.fields.iter().filter(|field| is_asked(field)) {
            let of_field = field.choose(self.of_field(field, text, &sentences)?);
            if of_field.is_empty() {
                missing.push(Value::Text(field.name.clone()));
            }
            found.extend(of_field);
        }
        // What is asked for and what no rule knows is missing as well.
        for one in asked.unwrap_or_default() {
            if !self.fields.iter().any(|field| one.as_str() == Some(&*field.name)) && !missing.contains(one) {
                missing.push(one.clone());
            }
        }
        Ok((found, missing))
    }

    fn of_field<'a>(&'a self, field: &'a Field, text: &str, sentences: &Sentences) -> Result<Vec<Finding<'a>>, String> {
        let mut found = Vec::new();
        for rule in &field.rules {
            for captures in rule.pattern.captures_iter(text).take(MOST_MATCHES) {
                let Some(whole) = captures.get(0).filter(|whole| !whole.is_empty()) else { continue };
                let around = sentences.around(&whole.range());
                let sentence = &text[around.clone()];
                let stopped = rule.unless.iter().any(|pattern| pattern.is_match(sentence))
                    || !rule.needs.iter().all(|pattern| pattern.is_match(sentence));
                if stopped {
                    continue;
                }
                let names = rule.names(&captures);
                let value = match &rule.value {
                    Some(template) => template.eval(&values(template.roots(), |name| names.get(name).cloned()))?,
                    None => Kind::Text.read(whole.as_str()),
                };
                if value.is_null() {
                    continue;
                }
                let quote = match self.quotes {
                    Quotes::Sentence => quote(text, &around, &whole.range()),
                    Quotes::Match => quote(text, &whole.range(), &whole.range()),
                };
                let mut set = self.said_by(sentence)?;
                for (name, template) in &rule.set {
                    let value = template.eval(&values(template.roots(), |name| names.get(name).cloned()))?;
                    set.insert(name.clone(), value);
                }
                let (at, quote) = (whole.range(), Arc::from(quote));
                found.push(Finding { field, rule, at, value, quote, quotes: Vec::new(), set });
            }
        }
        Ok(found)
    }

    fn said_by(&self, sentence: &str) -> Result<Map, String> {
        let mut said = Map::new();
        for (name, cases) in &self.sentence {
            for case in cases {
                let mut names = Map::new();
                if let Some(pattern) = &case.pattern {
                    let Some(captures) = pattern.captures(sentence) else { continue };
                    for name in pattern.capture_names().flatten() {
                        let text = captures.name(name).map(|found| Kind::Text.read(found.as_str()));
                        names.insert(name.into(), text.unwrap_or_default());
                    }
                }
                let template = &case.value;
                let value = template.eval(&values(template.roots(), |name| names.get(name).cloned()))?;
                said.insert(name.clone(), value);
                break;
            }
        }
        Ok(said)
    }

    /// One finding as the answer has it.
    ///
    /// # Errors
    /// An expression failed.
    pub(super) fn give(&self, finding: &Finding<'_>) -> Result<Value, String> {
        let find = |name: &str| match name {
            "field" => Some(Value::Text(finding.field.name.clone())),
            "rule" => Some(Value::Text(finding.rule.id.clone())),
            "value" => Some(finding.value.clone()),
            "quote" => Some(Value::Text(finding.quote.clone())),
            "quotes" => Some(Value::list(finding.quotes.iter().cloned())),
            "score" => Value::number(finding.rule.score),
            "confidence" => {
                let table = finding.rule.table.as_ref();
                table.and_then(|table| Value::number(table.confidence(finding.rule.score)))
            }
            name => finding.set.get(name).cloned(),
        };
        self.gives.eval(&values(self.gives.roots(), find))
    }
}

impl Rule {
    /// The captures as what they are read as; what took no part is none.
    fn names(&self, captures: &regex::Captures<'_>) -> Map {
        let read = |(name, kind): &(Arc<str>, Kind)| {
            let value = captures.name(name).map(|found| kind.read(found.as_str()));
            (name.clone(), value.unwrap_or_default())
        };
        self.captures.iter().map(read).collect()
    }

    /// The type of a capture.
    pub(super) fn type_of(captures: &[(Arc<str>, Kind)], name: &str) -> Type {
        captures.iter().find(|(known, _)| &**known == name).map_or(Type::Any, |(_, kind)| kind.ty())
    }
}

impl Field {
    fn choose<'a>(&'a self, mut found: Vec<Finding<'a>>) -> Vec<Finding<'a>> {
        // The surest first; of equals, the one that stands first.
        found.sort_by(|a, b| b.rule.score.total_cmp(&a.rule.score).then(a.at.start.cmp(&b.at.start)));
        if self.take == Take::First {
            found.sort_by_key(|finding| finding.at.start);
        }
        let mut distinct: Vec<Finding<'a>> = Vec::new();
        for finding in found {
            if !distinct.iter().any(|known| known.value == finding.value) {
                distinct.push(finding);
            }
        }
        match self.take {
            Take::Best | Take::First => distinct.truncate(1),
            Take::All | Take::List => {
                distinct.truncate(self.most);
                distinct.sort_by_key(|finding| finding.at.start);
            }
        }
        if self.take == Take::List && !distinct.is_empty() {
            return vec![listed(distinct)];
        }
        distinct.iter_mut().for_each(|finding| finding.quotes = vec![Value::Text(finding.quote.clone())]);
        distinct
    }
}

/// Several findings as one, whose value is the list of theirs. It is as sure as the least sure of them.
fn listed(found: Vec<Finding<'_>>) -> Finding<'_> {
    let values = found.iter().flat_map(|finding| match &finding.value {
        Value::List(items) => items.as_ref().clone(),
        other => vec![other.clone()],
    });
    let mut distinct: Vec<Value> = Vec::new();
    for value in values {
        if !distinct.contains(&value) {
            distinct.push(value);
        }
    }
    let mut quotes: Vec<Value> = Vec::new();
    for finding in &found {
        let quote = Value::Text(finding.quote.clone());
        if !quotes.contains(&quote) {
            quotes.push(quote);
        }
    }
    let at = found[0].at.clone();
    let quote = found[0].quote.clone();
    let least = found.into_iter().min_by(|a, b| a.rule.score.total_cmp(&b.rule.score));
    let least = least.expect("a list is made of at least one finding: held in choose");
    Finding { value: Value::list(distinct), at, quote, quotes, ..least }
}
