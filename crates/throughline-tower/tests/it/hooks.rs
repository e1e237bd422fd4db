//! Hooks that panic: they are counted, and the application does not notice.

use http::Response;
use throughline_core::{AlwaysOff, Context, Sampler, SamplingDecision, SamplingInput, SpanEnd, Status};
use throughline_testing::{BodyError, MemoryMeter, ScriptedBody, tracer, tracer_with};
use throughline_tower::{HttpClientLayer, HttpMetrics, HttpServerLayer, RequestView, RouteSource, set_route};
use tower::Service;

use crate::rig::{SAMPLED, Scripted, exchange, get, header, one, ready, text};

type SetUp = fn(HttpServerLayer) -> HttpServerLayer;

/// Each hook of a server that is asked for every request.
const HOOKS: [(&str, SetUp); 4] = [
    ("skip", |layer| layer.skip(|_| panic!("scripted panic"))),
    ("ingress_by", |layer| layer.ingress_by(|_| panic!("scripted panic"))),
    ("route", |layer| layer.route(|_| panic!("scripted panic"))),
    ("peer", |layer| layer.peer(|_| panic!("scripted panic"))),
];

#[test]
fn of_a_server_are_counted_and_not_felt() {
    for (why, set_up) in HOOKS {
        // Who decides that the span is recorded: the sampler, or the caller.
        for traceparent in [None, Some(SAMPLED)] {
            let (tracer, spans) = tracer();
            let layer = set_up(HttpServerLayer::new(&tracer));
            let mut asked = get("/users/7");
            if let Some(traceparent) = traceparent {
                asked.headers_mut().insert("traceparent", traceparent.parse().unwrap());
            }
            let response = exchange(&layer, asked, Response::new(ScriptedBody::new()));
            assert_eq!(response.status(), 200, "{why}");
            assert!(Context::current().is_root(), "{why}");
            assert_eq!(tracer.stats().hook_panics, 1, "{why}");
            let span = one(&spans);
            assert_eq!(
                (span.end, &span.status, span.name.as_str()),
                (SpanEnd::Completed, &Status::Unset, "GET"),
                "{why}"
            );
            assert_eq!(text(&span, "http.response.status_code").as_deref(), Some("200"), "{why}");
            let keys = span.attributes.iter().map(|(key, _)| key);
            assert_eq!(keys.filter(|key| *key == "url.path").count(), 1, "{why}: told once");
            // A caller whom a predicate cannot judge is a stranger.
            assert_eq!(span.parent_is_remote, traceparent.is_some() && why != "ingress_by", "{why}");
        }
    }
}

#[test]
fn of_a_server_do_not_hide_requests_from_who_listens() {
    for (why, set_up) in HOOKS {
        let meter = MemoryMeter::new();
        let (tracer, _) = tracer_with(|tracer| tracer.sampler(AlwaysOff).listener(HttpMetrics::new(&meter)));
        drop(exchange(&set_up(HttpServerLayer::new(&tracer)), get("/"), Response::new(ScriptedBody::new())));
        let labels = meter.series("http.server.request.duration")[0].labels();
        assert!(labels.contains("http.request.method=GET") && labels.contains("status_code=200"), "{why}: {labels}");
        assert_eq!((meter.sum("http.server.active_requests"), tracer.stats().hook_panics), (0.0, 1), "{why}");
    }
}

/// A sampler that looks at what panics cannot answer, which is a no; the request goes on all the same.
#[test]
fn of_a_server_may_cost_a_decision() {
    #[derive(Debug)]
    struct Looking(&'static str);
    impl Sampler for Looking {
        fn sample(&self, input: &SamplingInput<'_>) -> SamplingDecision {
            match self.0 {
                "name" => drop(input.name().to_string()),
                key => drop(input.attribute(key)),
            }
            SamplingDecision::SAMPLE
        }
    }
    for (why, look, set_up, recorded) in [
        ("the name", "name", HOOKS[2].1, 0),
        ("the name is of no interest", "url.path", HOOKS[3].1, 0),
        ("nothing panics", "url.path", |layer| layer, 1),
    ] as [(_, _, SetUp, _); 3]
    {
        let (tracer, spans) = tracer_with(|tracer| tracer.sampler(Looking(look)));
        let response = exchange(&set_up(HttpServerLayer::new(&tracer)), get("/"), Response::new(ScriptedBody::new()));
        assert_eq!((response.status().as_u16(), spans.len()), (200, recorded), "{why}");
        assert_eq!(tracer.stats().hook_panics, u64::from(recorded == 0), "{why}");
    }
}

/// A source that has panicked is not asked again, and a route that somebody else knows counts.
#[test]
fn of_a_server_leave_the_route_to_others() {
    let (tracer, spans) = tracer();
    let handler = tower::service_fn(|_: http::Request<()>| {
        set_route(RouteSource::Filter, "/users/{id}");
        std::future::ready(Ok::<_, BodyError>(Response::new(ScriptedBody::new())))
    });
    let mut service = HOOKS[2].1(HttpServerLayer::new(&tracer)).layer(handler);
    drop(ready(service.call(get("/users/7"))).unwrap());
    assert_eq!(one(&spans).name, "GET /users/{id}");
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
