//! A share of all traces, the same ones everywhere.

use std::fmt;
use std::str::FromStr;

use rand::RngExt as _;

use super::{Sampler, SamplingDecision, SamplingInput, ot_member};
use crate::hex;

/// Records a share of all traces, the same ones in every service that uses this rule, and says which share: the backend
/// can tell how many traces there were.
///
/// A trace is recorded if and only if *R* ≥ *T*. *R* is the `rv` of the tracestate member `ot`, else the right-most 56
/// bits of the trace id; *T* is the [`Threshold`] of the share. Recorded spans carry *T* as `th` in `ot`; spans that are
/// not lose it. A root whose [`IdGenerator`](crate::IdGenerator) does not promise random ids draws an `rv` of its own
/// ([OpenTelemetry, TraceState: Probability Sampling](https://opentelemetry.io/docs/specs/otel/trace/tracestate-probability-sampling/)).
///
/// It decides at every span that it is asked about. Below [`ParentBased`](super::ParentBased) it is asked at roots, and
/// what they carry reaches all that is below them.
///
/// ```
/// use throughline_core::{ParentBased, Probability, Tracer};
///
/// let tracer = Tracer::builder().sampler(ParentBased::new(Probability::new(0.25))).build();
/// let span = tracer.span("request").start();
/// let state = span.context().tracestate().map(ToString::to_string);
/// assert_eq!(state.as_deref(), span.context().is_sampled().then_some("ot=th:c"));
/// # drop(span);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Probability {
    /// Nothing is recorded without one.
    threshold: Option<Threshold>,
}

/// Records a share of all traces, the same ones in every service that uses this rule.
///
/// As [`Probability`], with the exact ratio, and without telling anybody: OpenTelemetry's `TraceIdRatioBased`, which is
/// kept as it is for those who have it.
#[derive(Clone, Copy, Debug)]
pub struct TraceIdRatio {
    threshold: u64,
}

/// What share of traces is rejected, in 2⁻⁵⁶: 0 rejects none.
///
/// Its text is one to 14 lower-case hex digits, from the left, without zeros at the end: `c` rejects three of four, `0`
/// none.
///
/// ```
/// use throughline_core::Threshold;
///
/// let threshold = Threshold::of_ratio(0.25).unwrap();
/// assert_eq!(threshold.to_string(), "c");
/// assert_eq!("c".parse(), Ok(threshold));
/// assert_eq!(Threshold::of_ratio(0.0), None);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Threshold(u64);

/// The text was not a [`Threshold`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct InvalidThreshold(());

// === impl Probability ===

impl Probability {
    /// Records this share of all traces; what lies outside 0 to 1 is taken as the nearer end, and NaN as 0.
    ///
    /// The threshold has four significant digits, as the specification recommends: one in 65,536 is the coarsest error.
    #[must_use]
    pub fn new(ratio: f64) -> Self {
        Self { threshold: Threshold::of_ratio(ratio) }
    }
}

impl Sampler for Probability {
    fn sample(&self, input: &SamplingInput<'_>) -> SamplingDecision {
        let known = input.tracestate().and_then(|state| ot_member::random_value(&state));
        // Level 2: whoever begins a trace and cannot promise a random id makes up for it.
        let drawn = (known.is_none() && input.parent().is_none() && !input.has_random_trace_id())
            .then(|| rand::rng().random::<u64>() & (RANGE - 1));
        let random = known.or(drawn).unwrap_or_else(|| of_trace_id(input));
        let threshold = self.threshold.filter(|threshold| random >= threshold.0);
        let decision = SamplingDecision::of(threshold.is_some()).with_threshold(threshold);
        match drawn {
            Some(drawn) => decision.with_randomness(drawn),
            None => decision,
        }
    }
}

// === impl TraceIdRatio ===

impl TraceIdRatio {
    /// Records this share of all traces; what lies outside 0 to 1 is taken as the nearer end, and NaN as 0.
    #[must_use]
    pub fn new(ratio: f64) -> Self {
        Self { threshold: RANGE - kept(ratio) }
    }
}

impl Sampler for TraceIdRatio {
    fn sample(&self, input: &SamplingInput<'_>) -> SamplingDecision {
        let random = input.tracestate().and_then(|state| ot_member::random_value(&state));
        SamplingDecision::of(random.unwrap_or_else(|| of_trace_id(input)) >= self.threshold)
    }
}

// === impl Threshold ===

