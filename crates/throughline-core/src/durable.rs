//! Contexts that outlive their process: in a database row, a job's payload, a file.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use crate::propagation::Extracted;
use crate::{Baggage, BaggageField, Context, SamplingState, SpanContext, SpanId, TraceFlags, TraceId};

/// A context to be stored, as one line of printable text, and to be resumed later by whoever reads it.
///
/// It has the ids, the flags, what is known about sampling, tracestate and baggage. Without the last two it is 54 bytes
/// long. Who resumes it decides how: work that goes on where it was left is a child ([`to_context`](Self::to_context));
/// work that is done on its own account, hours later perhaps, is a new trace that links to the old one
/// ([`SpanBuilder::resume`](crate::SpanBuilder::resume)).
///
/// ```
/// use throughline_core::{Context, DurableContext, SpanContext, SpanEnd, Tracer};
///
/// let tracer = Tracer::builder().build();
/// let request = tracer.span("request").start();
/// let column = DurableContext::of(&request.context()).to_string();
/// request.end(SpanEnd::Completed);
///
/// let stored: DurableContext = column.parse()?;
/// let job = tracer.span("send invoice").resume(&stored).start(); // a root of its own that links to the request
/// # job.end(SpanEnd::Completed);
/// # Ok::<(), throughline_core::InvalidDurableContext>(())
/// ```
///
/// # Text
///
/// ```text
/// 1-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-21;t7:rojo=00;b8:tenant=7
/// │ trace                            span             ││   │         baggage: its length, its text
/// version                              sampling state ┘│   tracestate: its length, its text
///                                          trace flags ┘
/// ```
///
/// A context without ids has `1-` and the two digits. The sampling state is 0 for *defer*, 1 *deny*, 2 *accept*, 3
/// *debug*; the flags are W3C's. Sections of other letters are skipped: later versions may add some.
/// What stays in the process, local baggage and typed values, is not stored.
///
/// # Untrusted text
///
/// Whoever can write the row can choose the parent. A text is read within the limits of the wire: up to 8 KiB of baggage
/// and 32 members of tracestate, which are checked when somebody looks at them.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct DurableContext {
    span_context: Option<SpanContext>,
    sampling: SamplingState,
    tracestate: String,
    baggage: String,
}

/// The text was not that of a [`DurableContext`] of a version that can be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct InvalidDurableContext(());

// === impl DurableContext ===

impl DurableContext {
    /// The most bytes that a text is read of.
    pub const MAX_LENGTH: usize = HEAD + 2 * (2 + 5) + crate::TraceState::MAX_LENGTH + Baggage::MAX_LENGTH;

    /// What is to be stored of a context.
    #[must_use]
    pub fn of(context: &Context) -> Self {
        let tracestate = context.span_context().and(context.tracestate()).map(|state| state.as_str().to_owned());
        Self {
            // Whoever resumes it is another process, or as good as one.
            span_context: context.span_context().map(|span| span.with_remote(true)),
            sampling: context.sampling_state(),
            tracestate: tracestate.unwrap_or_default(),
            baggage: context.baggage().to_field(Baggage::MAX_LENGTH, |_| true).0,
        }
    }

    /// The current context, to be stored.
    #[must_use]
    pub fn current() -> Self {
        Self::of(&Context::current())
    }

    /// The same without baggage: for stores that others read.
    #[must_use]
    pub fn without_baggage(mut self) -> Self {
        self.baggage = String::new();
        self
    }

