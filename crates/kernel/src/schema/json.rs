//! Our values as the validator sees them: borrowed, never copied.

use std::{borrow::Cow, collections::btree_map, sync::Arc};

use jsonschema::{
    JsonType,
    json::{Array, Json, JsonNumber, Node, NodeIdentity, Object},
};

use crate::values::{Map, Value};

/// The representation: `&Value`.
pub(super) struct Ours;

impl Json for Ours {
    type Node<'a> = &'a Value;
    type PreparedKey = Arc<str>;
    type StringBuffer = Value;

    fn prepare_key(key: &str) -> Arc<str> {
        key.into()
    }

    fn with_string_node<T>(buffer: &mut Value, string: &str, f: impl FnOnce(&Value) -> T) -> T {
        *buffer = Value::text(string);
        f(buffer)
    }
}

/// A number of ours.
#[derive(Clone, Copy)]
pub(super) enum Number {
    Int(i64),
    Float(f64),
}

impl Number {
    fn number(self) -> serde_json::Number {
        match self {
            Number::Int(number) => number.into(),
            Number::Float(number) => serde_json::Number::from_f64(number).unwrap_or_else(|| 0.into()),
        }
    }
}

impl JsonNumber for Number {
    fn as_u64(&self) -> Option<u64> {
        match self {
            Number::Int(number) => u64::try_from(*number).ok(),
            Number::Float(_) => None,
        }
    }

    fn as_i64(&self) -> Option<i64> {
        match self {
            Number::Int(number) => Some(*number),
            Number::Float(_) => None,
        }
    }

    fn as_f64(&self) -> Option<f64> {
        match self {
            #[expect(clippy::cast_precision_loss, reason = "whole numbers stay below 2^53: held by Value")]
            Number::Int(number) => Some(*number as f64),
            Number::Float(number) => Some(*number),
        }
    }

    fn as_str(&self) -> Cow<'_, str> {
        Cow::Owned(self.number().to_string())
    }

    fn to_number(&self) -> Cow<'_, serde_json::Number> {
        Cow::Owned(self.number())
    }

    fn is_integer(&self) -> bool {
        match self {
            Number::Int(_) => true,
            Number::Float(number) => number.fract() == 0.0,
        }
    }
}

impl<'a> Node<'a, Ours> for &'a Value {
    type Object = &'a Map;
    type Array = &'a Vec<Value>;
    type Number = Number;

    fn as_object(&self) -> Option<&'a Map> {
        match *self {
            Value::Map(map) => Some(map),
            _ => None,
        }
    }

    fn as_array(&self) -> Option<&'a Vec<Value>> {
        match *self {
            Value::List(items) => Some(items),
            _ => None,
        }
    }

    fn as_string(&self) -> Option<Cow<'a, str>> {
        match *self {
            Value::Text(text) => Some(Cow::Borrowed(text)),
            _ => None,
        }
    }

    fn as_number(&self) -> Option<Number> {
        match *self {
            Value::Int(number) => Some(Number::Int(*number)),
            Value::Float(number) => Some(Number::Float(*number)),
            _ => None,
        }
    }

    fn as_boolean(&self) -> Option<bool> {
        match *self {
            Value::Bool(value) => Some(*value),
            _ => None,
        }
    }

    fn is_null(&self) -> bool {
        matches!(*self, Value::Null)
    }

    fn is_number(&self) -> bool {
        matches!(*self, Value::Int(_) | Value::Float(_))
    }

    fn is_string(&self) -> bool {
        matches!(*self, Value::Text(_))
    }

    fn json_type(&self) -> JsonType {
        match *self {
            Value::Null => JsonType::Null,
            Value::Bool(_) => JsonType::Boolean,
            Value::Int(_) | Value::Float(_) => JsonType::Number,
            Value::Text(_) => JsonType::String,
            Value::List(_) => JsonType::Array,
            Value::Map(_) => JsonType::Object,
        }
    }

    fn to_value(&self) -> Cow<'a, serde_json::Value> {
        Cow::Owned(self.to_serde())
    }

    fn identity(&self) -> Option<NodeIdentity> {
        Some(NodeIdentity::new(std::ptr::from_ref::<Value>(*self) as usize))
    }
}

impl<'a> Object<'a, Ours> for &'a Map {
    type Node = &'a Value;
    type MemberName = &'a str;
    type MembersIter = Members<'a>;

    fn len(&self) -> usize {
        Map::len(self)
    }

    fn get(&self, key: &Arc<str>) -> Option<&'a Value> {
        Map::get(self, key)
    }

    fn members(&self) -> Members<'a> {
        Members(self.iter())
    }
}

/// The members of a map, in order.
pub(super) struct Members<'a>(btree_map::Iter<'a, Arc<str>, Value>);

impl<'a> Iterator for Members<'a> {
    type Item = (&'a str, &'a Value);

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(|(name, value)| (&**name, value))
    }
}

impl<'a> Array<'a, Ours> for &'a Vec<Value> {
    type Node = &'a Value;
    type ElementsIter = std::slice::Iter<'a, Value>;

    fn len(&self) -> usize {
        Vec::len(self)
    }

    fn elements(&self) -> std::slice::Iter<'a, Value> {
        self.iter()
    }
}
