//! What a handler can ask for. None of it ever fails.

use std::convert::Infallible;
use std::ops::Deref;

use axum::extract::FromRequestParts;
use http::request::Parts;
use throughline_core::{Baggage, Context, SpanRef, TraceId};

/// The span of the request, as an extractor: dereferences to [`SpanRef`].
///
/// It never fails; without a layer, or for an unsampled request that nobody measures, writing to it does
/// nothing.
///
/// ```
/// use axum::extract::Path;
/// use throughline_axum::CurrentSpan;
///
/// async fn order(span: CurrentSpan, Path(id): Path<u32>) {
///     span.set("order.id", id);
/// }
/// ```
#[derive(Clone, Debug)]
pub struct CurrentSpan(SpanRef);

impl CurrentSpan {
    /// The handle itself, to be kept.
    #[must_use]
    pub fn into_inner(self) -> SpanRef {
        self.0
    }
}

impl Deref for CurrentSpan {
    type Target = SpanRef;

    fn deref(&self) -> &SpanRef {
        &self.0
    }
}

impl<S: Sync> FromRequestParts<S> for CurrentSpan {
    type Rejection = Infallible;

    async fn from_request_parts(_: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(Context::current().span()))
    }
}

/// The id of the request's trace, as an extractor: for error pages and support tickets. It displays as 32 hex digits.
///
/// Nothing where no layer has seen the request.
///
/// ```
/// use throughline_axum::CurrentTraceId;
///
/// async fn not_found(CurrentTraceId(trace): CurrentTraceId) -> String {
///     match trace {
///         Some(trace) => format!("nothing here; quote {trace} if you think there should be"),
///         None => "nothing here".into(),
///     }
/// }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct CurrentTraceId(pub Option<TraceId>);

impl<S: Sync> FromRequestParts<S> for CurrentTraceId {
    type Rejection = Infallible;

    async fn from_request_parts(_: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(Context::current_span_context().map(|span| span.trace_id())))
    }
}

/// The baggage that came with the request, as an extractor: dereferences to [`Baggage`]. It is parsed by asking for it.
///
/// It comes from whoever made the request: an id in it is a claim, not a proof.
///
/// ```
/// use throughline_axum::CurrentBaggage;
///
/// async fn greet(baggage: CurrentBaggage) -> String {
///     format!("hello, {}", baggage.get("tenant").unwrap_or("whoever you are"))
/// }
/// ```
#[derive(Clone)]
pub struct CurrentBaggage(Baggage);

impl Deref for CurrentBaggage {
    type Target = Baggage;

    fn deref(&self) -> &Baggage {
        &self.0
    }
}

impl std::fmt::Debug for CurrentBaggage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Without its values: they are the user's.
        f.debug_set().entries(self.0.iter().map(throughline_core::Member::key)).finish()
    }
}

impl<S: Sync> FromRequestParts<S> for CurrentBaggage {
    type Rejection = Infallible;

    async fn from_request_parts(_: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(Context::current().baggage()))
    }
}
