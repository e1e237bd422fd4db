//! The trace shapes 1 to 4 of semantics.md §1.8, over two services and real hops.

use std::future::Ready;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::extract::{Path, State};
use axum::routing::get;
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use throughline_axum::{CurrentSpan, HttpServerLayer};
use throughline_core::{Context, Resource, SpanContext, SpanData, SpanEnd, SpanKind, Tracer};
use throughline_task::{self as task, JoinSetExt as _, traced};
use throughline_testing::{Gate, MemorySink, assert_trace};
use throughline_tower::{HttpClient, HttpClientLayer, ResendLayer};
use tokio::task::JoinSet;
use tower::retry::Policy;
use tower::{Service as _, ServiceBuilder, ServiceExt as _};

use crate::clients::{Pooled, ask, pooled};
use crate::rig::{Active, WIRES, Wire, serve};
use crate::routes::{Arrivals, LONG, routes};

/// A service of that name, whose spans arrive with the others'.
fn service(name: &str, spans: &MemorySink) -> Tracer {
    Tracer::builder().resource(Resource::new(name)).sink(spans.clone()).build()
}

fn traced_client(tracer: &Tracer, wire: Wire) -> HttpClient<Pooled> {
    HttpClientLayer::new(tracer).layer(pooled(wire))
}

/// The status of a request from outside, which carries no context of ours.
async fn visit(address: SocketAddr, path: &str) -> StatusCode {
    let response = pooled(Wire::Http1).request(ask(Method::GET, address, path)).await.unwrap();
    let status = response.status();
    response.into_body().collect().await.unwrap();
    status
}

async fn arrived(spans: &MemorySink, count: usize) -> Vec<SpanData> {
    spans.wait_for(count, LONG).await.unwrap()
}

#[tokio::test]
async fn shape_1_a_request_that_makes_a_request() {
    for wire in WIRES {
        let spans = MemorySink::new();
        let (front, back) = (service("front", &spans), service("back", &spans));
        let inner = serve(Router::new().route("/b", get(|| async { "b" })).layer(HttpServerLayer::new(&back))).await;
        let client = traced_client(&front, wire);
        let handler = move |span: CurrentSpan, Path(id): Path<u32>| async move {
            span.set("a.id", id);
            let response = client.clone().call(ask(Method::GET, inner, "/b")).await.unwrap();
            response.into_body().collect().await.unwrap().to_bytes()
        };
        let outer = serve(Router::new().route("/a/{id}", get(handler)).layer(HttpServerLayer::new(&front))).await;
        assert_eq!(visit(outer, "/a/7").await, 200);
        let spans = arrived(&spans, 3).await;
        assert_trace!(spans, trace {
            server "GET /a/{id}" ["a.id" = 7, service = "front", end = Completed, status = Unset] {
                client "GET" ["http.response.status_code" = 200, service = "front", end = Completed, status = Unset] {
                    server "GET /b" [service = "back", end = Completed, status = Unset]
                }
            }
        });
        assert!(spans.iter().all(|span| span.parent_is_remote == (span.service() == "back")), "{wire:?}");
    }
}

#[tokio::test]
async fn shape_1_below_a_caller_of_another_make() {
    let spans = MemorySink::new();
    let front = service("front", &spans);
    let outer = serve(Router::new().route("/a/{id}", get(|| async {})).layer(HttpServerLayer::new(&front))).await;
    let parent = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let mut request = ask(Method::GET, outer, "/a/7");
    request.headers_mut().insert("traceparent", http::HeaderValue::from_bytes(parent).unwrap());
    pooled(Wire::Http1).request(request).await.unwrap();
    let span = arrived(&spans, 1).await.remove(0);
    let parent = SpanContext::from_traceparent(parent).unwrap();
    assert_eq!(span.parent_span_id, Some(parent.span_id()));
    assert_eq!(span.span_context.trace_id(), parent.trace_id());
}

/// Again, as long as the answer is a 5xx.
#[derive(Clone)]
pub(crate) struct Again;

impl<B, E> Policy<Request<Empty<Bytes>>, Response<B>, E> for Again {
    type Future = Ready<()>;

    fn retry(&mut self, _: &mut Request<Empty<Bytes>>, result: &mut Result<Response<B>, E>) -> Option<Ready<()>> {
        let failed = result.as_ref().is_ok_and(|response| response.status().is_server_error());
        failed.then(|| std::future::ready(()))
    }

    fn clone_request(&mut self, request: &Request<Empty<Bytes>>) -> Option<Request<Empty<Bytes>>> {
        Some(request.clone())
    }
}

/// Answers 500, 500, and 200 from then on.
pub(crate) async fn flaky(tracer: &Tracer) -> SocketAddr {
    let calls = Arc::new(AtomicUsize::new(0));
    let handler = move || {
        let call = calls.fetch_add(1, Ordering::Relaxed);
        async move { if call < 2 { StatusCode::INTERNAL_SERVER_ERROR } else { StatusCode::OK } }
    };
    serve(Router::new().route("/b", get(handler)).layer(HttpServerLayer::new(tracer))).await
}

