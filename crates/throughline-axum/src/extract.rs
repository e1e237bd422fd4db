//! What a handler can ask for.

use std::convert::Infallible;
use std::ops::Deref;

use axum::extract::FromRequestParts;
use http::request::Parts;
use throughline_core::{Context, SpanRef};

/// The span of the request, as an extractor: dereferences to [`SpanRef`].
///
/// It never fails; without a layer, or for an unsampled request, writing to it does nothing.
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
