//! What one side knows of a trace, in words that all sides share.

use serde::{Deserialize, Serialize};
use throughline::propagation::Extracted;
use throughline::{Context, Member, SamplingState, SpanContext, TraceState};

/// What was read from headers, or what a span's context says.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Facts {
    /// Empty where there is none; so is the span's.
    pub(crate) trace_id: String,
    pub(crate) span_id: String,
    /// One of [`word`]'s.
    pub(crate) sampling: String,
    pub(crate) tracestate: String,
    /// `key=value`, decoded, with the properties as they were written.
    pub(crate) baggage: Vec<String>,
}

/// What an SDK says of a context.
#[derive(Debug, Deserialize)]
pub(crate) struct Told {
    trace_id: Option<String>,
    span_id: Option<String>,
    sampled: bool,
    remote: bool,
    debug: Option<bool>,
    tracestate: String,
    baggage: Vec<String>,
}

// === impl Facts ===

impl Facts {
    pub(crate) fn of_extracted(extracted: &Extracted<'_>) -> Self {
        // Taken over without a span: what was written is seen as it is.
        let context = extracted.to_context(&Context::ROOT);
        Self::of_parts(extracted.span_context(), extracted.sampling_state(), &context)
    }

    pub(crate) fn of_context(context: &Context) -> Self {
        Self::of_parts(context.span_context(), context.sampling_state(), context)
    }

    fn of_parts(span: Option<SpanContext>, sampling: SamplingState, context: &Context) -> Self {
        Self {
            trace_id: span.map(|span| span.trace_id().to_string()).unwrap_or_default(),
            span_id: span.map(|span| span.span_id().to_string()).unwrap_or_default(),
            sampling: word(sampling).to_owned(),
            tracestate: context.tracestate().map(TraceState::as_str).unwrap_or_default().to_owned(),
            baggage: pairs(context),
        }
    }

    /// The names and values, for comparison: blanks and holes in tracestate and the order of baggage say nothing.
    pub(crate) fn fields(&self) -> [(&'static str, String); 5] {
        let mut baggage = self.baggage.clone();
        baggage.sort();
        let members = self.tracestate.split(',').map(str::trim).filter(|member| !member.is_empty());
        [
            ("trace id", self.trace_id.clone()),
            ("span id", self.span_id.clone()),
            ("sampling", self.sampling.clone()),
            ("tracestate", members.collect::<Vec<_>>().join(",")),
            ("baggage", baggage.join(" | ")),
        ]
    }
}

// === impl Told ===

impl Told {
    pub(crate) fn facts(&self) -> Facts {
        Facts {
            trace_id: self.trace_id.clone().unwrap_or_default(),
            span_id: self.span_id.clone().unwrap_or_default(),
            sampling: match (self.debug, self.sampled) {
                (Some(true), _) => word(SamplingState::Debug),
                (_, sampled) => word(SamplingState::of_flag(sampled)),
            }
            .to_owned(),
            tracestate: self.tracestate.clone(),
            baggage: self.baggage.clone(),
        }
    }

    pub(crate) fn is_remote(&self) -> bool {
        self.remote
    }
}

/// The name of a sampling state.
pub(crate) fn word(state: SamplingState) -> &'static str {
    match state {
        SamplingState::Defer => "defer",
        SamplingState::Deny => "deny",
        SamplingState::Accept => "accept",
        SamplingState::Debug => "debug",
    }
}

fn pairs(context: &Context) -> Vec<String> {
    let of_member = |member: &Member| {
        let mut text = format!("{}={}", member.key(), member.value());
        for (key, value) in member.properties() {
            text.push(';');
            text.push_str(key);
            if let Some(value) = value {
                text.push('=');
                text.push_str(value);
            }
        }
        text
    };
    context.baggage().iter().map(of_member).collect()
}
