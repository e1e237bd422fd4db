//! What contexts are written to and read from: headers, maps, environments, and whatever implements two small traits.

#[cfg(feature = "http")]
mod batch;
mod environment;
mod field;
#[cfg(feature = "http")]
mod headers;
mod known;
mod maps;

#[cfg(feature = "http")]
pub(crate) use self::batch::Batch;
pub use self::environment::{EnvExtractor, EnvInjector};
pub use self::field::{Field, FieldSet};
#[cfg(feature = "http")]
pub use self::headers::HeaderScan;
#[cfg(feature = "http")]
pub(crate) use self::headers::{FormatScan, put};
pub(crate) use self::known::{Known, OT_BAGGAGE, UBERCTX};

use crate::TraceState;

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

    /// The first value of a field, for formats that take that of several; a carrier that finds it faster than by looking
    /// for more says so.
    fn first(&self, field: &Field) -> Option<&[u8]> {
        match self.get(field) {
            FieldValue::Absent => None,
            FieldValue::One(value) => Some(value),
            FieldValue::Many => {
                let mut first = None;
                self.each(field, &mut |value| first = first.or(Some(value)));
                first
            }
        }
    }

    /// Shows every value of a field, in order.
    fn each<'a>(&'a self, field: &Field, see: &mut dyn FnMut(&'a [u8]));

    /// Shows name and value of every field whose name begins so, for formats that make a field per key.
    fn each_prefixed<'a>(&'a self, prefix: &str, see: &mut dyn FnMut(&'a str, &'a [u8]));
}

/// A carrier that can be written to.
pub trait Injector {
    /// Sets a field to one value; earlier ones are gone.
    fn set(&mut self, field: &Field, value: &[u8]);

    /// Removes a field.
    fn remove(&mut self, field: &Field);

    /// Sets a field whose lower-case name is made at run time, for formats that make a field per key. A name that the
    /// carrier cannot have is left out.
    fn set_named(&mut self, name: &str, value: &[u8]);

    /// Removes every field whose name begins so.
    fn remove_prefixed(&mut self, prefix: &str);

    /// Removes every field of a set; a carrier that can look for all of them at once does so.
    fn clear(&mut self, set: &FieldSet) {
        set.fields().iter().for_each(|field| self.remove(field));
        set.prefixes().iter().for_each(|prefix| self.remove_prefixed(prefix));
    }

    /// As [`set`](Self::set), for a value that is known at compile time; a carrier that can refer to it need not copy it.
    fn set_static(&mut self, field: &Field, value: &'static str) {
        self.set(field, value.as_bytes());
    }

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

/// A carrier as the built-in formats read it: what they find lives as long as the carrier, not as the view of it.
pub(crate) trait Fields<'a> {
    fn traceparent(&self) -> FieldValue<'a>;
    fn tracestate(&self) -> FieldValue<'a>;
    fn baggage(&self) -> FieldValue<'a>;
    /// The first value of a field of the other formats.
    fn first(&self, known: Known) -> Option<&'a [u8]>;
    /// Whether there may be fields whose names begin as a format's that makes a field per key.
    fn may_have_prefixed(&self) -> bool;
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

        #[inline]
        fn first(&self, known: Known) -> Option<&'a [u8]> {
            Extractor::first(*self, known.field())
        }

        fn may_have_prefixed(&self) -> bool {
            true
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

impl Injector for &mut dyn Injector {
    fn set(&mut self, field: &Field, value: &[u8]) {
        (**self).set(field, value);
    }

    fn remove(&mut self, field: &Field) {
        (**self).remove(field);
    }

    fn set_named(&mut self, name: &str, value: &[u8]) {
        (**self).set_named(name, value);
    }

    fn remove_prefixed(&mut self, prefix: &str) {
        (**self).remove_prefixed(prefix);
    }

    fn clear(&mut self, set: &FieldSet) {
        (**self).clear(set);
    }

    fn set_static(&mut self, field: &Field, value: &'static str) {
        (**self).set_static(field, value);
    }

    fn set_tracestate(&mut self, field: &Field, value: &TraceState) {
        (**self).set_tracestate(field, value);
    }
}
