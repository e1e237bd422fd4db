//! Spans: identity, parents, writing, and that each ends exactly once and says how (law 4).

mod common;

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use common::{Job, Memory, SAMPLED, UNSAMPLED, catch, recorder, recorder_with, remote, written};
use throughline_core::propagation::Allow;
use throughline_core::{
    AlwaysOff, AlwaysOn, AttributeValue, Baggage, Clock, Context, IdGenerator, Instrumenter, Key, ManualClock,
    Resource, SamplingState, Scope, SemanticKey, SpanContext, SpanEnd, SpanId, SpanKind, SpanName, Status, TextList,
    TraceFlags, TraceId, TraceState, Tracer, Value,
};

fn text(value: &str) -> AttributeValue {
    AttributeValue::from(value)
}

fn keys(span: &throughline_core::SpanData) -> Vec<&str> {
    span.attributes.iter().map(|(key, _)| &**key).collect()
}

#[test]
fn a_root_begins_a_trace_with_random_ids() {
    let (tracer, memory) = recorder();
    let span = tracer.span("root").start();
    let id = span.span_context().unwrap();
    assert_eq!(id.flags(), TraceFlags::SAMPLED | TraceFlags::RANDOM);
    assert!(!id.is_remote());
    assert!(span.context().is_sampled() && span.is_recording());
    span.end(SpanEnd::Completed);
    let span = memory.one();
    assert_eq!((span.span_context, span.parent_span_id, span.parent_is_remote), (id, None, false));
    assert_eq!((span.kind, &*span.name, span.end), (SpanKind::Internal, "root", SpanEnd::Completed));
    assert_eq!((span.status, span.tracestate), (Status::Unset, None));
}

#[test]
fn a_child_has_its_parents_trace_and_an_id_of_its_own() {
    let (tracer, memory) = recorder();
    let parent = tracer.span("parent").start();
    let by_current = parent.context().scope(|| tracer.span("by current").start());
    let other = tracer.span("other").start();
    let by_hand = other.context().scope(|| tracer.span("by hand").parent(&parent.context()).start());
    let context = parent.context();
    for child in [by_current, by_hand] {
        child.end(SpanEnd::Completed);
        let child = memory.one();
        assert_eq!(child.parent_span_id, context.span_context().map(|id| id.span_id()), "{}", child.name);
        assert_eq!(child.span_context.trace_id(), context.span_context().unwrap().trace_id());
        assert_ne!(Some(child.span_context.span_id()), child.parent_span_id);
        assert!(!child.parent_is_remote);
    }
    drop((parent, other));
}

#[test]
fn a_root_ignores_what_is_current() {
    let (tracer, memory) = recorder();
    let ambient = Context::ROOT
        .with_span_context(remote(SAMPLED))
        .with_baggage(Baggage::new().with("k", "v").unwrap())
        .with_value(7);
    ambient.scope(|| {
        let span = tracer.span("root").root().start();
        assert!(span.context().baggage().is_empty() && span.context().value::<i32>().is_none());
        span.end(SpanEnd::Completed);
    });
    let span = memory.one();
    assert_eq!(span.parent_span_id, None);
    assert_ne!(span.span_context.trace_id(), remote(SAMPLED).trace_id());
}

#[test]
fn a_child_carries_what_its_parent_carried() {
    let (tracer, memory) = recorder();
    let context = Context::ROOT
        .with_span_context(remote(SAMPLED))
        .with_tracestate(Some(TraceState::parse(b"a=1,a=2").unwrap()))
        .with_baggage(Baggage::new().with("k", "v").unwrap())
        .with_value(7);
    let span = tracer.span("child").parent(&context).start();
    let child = span.context();
    assert_eq!(child.tracestate().map(TraceState::as_str), Some("a=1,a=2"), "duplicates included");
    assert_eq!((child.baggage().get("k"), child.value()), (Some("v"), Some(&7)));
    assert_eq!(written(&child, Allow::ALL)["tracestate"], "a=1,a=2");
    span.end(SpanEnd::Completed);
    assert_eq!(memory.one().tracestate.unwrap().as_str(), "a=1,a=2");
}

