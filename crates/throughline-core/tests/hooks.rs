//! Other people's code: listeners in their order, and that nobody's panic reaches the application (law 3).

mod common;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::{Job, Memory, catch, recorder_with};
use throughline_core::{
    AlwaysOff, AttributeVisitor, Clock, Context, End, FinishedSpan, Instrumenter, Key, Listener, ManualClock,
    Operation, Recording, Sampler, SamplingDecision, SamplingInput, Scope, SemanticKey, SpanContext, SpanEnd, SpanKind,
    SpanName, SpanSink, Start, Tracer, Value,
};

type Log = Arc<Mutex<Vec<String>>>;

/// Writes down what it is told.
struct Noting(&'static str, Log);

fn shown(attributes: &dyn throughline_core::Attributes) -> String {
    let mut text = String::new();
    attributes.visit(&mut |key: Key<'_>, value: Value<'_>| text.push_str(&format!(" {}={value}", key.as_str())));
    text
}

impl Noting {
    fn note(&self, what: &str, span: SpanContext, kind: SpanKind, attributes: &dyn throughline_core::Attributes) {
        let sampled = if span.is_sampled() { "+" } else { "-" };
        let line = format!("{} {what} {sampled}{}{}", self.0, kind.as_str(), shown(attributes));
        self.1.lock().expect("no panic under the lock").push(line);
    }
}

impl Listener for Noting {
    fn start(&self, start: &Start<'_>) {
        assert_eq!(start.semantic_key, Some(SemanticKey::HttpServer));
        self.note("start", start.span_context, start.kind, start.attributes);
    }

    fn end(&self, end: &End<'_>) {
        assert_eq!(end.semantic_key, Some(SemanticKey::HttpServer));
        let what = format!("{} after {:?}", end.end.as_str(), end.duration);
        self.note(&what, end.span_context, end.kind, end.attributes);
    }
}

struct NotingSink(Log);

impl SpanSink for NotingSink {
    fn on_end(&self, _: &FinishedSpan<'_>) {
        self.0.lock().expect("no panic under the lock").push("sink".into());
    }
}

#[test]
fn listeners_start_in_order_end_in_reverse_and_before_the_sink() {
    for sampled in [true, false] {
        let (log, manual) = (Log::default(), ManualClock::new());
        let builder = Tracer::builder()
            .sink(NotingSink(Arc::clone(&log)))
            .clock(Clock::manual(&manual))
            .listener(Noting("one", Arc::clone(&log)))
            .listener(Noting("two", Arc::clone(&log)));
        let tracer = if sampled { builder } else { builder.sampler(AlwaysOff) }.build();
        let jobs = Instrumenter::new(&tracer, Job::new(SpanKind::Server, Some(SemanticKey::HttpServer)));
        let span = jobs.start(&1);
        assert_eq!(span.context().is_sampled(), sampled, "listening changes nothing about sampling");
        span.set("between", 3);
        manual.advance(Duration::from_millis(5));
        jobs.end(span, &2, SpanEnd::Failed);
        let flag = if sampled { "+" } else { "-" };
        let all = "job.request=1 between=3 job.response=2";
        let mut wanted = vec![
            format!("one start {flag}server job.request=1"),
            format!("two start {flag}server job.request=1"),
            format!("two failed after 5ms {flag}server {all}"),
            format!("one failed after 5ms {flag}server {all}"),
        ];
        if sampled {
            wanted.push("sink".into());
        }
        assert_eq!(*log.lock().unwrap(), wanted);
        assert_eq!(tracer.stats().hook_panics, 0);
    }
}

#[test]
fn listeners_are_told_of_the_end_once_whatever_it_is() {
    let log = Log::default();
    let tracer = Tracer::builder().sampler(AlwaysOff).listener(Noting("it", Arc::clone(&log))).build();
    let jobs = Instrumenter::new(&tracer, Job::new(SpanKind::Server, Some(SemanticKey::HttpServer)));
    let kept = jobs.start(&1);
    let context = kept.context();
    drop(kept);
    let kept = jobs.start_in(&context, &1);
    let other = kept.context();
    std::thread::spawn(move || drop(kept)).join().unwrap();
    drop((context, other));
    let log = log.lock().unwrap();
    let of = |what: &str| log.iter().filter(|line| line.contains(what)).count();
    assert_eq!((of("start"), of("cancelled")), (2, 2), "{log:?}");
}

#[derive(Debug)]
struct Panics;

impl Sampler for Panics {
    fn sample(&self, _: &SamplingInput<'_>) -> SamplingDecision {
        panic!("on purpose");
    }
}

impl SpanSink for Panics {
    fn on_end(&self, _: &FinishedSpan<'_>) {
        panic!("on purpose");
    }
}

impl Listener for Panics {
    fn start(&self, _: &Start<'_>) {
        panic!("on purpose");
    }

    fn end(&self, _: &End<'_>) {
        panic!("on purpose");
    }
}

/// Which part of an operation panics.
#[derive(Clone, Copy, PartialEq, Debug)]
enum At {
    Name,
    Start,
    End,
}

struct PanicsAt(At);

impl Operation for PanicsAt {
    type Request<'a> = u32;
    type Response<'a> = u32;

    fn kind(&self) -> SpanKind {
        SpanKind::Server
    }

    fn semantic_key(&self) -> Option<SemanticKey> {
        None
    }

    fn scope(&self) -> &'static Scope {
        static TEST: Scope = Scope { name: "test", version: "7" };
        &TEST
    }

    fn name<'r>(&self, _: &'r u32) -> SpanName<'r> {
        assert_ne!(self.0, At::Name, "on purpose");
        SpanName::Static(&"job")
    }

    fn start_attributes<V: AttributeVisitor + ?Sized>(&self, _: &u32, to: &mut V) {
        to.attribute(Key::new("before"), Value::from(1));
        assert_ne!(self.0, At::Start, "on purpose");
    }

    fn end(&self, _: &u32, span: &mut Recording<'_>) {
        span.push("last", 1);
        assert_ne!(self.0, At::End, "on purpose");
    }
}

