//! Several formats as one propagator.

use std::fmt;
use std::sync::Arc;

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
}

impl Composite {
    /// These formats, in this order; repeated built-in ones count once.
    #[must_use]
    pub fn new(formats: impl IntoIterator<Item = Format>) -> Self {
        let mut this = Self { formats: Vec::new(), fields: Vec::new() };
        for format in formats {
            let known = |other: &Format| std::mem::discriminant(other) == std::mem::discriminant(&format);
            if matches!(format, Format::Custom(_)) || !this.formats.iter().any(known) {
                for field in format.fields() {
                    if !this.fields.contains(field) {
                        this.fields.push(field.clone());
                    }
                }
                this.formats.push(format);
            }
        }
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
        let mut found = Extracted::NOTHING;
        for format in &self.formats {
            match format {
                Format::TraceContext if found.is_empty() && !found.malformed => found = TraceContext.extract_from(carrier),
                Format::TraceContext => found.merge(TraceContext.extract_from(carrier)),
                Format::Baggage => {
                    let baggage = W3cBaggage.extract_from(carrier).baggage;
                    if !baggage.is_empty() {
                        found.baggage = baggage;
                    }
                }
                Format::Custom(propagator) => found.merge(propagator.extract(carrier)),
            }
        }
        found
    }

    /// As [`Propagator::inject`], without indirection if the carrier's type is known.
    #[inline]
    pub fn inject_into<I: Injector>(&self, context: &Context, allow: Allow, carrier: &mut I) {
        // The built-in formats write or remove each of their fields, and share none.
        if self.formats.iter().any(|format| matches!(format, Format::Custom(_))) {
            for field in &self.fields {
                carrier.remove(field);
            }
        }
        for format in &self.formats {
            match format {
                Format::TraceContext => TraceContext.inject_into(context, allow, carrier),
                Format::Baggage => W3cBaggage.inject_into(context, allow, carrier),
                Format::Custom(propagator) => propagator.inject(context, allow, carrier),
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
        let mut found = Extracted::NOTHING;
        for format in &self.formats {
            found.merge(match format {
                Format::TraceContext => TraceContext.extract_from(carrier),
                Format::Baggage => W3cBaggage.extract_from(carrier),
                Format::Custom(propagator) => propagator.extract(carrier),
            });
        }
        found
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