#[test]
fn an_unsampled_span_has_an_id_and_is_propagated() {
    let (tracer, memory) = recorder_with(|builder| builder.sampler(AlwaysOff));
    let outer = tracer.span("outer").start();
    let inner = tracer.span("inner").parent(&outer.context()).start();
    let (one, two) = (outer.span_context().unwrap(), inner.span_context().unwrap());
    assert_eq!(one.trace_id(), two.trace_id());
    assert_ne!(one.span_id(), two.span_id());
    assert_eq!(two.flags(), TraceFlags::RANDOM, "random all the same");
    assert!(!inner.is_recording() && !inner.context().is_sampled());
    let header = &written(&inner.context(), Allow::ALL)["traceparent"];
    assert_eq!(*header, format!("00-{}-{}-02", two.trace_id(), two.span_id()));
    inner.set("nobody", "cares");
    inner.end(SpanEnd::Failed);
    outer.end(SpanEnd::Completed);
    assert!(memory.spans().is_empty());
    assert_eq!(tracer.stats().late_writes, 0);
}

#[test]
fn the_sampled_flag_changes_only_together_with_the_id() {
    for (parent, tracer, sampled) in [
        (UNSAMPLED, Tracer::builder().sampler(AlwaysOn).build(), true),
        (SAMPLED, Tracer::builder().sampler(AlwaysOff).build(), false),
    ] {
        let context = Context::ROOT.with_span_context(remote(parent));
        assert_eq!(written(&context, Allow::ALL)["traceparent"], parent, "passed on without a span: as it came");
        let span = tracer.span("child").parent(&context).start();
        let child = span.span_context().unwrap();
        assert_eq!((child.trace_id(), child.is_sampled()), (remote(parent).trace_id(), sampled));
        assert_ne!(child.span_id(), remote(parent).span_id());
        drop(span);
    }
}

#[test]
fn the_random_flag_is_the_parents() {
    let (tracer, _) = recorder();
    for flags in ["00", "01", "02", "03"] {
        let parent = remote(&format!("{}{flags}", &SAMPLED[..53]));
        let span = tracer.span("child").parent(&Context::ROOT.with_span_context(parent)).start();
        assert_eq!(span.span_context().unwrap().flags(), parent.flags(), "neither set nor cleared: {flags}");
        drop(span);
    }
}

/// Counts; not random.
struct Counting(AtomicU64, bool);

impl IdGenerator for Counting {
    fn trace_id(&self) -> TraceId {
        TraceId::from_u128(0xabc_0000 + u128::from(self.0.fetch_add(1, Ordering::Relaxed))).expect("not zero")
    }

    fn span_id(&self) -> SpanId {
        SpanId::from_u64(0x100 + self.0.fetch_add(1, Ordering::Relaxed)).expect("not zero")
    }

    fn is_random(&self) -> bool {
        self.1
    }
}

#[test]
fn ids_may_come_from_elsewhere_and_say_whether_they_are_random() {
    for random in [false, true] {
        let (tracer, _) = recorder_with(|builder| builder.ids(Counting(AtomicU64::new(0), random)));
        let root = tracer.span("root").start();
        let child = tracer.span("child").parent(&root.context()).start();
        let (root_id, child_id) = (root.span_context().unwrap(), child.span_context().unwrap());
        assert_eq!((root_id.trace_id().to_u128(), root_id.span_id().to_u64()), (0xabc_0000, 0x101));
        assert_eq!((child_id.trace_id().to_u128(), child_id.span_id().to_u64()), (0xabc_0000, 0x102));
        assert_eq!((root_id.flags().is_random(), child_id.flags().is_random()), (random, random));
        drop((root, child));
    }
}

