//! Keeping what was not sampled: which traces, what with them, and that it stays bounded.

mod common;

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use common::{Memory, UNSAMPLED, remote};
use proptest::prelude::*;
use throughline_core::processor::{KeepIf, KeepStats, SpanProcessor, Verdict, on_end};
use throughline_core::{
    Clock, Context, FinishedSpan, ManualClock, Sampler, SamplingDecision, SamplingInput, Span, SpanEnd, SpanSink,
    Status, Tracer,
};

/// Records everything and samples what is named so; a dropped span is named so, too.
#[derive(Debug)]
struct ByName;

impl Sampler for ByName {
    fn sample(&self, input: &SamplingInput<'_>) -> SamplingDecision {
        match &*input.name().to_text() {
            "sampled" => SamplingDecision::SAMPLE,
            "dropped" => SamplingDecision::DROP,
            _ => SamplingDecision::RECORD,
        }
    }
}

struct Rig {
    tracer: Tracer,
    memory: Memory,
    clock: Arc<ManualClock>,
    keep: Arc<KeepIf>,
}

impl Rig {
    fn new(keep: KeepIf) -> Self {
        let (keep, memory, clock) = (Arc::new(keep), Memory::default(), ManualClock::new());
        let builder = Tracer::builder().sampler(ByName).sink(memory.clone()).clock(Clock::manual(&clock));
        Self { tracer: builder.processor(Arc::clone(&keep)).build(), memory, clock, keep }
    }

    fn root(&self, name: &'static str) -> Span {
        self.tracer.span(name).root().start()
    }

    fn child(&self, name: &'static str, parent: &Span) -> Span {
        self.tracer.span(name).parent(&parent.context()).start()
    }

    fn end(&self, name: &'static str, parent: &Span) {
        self.child(name, parent).end(SpanEnd::Completed);
    }

    /// The names of what the sink got since the last look.
    fn names(&self) -> Vec<String> {
        self.memory.take().into_iter().map(|span| span.name).collect()
    }

    fn stats(&self) -> KeepStats {
        self.keep.stats()
    }
}

const SLOW: Duration = Duration::from_millis(500);

#[test]
fn a_trace_is_kept_if_its_local_root_failed_or_was_slow() {
    type Finish = fn(&Rig, Span);
    let cases: [(Finish, bool, &str); 9] = [
        (|_, root| root.end(SpanEnd::Completed), false, "fast and well"),
        (|_, root| root.end(SpanEnd::Failed), true, "failed"),
        (|_, root| root.end(SpanEnd::Cancelled), true, "cancelled"),
        (|_, root| drop(root), true, "dropped, which is cancelled"),
        (|_, root| root.end(SpanEnd::Panicked), true, "panicked"),
        (
            |_, root| {
                root.record(|span| span.set_status(&Status::Error { description: "".into() }));
                root.end(SpanEnd::Completed);
            },
            true,
            "completed with an error",
        ),
        (
            |rig, root| {
                rig.clock.advance(SLOW);
                root.end(SpanEnd::Completed);
            },
            false,
            "just fast enough",
        ),
        (
            |rig, root| {
                rig.clock.advance(SLOW + Duration::from_nanos(1));
                root.end(SpanEnd::Completed);
            },
            true,
            "too slow",
        ),
        (
            |_, root| {
                root.set("keep", true);
                root.end(SpanEnd::Completed);
            },
            true,
            "wanted by the application",
        ),
    ];
    let wanted = |root: &FinishedSpan<'_>| root.attribute("keep").is_some();
    for (finish, kept, why) in cases {
        for keep in [
            KeepIf::failed().or_slower_than(SLOW).or_matching(wanted),
            KeepIf::slower_than(SLOW).or_matching(wanted).or_failed(),
        ] {
            let rig = Rig::new(keep);
            let parent = Context::ROOT.with_span_context(remote(UNSAMPLED));
            let root = rig.tracer.span("root").parent(&parent).start();
            rig.end("first", &root);
            rig.child("second", &root).end(SpanEnd::Failed);
            assert_eq!(rig.names(), [""; 0], "{why}: nothing before the root ends");
            finish(&rig, root);
            let spans = rig.memory.spans();
            let wanted: &[&str] = if kept { &["first", "second", "root"] } else { &[] };
            assert_eq!(rig.names(), wanted, "{why}");
            assert!(spans.iter().all(|span| !span.span_context.is_sampled()), "{why}: as other services were told");
            let stats = rig.stats();
            assert_eq!((stats.kept_traces, stats.kept_spans), if kept { (1, 3) } else { (0, 0) }, "{why}");
            assert_eq!(stats.forgotten_spans, if kept { 0 } else { 3 }, "{why}");
            assert_eq!((stats.lost(), stats.waiting_traces, stats.waiting_spans, stats.waiting_bytes), (0, 0, 0, 0));
        }
    }
}

