//! A form made from a schema, and the value that comes back from it. What is not simple is written as JSON, in its field or as a whole:
//! whoever takes the value judges it, this only reads it.

use std::{collections::BTreeMap, sync::Arc};

use kernel::values::Value;

use super::{value, words};

/// What a browser sent: names and texts.
pub(crate) type Sent = BTreeMap<String, String>;

/// Answers to choose from at most; more are written.
const MOST: usize = 40;
/// The names of fields begin so: they are never those of the form itself.
const PREFIX: &str = "answer.";
/// Which of the ready answers was chosen.
const CHOICE: &str = "answer";

/// What is asked for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Form {
    /// Ready answers that stand for the whole: what they say, and whether one is chosen.
    pub(crate) ready: Vec<(String, bool)>,
    /// One field each.
    pub(crate) fields: Vec<Field>,
    /// Whether a browser may insist on what is required: not where another answer may be given instead.
    pub(crate) insists: bool,
    /// The key under which the fields stand in the answer.
    under: Option<Arc<str>>,
    /// The one field is the answer itself, and no part of a map.
    whole: bool,
    answers: Vec<Value>,
}

/// One field.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Field {
    /// In the form.
    pub(crate) name: String,
    /// For a person.
    pub(crate) label: String,
    /// What is expected.
    pub(crate) hint: String,
    pub(crate) required: bool,
    pub(crate) control: Control,
    /// What was written before.
    pub(crate) said: String,
    key: Arc<str>,
}

/// How a field is filled in.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Control {
    Text,
    Whole,
    Number,
    /// What each says, and what it means.
    OneOf(Vec<(String, Value)>),
    Json,
}

impl Control {
    fn of(schema: &Value) -> Control {
        let kind = schema.get("type").and_then(Value::as_str);
        let closed = match schema.get("enum") {
            Some(Value::List(all)) if all.len() <= MOST => Some(all.clone()),
            _ => None,
        };
        let all = match kind {
            Some("boolean") => {
                return Control::OneOf(vec![("yes".to_owned(), true.into()), ("no".to_owned(), false.into())]);
            }
            _ => closed,
        };
        match (all, kind) {
            (Some(all), _) => Control::OneOf(all.iter().map(|one| (value::text(one), one.clone())).collect()),
            (None, Some("string")) => Control::Text,
            (None, Some("integer")) => Control::Whole,
            (None, Some("number")) => Control::Number,
            _ => Control::Json,
        }
    }

    pub(crate) fn is_json(&self) -> bool {
        *self == Control::Json
    }

    pub(crate) fn is_line(&self) -> bool {
        matches!(self, Control::Whole | Control::Number)
    }

    /// What can be chosen; nothing where it is written.
    pub(crate) fn choices(&self) -> impl Iterator<Item = &str> {
        let all = if let Control::OneOf(all) = self { all.as_slice() } else { &[] };
        all.iter().map(|(says, _)| &**says)
    }

    /// A value as it is written in it.
    fn write(&self, value: &Value) -> String {
        match (self, value) {
            (Control::OneOf(all), _) => {
                all.iter().find(|(_, one)| one == value).map(|(says, _)| says.clone()).unwrap_or_default()
            }
            (Control::Text, Value::Text(text)) => text.to_string(),
            _ => value.to_json(),
        }
    }

    /// What a text means.
    fn read(&self, text: &str) -> Result<Value, String> {
        let shown = words::plain(text);
        match self {
            // A browser sends each line end as two characters, whatever it was.
            Control::Text => Ok(Value::text(one_line_end(text))),
            Control::Whole => text.trim().parse().map(Value::Int).map_err(|_| format!("`{shown}` is no whole number")),
            Control::Number => {
                let number = text.trim().parse().ok().and_then(Value::number);
                number.ok_or_else(|| format!("`{shown}` is no number"))
            }
            Control::OneOf(all) => {
                let one = all.iter().find(|(says, _)| says == text);
                one.map(|(_, value)| value.clone()).ok_or_else(|| format!("`{shown}` is none of the choices"))
            }
            Control::Json => Value::from_json(text.as_bytes()).map_err(|why| format!("it is no JSON: {why}")),
        }
    }
}

