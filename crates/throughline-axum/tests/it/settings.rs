//! Each setting of the layer is that of tower's layer, by what it does.

use axum::Router;
use axum::body::Body;
use axum::routing::any;
use http::{Request, StatusCode};
use throughline_axum::{CurrentBaggage, CurrentSpan, CurrentTraceId, HttpServerLayer};
use throughline_core::{AlwaysOff, Context, ParentBased, SpanData, SpanEnd, Tracer};
use throughline_testing::{MemorySink, tracer, tracer_with};
use throughline_tower::{Ingress, Redact, UpgradeSpan};

use crate::{answer, one, text};

const SAMPLED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn asked(method: &str, target: &str) -> Request<Body> {
    let request =
        Request::builder().method(method).uri(target).header("traceparent", SAMPLED).header("baggage", "tenant=7");
    let request =
        request.header("x-forwarded-for", "198.51.100.9").header("x-tenant", "a").header("content-length", "0");
    request.body(Body::empty()).unwrap()
}

async fn hello() -> ([(&'static str, &'static str); 1], &'static str) {
    ([("x-served-by", "b")], "hello")
}

async fn span_of(set_up: impl FnOnce(HttpServerLayer) -> HttpServerLayer, method: &str) -> SpanData {
    let (tracer, spans) = tracer();
    let app = Router::new().route("/a", any(hello)).layer(set_up(HttpServerLayer::new(&tracer)));
    assert_eq!(answer(&app, asked(method, "/a?q=1")).await.0, 200);
    one(&spans)
}

#[tokio::test]
async fn attributes_are_recorded_where_they_are_asked_for() {
    type SetUp = fn(HttpServerLayer) -> HttpServerLayer;
    let settings: [(&str, SetUp, &str, Option<&str>, &str); 8] = [
        ("trusted_proxies", |layer| layer.trusted_proxies(1), "client.address", None, "198.51.100.9"),
        ("known_methods", |layer| layer.known_methods(["GET"]), "http.request.method", Some("POST"), "_OTHER"),
        ("redact", |layer| layer.redact(Redact::None), "url.query", Some("q=REDACTED"), "q=1"),
        ("https", HttpServerLayer::https, "url.scheme", Some("http"), "https"),
        (
            "capture_request_headers",
            |layer| layer.capture_request_headers(["x-t*"]),
            "http.request.header.x-tenant",
            None,
            "[a]",
        ),
        (
            "capture_response_headers",
            |layer| layer.capture_response_headers(["X-Served-By"]),
            "http.response.header.x-served-by",
            None,
            "[b]",
        ),
        ("body_sizes, request", HttpServerLayer::body_sizes, "http.request.body.size", None, "0"),
        ("body_sizes, response", HttpServerLayer::body_sizes, "http.response.body.size", None, "5"),
    ];
    for (why, set_up, key, without, with) in settings {
        assert_eq!(text(&span_of(|layer| layer, "POST").await, key).as_deref(), without, "{why}, by default");
        assert_eq!(text(&span_of(set_up, "POST").await, key).as_deref(), Some(with), "{why}");
    }
}

#[tokio::test]
async fn callers_are_believed_as_the_policy_says() {
    type SetUp = fn(HttpServerLayer) -> HttpServerLayer;
    let settings: [(&str, SetUp, bool, usize); 4] = [
        ("by default", |layer| layer, true, 0),
        ("ingress", |layer| layer.ingress(Ingress::Ignore), false, 0),
        ("ingress_by", |layer| layer.ingress_by(|_| Ingress::Ignore), false, 0),
        ("public_edge", HttpServerLayer::public_edge, false, 1),
    ];
    for (why, set_up, parent, links) in settings {
        let span = span_of(set_up, "GET").await;
        assert_eq!((span.parent_is_remote, span.links.len()), (parent, links), "{why}");
    }
    let (tracer, spans) = tracer_with(|tracer| tracer.sampler(ParentBased::new(AlwaysOff)));
    let app = Router::new().route("/a", any(hello)).layer(HttpServerLayer::new(&tracer).forced_sampling_limit(1));
    for recorded in [1, 0] {
        answer(&app, asked("GET", "/a")).await;
        assert_eq!(spans.take().len(), recorded);
    }
    assert_eq!(tracer.stats().forced_sampling_limited, 1);
}