    /// The same with the baggage of these fields alone: what
    /// [`Composite::baggage_fields`](crate::propagation::Composite::baggage_fields) says of the wire holds for a wire only.
    #[must_use]
    pub fn keeping<'a>(mut self, fields: impl IntoIterator<Item = &'a BaggageField>) -> Self {
        let keys: Vec<_> = fields.into_iter().map(BaggageField::key).collect();
        self.baggage = self.baggage().to_field(Baggage::MAX_LENGTH, |key| keys.contains(&key)).0;
        self
    }

    /// The span that was current when the context was stored: what a span of later work links to.
    #[must_use]
    pub fn span_context(&self) -> Option<SpanContext> {
        self.span_context
    }

    /// What was known about sampling.
    #[must_use]
    pub fn sampling_state(&self) -> SamplingState {
        self.sampling
    }

    /// The application's pairs. They are parsed here, by the call.
    #[must_use]
    pub fn baggage(&self) -> Baggage {
        Baggage::parse(self.baggage.as_bytes())
    }

    /// The context as a remote parent, as if it had come over the wire: spans below it are children of the stored one.
    #[must_use]
    pub fn to_context(&self) -> Context {
        self.extracted().to_context(&Context::ROOT)
    }

    /// As what a propagator would have found, for [`Instrumenter::start_remote`](crate::Instrumenter::start_remote).
    #[must_use]
    pub fn extracted(&self) -> Extracted<'_> {
        let found = match self.span_context {
            Some(parent) => Extracted::NOTHING.with_parent(parent, self.sampling),
            None => Extracted::NOTHING.with_sampling(self.sampling),
        };
        found
            .with_tracestate(Cow::Borrowed(self.tracestate.as_bytes()))
            .with_baggage(Cow::Borrowed(self.baggage.as_bytes()))
    }

    fn parse(text: &str) -> Option<Self> {
        // One line: a carrier could not have the others.
        let is_printable = |byte: u8| byte == b'\t' || !byte.is_ascii_control();
        if text.len() > Self::MAX_LENGTH || !text.bytes().all(is_printable) {
            return None;
        }
        let (head, mut rest) = text.split_at(text.find(';').unwrap_or(text.len()));
        let mut this = match head.len() {
            HEAD => Self::with_ids(head.strip_prefix("1-")?.as_bytes())?,
            HEAD_WITHOUT_IDS => Self { sampling: state(head.strip_prefix("1-")?.as_bytes())?.0, ..Self::default() },
            _ => return None,
        };
        while let Some(section) = rest.strip_prefix(';') {
            let name = *section.as_bytes().first()?;
            let (length, after) = section.get(1..)?.split_once(':')?;
            let is_number = (1..=5).contains(&length.len()) && length.bytes().all(|digit| digit.is_ascii_digit());
            let length: usize = if is_number { length.parse().ok()? } else { return None };
            let (value, following) = (after.get(..length)?, after.get(length..)?);
            match name {
                b't' if this.span_context.is_some() && value.len() <= crate::TraceState::MAX_LENGTH => {
                    this.tracestate = value.to_owned();
                }
                b'b' if value.len() <= Baggage::MAX_LENGTH => this.baggage = value.to_owned(),
                b't' | b'b' => return None,
                _ => {}
            }
            rest = following;
        }
        rest.is_empty().then_some(this)
    }

    /// `{trace}-{span}-{state and flags}`.
    fn with_ids(text: &[u8]) -> Option<Self> {
        let (b'-', b'-') = (*text.get(32)?, *text.get(49)?) else { return None };
        let (trace, span) = (TraceId::from_hex(&text[..32])?, SpanId::from_hex(text.get(33..49)?)?);
        let (sampling, flags) = state(text.get(50..)?)?;
        let span = SpanContext::new(trace, span, flags).with_remote(true);
        let agree = flags.is_sampled() == sampling.is_sampled();
        agree.then(|| Self { span_context: Some(span), sampling, ..Self::default() })
    }
}

impl fmt::Display for DurableContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.sampling {
            SamplingState::Defer => 0,
            SamplingState::Deny => 1,
            SamplingState::Accept => 2,
            SamplingState::Debug => 3,
        };
        match self.span_context {
            Some(span) => write!(f, "1-{}-{}-{state}{}", span.trace_id(), span.span_id(), span.flags().bits())?,
            None => write!(f, "1-{state}0")?,
        }
        for (name, text) in [('t', &self.tracestate), ('b', &self.baggage)] {
            if !text.is_empty() {
                write!(f, ";{name}{}:{text}", text.len())?;
            }
        }
        Ok(())
    }
}

impl FromStr for DurableContext {
    type Err = InvalidDurableContext;

    fn from_str(text: &str) -> Result<Self, InvalidDurableContext> {
        // Blanks at the end may be baggage's.
        Self::parse(text.trim_start().trim_end_matches(['\r', '\n'])).ok_or(InvalidDurableContext(()))
    }
}

// === impl InvalidDurableContext ===

impl fmt::Display for InvalidDurableContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("invalid stored context: expected `1-<32 hex>-<16 hex>-<2 digits>` as `DurableContext` writes it")
    }
}

impl std::error::Error for InvalidDurableContext {}

/// A digit for the sampling state, and one for the flags.
fn state(digits: &[u8]) -> Option<(SamplingState, TraceFlags)> {
    let &[state, flags @ b'0'..=b'3'] = digits else { return None };
    let state = match state {
        b'0' => SamplingState::Defer,
        b'1' => SamplingState::Deny,
        b'2' => SamplingState::Accept,
        b'3' => SamplingState::Debug,
        _ => return None,
    };
    Some((state, TraceFlags::from_bits(flags - b'0')))
}

/// Bytes of version, ids and state.
const HEAD: usize = 2 + 32 + 1 + 16 + 1 + 2;
const HEAD_WITHOUT_IDS: usize = 2 + 2;
