//! Processors: their order, what their verdicts do, that what they take back is gone, and what their panics cost.

mod common;

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use common::{Memory, SAMPLED, recorder_with, remote};
use throughline_core::processor::{
    self, BaggageAttributes, EndingSpan, SpanProcessor, StartingSpan, Verdict, essential, on_end, on_start,
};
use throughline_core::{
    AlwaysOff, AttributeValue, Baggage, Context, Edit, End, FinishedSpan, Key, Listener, Recording, Sampler,
    SamplingDecision, SamplingInput, SpanBuffer, SpanEnd, SpanLimits, SpanName, SpanSink, Start, Status, Tracer, Value,
};

type Log = Arc<Mutex<Vec<String>>>;

/// Notes what it is shown, and says what it was told to.
struct Noting(&'static str, Log, Verdict);

impl Noting {
    fn note(&self, what: &str) {
        self.1.lock().expect("no panic under the lock").push(format!("{} {what}", self.0));
    }
}

impl SpanProcessor for Noting {
    fn on_start(&self, span: &mut StartingSpan<'_>) {
        self.note(&format!("start {}", span.name()));
    }

    fn on_end(&self, span: &mut EndingSpan<'_>) -> Verdict {
        self.note(&format!("end {}", span.view().name()));
        self.2
    }
}

impl Listener for Noting {
    fn start(&self, _: &Start<'_>) {
        self.note("start");
    }

    fn end(&self, _: &End<'_>) {
        self.note("end");
    }
}

impl SpanSink for Noting {
    fn on_end(&self, span: &FinishedSpan<'_>) {
        self.note(&format!("end {}", span.name()));
    }
}

/// Records everything and samples nothing.
#[derive(Debug)]
struct RecordOnly;

impl Sampler for RecordOnly {
    fn sample(&self, _: &SamplingInput<'_>) -> SamplingDecision {
        SamplingDecision::RECORD
    }
}

/// Copies every span as an exporter does.
#[derive(Clone, Default)]
struct Copies(Arc<Mutex<SpanBuffer>>);

impl SpanSink for Copies {
    fn on_end(&self, span: &FinishedSpan<'_>) {
        self.0.lock().expect("no panic under the lock").push(span);
    }
}

impl Copies {
    /// Whether the bytes lie anywhere in the copied spans' memory.
    fn hold(&self, text: &str) -> bool {
        let bytes: Vec<_> = text.bytes().map(|byte| byte.to_string()).collect();
        format!("{:?}", self.0.lock().expect("no panic under the lock")).contains(&bytes.join(", "))
    }
}

#[test]
fn processors_come_after_listeners_in_their_order_and_before_the_sink() {
    let log = Log::default();
    let noting = |name, verdict| Noting(name, Arc::clone(&log), verdict);
    for (verdict, passed) in [(Verdict::Pass, true), (Verdict::Keep, true), (Verdict::Drop, false)] {
        let tracer = Tracer::builder()
            .processor(noting("one", Verdict::Pass))
            .processor(noting("two", verdict))
            .processor(noting("three", Verdict::Pass))
            .listener(noting("listener", Verdict::Pass))
            .sink(noting("sink", Verdict::Pass))
            .build();
        for kept in [false, true] {
            let span = tracer.span("s").start();
            let context = kept.then(|| span.context());
            span.end(SpanEnd::Completed);
            drop(context);
            let mut wanted =
                vec!["listener start", "one start s", "two start s", "three start s", "listener end", "one end s"];
            wanted.push("two end s");
            if passed {
                wanted.extend(["three end s", "sink end s"]);
            }
            assert_eq!(std::mem::take(&mut *log.lock().expect("no panic under the lock")), wanted, "{verdict:?}");
        }
        let dropped = if passed { 0 } else { 2 };
        assert_eq!(tracer.stats().spans_dropped_by_processors, dropped, "{verdict:?}");
    }
}

#[test]
fn what_the_sampler_said_and_the_processors_verdicts_together_say_what_is_exported() {
    use Verdict::{Drop, Keep, Pass};
    for (sampled, verdicts, exported, why) in [
        (true, &[Pass][..], true, "as the sampler decided"),
        (false, &[Pass], false, "as the sampler decided"),
        (false, &[Keep], true, "kept"),
        (false, &[Keep, Pass], true, "kept by an earlier one"),
        (false, &[Keep, Drop], false, "dropped by a later one"),
        (true, &[Drop, Keep], false, "a later one does not see it"),
        (true, &[Keep], true, "once"),
    ] {
        let (tracer, memory) = recorder_with(|mut builder| {
            for verdict in verdicts {
                builder = builder.processor(on_end(move |_| *verdict));
            }
            if sampled { builder } else { builder.sampler(RecordOnly) }
        });
        tracer.span("s").start().end(SpanEnd::Completed);
        let spans = memory.spans();
        assert_eq!(spans.len(), usize::from(exported), "{why}: {verdicts:?}");
        assert!(spans.iter().all(|span| span.span_context.is_sampled() == sampled), "{why}: the flag stays");
    }
}

#[test]
fn spans_that_nobody_but_a_listener_records_are_not_shown() {
    let log = Log::default();
    let tracer = Tracer::builder()
        .sampler(AlwaysOff)
        .listener(Noting("listener", Arc::clone(&log), Verdict::Pass))
        .processor(Noting("processor", Arc::clone(&log), Verdict::Keep))
        .build();
    tracer.span("s").start().end(SpanEnd::Completed);
    assert_eq!(*log.lock().expect("no panic under the lock"), ["listener start", "listener end"]);
}

#[test]
fn a_span_that_starts_shows_what_it_is() {
    let seen = Log::default();
    let log = Arc::clone(&seen);
    let tracer = Tracer::builder()
        .processor(on_start(move |span| {
            let root = span.local_root().map(|root| root == span.span_context());
            log.lock().expect("no panic under the lock").push(format!(
                "{} {} {:?} {} {} {root:?}",
                span.name(),
                span.kind().as_str(),
                span.attribute("a"),
                span.is_sampled(),
                span.is_local_root()
            ));
        }))
        .build();
    let parent = Context::ROOT.with_span_context(remote(SAMPLED));
    let root = tracer.span("GET").parent(&parent).start_with(|span| span.push("a", 1));
    let child = tracer.span("child").parent(&root.context()).start();
    assert_eq!(
        *seen.lock().expect("no panic under the lock"),
        ["GET internal Some(Int(1)) true true Some(true)", "child internal None true false Some(false)"]
    );
    drop((root, child));
}

type Write = fn(&mut Recording<'_>);

#[test]
fn what_is_taken_back_is_not_in_the_memory_that_is_exported() {
    const SECRET: &str = "4111111111111111";
    let fill = |span: &mut Recording<'_>| {
        let (key, name) = (format!("key-{SECRET}"), format!("event-{SECRET}"));
        span.push("before", "abc");
        span.push("card", SECRET);
        span.push(&key, 1);
        span.push("list", &["x", SECRET]);
        span.set_name(SECRET);
        span.set_status(&Status::Error { description: SECRET.into() });
        span.event(&name, &[(Key::new("card"), Value::from(SECRET)), (Key::new("n"), Value::from(1))]);
        span.event("other", &[(Key::dynamic(&key), Value::from(SECRET)), (Key::new("o"), Value::from(2))]);
        span.link(remote(SAMPLED), &[(Key::new("card"), Value::from(SECRET)), (Key::new("l"), Value::from(3))]);
        span.push("after", "xyz");
    };
    let nested: Write = |span| {
        span.retain_events(|name| !name.starts_with("event-"));
        span.retain_links(|_| false);
    };
    let own: Write = |span| {
        span.set_name("a name that is longer than the old one");
        span.set_status(&Status::Error { description: "".into() });
    };
    let cases: [(&str, Write); 5] = [
        ("removed by key", |span| {
            let key = "key-4111111111111111";
            assert!(span.remove("card") && span.remove(key) && span.remove("list") && !span.remove("card"));
        }),
        ("retained", |span| span.retain(|key, _| matches!(key.as_str(), "before" | "after"))),
        ("shorter", |span| {
            span.set("card", "x");
            span.set("list", "y");
            span.remove("key-4111111111111111");
        }),
        ("longer", |span| {
            span.set("card", "something that is longer than it was");
            span.set("list", &["something", "that is longer than it was"]);
            span.remove("key-4111111111111111");
        }),
        ("a number", |span| {
            span.set("card", 1);
            span.set("list", true);
            span.remove("key-4111111111111111");
        }),
    ];
    let edit: Write = |span| {
        span.edit(|key, value| match (key.as_str(), value.to_string().contains("4111")) {
            (key, _) if key.contains("4111") => Edit::Remove,
            (_, true) => Edit::Replace("[redacted]".into()),
            _ => Edit::Keep,
        });
    };
    for listens in [false, true] {
        for at_end in [true, false] {
            for (why, redact) in cases {
                let copies = Copies::default();
                let whole = move |span: &mut Recording<'_>| {
                    redact(span);
                    nested(span);
                    // What is left: the attributes of the other event.
                    edit(span);
                    own(span);
                };
                let mut builder = Tracer::builder().sink(copies.clone());
                if listens {
                    builder = builder.listener(Noting("", Log::default(), Verdict::Pass));
                }
                let builder = match at_end {
                    true => builder.processor(on_end(move |span| {
                        span.record(whole);
                        Verdict::Pass
                    })),
                    false => builder.processor(on_start(move |span| span.record(whole))),
                };
                let tracer = builder.build();
                tracer.span("s").start_with(fill).end(SpanEnd::Completed);
                assert!(!copies.hold(SECRET), "{why}, at the end {at_end}, listener {listens}");
                assert!(copies.hold("abc") && copies.hold("xyz"), "{why}: the rest is there");
                assert_eq!(tracer.stats().hook_panics, 0, "{why}");
            }
        }
    }
    // The other way: nothing is taken back.
    let copies = Copies::default();
    Tracer::builder().sink(copies.clone()).build().span("s").start_with(fill).end(SpanEnd::Completed);
    assert!(copies.hold(SECRET));
}

