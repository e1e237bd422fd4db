//! Our finished spans as OpenTelemetry's.

use std::borrow::Cow;

use opentelemetry::trace::{Event, Link, SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState};
use opentelemetry::{Array, InstrumentationScope, Key, KeyValue, StringValue, Value};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};
use throughline_core as ours;
use throughline_core::{FinishedSpan, SpanName};
use throughline_export::Batch;

pub(crate) fn batch(batch: &Batch<'_>) -> Vec<SpanData> {
    let mut spans = Vec::with_capacity(batch.len());
    spans.extend(batch.spans().map(|finished| span(&finished)));
    spans
}

pub(crate) fn resource(resource: &ours::Resource) -> Resource {
    let attributes = resource.iter().map(|(key, text)| KeyValue::new(key.to_owned(), value(text.as_value())));
    Resource::builder_empty().with_attributes(attributes).build()
}

fn span(span: &FinishedSpan<'_>) -> SpanData {
    let mut events = SpanEvents::default();
    events.events = span.events().map(event).collect();
    events.dropped_count = span.dropped_events();
    let mut links = SpanLinks::default();
    links.links = span.links().map(link).collect();
    links.dropped_count = span.dropped_links();
    let scope = span.scope();
    SpanData {
        span_context: span_context(span.span_context(), tracestate(span)),
        parent_span_id: span.parent_span_id().map_or(SpanId::INVALID, span_id),
        parent_span_is_remote: span.parent_is_remote(),
        span_kind: kind(span.kind()),
        name: name(span.name()),
        start_time: span.start_time(),
        end_time: span.end_time(),
        attributes: attributes(span.attributes()),
        dropped_attributes_count: span.dropped_attributes(),
        events,
        links,
        status: status(span.status()),
        instrumentation_scope: InstrumentationScope::builder(scope.name).with_version(scope.version).build(),
    }
}

fn event(event: ours::Event<'_>) -> Event {
    let name = event.name().to_owned();
    Event::new(name, event.time(), attributes(event.attributes()), event.dropped_attributes())
}

fn link(link: ours::Link<'_>) -> Link {
    let target = span_context(link.span_context(), TraceState::NONE);
    Link::new(target, attributes(link.attributes()), link.dropped_attributes())
}

fn span_context(span: ours::SpanContext, tracestate: TraceState) -> SpanContext {
    SpanContext::new(
        TraceId::from_bytes(span.trace_id().to_bytes()),
        span_id(span.span_id()),
        TraceFlags::new(span.flags().bits()),
        span.is_remote(),
        tracestate,
    )
}

fn span_id(id: ours::SpanId) -> SpanId {
    SpanId::from_bytes(id.to_bytes())
}

/// Both sides follow level 2 of the specification, but for what tenants and vendors may be called: a list that
/// OpenTelemetry does not take as a whole loses the members that it objects to.
fn tracestate(span: &FinishedSpan<'_>) -> TraceState {
    let Some(state) = span.tracestate() else { return TraceState::NONE };
    TraceState::from_key_value(state.iter()).unwrap_or_else(|_| {
        let taken = state.iter().filter(|member| TraceState::from_key_value([*member]).is_ok());
        TraceState::from_key_value(taken).unwrap_or_default()
    })
}

fn kind(kind: ours::SpanKind) -> SpanKind {
    match kind {
        ours::SpanKind::Internal => SpanKind::Internal,
        ours::SpanKind::Server => SpanKind::Server,
        ours::SpanKind::Client => SpanKind::Client,
        ours::SpanKind::Producer => SpanKind::Producer,
        ours::SpanKind::Consumer => SpanKind::Consumer,
    }
}

fn name(name: SpanName<'_>) -> Cow<'static, str> {
    match name {
        SpanName::Static(name) => Cow::Borrowed(name),
        other => Cow::Owned(other.to_text().into_owned()),
    }
}

fn status(status: ours::Status) -> Status {
    match status {
        ours::Status::Unset => Status::Unset,
        ours::Status::Ok => Status::Ok,
        ours::Status::Error { description } => Status::Error { description },
    }
}

fn attributes<'a>(attributes: impl ExactSizeIterator<Item = (ours::Key<'a>, ours::Value<'a>)>) -> Vec<KeyValue> {
    attributes.map(|(key, text)| KeyValue::new(Key::from(key.as_str().to_owned()), value(text))).collect()
}

pub(crate) fn value(value: ours::Value<'_>) -> Value {
    match value {
        ours::Value::Bool(value) => Value::Bool(value),
        ours::Value::Int(value) => Value::I64(value),
        ours::Value::F64(value) => Value::F64(value),
        ours::Value::Static(text) => Value::String(StringValue::from(*text)),
        ours::Value::List(list) => {
            let texts = list.texts().map(|text| StringValue::from(text.into_owned()));
            Value::Array(Array::String(texts.collect()))
        }
        // Text that nobody has checked is checked here, on the exporter's thread.
        other => Value::String(StringValue::from(other.to_string())),
    }
}