#[test]
fn one_condition_alone_is_not_the_other() {
    let rig = Rig::new(KeepIf::failed());
    let root = rig.root("root");
    rig.clock.advance(SLOW * 100);
    root.end(SpanEnd::Completed);
    assert_eq!(rig.names(), [""; 0]);
    let rig = Rig::new(KeepIf::slower_than(SLOW));
    rig.root("root").end(SpanEnd::Failed);
    assert_eq!(rig.names(), [""; 0]);
}

#[test]
fn children_that_end_after_their_root_share_its_fate() {
    for (end, wanted) in [(SpanEnd::Failed, &["early", "root", "late"][..]), (SpanEnd::Completed, &[])] {
        let rig = Rig::new(KeepIf::failed());
        let root = rig.root("root");
        rig.end("early", &root);
        let late = rig.child("late", &root);
        root.end(end);
        late.end(SpanEnd::Completed);
        assert_eq!(rig.names(), wanted);
        assert_eq!(rig.stats().waiting_spans, 0, "nothing waits for a root that has ended");
    }
}

#[test]
fn the_memory_of_decisions_is_bounded() {
    for (end, remembered) in [(SpanEnd::Failed, 512), (SpanEnd::Completed, 4096)] {
        // So few that there is one shard.
        let rig = Rig::new(KeepIf::failed().max_spans(256));
        let root = rig.root("root");
        let (first, second) = (rig.child("first", &root), rig.child("second", &root));
        root.end(end);
        for _ in 1..remembered {
            rig.root("other").end(end);
        }
        first.end(SpanEnd::Completed);
        assert_eq!(rig.stats().waiting_spans, 0, "{end:?}: the last one is remembered");
        rig.root("other").end(end);
        second.end(SpanEnd::Completed);
        assert_eq!(rig.stats().waiting_spans, 1, "{end:?}: the one before is not");
    }
}

/// Many roots at once lie in all shards; the limits hold for all of them together.
#[test]
fn shards_together_keep_the_limits_and_every_trace_its_spans() {
    for (roots, most) in [(100, 2048), (2000, 1000)] {
        let rig = Rig::new(KeepIf::failed().max_spans(most));
        let spans: Vec<_> = (0..roots).map(|_| rig.root("root")).collect();
        for root in &spans {
            rig.end("one", root);
            rig.end("two", root);
        }
        let stats = rig.stats();
        assert!(stats.waiting_spans <= most, "{stats:?}");
        assert_eq!(stats.waiting_spans as u64 + stats.lost_to_room, 2 * roots);
        assert_eq!(stats.lost_to_room == 0, roots == 100, "{stats:?}");
        for root in spans {
            root.end(SpanEnd::Failed);
        }
        let stats = rig.stats();
        assert_eq!((stats.kept_traces, stats.kept_spans), (roots, 3 * roots - stats.lost_to_room));
        assert_eq!(rig.names().len() as u64, stats.kept_spans);
        assert_eq!((stats.waiting_traces, stats.waiting_spans, stats.waiting_bytes), (0, 0, 0));
    }
}

#[test]
fn other_traces_and_sampled_spans_are_not_touched() {
    let rig = Rig::new(KeepIf::failed());
    let (one, two) = (rig.root("one"), rig.root("two"));
    rig.end("of one", &one);
    rig.end("of two", &two);
    rig.end("sampled", &one);
    assert_eq!(rig.names(), ["sampled"], "at once");
    let sampled = rig.root("sampled");
    rig.end("not worth it", &sampled);
    sampled.end(SpanEnd::Failed);
    assert_eq!(rig.names(), ["sampled"], "a child that the sampler left out of a sampled trace stays out");
    assert_eq!(rig.stats().waiting_traces, 2, "and does not wait");
    one.end(SpanEnd::Failed);
    assert_eq!(rig.names(), ["of one", "one"]);
    two.end(SpanEnd::Completed);
    assert_eq!(rig.names(), [""; 0]);
    assert_eq!(rig.stats().kept_traces, 1);
}

/// Two requests of one trace in this process: each has a local root of its own.
#[test]
fn local_roots_of_one_trace_are_decided_one_by_one() {
    let rig = Rig::new(KeepIf::failed());
    let parent = Context::ROOT.with_span_context(remote(UNSAMPLED));
    let (one, two) = (rig.tracer.span("one").parent(&parent).start(), rig.tracer.span("two").parent(&parent).start());
    rig.end("of one", &one);
    rig.end("of two", &two);
    two.end(SpanEnd::Failed);
    one.end(SpanEnd::Completed);
    assert_eq!(rig.names(), ["of two", "two"]);
}

