//! Canonical JSON (RFC 8785, JCS), written straight into bytes.
//!
//! Every entry of every journal goes through here, so this is ours and not a library's: fields are written where they stand and
//! only moved if they were not in order. A test compares it with `serde_json_canonicalizer` on random values and on events.

use std::{cmp::Ordering, fmt, fmt::Write as _};

use serde::{
    Serialize, Serializer,
    ser::{
        self, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
        SerializeTupleStruct, SerializeTupleVariant,
    },
};

use crate::values::MAX_INT;

/// Why a value is no canonical JSON.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not canonical JSON: {0}")]
pub struct JcsError(String);

impl ser::Error for JcsError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        JcsError(message.to_string())
    }
}

/// Canonical JSON of `value`.
///
/// # Errors
/// A number that JSON cannot carry exactly, bytes, or a map whose keys are no texts.
pub fn to_vec(value: &impl Serialize) -> Result<Vec<u8>, JcsError> {
    let mut writer = Writer { out: Vec::with_capacity(192), fields: Vec::new() };
    value.serialize(&mut writer)?;
    Ok(writer.out)
}

struct Writer {
    out: Vec<u8>,
    /// The fields of all objects that are open, innermost last.
    fields: Vec<Field>,
}

/// One field of an open object: where it stands in `out`.
struct Field {
    start: usize,
    /// Behind the key, without its quotes.
    key_end: usize,
    end: usize,
    /// The key in UTF-16, if bytes do not sort like it: RFC 8785 §3.2.3.
    units: Option<Box<[u16]>>,
}

impl Writer {
    fn text(&mut self, text: &str) {
        self.out.push(b'"');
        escape(&mut self.out, text);
        self.out.push(b'"');
    }

    fn key(&mut self, key: &str) {
        let start = self.out.len();
        self.text(key);
        let plain = key.bytes().all(|byte| (0x20..0x80).contains(&byte) && byte != b'"' && byte != b'\\');
        let units = (!plain).then(|| key.encode_utf16().collect());
        self.fields.push(Field { start, key_end: self.out.len() - 1, end: 0, units });
        self.out.push(b':');
    }

    fn field_ends(&mut self) {
        if let Some(field) = self.fields.last_mut() {
            field.end = self.out.len();
        }
        self.out.push(b',');
    }

    fn int(&mut self, negative: bool, value: u64) -> Result<(), JcsError> {
        if value > MAX_INT.unsigned_abs() {
            return Err(JcsError(format!("{value} is beyond 2^53 - 1")));
        }
        let mut digits = [0; 20];
        let mut at = digits.len();
        let mut rest = value;
        loop {
            at -= 1;
            digits[at] = b'0' + u8::try_from(rest % 10).expect("below 10");
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        if negative {
            self.out.push(b'-');
        }
        self.out.extend_from_slice(&digits[at..]);
        Ok(())
    }

    /// Closes an object whose fields begin at `base`: puts them in order if they are not.
    fn close(&mut self, base: usize) {
        let Some(first) = self.fields.get(base) else {
            self.out.push(b'}');
            return;
        };
        let begin = first.start;
        let out = &self.out;
        let order = |a: &Field, b: &Field| -> Ordering {
            let raw = |field: &Field| &out[field.start + 1..field.key_end];
            match (&a.units, &b.units) {
                (None, None) => raw(a).cmp(raw(b)),
                _ => {
                    let units = |field: &Field| match &field.units {
                        Some(units) => units.to_vec(),
                        None => raw(field).iter().map(|byte| u16::from(*byte)).collect(),
                    };
                    units(a).cmp(&units(b))
                }
            }
        };
        if self.fields[base..].is_sorted_by(|a, b| order(a, b) == Ordering::Less) {
            // The comma behind the last field becomes the brace.
            if let Some(last) = self.out.last_mut() {
                *last = b'}';
            }
        } else {
            let mut fields: Vec<Field> = self.fields.drain(base..).collect();
            fields.sort_by(order);
            let mut sorted = Vec::with_capacity(self.out.len() - begin);
            for field in &fields {
                sorted.extend_from_slice(&self.out[field.start..field.end]);
                sorted.push(b',');
            }
            self.out.truncate(begin);
            self.out.extend_from_slice(&sorted);
            if let Some(last) = self.out.last_mut() {
                *last = b'}';
            }
        }
        self.fields.truncate(base);
    }
}

fn escape(out: &mut Vec<u8>, text: &str) {
    let bytes = text.as_bytes();
    let mut written = 0;
    for (at, byte) in bytes.iter().enumerate() {
        let short = match byte {
            b'"' => b'"',
            b'\\' => b'\\',
            8 => b'b',
            9 => b't',
            10 => b'n',
            12 => b'f',
            13 => b'r',
            0..=0x1f => 0,
            _ => continue,
        };
        out.extend_from_slice(&bytes[written..at]);
        written = at + 1;
        if short == 0 {
            const HEX: &[u8; 16] = b"0123456789abcdef";
            out.extend_from_slice(b"\\u00");
            out.extend_from_slice(&[HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
        } else {
            out.extend_from_slice(&[b'\\', short]);
        }
    }
    out.extend_from_slice(&bytes[written..]);
}

/// Escapes what is formatted into it.
struct Escaping<'a>(&'a mut Vec<u8>);

impl fmt::Write for Escaping<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        escape(self.0, text);
        Ok(())
    }
}

