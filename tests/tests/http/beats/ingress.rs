//! A public edge: what a stranger sends is a link, and counts for nothing else.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::routing::get;
use http::Method;
use throughline_axum::HttpServerLayer;
use throughline_core::{AlwaysOff, Context, ParentBased, SpanContext, SpanData, TraceIdRatio, Tracer};
use throughline_testing::MemorySink;
use throughline_tower::Ingress;

use crate::rig::{Connection, WIRES, Wire, serve, serve_hyper};
use crate::routes::LONG;

const SAMPLED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const UNSAMPLED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";

/// What the handler finds: its span, tracestate, baggage.
type Found = (Option<SpanContext>, Option<String>, Option<String>);

#[derive(Clone, Default)]
struct Handler(Arc<Mutex<Option<Found>>>);

impl Handler {
    fn app(&self, layer: HttpServerLayer) -> Router {
        let handler = self.clone();
        let answer = async move || {
            let context = Context::current();
            let baggage = context.has_baggage().then(|| context.baggage().to_string());
            let found = (context.span_context(), context.tracestate().map(ToString::to_string), baggage);
            *handler.0.lock().unwrap() = Some(found);
        };
        Router::new().route("/a", get(answer)).layer(layer)
    }

    fn found(&self) -> Found {
        self.0.lock().unwrap().take().unwrap()
    }
}

/// Asks as a stranger would who wants to be part of our traces; the answer's header names.
async fn visit(address: SocketAddr, wire: Wire, traceparent: &str) -> Vec<String> {
    let headers = [("traceparent", traceparent), ("tracestate", "evil=1"), ("baggage", "tenant=root")];
    let response = Connection::open(address, wire).await.send_with(Method::GET, "/a", &headers).await.unwrap();
    response.headers().keys().map(ToString::to_string).collect()
}

async fn one(spans: &MemorySink) -> SpanData {
    let span = spans.wait_for(1, LONG).await.unwrap().remove(0);
    spans.clear();
    span
}

fn caller() -> SpanContext {
    SpanContext::from_traceparent(SAMPLED.as_bytes()).unwrap()
}

#[tokio::test]
async fn at_a_public_edge_a_stranger_s_context_is_a_new_root_with_a_link() {
    let (spans, handler) = (MemorySink::new(), Handler::default());
    let tracer = Tracer::builder().sink(spans.clone()).build();
    let address = serve(handler.app(HttpServerLayer::new(&tracer).public_edge())).await;
    for wire in WIRES {
        let answered = visit(address, wire, SAMPLED).await;
        let span = one(&spans).await;
        assert_eq!((span.parent_span_id, span.parent_is_remote), (None, false), "{wire:?}: a root");
        assert_ne!(span.span_context.trace_id(), caller().trace_id(), "{wire:?}: of a trace of its own");
        let links: Vec<_> = span.links.iter().map(|link| link.span_context.to_traceparent()).collect();
        assert_eq!(links, [caller().to_traceparent()], "{wire:?}: that links to what was sent");
        assert_eq!(span.tracestate, None, "{wire:?}");
        assert_eq!(handler.found(), (Some(span.span_context), None, None), "{wire:?}: no tracestate, no baggage");
        assert!(!answered.iter().any(|name| name.starts_with("trace")), "{wire:?}: nothing goes back: {answered:?}");
    }
}

/// A stranger can neither have its requests recorded nor keep them from being recorded.
#[tokio::test]
async fn at_a_public_edge_strangers_decide_nothing() {
    for (traceparent, sampled_anyway) in [(SAMPLED, false), (UNSAMPLED, true)] {
        let (spans, handler) = (MemorySink::new(), Handler::default());
        let tracer = Tracer::builder().sink(spans.clone());
        let tracer = match sampled_anyway {
            true => tracer.sampler(ParentBased::new(TraceIdRatio::new(1.0))).build(),
            false => tracer.sampler(ParentBased::new(AlwaysOff)).build(),
        };
        let address = serve(handler.app(HttpServerLayer::new(&tracer).public_edge())).await;
        for wire in WIRES {
            visit(address, wire, traceparent).await;
            let (span, ..) = handler.found();
            assert_eq!(span.map(|span| span.is_sampled()), Some(sampled_anyway), "{wire:?}, {traceparent}");
        }
        if sampled_anyway {
            spans.wait_for(2, LONG).await.unwrap();
        } else {
            assert!(spans.is_empty());
        }
    }
}