#[tokio::test]
async fn shape_2_a_retry_below_a_server() {
    let spans = MemorySink::new();
    let (front, back) = (service("front", &spans), service("back", &spans));
    let inner = flaky(&back).await;
    let client = ServiceBuilder::new()
        .layer(ResendLayer::new())
        .retry(Again)
        .layer(HttpClientLayer::new(&front))
        .service(pooled(Wire::Http1));
    let handler = move || async move {
        client.oneshot(ask(Method::GET, inner, "/b")).await.map(|response| response.status()).unwrap()
    };
    let outer = serve(Router::new().route("/a", get(handler)).layer(HttpServerLayer::new(&front))).await;
    assert_eq!(visit(outer, "/a").await, 200);
    assert_trace!(arrived(&spans, 7).await,
        server "GET /a" [status = Unset, ordered] {
            client "GET" [!"http.request.resend_count", "error.type" = "500", status = Error] {
                server "GET /b" ["error.type" = "500", status = Error]
            }
            client "GET" ["http.request.resend_count" = 1, "error.type" = "500", status = Error] {
                server "GET /b" ["error.type" = "500", status = Error]
            }
            client "GET" ["http.request.resend_count" = 2, !"error.type", status = Unset] {
                server "GET /b" [!"error.type", status = Unset]
            }
        }
    );
}

#[tokio::test]
async fn shape_2_a_retry_below_nothing_is_three_traces() {
    let spans = MemorySink::new();
    let (front, back) = (service("front", &spans), service("back", &spans));
    let inner = flaky(&back).await;
    let client = ServiceBuilder::new()
        .layer(ResendLayer::new())
        .retry(Again)
        .layer(HttpClientLayer::new(&front))
        .service(pooled(Wire::Http1));
    assert_eq!(client.oneshot(ask(Method::GET, inner, "/b")).await.unwrap().status(), 200);
    assert_trace!(arrived(&spans, 6).await,
        trace { client "GET" [!"http.request.resend_count"] { server "GET /b" } }
        trace { client "GET" ["http.request.resend_count" = 1] { server "GET /b" } }
        trace { client "GET" ["http.request.resend_count" = 2] { server "GET /b" } }
    );
}

#[tokio::test]
async fn shape_3_a_call_that_is_given_up() {
    for wire in WIRES {
        let (spans, active, arrivals) = (MemorySink::new(), Active::default(), Arrivals::new());
        let front = service("front", &spans);
        let back =
            Tracer::builder().resource(Resource::new("back")).sink(spans.clone()).listener(active.clone()).build();
        let inner = serve(routes(&arrivals).layer(HttpServerLayer::new(&back))).await;
        let client = traced_client(&front, wire);
        let handler = move |State(arrivals): State<Arrivals>| async move {
            let arrived = arrivals.expect(1);
            tokio::select! {
                _ = client.clone().call(ask(Method::GET, inner, "/never/1")) => StatusCode::BAD_GATEWAY,
                () = arrived => StatusCode::OK,
            }
        };
        let app = Router::new().route("/a", get(handler)).with_state(arrivals);
        let outer = serve(app.layer(HttpServerLayer::new(&front))).await;
        assert_eq!(visit(outer, "/a").await, 200);
        assert_trace!(arrived(&spans, 3).await,
            server "GET /a" [end = Completed, status = Unset] {
                client "GET" [end = Cancelled, status = Unset, !"error.type", "throughline.phase" = "head"] {
                    server "GET /never/{id}" [end = Cancelled, status = Error, "error.type" = "cancelled"]
                }
            }
        );
        active.assert_idle(1);
    }
}

/// Waits for the gate, then calls another service.
async fn late_work(tracer: Tracer, gate: Gate, inner: SocketAddr) {
    gate.opened().await;
    let context = Context::current();
    context.span().set("too", "late");
    traced_client(&tracer, Wire::Http1).call(ask(Method::GET, inner, "/b")).await.unwrap();
}

#[tokio::test]
async fn shape_4_work_that_outlives_its_request() {
    let spans = MemorySink::new();
    let (front, back) = (service("front", &spans), service("back", &spans));
    let inner = serve(Router::new().route("/b", get(|| async {})).layer(HttpServerLayer::new(&back))).await;
    let gate = Gate::new();
    let handler = {
        let (gate, tracer) = (gate.clone(), front.clone());
        move || async move {
            task::spawn(late_work(tracer.clone(), gate.clone(), inner));
            let mut tasks = JoinSet::new();
            tasks.spawn_in_context(traced("audit", late_work(tracer.clone(), gate.clone(), inner)));
            tasks.detach_all();
            let blocking = gate.clone();
            task::spawn_blocking(move || {
                tokio::runtime::Handle::current().block_on(blocking.opened());
                tracer.span("report").start().end(SpanEnd::Completed);
            });
            let newsletter = gate.clone();
            task::spawn_linked("newsletter", async move { newsletter.opened().await });
            "done"
        }
    };
    let outer = serve(Router::new().route("/a", get(handler)).layer(HttpServerLayer::new(&front))).await;
    assert_eq!(visit(outer, "/a").await, 200);
    let server = arrived(&spans, 1).await;
    assert_eq!((server.len(), server[0].kind), (1, SpanKind::Server), "the handler returned first");
    gate.open();
    let all = arrived(&spans, 8).await;
    assert_trace!(all,
        trace {
            server "GET /a" [end = Completed, status = Unset, !"too"] {
                client "GET" { server "GET /b" }
                internal "audit" ["too" = "late"] { client "GET" { server "GET /b" } }
                internal "report"
            }
        }
        trace { internal "newsletter" => link "GET /a" }
    );
    assert_eq!(all[0], server[0], "the ended span is as it was");
    assert_eq!(front.stats().late_writes, 1);
}