#[tokio::test]
async fn responses_say_and_spans_keep_what_they_are_asked_to() {
    let (tracer, spans) = tracer();
    for (why, layer, header, event) in [
        ("by default", HttpServerLayer::new(&tracer), false, false),
        ("trace_response", HttpServerLayer::new(&tracer).trace_response(), true, false),
        ("first_byte_event", HttpServerLayer::new(&tracer).first_byte_event(), false, true),
    ] {
        let app = Router::new().route("/a", any(hello)).layer(layer);
        let response = tower::ServiceExt::oneshot(app, asked("GET", "/a")).await.unwrap();
        assert_eq!(response.headers().contains_key("traceresponse"), header, "{why}");
        drop(http_body_util::BodyExt::collect(response.into_body()).await.unwrap());
        assert_eq!(one(&spans).events.len(), usize::from(event), "{why}");
    }
}

#[tokio::test]
async fn upgraded_connections_are_held() {
    let (tracer, spans) = tracer();
    let (send, receive) = tokio::sync::oneshot::channel();
    let send = std::sync::Arc::new(std::sync::Mutex::new(Some(send)));
    let handler = move || {
        let send = send.lock().unwrap().take().unwrap();
        assert!(send.send(UpgradeSpan::current()).is_ok());
        std::future::ready(StatusCode::SWITCHING_PROTOCOLS)
    };
    let app = Router::new().route("/ws", any(handler)).layer(HttpServerLayer::new(&tracer).upgrades());
    let mut request = asked("GET", "/ws");
    request.headers_mut().insert("upgrade", "websocket".parse().unwrap());
    answer(&app, request).await;
    assert!(spans.is_empty());
    drop(receive.await.unwrap().expect("the handler took it"));
    let span = one(&spans);
    assert_eq!((span.end, span.name.as_str()), (SpanEnd::Completed, "GET /ws"));
}

fn looking_around(tracer: Option<&Tracer>) -> Router {
    let handler = async |span: CurrentSpan, CurrentTraceId(trace): CurrentTraceId, baggage: CurrentBaggage| {
        let own = span.span_context().map(|span| span.trace_id()) == trace;
        let trace = trace.map_or("none".to_owned(), |trace| trace.to_string());
        assert!(!format!("{baggage:?}").contains("secret"), "values are the user's");
        format!("{trace} {} {own}", baggage.get("tenant").unwrap_or("-"))
    };
    let app = Router::new().route("/a", any(handler));
    match tracer {
        None => app,
        Some(tracer) => {
            app.layer(HttpServerLayer::new(tracer).skip(|request| request.headers().contains_key("x-skip")))
        }
    }
}

#[tokio::test]
async fn extractors_see_the_request_whether_it_is_recorded_or_not() {
    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    let (on, _): (_, MemorySink) = tracer();
    let (off, _) = tracer_with(|tracer| tracer.sampler(AlwaysOff));
    let ask = |tracer: Option<Tracer>, skipped: bool| async move {
        let mut request = asked("GET", "/a");
        request.headers_mut().insert("baggage", "tenant=secret".parse().unwrap());
        if skipped {
            request.headers_mut().insert("x-skip", "1".parse().unwrap());
        }
        String::from_utf8(answer(&looking_around(tracer.as_ref()), request).await.1.to_vec()).unwrap()
    };
    for (why, tracer, skipped) in [("sampled", &on, false), ("unsampled", &off, false), ("skipped", &on, true)] {
        assert_eq!(ask(Some(tracer.clone()), skipped).await, format!("{TRACE} secret true"), "{why}");
    }
    assert_eq!(ask(None, false).await, "none - true", "no layer");
    assert!(Context::current().is_root());
}

#[tokio::test]
async fn a_layer_of_tower_keeps_its_settings() {
    let (tracer, spans) = tracer();
    let layer = throughline_tower::HttpServerLayer::new(&tracer).route(|_| Some("/own")).body_sizes();
    let app = Router::new().route("/a", any(hello)).layer(HttpServerLayer::from(layer));
    answer(&app, asked("GET", "/a")).await;
    let span = one(&spans);
    assert_eq!((span.name.as_str(), text(&span, "http.response.body.size").as_deref()), ("GET /own", Some("5")));
}
