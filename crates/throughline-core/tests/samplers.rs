//! Samplers: whom they follow, what they write into tracestate, how steady they are.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use common::{Memory, P, SAMPLED, UNSAMPLED, recorder_with, remote};
use proptest::prelude::*;
use throughline_core::propagation::{Allow, Composite, Extracted};
use throughline_core::{
    AlwaysOff, AlwaysOn, AlwaysRecord, Clock, Context, End, IdGenerator, Instrumenter, Key, Listener, ManualClock,
    Match, ParentBased, Probability, RandomIds, RateLimiting, Reloadable, Rules, Sampler, SamplingDecision,
    SamplingInput, SamplingState, Span, SpanContext, SpanEnd, SpanId, SpanKind, Start, Threshold, TraceFlags, TraceId,
    TraceState, Tracer, Value,
};

/// A sampler that counts how often it is asked.
#[derive(Clone, Debug, Default)]
struct Asked(Arc<AtomicUsize>);

impl Asked {
    fn times(&self) -> usize {
        self.0.swap(0, Ordering::Relaxed)
    }
}

impl Sampler for Asked {
    fn sample(&self, _: &SamplingInput<'_>) -> SamplingDecision {
        self.0.fetch_add(1, Ordering::Relaxed);
        SamplingDecision::SAMPLE
    }
}

#[test]
fn five_parents_five_samplers() {
    let asked: [Asked; 5] = Default::default();
    let [root, remote_yes, remote_no, local_yes, local_no] = asked.clone();
    let sampler = ParentBased::new(root)
        .remote_parent_sampled(remote_yes)
        .remote_parent_not_sampled(remote_no)
        .local_parent_sampled(local_yes)
        .local_parent_not_sampled(local_no);
    let (tracer, _) = recorder_with(|builder| builder.sampler(sampler));
    let local = |traceparent: &str| Context::ROOT.with_span_context(remote(traceparent).with_remote(false));
    let from = |state| Context::ROOT.with_sampling_state(state);
    let deferred = Extracted::NOTHING.with_parent(remote(UNSAMPLED), SamplingState::Defer).to_context(&Context::ROOT);
    let debug = Extracted::NOTHING.with_parent(remote(SAMPLED), SamplingState::Debug).to_context(&Context::ROOT);
    for (parent, wanted, why) in [
        (Context::ROOT, 0, "no parent"),
        (deferred, 0, "a parent that has not decided"),
        (from(SamplingState::Defer), 0, "nobody has said anything"),
        (Context::ROOT.with_span_context(remote(SAMPLED)), 1, "remote and sampled"),
        (debug, 1, "debug is sampled"),
        (from(SamplingState::Accept), 1, "a word without ids came from afar"),
        (from(SamplingState::Debug), 1, "likewise"),
        (Context::ROOT.with_span_context(remote(UNSAMPLED)), 2, "remote and not sampled"),
        (from(SamplingState::Deny), 2, "a lone deny"),
        (local(SAMPLED), 3, "local and sampled"),
        (local(UNSAMPLED), 4, "local and not sampled"),
    ] {
        drop(tracer.span("x").parent(&parent).start());
        let times = asked.each_ref().map(Asked::times);
        let mut expected = [0; 5];
        expected[wanted] = 1;
        assert_eq!(times, expected, "{why}");
    }
    assert!(ParentBased::new(AlwaysOn).follows_parent());
    assert!(!ParentBased::new(AlwaysOn).local_parent_sampled(AlwaysOff).follows_parent());
}

/// Ids that promise nothing.
struct Counting(AtomicUsize);

impl IdGenerator for Counting {
    fn trace_id(&self) -> TraceId {
        TraceId::from_u128(self.0.fetch_add(1, Ordering::Relaxed) as u128 + 1).expect("not zero")
    }

    fn span_id(&self) -> SpanId {
        RandomIds.span_id()
    }
}

fn state_of(span: &Span) -> String {
    span.context().tracestate().map(ToString::to_string).unwrap_or_default()
}

fn below(traceparent: &str, tracestate: &str, state: SamplingState) -> Context {
    let found = Extracted::NOTHING.with_parent(remote(traceparent), state).with_tracestate(tracestate.as_bytes());
    found.to_context(&Context::ROOT)
}