#[test]
fn a_panicking_sampler_drops_the_span_and_is_counted() {
    let (tracer, memory) = recorder_with(|builder| builder.sampler(Panics));
    let span = tracer.span("span").start();
    assert!(!span.context().is_sampled() && span.span_context().is_some(), "propagated all the same");
    span.end(SpanEnd::Completed);
    assert!(memory.spans().is_empty());
    assert_eq!(tracer.stats().hook_panics, 1);
}

#[test]
fn a_panicking_sink_loses_its_span_only_and_is_counted() {
    let tracer = Tracer::builder().sink(Panics).build();
    for kept in [false, true] {
        let span = tracer.span("span").start();
        let context = kept.then(|| span.context());
        span.end(SpanEnd::Completed);
        drop(context);
    }
    drop(tracer.span("dropped").start());
    assert_eq!(tracer.stats().hook_panics, 3);
    assert!(Context::current().is_root());
}

#[test]
fn a_panicking_listener_does_not_silence_the_others() {
    let log = Log::default();
    let memory = Memory::default();
    let tracer = Tracer::builder()
        .sink(memory.clone())
        .listener(Noting("one", Arc::clone(&log)))
        .listener(Panics)
        .listener(Noting("two", Arc::clone(&log)))
        .build();
    let jobs = Instrumenter::new(&tracer, Job::new(SpanKind::Server, Some(SemanticKey::HttpServer)));
    jobs.end(jobs.start(&1), &2, SpanEnd::Completed);
    let names: Vec<_> = log.lock().unwrap().iter().map(|line| line[..9].to_owned()).collect();
    assert_eq!(names, ["one start", "two start", "two compl", "one compl"]);
    assert_eq!((tracer.stats().hook_panics, memory.spans().len()), (2, 1));
}

#[test]
fn a_panicking_operation_does_not_reach_the_application_and_is_counted() {
    for at in [At::Name, At::Start, At::End] {
        let (tracer, memory) = recorder_with(|builder| builder);
        let jobs = Instrumenter::new(&tracer, PanicsAt(at));
        let guard = Context::ROOT.with_value(7).attach();
        assert!(
            !catch(|| {
                if jobs.should_start_here() {
                    jobs.end(jobs.start(&1), &2, SpanEnd::Completed);
                }
            }),
            "{at:?}"
        );
        assert_eq!(Context::current().value(), Some(&7), "{at:?}: what was current still is");
        drop(guard);
        assert!(tracer.stats().hook_panics >= 1, "{at:?}");
        assert!(memory.spans().len() <= 1, "{at:?}");
    }
}

