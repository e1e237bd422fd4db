//! Hooks that panic: they are counted, and the application does not notice.

use http::Response;
use throughline_core::{Context, SpanEnd, Status};
use throughline_testing::{BodyError, ScriptedBody, tracer};
use throughline_tower::{HttpClientLayer, HttpServerLayer, RequestView};
use tower::Service;

use crate::rig::{Scripted, exchange, get, header, one, ready, text};

#[test]
fn of_a_server_are_counted_and_not_felt() {
    type SetUp = fn(HttpServerLayer) -> HttpServerLayer;
    // Without a name a sampler cannot answer: that is a no.
    let set_ups: [(&str, usize, SetUp); 3] = [
        ("skip", 1, |layer| layer.skip(|_| panic!("scripted panic"))),
        ("route", 0, |layer| layer.route(|_| panic!("scripted panic"))),
        ("peer", 1, |layer| layer.peer(|_| panic!("scripted panic"))),
    ];
    for (why, recorded, set_up) in set_ups {
        let (tracer, spans) = tracer();
        let layer = set_up(HttpServerLayer::new(&tracer));
        let response = exchange(&layer, get("/"), Response::new(ScriptedBody::new()));
        assert_eq!(response.status(), 200, "{why}");
        assert!(Context::current().is_root(), "{why}");
        assert_ne!(tracer.stats().hook_panics, 0, "{why}");
        let ended = spans.take();
        assert_eq!(ended.len(), recorded, "{why}");
        for span in ended {
            assert_eq!((span.end, &span.status), (SpanEnd::Completed, &Status::Unset), "{why}");
            assert_eq!(text(&span, "http.response.status_code").as_deref(), Some("200"), "{why}");
        }
    }
}

#[test]
fn of_a_client_are_counted_and_not_felt() {
    let (tracer, spans) = tracer();
    let network = Scripted::new().respond(Response::new(ScriptedBody::new()));
    let layer = HttpClientLayer::new(&tracer).skip(|_| panic!("scripted panic"));
    ready(layer.layer(network.clone()).call(get("http://inventory/"))).unwrap();
    assert!(header(&network.take_requests()[0], "traceparent").is_some(), "what says nothing skips nothing");
    assert_eq!((one(&spans).end, tracer.stats().hook_panics), (SpanEnd::Completed, 1));
}

#[test]
fn that_name_errors_leave_it_to_throughline() {
    let (tracer, spans) = tracer();
    let failing = || Scripted::<ScriptedBody>::new().fail(BodyError("x"));
    let server = HttpServerLayer::new(&tracer).error_type(|_: &BodyError| panic!("scripted panic"));
    assert_eq!(ready(server.layer(failing()).call(get("/"))).err(), Some(BodyError("x")));
    assert_eq!(text(&one(&spans), "error.type").as_deref(), Some("BodyError"));
    let client = HttpClientLayer::new(&tracer).error_type(|_: &BodyError| panic!("scripted panic"));
    assert_eq!(ready(client.layer(failing()).call(get("http://inventory/"))).err(), Some(BodyError("x")));
    assert_eq!(text(&one(&spans), "error.type").as_deref(), Some("BodyError"));
    assert_eq!(tracer.stats().hook_panics, 2);
}

#[test]
fn what_a_predicate_sees_is_shown_without_secrets() {
    let request = http::Request::get("/orders?token=s3cret").header("authorization", "Bearer s3cret").body(()).unwrap();
    let shown = format!("{:?}", RequestView::new(&request));
    assert!(shown.contains("authorization") && shown.contains("/orders"), "{shown}");
    assert!(!shown.contains("s3cret"), "{shown}");
}
