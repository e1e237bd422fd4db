//! What a traced future is until it starts, while it runs, and when it ends.

use std::borrow::Cow;
use std::mem;

use throughline_core::{
    AttributeValue, Context, Key, Recording, SamplingState, Span, SpanEnd, SpanKind, Tracer, Value,
};

/// A span that is to be started.
pub(crate) struct Plan {
    pub(crate) parent: Context,
    pub(crate) name: Cow<'static, str>,
    pub(crate) kind: SpanKind,
    pub(crate) linked: bool,
    /// Few have any: one word for all the others.
    pub(crate) more: Option<Box<More>>,
}

#[derive(Default)]
pub(crate) struct More {
    pub(crate) tracer: Option<Tracer>,
    pub(crate) attributes: Vec<(Cow<'static, str>, AttributeValue)>,
}

/// A span that has started, and its context for attaching.
pub(crate) struct Running {
    /// None where instrumentation is switched off: the parent's context is passed on.
    span: Option<Span>,
    pub(crate) context: Context,
    /// Set while the future runs: still set afterwards if it unwound.
    pub(crate) unwound: bool,
}

/// Ends a span when it goes out of scope, whatever happens until then.
pub(crate) struct Ending {
    pub(crate) running: Running,
    pub(crate) end: SpanEnd,
}

// === impl Plan ===

impl Plan {
    pub(crate) fn start(&self) -> Running {
        let tracer = self.more.as_deref().and_then(|more| more.tracer.as_ref()).or(self.parent.tracer());
        let tracer = tracer.unwrap_or_else(|| Tracer::global());
        let quiet = !tracer.is_enabled() || self.parent.is_instrumentation_suppressed();
        let span = (!quiet).then(|| self.start_with(tracer));
        let context = span.as_ref().map_or_else(|| self.parent.clone(), Span::context);
        Running { span, context, unwound: false }
    }

    fn start_with(&self, tracer: &Tracer) -> Span {
        let attributes = self.more.as_deref().map_or(&[][..], |more| &more.attributes);
        let attributes: Vec<(Key<'_>, Value<'_>)> =
            attributes.iter().map(|(name, value)| (key(name), value.as_value())).collect();
        let builder = tracer.span(&*self.name).kind(self.kind).attributes(&attributes);
        if self.linked {
            let link = self.parent.span_context();
            builder.parent(&detached(&self.parent)).start_with(|span| {
                if let Some(spawner) = link {
                    span.link(spawner, &[]);
                }
            })
        } else {
            builder.parent(&self.parent).start()
        }
    }
}

/// The same context without a trace: baggage and values stay, ids, sampling and tracestate do not.
fn detached(context: &Context) -> Context {
    if context.is_root() {
        return Context::ROOT;
    }
    // A decision against the ids' own takes the ids away; then the decision goes as well.
    let other = if context.is_sampled() { SamplingState::Deny } else { SamplingState::Accept };
    context.with_sampling_state(other).with_sampling_state(SamplingState::Defer).with_tracestate(None)
}

#[expect(clippy::ptr_arg, reason = "a borrowed name is known at compile time, and need not be copied")]
fn key<'a>(name: &'a Cow<'static, str>) -> Key<'a> {
    match name {
        Cow::Borrowed(name) => Key::new(name),
        Cow::Owned(name) => Key::dynamic(name),
    }
}

// === impl Running ===

impl Running {
    pub(crate) fn set(&self, (name, value): &(Cow<'static, str>, AttributeValue)) {
        if let Some(span) = &self.span {
            span.set(key(name), value.as_value());
        }
    }

    pub(crate) fn end(&mut self, end: SpanEnd, last: impl FnOnce(&mut Recording<'_>)) {
        // First: with no other holder the span ends without a lock and its memory is used again.
        drop(mem::take(&mut self.context));
        if let Some(span) = self.span.take() {
            span.end_with(end, last);
        }
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.running.end(self.end, |_| {});
    }
}