#[test]
fn spans_without_a_recorded_local_root_are_lost_and_counted() {
    let rig = Rig::new(KeepIf::failed());
    let root = rig.root("dropped");
    rig.child("child", &root).end(SpanEnd::Failed);
    root.end(SpanEnd::Failed);
    assert_eq!(rig.names(), [""; 0]);
    assert_eq!(rig.stats(), {
        let mut stats = KeepStats::default();
        stats.lost_without_root = 1;
        stats
    });
}

#[test]
fn children_end_on_other_threads() {
    let rig = Rig::new(KeepIf::failed());
    let root = rig.root("root");
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..20 {
                    rig.end("child", &root);
                    rig.root("other").end(SpanEnd::Completed);
                }
            });
        }
    });
    root.end(SpanEnd::Failed);
    let names = rig.names();
    assert_eq!((names.len(), &*names[80]), (81, "root"));
    assert_eq!(rig.stats().forgotten_spans, 80);
}

#[test]
fn a_trace_has_no_more_than_its_share() {
    let rig = Rig::new(KeepIf::failed().max_spans_per_trace(2));
    let root = rig.root("root");
    for name in ["one", "two", "three", "four"] {
        rig.end(name, &root);
    }
    root.end(SpanEnd::Failed);
    assert_eq!(rig.names(), ["one", "two", "root"]);
    let stats = rig.stats();
    assert_eq!((stats.lost_to_trace_limit, stats.lost(), stats.kept_spans), (2, 2, 3));
}

#[test]
fn the_oldest_other_trace_makes_room() {
    let rig = Rig::new(KeepIf::failed().max_spans(3));
    let roots = [rig.root("a"), rig.root("b"), rig.root("c")];
    rig.end("of a", &roots[0]);
    rig.end("of b", &roots[1]);
    rig.end("of a", &roots[0]);
    assert_eq!((rig.stats().waiting_traces, rig.stats().waiting_spans), (2, 3));
    rig.end("third of a", &roots[0]);
    assert_eq!(rig.stats().lost_to_room, 1, "not its own, although that is the oldest");
    rig.end("of c", &roots[2]);
    let stats = rig.stats();
    assert_eq!((stats.lost_to_room, stats.waiting_traces, stats.waiting_spans), (4, 1, 1), "all of a");
    for root in roots {
        root.end(SpanEnd::Failed);
    }
    assert_eq!(rig.names(), ["a", "b", "of c", "c"], "their roots are kept all the same");
}

#[test]
fn a_trace_that_would_fill_everything_alone_drives_nobody_out_for_nothing() {
    for (keep, why) in [
        (KeepIf::failed().max_spans(0), "no span at all"),
        (KeepIf::failed().max_bytes(100), "a span is larger than everything"),
    ] {
        let rig = Rig::new(keep);
        let root = rig.root("root");
        rig.end("child", &root);
        assert_eq!((rig.stats().lost_to_room, rig.stats().waiting_traces), (1, 0), "{why}");
        root.end(SpanEnd::Failed);
        assert_eq!(rig.names(), ["root"], "{why}");
    }
    let rig = Rig::new(KeepIf::failed().max_bytes(2000));
    let (other, root) = (rig.root("other"), rig.root("root"));
    rig.end("of other", &other);
    let big = rig.child("big", &root);
    big.set("text", "x".repeat(2000).as_str());
    big.end(SpanEnd::Completed);
    assert_eq!((rig.stats().lost_to_room, rig.stats().waiting_spans), (1, 1));
    drop((other, root));
}

#[test]
fn a_root_that_never_ends_is_let_go_and_one_that_is_slow_is_in_time() {
    let age = Duration::from_secs(60);
    // One shard: it looks at the age when any of its spans ends.
    let rig = Rig::new(KeepIf::slower_than(SLOW).max_age(age).max_spans(256));
    let (never, slow) = (rig.root("never"), rig.root("slow"));
    rig.end("of never", &never);
    rig.end("of slow", &slow);
    rig.clock.advance(age);
    rig.root("other").end(SpanEnd::Completed);
    assert_eq!(rig.stats().waiting_spans, 2, "not yet");
    rig.clock.advance(Duration::from_nanos(1));
    slow.end(SpanEnd::Completed);
    assert_eq!(rig.names(), ["of slow", "slow"]);
    let stats = rig.stats();
    assert_eq!((stats.lost_to_age, stats.lost(), stats.waiting_traces), (1, 1, 0));
    drop(never);
}

#[test]
fn what_waits_is_what_earlier_processors_left() {
    let memory = Memory::default();
    let tracer = Tracer::builder()
        .sampler(ByName)
        .sink(memory.clone())
        .processor(on_end(|span| {
            span.remove("secret");
            if span.view().name().to_text() == "noise" { Verdict::Drop } else { Verdict::Pass }
        }))
        .processor(KeepIf::failed())
        .build();
    let root = tracer.span("root").start();
    let context = root.context();
    tracer.span("child").parent(&context).start_with(|span| span.push("secret", "4111")).end(SpanEnd::Completed);
    tracer.span("noise").parent(&context).start().end(SpanEnd::Completed);
    root.end(SpanEnd::Failed);
    let spans = memory.spans();
    assert_eq!(spans.iter().map(|span| &*span.name).collect::<Vec<_>>(), ["child", "root"]);
    assert!(spans[0].attributes.is_empty());
}

