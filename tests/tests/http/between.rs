//! tower's layers between a client's layer and its client: what is a span, whose child it is, and what it covers.

use std::net::SocketAddr;

use axum::Router;
use axum::routing::get;
use bytes::Bytes;
use http::uri::Scheme;
use http::{Method, Request, Uri};
use http_body_util::Empty;
use throughline_axum::HttpServerLayer;
use throughline_core::{ContextExt as _, SpanData, SpanEnd, SpanKind, Status, Tracer};
use throughline_testing::{assert_trace, tracer, tree};
use throughline_tower::{CaptureLayer, HttpClientLayer, ResendLayer};
use tokio::net::TcpListener;
use tower::balance::p2c::Balance;
use tower::discover::ServiceList;
use tower::load::Constant;
use tower::load_shed::error::Overloaded;
use tower::{Service, ServiceBuilder, ServiceExt as _};

use crate::clients::{ask, pooled};
use crate::rig::{HOUSES, Server, Wire, serve};
use crate::routes::LONG;
use crate::shapes::{Again, flaky};

type Ask = Request<Empty<Bytes>>;

/// What a caller's span sees of one call; the caller is over when the call is.
async fn call<S, R>(tracer: &Tracer, client: S, request: Ask) -> Result<R, S::Error>
where
    S: Service<Ask, Response = R>,
{
    let caller = tracer.span("caller").start();
    let result = client.oneshot(request).with_context(caller.context()).await;
    caller.end(SpanEnd::Completed);
    result
}

async fn backend(tracer: &Tracer) -> SocketAddr {
    serve(Router::new().route("/b", get(|| async { "b" })).layer(HttpServerLayer::new(tracer))).await
}

/// The client's spans among these.
fn clients(spans: &[SpanData]) -> impl Iterator<Item = &SpanData> {
    spans.iter().filter(|span| span.kind == SpanKind::Client)
}

#[tokio::test]
async fn outside_a_buffer_the_caller_is_the_parent() {
    let (tracer, spans) = tracer();
    let address = backend(&tracer).await;
    let client = ServiceBuilder::new().layer(HttpClientLayer::new(&tracer)).buffer(4).service(pooled(Wire::Http1));
    call(&tracer, client, ask(Method::GET, address, "/b")).await.unwrap();
    let spans = spans.wait_for(3, LONG).await.unwrap();
    assert_trace!(spans, trace { internal "caller" { client "GET" { server "GET /b" } } });
}

#[tokio::test]
async fn inside_a_buffer_the_caller_is_the_parent_that_was_captured() {
    let (tracer, spans) = tracer();
    let address = backend(&tracer).await;
    let client = ServiceBuilder::new()
        .layer(CaptureLayer::new())
        .buffer(4)
        .layer(HttpClientLayer::new(&tracer))
        .service(pooled(Wire::Http1));
    // All through one buffer and at the same time: each call has its own caller.
    let callers = (0..8).map(|_| call(&tracer, client.clone(), ask(Method::GET, address, "/b")));
    for result in futures_util::future::join_all(callers).await {
        result.unwrap();
    }
    let spans = spans.wait_for(24, LONG).await.unwrap();
    let mut callers = Vec::new();
    for span in clients(&spans) {
        let parent = spans.iter().find(|parent| Some(parent.span_context.span_id()) == span.parent_span_id).unwrap();
        assert_eq!((&*parent.name, parent.span_context.trace_id()), ("caller", span.span_context.trace_id()));
        callers.push(parent.span_context.trace_id().to_string());
    }
    callers.sort();
    callers.dedup();
    assert_eq!(callers.len(), 8, "eight calls of eight callers:\n{}", tree(&spans));
}

/// The buffer's worker is nobody's task: that is what the capture is for.
#[tokio::test]
async fn inside_a_buffer_without_a_capture_nobody_is_the_parent() {
    let (tracer, spans) = tracer();
    let address = backend(&tracer).await;
    let client = ServiceBuilder::new().buffer(4).layer(HttpClientLayer::new(&tracer)).service(pooled(Wire::Http1));
    call(&tracer, client, ask(Method::GET, address, "/b")).await.unwrap();
    assert_trace!(spans.wait_for(3, LONG).await.unwrap(),
        trace { internal "caller" }
        trace { client "GET" { server "GET /b" } }
    );
}

