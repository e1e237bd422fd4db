//! What contexts are written to and read from: headers, maps, and whatever implements two small traits.

#[cfg(feature = "http")]
mod headers;
mod maps;

#[cfg(feature = "http")]
pub use self::headers::HeaderScan;
#[cfg(feature = "http")]
pub(crate) use self::headers::put;

use std::fmt;

#[cfg(feature = "http")]
use http::HeaderName;

use crate::TraceState;

/// The name of a propagation field, ready for every kind of carrier.
///
/// ```
/// use throughline_core::propagation::Field;
///
/// static TENANT: Field = Field::new("x-tenant");
/// assert_eq!(TENANT.as_str(), "x-tenant");
/// ```
#[derive(Clone)]
pub struct Field {
    name: &'static str,
    #[cfg(feature = "http")]
    header: HeaderName,
}

/// What a carrier has under a [`Field`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FieldValue<'a> {
    /// Nothing.
    Absent,
    /// One value.
    One(&'a [u8]),
    /// More than one; [`Extractor::each`] shows them.
    Many,
}

/// A carrier that can be read. Values are bytes: brokers do not promise text.
pub trait Extractor {
    /// The value of a field, if there is exactly one.
    fn get(&self, field: &Field) -> FieldValue<'_>;

    /// Shows every value of a field, in order.
    fn each<'a>(&'a self, field: &Field, see: &mut dyn FnMut(&'a [u8]));

    /// Shows name and value of every field whose name begins so, for formats that make a field per key.
    fn each_prefixed<'a>(&'a self, prefix: &str, see: &mut dyn FnMut(&'a str, &'a [u8]));
}

/// A carrier as the built-in formats read it: what they find lives as long as the carrier, not as the view of it.
pub(crate) trait Fields<'a> {
    fn traceparent(&self) -> FieldValue<'a>;
    fn tracestate(&self) -> FieldValue<'a>;
    fn baggage(&self) -> FieldValue<'a>;
    /// The carrier itself, for formats that take any.
    fn carrier(&self) -> &'a dyn Extractor;
}

macro_rules! fields {
    () => {
        #[inline(always)]
        fn traceparent(&self) -> FieldValue<'a> {
            (**self).get(&TRACEPARENT)
        }

        #[inline(always)]
        fn tracestate(&self) -> FieldValue<'a> {
            (**self).get(&TRACESTATE)
        }

        #[inline(always)]
        fn baggage(&self) -> FieldValue<'a> {
            (**self).get(&BAGGAGE)
        }

        fn carrier(&self) -> &'a dyn Extractor {
            *self
        }
    };
}

impl<'a, E: Extractor> Fields<'a> for &'a E {
    fields!();
}

impl<'a> Fields<'a> for &'a dyn Extractor {
    fields!();
}

/// A carrier that can be written to.
pub trait Injector {
    /// Sets a field to one value; earlier ones are gone.
    fn set(&mut self, field: &Field, value: &[u8]);

    /// Removes a field.
    fn remove(&mut self, field: &Field);

    /// As [`set`](Self::set), for a value that many carriers share; a carrier that can share it need not copy it.
    fn set_tracestate(&mut self, field: &Field, value: &TraceState) {
        self.set(field, value.as_str().as_bytes());
    }
}

/// W3C `traceparent`.
pub static TRACEPARENT: Field = Field::new("traceparent");
/// W3C `tracestate`.
pub static TRACESTATE: Field = Field::new("tracestate");
/// W3C `baggage`.
pub static BAGGAGE: Field = Field::new("baggage");

// === impl Field ===

impl Field {
    /// A field by its name in lower case.
    ///
    /// # Panics
    ///
    /// If the name is no lower-case HTTP header name: make it a static, and the compiler says so.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self {
            name,
            #[cfg(feature = "http")]
            header: HeaderName::from_static(name),
        }
    }

    /// The name.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        self.name
    }

    /// The name as that of a header.
    #[cfg(feature = "http")]
    #[must_use]
    pub const fn header(&self) -> &HeaderName {
        &self.header
    }
}

impl PartialEq for Field {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Field {}

impl fmt::Debug for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}
