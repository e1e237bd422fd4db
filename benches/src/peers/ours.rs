//! throughline.

use std::hint::black_box;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use http::HeaderMap;
use throughline::export::{Batch, ExportError, Exporter};
use throughline::propagation::{Allow, B3, Composite, Format, XRay};
use throughline::tower::HttpClient;
use throughline::{Context, ContextExt as _, Key, SpanEnd, SpanKind, SpanName, Telemetry, Tracer, Value, task};
use tower::Layer;

use super::remote::{Remote, fetch};
use super::{ROUTE, outgoing, user};
use crate::check::{self, Seen};
use crate::peer::{Peer, Spawns, Yields, drive, one_span_per_request, trivial};
use crate::request;
use crate::workload::{CHILDREN, Handler, Wire, Workload};

pub(super) struct Ours;
pub(super) struct OursPlain;
pub(super) struct OursText;
pub(super) struct OursHand;

/// Looks at every attribute, as one that encodes would, and drops the span.
pub(super) struct Looking;

// === impl Ours ===

impl Peer for Ours {
    fn name(&self) -> &'static str {
        "ours"
    }

    fn about(&self) -> &'static str {
        "throughline: the layer for axum, in W9 the client's layer, names known at compile time"
    }

    fn runs(&self, _: Workload) -> bool {
        true
    }

    fn setup(&self) {
        LazyLock::force(&TELEMETRY);
        LazyLock::force(&UNSAMPLED);
    }

    fn flush(&self) {
        flush();
    }

    fn exported(&self) -> u64 {
        exported()
    }

    fn expected(&self, workload: Workload, iterations: u64) -> u64 {
        one_span_per_request(workload, iterations)
    }

    fn router(&self, handler: Handler) -> Router {
        let handler = match handler {
            Handler::Plain => get(user),
            Handler::Children => get(children),
            Handler::Outgoing => get(client),
        };
        Router::new().route(ROUTE, handler).layer(TELEMETRY.axum_server())
    }

    fn extract(&self, workload: Workload, headers: &HeaderMap, times: u64) -> u64 {
        let propagator = propagator(workload);
        let mut sum = 0;
        for _ in 0..times {
            let context = propagator.extract_headers(black_box(headers)).to_context(&Context::ROOT);
            sum ^= context.span_context().map_or(0, |span| span.span_id().to_u64());
            black_box(&context);
        }
        sum
    }

    fn inject(&self, workload: Workload, headers: &mut HeaderMap, times: u64) {
        let propagator = propagator(workload);
        let context = propagator.extract_headers(headers).to_context(&Context::ROOT);
        for _ in 0..times {
            propagator.inject_headers(black_box(&context), Allow::TRACE, headers);
        }
    }

    fn polls(&self, tasks: u64) {
        for _ in 0..tasks {
            drive(Yields::new().with_context(UNSAMPLED.clone()));
        }
    }

    fn spawns(&self, tasks: u64) -> Spawns {
        let parent = async move {
            for _ in 0..tasks {
                task::spawn(trivial()).await.expect("no panic");
            }
        };
        Box::pin(parent.with_context(UNSAMPLED.clone()))
    }
}

pub(super) fn exported() -> u64 {
    EXPORTED.load(Ordering::Relaxed)
}

fn tracer() -> &'static Tracer {
    TELEMETRY.tracer()
}

fn flush() {
    TELEMETRY.flush(Duration::from_secs(5)).wait().expect("this exporter takes everything");
}

/// As a service has it that speaks the workload's format alone.
fn propagator(workload: Workload) -> Composite {
    let Some(wire) = workload.wire() else { return tracer().propagator().clone() };
    Composite::new(match wire {
        Wire::B3 => vec![Format::B3(B3::Single)],
        Wire::B3Multi => vec![Format::B3(B3::Multi)],
        Wire::Jaeger => vec![Format::Jaeger],
        Wire::XRay => vec![Format::XRay(XRay::Header)],
        Wire::NoneW3c => vec![Format::TraceContext, Format::Baggage],
        Wire::None => {
            let names = Format::NAMES.iter().filter(|name| **name != "xray-lambda");
            names.filter_map(|name| Format::by_name(name)).collect()
        }
    })
}

async fn children() -> &'static str {
    for number in 0..CHILDREN / 2 {
        let child = |number: u64| {
            tracer().span(SpanName::Static(&"child")).start_with(|span| {
                span.push("child.kind", Value::Static(&"cache"));
                span.push("child.index", number as i64);
            })
        };
        let outer = child(2 * number);
        let guard = outer.context().attach();
        let inner = child(2 * number + 1);
        drop(inner.context().attach());
        inner.end(SpanEnd::Completed);
        drop(guard);
        outer.end(SpanEnd::Completed);
    }
    user().await
}

async fn client() -> &'static str {
    // The clone is what axum's `State` would make.
    black_box(fetch(REMOTE.clone()).await);
    user().await
}

// === impl OursPlain ===