#[test]
fn a_local_root_is_written_to_from_everywhere_below_it() {
    let (tracer, memory) = recorder();
    let parent = Context::ROOT.with_span_context(remote(SAMPLED));
    let root = tracer.span("root").parent(&parent).start();
    let child = root.context().scope(|| tracer.span("child").start());
    let derived = child.context().with_value(7).with_baggage(Baggage::new().with("k", "v").unwrap());
    let grandchild = tracer.span("grandchild").parent(&derived).start();
    let contexts =
        [root.context(), root.context().with_value(1), child.context(), derived, grandchild.context().with_value(8)];
    for (at, context) in contexts.iter().enumerate() {
        thread::scope(|scope| scope.spawn(|| context.local_root_span().record(|span| span.push("at", at))).join())
            .unwrap();
        assert_eq!(context.local_root_span().span_context(), root.span_context());
    }
    root.end(SpanEnd::Completed);
    assert_eq!(memory.one().attributes.len(), contexts.len());
    grandchild.context().local_root_span().set("late", true);
    assert_eq!(tracer.stats().late_writes, 1);
    assert!(parent.local_root_span().span_context().is_none(), "a remote span is none of ours");
    assert!(Context::ROOT.local_root_span().span_context().is_none());
}

#[test]
fn a_local_root_that_is_not_recorded_cannot_be_written_to() {
    let (off, _) = recorder_with(|builder| builder.sampler(AlwaysOff));
    let (on, _memory) = recorder_with(|builder| builder.sampler(AlwaysOn));
    let root = off.span("root").start();
    let child = on.span("recorded all the same").parent(&root.context()).start();
    assert!(child.is_recording());
    assert!(child.context().local_root_span().span_context().is_none());
}

#[test]
fn a_name_keeps_its_verb_when_its_target_changes() {
    let target = |target| SpanName::Target { verb: &"GET", target };
    for (name, to, wanted, why) in [
        (SpanName::Static(&"GET"), "/users/{id}", "GET /users/{id}", "there was none"),
        (target("/a"), "/users/{id}", "GET /users/{id}", "longer"),
        (target("/users/{id}"), "/a", "GET /a", "shorter, in its old place"),
        (target("/a"), "", "GET", "none any more"),
        (SpanName::Text("work"), "/a", "/a", "one text has no verb"),
    ] {
        let (tracer, memory) = recorder();
        let span = tracer.span(name).start_with(|span| span.push("k", "untouched"));
        assert_eq!(span.record(|span| span.name_rank()), Some(0));
        span.context().span().record(|span| span.set_target(to, 3));
        assert_eq!(span.record(|span| span.name_rank()), Some(3));
        span.end(SpanEnd::Completed);
        let span = memory.one();
        assert_eq!(span.name, wanted, "{why}");
        assert_eq!(span.attribute("k"), Some(&text("untouched")), "{why}");
        // The next span of the same cell.
        let span = tracer.span("next").start();
        assert_eq!(span.record(|span| span.name_rank()), Some(0), "{why}");
        span.record(|span| span.set_name("by hand"));
        assert_eq!(span.record(|span| span.name_rank()), Some(u8::MAX), "{why}");
    }
}

#[test]
fn a_recording_shows_what_was_written() {
    let (tracer, _memory) = recorder();
    let span = tracer.span("span").start_with(|span| span.push("text", "é"));
    span.set("number", 7);
    span.set("static", Value::Static(&"s"));
    span.record(|span| {
        assert_eq!(span.attribute("text").and_then(|value| value.as_text()).as_deref(), Some("é"));
        assert_eq!(span.attribute("number"), Some(Value::Int(7)));
        assert_eq!(span.attribute("static"), Some(Value::Static(&"s")));
        assert_eq!(span.attribute("other"), None);
    });
}

