//! Nodes are used again and again: none may show anything of its previous life. Random spans and contexts are compared
//! with a model that knows no pool.

mod common;

use common::{Memory, SAMPLED, UNSAMPLED, recorder_with, remote};
use proptest::prelude::*;
use throughline_core::propagation::Composite;
use throughline_core::{
    AlwaysOff, AttributeValue, Baggage, Context, SamplingState, SemanticKey, Span, SpanContext, SpanEnd, SpanKind,
    SpanLimits, Status, TraceState, Tracer,
};

#[derive(Clone, Copy, Debug)]
enum Step {
    /// Tracer, kind, key.
    Start(u8, u8, u8),
    Attribute(u8),
    Event(u8),
    Link,
    Status(u8),
    WithValue(u8),
    WithBaggage(u8),
    WithTraceState(u8),
    WithParent(bool),
    Suppress,
    Receive(u8),
    Clone,
    DropContext,
    DropAll,
    End(u8),
    DropSpan(u8),
}

/// A step, and which of the contexts it is about.
fn steps() -> impl Strategy<Value = Vec<(u8, Step)>> {
    let n = || 0_u8..8;
    let step = prop_oneof![
        6 => (0_u8..3, 0_u8..5, n()).prop_map(|(tracer, kind, key)| Step::Start(tracer, kind, key)),
        4 => n().prop_map(Step::Attribute),
        2 => n().prop_map(Step::Event),
        1 => Just(Step::Link),
        1 => n().prop_map(Step::Status),
        1 => n().prop_map(Step::WithValue),
        1 => n().prop_map(Step::WithBaggage),
        1 => n().prop_map(Step::WithTraceState),
        1 => any::<bool>().prop_map(Step::WithParent),
        1 => Just(Step::Suppress),
        2 => n().prop_map(Step::Receive),
        1 => Just(Step::Clone),
        4 => Just(Step::DropContext),
        1 => Just(Step::DropAll),
        4 => n().prop_map(Step::End),
        1 => n().prop_map(Step::DropSpan),
    ];
    prop::collection::vec((any::<u8>(), step), 1..80)
}

/// What a context ought to be.
#[derive(Clone, PartialEq, Debug)]
struct Carried {
    ids: Option<SpanContext>,
    sampling: SamplingState,
    tracestate: Option<String>,
    baggage: Option<u8>,
    value: Option<u8>,
    suppressed: Vec<SemanticKey>,
    all: bool,
    /// Which span is written to.
    span: Option<usize>,
    /// Which span is the local root.
    root: Option<usize>,
}

const NOTHING: Carried = Carried {
    ids: None,
    sampling: SamplingState::Defer,
    tracestate: None,
    baggage: None,
    value: None,
    suppressed: Vec::new(),
    all: false,
    span: None,
    root: None,
};

/// What a span ought to have.
#[derive(Default)]
struct Written {
    span: Option<Span>,
    id: Option<SpanContext>,
    tracer: usize,
    recorded: bool,
    parent: Option<SpanContext>,
    tracestate: Option<String>,
    attributes: Vec<(String, AttributeValue)>,
    events: Vec<(String, u8)>,
    links: usize,
    status: Option<u8>,
}

const KEYS: [SemanticKey; 6] = [
    SemanticKey::HttpServer,
    SemanticKey::HttpClient,
    SemanticKey::RpcClient,
    SemanticKey::DbClient,
    SemanticKey::Producer,
    SemanticKey::ConsumerSettle,
];

const KINDS: [SpanKind; 5] =
    [SpanKind::Internal, SpanKind::Server, SpanKind::Client, SpanKind::Producer, SpanKind::Consumer];

struct World {
    tracers: [(Tracer, Memory); 3],
    contexts: Vec<(Context, Carried)>,
    spans: Vec<Written>,
}

impl World {
    fn new() -> Self {
        let off = recorder_with(|builder| builder.sampler(AlwaysOff));
        let tracers = [recorder_with(|builder| builder), recorder_with(|builder| builder), off];
        Self { tracers, contexts: vec![(Context::ROOT, NOTHING)], spans: Vec::new() }
    }

