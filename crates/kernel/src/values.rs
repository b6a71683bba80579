//! Values: what steps compute with, and the few measures that have a type of their own.

use std::{collections::BTreeMap, fmt, str::FromStr, sync::Arc};

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{self, MapAccess, SeqAccess, Visitor},
};

use crate::ids::Digest;

/// The largest integer that JSON carries exactly everywhere: 2^53 − 1 (RFC 8259 §6, RFC 8785 §3.2.2.3).
pub const MAX_INT: i64 = (1 << 53) - 1;

/// A JSON value that is cheap to clone: lists, maps and texts are shared.
///
/// Two rules make it canonical: a map is sorted, and a number without a fraction is an [`Value::Int`], so that a value read
/// back from a journal equals the one that was written.
#[derive(Clone, Default, PartialEq)]
pub enum Value {
    /// JSON `null`; `none` in expressions.
    #[default]
    Null,
    /// JSON `true` or `false`.
    Bool(bool),
    /// A whole number, at most [`MAX_INT`] from zero.
    Int(i64),
    /// A finite number with a fraction, or one beyond [`MAX_INT`].
    Float(f64),
    /// A text.
    Text(Arc<str>),
    /// A list.
    List(Arc<Vec<Value>>),
    /// A map with texts as keys.
    Map(Arc<Map>),
}

/// The content of a [`Value::Map`].
pub type Map = BTreeMap<Arc<str>, Value>;

impl Value {
    /// Whether this is `none`.
    pub fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }

    /// A number. Whole numbers become [`Value::Int`]; `None` for what JSON cannot carry (NaN, infinities).
    pub fn number(number: f64) -> Option<Value> {
        if !number.is_finite() {
            return None;
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "checked against MAX_INT")]
        if number.fract() == 0.0 && number.abs() <= MAX_INT as f64 {
            return Some(Value::Int(number as i64));
        }
        Some(Value::Float(number))
    }

    /// A text.
    pub fn text(text: impl Into<Arc<str>>) -> Value {
        Value::Text(text.into())
    }

    /// A map from pairs.
    pub fn map<K: Into<Arc<str>>>(pairs: impl IntoIterator<Item = (K, Value)>) -> Value {
        Value::Map(Arc::new(pairs.into_iter().map(|(key, value)| (key.into(), value)).collect()))
    }

    /// A list.
    pub fn list(items: impl IntoIterator<Item = Value>) -> Value {
        Value::List(Arc::new(items.into_iter().collect()))
    }

    /// What stands under `key`, if this is a map that has it.
    pub fn get(&self, key: &str) -> Option<&Value> {
        match self {
            Value::Map(map) => map.get(key),
            _ => None,
        }
    }

    /// The text, if this is one.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// What JSON calls this kind of value: "a text", "a map".
    pub fn kind(&self) -> &'static str {
        match self {
            Value::Null => "none",
            Value::Bool(_) => "true or false",
            Value::Int(_) | Value::Float(_) => "a number",
            Value::Text(_) => "a text",
            Value::List(_) => "a list",
            Value::Map(_) => "a map",
        }
    }

    /// Canonical JSON (RFC 8785, JCS).
    pub fn to_jcs(&self) -> Vec<u8> {
        crate::jcs::to_vec(self).expect("a value is finite JSON with texts as keys: held by its constructors")
    }

    /// Canonical JSON as a text.
    pub fn to_json(&self) -> String {
        String::from_utf8(self.to_jcs()).expect("JCS is UTF-8 (RFC 8785 §3.2.4)")
    }

    /// SHA-256 over the canonical JSON.
    pub fn digest(&self) -> Digest {
        Digest::of(&[&self.to_jcs()])
    }

    /// Reads JSON. Duplicate keys, numbers beyond [`MAX_INT`] and depths over 64 are errors.
    pub fn from_json(text: &[u8]) -> Result<Value, serde_json::Error> {
        serde_json::from_slice(text)
    }

    /// Our value as `serde_json` has it.
    pub fn to_serde(&self) -> serde_json::Value {
        match self {
            Value::Null => serde_json::Value::Null,
            Value::Bool(value) => (*value).into(),
            Value::Int(value) => (*value).into(),
            Value::Float(value) => (*value).into(),
            Value::Text(text) => text.as_ref().into(),
            Value::List(items) => items.iter().map(Value::to_serde).collect(),
            Value::Map(map) => {
                serde_json::Value::Object(map.iter().map(|(key, value)| (key.to_string(), value.to_serde())).collect())
            }
        }
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_json())
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_json())
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Value::Bool(value)
    }
}