/// One call that has reached its handler, and never comes back, while the closure makes another.
async fn while_one_goes_on<S, R>(server: &Server, client: S, other: impl AsyncFnOnce(S) -> R) -> R
where
    S: Service<Ask, Response: std::fmt::Debug, Error: std::fmt::Debug> + Clone,
{
    let arrived = server.arrivals.expect(1);
    let mut first = Box::pin(client.clone().oneshot(ask(Method::GET, server.address, "/never/1")));
    tokio::select! {
        response = &mut first => panic!("there is no response: {response:?}"),
        () = arrived => {}
    }
    other(client).await
}

#[tokio::test]
async fn a_call_that_is_dropped_in_the_queue_is_cancelled_outside_and_nothing_inside() {
    let (tracer, spans) = tracer();
    let server = Server::start(HOUSES[0]).await;
    let layer = HttpClientLayer::new(&tracer);
    let outside =
        ServiceBuilder::new().layer(layer.clone()).buffer(4).concurrency_limit(1).service(pooled(Wire::Http1));
    let inside = ServiceBuilder::new()
        .layer(CaptureLayer::new())
        .buffer(4)
        .concurrency_limit(1)
        .layer(layer)
        .service(pooled(Wire::Http1));

    while_one_goes_on(&server, outside, async |client| {
        drop_in_the_queue(client, &server).await;
        let span = spans.wait_for(1, LONG).await.unwrap().remove(0);
        assert_eq!((span.end, &span.status), (SpanEnd::Cancelled, &Status::Unset));
        assert_eq!(span.attribute("throughline.phase"), Some(&"head".into()));
        spans.clear();
    })
    .await;
    while_one_goes_on(&server, inside, async |client| drop_in_the_queue(client, &server).await).await;
    // The one that went on, of each.
    let ended = spans.wait_for(2, LONG).await.unwrap();
    assert!(ended.iter().all(|span| span.attribute("url.full").unwrap().to_string().ends_with("/never/1")));
    server.spans.wait_for(2, LONG).await.unwrap();
    server.active.assert_idle(2);
}

async fn drop_in_the_queue<S: Service<Ask>>(client: S, server: &Server) {
    let mut queued = Box::pin(client.oneshot(ask(Method::GET, server.address, "/known")));
    assert!(futures_util::poll!(&mut queued).is_pending());
}

#[tokio::test]
async fn a_call_that_is_shed_is_an_error_below_the_layer_and_no_span_above() {
    let (tracer, spans) = tracer();
    let server = Server::start(HOUSES[0]).await;
    let layer = HttpClientLayer::new(&tracer);
    let below =
        ServiceBuilder::new().layer(layer.clone()).load_shed().concurrency_limit(1).service(pooled(Wire::Http1));
    let above = ServiceBuilder::new().load_shed().concurrency_limit(1).layer(layer).service(pooled(Wire::Http1));

    let shed = while_one_goes_on(&server, below, async |client| {
        let shed = client.oneshot(ask(Method::GET, server.address, "/known")).await.unwrap_err();
        let span = spans.wait_for(1, LONG).await.unwrap().remove(0);
        assert_eq!((span.end, &span.status), (SpanEnd::Failed, &Status::error()));
        assert_eq!(span.attribute("error.type"), Some(&"overloaded".into()));
        spans.clear();
        shed
    });
    assert!(shed.await.is::<Overloaded>());
    let shed = while_one_goes_on(&server, above, async |client| {
        client.oneshot(ask(Method::GET, server.address, "/known")).await.unwrap_err()
    });
    assert!(shed.await.is::<Overloaded>());
    let ended = spans.wait_for(2, LONG).await.unwrap();
    assert!(ended.len() == 2 && ended.iter().all(|span| span.end == SpanEnd::Cancelled), "{}", tree(&ended));
}