    fn step(&mut self, of: u8, step: Step) {
        let at = usize::from(of) % self.contexts.len();
        let (context, carried) = self.contexts[at].clone();
        match step {
            Step::Start(tracer, kind, key) => self.start(&context, carried, tracer.into(), kind.into(), key.into()),
            Step::Attribute(n) => {
                let text = format!("value {n}");
                context.span().record(|span| span.push("k", &text));
                self.write(carried.span, |span| span.attributes.push(("k".into(), AttributeValue::from(&text))));
            }
            Step::Event(n) => {
                let name = format!("event {n}");
                let attributes = vec![("n".into(), n.into()); n.into()];
                context.span().record(|span| span.event(&name, &attributes));
                self.write(carried.span, |span| span.events.push((name.clone(), n)));
            }
            Step::Link => {
                context.span().link(remote(SAMPLED), &[]);
                self.write(carried.span, |span| span.links += 1);
            }
            Step::Status(n) => {
                context.span().set_status(&Status::Error { description: n.to_string().into() });
                self.write(carried.span, |span| span.status = Some(n));
            }
            Step::WithValue(n) => self.keep(context.with_value(n), Carried { value: Some(n), ..carried }),
            Step::WithBaggage(n) => {
                let baggage = if n == 0 { Baggage::new() } else { baggage(n) };
                self.keep(context.with_baggage(baggage), Carried { baggage: (n > 0).then_some(n), ..carried });
            }
            Step::WithTraceState(n) => {
                let text = (n > 0).then(|| format!("k={n}"));
                let state = text
                    .as_ref()
                    .map(|text| TraceState::parse(text.as_bytes()).expect("the test's own input is valid"));
                self.keep(context.with_tracestate(state), Carried { tracestate: text, ..carried });
            }
            Step::WithParent(sampled) => {
                let ids = remote(if sampled { SAMPLED } else { UNSAMPLED });
                let sampling = SamplingState::of_flag(sampled);
                let wanted = Carried { ids: Some(ids), sampling, tracestate: None, span: None, root: None, ..carried };
                self.keep(context.with_span_context(ids), wanted);
            }
            Step::Suppress => {
                self.keep(context.with_instrumentation_suppressed(), Carried { all: true, ..carried });
            }
            Step::Receive(n) => self.receive(&context, carried, n),
            Step::Clone => self.keep(context, carried),
            Step::DropContext => {
                if self.contexts.len() > 1 {
                    self.contexts.swap_remove(at);
                }
            }
            Step::DropAll => self.contexts = vec![(Context::ROOT, NOTHING)],
            Step::End(n) => self.end(n.into(), true),
            Step::DropSpan(n) => self.end(n.into(), false),
        }
    }

    fn keep(&mut self, context: Context, carried: Carried) {
        self.contexts.push((context, carried));
    }

    fn write(&mut self, span: Option<usize>, write: impl FnOnce(&mut Written)) {
        if let Some(span) = span.map(|at| &mut self.spans[at]).filter(|span| span.span.is_some()) {
            write(span);
        }
    }

    fn start(&mut self, context: &Context, carried: Carried, tracer: usize, kind: usize, key: usize) {
        let mut builder = self.tracers[tracer].0.span("span").parent(context).kind(KINDS[kind]);
        if let Some(key) = KEYS.get(key) {
            builder = builder.semantic_key(*key);
        }
        let span = builder.start();
        if carried.all {
            // No span is made, and the context goes on as it is.
            self.keep(span.context(), Carried { span: None, ..carried });
            self.spans.push(Written { span: Some(span), tracer, ..Written::default() });
            return;
        }
        let sampled = tracer < 2 && carried.sampling != SamplingState::Deny;
        let sampling = match (sampled, carried.sampling) {
            (false, _) => SamplingState::Deny,
            (true, SamplingState::Debug) => SamplingState::Debug,
            (true, _) => SamplingState::Accept,
        };
        let ids = span.span_context().expect("a span has ids");
        assert_eq!(ids.is_sampled(), sampled);
        assert_eq!(carried.ids.map(|ids| ids.trace_id()).unwrap_or(ids.trace_id()), ids.trace_id());
        let entry = KINDS[kind].is_entry();
        let mut suppressed = if entry { Vec::new() } else { carried.suppressed.clone() };
        if matches!(KINDS[kind], SpanKind::Client | SpanKind::Producer) {
            // Whoever is called may be in this process.
            suppressed.retain(|key| !matches!(key, SemanticKey::HttpServer | SemanticKey::ConsumerProcess));
        }
        suppressed.extend(KEYS.get(key));
        let at = self.spans.len();
        let span_at = sampled.then_some(at);
        let root = if carried.ids.is_some_and(|parent| !parent.is_remote()) { carried.root } else { span_at };
        let wanted = Carried { ids: Some(ids), sampling, suppressed, span: span_at, root, ..carried.clone() };
        self.keep(span.context(), wanted);
        self.spans.push(Written {
            span: Some(span),
            id: Some(ids),
            tracer,
            recorded: sampled,
            parent: carried.ids,
            tracestate: carried.tracestate,
            ..Written::default()
        });
    }

    fn receive(&mut self, context: &Context, carried: Carried, n: u8) {
        let mut lines = vec![("accept".to_owned(), "*/*".to_owned())];
        let mut wanted = carried;
        if n & 1 != 0 {
            lines.push(("traceparent".into(), SAMPLED.into()));
            wanted = Carried {
                ids: Some(remote(SAMPLED)),
                sampling: SamplingState::Accept,
                tracestate: None,
                span: None,
                root: None,
                ..wanted
            };
        }
        if n & 2 != 0 {
            lines.push(("tracestate".into(), format!("r={n}")));
            if n & 1 != 0 {
                wanted.tracestate = Some(format!("r={n}"));
            }
        }
        if n & 4 != 0 {
            lines.push(("baggage".into(), baggage(n).to_string()));
            wanted.baggage = Some(n);
        }
        let received = Composite::w3c().extract_from(&lines).to_context(context);
        self.keep(received, wanted);
    }

