//! Attempts of one request: trace shape 2.

use std::future::Ready;

use http::{Request, Response};
use throughline_core::{Context, ContextExt, SpanEnd};
use throughline_testing::{Answer, BodyError, ScriptedBody, assert_trace, tracer};
use throughline_tower::{HttpClientLayer, HttpServerLayer, ResendLayer};
use tower::retry::Policy;
use tower::{Service, ServiceBuilder, ServiceExt};

use crate::rig::{Scripted, get, header, ready, status, text};

/// Again, as long as the answer is a 5xx or an error, so many times.
#[derive(Clone)]
struct Again(usize);

impl<B> Policy<Request<()>, Response<B>, BodyError> for Again {
    type Future = Ready<()>;

    fn retry(&mut self, _: &mut Request<()>, result: &mut Result<Response<B>, BodyError>) -> Option<Ready<()>> {
        let failed = result.as_ref().map_or(true, |response| response.status().is_server_error());
        (failed && self.0 > 0).then(|| {
            self.0 -= 1;
            std::future::ready(())
        })
    }

    fn clone_request(&mut self, request: &Request<()>) -> Option<Request<()>> {
        Some(request.clone())
    }
}

fn body(code: u16) -> Response<ScriptedBody> {
    status(code).body(ScriptedBody::new()).unwrap()
}

#[test]
fn attempts_are_siblings_and_numbered() {
    let (tracer, spans) = tracer();
    let client =
        ServiceBuilder::new().layer(ResendLayer::new()).retry(Again(5)).layer(HttpClientLayer::new(&tracer)).service(
            HttpServerLayer::new(&tracer)
                .layer(Scripted::new().respond(body(500)).respond(body(500)).respond(body(200))),
        );
    let work = tracer.span("work").start();
    let response =
        ready(work.context().scope(|| client.oneshot(get("http://inventory/"))).with_context(work.context()));
    assert_eq!(response.unwrap().status(), 200);
    work.end(SpanEnd::Completed);
    assert_trace!(spans, internal "work" [ordered] {
        client "GET" [!"http.request.resend_count", "http.response.status_code" = 500, status = Error] {
            server "GET" [status = Error]
        }
        client "GET" ["http.request.resend_count" = 1, "http.response.status_code" = 500, status = Error] {
            server "GET" [status = Error]
        }
        client "GET" ["http.request.resend_count" = 2, "http.response.status_code" = 200, status = Unset] {
            server "GET" [status = Unset]
        }
    });
}

#[test]
fn without_an_ambient_parent_each_attempt_is_a_trace() {
    let (tracer, spans) = tracer();
    let client = ServiceBuilder::new()
        .layer(ResendLayer::new())
        .retry(Again(5))
        .layer(HttpClientLayer::new(&tracer))
        .service(Scripted::new().respond(body(500)).respond(body(500)).respond(body(200)));
    assert_eq!(ready(client.oneshot(get("http://inventory/"))).unwrap().status(), 200);
    assert_trace!(spans,
        trace { client "GET" [!"http.request.resend_count"] }
        trace { client "GET" ["http.request.resend_count" = 1] }
        trace { client "GET" ["http.request.resend_count" = 2] }
    );
}

#[test]
fn each_attempt_tells_the_other_side_of_itself() {
    let (tracer, spans) = tracer();
    let network = Scripted::new().answer(Answer::error(BodyError("lost"))).respond(body(503)).respond(body(200));
    let client = ServiceBuilder::new()
        .layer(ResendLayer::new())
        .retry(Again(2))
        .layer(HttpClientLayer::new(&tracer))
        .service(network.clone());
    ready(client.oneshot(get("http://inventory/"))).unwrap();
    let told: Vec<_> = network.take_requests().iter().map(|request| header(request, "traceparent").unwrap()).collect();
    let made = spans.spans();
    assert_eq!(told.len(), 3);
    for (told, made) in told.iter().zip(&made) {
        assert!(told.contains(&made.span_context.span_id().to_string()), "{told}");
    }
    assert_eq!(text(&made[0], "error.type").as_deref(), Some("BodyError"));
}

#[test]
fn nobody_counts_without_the_layer_and_requests_do_not_share_a_count() {
    let (tracer, spans) = tracer();
    let network = Scripted::new().respond(body(500)).respond(body(200));
    let client = ServiceBuilder::new().retry(Again(1)).layer(HttpClientLayer::new(&tracer)).service(network);
    ready(client.oneshot(get("http://inventory/"))).unwrap();
    assert!(spans.take().iter().all(|span| span.attribute("http.request.resend_count").is_none()));

    let network = Scripted::new().respond(body(200)).respond(body(500)).respond(body(200));
    let mut client = ServiceBuilder::new()
        .layer(ResendLayer::new())
        .retry(Again(1))
        .layer(HttpClientLayer::new(&tracer))
        .service(network);
    ready(client.call(get("http://inventory/1"))).unwrap();
    ready(client.call(get("http://inventory/2"))).unwrap();
    let counts: Vec<_> = spans.take().iter().map(|span| text(span, "http.request.resend_count")).collect();
    assert_eq!(counts, [None, None, Some("1".to_owned())]);
    assert!(Context::current().is_root());
}