#[test]
fn everything_that_was_written_comes_out_in_order() {
    static SCOPE: Scope = Scope { name: "scope", version: "1.2" };
    let (tracer, memory) = recorder_with(|builder| builder.resource(Resource::new("orders").with("zone", "b")));
    let attributes = [(Key::new("at.start"), Value::from(true))];
    let span = tracer
        .span("name")
        .kind(SpanKind::Client)
        .scope(&SCOPE)
        .attributes(&attributes)
        .start_with(|span| span.push("at.start.with", 1.5));
    let dynamic = String::from("dynamic");
    span.set(&dynamic, &dynamic);
    span.set("static", Value::Static(&"static"));
    span.set("bytes", Value::Bytes(b"\xff"));
    span.set("big", u64::MAX);
    span.set("list", &["a", "", "é, b"]);
    let lines: [&[u8]; 2] = [b"\xff", b"x"];
    span.set("lines", TextList::from(&lines[..]));
    let other = remote(UNSAMPLED);
    let current = span.context().span();
    current.event("event", &[(Key::new("n"), Value::from(1)), (Key::dynamic("s"), Value::from("x"))]);
    current.link(other, &[(Key::new("why"), Value::from("batch"))]);
    current.event("empty", &[]);
    current.set_status(&Status::Error { description: "broken".into() });
    span.record(|span| span.set_name(SpanName::Target { verb: &"GET", target: "/users/{id}" }));
    span.end_with(SpanEnd::Failed, |span| span.push("at.end", -1));
    let span = memory.one();
    assert_eq!(span.name, "GET /users/{id}");
    assert_eq!((span.kind, span.scope, span.end), (SpanKind::Client, SCOPE, SpanEnd::Failed));
    assert_eq!(span.status, Status::Error { description: "broken".into() });
    assert_eq!((span.service(), span.resource.get("zone")), ("orders", Some(&text("b"))));
    let wanted: Vec<(&str, AttributeValue)> = vec![
        ("at.start", true.into()),
        ("at.start.with", 1.5.into()),
        ("dynamic", text("dynamic")),
        ("static", text("static")),
        ("bytes", text("\u{fffd}")),
        ("big", i64::MAX.into()),
        ("list", ["a", "", "é, b"].into()),
        ("lines", ["\u{fffd}", "x"].into()),
        ("at.end", (-1).into()),
    ];
    assert_eq!(span.attributes.iter().map(|(k, v)| (&**k, v.clone())).collect::<Vec<_>>(), wanted);
    assert_eq!(span.attribute("list").unwrap().to_string(), "[a, , é, b]");
    assert_eq!(span.attribute("lines").unwrap().as_value(), Value::from(TextList::from(&["\u{fffd}", "x"][..])));
    assert_eq!(span.events.iter().map(|event| &*event.name).collect::<Vec<_>>(), ["event", "empty"]);
    assert_eq!(span.events[0].attributes, [("n".into(), 1.into()), ("s".into(), text("x"))]);
    assert!(span.events[1].attributes.is_empty());
    assert_eq!(span.links[0].span_context, other);
    assert_eq!(span.links[0].attributes, [("why".into(), text("batch"))]);
    assert_eq!((span.dropped_attributes, span.dropped_events, span.dropped_links), (0, 0, 0));
}

#[test]
fn set_replaces_in_place_and_push_does_not_look() {
    let (tracer, memory) = recorder();
    let span = tracer.span("span").start();
    let (key, same) = (String::from("k"), "k");
    span.set(same, 1);
    span.set("other", 2);
    span.set(&key, "three");
    span.set(Key::new("k"), "four");
    assert_eq!(span.record(|span| (span.has("k"), span.has("x"))), Some((true, false)));
    span.end_with(SpanEnd::Completed, |span| span.push("other", 5));
    let span = memory.one();
    assert_eq!(keys(&span), ["k", "other", "other"]);
    assert_eq!((span.attribute("k"), span.attribute("other")), (Some(&text("four")), Some(&2.into())));
}

#[test]
fn the_last_error_counts_unless_somebody_said_ok() {
    let (tracer, memory) = recorder();
    let error = |text: &'static str| Status::Error { description: text.into() };
    for (writes, wanted, why) in [
        (vec![], Status::Unset, "nothing said"),
        (vec![error("a"), error("b")], error("b"), "the last one"),
        (vec![error("a"), Status::Unset], error("a"), "unset says nothing"),
        (vec![error("a"), Status::Ok], Status::Ok, "ok overrides"),
        (vec![Status::Ok, error("a")], Status::Ok, "and is final"),
    ] {
        let span = tracer.span("span").start();
        for status in &writes {
            span.record(|span| span.set_status(status));
        }
        span.end(SpanEnd::Completed);
        assert_eq!(memory.one().status, wanted, "{why}");
    }
}

