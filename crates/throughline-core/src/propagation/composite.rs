//! Several formats as one propagator.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::carrier::Fields;
#[cfg(feature = "http")]
use super::carrier::HeaderScan;
use super::{Allow, Extracted, Extractor, Field, Injector, Propagator, TraceContext, W3cBaggage};
use crate::Context;

/// One format of a [`Composite`].
#[derive(Clone)]
#[non_exhaustive]
pub enum Format {
    /// W3C trace context.
    TraceContext,
    /// W3C baggage.
    Baggage,
    /// One's own.
    Custom(Arc<dyn Propagator>),
}

/// Several formats as one: each writes, each reads, a later one's finding replaces an earlier one's.
///
/// Before anything is written the fields of **every** format are cleared, else a stale field of one would outlive what
/// another wrote. The built-in formats are called without indirection.
///
/// ```
/// use throughline_core::propagation::{Composite, Propagator};
///
/// let names: Vec<_> = Composite::w3c().fields().iter().map(|field| field.as_str()).collect();
/// assert_eq!(names, ["traceparent", "tracestate", "baggage"]);
/// ```
#[derive(Clone, Debug)]
pub struct Composite {
    formats: Vec<Format>,
    fields: Vec<Field>,
    custom: bool,
    /// Exactly what most services use, read without looking at the list.
    w3c: bool,
}

impl Composite {
    /// These formats, in this order; repeated built-in ones count once.
    #[must_use]
    pub fn new(formats: impl IntoIterator<Item = Format>) -> Self {
        let mut this = Self { formats: Vec::new(), fields: Vec::new(), custom: false, w3c: false };
        for format in formats {
            let known = |other: &Format| std::mem::discriminant(other) == std::mem::discriminant(&format);
            if matches!(format, Format::Custom(_)) || !this.formats.iter().any(known) {
                for field in format.fields() {
                    if !this.fields.contains(field) {
                        this.fields.push(field.clone());
                    }
                }
                this.custom |= matches!(format, Format::Custom(_));
                this.formats.push(format);
            }
        }
        this.w3c = matches!(this.formats[..], [Format::TraceContext, Format::Baggage]);
        this
    }

    /// The default: W3C trace context and W3C baggage.
    #[must_use]
    pub fn w3c() -> Self {
        Self::new([Format::TraceContext, Format::Baggage])
    }

    /// Nothing is read or written.
    #[must_use]
    pub fn none() -> Self {
        Self::new([])
    }

    /// As [`Propagator::extract`], without indirection if the carrier's type is known.
    #[inline]
    pub fn extract_from<'a, E: Extractor>(&self, carrier: &'a E) -> Extracted<'a> {
        self.read(carrier)
    }

    /// Reads from headers in one pass: cheaper than looking each field up, as long as there are not very many.
    #[cfg(feature = "http")]
    #[inline]
    #[must_use]
    pub fn extract_headers<'a>(&self, headers: &'a http::HeaderMap) -> Extracted<'a> {
        if headers.len() > MANY_HEADERS { self.read(headers) } else { self.read(&HeaderScan::new(headers)) }
    }

    /// Reads from headers that were looked through before.
    #[cfg(feature = "http")]
    #[inline(always)]
    #[must_use]
    pub fn extract_scanned<'a>(&self, scan: &HeaderScan<'a>) -> Extracted<'a> {
        self.read(scan)
    }

    /// Writes to headers: as [`inject_into`](Self::inject_into), with one pass over the headers that are there.
    #[cfg(feature = "http")]
    #[inline]
    pub fn inject_headers(&self, context: &Context, allow: Allow, headers: &mut http::HeaderMap) {
        if self.w3c && headers.len() <= MANY_HEADERS {
            super::w3c::inject_headers(context, allow, headers);
        } else {
            self.inject_into(context, allow, headers);
        }
    }

    // Inlined by force: what is found is a hundred bytes, and they stay where the caller wants them.
    #[inline(always)]
    fn read<'a>(&self, carrier: impl Fields<'a> + Copy) -> Extracted<'a> {
        let mut found = Extracted::NOTHING;
        if self.w3c {
            TraceContext.read(carrier, &mut found);
            W3cBaggage.read(carrier, &mut found);
        } else {
            self.read_formats(carrier, &mut found);
        }
        found
    }

    #[inline(never)]
    fn read_formats<'a>(&self, carrier: impl Fields<'a> + Copy, found: &mut Extracted<'a>) {
        for format in &self.formats {
            match format {
                Format::TraceContext => TraceContext.read(carrier, found),
                Format::Baggage => W3cBaggage.read(carrier, found),
                Format::Custom(propagator) => found.merge(extract_guarded(&**propagator, carrier.carrier())),
            }
        }
    }

    /// As [`Propagator::inject`], without indirection if the carrier's type is known.
    #[inline]
    pub fn inject_into<I: Injector>(&self, context: &Context, allow: Allow, carrier: &mut I) {
        // The built-in formats write or remove each of their fields, and share none.
        if self.custom {
            for field in &self.fields {
                carrier.remove(field);
            }
        }
        for format in &self.formats {
            match format {
                Format::TraceContext => TraceContext.inject_into(context, allow, carrier),
                Format::Baggage => W3cBaggage.inject_into(context, allow, carrier),
                Format::Custom(propagator) => {
                    // A format that panics has written what it has written; the request goes out all the same.
                    let _ = catch_unwind(AssertUnwindSafe(|| propagator.inject(context, allow, carrier)));
                }
            }
        }
    }
}

impl Default for Composite {
    fn default() -> Self {
        Self::w3c()
    }
}

impl Propagator for Composite {
    fn inject(&self, context: &Context, allow: Allow, mut carrier: &mut dyn Injector) {
        self.inject_into(context, allow, &mut carrier);
    }

    fn extract<'a>(&self, carrier: &'a dyn Extractor) -> Extracted<'a> {
        self.read(carrier)
    }

    fn fields(&self) -> &[Field] {
        &self.fields
    }
}

impl Format {
    fn fields(&self) -> &[Field] {
        match self {
            Self::TraceContext => TraceContext.fields(),
            Self::Baggage => W3cBaggage.fields(),
            Self::Custom(propagator) => propagator.fields(),
        }
    }
}

impl fmt::Debug for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TraceContext => f.write_str("TraceContext"),
            Self::Baggage => f.write_str("Baggage"),
            Self::Custom(propagator) => f.debug_tuple("Custom").field(&propagator.fields()).finish(),
        }
    }
}

/// A format that panics has found nothing.
fn extract_guarded<'a>(propagator: &dyn Propagator, carrier: &'a dyn Extractor) -> Extracted<'a> {
    let found = catch_unwind(AssertUnwindSafe(|| propagator.extract(carrier)));
    found.unwrap_or(Extracted { malformed: true, ..Extracted::NOTHING })
}

impl Injector for &mut dyn Injector {
    fn set(&mut self, field: &Field, value: &[u8]) {
        (**self).set(field, value);
    }

    fn remove(&mut self, field: &Field) {
        (**self).remove(field);
    }

    fn set_tracestate(&mut self, field: &Field, value: &crate::TraceState) {
        (**self).set_tracestate(field, value);
    }
}

/// From so many headers on, hashed look-ups are cheaper than a pass.
#[cfg(feature = "http")]
const MANY_HEADERS: usize = 20;
