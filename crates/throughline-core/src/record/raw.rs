//! What a span's cell is made of: keys, values and texts as they lie in its flat vectors.

use std::time::Instant;

use crate::attribute::{Key, Value};
use crate::{SpanContext, TextList};

/// A stretch of a span's text.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Text {
    pub(crate) at: u32,
    pub(crate) len: u32,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum RawKey {
    Static(&'static str),
    Text(Text),
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum RawValue {
    Bool(bool),
    Int(i64),
    F64(f64),
    Static(&'static &'static str),
    Text(Text),
    /// A packed list.
    List(Text),
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct RawAttribute {
    pub(crate) key: RawKey,
    pub(crate) value: RawValue,
}

/// `verb text`, either of which may be empty.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RawName {
    pub(crate) verb: &'static &'static str,
    pub(crate) text: Text,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct RawEvent {
    pub(crate) name: RawKey,
    pub(crate) time: Instant,
    pub(crate) attributes: u32,
    pub(crate) dropped: u32,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct RawLink {
    pub(crate) span_context: SpanContext,
    pub(crate) attributes: u32,
    pub(crate) dropped: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum StatusCode {
    Unset,
    Ok,
    Error,
}

// === impl RawAttribute, RawName, RawKey, RawValue ===

impl RawAttribute {
    /// What lies in slots that are not in use.
    pub(crate) const NONE: Self = Self { key: RawKey::Static(""), value: RawValue::Bool(false) };

    #[inline]
    pub(crate) fn decode(self, text: &[u8]) -> (Key<'_>, Value<'_>) {
        (self.key.decode(text), self.value.decode(text))
    }
}

impl RawName {
    pub(crate) const NONE: Self = Self { verb: &"", text: Text { at: 0, len: 0 } };
}

impl RawKey {
    #[inline]
    pub(crate) fn decode(self, text: &[u8]) -> Key<'_> {
        match self {
            Self::Static(name) => Key::new(name),
            Self::Text(at) => Key::dynamic(std::str::from_utf8(slice(text, at)).unwrap_or("\u{fffd}")),
        }
    }
}

impl RawValue {
    #[inline(always)]
    pub(crate) fn decode(self, text: &[u8]) -> Value<'_> {
        match self {
            Self::Bool(value) => Value::Bool(value),
            Self::Int(value) => Value::Int(value),
            Self::F64(value) => Value::F64(value),
            Self::Static(value) => Value::Static(value),
            Self::Text(at) => Value::Bytes(slice(text, at)),
            Self::List(at) => Value::List(TextList::packed(slice(text, at))),
        }
    }
}

/// A stretch of a span's text; nothing if it does not lie within.
#[inline]
pub(crate) fn slice(text: &[u8], at: Text) -> &[u8] {
    text.get(at.at as usize..(at.at + at.len) as usize).unwrap_or_default()
}