impl Form {
    /// The form of a JSON schema.
    pub(crate) fn of(schema: &Value) -> Form {
        let mut form = Form {
            ready: Vec::new(),
            fields: Vec::new(),
            insists: true,
            under: None,
            whole: false,
            answers: Vec::new(),
        };
        if let Some(Value::List(all)) = schema.get("oneOf")
            && let (ready, rest) = all.iter().partition::<Vec<_>, _>(|one| one.get("const").is_some())
            && !ready.is_empty()
            && rest.len() <= 1
        {
            form.insists = false;
            form.answers = ready.iter().filter_map(|one| one.get("const")).cloned().collect();
            form.ready = form.answers.iter().map(|one| (value::text(one).replace('_', " "), false)).collect();
            if let Some(rest) = rest.first() {
                form.value(rest);
            }
        } else {
            form.value(schema);
        }
        form
    }

    fn value(&mut self, schema: &Value) {
        let mut schema = schema;
        // One value under a name of its own: its fields are those of the value.
        if !self.answers.is_empty()
            && let Some(Value::Map(inner)) = schema.get("properties")
            && let (1, Some((name, value))) = (inner.len(), inner.iter().next())
        {
            self.under = Some(name.clone());
            schema = value;
        }
        let required = |key: &str| match schema.get("required") {
            Some(Value::List(all)) => all.iter().any(|one| one.as_str() == Some(key)),
            _ => false,
        };
        match schema.get("properties") {
            Some(Value::Map(all)) if !all.is_empty() => {
                self.fields = all.iter().map(|(key, one)| Field::of(key, one, required(key))).collect();
                // What must be said comes first.
                self.fields.sort_by_key(|field| !field.required);
            }
            _ => {
                let name = self.under.as_deref().unwrap_or("answer");
                self.whole = true;
                self.fields = vec![Field::of(&name.into(), schema, self.answers.is_empty())];
            }
        }
    }

    /// The same form, as one of several things that may be said.
    pub(crate) fn beside_others(self) -> Form {
        Form { insists: false, ..self }
    }

    /// A form of some fields of a map, by their keys. What the schema does not tell of is written as JSON.
    pub(crate) fn of_some(schema: &Value, keys: &[Arc<str>]) -> Form {
        let mut form = Form::of(schema).beside_others();
        let known = |key: &Arc<str>| form.fields.iter().find(|field| !form.whole && field.key == *key).cloned();
        form.fields = keys
            .iter()
            .map(|key| known(key).unwrap_or_else(|| Field::of(key, &Value::map::<&str>([]), false)))
            .collect();
        (form.ready, form.answers, form.under, form.whole) = (Vec::new(), Vec::new(), None, false);
        form
    }

    /// The fields of a map that were written otherwise than they are; `None`: none was.
    ///
    /// # Errors
    /// One sentence for the person who wrote it.
    pub(crate) fn changed(&self, sent: &Sent, old: &Value) -> Result<Option<Value>, String> {
        let mut all = Vec::new();
        for field in &self.fields {
            let Some(text) = sent.get(&field.name).map(|text| one_line_end(text)) else { continue };
            let before = old.get(&field.key);
            let was = before.map(|value| field.control.write(value)).unwrap_or_default();
            if text == one_line_end(&was) {
                continue;
            }
            if text.is_empty() && field.control != Control::Text {
                return Err(format!("{}: what is there cannot be taken out, only written otherwise", field.label));
            }
            let value = field.control.read(&text).map_err(|why| format!("{}: {why}", field.label))?;
            all.extend((before != Some(&value)).then(|| (field.key.clone(), value)));
        }
        Ok((!all.is_empty()).then(|| Value::map(all)))
    }

    /// The same form, of which nothing must be filled in.
    pub(crate) fn optional(mut self) -> Form {
        self.fields.iter_mut().for_each(|field| field.required = false);
        self
    }

    /// The same form with what was written before.
    pub(crate) fn filled(mut self, sent: &Sent) -> Form {
        let text = |name: &str| sent.get(name).cloned().unwrap_or_default();
        let chosen = text(CHOICE);
        self.ready.iter_mut().for_each(|(says, is)| *is = *says == chosen);
        self.fields.iter_mut().for_each(|field| field.said = text(&field.name));
        self
    }