/// The record comes from a pool: what an earlier span was called is nobody else's name.
#[test]
fn a_span_whose_name_panics_has_none() {
    let (tracer, memory) = recorder_with(|builder| builder);
    tracer.span(SpanName::Static(&"of an earlier span")).start().end(SpanEnd::Completed);
    let jobs = Instrumenter::new(&tracer, PanicsAt(At::Name));
    jobs.end(jobs.start(&1), &2, SpanEnd::Completed);
    assert_eq!(memory.spans()[1].name, "");
}

/// Compares what is shown of the start at the end with what was shown at the start.
#[derive(Default)]
struct Gauge(Arc<Mutex<Vec<String>>>, Arc<Mutex<Vec<(String, String)>>>);

impl Listener for Gauge {
    fn start(&self, start: &Start<'_>) {
        self.0.lock().expect("no panic under the lock").push(shown(start.attributes));
    }

    fn end(&self, end: &End<'_>) {
        let up = self.0.lock().expect("no panic under the lock").pop().expect("it was started");
        assert_eq!(shown(end.start_attributes), up);
        self.1.lock().expect("no panic under the lock").push((up, shown(end.attributes)));
    }
}

#[test]
fn what_listeners_saw_at_the_start_they_see_again_at_the_end() {
    type Write = fn(&mut Recording<'_>);
    let cases: [(Write, &str, &str); 8] = [
        (|_| {}, "m=GET n=1 f=true t=last", "nothing was overwritten"),
        (|span| span.set("m", "PUT"), "m=PUT n=1 f=true t=last", "as long"),
        (|span| span.set("m", "A"), "m=A n=1 f=true t=last", "shorter: it would fit in the old place"),
        (|span| span.set("t", "a longer text"), "m=GET n=1 f=true t=a longer text", "the last text of all"),
        (|span| span.set("n", 2), "m=GET n=2 f=true t=last", "a number"),
        (|span| span.set("n", "two"), "m=GET n=two f=true t=last", "of another type"),
        (
            |span| ["POST", "A", "B", "CONNECT"].iter().for_each(|m| span.set("m", *m)),
            "m=CONNECT n=1 f=true t=last",
            "again and again",
        ),
        (
            |span| {
                span.set("new", "x");
                for key in ["m", "n", "f", "t", "new"] {
                    span.set(key, "y");
                    span.set(key, 3);
                    span.set(key, "z");
                }
            },
            "m=z n=z f=z t=z new=z",
            "all of them, and one that came later",
        ),
    ];
    for sampled in [true, false] {
        let (first, second) = (Gauge::default(), Gauge::default());
        let seen = [Arc::clone(&first.1), Arc::clone(&second.1)];
        let builder = Tracer::builder().listener(first).listener(second);
        let tracer = if sampled { builder } else { builder.sampler(AlwaysOff) }.build();
        for kept in [false, true] {
            for (write, wanted, why) in cases {
                let method = String::from("GET");
                let span = tracer.span("span").start_with(|span| {
                    span.push("m", &method);
                    span.push("n", 1);
                    span.push("f", true);
                    span.push("t", "last");
                });
                let context = kept.then(|| span.context());
                span.context().span().record(write);
                span.end_with(SpanEnd::Completed, |span| span.set("m", span.has("m")));
                drop(context);
                for seen in &seen {
                    let (up, now) = seen.lock().unwrap().pop().expect("it ended");
                    assert_eq!(up, " m=GET n=1 f=true t=last", "{why}");
                    let (_, rest) = wanted.split_once(' ').expect("m is the first");
                    assert_eq!(now, format!(" m=true {rest}"), "{why}");
                }
            }
        }
        assert_eq!(tracer.stats().hook_panics, 0);
    }
}

/// The old value, which somebody wanted to overwrite, is not left as if it were still true.
#[test]
fn an_overwrite_that_does_not_fit_is_dropped_and_listeners_see_what_they_saw() {
    let gauge = Gauge::default();
    let seen = Arc::clone(&gauge.1);
    let mut limits = throughline_core::SpanLimits::DEFAULT;
    limits.text_length = 8;
    let tracer = Tracer::builder().limits(limits).listener(gauge).build();
    let span = tracer.span(SpanName::Static(&"span")).start_with(|span| span.push("m", "12345678"));
    span.set("m", "x");
    span.set("m", "y");
    span.end(SpanEnd::Completed);
    assert_eq!(tracer.stats().hook_panics, 0);
    assert_eq!(*seen.lock().unwrap(), [(" m=12345678".to_owned(), String::new())]);
}
