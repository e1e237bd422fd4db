//! The fields of the built-in formats but W3C's, so that one pass over headers finds all of them.

use super::Field;

/// A field of B3, X-Ray, Jaeger or OpenTracing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Known {
    B3,
    B3TraceId,
    B3SpanId,
    B3Sampled,
    B3Flags,
    XRay,
    XRaySqs,
    Uber,
    JaegerDebug,
    JaegerBaggage,
    OtTraceId,
    OtSpanId,
    OtSampled,
}

impl Known {
    pub(crate) const COUNT: usize = 13;

    /// Its name.
    #[inline]
    pub(crate) fn field(self) -> &'static Field {
        &FIELDS[self as usize]
    }

    /// The names from one to another, both included.
    pub(crate) fn between(first: Self, last: Self) -> &'static [Field] {
        &FIELDS[first as usize..=last as usize]
    }

    /// The field of a lower-case name. The length alone tells most names of headers apart.
    #[cfg(feature = "http")]
    #[inline(always)]
    pub(crate) fn of(name: &[u8]) -> Option<Self> {
        Some(match name.len() {
            2 if name == b"b3" => Self::B3,
            10 if name == b"x-b3-flags" => Self::B3Flags,
            11 if name == b"x-b3-spanid" => Self::B3SpanId,
            12 if name == b"x-b3-traceid" => Self::B3TraceId,
            12 if name == b"x-b3-sampled" => Self::B3Sampled,
            13 if name == b"uber-trace-id" => Self::Uber,
            14 if name == b"jaeger-baggage" => Self::JaegerBaggage,
            14 if name == b"awstraceheader" => Self::XRaySqs,
            15 if name == b"x-amzn-trace-id" => Self::XRay,
            15 if name == b"jaeger-debug-id" => Self::JaegerDebug,
            16 if name == b"ot-tracer-spanid" => Self::OtSpanId,
            17 if name == b"ot-tracer-traceid" => Self::OtTraceId,
            17 if name == b"ot-tracer-sampled" => Self::OtSampled,
            _ => return None,
        })
    }
}

/// In the order of [`Known`].
pub(crate) static FIELDS: [Field; Known::COUNT] = [
    Field::new("b3"),
    Field::spelled("x-b3-traceid", "X-B3-TraceId"),
    Field::spelled("x-b3-spanid", "X-B3-SpanId"),
    Field::spelled("x-b3-sampled", "X-B3-Sampled"),
    Field::spelled("x-b3-flags", "X-B3-Flags"),
    Field::spelled("x-amzn-trace-id", "X-Amzn-Trace-Id"),
    Field::spelled("awstraceheader", "AWSTraceHeader"),
    Field::new("uber-trace-id"),
    Field::new("jaeger-debug-id"),
    Field::new("jaeger-baggage"),
    Field::new("ot-tracer-traceid"),
    Field::new("ot-tracer-spanid"),
    Field::new("ot-tracer-sampled"),
];

/// Jaeger's baggage is a field per key.
pub(crate) const UBERCTX: &str = "uberctx-";
/// So is OpenTracing's.
pub(crate) const OT_BAGGAGE: &str = "ot-baggage-";

#[cfg(all(test, feature = "http"))]
mod tests {
    use super::*;

    #[test]
    fn every_field_is_found_by_its_name() {
        for (at, field) in FIELDS.iter().enumerate() {
            let known = Known::of(field.as_str().as_bytes()).expect("a known name");
            assert_eq!(known as usize, at, "{field:?}");
            assert_eq!(known.field(), field);
            assert_eq!(field.spelling().to_ascii_lowercase(), field.as_str());
        }
        for name in ["", "b4", "x-b3-traceie", "x-b3-parentspanid", "traceparent"] {
            assert_eq!(Known::of(name.as_bytes()), None, "{name:?}");
        }
    }
}