#[test]
fn an_error_type_makes_an_error() {
    let (tracer, memory) = recorder();
    let span = tracer.span("span").start();
    span.span_ref().set_error("timeout");
    assert_eq!(span.record(|span| span.is_error()), Some(true));
    span.end(SpanEnd::Failed);
    let span = memory.one();
    assert_eq!((span.status.is_error(), span.attribute("error.type")), (true, Some(&text("timeout"))));
}

#[test]
fn an_error_type_does_not_erase_the_description() {
    let (tracer, memory) = recorder();
    let span = tracer.span("span").start();
    span.span_ref().set_status(&Status::Error { description: "disk full".into() });
    span.span_ref().set_error("io");
    span.end(SpanEnd::Failed);
    assert_eq!(memory.one().status, Status::Error { description: "disk full".into() });
}

#[test]
fn each_end_says_how() {
    let (tracer, memory) = recorder();
    for (end, outcome, status, error) in [
        (SpanEnd::Completed, None, Status::Unset, None),
        (SpanEnd::Failed, None, Status::error(), None),
        (SpanEnd::Cancelled, Some("cancelled"), Status::Unset, None),
        (SpanEnd::Panicked, Some("panicked"), Status::error(), Some("panic")),
    ] {
        tracer.span("span").start().end(end);
        let span = memory.one();
        assert_eq!((span.end, span.status.clone()), (end, status), "{end:?}");
        assert_eq!(span.attribute("throughline.outcome"), outcome.map(text).as_ref(), "{end:?}");
        assert_eq!(span.attribute("error.type"), error.map(text).as_ref(), "{end:?}");
    }
    assert_eq!(tracer.stats().abandoned, 0);
}

#[test]
fn a_dropped_span_ends_as_cancelled_and_is_counted() {
    let (tracer, memory) = recorder();
    drop(tracer.span("span").start());
    assert_eq!(memory.one().end, SpanEnd::Cancelled);
    assert!(catch(|| {
        let _span = tracer.span("span").start();
        panic!("on purpose");
    }));
    assert_eq!(memory.one().end, SpanEnd::Cancelled, "`drop` does not ask whether a thread panics");
    assert_eq!(tracer.stats().abandoned, 2);
}

#[test]
fn nobody_who_knows_a_span_keeps_it_open() {
    let (tracer, memory) = recorder();
    let span = tracer.span("span").start();
    let (context, handle) = (span.context(), span.span_ref());
    let derived = context.with_value(1);
    std::mem::forget(context.clone());
    assert!(handle.is_recording() && derived.span().is_recording());
    handle.set("in.time", 1);
    span.end(SpanEnd::Completed);
    let ended = memory.one();
    assert_eq!(keys(&ended), ["in.time"]);
    for (at, late) in [handle, context.span(), derived.span()].into_iter().enumerate() {
        assert!(!late.is_recording());
        assert_eq!(late.span_context(), Some(ended.span_context), "the identity stays");
        late.set("late", 1);
        late.event("late", &[]);
        assert_eq!(late.record(|_| ()), None);
        assert_eq!(tracer.stats().late_writes, 3 * (at as u64 + 1));
    }
    drop((context, derived));
    assert!(memory.spans().is_empty(), "ended once");
    assert_eq!(tracer.stats().abandoned, 0);
}

#[test]
fn derived_contexts_write_to_the_same_span() {
    let (tracer, memory) = recorder();
    let span = tracer.span("span").start();
    let derived =
        span.context().with_baggage(Baggage::new().with("k", "v").unwrap()).with_value(1).with_tracestate(None);
    derived.scope(|| Context::current().span().set("from.derived", 1));
    assert_eq!(derived.span().span_context(), span.span_context());
    let child = tracer.span("child").parent(&derived).start();
    assert_eq!(child.context().baggage().get("k"), Some("v"));
    child.context().span().set("of.child", 1);
    let id = span.span_context().unwrap();
    child.end(SpanEnd::Completed);
    span.end(SpanEnd::Completed);
    let spans = memory.take();
    assert_eq!((spans[0].parent_span_id, keys(&spans[0])), (Some(id.span_id()), vec!["of.child"]));
    assert_eq!(keys(&spans[1]), ["from.derived"]);
}