/// What went wrong is seen through the box that tower's layers put around it.
#[tokio::test]
async fn errors_have_their_kind_through_tower_s_boxes() {
    let (tracer, spans) = tracer();
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let request = || ask(Method::GET, nobody, "/");
    let layer = HttpClientLayer::new(&tracer);
    let buffered = ServiceBuilder::new().layer(layer.clone()).buffer(4).service(pooled(Wire::Http1));
    let shed = ServiceBuilder::new().layer(layer.clone()).load_shed().service(pooled(Wire::Http1));
    let timed = ServiceBuilder::new().layer(layer).timeout(LONG).buffer(4).service(pooled(Wire::Http1));
    assert!(buffered.oneshot(request()).await.is_err());
    assert!(shed.oneshot(request()).await.is_err());
    assert!(timed.oneshot(request()).await.is_err());
    for span in spans.wait_for(3, LONG).await.unwrap() {
        assert_eq!(span.attribute("error.type"), Some(&"connection_refused".into()));
    }
}

/// Sends what is for the logical host to this address.
fn to(address: SocketAddr) -> impl Fn(Ask) -> Ask + Clone {
    move |mut request| {
        let mut parts = std::mem::take(request.uri_mut()).into_parts();
        (parts.scheme, parts.authority) = (Some(Scheme::HTTP), Some(address.to_string().parse().unwrap()));
        *request.uri_mut() = Uri::from_parts(parts).unwrap();
        request
    }
}

#[tokio::test]
async fn inside_a_balance_the_span_names_the_endpoint_and_outside_the_service() {
    let (tracer, spans) = tracer();
    let addresses = [backend(&tracer).await, backend(&tracer).await];
    let logical = || Request::get("http://shop.internal/b").body(Empty::new()).unwrap();

    let layer = HttpClientLayer::new(&tracer);
    let endpoints = addresses.map(|address| {
        let endpoint = ServiceBuilder::new().map_request(to(address)).layer(layer.clone());
        Constant::new(endpoint.service(pooled(Wire::Http1)), 1_u32)
    });
    let mut inside = Balance::new(ServiceList::new(endpoints));
    for _ in 0..4 {
        call(&tracer, &mut inside, logical()).await.unwrap();
        let ended = spans.wait_for(3, LONG).await.unwrap();
        spans.clear();
        assert_trace!(ended, trace { internal "caller" { client "GET" ["server.address" = "127.0.0.1"] { server "GET /b" } } });
        let port = clients(&ended).next().unwrap().attribute("server.port").unwrap().to_string();
        assert!(addresses.iter().any(|address| address.port().to_string() == port), "port {port} of {addresses:?}");
    }

    let endpoints = addresses.map(|address| {
        let endpoint = ServiceBuilder::new().map_request(to(address));
        Constant::new(endpoint.service(pooled(Wire::Http1)), 1_u32)
    });
    let mut outside = layer.layer(Balance::new(ServiceList::new(endpoints)));
    for _ in 0..4 {
        call(&tracer, &mut outside, logical()).await.unwrap();
        let ended = spans.wait_for(3, LONG).await.unwrap();
        spans.clear();
        assert_trace!(ended,
            trace {
                internal "caller" {
                    client "GET" ["server.address" = "shop.internal", "server.port" = 80, "url.full" = "http://shop.internal/b"] {
                        server "GET /b"
                    }
                }
            }
        );
    }
}

#[tokio::test]
async fn attempts_are_numbered_through_a_buffer_in_both_orders() {
    let (tracer, spans) = tracer();
    let layer = HttpClientLayer::new(&tracer);
    for inside in [true, false] {
        let address = flaky(&tracer).await;
        let request = ask(Method::GET, address, "/b");
        let attempts = ServiceBuilder::new().layer(ResendLayer::new()).retry(Again);
        let status = if inside {
            let client = attempts.layer(CaptureLayer::new()).buffer(4).layer(layer.clone());
            call(&tracer, client.service(pooled(Wire::Http1)), request).await.unwrap().status()
        } else {
            let client = attempts.layer(layer.clone()).buffer(4);
            call(&tracer, client.service(pooled(Wire::Http1)), request).await.unwrap().status()
        };
        assert_eq!(status, 200);
        let ended = spans.wait_for(7, LONG).await.unwrap();
        spans.clear();
        assert_trace!(ended,
            internal "caller" [ordered] {
                client "GET" [!"http.request.resend_count", "error.type" = "500"] { server "GET /b" }
                client "GET" ["http.request.resend_count" = 1, "error.type" = "500"] { server "GET /b" }
                client "GET" ["http.request.resend_count" = 2, !"error.type"] { server "GET /b" }
            }
        );
    }
}
