//! fastrace's layers over fastrace itself, with a reporter that drops.

use std::hint::black_box;
use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::routing::{MethodRouter, get};
use fastrace::collector::{Config, Reporter, SpanRecord, W3CTraceContext};
use fastrace::future::FutureExt as _;
use fastrace::prelude::{LocalSpan, Span, SpanContext};
use http::{HeaderMap, HeaderValue};

use super::{ROUTE, outgoing, user};
use crate::check::{self, Seen};
use crate::peer::{Peer, Spawns, Yields, drive, one_span_per_request, trivial};
use crate::workload::{CHILDREN, Handler, Workload};

pub(super) struct FastraceTower;
pub(super) struct FastraceAxum;

struct Dropping;

// === impl FastraceTower ===

impl Peer for FastraceTower {
    fn name(&self) -> &'static str {
        "fastrace-tower"
    }

    fn about(&self) -> &'static str {
        "fastrace-tower's FastraceServerLayer: a span named after the method, no attributes"
    }

    fn runs(&self, workload: Workload) -> bool {
        workload.is_server()
    }

    fn setup(&self) {
        install();
    }

    fn flush(&self) {
        fastrace::flush();
    }

    fn exported(&self) -> u64 {
        EXPORTED.load(Ordering::Relaxed)
    }

    fn expected(&self, workload: Workload, iterations: u64) -> u64 {
        one_span_per_request(workload, iterations)
    }

    fn router(&self, handler: Handler) -> Router {
        Router::new().route(ROUTE, route(handler)).layer(fastrace_tower::FastraceServerLayer::default())
    }
}

// === impl FastraceAxum ===

impl Peer for FastraceAxum {
    fn name(&self) -> &'static str {
        "fastrace-axum"
    }

    fn about(&self) -> &'static str {
        "fastrace-axum's FastraceLayer, four attributes; in W4 to W6 fastrace itself"
    }

    fn runs(&self, workload: Workload) -> bool {
        workload.wire().is_none()
    }

    fn setup(&self) {
        install();
    }

    fn flush(&self) {
        fastrace::flush();
    }

    fn exported(&self) -> u64 {
        EXPORTED.load(Ordering::Relaxed)
    }

    fn expected(&self, workload: Workload, iterations: u64) -> u64 {
        match workload {
            Workload::W5 => iterations,
            // Its way to carry a context into a task is a span per task.
            Workload::W6 => iterations + 1,
            _ => one_span_per_request(workload, iterations),
        }
    }

    fn router(&self, handler: Handler) -> Router {
        Router::new().route(ROUTE, route(handler)).layer(fastrace_axum::FastraceLayer::default())
    }

    fn extract(&self, _: Workload, headers: &HeaderMap, times: u64) -> u64 {
        let mut sum = 0;
        for _ in 0..times {
            let context = decode(black_box(headers));
            sum ^= context.span_context.span_id.0;
            black_box(&context);
        }
        sum
    }

    fn inject(&self, _: Workload, headers: &mut HeaderMap, times: u64) {
        let context = decode(headers);
        for _ in 0..times {
            let context = black_box(&context);
            headers.insert("traceparent", value(&context.encode_traceparent()));
            if let Some(state) = context.encode_tracestate() {
                headers.insert("tracestate", value(state));
            }
        }
    }

    fn polls(&self, tasks: u64) {
        for _ in 0..tasks {
            drive(Yields::new().in_span(Span::root("task", SpanContext::random())));
        }
    }

    fn spawns(&self, tasks: u64) -> Spawns {
        let parent = async move {
            for _ in 0..tasks {
                let task = trivial().in_span(Span::enter_with_local_parent("task"));
                tokio::spawn(task).await.expect("no panic");
            }
        };
        Box::pin(parent.in_span(Span::root("parent", SpanContext::random())))
    }
}

fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| fastrace::set_reporter(Dropping, Config::default()));
}

fn decode(headers: &HeaderMap) -> W3CTraceContext {
    let parent = headers.get("traceparent").and_then(|value| value.to_str().ok()).expect("a traceparent");
    let state = headers.get("tracestate").and_then(|value| value.to_str().ok());
    W3CTraceContext::decode(parent, state).expect("a valid traceparent")
}

fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).expect("a valid value")
}

fn route(handler: Handler) -> MethodRouter {
    match handler {
        Handler::Plain => get(user),
        Handler::Children => get(children),
        Handler::Outgoing => get(client),
    }
}

async fn children() -> &'static str {
    for number in 0..CHILDREN / 2 {
        let _outer = child(2 * number);
        let _inner = child(2 * number + 1);
    }
    user().await
}

fn child(number: u64) -> LocalSpan {
    LocalSpan::enter_with_local_parent("child")
        .with_properties(|| [("child.kind", "cache".into()), ("child.index", number.to_string())])
}

/// Its own client layer makes no span and carries no tracestate; a span is added.
async fn client() -> &'static str {
    {
        let span = LocalSpan::enter_with_local_parent("GET").with_properties(|| {
            [
                ("http.request.method", "GET".into()),
                ("server.address", "db.example.com".into()),
                ("url.full", format!("http://db.example.com/rows/{}", 42)),
            ]
        });
        let mut headers = outgoing();
        if let Some(context) = SpanContext::current_local_parent() {
            headers.insert("traceparent", value(&context.encode_w3c_traceparent()));
        }
        check::sent(&headers);
        let _ended = span.with_property(|| ("http.response.status_code", "200"));
    }
    user().await
}

// === impl Dropping ===

impl Reporter for Dropping {
    fn report(&mut self, spans: Vec<SpanRecord>) {
        EXPORTED.fetch_add(spans.len() as u64, Ordering::Relaxed);
        if check::is_on() {
            for span in &spans {
                let properties = span.properties.iter();
                check::saw(Seen {
                    name: span.name.to_string(),
                    trace_id: span.trace_id.0,
                    parent_id: span.parent_id.0,
                    attributes: properties.map(|(key, value)| check::attribute(key, value)).collect(),
                });
            }
        }
    }
}

static EXPORTED: AtomicU64 = AtomicU64::new(0);
