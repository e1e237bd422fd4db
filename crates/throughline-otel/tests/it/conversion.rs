//! What becomes of our spans.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use opentelemetry::trace::{SpanId, SpanKind, Status};
use opentelemetry::{Array, KeyValue, Value};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};
use throughline_core as ours;
use throughline_core::{Clock, Context, Key, ManualClock, Resource, SpanContext, SpanEnd, SpanLimits, Tracer};
use throughline_export::{Batch, Exporter};
use throughline_otel::OtelExporter;

use crate::support;

#[derive(Clone, Debug, Default)]
struct Kept(Arc<Mutex<Seen>>);

#[derive(Debug, Default)]
struct Seen {
    spans: Vec<SpanData>,
    resources: Vec<opentelemetry_sdk::Resource>,
}

impl SpanExporter for Kept {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.0.lock().unwrap().spans.extend(batch);
        Ok(())
    }

    fn set_resource(&mut self, resource: &opentelemetry_sdk::Resource) {
        self.0.lock().unwrap().resources.push(resource.clone());
    }
}

fn converted(builder: ours::TracerBuilder, make: impl FnOnce(&Tracer)) -> Vec<SpanData> {
    let buffer = support::recorded(builder, make);
    let kept = Kept::default();
    let seen = Arc::clone(&kept.0);
    let mut exporter = OtelExporter::new(move || Ok::<_, std::io::Error>(kept)).unwrap();
    exporter.export(&Batch::new(&buffer, &Resource::new("orders"))).unwrap();
    std::mem::take(&mut seen.lock().unwrap().spans)
}