/// A list or an object in progress. `wrapped`: it stands in an object of its own, under a variant's name.
struct Compound<'a> {
    writer: &'a mut Writer,
    base: usize,
    empty: bool,
    wrapped: bool,
}

impl<'a> Writer {
    fn list(&'a mut self, wrapped: bool) -> Compound<'a> {
        self.out.push(b'[');
        Compound { base: self.fields.len(), writer: self, empty: true, wrapped }
    }

    fn object(&'a mut self, wrapped: bool) -> Compound<'a> {
        self.out.push(b'{');
        Compound { base: self.fields.len(), writer: self, empty: true, wrapped }
    }

    fn variant(&mut self, name: &str) {
        self.out.push(b'{');
        self.text(name);
        self.out.push(b':');
    }
}

impl Compound<'_> {
    fn item(&mut self, value: &(impl Serialize + ?Sized)) -> Result<(), JcsError> {
        if !self.empty {
            self.writer.out.push(b',');
        }
        self.empty = false;
        value.serialize(&mut *self.writer)
    }

    fn end_list(self) -> Result<(), JcsError> {
        self.writer.out.push(b']');
        if self.wrapped {
            self.writer.out.push(b'}');
        }
        Ok(())
    }

    fn field(&mut self, key: &str, value: &(impl Serialize + ?Sized)) -> Result<(), JcsError> {
        self.writer.key(key);
        value.serialize(&mut *self.writer)?;
        self.writer.field_ends();
        Ok(())
    }

    fn end_object(self) -> Result<(), JcsError> {
        self.writer.close(self.base);
        if self.wrapped {
            self.writer.out.push(b'}');
        }
        Ok(())
    }
}

macro_rules! ints {
    ($($signed:ident $unsigned:ident $int:ty, $uint:ty;)*) => {$(
        fn $signed(self, value: $int) -> Result<(), JcsError> {
            self.int(value < 0, u64::from(value.unsigned_abs()))
        }
        fn $unsigned(self, value: $uint) -> Result<(), JcsError> {
            self.int(false, u64::from(value))
        }
    )*};
}

impl<'a> Serializer for &'a mut Writer {
    type Ok = ();
    type Error = JcsError;
    type SerializeSeq = Compound<'a>;
    type SerializeTuple = Compound<'a>;
    type SerializeTupleStruct = Compound<'a>;
    type SerializeTupleVariant = Compound<'a>;
    type SerializeMap = Compound<'a>;
    type SerializeStruct = Compound<'a>;
    type SerializeStructVariant = Compound<'a>;

    ints! {
        serialize_i8 serialize_u8 i8, u8;
        serialize_i16 serialize_u16 i16, u16;
        serialize_i32 serialize_u32 i32, u32;
        serialize_i64 serialize_u64 i64, u64;
    }

    fn serialize_bool(self, value: bool) -> Result<(), JcsError> {
        self.out.extend_from_slice(if value { b"true" } else { b"false" });
        Ok(())
    }

