//! Schemas: JSON Schema 2020-12, read strictly, checked offline, answered in words.

mod json;
mod read;

use std::{fmt, sync::Arc};

use jsonschema::{
    Draft, PatternOptions, ValidationError, Validator,
    error::{TypeKind, ValidationErrorKind as Kind},
};

use crate::{
    complaint::Complaint,
    ids::Digest,
    types::Type,
    values::Value,
    yaml::{Node, cut},
};

/// The biggest compiled form of one pattern, in bytes: what keeps `(x{1000}){1000}` out.
const MAX_PATTERN: usize = 1 << 20;
/// The most messages about one value.
const MAX_MESSAGES: usize = 8;
/// The longest message, in characters.
const MAX_MESSAGE: usize = 280;

/// A schema, ready to check values.
pub struct Schema {
    validator: Validator<json::Ours>,
    json: serde_json::Value,
    digest: Digest,
    ty: Type,
}

impl Schema {
    /// Reads a schema from a file, or from the part of one that stands under a key.
    ///
    /// # Errors
    /// All that is wrong with it, each with its place: unknown keywords, references that point out of the file, patterns that
    /// cannot be matched in linear time, and what the metaschema says.
    pub fn load(file: &Arc<str>, node: &Node) -> Result<Arc<Schema>, Vec<Complaint>> {
        let json = read::schema(node)?;
        Self::build(json).map(Arc::new).map_err(|why| vec![Complaint::new("S001", file, node.span, why)])
    }

    /// A schema that comes from elsewhere, such as a tool that describes itself. Unknown keywords are let through, because
    /// nobody here can correct them; references that point out are not.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn from_json(json: &serde_json::Value) -> Result<Arc<Schema>, String> {
        read::foreign(json)?;
        Self::build(json.clone()).map(Arc::new)
    }

    fn build(json: serde_json::Value) -> Result<Schema, String> {
        let validator = options().build(&json).map_err(|error| cut(&error.to_string(), MAX_MESSAGE).into_owned())?;
        let digest =
            Value::try_from(&json).map_or_else(|_| Digest::of(&[json.to_string().as_bytes()]), |value| value.digest());
        let ty = Type::of_schema(&json, &json);
        Ok(Schema { validator, json, digest, ty })
    }

    /// Whether a value fits, and if not, what is wrong with it: at most eight sentences, each with the place in the value.
    pub fn validate(&self, value: &Value) -> Result<(), Vec<String>> {
        if self.validator.is_valid(value) {
            return Ok(());
        }
        let mut messages = Vec::new();
        for error in self.validator.iter_errors(value) {
            say(&error, &mut messages, 0);
            if messages.len() >= MAX_MESSAGES {
                break;
            }
        }
        messages.truncate(MAX_MESSAGES);
        if messages.is_empty() {
            messages.push("the value does not fit its schema".to_owned());
        }
        Err(messages)
    }

    /// Whether a value fits.
    pub fn is_valid(&self, value: &Value) -> bool {
        self.validator.is_valid(value)
    }

    /// The schema itself.
    pub fn json(&self) -> &serde_json::Value {
        &self.json
    }

    /// SHA-256 over its canonical JSON.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// What `check` knows about a value that fits.
    pub fn ty(&self) -> &Type {
        &self.ty
    }
}

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Schema").field("digest", &self.digest).field("ty", &self.ty).finish_non_exhaustive()
    }
}

fn options() -> jsonschema::ValidationOptions<'static, Arc<dyn jsonschema::Retrieve>, json::Ours> {
    jsonschema::options_for::<json::Ours>()
        .with_draft(Draft::Draft202012)
        .offline()
        .should_validate_formats(true)
        .with_pattern_options(PatternOptions::regex().size_limit(MAX_PATTERN).dfa_size_limit(MAX_PATTERN))
}

