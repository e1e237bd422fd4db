//! Declared fields of baggage, whose values can be changed while a trace is under way.

use std::fmt;

use crate::{Baggage, Context, InvalidBaggage};

/// A field of baggage that the application knows by name: read it where it is needed, change it for the rest of the trace.
///
/// A *remote* field travels with the request; a *local* one stays in the process, for what filters and handlers want to
/// tell each other. Make it a static. [`Composite::baggage_fields`](crate::propagation::Composite::baggage_fields) says
/// which fields travel at all, and makes room for updates in every trace.
///
/// ```
/// use throughline_core::propagation::Composite;
/// use throughline_core::{BaggageField, SpanEnd, Tracer};
///
/// static TENANT: BaggageField = BaggageField::remote("tenant");
///
/// let tracer = Tracer::builder().propagator(Composite::w3c().baggage_fields([&TENANT])).build();
/// let request = tracer.span("request").start();
/// let child = request.context().scope(|| tracer.span("authenticate").start());
/// child.context().scope(|| TENANT.update("7"))?;
/// assert_eq!(TENANT.value_in(&request.context()).as_deref(), Some("7"), "known to the whole trace in this process");
/// # child.end(SpanEnd::Completed);
/// # Ok::<(), throughline_core::BaggageUpdateError>(())
/// ```
///
/// # Guarantees
///
/// * An update is seen by every context of the local trace that shares the baggage: those above and below the current one,
///   in other tasks and threads too. Contexts that were given baggage of their own
///   ([`Context::with_baggage`]) have their own value from then on.
/// * Other processes are told with the next request that carries baggage; those that were called before are not told.
/// * Reading takes one uncontended lock where something was updated, and none elsewhere.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct BaggageField {
    key: &'static str,
    local: bool,
}

/// A field of baggage could not be updated.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum BaggageUpdateError {
    /// The context carries no baggage, and its tracer declares no fields: there is nothing that its trace shares.
    NotShared,
    /// Key or value cannot be baggage.
    Invalid(InvalidBaggage),
}

// === impl BaggageField ===

impl BaggageField {
    /// A field that travels with the request. The key is a token (RFC 7230 §3.2.6).
    #[must_use]
    pub const fn remote(key: &'static str) -> Self {
        Self { key, local: false }
    }

    /// A field that stays in the process.
    #[must_use]
    pub const fn local(key: &'static str) -> Self {
        Self { key, local: true }
    }

    /// The key.
    #[must_use]
    pub const fn key(&self) -> &'static str {
        self.key
    }

    /// Whether the field stays in the process.
    #[must_use]
    pub const fn is_local(&self) -> bool {
        self.local
    }

    /// The value in the current context.
    #[must_use]
    pub fn value(&self) -> Option<String> {
        self.value_in(&Context::current())
    }

    /// The value in this context.
    #[must_use]
    pub fn value_in(&self, context: &Context) -> Option<String> {
        context.baggage().get(self.key).map(str::to_owned)
    }

    /// Changes the value for the rest of the current trace in this process.
    ///
    /// # Errors
    ///
    /// There is nothing that the trace shares, or the value exceeds the limits of baggage.
    pub fn update(&self, value: &str) -> Result<(), BaggageUpdateError> {
        self.update_in(&Context::current(), value)
    }

    /// As [`update`](Self::update), for the trace of this context.
    ///
    /// # Errors
    ///
    /// As [`update`](Self::update).
    pub fn update_in(&self, context: &Context, value: &str) -> Result<(), BaggageUpdateError> {
        context.update_baggage(|baggage| self.with(baggage, value).map_err(BaggageUpdateError::Invalid))
    }

    /// The same pairs with this field's value.
    ///
    /// # Errors
    ///
    /// The key is no token, or the pairs would exceed the limits.
    pub fn with(&self, baggage: &Baggage, value: &str) -> Result<Baggage, InvalidBaggage> {
        if self.local { baggage.with_local(self.key, value) } else { baggage.with(self.key, value) }
    }
}

// === impl BaggageUpdateError ===

impl fmt::Display for BaggageUpdateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotShared => f.write_str(
                "the trace has no baggage to update: declare the field with `Composite::baggage_fields`, and start a span",
            ),
            Self::Invalid(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for BaggageUpdateError {}