#[test]
fn probability_decides_by_randomness_and_says_so() {
    let trace = |low: u64| format!("00-{:032x}-{P}-00", (1_u128 << 100) | u128::from(low));
    let half = 1_u64 << 55;
    for (ratio, low, state, sampled, wanted, why) in [
        (0.5, half, "", true, "ot=th:8", "just above"),
        (0.5, half - 1, "", false, "", "just below"),
        (0.5, half | (7 << 56), "", true, "ot=th:8", "only seven bytes count"),
        (0.5, 0, "ot=rv:80000000000000", true, "ot=th:8;rv:80000000000000", "rv counts, not the id"),
        (0.5, u64::MAX, "ot=rv:7fffffffffffff", false, "ot=rv:7fffffffffffff", "likewise"),
        (0.5, half, "ot=rv:xyz,a=1", true, "ot=th:8;rv:xyz,a=1", "a malformed one is none, and stays"),
        (1.0, 0, "a=1", true, "ot=th:0,a=1", "everything"),
        (0.0, u64::MAX, "ot=th:0,a=1", false, "a=1", "nothing: what was said before is not so here"),
        (0.5, half, "a=1,ot=th:c;x:y", true, "ot=th:8;x:y,a=1", "replaced, and in front"),
        (0.5, half, "A=1", true, "ot=th:8", "an invalid tracestate is none"),
    ] {
        let (tracer, _) = recorder_with(|builder| builder.sampler(Probability::new(ratio)));
        let parent = below(&trace(low), state, SamplingState::Defer);
        let span = tracer.span("x").parent(&parent).start();
        assert_eq!((span.context().is_sampled(), &*state_of(&span)), (sampled, wanted), "{why}");
    }
}

#[test]
fn what_a_root_decides_reaches_everybody() {
    let (tracer, memory) = recorder_with(|builder| builder.sampler(ParentBased::new(Probability::new(1.0))));
    let root = tracer.span("root").start();
    let child = root.context().scope(|| tracer.span("child").start());
    let mut headers = http::HeaderMap::new();
    tracer.propagator().inject_headers(&child.context(), Allow::ALL, &mut headers);
    assert_eq!(headers["tracestate"], "ot=th:0");
    drop((child, root));
    assert!(memory.take().iter().all(|span| span.tracestate.as_ref().map(TraceState::as_str) == Some("ot=th:0")));
    // A node that is used again has forgotten it.
    let (other, _) = recorder_with(|builder| builder);
    assert_eq!(state_of(&other.span("x").start()), "");
}

#[test]
fn roots_without_random_ids_draw_their_own_randomness() {
    let sampler = ParentBased::new(Probability::new(0.5));
    let (tracer, _) = recorder_with(|builder| builder.sampler(sampler).ids(Counting(AtomicUsize::new(0))));
    let spans: Vec<_> = (0..200).map(|_| tracer.span("x").start()).collect();
    let mut drawn = std::collections::HashSet::new();
    for span in &spans {
        let state = state_of(span);
        let sampled = span.context().is_sampled();
        let value = state.strip_prefix(if sampled { "ot=th:8;rv:" } else { "ot=rv:" }).unwrap();
        assert_eq!(value.as_bytes()[0] >= b'8', sampled, "{state}");
        assert_eq!(value.len(), 14);
        drawn.insert(value.to_owned());
    }
    assert_eq!(drawn.len(), spans.len());
    let sampled = spans.iter().filter(|span| span.context().is_sampled()).count();
    assert!((50..150).contains(&sampled), "of small ids none would be: {sampled}");
    let child = spans[0].context().scope(|| tracer.span("child").start());
    assert_eq!(state_of(&child), state_of(&spans[0]), "once per trace");
    let (random, _) = recorder_with(|builder| builder.sampler(Probability::new(1.0)));
    assert_eq!(state_of(&random.span("x").start()), "ot=th:0", "random ids need none");
}

