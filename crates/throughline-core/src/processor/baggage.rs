//! Baggage on the spans themselves.

use std::borrow::Cow;

use super::{SpanProcessor, StartingSpan};
use crate::attribute::Key;

/// Copies named members of the [`Baggage`](crate::Baggage) to attributes when a span starts.
///
/// Baggage comes from whoever calls, and what it says is nothing to export unseen: only the keys that are named here are
/// copied, each as one attribute of the same name, or with a [prefix](Self::prefix). An attribute that the span has
/// already stays. The value is cut at [`SpanLimits::value_length`](crate::SpanLimits::value_length).
///
/// What is copied is the baggage that the span has from its parent, by each span for itself; baggage that is added later
/// is on the spans below. Where there is no baggage none is parsed.
///
/// ```
/// use throughline_core::processor::BaggageAttributes;
/// use throughline_core::{Baggage, Context, Tracer};
///
/// let tracer = Tracer::builder().processor(BaggageAttributes::new(["tenant"]).prefix("baggage.")).build();
/// let context = Context::ROOT.with_baggage(Baggage::new().with("tenant", "7")?.with("card", "4111")?);
/// let span = tracer.span("load user").parent(&context).start();
/// assert_eq!(span.record(|span| (span.has("baggage.tenant"), span.has("baggage.card"))), Some((true, false)));
/// # Ok::<(), throughline_core::InvalidBaggage>(())
/// ```
#[derive(Clone, Debug)]
pub struct BaggageAttributes {
    members: Vec<Named>,
}

#[derive(Clone, Debug)]
struct Named {
    key: Cow<'static, str>,
    attribute: Cow<'static, str>,
}

// === impl BaggageAttributes ===

impl BaggageAttributes {
    /// Copies these members, under their own names. Keys of baggage are case-sensitive.
    #[must_use]
    pub fn new(keys: impl IntoIterator<Item = impl Into<Cow<'static, str>>>) -> Self {
        let named = |key: Cow<'static, str>| Named { attribute: key.clone(), key };
        Self { members: keys.into_iter().map(|key| named(key.into())).collect() }
    }

    /// Puts this in front of each attribute's name; by default nothing.
    #[must_use]
    pub fn prefix(mut self, prefix: &str) -> Self {
        for member in &mut self.members {
            member.attribute = format!("{prefix}{}", member.key).into();
        }
        self
    }
}

impl SpanProcessor for BaggageAttributes {
    fn on_start(&self, span: &mut StartingSpan<'_>) {
        if !span.has_baggage() {
            return;
        }
        let baggage = span.baggage();
        span.record(|span| {
            for Named { key, attribute } in &self.members {
                let Some(value) = baggage.get(key).filter(|_| !span.has(attribute)) else { continue };
                match attribute {
                    // Known for as long as the process runs: it is not copied.
                    Cow::Borrowed(name) => span.push(Key::new(name), value),
                    Cow::Owned(name) => span.push(name, value),
                }
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::processor::on_start;
    use crate::{Context, SamplingDecision, SamplingInput, Tracer};

    #[derive(Debug)]
    struct Always(SamplingDecision);

    impl crate::Sampler for Always {
        fn sample(&self, _: &SamplingInput<'_>) -> SamplingDecision {
            self.0
        }
    }

    #[test]
    fn baggage_is_parsed_only_for_who_asks() {
        let asking = || Tracer::builder().processor(BaggageAttributes::new(["k"]));
        for (builder, parsed, why) in [
            (Tracer::builder(), false, "no processor"),
            (Tracer::builder().processor(on_start(|span| assert!(span.has_baggage()))), false, "one that does not ask"),
            (asking().sampler(Always(SamplingDecision::DROP)), false, "a span that is not recorded"),
            (asking().sampler(Always(SamplingDecision::RECORD)), true, "a span that is recorded"),
        ] {
            let context = Context::ROOT.with_received_baggage(b"k=v");
            let tracer = builder.build();
            let span = tracer.span("s").parent(&context).start();
            let extras = context.node().and_then(|node| node.extras.as_deref());
            assert_eq!(extras.map(|extras| extras.baggage.is_parsed()), Some(parsed), "{why}");
            assert_eq!(tracer.stats().hook_panics, 0, "{why}");
            drop(span);
        }
    }
}
