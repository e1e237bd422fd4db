//! What is known about the sampling of a trace, and who decides when nothing is.

use std::fmt;

use crate::attribute::Attributes;
use crate::hex::Decoder;
use crate::tracer::Draft;
use crate::{SpanContext, SpanKind, SpanName, TraceId, TraceState};

/// What a parent said about sampling; it may have said it without ids.
///
/// W3C knows two answers, B3 and X-Ray four: "no", "yes", "you decide" and "yes, and keep everything".
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum SamplingState {
    /// Nobody has decided yet: the local root does.
    #[default]
    Defer,
    /// Not to be recorded.
    Deny,
    /// To be recorded.
    Accept,
    /// To be recorded, past any rate limit.
    Debug,
}

/// What a [`Sampler`] answered.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct SamplingDecision {
    recorded: bool,
    sampled: bool,
}

/// Decides which spans are recorded, before anything of them is copied.
///
/// A sampler is called on the request's path, once per span: it must not block. One that panics counts as
/// [`DROP`](SamplingDecision::DROP) and is counted in [`Stats::hook_panics`](crate::Stats::hook_panics).
///
/// ```
/// use throughline_core::{Sampler, SamplingDecision, SamplingInput};
///
/// #[derive(Debug)]
/// struct NoHealthChecks;
///
/// impl Sampler for NoHealthChecks {
///     fn sample(&self, input: &SamplingInput<'_>) -> SamplingDecision {
///         match input.attribute("url.path").as_deref() {
///             Some("/healthz") => SamplingDecision::DROP,
///             _ => SamplingDecision::SAMPLE,
///         }
///     }
/// }
/// ```
pub trait Sampler: fmt::Debug + Send + Sync + 'static {
    /// Decides on one span.
    fn sample(&self, input: &SamplingInput<'_>) -> SamplingDecision;

    /// Whether it always does what a parent has decided, whatever else there is to see: such a sampler is only asked
    /// where no parent has.
    fn follows_parent(&self) -> bool {
        false
    }
}

/// What a [`Sampler`] may look at: a borrowed view of the span to be.
pub struct SamplingInput<'a> {
    pub(crate) parent: Option<&'a SpanContext>,
    pub(crate) state: SamplingState,
    pub(crate) trace_id: TraceId,
    pub(crate) tracestate: &'a [u8],
    pub(crate) kind: SpanKind,
    pub(crate) draft: &'a dyn Draft,
    pub(crate) attributes: &'a dyn Attributes,
}

/// Records every span.
#[derive(Clone, Copy, Debug, Default)]
pub struct AlwaysOn;

/// Records no span; contexts are propagated all the same.
#[derive(Clone, Copy, Debug, Default)]
pub struct AlwaysOff;

/// Does what the parent did, and asks another sampler where there is no parent or it left the decision open.
///
/// ```
/// use throughline_core::{ParentBased, TraceIdRatio};
///
/// let one_in_ten = ParentBased::new(TraceIdRatio::new(0.1));
/// # let _ = one_in_ten;
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct ParentBased<S = AlwaysOn> {
    root: S,
}

/// Records a share of all traces, the same ones in every service that uses this rule.
///
/// A trace is recorded if and only if *R* ≥ *T*: *R* is the right-most 56 bits of the trace id, or the `rv` that the
/// `ot` entry of the tracestate gives; *T* is (1 − ratio) · 2⁵⁶
/// ([OpenTelemetry, TraceState: Probability Sampling](https://opentelemetry.io/docs/specs/otel/trace/tracestate-probability-sampling/)).
#[derive(Clone, Copy, Debug)]
pub struct TraceIdRatio {
    threshold: u64,
}

// === impl SamplingState ===

impl SamplingState {
    /// What the W3C *sampled* flag says.
    #[must_use]
    pub const fn of_flag(sampled: bool) -> Self {
        if sampled { Self::Accept } else { Self::Deny }
    }

    /// Whether the parent asked for the trace to be recorded.
    #[must_use]
    pub const fn is_sampled(self) -> bool {
        matches!(self, Self::Accept | Self::Debug)
    }
}

// === impl SamplingDecision ===

impl SamplingDecision {
    /// The span is not recorded; its context is propagated with the *sampled* flag cleared.
    pub const DROP: Self = Self { recorded: false, sampled: false };

    /// The span is recorded for listeners and processors and is not handed to the sink, unless a processor asks for
    /// that; its context is propagated with the *sampled* flag cleared.
    pub const RECORD: Self = Self { recorded: true, sampled: false };

    /// The span is recorded and handed to the sink.
    pub const SAMPLE: Self = Self { recorded: true, sampled: true };

    /// [`SAMPLE`](Self::SAMPLE) or [`DROP`](Self::DROP).
    #[must_use]
    pub const fn of(sampled: bool) -> Self {
        if sampled { Self::SAMPLE } else { Self::DROP }
    }

    /// Whether the span is handed to the sink, and its trace recorded further down.
    #[must_use]
    pub const fn is_sampled(self) -> bool {
        self.sampled
    }