proptest! {
    #[test]
    fn who_records_fewer_traces_records_some_of_the_same(
        trace in 1..u128::MAX, low in 0.0..1.0_f64, more in 0.0..1.0_f64,
    ) {
        let high = low + (1.0 - low) * more;
        let parent = SpanContext::new(TraceId::from_u128(trace).unwrap(), P.parse().unwrap(), TraceFlags::RANDOM);
        let parent = Extracted::NOTHING.with_parent(parent, SamplingState::Defer).to_context(&Context::ROOT);
        let decide = |ratio| {
            let tracer = Tracer::builder().sampler(Probability::new(ratio)).build();
            tracer.span("x").parent(&parent).start().context().is_sampled()
        };
        prop_assert!(!decide(low) || decide(high), "{} and {}", low, high);
        if let (Some(low), Some(high)) = (Threshold::of_ratio(low), Threshold::of_ratio(high)) {
            prop_assert!(low >= high);
        }
    }

    #[test]
    fn a_rate_is_kept_in_any_second(
        rate in 1..200_u32, gaps in proptest::collection::vec(0..40_u64, 200..600),
    ) {
        let clock = ManualClock::new();
        let sampler = RateLimiting::per_second(rate);
        let (tracer, _) = recorder_with(|builder| builder.sampler(sampler).clock(Clock::manual(&clock)));
        let (mut now, mut taken) = (0, Vec::new());
        for gap in gaps {
            clock.advance(Duration::from_millis(gap));
            now += gap;
            if tracer.span("x").start().context().is_sampled() {
                taken.push(now);
            }
        }
        let burst = if rate < 10 { rate } else { rate.div_ceil(10) };
        for (at, start) in taken.iter().enumerate() {
            let second = taken[at..].iter().take_while(|time| **time < start + 1000).count();
            prop_assert!(second <= (rate + burst) as usize, "{} in a second of {}", second, rate);
            let tenth = taken[at..].iter().take_while(|time| **time < start + 100).count();
            prop_assert!(tenth <= (rate.div_ceil(10) + burst) as usize, "{} in a tenth of {}", tenth, rate);
        }
    }
}

#[test]
fn a_rate_is_steady() {
    let sampled = |rate: u32, asked_at: &[u64]| {
        let clock = ManualClock::new();
        let sampler = ParentBased::new(RateLimiting::per_second(rate));
        let (tracer, _) = recorder_with(|builder| builder.sampler(sampler).clock(Clock::manual(&clock)));
        let mut now = 0;
        let mut ask = |at: &u64| {
            clock.advance(Duration::from_millis(at - now));
            now = *at;
            (0..50).filter(|_| tracer.span("x").start().context().is_sampled()).count()
        };
        asked_at.iter().map(&mut ask).collect::<Vec<_>>()
    };
    for (rate, at, wanted, why) in [
        (100, &[0, 100, 200, 1000][..], &[10, 10, 10, 10][..], "a tenth at once, the rest when it is due"),
        (100, &[0, 10, 20], &[10, 1, 1], "one by one in between"),
        (5, &[0, 199, 200, 1200], &[5, 0, 1, 5], "few a second may come at once"),
        (0, &[0, 1000], &[0, 0], "none"),
        (1, &[0, 999, 1000], &[1, 0, 1], "one"),
    ] {
        assert_eq!(sampled(rate, at), wanted, "{rate}: {why}");
    }
    let clock = ManualClock::new();
    let sampler = RateLimiting::new(2, Duration::from_secs(60));
    let (tracer, _) = recorder_with(|builder| builder.sampler(sampler).clock(Clock::manual(&clock)));
    let debug = Context::ROOT.with_sampling_state(SamplingState::Debug);
    let ask = |parent: &Context| tracer.span("x").parent(parent).start().context().is_sampled();
    assert_eq!([ask(&Context::ROOT), ask(&Context::ROOT), ask(&Context::ROOT)], [true, true, false]);
    assert!(ask(&debug), "debug passes any limit");
    clock.advance(Duration::from_secs(30));
    assert_eq!([ask(&Context::ROOT), ask(&Context::ROOT)], [true, false], "and takes nothing of it");
}

/// Shows attributes to samplers, and counts how often.
fn sample(sampler: &(impl Sampler + Clone), kind: SpanKind, attributes: &[(Key<'_>, Value<'_>)]) -> bool {
    let (tracer, _) = recorder_with(|builder| builder.sampler(sampler.clone()));
    tracer.span("x").kind(kind).attributes(attributes).start().context().is_sampled()
}