    /// The same form with a value written in it, as far as its fields can hold it.
    pub(crate) fn showing(mut self, value: &Value) -> Form {
        for field in &mut self.fields {
            let held = if self.whole { Some(value) } else { value.get(&field.key) };
            field.said = held.map(|held| field.control.write(held)).unwrap_or_default();
        }
        self
    }

    /// What a sent form means.
    ///
    /// # Errors
    /// One sentence for the person who wrote it.
    pub(crate) fn read(&self, sent: &Sent) -> Result<Value, String> {
        let chosen = sent.get(CHOICE).map(String::as_str).unwrap_or_default();
        if !chosen.is_empty() {
            let place = self.ready.iter().position(|(says, _)| says == chosen);
            let ready = place.and_then(|place| self.answers.get(place));
            return ready.cloned().ok_or_else(|| format!("`{}` is none of the choices", words::plain(chosen)));
        }
        let mut all = Vec::new();
        for field in &self.fields {
            let text = sent.get(&field.name).map(String::as_str).unwrap_or_default();
            // A text that is asked for may be empty: whether it may is the schema's word.
            if text.is_empty() && !(field.required && field.control == Control::Text) {
                if field.required {
                    return Err(format!("{} is missing", field.label));
                }
                continue;
            }
            let value = field.control.read(text).map_err(|why| format!("{}: {why}", field.label))?;
            all.push((field.key.clone(), value));
        }
        if all.is_empty() && !self.answers.is_empty() {
            return Err("nothing is chosen".to_owned());
        }
        let value = if self.whole { all.pop().map(|(_, value)| value).unwrap_or_default() } else { Value::map(all) };
        Ok(match &self.under {
            Some(name) => Value::map([(name.clone(), value)]),
            None => value,
        })
    }
}

fn one_line_end(text: &str) -> String {
    text.replace("\r\n", "\n")
}