    /// Whether the span is recorded, if only for this process.
    #[must_use]
    pub const fn is_recorded(self) -> bool {
        self.recorded
    }
}

// === impl SamplingInput ===

impl SamplingInput<'_> {
    /// The span that the new one is a child of.
    #[must_use]
    pub fn parent(&self) -> Option<&SpanContext> {
        self.parent
    }

    /// What the parent said, with or without ids.
    #[must_use]
    pub fn state(&self) -> SamplingState {
        self.state
    }

    /// The trace that the span will belong to.
    #[must_use]
    pub fn trace_id(&self) -> TraceId {
        self.trace_id
    }

    /// The vendors' entries that came with the parent. They are checked here, by the call.
    #[must_use]
    pub fn tracestate(&self) -> Option<TraceState> {
        if self.tracestate.is_empty() { None } else { TraceState::parse(self.tracestate).ok() }
    }

    /// The kind of the span to be.
    #[must_use]
    pub fn kind(&self) -> SpanKind {
        self.kind
    }

    /// The name of the span to be. It is made here, by the call.
    #[must_use]
    pub fn name(&self) -> SpanName<'_> {
        self.draft.name()
    }

    /// The attributes that are known now. They are visited, not collected: a look costs a pass over them.
    #[must_use]
    pub fn attributes(&self) -> &dyn Attributes {
        self.attributes
    }

    /// The text of one attribute.
    #[must_use]
    pub fn attribute(&self, key: &str) -> Option<String> {
        let mut found = None;
        self.attributes.visit(&mut |name: crate::Key<'_>, value: crate::Value<'_>| {
            if name.as_str() == key {
                found = Some(value.to_string());
            }
        });
        found
    }
}

impl fmt::Debug for SamplingInput<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SamplingInput")
            .field("name", &self.name())
            .field("kind", &self.kind)
            .field("parent", &self.parent)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}

// === impl Sampler ===

impl Sampler for AlwaysOn {
    #[inline]
    fn sample(&self, _: &SamplingInput<'_>) -> SamplingDecision {
        SamplingDecision::SAMPLE
    }
}

impl Sampler for AlwaysOff {
    #[inline]
    fn sample(&self, _: &SamplingInput<'_>) -> SamplingDecision {
        SamplingDecision::DROP
    }
}

impl<S> ParentBased<S> {
    /// Asks `root` where no parent has decided.
    #[must_use]
    pub const fn new(root: S) -> Self {
        Self { root }
    }
}

impl<S: Sampler> Sampler for ParentBased<S> {
    #[inline]
    fn sample(&self, input: &SamplingInput<'_>) -> SamplingDecision {
        match input.state {
            SamplingState::Accept | SamplingState::Debug => SamplingDecision::SAMPLE,
            SamplingState::Deny => SamplingDecision::DROP,
            SamplingState::Defer => self.root.sample(input),
        }
    }

    fn follows_parent(&self) -> bool {
        true
    }
}

impl TraceIdRatio {
    /// Records this share of all traces; what lies outside 0 to 1 is taken as the nearer end, and NaN as 0.
    #[must_use]
    pub fn new(ratio: f64) -> Self {
        let kept = if ratio >= 1.0 { RANGE as f64 } else { (ratio.max(0.0) * RANGE as f64).round() };
        Self { threshold: RANGE - (kept as u64).min(RANGE) }
    }
}

impl Sampler for TraceIdRatio {
    fn sample(&self, input: &SamplingInput<'_>) -> SamplingDecision {
        let random = match input.tracestate() {
            Some(state) => state.get("ot").and_then(random_value),
            None => None,
        };
        let random = random.unwrap_or(input.trace_id.to_u128() as u64 & (RANGE - 1));
        SamplingDecision::of(random >= self.threshold)
    }
}

impl<S: Sampler + ?Sized> Sampler for Box<S> {
    fn sample(&self, input: &SamplingInput<'_>) -> SamplingDecision {
        (**self).sample(input)
    }

    fn follows_parent(&self) -> bool {
        (**self).follows_parent()
    }
}

impl<S: Sampler + ?Sized> Sampler for std::sync::Arc<S> {
    fn sample(&self, input: &SamplingInput<'_>) -> SamplingDecision {
        (**self).sample(input)
    }

    fn follows_parent(&self) -> bool {
        (**self).follows_parent()
    }
}

/// `rv` of the `ot` entry: exactly 14 digits.
fn random_value(entry: &str) -> Option<u64> {
    let value = entry.split(';').find_map(|part| part.strip_prefix("rv:"))?;
    let digits: [u8; 14] = value.as_bytes().try_into().ok()?;
    let mut padded = [b'0'; 16];
    padded[2..].copy_from_slice(&digits);
    let mut decoder = Decoder::default();
    let value = decoder.sixteen(&padded, 0);
    decoder.is_sound().then_some(value)
}

/// 2⁵⁶: what the right-most seven bytes of a trace id can hold.
const RANGE: u64 = 1 << 56;