fn remote() -> SpanContext {
    SpanContext::from_traceparent(b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-03").unwrap()
}

#[test]
fn identity_is_kept() {
    let state = ours::TraceState::parse(b"rojo=1,congo=t61rcWkgMzE").unwrap();
    let parent = Context::ROOT.with_span_context(remote()).with_tracestate(Some(state));
    let mut id = None;
    let spans = converted(Tracer::builder(), |tracer| {
        let span = tracer.span("child").parent(&parent).start();
        id = span.span_context();
        let inner = tracer.span("inner").parent(&span.context()).start();
        inner.end(SpanEnd::Completed);
        span.end(SpanEnd::Completed);
        tracer.span("root").root().start().end(SpanEnd::Completed);
    });
    let [inner, child, root] = &spans[..] else { panic!("{spans:#?}") };

    let id = id.unwrap();
    assert_eq!(child.span_context.trace_id().to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(child.span_context.span_id().to_string(), id.span_id().to_string());
    assert_eq!(child.span_context.trace_flags().to_u8(), 3, "sampled and random");
    assert_eq!(child.span_context.trace_state().header(), "rojo=1,congo=t61rcWkgMzE");
    assert!(!child.span_context.is_remote(), "the span itself is local");
    assert_eq!(child.parent_span_id.to_string(), "00f067aa0ba902b7");
    assert!(child.parent_span_is_remote);

    assert_eq!(inner.parent_span_id, child.span_context.span_id());
    assert!(!inner.parent_span_is_remote);
    assert_eq!(root.parent_span_id, SpanId::INVALID);
    assert_eq!(child.instrumentation_scope.name(), "throughline");
    assert_eq!(child.instrumentation_scope.version(), Some(env!("CARGO_PKG_VERSION")));
}

#[test]
fn a_tracestate_that_opentelemetry_would_refuse_loses_only_the_refused_member() {
    for (given, kept, why) in [
        ("a=1,b=2", "a=1,b=2", "plain"),
        ("a@thevendorwhosenameislong=1,b=2", "b=2", "a vendor of more than 13 characters"),
        ("", "", "none"),
    ] {
        let state = ours::TraceState::parse(given.as_bytes()).ok();
        let parent = Context::ROOT.with_span_context(remote()).with_tracestate(state);
        let spans = converted(Tracer::builder(), |tracer| {
            tracer.span("child").parent(&parent).start().end(SpanEnd::Completed);
        });
        assert_eq!(spans[0].span_context.trace_state().header(), kept, "{why}");
    }
}

#[test]
fn names_and_kinds_are_kept() {
    for (kind, expected) in [
        (ours::SpanKind::Internal, SpanKind::Internal),
        (ours::SpanKind::Server, SpanKind::Server),
        (ours::SpanKind::Client, SpanKind::Client),
        (ours::SpanKind::Producer, SpanKind::Producer),
        (ours::SpanKind::Consumer, SpanKind::Consumer),
    ] {
        let spans = converted(Tracer::builder(), |tracer| {
            tracer.span("made at run time").kind(kind).start().end(SpanEnd::Completed);
            tracer.span(ours::SpanName::Static(&"static")).kind(kind).start().end(SpanEnd::Completed);
            let target = ours::SpanName::Target { verb: &"GET", target: "/users/{id}" };
            tracer.span(target).kind(kind).start().end(SpanEnd::Completed);
        });
        let names: Vec<_> = spans.iter().map(|span| &*span.name).collect();
        assert_eq!(names, ["made at run time", "static", "GET /users/{id}"]);
        assert!(spans.iter().all(|span| span.span_kind == expected), "{kind:?}");
    }
}

#[test]
fn every_type_of_value_is_kept() {
    let spans = converted(Tracer::builder(), |tracer| {
        tracer.span("values").start().end_with(SpanEnd::Completed, |span| {
            span.push("bool", true);
            span.push("int", -5_i64);
            span.push("float", 2.5);
            span.push("text", "é");
            span.push("static", ours::Value::Static(&"GET"));
            span.push("bytes", ours::Value::Bytes(b"a\xff"));
            span.push(Key::dynamic(&String::from("dynamic.key")), 1_u32);
            span.push("list", &["a", "b"]);
        });
    });
    assert_eq!(
        spans[0].attributes,
        [
            KeyValue::new("bool", true),
            KeyValue::new("int", -5_i64),
            KeyValue::new("float", 2.5),
            KeyValue::new("text", "é"),
            KeyValue::new("static", "GET"),
            KeyValue::new("bytes", "a\u{fffd}"),
            KeyValue::new("dynamic.key", 1_i64),
            KeyValue::new("list", Value::Array(Array::String(vec!["a".into(), "b".into()]))),
        ]
    );
}

#[test]
fn statuses_are_kept() {
    for (status, expected) in [
        (ours::Status::Unset, Status::Unset),
        (ours::Status::Ok, Status::Ok),
        (ours::Status::error(), Status::error("")),
        (ours::Status::Error { description: "disk full".into() }, Status::error("disk full")),
    ] {
        let spans = converted(Tracer::builder(), |tracer| {
            tracer.span("status").start().end_with(SpanEnd::Completed, |span| span.set_status(&status));
        });
        assert_eq!(spans[0].status, expected);
    }
}

#[test]
fn times_events_and_links_are_kept() {
    let manual = ManualClock::new();
    let clock = Clock::manual(&manual);
    let spans = converted(Tracer::builder().clock(clock.clone()), |tracer| {
        let span = tracer.span("work").start();
        manual.advance(Duration::from_millis(5));
        let at = clock.now();
        span.record(|span| {
            span.event_at("cache miss", at, &[("cache.name".into(), "users".into())]);
            span.event_at("again", at, &[]);
            span.link(remote(), &[("link.kind".into(), "retry".into())]);
        });
        manual.advance(Duration::from_millis(5));
        span.end(SpanEnd::Completed);
    });
    let span = &spans[0];
    assert_eq!(span.end_time, span.start_time + Duration::from_millis(10));
    let [miss, again] = &span.events[..] else { panic!("{span:#?}") };
    assert_eq!((&*miss.name, &*again.name), ("cache miss", "again"));
    assert_eq!(miss.timestamp, span.start_time + Duration::from_millis(5));
    assert_eq!(miss.attributes, [KeyValue::new("cache.name", "users")]);
    assert_eq!(again.attributes, []);
    let [link] = &span.links[..] else { panic!("{span:#?}") };
    assert_eq!(link.span_context.span_id().to_string(), "00f067aa0ba902b7");
    assert!(link.span_context.is_remote());
    assert_eq!(link.attributes, [KeyValue::new("link.kind", "retry")]);
}

#[test]
fn what_exceeded_the_limits_is_told() {
    let mut limits = SpanLimits::DEFAULT;
    (limits.attributes, limits.events, limits.links) = (1, 1, 1);
    (limits.event_attributes, limits.link_attributes) = (1, 1);
    let spans = converted(Tracer::builder().limits(limits), |tracer| {
        let much = tracer.span("much").start_with(|span| {
            let attributes: Vec<(Key<'_>, ours::Value<'_>)> = vec![("a".into(), 1.into()), ("b".into(), 2.into())];
            for _ in 0..3 {
                span.event("event", &attributes);
                span.link(remote(), &attributes);
            }
            for key in ["a", "b", "c", "d"] {
                span.push(key, true);
            }
        });
        much.end(SpanEnd::Completed);
    });
    let span = &spans[0];
    assert_eq!((span.attributes.len(), span.dropped_attributes_count), (1, 3));
    assert_eq!((span.events.len(), span.events.dropped_count), (1, 2));
    assert_eq!((span.links.len(), span.links.dropped_count), (1, 2));
    assert_eq!((span.events[0].attributes.len(), span.events[0].dropped_attributes_count), (1, 1));
    assert_eq!((span.links[0].attributes.len(), span.links[0].dropped_attributes_count), (1, 1));
}

#[test]
fn the_resource_is_told_once_per_change() {
    let kept = Kept::default();
    let seen = Arc::clone(&kept.0);
    let mut exporter = OtelExporter::new(move || Ok::<_, std::io::Error>(kept)).unwrap();
    let buffer = support::named(&["work"]);
    let orders = Resource::new("orders").with("host.cpus", 4).with("debug", true);
    exporter.export(&Batch::new(&buffer, &orders)).unwrap();
    exporter.export(&Batch::new(&buffer, &orders)).unwrap();
    exporter.export(&Batch::new(&buffer, &Resource::new("billing"))).unwrap();

    let seen = seen.lock().unwrap();
    let [orders, billing] = &seen.resources[..] else { panic!("{seen:#?}") };
    let get = |resource: &opentelemetry_sdk::Resource, key: &'static str| resource.get(&key.into());
    assert_eq!(get(orders, "service.name"), Some(Value::from("orders")));
    assert_eq!(get(orders, "host.cpus"), Some(Value::I64(4)));
    assert_eq!(get(orders, "debug"), Some(Value::Bool(true)));
    assert_eq!(orders.len(), 3, "nothing that the SDK detects by itself");
    assert_eq!(get(billing, "service.name"), Some(Value::from("billing")));
}