#[test]
fn a_context_below_somebody_elses_span_writes_to_none() {
    let (tracer, memory) = recorder();
    let span = tracer.span("span").start();
    let elsewhere = span.context().with_span_context(remote(SAMPLED));
    elsewhere.span().set("lost", 1);
    assert!(!elsewhere.span().is_recording());
    span.end(SpanEnd::Completed);
    assert!(memory.one().attributes.is_empty());
    assert_eq!(tracer.stats().late_writes, 0, "it never was open");
}

#[test]
fn a_panic_while_writing_does_not_close_the_span() {
    let (tracer, memory) = recorder();
    let span = tracer.span("span").start();
    let handle = span.span_ref();
    assert!(catch(|| {
        handle.record(|span| {
            span.set("before", 1);
            panic!("on purpose");
        });
    }));
    handle.set("after", 2);
    span.end(SpanEnd::Completed);
    assert_eq!(keys(&memory.one()), ["before", "after"]);
}

#[test]
fn a_panic_in_the_last_word_still_ends_the_span_once() {
    for kept in [false, true] {
        let (tracer, memory) = recorder();
        let span = tracer.span("span").start();
        let context = kept.then(|| span.context());
        assert!(catch(|| span.end_with(SpanEnd::Completed, |_| panic!("on purpose"))));
        assert_eq!(memory.spans().len(), 1, "kept: {kept}");
        drop(context);
        tracer.span("next").start().end(SpanEnd::Completed);
        assert_eq!(memory.spans().len(), 2);
    }
}

#[test]
fn durations_are_the_clocks() {
    let manual = ManualClock::new();
    let (tracer, memory) = recorder_with(|builder| builder.clock(Clock::manual(&manual)));
    let span = tracer.span("span").start();
    manual.advance(Duration::from_millis(5));
    let child = tracer.span("child").parent(&span.context()).start();
    manual.advance(Duration::from_nanos(7));
    child.end(SpanEnd::Completed);
    span.end(SpanEnd::Completed);
    tracer.span("none").start().end(SpanEnd::Completed);
    let spans = memory.take();
    assert_eq!(spans[0].duration, Duration::from_nanos(7));
    assert_eq!(spans[1].duration, Duration::from_nanos(5_000_007));
    assert_eq!(spans[0].start_time, spans[1].start_time + Duration::from_millis(5));
    assert_eq!(spans[2].duration, Duration::ZERO);
}

#[test]
fn events_happen_by_the_same_clock() {
    let manual = ManualClock::new();
    let (tracer, memory) = recorder_with(|builder| builder.clock(Clock::manual(&manual)));
    let span = tracer.span("span").start();
    manual.advance(Duration::from_secs(5));
    span.span_ref().event("by handle", &[]);
    span.record(|span| span.event("by recording", &[]));
    span.end(SpanEnd::Completed);
    let span = memory.one();
    for event in &span.events {
        assert_eq!(event.time, span.start_time + Duration::from_secs(5), "{}", event.name);
    }
}

#[test]
fn a_start_time_may_be_given() {
    let (tracer, memory) = recorder();
    let earlier = Instant::now();
    let before = tracer.span("marker").start();
    let span = tracer.span("span").start_time(earlier).start();
    span.record(|span| span.event_at("at", earlier, &[]));
    span.end(SpanEnd::Completed);
    before.end(SpanEnd::Completed);
    let spans = memory.take();
    assert!(spans[0].start_time <= spans[1].start_time);
    assert_eq!(spans[0].events[0].time, spans[0].start_time);
    let future = Instant::now() + Duration::from_secs(3600);
    tracer.span("future").start_time(future).start().end(SpanEnd::Completed);
    assert_eq!(memory.one().duration, Duration::ZERO, "never negative");
}

#[test]
fn a_child_never_starts_before_its_parent() {
    let (tracer, memory) = recorder();
    let mut spans = vec![tracer.span("0").start()];
    for depth in 1..50 {
        Clock::resync();
        let context = spans[depth - 1].context().with_value(depth);
        let start = || tracer.span(&format!("{depth}")).parent(&context).start();
        spans.push(if depth % 2 == 0 { start() } else { thread::scope(|scope| scope.spawn(start).join().unwrap()) });
    }
    while let Some(span) = spans.pop() {
        span.end(SpanEnd::Completed);
    }
    let spans = memory.take();
    for pair in spans.windows(2) {
        let (child, parent) = (&pair[0], &pair[1]);
        assert_eq!(child.parent_span_id, Some(parent.span_context.span_id()));
        assert!(child.start_time >= parent.start_time);
        assert!(child.start_time + child.duration <= parent.start_time + parent.duration);
    }
}