#[test]
fn a_sink_that_panics_or_ends_spans_itself_does_no_harm() {
    struct Reentrant(Arc<std::sync::OnceLock<Tracer>>);
    impl SpanSink for Reentrant {
        fn on_end(&self, span: &FinishedSpan<'_>) {
            let tracer = self.0.get().expect("it was set");
            if span.name().to_text() == "child" {
                let root = tracer.span("inner").root().start();
                tracer.span("of inner").parent(&root.context()).start().end(SpanEnd::Completed);
                root.end(SpanEnd::Completed);
                panic!("on purpose");
            }
        }
    }
    let (slot, keep) = (Arc::default(), Arc::new(KeepIf::failed()));
    let builder = Tracer::builder().sampler(ByName).processor(Arc::clone(&keep));
    let tracer = builder.sink(Reentrant(Arc::clone(&slot))).build();
    slot.set(tracer.clone()).expect("once");
    let root = tracer.span("root").start();
    for _ in 0..3 {
        tracer.span("child").parent(&root.context()).start().end(SpanEnd::Completed);
    }
    root.end(SpanEnd::Failed);
    assert_eq!((keep.stats().kept_spans, keep.stats().forgotten_spans), (4, 6));
    assert_eq!(
        (tracer.stats().hook_panics, tracer.stats().processors_disabled),
        (3, 0),
        "the sink's, not the processor's"
    );
    assert!(!keep.is_essential());
}

#[derive(Clone, Debug)]
enum Step {
    Root,
    /// Below which root; how many bytes of text.
    Child(usize, usize),
    EndChild(usize),
    EndRoot(usize, bool),
    Advance(u8),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        2 => Just(Step::Root),
        5 => (any::<usize>(), 0_usize..600).prop_map(|(root, text)| Step::Child(root, text)),
        5 => any::<usize>().prop_map(Step::EndChild),
        2 => (any::<usize>(), any::<bool>()).prop_map(|(root, failed)| Step::EndRoot(root, failed)),
        1 => (0_u8..40).prop_map(Step::Advance),
    ];
    prop::collection::vec(step, 1..120)
}

proptest! {
    /// Bounded at every moment, and every span that ended is kept, forgotten, lost or waits.
    #[test]
    fn every_span_is_accounted_for_and_the_bounds_hold(
        steps in steps(), spans in 0_usize..12, bytes in 0_usize..4000, share in 1_usize..6,
    ) {
        let age = Duration::from_secs(60);
        let keep = KeepIf::failed().max_spans(spans).max_bytes(bytes).max_spans_per_trace(share).max_age(age);
        let rig = Rig::new(keep);
        let (mut roots, mut children, mut ended) = (Vec::new(), Vec::new(), 0);
        for step in steps {
            match step {
                Step::Root => roots.push(rig.root("root")),
                Step::Child(root, text) if !roots.is_empty() => {
                    let child = rig.child("child", &roots[root % roots.len()]);
                    child.set("text", "x".repeat(text).as_str());
                    children.push(child);
                }
                Step::EndChild(child) if !children.is_empty() => {
                    children.swap_remove(child % children.len()).end(SpanEnd::Completed);
                    ended += 1;
                }
                Step::EndRoot(root, failed) if !roots.is_empty() => {
                    let end = if failed { SpanEnd::Failed } else { SpanEnd::Completed };
                    roots.swap_remove(root % roots.len()).end(end);
                    ended += 1;
                }
                Step::Advance(seconds) => rig.clock.advance(Duration::from_secs(seconds.into())),
                _ => {}
            }
            let stats = rig.stats();
            prop_assert!(stats.waiting_spans <= spans && stats.waiting_bytes <= bytes, "{stats:?}");
            prop_assert!(stats.waiting_bytes >= stats.waiting_spans * 128, "{stats:?}");
            prop_assert!(stats.waiting_spans <= stats.waiting_traces * share, "{stats:?}");
            prop_assert_eq!(stats.waiting_spans == 0, stats.waiting_bytes == 0 && stats.waiting_traces == 0);
            let gone = stats.kept_spans + stats.forgotten_spans + stats.lost();
            prop_assert_eq!(gone + stats.waiting_spans as u64, ended, "{:?}", stats);
            prop_assert_eq!(rig.memory.spans().len() as u64, stats.kept_spans);
        }
        prop_assert_eq!(rig.tracer.stats().hook_panics, 0);
    }
}