    fn end(&mut self, n: usize, properly: bool) {
        let open: Vec<usize> = (0..self.spans.len()).filter(|at| self.spans[*at].span.is_some()).collect();
        if open.is_empty() {
            return;
        }
        let wanted = &mut self.spans[open[n % open.len()]];
        let span = wanted.span.take().expect("it is open");
        let id = span.span_context();
        if properly {
            span.end_with(SpanEnd::Completed, |span| span.push("end", 1));
            wanted.attributes.push(("end".into(), 1.into()));
        } else {
            drop(span);
            wanted.attributes.push(("throughline.outcome".into(), "cancelled".into()));
        }
        let memory = &self.tracers[wanted.tracer].1;
        if !wanted.recorded {
            assert!(memory.spans().is_empty(), "an unsampled span came to the sink");
            return;
        }
        let span = memory.one();
        assert_eq!(Some(span.span_context), id);
        assert_eq!(span.parent_span_id, wanted.parent.map(|parent| parent.span_id()));
        assert_eq!(span.parent_is_remote, wanted.parent.is_some_and(|parent| parent.is_remote()));
        assert_eq!(span.tracestate.as_ref().map(TraceState::as_str), wanted.tracestate.as_deref());
        let found: Vec<_> = span.attributes.iter().map(|(k, v)| (k.to_string(), v.clone())).collect();
        assert_eq!(found, wanted.attributes);
        let found: Vec<_> = span.events.iter().map(|e| (e.name.to_string(), e.attributes.len() as u8)).collect();
        assert_eq!(found, wanted.events);
        assert_eq!(span.links.len(), wanted.links);
        let status = wanted.status.map_or(Status::Unset, |n| Status::Error { description: n.to_string().into() });
        assert_eq!(span.status, status);
        assert_eq!((span.dropped_attributes, span.dropped_events, span.dropped_links), (0, 0, 0));
    }

    fn check(&self) {
        for (context, wanted) in &self.contexts {
            let carried = Carried {
                ids: context.span_context(),
                sampling: context.sampling_state(),
                tracestate: context.tracestate().map(ToString::to_string),
                baggage: wanted.baggage.filter(|n| context.baggage() == baggage(*n)),
                value: context.value::<u8>().copied(),
                suppressed: wanted.suppressed.clone(),
                all: context.is_instrumentation_suppressed(),
                span: wanted.span,
                root: wanted.root,
            };
            assert_eq!(carried, *wanted);
            let root = wanted.root.map(|at| self.spans[at].id);
            assert_eq!(context.local_root_span().span_context(), root.flatten(), "{context:?}");
            let open = wanted.root.is_some_and(|at| self.spans[at].span.is_some());
            assert_eq!(context.local_root_span().is_recording(), open);
            assert_eq!(context.baggage().is_empty(), wanted.baggage.is_none(), "{context:?}");
            for key in KEYS {
                assert_eq!(context.is_suppressed(key), wanted.all || wanted.suppressed.contains(&key), "{key:?}");
            }
            let open = wanted.span.is_some_and(|at| self.spans[at].span.is_some());
            assert_eq!(context.span().is_recording(), open);
        }
    }
}

fn baggage(n: u8) -> Baggage {
    Baggage::new().with("n", &n.to_string()).expect("a digit is a value")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn no_node_shows_anything_of_its_previous_life(steps in steps()) {
        let mut world = World::new();
        for (of, step) in steps {
            world.step(of, step);
            world.check();
        }
        world.contexts.clear();
        while world.spans.iter().any(|span| span.span.is_some()) {
            world.end(0, true);
        }
    }
}

#[test]
fn a_pool_outlives_neither_values_nor_its_thread() {
    let alive = std::sync::Arc::new(());
    let (tracer, _) = recorder_with(|builder| builder);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let contexts: Vec<_> = (0..200).map(|_| Context::ROOT.with_value(alive.clone())).collect();
            let spans: Vec<_> = contexts.iter().map(|context| tracer.span("span").parent(context).start()).collect();
            drop(contexts);
            spans.into_iter().for_each(|span| span.end(SpanEnd::Completed));
            assert_eq!(std::sync::Arc::strong_count(&alive), 1);
        });
    });
}

#[test]
fn a_cell_that_went_from_tracer_to_tracer_has_the_limits_of_the_last() {
    let mut short = SpanLimits::DEFAULT;
    short.value_length = 2;
    let (strict, _) = recorder_with(|builder| builder.limits(short));
    let (tracer, memory) = recorder_with(|builder| builder);
    let span = tracer.span("outer").start();
    // The node of a span of one tracer becomes one of a context below the other's, then of a span of the other's.
    strict.span("strict").start().end(SpanEnd::Completed);
    let carrier = std::collections::HashMap::from([("traceparent".to_owned(), SAMPLED.to_owned())]);
    drop(tracer.propagator().extract_from(&carrier).to_context(&span.context()));
    tracer.span("inner").start_with(|span| span.push("key", "value")).end(SpanEnd::Completed);
    assert_eq!(memory.one().attribute("key").and_then(AttributeValue::as_str), Some("value"));
    span.end(SpanEnd::Completed);
}
