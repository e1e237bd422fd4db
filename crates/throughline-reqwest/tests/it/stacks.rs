//! The layer among tower's.

use std::future::{Ready, ready};

use reqwest::{Method, Request, Response};
use throughline_core::{ContextExt as _, SpanEnd};
use throughline_reqwest::HttpClientLayer;
use throughline_testing::{assert_trace, tracer};
use throughline_tower::{CaptureLayer, ResendLayer};
use tower::retry::Policy;
use tower::{Service, ServiceBuilder, ServiceExt as _};

use crate::rig::{Server, header, remote, text};

/// Again, as long as the answer is a 5xx, so many times.
#[derive(Clone)]
struct Again(usize);

impl<E> Policy<Request, Response, E> for Again {
    type Future = Ready<()>;

    fn retry(&mut self, _: &mut Request, result: &mut Result<Response, E>) -> Option<Ready<()>> {
        let failed = result.as_ref().is_ok_and(|response| response.status().is_server_error());
        self.0 = self.0.checked_sub(1)?;
        failed.then(|| ready(()))
    }

    fn clone_request(&mut self, request: &Request) -> Option<Request> {
        request.try_clone()
    }
}

#[tokio::test]
async fn attempts_of_a_retry_are_siblings_and_numbered() {
    let (tracer, spans) = tracer();
    let server = Server::start().await;
    let client = ServiceBuilder::new()
        .layer(ResendLayer::new())
        .retry(Again(2))
        .layer(HttpClientLayer::new(&tracer))
        .service(reqwest::Client::new());
    let work = tracer.span("work").start();
    let request = Request::new(Method::GET, server.url("/status/503").parse().unwrap());
    async { client.oneshot(request).await.unwrap() }.with_context(work.context()).await;
    work.end(SpanEnd::Completed);
    let told: Vec<_> =
        server.take().iter().map(|request| remote(&header(request, "traceparent").unwrap()).span_id()).collect();
    let made: Vec<_> = spans.spans().iter().take(3).map(|span| span.span_context.span_id()).collect();
    assert_eq!(told, made, "each attempt tells of itself");
    assert_trace!(spans, internal "work" [ordered] {
        client "GET" [!"http.request.resend_count", status = Error]
        client "GET" ["http.request.resend_count" = 1, status = Error]
        client "GET" ["http.request.resend_count" = 2, status = Error]
    });
}

/// Outside a buffer the layer sees its caller by itself; inside, a `CaptureLayer` outside brings the caller along.
#[tokio::test]
async fn a_buffer_may_stand_on_either_side() {
    let (tracer, spans) = tracer();
    let server = Server::start().await;
    let layer = HttpClientLayer::new(&tracer);
    let convert = |request: http::Request<reqwest::Body>| Request::try_from(request).unwrap();
    let outside = ServiceBuilder::new()
        .map_request(convert)
        .layer(layer.clone())
        .buffer(4)
        .service(reqwest::Client::new())
        .boxed();
    let inside = ServiceBuilder::new()
        .layer(CaptureLayer::new())
        .buffer(4)
        .map_request(convert)
        .layer(layer.read_extensions())
        .service(reqwest::Client::new())
        .boxed();
    for (why, mut client) in [("outside", outside), ("inside", inside)] {
        let caller = tracer.span("caller").start();
        let request = http::Request::get(server.url("/")).body(reqwest::Body::default()).unwrap();
        async { client.ready().await.unwrap().call(request).await.unwrap() }.with_context(caller.context()).await;
        caller.end(SpanEnd::Completed);
        let told = remote(&header(&server.one(), "traceparent").unwrap());
        let span = spans.find("GET").unwrap();
        assert_eq!(told.span_id(), span.span_context.span_id(), "{why}");
        assert_eq!(text(&span, "error.type"), None);
        assert_trace!(spans, internal "caller" { client "GET" });
        spans.clear();
    }
}