#[test]
fn writers_on_other_threads_race_with_the_end_and_nothing_is_lost_or_doubled() {
    let (tracer, memory) = recorder();
    for round in 0..200_u64 {
        let before = tracer.stats().late_writes;
        let span = tracer.span("span").start();
        let contexts: Vec<_> = (0..2).map(|n| span.context().with_value(n)).collect();
        let writes = 20;
        let barrier = std::sync::Barrier::new(3);
        thread::scope(|scope| {
            for context in &contexts {
                let barrier = &barrier;
                scope.spawn(move || {
                    barrier.wait();
                    for at in 0..writes {
                        context.span().record(|span| span.push("k", at));
                    }
                });
            }
            barrier.wait();
            for _ in 0..round % 7 {
                thread::yield_now();
            }
            span.end(SpanEnd::Completed);
        });
        let written = memory.one().attributes.len() as u64;
        let late = tracer.stats().late_writes - before;
        assert_eq!(written + late, 2 * writes, "every write is in the span or counted");
    }
}

#[test]
fn spans_may_end_on_any_thread() {
    let (tracer, memory) = recorder();
    let span = tracer.span("span").start();
    let id = span.span_context();
    thread::spawn(move || span.end(SpanEnd::Completed)).join().unwrap();
    assert_eq!(Some(memory.one().span_context), id);
}

fn job(tracer: &Tracer, kind: SpanKind, key: SemanticKey) -> Instrumenter<Job> {
    Instrumenter::new(tracer, Job::new(kind, Some(key)))
}

#[test]
fn nested_operations_of_one_kind_are_suppressed() {
    let (tracer, memory) = recorder();
    let client = job(&tracer, SpanKind::Client, SemanticKey::HttpClient);
    let rpc = job(&tracer, SpanKind::Client, SemanticKey::RpcClient);
    let outer = client.start(&1);
    let context = outer.context();
    assert!(!client.should_start(&context), "the same key");
    assert!(rpc.should_start(&context), "another key");
    assert!(!context.with_value(1).scope(|| client.should_start_here()), "below it");
    assert_eq!(tracer.stats().suppressed, 2);
    let inner = rpc.start_in(&context, &1);
    assert!(!client.should_start(&inner.context()) && !rpc.should_start(&inner.context()), "both are in the context");
    client.end(inner, &2, SpanEnd::Completed);
    client.end(outer, &2, SpanEnd::Completed);
    let spans = memory.take();
    assert_eq!(spans[1].attributes, [("job.request".into(), 1.into()), ("job.response".into(), 2.into())]);
    assert!(client.should_start(&Context::ROOT));
}

#[test]
fn an_operation_without_key_is_never_suppressed_but_by_everything() {
    let (tracer, _) = recorder();
    let plain = Instrumenter::new(&tracer, Job::new(SpanKind::Internal, None));
    let outer = plain.start(&1);
    assert!(plain.should_start(&outer.context()));
    assert!(!plain.should_start(&outer.context().with_instrumentation_suppressed()));
    drop(outer);
}

#[test]
fn where_a_service_is_entered_nothing_is_suppressed() {
    let (tracer, _) = recorder();
    for kind in [SpanKind::Server, SpanKind::Consumer] {
        let client = job(&tracer, SpanKind::Client, SemanticKey::HttpClient);
        let server = job(&tracer, kind, SemanticKey::HttpServer);
        let outer = client.start(&1);
        let entered = server.start_in(&outer.context(), &1);
        assert!(client.should_start(&entered.context()), "the caller's keys are the caller's: {kind:?}");
        assert!(!server.should_start(&entered.context()));
        drop((outer, entered));
    }
}