#[test]
fn edit_goes_through_attributes_events_and_links() {
    let (tracer, memory) = recorder_with(|builder| {
        builder.processor(on_end(|span| {
            span.record(|span| {
                span.edit(|key, _| match key.as_str() {
                    "gone" => Edit::Remove,
                    "changed" => Edit::Replace("new".into()),
                    _ => Edit::Keep,
                });
            });
            Verdict::Pass
        }))
    });
    let all = [
        (Key::new("gone"), Value::from("1")),
        (Key::new("a"), Value::from("2")),
        (Key::new("changed"), Value::from(3)),
        (Key::new("gone"), Value::from(4)),
    ];
    let span = tracer.span("s").start_with(|span| {
        for (key, value) in all {
            span.push(key, value);
        }
        for name in ["one", "two"] {
            span.event(name, &all);
            span.event("none", &[]);
            span.link(remote(SAMPLED), &all);
        }
    });
    span.end(SpanEnd::Completed);
    let span = memory.one();
    let wanted: Vec<(std::borrow::Cow<'static, str>, AttributeValue)> =
        vec![("a".into(), "2".into()), ("changed".into(), "new".into())];
    assert_eq!(span.attributes, wanted);
    assert_eq!(span.events.len(), 4);
    assert!(span.events.iter().all(|event| event.attributes == if event.name == "none" { &[][..] } else { &wanted }));
    assert!(span.links.iter().all(|link| link.attributes == wanted));
}

/// An answer that panics leaves what it was asked about, and the rest, as it was.
#[test]
fn an_edit_that_panics_leaves_a_whole_span() {
    for at in 0..9 {
        let asked = Arc::new(AtomicU32::new(0));
        let (tracer, memory) = recorder_with(|builder| {
            builder.processor(on_end(move |span| {
                span.record(|span| {
                    span.edit(|_, _| {
                        assert_ne!(asked.fetch_add(1, Ordering::Relaxed), at, "on purpose");
                        Edit::Remove
                    });
                });
                Verdict::Pass
            }))
        });
        let three = [("a", 1), ("b", 2), ("c", 3)].map(|(key, value)| (Key::new(key), Value::from(value)));
        let span = tracer.span("s").start_with(|span| {
            for (key, value) in three {
                span.push(key, value);
            }
            span.event("one", &three[..2]);
            span.event("two", &three[2..]);
            span.link(remote(SAMPLED), &three);
        });
        span.end(SpanEnd::Completed);
        let span = memory.one();
        let nested = span.events.iter().flat_map(|event| &event.attributes);
        let linked = span.links.iter().flat_map(|link| &link.attributes);
        let left: Vec<_> = span.attributes.iter().chain(nested).chain(linked).map(|(key, _)| key.as_ref()).collect();
        assert_eq!(left, ["a", "b", "c", "a", "b", "c", "a", "b", "c"][at as usize..], "at {at}");
    }
}

#[test]
fn a_rewritten_value_that_has_no_room_is_not_left_as_it_was() {
    let mut limits = SpanLimits::DEFAULT;
    limits.text_length = 20;
    for listens in [false, true] {
        let (tracer, memory) = recorder_with(|builder| {
            let builder = builder.limits(limits).processor(on_start(|span| span.set("n", "a text")));
            if listens { builder.listener(Noting("", Log::default(), Verdict::Pass)) } else { builder }
        });
        let span = tracer.span(SpanName::Static(&"s")).start_with(|span| {
            span.push("filler", "x".repeat(20).as_str());
            span.push("n", 42);
        });
        span.end(SpanEnd::Completed);
        let span = memory.one();
        assert_eq!((span.attribute("n"), span.dropped_attributes), (None, 1));
        assert_eq!(span.attributes.len(), 1);
    }
}

/// Compares what is shown of the start at the end with what was shown at the start.
#[derive(Clone, Default)]
struct Starts(Log);

fn shown(attributes: &dyn throughline_core::Attributes) -> String {
    let mut text = String::new();
    attributes.visit(&mut |key: Key<'_>, value: Value<'_>| text.push_str(&format!(" {}={value}", key.as_str())));
    text
}

impl Listener for Starts {
    fn start(&self, start: &Start<'_>) {
        self.0.lock().expect("no panic under the lock").push(shown(start.attributes));
    }

    fn end(&self, end: &End<'_>) {
        self.0.lock().expect("no panic under the lock").extend([shown(end.start_attributes), shown(end.attributes)]);
    }
}

#[test]
fn listeners_see_again_what_was_removed_since() {
    let cases: [(&str, &str, Write); 8] = [
        ("the first", " b=2 dyn=three d=four", |span| assert!(span.remove("a"))),
        ("in the middle", " a=one dyn=three d=four", |span| assert!(span.remove("b"))),
        ("the last, whose text is the last", " a=one b=2 dyn=three", |span| assert!(span.remove("d"))),
        ("all, and others instead", " x=y", |span| {
            span.retain(|_, _| false);
            span.set("x", "y");
        }),
        ("one that was replaced", " b=2 dyn=three d=four", |span| {
            span.set("a", "x");
            span.remove("a");
        }),
        ("one with a key made at run time that was replaced", " a=one b=2 d=four", |span| {
            span.set("dyn", "longer than before");
            span.remove("dyn");
        }),
        ("one before another that is replaced", " b=3 dyn=z d=four", |span| {
            span.remove("a");
            span.set("b", 3);
            span.set("dyn", "z");
            span.set("dyn", "z");
        }),
        ("and set again", " b=2 dyn=three d=four a=uno", |span| {
            span.remove("a");
            span.set("a", "eins");
            span.set("a", "uno");
        }),
    ];
    for (why, wanted, write) in cases {
        let seen = Starts::default();
        let tracer = Tracer::builder().listener(seen.clone()).build();
        let key = String::from("dyn");
        let span = tracer.span("s").start_with(|span| {
            span.push("a", "one");
            span.push("b", 2);
            span.push(&key, "three");
            span.push("d", "four");
        });
        span.record(write);
        span.end(SpanEnd::Completed);
        let start = " a=one b=2 dyn=three d=four";
        assert_eq!(*seen.0.lock().expect("no panic under the lock"), [start, start, wanted], "{why}");
        assert_eq!(tracer.stats().hook_panics, 0, "{why}");
    }
}

#[test]
fn a_span_is_whole_after_every_write_and_for_the_next_processor() {
    let copies = Copies::default();
    let earlier = copies.clone();
    let tracer = Tracer::builder()
        .processor(on_end(|span| {
            span.set("more", "text");
            span.record(|span| span.event("e", &[]));
            Verdict::Pass
        }))
        .processor(on_end(move |span| {
            earlier.on_end(&span.view());
            Verdict::Drop
        }))
        .build();
    for name in ["one", "two"] {
        tracer.span(name).start_with(|span| span.push("a", name)).end(SpanEnd::Completed);
    }
    let buffer = copies.0.lock().expect("no panic under the lock");
    let resource = tracer.resource().clone();
    let spans: Vec<_> = buffer.spans(&resource).map(|span| span.to_data()).collect();
    for (span, name) in spans.iter().zip(["one", "two"]) {
        assert_eq!((&*span.name, span.events.len()), (name, 1));
        assert_eq!(span.attributes, [("a".into(), name.into()), ("more".into(), "text".into())]);
    }
    assert_eq!(spans.len(), 2);
}

/// Panics at the start or at the end.
#[derive(Clone)]
struct Panics {
    at_start: bool,
    called: Arc<AtomicU32>,
}

impl SpanProcessor for Panics {
    fn on_start(&self, _: &mut StartingSpan<'_>) {
        if self.at_start {
            self.called.fetch_add(1, Ordering::Relaxed);
            panic!("on purpose");
        }
    }

    fn on_end(&self, _: &mut EndingSpan<'_>) -> Verdict {
        if !self.at_start {
            self.called.fetch_add(1, Ordering::Relaxed);
            panic!("on purpose");
        }
        Verdict::Pass
    }
}

#[test]
fn a_processor_is_disabled_after_so_many_panics_and_drops_spans_only_if_it_is_essential() {
    for at_start in [true, false] {
        for is_essential in [true, false] {
            let called = Arc::new(AtomicU32::new(0));
            let panics = Panics { at_start, called: Arc::clone(&called) };
            let healthy = Arc::new(AtomicU32::new(0));
            let counting = Arc::clone(&healthy);
            let (tracer, memory) = recorder_with(|builder| {
                let builder = builder.max_hook_panics(3).processor(on_start(move |_| {
                    counting.fetch_add(1, Ordering::Relaxed);
                }));
                if is_essential { builder.processor(essential(panics)) } else { builder.processor(panics) }
            });
            for at in 1..=8 {
                tracer.span("s").start().end(SpanEnd::Completed);
                assert_eq!(tracer.stats().processors_disabled, u64::from(at >= 3), "after {at}");
            }
            let (why, lost) = (format!("start {at_start}, essential {is_essential}"), if is_essential { 8 } else { 0 });
            let stats = tracer.stats();
            assert_eq!(called.load(Ordering::Relaxed), 3, "{why}: not called again");
            assert_eq!((stats.hook_panics, stats.processors_disabled), (3, 1), "{why}");
            assert_eq!(stats.spans_dropped_by_processors, lost, "{why}");
            assert_eq!(memory.spans().len() as u64, 8 - lost, "{why}");
            assert_eq!(healthy.load(Ordering::Relaxed), 8, "{why}: the other one is called all the same");
        }
    }
}

#[test]
fn ten_panics_are_the_default() {
    let (tracer, _) = recorder_with(|builder| builder.processor(on_end(|_| panic!("on purpose"))));
    for _ in 0..30 {
        tracer.span("s").start().end(SpanEnd::Completed);
    }
    assert_eq!(tracer.stats().hook_panics, 10);
}

/// What an essential processor failed on at its start is not remembered by the record's next span.
#[test]
fn one_panic_costs_one_span() {
    let (tracer, memory) = recorder_with(|builder| {
        builder.processor(essential(on_start(|span| assert_ne!(span.name().to_text(), "bad", "on purpose"))))
    });
    for name in ["good", "bad", "good"] {
        tracer.span(name).start().end(SpanEnd::Completed);
    }
    assert_eq!((memory.spans().len(), tracer.stats().spans_dropped_by_processors), (2, 1));
}

fn baggage() -> Baggage {
    let baggage = Baggage::new().with("tenant", "Ünal").and_then(|baggage| baggage.with("card", "4111"));
    baggage.and_then(|baggage| baggage.with("Tier", "gold")).expect("it is valid")
}

#[test]
fn named_baggage_becomes_attributes_and_no_other() {
    let with = |processor: BaggageAttributes, context: &Context| {
        let (tracer, memory) = recorder_with(|builder| builder.processor(processor));
        let span = tracer.span("s").parent(context).start_with(|span| span.push("Tier", "mine"));
        let child = tracer.span("child").parent(&span.context()).start();
        child.end(SpanEnd::Completed);
        span.end(SpanEnd::Completed);
        memory.spans().iter().map(|span| shown(&Shown(span))).collect::<Vec<_>>()
    };
    let context = Context::ROOT.with_baggage(baggage());
    let of = |keys: &[&'static str]| BaggageAttributes::new(keys.iter().copied());
    for (processor, context, wanted, why) in [
        (of(&["tenant"]), &context, ["tenant=Ünal", "Tier=mine tenant=Ünal"], "the one that is named, on each span"),
        (of(&["tenant", "none"]), &context, ["tenant=Ünal", "Tier=mine tenant=Ünal"], "no baggage of that name"),
        (of(&["TENANT"]), &context, ["", "Tier=mine"], "keys are case-sensitive"),
        (of(&["Tier"]), &context, ["Tier=gold", "Tier=mine"], "what the span has stays"),
        (of(&["Tier"]).prefix("b."), &context, ["b.Tier=gold", "Tier=mine b.Tier=gold"], "a prefix"),
        (of(&["tenant"]), &Context::ROOT, ["", "Tier=mine"], "there is none"),
    ] {
        let seen = with(processor, context);
        assert_eq!(seen.iter().map(|span| span.trim()).collect::<Vec<_>>(), wanted, "{why}");
    }
}

struct Shown<'a>(&'a throughline_core::SpanData);

impl throughline_core::Attributes for Shown<'_> {
    fn visit(&self, visitor: &mut dyn throughline_core::AttributeVisitor) {
        for (key, value) in &self.0.attributes {
            visitor.attribute(Key::dynamic(key), value.as_value());
        }
    }
}

#[test]
fn processors_may_be_shared_and_boxed() {
    let seen = Memory::default();
    let log = Log::default();
    let shared: Arc<dyn SpanProcessor> = Arc::new(Noting("shared", Arc::clone(&log), Verdict::Pass));
    let boxed: Box<dyn SpanProcessor> = Box::new(processor::essential(on_end(|_| Verdict::Drop)));
    assert!(boxed.is_essential());
    let tracer = Tracer::builder().sink(seen.clone()).processor(shared).processor(boxed).build();
    tracer.span("s").start().end(SpanEnd::Completed);
    assert_eq!((log.lock().expect("no panic under the lock").len(), seen.spans().len()), (2, 0));
}