    fn serialize_f32(self, value: f32) -> Result<(), JcsError> {
        self.serialize_f64(f64::from(value))
    }

    fn serialize_f64(self, value: f64) -> Result<(), JcsError> {
        if !value.is_finite() {
            return Err(JcsError(format!("{value} is no number of JSON")));
        }
        self.out.extend_from_slice(ryu_js::Buffer::new().format_finite(value).as_bytes());
        Ok(())
    }

    fn serialize_char(self, value: char) -> Result<(), JcsError> {
        self.text(value.encode_utf8(&mut [0; 4]));
        Ok(())
    }

    fn serialize_str(self, text: &str) -> Result<(), JcsError> {
        self.text(text);
        Ok(())
    }

    fn collect_str<T: fmt::Display + ?Sized>(self, value: &T) -> Result<(), JcsError> {
        self.out.push(b'"');
        write!(Escaping(&mut self.out), "{value}")
            .map_err(|_| JcsError("a value that cannot be printed".to_owned()))?;
        self.out.push(b'"');
        Ok(())
    }

    fn serialize_bytes(self, _: &[u8]) -> Result<(), JcsError> {
        Err(JcsError("bytes are no value of JSON".to_owned()))
    }

    fn serialize_none(self) -> Result<(), JcsError> {
        self.serialize_unit()
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), JcsError> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), JcsError> {
        self.out.extend_from_slice(b"null");
        Ok(())
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<(), JcsError> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<(), JcsError> {
        self.text(variant);
        Ok(())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<(), JcsError> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), JcsError> {
        self.variant(variant);
        value.serialize(&mut *self)?;
        self.out.push(b'}');
        Ok(())
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Compound<'a>, JcsError> {
        Ok(self.list(false))
    }

    fn serialize_tuple(self, _: usize) -> Result<Compound<'a>, JcsError> {
        Ok(self.list(false))
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Compound<'a>, JcsError> {
        Ok(self.list(false))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Compound<'a>, JcsError> {
        self.variant(variant);
        Ok(self.list(true))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Compound<'a>, JcsError> {
        Ok(self.object(false))
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Compound<'a>, JcsError> {
        Ok(self.object(false))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Compound<'a>, JcsError> {
        self.variant(variant);
        Ok(self.object(true))
    }
}

macro_rules! lists {
    ($($name:ident $method:ident;)*) => {$(
        impl $name for Compound<'_> {
            type Ok = ();
            type Error = JcsError;
            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), JcsError> {
                self.item(value)
            }
            fn end(self) -> Result<(), JcsError> {
                self.end_list()
            }
        }
    )*};
}

lists! {
    SerializeSeq serialize_element;
    SerializeTuple serialize_element;
    SerializeTupleStruct serialize_field;
    SerializeTupleVariant serialize_field;
}

macro_rules! objects {
    ($($name:ident)*) => {$(
        impl $name for Compound<'_> {
            type Ok = ();
            type Error = JcsError;
            fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), JcsError> {
                self.field(key, value)
            }
            fn end(self) -> Result<(), JcsError> {
                self.end_object()
            }
        }
    )*};
}

objects! { SerializeStruct SerializeStructVariant }

impl SerializeMap for Compound<'_> {
    type Ok = ();
    type Error = JcsError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), JcsError> {
        key.serialize(Key(&mut *self.writer))
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), JcsError> {
        value.serialize(&mut *self.writer)?;
        self.writer.field_ends();
        Ok(())
    }

    fn end(self) -> Result<(), JcsError> {
        self.end_object()
    }
}

/// A key of a map: a text, or what prints as one.
struct Key<'a>(&'a mut Writer);

macro_rules! no_keys {
    ($($method:ident($($arg:ty),*);)*) => {$(
        fn $method(self, $(_: $arg),*) -> Result<(), JcsError> {
            Err(not_a_key())
        }
    )*};
}

fn not_a_key() -> JcsError {
    JcsError("a key is a text".to_owned())
}

