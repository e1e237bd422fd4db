//! Attribute keys and values, on their way in and out.

use std::borrow::Cow;
use std::fmt;

use crate::TextList;

/// The name of an attribute.
///
/// Names known at compile time cost nothing; others are copied into the span's own text.
///
/// ```
/// use throughline_core::Key;
///
/// const ORDER_ID: Key<'static> = Key::new("order.id");
/// let computed = format!("feature.{}", "beta");
/// assert_eq!(Key::dynamic(&computed).as_str(), "feature.beta");
/// # let _ = ORDER_ID;
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key<'a>(pub(crate) KeyKind<'a>);

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum KeyKind<'a> {
    Static(&'static str),
    Dynamic(&'a str),
}

/// The value of an attribute, borrowed.
///
/// On its way in it is copied into the span; on its way out it is borrowed from there.
#[derive(Clone, Copy, PartialEq, Debug)]
#[non_exhaustive]
pub enum Value<'a> {
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A floating point number.
    F64(f64),
    /// Text.
    Str(&'a str),
    /// Text known at compile time: it is not copied. Write `Value::Static(&"GET")`.
    Static(&'static &'static str),
    /// Text of bytes that nobody has checked, such as a header's. What is no UTF-8 is replaced when it is shown
    /// ([`as_text`](Self::as_text)).
    Bytes(&'a [u8]),
    /// A list of texts. What of it exceeds [`SpanLimits::value_length`](crate::SpanLimits::value_length) is dropped, in
    /// whole elements from the end.
    List(TextList<'a>),
}

/// The value of an attribute, owned.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub enum AttributeValue {
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A floating point number.
    F64(f64),
    /// Text.
    String(Cow<'static, str>),
    /// A list of texts.
    List(Vec<Cow<'static, str>>),
}

/// Takes attributes one by one.
pub trait AttributeVisitor {
    /// Takes one attribute.
    fn attribute(&mut self, key: Key<'_>, value: Value<'_>);
}

/// Shows attributes one by one, without collecting them.
pub trait Attributes {
    /// Shows every attribute to the visitor.
    fn visit(&self, visitor: &mut dyn AttributeVisitor);
}

// === impl Key ===

impl<'a> Key<'a> {
    /// A name known at compile time.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self(KeyKind::Static(name))
    }

    /// A name made at run time.
    #[must_use]
    pub const fn dynamic(name: &'a str) -> Self {
        Self(KeyKind::Dynamic(name))
    }

    /// The name.
    #[must_use]
    pub const fn as_str(&self) -> &'a str {
        match self.0 {
            KeyKind::Static(name) => name,
            KeyKind::Dynamic(name) => name,
        }
    }

    /// The name, owned; one known at compile time is not copied.
    #[must_use]
    pub fn to_name(self) -> Cow<'static, str> {
        match self.0 {
            KeyKind::Static(name) => name.into(),
            KeyKind::Dynamic(name) => name.to_owned().into(),
        }
    }
}

impl From<&'static str> for Key<'_> {
    fn from(name: &'static str) -> Self {
        Self::new(name)
    }
}

impl<'a> From<&'a String> for Key<'a> {
    fn from(name: &'a String) -> Self {
        Self::dynamic(name)
    }
}

impl fmt::Debug for Key<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

// === impl Value ===

impl<'a> Value<'a> {
    /// The text of a textual value; bytes that are no UTF-8 are replaced by U+FFFD.
    #[must_use]
    pub fn as_text(&self) -> Option<Cow<'a, str>> {
        match *self {
            Self::Str(text) => Some(text.into()),
            Self::Static(text) => Some((*text).into()),
            Self::Bytes(bytes) => Some(String::from_utf8_lossy(bytes)),
            Self::Bool(_) | Self::Int(_) | Self::F64(_) | Self::List(_) => None,
        }
    }

    /// The same value, owned.
    #[must_use]
    pub fn to_owned(&self) -> AttributeValue {
        match *self {
            Self::Bool(value) => AttributeValue::Bool(value),
            Self::Int(value) => AttributeValue::Int(value),
            Self::F64(value) => AttributeValue::F64(value),
            Self::Static(text) => AttributeValue::String((*text).into()),
            Self::Str(text) => AttributeValue::String(text.to_owned().into()),
            Self::Bytes(bytes) => AttributeValue::String(String::from_utf8_lossy(bytes).into_owned().into()),
            Self::List(list) => AttributeValue::List(list.texts().map(|text| text.into_owned().into()).collect()),
        }
    }
}

impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(value) => value.fmt(f),
            Self::Int(value) => value.fmt(f),
            Self::F64(value) => value.fmt(f),
            Self::Str(text) => f.write_str(text),
            Self::Static(text) => f.write_str(text),
            Self::Bytes(bytes) => f.write_str(&String::from_utf8_lossy(bytes)),
            Self::List(list) => list.fmt(f),
        }
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self::Str(text)
    }
}

impl<'a> From<&'a String> for Value<'a> {
    fn from(text: &'a String) -> Self {
        Self::Str(text)
    }
}

impl<'a> From<TextList<'a>> for Value<'a> {
    fn from(list: TextList<'a>) -> Self {
        Self::List(list)
    }
}

impl<'a, const N: usize> From<&'a [&'a str; N]> for Value<'a> {
    fn from(list: &'a [&'a str; N]) -> Self {
        Self::List(TextList::from(&list[..]))
    }
}

impl From<bool> for Value<'_> {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<f64> for Value<'_> {
    fn from(value: f64) -> Self {
        Self::F64(value)
    }
}

macro_rules! from_whole_numbers {
    ($($number:ty),*) => {$(
        impl From<$number> for Value<'_> {
            fn from(value: $number) -> Self {
                Self::Int(value.into())
            }
        }
    )*};
}

from_whole_numbers!(i8, i16, i32, i64, u8, u16, u32);

impl From<u64> for Value<'_> {
    /// Saturates: OTLP's whole numbers are signed.
    fn from(value: u64) -> Self {
        Self::Int(i64::try_from(value).unwrap_or(i64::MAX))
    }
}

impl From<usize> for Value<'_> {
    /// Saturates: OTLP's whole numbers are signed.
    fn from(value: usize) -> Self {
        Self::Int(i64::try_from(value).unwrap_or(i64::MAX))
    }
}

// === impl AttributeValue ===

impl AttributeValue {
    /// The value, borrowed.
    #[must_use]
    pub fn as_value(&self) -> Value<'_> {
        match self {
            Self::Bool(value) => Value::Bool(*value),
            Self::Int(value) => Value::Int(*value),
            Self::F64(value) => Value::F64(*value),
            Self::String(text) => Value::Str(text),
            Self::List(list) => Value::List(TextList::from(&list[..])),
        }
    }

    /// The text of a textual value.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            Self::Bool(_) | Self::Int(_) | Self::F64(_) | Self::List(_) => None,
        }
    }
}

impl fmt::Display for AttributeValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_value().fmt(f)
    }
}

impl<'a, T: Into<Value<'a>>> From<T> for AttributeValue {
    fn from(value: T) -> Self {
        value.into().to_owned()
    }
}

impl<const N: usize> From<[&'static str; N]> for AttributeValue {
    fn from(list: [&'static str; N]) -> Self {
        Self::List(list.map(Cow::Borrowed).into())
    }
}

// === impl AttributeVisitor, Attributes ===

impl<F: FnMut(Key<'_>, Value<'_>)> AttributeVisitor for F {
    #[inline]
    fn attribute(&mut self, key: Key<'_>, value: Value<'_>) {
        self(key, value);
    }
}

impl<F: Fn(&mut dyn AttributeVisitor)> Attributes for F {
    fn visit(&self, visitor: &mut dyn AttributeVisitor) {
        self(visitor);
    }
}

impl Attributes for [(Key<'_>, Value<'_>)] {
    fn visit(&self, visitor: &mut dyn AttributeVisitor) {
        for (key, value) in self {
            visitor.attribute(*key, *value);
        }
    }
}