impl Peer for OursPlain {
    fn name(&self) -> &'static str {
        "ours-plain"
    }

    fn about(&self) -> &'static str {
        "throughline: the layer for any tower server; axum boxes the body that it wraps"
    }

    fn runs(&self, workload: Workload) -> bool {
        matches!(workload, Workload::W1 | Workload::W2 | Workload::W3)
    }

    fn setup(&self) {
        Ours.setup();
    }

    fn flush(&self) {
        flush();
    }

    fn exported(&self) -> u64 {
        Ours.exported()
    }

    fn expected(&self, workload: Workload, iterations: u64) -> u64 {
        one_span_per_request(workload, iterations)
    }

    fn router(&self, _: Handler) -> Router {
        Router::new().route(ROUTE, get(user)).layer(TELEMETRY.http_server())
    }
}

// === impl OursText ===

impl Peer for OursText {
    fn name(&self) -> &'static str {
        "ours-text"
    }

    fn about(&self) -> &'static str {
        "as ours, child spans with names and values that are copied: what one writes without a thought"
    }

    fn runs(&self, workload: Workload) -> bool {
        workload == Workload::W8
    }

    fn setup(&self) {
        Ours.setup();
    }

    fn flush(&self) {
        flush();
    }

    fn exported(&self) -> u64 {
        Ours.exported()
    }

    fn expected(&self, workload: Workload, iterations: u64) -> u64 {
        one_span_per_request(workload, iterations)
    }

    fn router(&self, _: Handler) -> Router {
        Router::new().route(ROUTE, get(text_children)).layer(TELEMETRY.axum_server())
    }
}

async fn text_children() -> &'static str {
    for number in 0..CHILDREN / 2 {
        let child = |number: u64| {
            let span = tracer().span("child").start();
            span.set("child.kind", "cache");
            span.set("child.index", number as i64);
            span
        };
        let outer = child(2 * number);
        outer.context().scope(|| {
            let inner = child(2 * number + 1);
            inner.context().scope(|| ());
            inner.end(SpanEnd::Completed);
        });
        outer.end(SpanEnd::Completed);
    }
    user().await
}

// === impl OursHand ===

impl Peer for OursHand {
    fn name(&self) -> &'static str {
        "ours-hand"
    }

    fn about(&self) -> &'static str {
        "as ours, the client span made and injected by hand, as the peers' rows do it"
    }

    fn runs(&self, workload: Workload) -> bool {
        workload == Workload::W9
    }

    fn setup(&self) {
        Ours.setup();
    }

    fn flush(&self) {
        flush();
    }

    fn exported(&self) -> u64 {
        Ours.exported()
    }

    fn expected(&self, workload: Workload, iterations: u64) -> u64 {
        one_span_per_request(workload, iterations)
    }

    fn router(&self, _: Handler) -> Router {
        Router::new().route(ROUTE, get(client_by_hand)).layer(TELEMETRY.axum_server())
    }
}

async fn client_by_hand() -> &'static str {
    {
        let span = tracer().span(SpanName::Static(&"GET")).kind(SpanKind::Client).start_with(|span| {
            span.push(METHOD, Value::Static(&"GET"));
            span.push(ADDRESS, "db.example.com");
            span.push(URL, black_box("http://db.example.com/rows/42"));
        });
        let mut headers = outgoing();
        tracer().propagator().inject_headers(&span.context(), Allow::TRACE, &mut headers);
        check::sent(&headers);
        span.end_with(SpanEnd::Completed, |span| span.push(STATUS, 200));
    }
    user().await
}

// === impl Looking ===

impl Exporter for Looking {
    fn export(&mut self, batch: &Batch<'_>) -> Result<(), ExportError> {
        let mut spans = 0;
        for span in batch.spans() {
            let ids = span.span_context();
            spans += u64::from(ids.trace_id().to_u128() != 0 && ids.span_id().to_u64() != 0);
            let sizes = span.attributes().map(|(_, value)| match value {
                Value::Int(number) => number as u64,
                Value::Bytes(text) => text.len() as u64,
                Value::Static(text) => text.len() as u64,
                _ => 1,
            });
            black_box(sizes.fold(0, u64::wrapping_add));
            if check::is_on() {
                check::saw(Seen {
                    name: span.name().to_string(),
                    trace_id: ids.trace_id().to_u128(),
                    parent_id: span.parent_span_id().map_or(0, |parent| parent.to_u64()),
                    attributes: span.attributes().map(|(key, value)| check::attribute(key.as_str(), value)).collect(),
                });
            }
        }
        EXPORTED.fetch_add(spans, Ordering::Relaxed);
        Ok(())
    }
}

static TELEMETRY: LazyLock<Telemetry> =
    LazyLock::new(|| Telemetry::builder().service_name("bench").exporter(Looking).build().expect("valid settings"));

static REMOTE: LazyLock<HttpClient<Remote>> = LazyLock::new(|| Layer::layer(&TELEMETRY.http_client(), Remote));

/// What W5 and W6 carry.
static UNSAMPLED: LazyLock<Context> =
    LazyLock::new(|| tracer().propagator().extract_headers(&request::headers(Workload::W2)).to_context(&Context::ROOT));

static EXPORTED: AtomicU64 = AtomicU64::new(0);

const METHOD: Key<'static> = Key::new("http.request.method");
const ADDRESS: Key<'static> = Key::new("server.address");
const URL: Key<'static> = Key::new("url.full");
const STATUS: Key<'static> = Key::new("http.response.status_code");
