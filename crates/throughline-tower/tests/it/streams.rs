//! The first byte of a body, as an event; and the span's name in the answer, as a header.

use http::{Method, Request, Response};
use throughline_core::{AlwaysOff, SpanContext, SpanData};
use throughline_testing::{EndStream, ScriptedBody, tracer, tracer_with};
use throughline_tower::HttpServerLayer;

use crate::rig::{SAMPLED, UNSAMPLED, drain, exchange, frame, get, one, panics, request, status, text};

fn first_bytes(span: &SpanData) -> usize {
    span.events.iter().filter(|event| event.name == "http.response.first_byte").count()
}

#[test]
fn the_first_byte_of_a_body_is_an_event() {
    fn quiet() -> ScriptedBody {
        ScriptedBody::new().end_stream(EndStream::Never)
    }
    type Make = fn() -> ScriptedBody;
    let rows: [(&str, Method, u16, Make, usize, usize); 10] = [
        ("once", Method::GET, 200, || quiet().data("abc").data("de"), 3, 1),
        ("at the first frame", Method::GET, 200, || quiet().data("abc").data("de"), 1, 1),
        ("not before", Method::GET, 200, || quiet().data("abc"), 0, 0),
        ("an empty frame is no byte", Method::GET, 200, || quiet().data("").data(""), 3, 0),
        ("the byte after an empty frame is", Method::GET, 200, || quiet().data("").data("a"), 2, 1),
        ("trailers are none", Method::GET, 200, || quiet().trailers([("x", "1")]), 1, 0),
        ("no body", Method::GET, 204, || quiet().data("abc"), 0, 0),
        ("HEAD", Method::HEAD, 200, || quiet().data("abc"), 0, 0),
        ("of an error page, too", Method::GET, 500, || quiet().data("abc"), 2, 1),
        ("a body that is one frame", Method::GET, 200, || ScriptedBody::new().data("abc"), 1, 1),
    ];
    for (why, method, code, body, frames, wanted) in rows {
        for wants in [true, false] {
            let (tracer, spans) = tracer();
            let layer = HttpServerLayer::new(&tracer);
            let layer = if wants { layer.first_byte_event() } else { layer };
            let answer = status(code).body(body()).unwrap();
            let mut response = exchange(&layer, request(method.clone(), "/", []), answer);
            for _ in 0..frames {
                drop(frame(response.body_mut()));
            }
            drop(response);
            assert_eq!(first_bytes(&one(&spans)), if wants { wanted } else { 0 }, "{why}, asked for: {wants}");
        }
    }
}

#[test]
fn the_first_byte_has_its_own_time() {
    let clock = throughline_core::ManualClock::new();
    let (tracer, spans) = tracer_with(|tracer| tracer.clock(throughline_core::Clock::manual(&clock)));
    let layer = HttpServerLayer::new(&tracer).first_byte_event();
    let wait = |millis| clock.advance(std::time::Duration::from_millis(millis));
    let mut response = exchange(&layer, get("/"), Response::new(ScriptedBody::new().data("a").data("b")));
    wait(30);
    drop(frame(response.body_mut()));
    wait(50);
    drain(response.body_mut()).unwrap();
    let span = one(&spans);
    assert_eq!(span.events[0].time.duration_since(span.start_time).unwrap().as_millis(), 30);
    assert_eq!(span.duration.as_millis(), 80);
}

/// The value of `traceresponse`, and the span.
fn answered(
    set_up: impl FnOnce(HttpServerLayer) -> HttpServerLayer,
    request: Request<()>,
) -> (Vec<String>, Option<SpanData>) {
    let (tracer, spans) = tracer();
    let layer = set_up(HttpServerLayer::new(&tracer).trace_response());
    let answer = status(200).header("traceresponse", "stale-1").header("traceresponse", "stale-2");
    let response = exchange(&layer, request, answer.body(ScriptedBody::new()).unwrap());
    let values = response.headers().get_all("traceresponse").iter().map(|value| value.to_str().unwrap().to_owned());
    (values.collect(), spans.take().pop())
}