impl Field {
    fn of(key: &Arc<str>, schema: &Value, required: bool) -> Field {
        let text = |name: &str| schema.get(name).and_then(Value::as_str).map(words::plain);
        let control = Control::of(schema);
        let bound = |name: &str| schema.get(name).map(value::text);
        let bounds = match (bound("minimum"), bound("maximum")) {
            (Some(from), Some(to)) => format!("{from} to {to}"),
            (Some(from), None) => format!("at least {from}"),
            (None, Some(to)) => format!("at most {to}"),
            (None, None) => String::new(),
        };
        let json = if control.is_json() { format!("as JSON: {}", value::text(schema)) } else { String::new() };
        let hints = [text("description").unwrap_or_default(), bounds, json];
        Field {
            name: format!("{PREFIX}{key}"),
            label: text("title").unwrap_or_else(|| words::plain(&key.replace('_', " "))),
            hint: hints.into_iter().filter(|hint| !hint.is_empty()).collect::<Vec<_>>().join(" · "),
            required,
            control,
            said: String::new(),
            key: key.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(schema: &str) -> Form {
        Form::of(&Value::from_json(schema.as_bytes()).expect("the tests write JSON"))
    }

    fn read(form: &Form, sent: &[(&str, &str)]) -> Result<String, String> {
        let sent = sent.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        form.read(&sent).map(|value| value.to_json())
    }

    #[test]
    fn a_map_of_simple_values_is_a_field_each() {
        let form = form(
            r#"{"type": "object", "required": ["ok", "note"], "properties": {"ok": {"type": "boolean"}, "cents": {"type": "integer", "minimum": 1},
               "rate": {"type": "number"}, "note": {"type": "string", "title": "Your note"}, "tone": {"enum": ["warm", "plain"]}, "tags": {"type": "array"}}}"#,
        );
        let labels: Vec<_> = form.fields.iter().map(|field| (&*field.label, field.required, &*field.hint)).collect();
        assert_eq!(
            labels,
            [
                ("Your note", true, ""),
                ("ok", true, ""),
                ("cents", false, "at least 1"),
                ("rate", false, ""),
                ("tags", false, "as JSON: {\"type\":\"array\"}"),
                ("tone", false, "")
            ]
        );
        let all = [
            ("answer.ok", "yes"),
            ("answer.cents", " 12 "),
            ("answer.rate", "0.5"),
            ("answer.note", "12"),
            ("answer.tone", "warm"),
            ("answer.tags", "[1]"),
        ];
        assert_eq!(
            read(&form, &all),
            Ok(r#"{"cents":12,"note":"12","ok":true,"rate":0.5,"tags":[1],"tone":"warm"}"#.to_owned())
        );
        assert_eq!(read(&form, &[("answer.ok", "no")]), Ok(r#"{"note":"","ok":false}"#.to_owned()));
        assert_eq!(read(&form, &[]), Err("ok is missing".to_owned()));
        let wrong = |name: &str, text: &str| read(&form, &[("answer.ok", "no"), (name, text)]);
        assert_eq!(wrong("answer.cents", "1.5"), Err("cents: `1.5` is no whole number".to_owned()));
        assert_eq!(wrong("answer.rate", "NaN"), Err("rate: `NaN` is no number".to_owned()));
        assert_eq!(wrong("answer.tone", "rude"), Err("tone: `rude` is none of the choices".to_owned()));
        assert!(wrong("answer.tags", "[1").is_err());
    }

    #[test]
    fn what_was_written_otherwise_is_all_that_changed() {
        let schema = Value::from_json(
            br#"{"type": "object", "required": ["cents"], "properties": {"cents": {"type": "integer"}, "body": {"type": "string"}, "urgent": {"type": "boolean"}}}"#,
        );
        let keys = ["body", "cents", "urgent", "more"].map(Into::into);
        let form = Form::of_some(&schema.expect("it is JSON"), &keys);
        let old = Value::from_json(b"{\"cents\": 7, \"body\": \"Dear A\\nBye\", \"more\": {\"a\": 1}, \"other\": 3}")
            .expect("it is JSON");
        let changed = |sent: &[(&str, &str)]| {
            let sent = sent.iter().map(|(name, text)| (format!("answer.{name}"), (*text).to_owned())).collect();
            form.changed(&sent, &old).map(|value| value.map(|value| value.to_json()).unwrap_or_default())
        };
        // As a browser sends what nobody touched.
        let same = [("cents", "7"), ("body", "Dear A\r\nBye"), ("urgent", ""), ("more", "{\"a\":1}")];
        assert_eq!(changed(&same), Ok(String::new()));
        assert_eq!(changed(&[]), Ok(String::new()));
        assert_eq!(changed(&[("more", " {\"a\": 1} ")]), Ok(String::new()), "the same, written otherwise");
        assert_eq!(changed(&[("body", "Dear B\r\nBye")]), Ok(r#"{"body":"Dear B\nBye"}"#.to_owned()));
        assert_eq!(changed(&[("body", ""), ("urgent", "yes")]), Ok(r#"{"body":"","urgent":true}"#.to_owned()));
        assert!(changed(&[("cents", "")]).unwrap_err().starts_with("cents: what is there cannot be taken out"));
        assert_eq!(changed(&[("cents", "x")]), Err("cents: `x` is no whole number".to_owned()));
    }

    #[test]
    fn ready_answers_stand_before_a_value() {
        let form = form(
            r#"{"oneOf": [{"const": "again"}, {"const": "give_up"}, {"type": "object", "required": ["value"], "properties":
               {"value": {"type": "object", "properties": {"n": {"type": "integer"}}}}}]}"#,
        );
        let words: Vec<_> = form.ready.iter().map(|(says, _)| &**says).collect();
        assert_eq!(words, ["again", "give up"]);
        assert_eq!(read(&form, &[("answer", "give up")]), Ok(r#""give_up""#.to_owned()));
        assert_eq!(read(&form, &[("answer", ""), ("answer.n", "3")]), Ok(r#"{"value":{"n":3}}"#.to_owned()));
        assert_eq!(read(&form, &[]), Err("nothing is chosen".to_owned()));
        assert!(read(&form, &[("answer", "later")]).is_err());
    }

    #[test]
    fn what_is_no_map_is_one_field() {
        assert_eq!(read(&form(r#"{"type": "string"}"#), &[("answer.answer", "x")]), Ok("\"x\"".to_owned()));
        assert_eq!(read(&form("true"), &[("answer.answer", "{\"a\": 1}")]), Ok("{\"a\":1}".to_owned()));
        assert_eq!(read(&form("true"), &[]), Err("answer is missing".to_owned()));
    }
}