#[tokio::test]
async fn every_policy_believes_as_much_as_it_says() {
    for (policy, child, link, baggage) in [
        (Ingress::Trust, true, false, true),
        (Ingress::TrustIdsNotSampling, true, false, true),
        (Ingress::Link, false, true, false),
        (Ingress::Ignore, false, false, false),
    ] {
        let (spans, handler) = (MemorySink::new(), Handler::default());
        let tracer = Tracer::builder().sink(spans.clone()).build();
        let address = serve(handler.app(HttpServerLayer::new(&tracer).ingress(policy))).await;
        for wire in WIRES {
            // Not sampled there: only those who are believed keep it from being recorded.
            visit(address, wire, UNSAMPLED).await;
            let (span, state, sent) = handler.found();
            let span = span.unwrap();
            let why = format!("{policy:?}, {wire:?}");
            assert_eq!(span.trace_id() == caller().trace_id(), child, "{why}");
            assert_eq!(span.is_sampled(), policy != Ingress::Trust, "{why}");
            assert_eq!((state.is_some(), sent.is_some()), (child, baggage), "{why}");
            if span.is_sampled() {
                let recorded = one(&spans).await;
                assert_eq!(recorded.parent_span_id.is_some(), child, "{why}");
                assert_eq!(recorded.links.len(), usize::from(link), "{why}");
            }
        }
        assert!(spans.is_empty());
    }
}

/// By what a gateway says of the caller; here it is a header that only the gateway can set.
#[tokio::test]
async fn whom_to_believe_may_depend_on_the_request() {
    let (spans, handler) = (MemorySink::new(), Handler::default());
    let tracer = Tracer::builder().sink(spans.clone()).build();
    let layer = HttpServerLayer::new(&tracer)
        .public_edge()
        .ingress_by(|request| if request.headers().contains_key("x-inside") { Ingress::Trust } else { Ingress::Link });
    let address = serve(handler.app(layer)).await;
    for wire in WIRES {
        for (inside, parents) in [(Some(("x-inside", "1")), true), (None, false)] {
            let headers: Vec<_> = [("traceparent", SAMPLED)].into_iter().chain(inside).collect();
            Connection::open(address, wire).await.send_with(Method::GET, "/a", &headers).await.unwrap();
            let span = one(&spans).await;
            assert_eq!(
                (span.parent_span_id.is_some(), span.links.is_empty()),
                (parents, parents),
                "{wire:?}, {inside:?}"
            );
        }
    }
}

/// A predicate that panics has said nothing: at a public edge nobody is let in by that.
#[tokio::test]
async fn a_predicate_that_panics_lets_nobody_in() {
    let spans = MemorySink::new();
    let tracer = Tracer::builder().sink(spans.clone()).build();
    let layer = throughline_tower::HttpServerLayer::new(&tracer).public_edge().ingress_by(|_| panic!("on purpose"));
    let handler = tower::service_fn(|_: http::Request<hyper::body::Incoming>| async {
        Ok::<_, std::convert::Infallible>(http::Response::new(http_body_util::Empty::<bytes::Bytes>::new()))
    });
    let address = serve_hyper(layer.layer(handler)).await;
    for wire in WIRES {
        visit(address, wire, SAMPLED).await;
        let span = one(&spans).await;
        assert_eq!((span.parent_span_id, span.links.len()), (None, 1), "{wire:?}");
    }
    assert_eq!(tracer.stats().hook_panics, 2);
}