impl Threshold {
    /// Rejects nothing.
    pub const ALL: Self = Self(0);

    /// The threshold that lets this share pass, with four significant digits; nothing if that is none.
    #[must_use]
    pub fn of_ratio(ratio: f64) -> Option<Self> {
        let kept = kept(ratio);
        if kept == 0 {
            return None;
        }
        let exact = RANGE - kept;
        // Near the ends the first digits are all alike, and tell nothing.
        let alike = |value: u64| (value.leading_zeros() - (u64::BITS - BITS)) / 4;
        let digits = (PRECISION + alike(exact).max(alike(kept.min(RANGE - 1)))).min(DIGITS);
        let cut = 4 * (DIGITS - digits);
        let rounded = if cut == 0 { exact } else { (exact + (1 << (cut - 1))) >> cut << cut };
        Some(Self(rounded.min(RANGE - 1)))
    }

    /// The share of traces that pass, between 2⁻⁵⁶ and 1.
    #[must_use]
    pub fn ratio(self) -> f64 {
        (RANGE - self.0) as f64 / RANGE as f64
    }
}

impl fmt::Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = format!("{:014x}", self.0);
        let short = digits.trim_end_matches('0');
        f.write_str(if short.is_empty() { "0" } else { short })
    }
}

impl FromStr for Threshold {
    type Err = InvalidThreshold;

    fn from_str(text: &str) -> Result<Self, InvalidThreshold> {
        let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
        let value = if length > DIGITS { None } else { hex::padded(text.as_bytes()) };
        value.map(|value| Self((value as u64) << (4 * (DIGITS - length)))).ok_or(InvalidThreshold(()))
    }
}

// === impl InvalidThreshold ===

impl fmt::Display for InvalidThreshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("invalid sampling threshold: expected 1 to 14 lower-case hex digits")
    }
}

impl std::error::Error for InvalidThreshold {}

/// The right-most seven bytes.
fn of_trace_id(input: &SamplingInput<'_>) -> u64 {
    input.trace_id().to_u128() as u64 & (RANGE - 1)
}

/// A ratio in 2⁻⁵⁶.
fn kept(ratio: f64) -> u64 {
    let kept = if ratio >= 1.0 { RANGE as f64 } else { (ratio.max(0.0) * RANGE as f64).round() };
    (kept as u64).min(RANGE)
}

const BITS: u32 = 56;
const DIGITS: u32 = BITS / 4;
const PRECISION: u32 = 4;
/// What the right-most seven bytes of a trace id can hold.
pub(super) const RANGE: u64 = 1 << BITS;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_have_four_significant_digits() {
        for (ratio, wanted) in [
            (1.0, Some("0")),
            (2.0, Some("0")),
            (f64::INFINITY, Some("0")),
            (0.75, Some("4")),
            (0.5, Some("8")),
            (0.25, Some("c")),
            (0.1, Some("e666")),
            (1.0 / 3.0, Some("aaab")),
            (2.0 / 3.0, Some("5555")),
            (0.01, Some("fd70a")),
            (0.001, Some("ffbe77")),
            (0.99, Some("028f6")),
            (1.0 / 256.0, Some("ff")),
            (2_f64.powi(-56), Some("ffffffffffffff")),
            (2_f64.powi(-57), Some("ffffffffffffff")),
            (2_f64.powi(-60), None),
            (0.0, None),
            (-1.0, None),
            (f64::NAN, None),
        ] {
            let threshold = Threshold::of_ratio(ratio);
            assert_eq!(threshold.map(|threshold| threshold.to_string()).as_deref(), wanted, "{ratio}");
            if let Some(threshold) = threshold {
                assert_eq!(threshold.to_string().parse(), Ok(threshold));
                let ratio = ratio.clamp(2_f64.powi(-56), 1.0);
                assert!((threshold.ratio() / ratio - 1.0).abs() < 1.0 / 4096.0, "{ratio}: {}", threshold.ratio());
            }
        }
    }

    #[test]
    fn texts_that_are_no_thresholds_are_refused() {
        for text in ["", "0123456789abcde", "C", "g", "+1", "0x1", "é"] {
            assert!(text.parse::<Threshold>().is_err(), "{text:?}");
        }
        assert_eq!("c0".parse(), "c".parse::<Threshold>(), "zeros at the end say nothing");
        assert_eq!("00".parse(), Ok(Threshold::ALL));
    }
}