impl Serializer for Key<'_> {
    type Ok = ();
    type Error = JcsError;
    type SerializeSeq = ser::Impossible<(), JcsError>;
    type SerializeTuple = ser::Impossible<(), JcsError>;
    type SerializeTupleStruct = ser::Impossible<(), JcsError>;
    type SerializeTupleVariant = ser::Impossible<(), JcsError>;
    type SerializeMap = ser::Impossible<(), JcsError>;
    type SerializeStruct = ser::Impossible<(), JcsError>;
    type SerializeStructVariant = ser::Impossible<(), JcsError>;

    no_keys! {
        serialize_bool(bool); serialize_i8(i8); serialize_i16(i16); serialize_i32(i32); serialize_i64(i64);
        serialize_u8(u8); serialize_u16(u16); serialize_u32(u32); serialize_u64(u64); serialize_f32(f32);
        serialize_f64(f64); serialize_bytes(&[u8]); serialize_none(); serialize_unit();
        serialize_unit_struct(&'static str);
    }

    fn serialize_char(self, value: char) -> Result<(), JcsError> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, text: &str) -> Result<(), JcsError> {
        self.0.key(text);
        Ok(())
    }

    fn collect_str<T: fmt::Display + ?Sized>(self, value: &T) -> Result<(), JcsError> {
        self.serialize_str(&value.to_string())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), JcsError> {
        value.serialize(self)
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<(), JcsError> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<(), JcsError> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<(), JcsError> {
        Err(not_a_key())
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Self::SerializeSeq, JcsError> {
        Err(not_a_key())
    }

    fn serialize_tuple(self, _: usize) -> Result<Self::SerializeTuple, JcsError> {
        Err(not_a_key())
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Self::SerializeTupleStruct, JcsError> {
        Err(not_a_key())
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, JcsError> {
        Err(not_a_key())
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Self::SerializeMap, JcsError> {
        Err(not_a_key())
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Self::SerializeStruct, JcsError> {
        Err(not_a_key())
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: usize,
    ) -> Result<Self::SerializeStructVariant, JcsError> {
        Err(not_a_key())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{ids::StepPath, journal::Event, recovery::Failure, values::Value};

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Bool),
            (-MAX_INT..=MAX_INT).prop_map(Value::Int),
            any::<f64>().prop_filter_map("finite", Value::number),
            "[a-z\"\\\\\u{0}-\u{1f}é\u{1F600}\u{FFFD}]{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::list),
                prop::collection::vec(("[a-c\"\n\u{e9}\u{1F600}\u{FFFD}]{0,3}", inner), 0..6).prop_map(Value::map),
            ]
        })
    }

    proptest! {
        #[test]
        fn it_writes_what_the_reference_writes(value in value()) {
            let reference = serde_json_canonicalizer::to_vec(&value).expect("JSON");
            prop_assert_eq!(String::from_utf8(to_vec(&value).expect("JSON")), String::from_utf8(reference));
        }

        #[test]
        fn what_is_written_reads_back_equal(value in value()) {
            prop_assert_eq!(Value::from_json(&to_vec(&value).expect("JSON")).expect("JSON"), value);
        }
    }

    #[test]
    fn events_are_written_as_the_reference_writes_them() {
        let failure = Failure::inside(crate::recovery::FailureKind::Internal, "a \"quote\"\n");
        let step = StepPath::new("a~2[3]/b");
        let events = [
            Event::StepFailed { step: step.clone(), failure: failure.clone() },
            Event::StepDone {
                step: step.clone(),
                output: crate::journal::Held::Value(Value::map([("z", true.into()), ("a", 1_u32.into())])),
            },
            Event::WaitStarted {
                step: step.clone(),
                until: Some(crate::values::Timestamp::from_micros(5)),
                signals: vec!["x".into()],
            },
            Event::BodyDone { body: step.clone(), result: crate::journal::BodyResult::Dropped },
            Event::FailureAnswered {
                step,
                response: crate::recovery::Response::Model { model: "m".into(), route: None },
            },
        ];
        for event in events {
            let reference = serde_json_canonicalizer::to_vec(&event).expect("JSON");
            assert_eq!(String::from_utf8(to_vec(&event).expect("JSON")), String::from_utf8(reference));
        }
    }

    #[test]
    fn what_json_cannot_carry_is_an_error() {
        assert!(to_vec(&f64::NAN).is_err());
        assert!(to_vec(&u64::MAX).is_err());
        assert!(to_vec(&std::collections::BTreeMap::from([(1, 2)])).is_err());
    }
}