#[test]
fn a_tracer_that_is_off_starts_nothing_and_says_so() {
    let (tracer, _) = recorder_with(|builder| builder.enabled(false));
    let client = job(&tracer, SpanKind::Client, SemanticKey::HttpClient);
    assert!(!tracer.is_enabled() && !client.should_start(&Context::ROOT) && !client.should_start_here());
    assert_eq!(tracer.stats().suppressed, 0, "that is no suppression");
    assert!(client.tracer().propagator().fields_len() > 0, "it propagates all the same");
}

trait FieldsLen {
    fn fields_len(&self) -> usize;
}

impl FieldsLen for throughline_core::propagation::Composite {
    fn fields_len(&self) -> usize {
        throughline_core::propagation::Propagator::fields(self).len()
    }
}

#[test]
fn nothing_is_recorded_without_a_tracer() {
    let parent = Context::ROOT.with_span_context(remote(SAMPLED));
    for tracer in [Tracer::noop().clone(), Tracer::current()] {
        let span = tracer.span("span").parent(&parent).start();
        assert!(!span.is_recording() && span.context().is_sampled(), "the context goes on");
        assert_eq!(written(&span.context(), Allow::ALL)["traceparent"], SAMPLED, "as it is: there is no span");
        span.end(SpanEnd::Completed);
    }
}

#[test]
fn where_everything_is_suppressed_there_is_no_span() {
    let (tracer, memory) = recorder();
    let quiet = Context::ROOT.with_span_context(remote(SAMPLED)).with_instrumentation_suppressed();
    for kind in [SpanKind::Internal, SpanKind::Server, SpanKind::Client] {
        let span = tracer.span("span").kind(kind).parent(&quiet).start();
        assert_eq!(span.span_context(), quiet.span_context(), "{kind:?}: the context goes on as it is");
        assert!(span.context().is_instrumentation_suppressed(), "{kind:?}");
        span.set("nobody", "cares");
        span.end(SpanEnd::Completed);
    }
    assert!(memory.spans().is_empty());
    assert_eq!((tracer.stats().late_writes, tracer.stats().abandoned), (0, 0));
}

#[test]
fn each_tracer_has_its_own_sink_and_counters() {
    let (one, one_spans) = recorder();
    let (two, two_spans) = recorder();
    for _ in 0..5 {
        one.span("one").start().end(SpanEnd::Completed);
        two.span("two").start().end(SpanEnd::Completed);
    }
    drop(one.span("one").start());
    assert!(one_spans.take().iter().all(|span| span.name == "one"));
    assert!(two_spans.take().iter().all(|span| span.name == "two"));
    assert_eq!((one.stats().abandoned, two.stats().abandoned), (1, 0));
}

#[test]
fn a_sink_may_use_the_tracer_itself() {
    struct Reentrant(Memory);

    impl throughline_core::SpanSink for Reentrant {
        fn on_end(&self, span: &throughline_core::FinishedSpan<'_>) {
            self.0.on_end(span);
            let inner = Tracer::noop().span("inner").start();
            let _guard = inner.context().attach();
            inner.end(SpanEnd::Completed);
        }
    }

    let memory = Memory::default();
    let tracer = Tracer::builder().sink(Reentrant(memory.clone())).build();
    let span = tracer.span("span").start();
    let context = span.context();
    context.scope(|| span.end(SpanEnd::Completed));
    drop(context);
    assert_eq!(memory.one().name, "span");
    assert_eq!(tracer.stats().hook_panics, 0);
}

#[test]
fn the_identity_given_to_a_context_decides_on_its_children() {
    let (tracer, memory) = recorder();
    let denied = Context::ROOT.with_span_context(remote(UNSAMPLED));
    assert_eq!(denied.sampling_state(), SamplingState::Deny);
    tracer.span("child").parent(&denied).start().end(SpanEnd::Completed);
    assert!(memory.spans().is_empty());
    let local = SpanContext::new(remote(SAMPLED).trace_id(), remote(SAMPLED).span_id(), TraceFlags::SAMPLED);
    tracer.span("child").parent(&Context::ROOT.with_span_context(local)).start().end(SpanEnd::Completed);
    assert!(!memory.one().parent_is_remote);
}
