//! The part of a span that crosses the wire, and its `traceparent` text.

use std::fmt;

use crate::hex::{self, Decoder};
use crate::{SpanId, TraceFlags, TraceId};

/// The identity of a span: what a child, a link or a remote service needs to know of it.
///
/// Immutable, 32 bytes, `Copy`. It always has valid ids: the absence of a span is `Option::None`.
///
/// ```
/// use throughline_core::SpanContext;
///
/// let parent = SpanContext::from_traceparent(b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")?;
/// assert!(parent.is_sampled() && parent.is_remote());
/// assert_eq!(parent.span_id().to_string(), "00f067aa0ba902b7");
/// # Ok::<(), throughline_core::InvalidTraceParent>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct SpanContext {
    trace_id: TraceId,
    span_id: SpanId,
    flags: TraceFlags,
    remote: bool,
}

/// The text was not a `traceparent` of a version that may be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidTraceParent(());

// === impl SpanContext ===

impl SpanContext {
    /// The identity of a local span.
    #[must_use]
    pub const fn new(trace_id: TraceId, span_id: SpanId, flags: TraceFlags) -> Self {
        Self { trace_id, span_id, flags, remote: false }
    }

    /// The same identity, known to come from another process (or not).
    #[must_use]
    pub const fn with_remote(self, remote: bool) -> Self {
        Self { remote, ..self }
    }

    /// The trace that the span belongs to.
    #[must_use]
    pub const fn trace_id(&self) -> TraceId {
        self.trace_id
    }

    /// The span itself.
    #[must_use]
    pub const fn span_id(&self) -> SpanId {
        self.span_id
    }

    /// The flags that are sent on.
    #[must_use]
    pub const fn flags(&self) -> TraceFlags {
        self.flags
    }

    /// Whether the span is recorded, as far as its service knows.
    #[must_use]
    pub const fn is_sampled(&self) -> bool {
        self.flags.is_sampled()
    }

    /// Whether the span lives in another process.
    #[must_use]
    pub const fn is_remote(&self) -> bool {
        self.remote
    }

    /// Reads a `traceparent` field value; blanks and tabs around it are ignored.
    ///
    /// Version 00 must be exactly 55 bytes long. A higher version is read by its first 55 bytes, if nothing or a
    /// dash follows ([Trace Context §3.2.4](https://www.w3.org/TR/trace-context-2/#versioning-of-traceparent)).
    ///
    /// # Errors
    ///
    /// Anything else: another length, version `ff`, upper case, ids that are all zero.
    #[inline]
    pub fn from_traceparent(text: &[u8]) -> Result<Self, InvalidTraceParent> {
        let text = if text.len() == LENGTH { text } else { trim_blanks(text) };
        let Some((head, rest)) = text.split_first_chunk::<LENGTH>() else {
            return Err(InvalidTraceParent(()));
        };
        let mut decoder = Decoder::default();
        let trace = decoder.thirty_two(head, 3);
        let span = decoder.sixteen(head, 36);
        let dashes = head[2] == b'-' && head[35] == b'-' && head[52] == b'-';
        let flags = match (head[0], head[1], head[53], head[54]) {
            (b'0', b'0', b'0', flags @ b'0'..=b'3') if rest.is_empty() => Some(TraceFlags::from_bits(flags)),
            _ => unusual_flags(head, rest),
        };
        if !dashes || !decoder.is_sound() {
            return Err(InvalidTraceParent(()));
        }
        let trace_id = TraceId::from_u128(trace);
        match (trace_id, SpanId::from_u64(span), flags) {
            (Some(trace_id), Some(span_id), Some(flags)) => Ok(Self { trace_id, span_id, flags, remote: true }),
            _ => Err(InvalidTraceParent(())),
        }
    }

    /// Writes the identity as a version 00 `traceparent` field value.
    #[inline]
    #[must_use]
    pub fn to_traceparent(&self) -> [u8; 55] {
        let mut text = [b'-'; LENGTH];
        text[0] = b'0';
        text[1] = b'0';
        hex::encode32(&mut text, 3, self.trace_id.to_u128());
        hex::encode16(&mut text, 36, self.span_id.to_u64());
        text[53] = b'0';
        text[54] = b'0' + self.flags.bits();
        text
    }
}

// === impl InvalidTraceParent ===

impl fmt::Display for InvalidTraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("invalid traceparent: expected `00-<32 hex>-<16 hex>-<2 hex>` in lower case")
    }
}

impl std::error::Error for InvalidTraceParent {}

/// The flags, if version and length go together: of another version than 00, or with bits that nobody knows.
#[cold]
fn unusual_flags(head: &[u8; LENGTH], rest: &[u8]) -> Option<TraceFlags> {
    let mut decoder = Decoder::default();
    let ends = decoder.eight([b'0', b'0', b'0', b'0', head[0], head[1], head[53], head[54]]);
    let fits = match (ends >> 8, rest.first()) {
        (0, None) => true,
        (0 | 0xff, _) => false,
        (_, following) => matches!(following, None | Some(b'-')),
    };
    (fits && decoder.is_sound()).then(|| TraceFlags::from_bits(ends as u8))
}

/// Without blanks and tabs at either end: HTTP stacks strip them, brokers and files do not.
#[inline]
pub(crate) fn trim_blanks(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}

const LENGTH: usize = 55;