#[test]
fn the_first_rule_that_matches_decides() {
    let rules = Arc::new(
        Rules::new()
            .rule(Match::any().kind(SpanKind::Producer), AlwaysOn)
            .rule(Match::any().kind(SpanKind::Server).route("/health"), AlwaysOff)
            .rule(Match::any().method("POST").route("/orders"), AlwaysOn)
            .rule(Match::any().method("POST"), AlwaysOff)
            .rule(Match::any().service("shop.Orders"), AlwaysOn)
            .rule(Match::any().destination("audit"), AlwaysOn)
            .rule(Match::any().attribute("retry", "true").attribute("attempt", "3"), AlwaysOn)
            .otherwise(AlwaysOff),
    );
    let text = |key: &'static str, value: &'static str| (Key::new(key), Value::Str(value));
    let method = |value| text("http.request.method", value);
    for (kind, attributes, wanted, why) in [
        (SpanKind::Producer, vec![], true, "the kind alone"),
        (SpanKind::Server, vec![text("url.path", "/healthz")], false, "a prefix of the path"),
        (SpanKind::Client, vec![text("url.path", "/healthz"), method("GET")], false, "another kind: falls through"),
        (SpanKind::Server, vec![method("POST"), text("url.path", "/orders/7")], true, "method and path"),
        (SpanKind::Server, vec![method("POST"), text("url.path", "/users")], false, "the next rule"),
        (
            SpanKind::Server,
            vec![method("POST"), text("url.path", "/orders"), text("http.route", "/")],
            false,
            "the route says more",
        ),
        (
            SpanKind::Server,
            vec![text("http.route", "/orders/{id}"), text("url.path", "/x"), method("POST")],
            true,
            "in any order",
        ),
        (SpanKind::Server, vec![method("post"), text("url.path", "/orders")], false, "case counts"),
        (SpanKind::Client, vec![text("rpc.method", "shop.Orders/Place")], true, "the service of a method"),
        (SpanKind::Client, vec![text("rpc.method", "shop.OrdersX/Place")], false, "another service"),
        (SpanKind::Client, vec![text("rpc.service", "shop.Orders")], true, "by itself"),
        (SpanKind::Client, vec![text("service.peer.name", "shop.Orders")], true, "a peer"),
        (SpanKind::Client, vec![text("rpc.method", "shop.X/POST")], false, "an RPC's method"),
        (SpanKind::Consumer, vec![text("messaging.destination.name", "audit")], true, "a topic"),
        (SpanKind::Consumer, vec![text("messaging.destination.name", "audit2")], false, "another topic"),
        (
            SpanKind::Internal,
            vec![(Key::new("retry"), Value::Bool(true)), (Key::new("attempt"), Value::Int(3))],
            true,
            "all of a rule",
        ),
        (SpanKind::Internal, vec![(Key::new("retry"), Value::Bool(true))], false, "one of two"),
        (SpanKind::Internal, vec![], false, "nothing matches"),
    ] {
        assert_eq!(sample(&rules, kind, &attributes), wanted, "{why}");
    }
    assert!(sample(&Arc::new(Rules::new()), SpanKind::Server, &[]), "without rules as always");
    let many =
        (0..300).fold(Rules::new(), |rules, at| rules.rule(Match::any().attribute("n", &at.to_string()), AlwaysOn));
    let many = Arc::new(many.otherwise(AlwaysOff));
    for (n, wanted) in [(0, true), (63, true), (64, true), (256, true), (299, true), (300, false)] {
        assert_eq!(sample(&many, SpanKind::Internal, &[(Key::new("n"), Value::Int(n))]), wanted, "{n} of 300 rules");
    }
    assert!(format!("{rules:?}").contains("shop.Orders"));
}