impl From<u32> for Value {
    fn from(value: u32) -> Self {
        Value::Int(value.into())
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::Text(text.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Value::Text(text.into())
    }
}

impl TryFrom<&serde_json::Value> for Value {
    type Error = serde_json::Error;

    fn try_from(value: &serde_json::Value) -> Result<Self, Self::Error> {
        Value::deserialize(value)
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Value::Null => serializer.serialize_unit(),
            Value::Bool(value) => serializer.serialize_bool(*value),
            Value::Int(value) => serializer.serialize_i64(*value),
            Value::Float(value) => serializer.serialize_f64(*value),
            Value::Text(text) => serializer.serialize_str(text),
            Value::List(items) => serializer.collect_seq(items.iter()),
            Value::Map(map) => serializer.collect_map(map.iter()),
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

/// A whole number beyond [`MAX_INT`] as a float, if its digits are the ones that canonical JSON writes for that float: then
/// it is one of ours, and nothing is lost.
fn exactly(value: u64) -> Option<f64> {
    #[expect(clippy::cast_precision_loss, reason = "compared as written")]
    let float = value as f64;
    (ryu_js::Buffer::new().format_finite(float) == value.to_string()).then_some(float)
}

fn beyond<E: de::Error>(value: impl fmt::Display) -> E {
    E::custom(format!("{value} is beyond 2^53 - 1: write it as a text"))
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E: de::Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        Value::deserialize(deserializer)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Value, E> {
        match u64::try_from(value) {
            Ok(value) => self.visit_u64(value),
            Err(_) if value >= -MAX_INT => Ok(Value::Int(value)),
            Err(_) => exactly(value.unsigned_abs()).map(|float| Value::Float(-float)).ok_or_else(|| beyond(value)),
        }
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Value, E> {
        match i64::try_from(value) {
            Ok(int) if int <= MAX_INT => Ok(Value::Int(int)),
            _ => exactly(value).map(Value::Float).ok_or_else(|| beyond(value)),
        }
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        Value::number(value).ok_or_else(|| E::custom("a number must be finite"))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Value, E> {
        Ok(Value::text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Value::List(Arc::new(items)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some((key, value)) = access.next_entry::<Arc<str>, Value>()? {
            if map.contains_key(&key) {
                return Err(de::Error::custom(format!("the key `{key}` stands twice")));
            }
            map.insert(key, value);
        }
        Ok(Value::Map(Arc::new(map)))
    }
}

/// Microseconds since 1970-01-01 UTC. Nobody in the kernel asks for it: it always comes in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// From microseconds since 1970 UTC.
    pub const fn from_micros(micros: i64) -> Self {
        Timestamp(micros)
    }

    /// Microseconds since 1970 UTC.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Reads RFC 3339 (`2026-11-20T09:00:00Z`) or a date, which means its midnight UTC.
    pub fn parse(text: &str) -> Option<Timestamp> {
        if let Ok(at) = text.parse::<jiff::Timestamp>() {
            return Some(Timestamp(at.as_microsecond()));
        }
        let date = text.parse::<jiff::civil::Date>().ok()?;
        let at = date.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
        Some(Timestamp(at.timestamp().as_microsecond()))
    }
}

impl std::ops::Add<Span> for Timestamp {
    type Output = Timestamp;

    fn add(self, span: Span) -> Timestamp {
        Timestamp(self.0.saturating_add(span.0))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_microsecond(self.0) {
            Ok(at) => write!(f, "{at:.3}"),
            Err(_) => write!(f, "{} µs", self.0),
        }
    }
}

/// A length of time in microseconds, at least 0. Written `250ms`, `30s`, `5m`, `24h`, `3d`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Span(i64);

impl Span {
    /// From microseconds.
    pub const fn from_micros(micros: i64) -> Self {
        Span(micros)
    }

    /// From milliseconds.
    pub const fn from_millis(millis: i64) -> Self {
        Span(millis * 1000)
    }

    /// Microseconds.
    pub const fn micros(self) -> i64 {
        self.0
    }
}

/// How a [`Span`] is written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no length of time: write a number and one of ms, s, m, h, d, as in `30s`")]
pub struct BadSpan(String);

const UNITS: [(&str, i64); 5] =
    [("d", 86_400_000_000), ("h", 3_600_000_000), ("m", 60_000_000), ("s", 1_000_000), ("ms", 1000)];

impl FromStr for Span {
    type Err = BadSpan;

    fn from_str(text: &str) -> Result<Self, BadSpan> {
        let bad = || BadSpan(text.to_owned());
        let split = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(bad)?;
        let (count, unit) = text.split_at(split);
        let count: i64 = count.parse().map_err(|_| bad())?;
        let (_, micros) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(bad)?;
        count.checked_mul(*micros).map(Span).ok_or_else(bad)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (unit, micros) in UNITS {
            if self.0 != 0 && self.0 % micros == 0 {
                return write!(f, "{}{unit}", self.0 / micros);
            }
        }
        if self.0 == 0 { f.write_str("0s") } else { write!(f, "{}µs", self.0) }
    }
}

/// Money in millionths of a US dollar. Integers only: no sum ever depends on the order of its parts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Money(i64);

impl Money {
    /// From micro-dollars.
    pub const fn from_micros(micros: i64) -> Self {
        Money(micros)
    }

    /// Micro-dollars.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Both together; `None` beyond the largest number.
    pub fn checked_add(self, other: Money) -> Option<Money> {
        self.0.checked_add(other.0).map(Money)
    }

    /// Reads a plain decimal number of dollars, such as `3` or `3.75`: no sign, no exponent, at most six decimal places, at most
    /// [`MAX_INT`] micro-dollars.
    pub(crate) fn of_dollars(text: &str) -> Option<Money> {
        let (whole, fraction) = text.split_once('.').map_or((text, None), |(whole, rest)| (whole, Some(rest)));
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(whole) || !fraction.is_none_or(|part| digits(part) && part.len() <= 6) {
            return None;
        }
        let micros: i64 = format!("{:0<6}", fraction.unwrap_or_default()).parse().ok()?;
        let micros = whole.parse::<i64>().ok()?.checked_mul(1_000_000)?.checked_add(micros)?;
        (micros <= MAX_INT).then_some(Money(micros))
    }
}

/// How [`Money`] is written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no amount of money: write US dollars with at most six decimal places, as in `0.50 USD`")]
pub struct BadMoney(String);

impl FromStr for Money {
    type Err = BadMoney;

    /// Reads `0.50 USD`: at least 0, at most 2^53 - 1 micro-dollars, in no other currency. Exact: no float is on the way.
    fn from_str(text: &str) -> Result<Self, BadMoney> {
        let dollars = text.strip_suffix(" USD").and_then(Money::of_dollars);
        dollars.ok_or_else(|| BadMoney(text.to_owned()))
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sign, micros) = if self.0 < 0 { ("-", self.0.unsigned_abs()) } else { ("", self.0.unsigned_abs()) };
        let (dollars, rest) = (micros / 1_000_000, micros % 1_000_000);
        if rest % 10_000 == 0 {
            write!(f, "{sign}${dollars}.{:02}", rest / 10_000)
        } else {
            write!(f, "{sign}${dollars}.{rest:06}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_without_a_fraction_is_a_whole_number() {
        assert_eq!(Value::number(2.0), Some(Value::Int(2)));
        assert_eq!(Value::from_json(b"2.0").unwrap(), Value::Int(2));
        assert_eq!(Value::number(f64::NAN), None);
        assert!(Value::from_json(b"9007199254740993").is_err());
    }

    #[test]
    fn duplicate_keys_and_great_depth_are_refused() {
        assert!(Value::from_json(br#"{"a":1,"a":2}"#).is_err());
        let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
        assert!(Value::from_json(deep.as_bytes()).is_err());
    }

    #[test]
    fn spans_money_and_times_print_as_people_write_them() {
        assert_eq!("90s".parse::<Span>().unwrap().to_string(), "90s");
        assert_eq!("120s".parse::<Span>().unwrap().to_string(), "2m");
        assert!("3 days".parse::<Span>().is_err());
        assert_eq!(Money::from_micros(1_250_000).to_string(), "$1.25");
        assert_eq!(Money::from_micros(-1_234).to_string(), "-$0.001234");
        let at = Timestamp::parse("2026-11-20").unwrap();
        assert_eq!(at.to_string(), "2026-11-20T00:00:00.000Z");
    }
}