fn say(error: &ValidationError<'_>, messages: &mut Vec<String>, depth: usize) {
    let path = error.instance_path().to_string();
    let at = if path.is_empty() { "the value".to_owned() } else { format!("`{}`", cut(&path, 100)) };
    let instance = error.instance();
    let shown = || cut(&instance.to_string(), 60).into_owned();
    let what = match error.kind() {
        Kind::Required { property } => format!("{at}: {property} is missing"),
        Kind::Type { kind } => format!("{at}: {} is not {}", shown(), types(kind)),
        Kind::Enum { options } => format!("{at}: {} is not one of {}", shown(), list(options)),
        Kind::Constant { expected_value } => format!("{at}: {} is not {expected_value}", shown()),
        Kind::Format { format } => format!("{at}: {} is not {}", shown(), format_name(format)),
        Kind::Pattern { pattern } => format!("{at}: {} does not match `{}`", shown(), cut(pattern, 80)),
        Kind::AdditionalProperties { unexpected } | Kind::UnevaluatedProperties { unexpected } => {
            let names: Vec<_> = unexpected.iter().take(5).map(|name| format!("\"{}\"", cut(name, 40))).collect();
            format!("{at}: {} may not stand there", names.join(", "))
        }
        Kind::MinLength { limit } => format!("{at}: {} is shorter than {limit} characters", shown()),
        Kind::MaxLength { limit } => format!("{at}: {} is longer than {limit} characters", shown()),
        Kind::MinItems { limit } => format!("{at} has fewer than {limit} items"),
        Kind::MaxItems { limit } => format!("{at} has more than {limit} items"),
        Kind::AdditionalItems { limit } => format!("{at} has more than {limit} items"),
        Kind::MinProperties { limit } => format!("{at} has fewer than {limit} properties"),
        Kind::MaxProperties { limit } => format!("{at} has more than {limit} properties"),
        Kind::Minimum { limit } => format!("{at}: {} is less than {limit}", shown()),
        Kind::Maximum { limit } => format!("{at}: {} is more than {limit}", shown()),
        Kind::ExclusiveMinimum { limit } => format!("{at}: {} is not more than {limit}", shown()),
        Kind::ExclusiveMaximum { limit } => format!("{at}: {} is not less than {limit}", shown()),
        Kind::MultipleOf { multiple_of } => format!("{at}: {} is no multiple of {multiple_of}", shown()),
        Kind::UniqueItems => format!("{at}: an item stands twice"),
        Kind::Contains => format!("{at}: no item is of the kind that must be there"),
        Kind::Not { .. } => format!("{at}: {} is what may not stand there", shown()),
        Kind::FalseSchema => format!("{at} may not be there"),
        Kind::PropertyNames { error } => format!("{at}: a name of a property does not fit: {error}"),
        Kind::OneOfMultipleValid { .. } => {
            format!("{at}: {} fits more than one of the forms that exclude each other", shown())
        }
        Kind::AnyOf { context } | Kind::OneOfNotValid { context } => {
            // The branch with the fewest complaints is the one that was meant.
            let nearest =
                context.iter().filter(|branch| !branch.is_empty()).min_by_key(|branch| branch_distance(branch));
            match nearest {
                Some(branch) if depth < 3 && branch_distance(branch) < 100 => {
                    branch.iter().for_each(|error| say(error, messages, depth + 1));
                    return;
                }
                _ => format!("{at}: {} fits none of the {} forms it may have", shown(), context.len()),
            }
        }
        _ => format!("{at}: {}", cut(&error.to_string(), 200)),
    };
    messages.push(cut(&what, MAX_MESSAGE).into_owned());
}

/// How far a value is from a branch: a wrong type of the whole counts more than anything inside.
fn branch_distance(branch: &[ValidationError<'_>]) -> usize {
    branch
        .iter()
        .map(|error| match error.kind() {
            Kind::Type { .. } | Kind::Constant { .. } | Kind::Enum { .. }
                if error.instance_path().as_str().is_empty() =>
            {
                100
            }
            _ => 1,
        })
        .sum()
}

fn types(kind: &TypeKind) -> String {
    let name = |word: &str| match word {
        "null" => "null",
        "boolean" => "true or false",
        "integer" => "a whole number",
        "number" => "a number",
        "string" => "a text",
        "array" => "a list",
        _ => "an object",
    };
    match kind {
        TypeKind::Single(single) => name(single.as_str()).to_owned(),
        TypeKind::Multiple(several) => several.iter().map(|one| name(one.as_str())).collect::<Vec<_>>().join(" or "),
    }
}

fn list(options: &serde_json::Value) -> String {
    let Some(options) = options.as_array() else { return options.to_string() };
    let mut text =
        options.iter().take(8).map(|one| cut(&one.to_string(), 40).into_owned()).collect::<Vec<_>>().join(", ");
    if options.len() > 8 {
        text.push_str(", …");
    }
    text
}

fn format_name(format: &str) -> String {
    match format {
        "email" => "an e-mail address".to_owned(),
        "date" => "a date (`2026-11-20`)".to_owned(),
        "date-time" => "a time (`2026-11-20T09:00:00Z`)".to_owned(),
        "time" => "a time of day (`09:00:00Z`)".to_owned(),
        "duration" => "a duration (`P3D`)".to_owned(),
        "uri" => "a complete URL".to_owned(),
        "uri-reference" => "a URL".to_owned(),
        "hostname" => "the name of a host".to_owned(),
        "ipv4" => "an IPv4 address".to_owned(),
        "ipv6" => "an IPv6 address".to_owned(),
        "uuid" => "a UUID".to_owned(),
        other => format!("of the format `{other}`"),
    }
}

#[cfg(test)]
mod tests;
