//! `traceresponse`: which span answered.

use http::{HeaderMap, HeaderName, HeaderValue};
use throughline_core::SpanContext;

/// Names the span to whoever asked
/// ([Trace Context level 3, draft, §3](https://w3c.github.io/trace-context/#traceresponse-header)); a header that an inner
/// service has set is replaced.
pub(crate) fn write(span: &SpanContext, headers: &mut HeaderMap) {
    if let Ok(value) = HeaderValue::from_bytes(&span.to_traceparent()) {
        // A full map is the application's business.
        let _ = headers.try_insert(TRACERESPONSE, value);
    }
}

const TRACERESPONSE: HeaderName = HeaderName::from_static("traceresponse");