#[test]
fn attributes_are_looked_at_once_and_only_if_a_rule_asks() {
    /// Counts visits by a sampler in between.
    #[derive(Debug)]
    struct Looks(Rules, AtomicUsize);

    impl Sampler for &'static Looks {
        fn sample(&self, input: &SamplingInput<'_>) -> SamplingDecision {
            self.0.sample(input)
        }
    }
    struct Costly(&'static AtomicUsize);

    impl throughline_core::Operation for Costly {
        type Request<'a> = ();
        type Response<'a> = ();

        fn kind(&self) -> SpanKind {
            SpanKind::Client
        }

        fn semantic_key(&self) -> Option<throughline_core::SemanticKey> {
            None
        }

        fn scope(&self) -> &'static throughline_core::Scope {
            static TEST: throughline_core::Scope = throughline_core::Scope { name: "test", version: "7" };
            &TEST
        }

        fn name<'r>(&self, (): &'r ()) -> throughline_core::SpanName<'r> {
            throughline_core::SpanName::Static(&"x")
        }

        fn start_attributes<V: throughline_core::AttributeVisitor + ?Sized>(&self, (): &(), to: &mut V) {
            self.0.fetch_add(1, Ordering::Relaxed);
            to.attribute(Key::new("url.path"), Value::Str("/z"));
        }

        fn end(&self, (): &(), _: &mut throughline_core::Recording<'_>) {}
    }
    let route = |at: char| Match::any().route(&format!("/{at}"));
    for (rules, wanted, why) in [
        (Rules::new().rule(Match::any().kind(SpanKind::Client), AlwaysOff), 0, "the kind decides"),
        (
            Rules::new().rule(Match::any().kind(SpanKind::Server).route("/"), AlwaysOn).otherwise(AlwaysOff),
            0,
            "another kind",
        ),
        (
            "abcdefghijk".chars().fold(Rules::new(), |all, at| all.rule(route(at), AlwaysOn)).otherwise(AlwaysOff),
            1,
            "11 rules",
        ),
    ] {
        let looks: &'static Looks = Box::leak(Box::new(Looks(rules, AtomicUsize::new(0))));
        let (tracer, _) = recorder_with(|builder| builder.sampler(looks));
        drop(Instrumenter::new(&tracer, Costly(&looks.1)).start(&()));
        assert_eq!(looks.1.load(Ordering::Relaxed), wanted, "{why}");
    }
}

/// Remembers what it was told of.
#[derive(Clone, Default)]
struct Told(Arc<AtomicUsize>);

impl Listener for Told {
    fn start(&self, _: &Start<'_>) {}

    fn end(&self, end: &End<'_>) {
        let mut seen = false;
        end.attributes.visit(&mut |key: Key<'_>, _: Value<'_>| seen |= key.as_str() == "late");
        assert!(seen, "what is written to it is kept");
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn what_is_dropped_can_be_recorded_all_the_same() {
    let told = Told::default();
    let sampler = AlwaysRecord::new(ParentBased::new(AlwaysOff));
    let (tracer, memory) = recorder_with(|builder| builder.sampler(sampler).listener(told.clone()));
    let span = tracer.span("x").start();
    assert!(span.is_recording() && !span.context().is_sampled());
    span.set("late", true);
    let mut headers = http::HeaderMap::new();
    Composite::w3c().inject_headers(&span.context(), Allow::ALL, &mut headers);
    assert!(headers["traceparent"].to_str().unwrap().ends_with('2'), "nobody further down records it");
    span.end(SpanEnd::Completed);
    assert_eq!((memory.spans().len(), told.0.load(Ordering::Relaxed)), (0, 1));
    let alone = Tracer::builder().sampler(AlwaysRecord::new(AlwaysOff)).sink(Memory::default()).build();
    assert!(alone.span("x").start().is_recording(), "without a listener, too");
}

#[test]
fn a_sampler_is_replaced_while_spans_are_made() {
    /// Asks for its own replacement when it is dropped, which must not be under the lock.
    #[derive(Debug)]
    struct Last(throughline_core::SamplerHandle);

    impl Sampler for Last {
        fn sample(&self, _: &SamplingInput<'_>) -> SamplingDecision {
            self.0.set(AlwaysOff);
            SamplingDecision::SAMPLE
        }
    }

    impl Drop for Last {
        fn drop(&mut self) {
            self.0.set(AlwaysOn);
        }
    }

    let (sampler, handle) = Reloadable::new(AlwaysOff);
    assert!(format!("{sampler:?} {handle:?}").contains("AlwaysOff"));
    let (tracer, _) = recorder_with(|builder| builder.sampler(sampler));
    let sampled = || tracer.span("x").start().context().is_sampled();
    assert!(!sampled());
    let other = handle.clone();
    std::thread::spawn(move || other.set(AlwaysOn)).join().unwrap();
    assert!(sampled(), "from the next span on");
    let child = Context::ROOT.with_span_context(remote(UNSAMPLED));
    assert!(tracer.span("x").parent(&child).start().context().is_sampled(), "it need not follow parents");
    handle.set(Last(handle.clone()));
    assert!(sampled(), "a sampler may replace itself");
    assert!(sampled(), "and once more while it is dropped");
}