fn from(traceparent: &str) -> Request<()> {
    request(Method::GET, "/", [("traceparent", traceparent.as_bytes())])
}

#[test]
fn the_answer_names_the_span_that_answered() {
    for (why, asked) in [("a new trace", get("/")), ("the caller's trace", from(SAMPLED))] {
        let (values, span) = answered(|layer| layer, asked);
        let own = span.unwrap().span_context;
        let wanted = format!("00-{}-{}-{:02x}", own.trace_id(), own.span_id(), own.flags().bits());
        assert_eq!(values, [wanted], "{why}: a header that was there is replaced");
    }
    let (values, span) = answered(|layer| layer, from(UNSAMPLED));
    assert!(span.is_none());
    let told = SpanContext::from_traceparent(values[0].as_bytes()).unwrap();
    assert_eq!(told.trace_id(), crate::rig::remote(UNSAMPLED).trace_id());
    assert_ne!(told.span_id(), crate::rig::remote(UNSAMPLED).span_id(), "its own, though nobody records it");
    assert!(!told.is_sampled() && values[0].ends_with("-00"));
}

#[test]
fn no_span_no_name() {
    let stale = ["stale-1", "stale-2"];
    assert_eq!(answered(|layer| layer.skip(|_| true), from(SAMPLED)).0, stale, "skipped: left as it is");
    let (tracer, spans) = tracer();
    let response = exchange(&HttpServerLayer::new(&tracer), from(SAMPLED), Response::new(ScriptedBody::new()));
    assert!(response.headers().get("traceresponse").is_none(), "nothing leaves by default");
    let other = HttpServerLayer::new(&tracer).first_byte_event();
    let response = exchange(&other, from(SAMPLED), Response::new(ScriptedBody::new()));
    assert!(response.headers().get("traceresponse").is_none(), "another option");
    spans.clear();
    let (off, _) = tracer_with(|tracer| tracer.enabled(false));
    let response =
        exchange(&HttpServerLayer::new(&off).trace_response(), from(SAMPLED), Response::new(ScriptedBody::new()));
    assert!(response.headers().get("traceresponse").is_none(), "switched off");
}

#[test]
fn of_two_layers_the_one_with_the_span_says_so() {
    let (tracer, spans) = tracer();
    let layer = HttpServerLayer::new(&tracer).trace_response();
    let service = layer.layer(layer.layer(crate::rig::Scripted::new().respond(Response::new(ScriptedBody::new()))));
    let response = crate::rig::ready(tower::ServiceExt::oneshot(service, get("/"))).unwrap();
    let told = response.headers()["traceresponse"].to_str().unwrap().to_owned();
    assert!(told.contains(&one(&spans).span_context.span_id().to_string()), "{told}");
}

/// Options that look at responses do not change when a span ends.
#[test]
fn options_leave_the_end_alone() {
    let (tracer, spans) = tracer_with(|tracer| tracer.sampler(AlwaysOff));
    let all = |tracer| {
        HttpServerLayer::new(tracer)
            .trace_response()
            .first_byte_event()
            .body_sizes()
            .capture_response_headers(["*"])
            .upgrades()
    };
    let mut response = exchange(&all(&tracer), get("/"), Response::new(ScriptedBody::new().data("a").data("b")));
    drain(response.body_mut()).unwrap();
    assert!(spans.is_empty());
    let (tracer, spans) = throughline_testing::tracer();
    let mut response = exchange(&all(&tracer), get("/"), Response::new(ScriptedBody::new().data("a").panic()));
    drop(frame(response.body_mut()));
    panics(|| frame(response.body_mut()));
    let span = one(&spans);
    assert_eq!((first_bytes(&span), text(&span, "error.type").as_deref()), (1, Some("panic")));
}
