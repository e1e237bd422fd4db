//! What is recorded only where somebody asked for it: methods, query values, headers.

use http::{HeaderValue, Method, Request, Response};
use throughline_core::{AlwaysOff, AttributeValue, SpanData};
use throughline_testing::{Answer, MemorySink, ScriptedBody, tracer, tracer_with};
use throughline_tower::{EndAt, HttpClientLayer, HttpServerLayer, Redact};
use tower::Service;

use crate::rig::{Scripted, exchange, frame, one, panics, ready, request, text};

fn answer() -> Response<ScriptedBody> {
    Response::new(ScriptedBody::new())
}

/// The span of a request on either side, with the same settings.
macro_rules! both {
    ($request:expr, $answer:expr, |$layer:ident| $set_up:expr) => {{
        let (tracer, spans) = tracer();
        let $layer = HttpServerLayer::new(&tracer);
        drop(exchange(&$set_up, $request, $answer));
        let server = one(&spans);
        let $layer = HttpClientLayer::new(&tracer);
        drop(exchange(&$set_up, $request, $answer));
        [("server", server), ("client", one(&spans))]
    }};
}

#[test]
fn a_list_of_methods_replaces_the_known_ones() {
    for (listed, method, name, attribute, original) in [
        (&["GET", "PROPFIND"][..], "PROPFIND", "PROPFIND", "PROPFIND", None),
        (&["GET", "PROPFIND"], "GET", "GET", "GET", None),
        (&["GET", "PROPFIND"], "POST", "HTTP", "_OTHER", Some("POST")),
        (&["GET", "PROPFIND"], "propfind", "HTTP", "_OTHER", Some("propfind")),
        (&["get"], "get", "get", "get", None),
        (&[], "GET", "HTTP", "_OTHER", Some("GET")),
    ] {
        let asked = || request(Method::from_bytes(method.as_bytes()).unwrap(), "http://h/", []);
        for (side, span) in both!(asked(), answer(), |layer| layer.known_methods(listed)) {
            assert_eq!(span.name, name, "{side} {listed:?} {method}");
            assert_eq!(text(&span, "http.request.method").as_deref(), Some(attribute), "{side} {listed:?} {method}");
            let found = text(&span, "http.request.method_original");
            assert_eq!(found.as_deref(), original, "{side} {listed:?} {method}");
        }
    }
}

#[test]
fn query_values_are_kept_where_somebody_says_so() {
    for (redact, wanted) in [
        (None, "sig=REDACTED&q=REDACTED&Sig=REDACTED"),
        (Some(Redact::All), "sig=REDACTED&q=REDACTED&Sig=REDACTED"),
        (Some(Redact::Listed), "sig=REDACTED&q=1&Sig=2"),
        (Some(Redact::keys(["q"])), "sig=abc&q=REDACTED&Sig=2"),
        (Some(Redact::None), "sig=abc&q=1&Sig=2"),
    ] {
        let asked = || request(Method::GET, "https://u:secret@h/x?sig=abc&q=1&Sig=2", []);
        let spans = both!(asked(), answer(), |layer| match &redact {
            Some(redact) => layer.redact(redact.clone()),
            None => layer,
        });
        let [(_, server), (_, client)] = &spans;
        assert_eq!(text(server, "url.query").as_deref(), Some(wanted), "{redact:?}");
        let url = format!("https://REDACTED:REDACTED@h/x?{wanted}");
        assert_eq!(text(client, "url.full"), Some(url), "{redact:?}");
        assert!(!format!("{spans:?}").contains("secret"), "{redact:?}");
    }
}

/// The values of a captured header.
fn list(span: &SpanData, key: &str) -> Option<Vec<String>> {
    match span.attribute(key)? {
        AttributeValue::List(values) => Some(values.iter().map(ToString::to_string).collect()),
        other => panic!("{key} is no list: {other:?}"),
    }
}

/// The captured headers, as `name=value|value`.
fn captured(span: &SpanData, prefix: &str) -> String {
    let names = span.attributes.iter().filter_map(|(key, _)| key.strip_prefix(prefix));
    let mut shown: Vec<_> =
        names.map(|name| format!("{name}={}", list(span, &format!("{prefix}{name}")).unwrap().join("|"))).collect();
    shown.sort_unstable();
    shown.join(" ")
}

fn sensitive(text: &'static str) -> HeaderValue {
    let mut value = HeaderValue::from_static(text);
    value.set_sensitive(true);
    value
}

fn with_headers(headers: &mut http::HeaderMap) {
    for (name, value) in [("x-tenant", "a"), ("accept", "b"), ("accept", "c"), ("x-shop-id", "7")] {
        headers.append(name, HeaderValue::from_static(value));
    }
    for name in ["authorization", "proxy-authorization", "cookie", "set-cookie", "x-api-key"] {
        headers.append(name, HeaderValue::from_static("s3cret"));
    }
    headers.append("x-shop-token", sensitive("s3cret"));
    headers.append("x-shop-id", sensitive("s3cret"));
    headers.append("x-shop-id", HeaderValue::from_static("8"));
}

#[test]
fn headers_are_captured_where_they_are_named() {
    const REQUEST: &str = "http.request.header.";
    const RESPONSE: &str = "http.response.header.";
    let asked = || {
        let mut asked: Request<()> = request(Method::GET, "http://h/", []);
        with_headers(asked.headers_mut());
        asked
    };
    let answered = || {
        let mut answered = answer();
        with_headers(answered.headers_mut());
        answered
    };
    for (names, wanted, why) in [
        (&[][..], "", "none"),
        (&["X-Tenant"], "x-tenant=a", "by name, in any case"),
        (&["accept"], "accept=b|c", "several lines are one list"),
        (&["x-absent"], "", "absent"),
        (&["X-Shop-*"], "x-shop-id=7|8", "by glob, without the sensitive values"),
        (&["x-shop-token"], "", "a sensitive value alone"),
        (&["authorization", "Proxy-Authorization", "cookie", "SET-COOKIE", "x-api-key"], "", "credentials by name"),
        (&["*"], "accept=b|c x-shop-id=7|8 x-tenant=a", "credentials by glob"),
        (&["?ookie", "x-api-*", "*auth*"], "", "credentials by other globs"),
    ] {
        for (side, span) in both!(asked(), answered(), |layer| layer.capture_request_headers(names)) {
            assert_eq!(captured(&span, REQUEST), wanted, "{side}, request: {why}");
            assert_eq!(captured(&span, RESPONSE), "", "{side}: not asked for: {why}");
            assert!(!format!("{span:?}").contains("s3cret"), "{side}: {why}");
        }
        for (side, span) in both!(asked(), answered(), |layer| layer.capture_response_headers(names)) {
            assert_eq!(captured(&span, RESPONSE), wanted, "{side}, response: {why}");
            assert_eq!(captured(&span, REQUEST), "", "{side}: not asked for: {why}");
            assert!(!format!("{span:?}").contains("s3cret"), "{side}: {why}");
        }
    }
}

#[test]
fn the_later_list_of_headers_holds() {
    let asked = || request(Method::GET, "http://h/", [("a", b"1"), ("b", b"2")]);
    let settings =
        both!(asked(), answer(), |layer| layer.capture_request_headers(["a"]).capture_request_headers(["b"]));
    for (side, span) in settings {
        assert_eq!(captured(&span, "http.request.header."), "b=2", "{side}");
    }
    let none: [&str; 0] = [];
    for (side, span) in
        both!(asked(), answer(), |layer| layer.capture_request_headers(["a"]).capture_request_headers(none))
    {
        assert_eq!(captured(&span, "http.request.header."), "", "{side}");
    }
}

#[test]
fn a_sampler_sees_the_headers_of_the_request() {
    #[derive(Debug)]
    struct Tenants;
    impl throughline_core::Sampler for Tenants {
        fn sample(&self, input: &throughline_core::SamplingInput<'_>) -> throughline_core::SamplingDecision {
            match input.attribute("http.request.header.x-tenant") {
                Some(_) => throughline_core::SamplingDecision::SAMPLE,
                None => throughline_core::SamplingDecision::DROP,
            }
        }
    }
    let (tracer, spans) = tracer_with(|tracer| tracer.sampler(Tenants));
    let layer = HttpServerLayer::new(&tracer).capture_request_headers(["x-tenant"]);
    drop(exchange(&layer, request(Method::GET, "/", []), answer()));
    assert!(spans.is_empty());
    drop(exchange(&layer, request(Method::GET, "/", [("x-tenant", b"a")]), answer()));
    assert_eq!(captured(&one(&spans), "http.request.header."), "x-tenant=a");
}

#[test]
fn headers_leave_a_span_room_for_how_its_request_ended() {
    // Whoever knows the limits can fill them to the byte.
    for last in 1000..1100 {
        let (tracer, spans) = tracer();
        let layer = HttpServerLayer::new(&tracer).capture_request_headers(["x-*"]);
        let long = (0..16).map(|at| (format!("x-{at}"), 4000)).chain([("x-last".to_owned(), last)]);
        let mut asked = request(Method::GET, "/users/7", []);
        for (name, length) in long {
            let name = http::HeaderName::try_from(name).unwrap();
            asked.headers_mut().insert(name, HeaderValue::try_from("x".repeat(length)).unwrap());
        }
        let answer = Response::builder().status(500).body(ScriptedBody::new()).unwrap();
        drop(exchange(&layer, asked, answer));
        assert_eq!(text(&one(&spans), "error.type").as_deref(), Some("500"), "{last}");
    }
}

#[test]
fn headers_of_a_response_are_there_however_its_body_ends() {
    let (tracer, spans) = tracer();
    let layer = HttpServerLayer::new(&tracer).capture_response_headers(["x-a"]);
    let answer = |body| Response::builder().header("x-a", "1").body(body).unwrap();
    drop(exchange(&layer, request(Method::GET, "/", []), answer(ScriptedBody::new().data("x").data("y"))));
    let mut panicking = exchange(&layer, request(Method::GET, "/", []), answer(ScriptedBody::new().panic()));
    panics(|| frame(panicking.body_mut()));
    for span in spans.take() {
        assert_eq!(captured(&span, "http.response.header."), "x-a=1", "{:?}", span.end);
    }
    let service = Scripted::<ScriptedBody>::new().answer(Answer::never());
    drop(layer.layer(service).call(request(Method::GET, "/", [])));
    assert_eq!(captured(&one(&spans), "http.response.header."), "", "no response");
}

/// The sizes of request and response, `-` for none.
fn sizes(span: &SpanData) -> String {
    let size = |key| match span.attribute(key) {
        None => "-".to_owned(),
        Some(AttributeValue::Int(size)) => size.to_string(),
        Some(other) => panic!("{key} is no number: {other:?}"),
    };
    format!("{} {}", size("http.request.body.size"), size("http.response.body.size"))
}

fn abc_de() -> ScriptedBody {
    ScriptedBody::new().data("abc").data("de")
}

/// A response with this status and `Content-Length`.
fn sized(status: u16, length: &str, body: ScriptedBody) -> Response<ScriptedBody> {
    let mut answer = Response::builder().status(status);
    if !length.is_empty() {
        answer = answer.header("content-length", length);
    }
    answer.body(body).unwrap()
}

fn asked(method: &str, length: &str) -> Request<()> {
    let mut asked = request(Method::from_bytes(method.as_bytes()).unwrap(), "http://h/", []);
    if !length.is_empty() {
        asked.headers_mut().insert("content-length", length.parse().unwrap());
    }
    asked
}

#[track_caller]
fn read<B: http_body::Body + Unpin>(body: &mut B, frames: usize) {
    for _ in 0..frames {
        drop(frame(body));
    }
}

#[test]
fn body_sizes_of_a_server_are_declared_or_counted() {
    let (tracer, spans) = tracer();
    let layer = HttpServerLayer::new(&tracer).body_sizes();
    for (why, asked, answer, frames, wanted) in [
        ("declared, counted", asked("POST", "7"), sized(200, "", abc_de()), 3, "7 5"),
        ("nothing declared", asked("POST", ""), sized(200, "", abc_de()), 3, "- 5"),
        ("declared and reached", asked("POST", "0"), sized(200, "5", abc_de()), 2, "0 5"),
        ("trailers are no data", asked("GET", ""), sized(200, "", abc_de().trailers([("x", "1")])), 3, "- 5"),
        ("cancelled in mid-body", asked("GET", ""), sized(200, "5", abc_de()), 1, "- 3"),
        ("cancelled before the body", asked("GET", ""), sized(200, "5", abc_de()), 0, "- 0"),
        ("HEAD", asked("HEAD", ""), sized(200, "5", abc_de()), 0, "- 0"),
        ("204", asked("GET", ""), sized(204, "", abc_de()), 0, "- 0"),
        ("304", asked("GET", ""), sized(304, "5", abc_de()), 0, "- 0"),
        ("an empty body", asked("GET", ""), sized(200, "", ScriptedBody::new()), 0, "- 0"),
        ("declared to be empty", asked("GET", ""), sized(200, "0", ScriptedBody::new()), 0, "- 0"),
        (
            "a body that fails",
            asked("GET", ""),
            sized(200, "", ScriptedBody::new().data("ab").error(throughline_testing::BodyError("x"))),
            2,
            "- 2",
        ),
        ("no number", asked("POST", "many"), sized(200, "", abc_de()), 3, "- 5"),
        ("a sign", asked("POST", "+7"), sized(200, "", abc_de()), 3, "- 5"),
        ("blanks", asked("POST", " 7 "), sized(200, "", abc_de()), 3, "7 5"),
        ("more than there are numbers", asked("POST", "18446744073709551616"), sized(200, "", abc_de()), 3, "- 5"),
        ("more than fits", asked("POST", "18446744073709551615"), sized(200, "", abc_de()), 3, "9223372036854775807 5"),
    ] {
        let mut response = exchange(&layer, asked, answer);
        read(response.body_mut(), frames);
        drop(response);
        assert_eq!(sizes(&one(&spans)), wanted, "{why}");
    }
    let mut service = layer.layer(Scripted::<ScriptedBody>::new().answer(Answer::never()));
    drop(service.call(asked("POST", "7")));
    assert_eq!(sizes(&one(&spans)), "7 -", "cancelled before the head");
    let mut service = layer.layer(Scripted::<ScriptedBody>::new().fail(throughline_testing::BodyError("x")));
    drop(ready(service.call(asked("POST", "7"))));
    assert_eq!(sizes(&one(&spans)), "7 -", "no response");
}

#[test]
fn body_sizes_of_a_client_are_declared_or_counted_if_it_waits() {
    let (tracer, spans) = tracer();
    for (why, end, asked, answer, frames, wanted) in [
        ("declared", EndAt::Head, asked("POST", "7"), sized(200, "5", abc_de()), 3, "7 5"),
        ("not declared", EndAt::Head, asked("POST", ""), sized(200, "", abc_de()), 3, "- -"),
        ("HEAD has no body to declare", EndAt::Head, asked("HEAD", ""), sized(200, "5", abc_de()), 0, "- 0"),
        ("304 neither", EndAt::Head, asked("GET", ""), sized(304, "5", abc_de()), 0, "- 0"),
        ("counted", EndAt::Body, asked("POST", "7"), sized(200, "", abc_de()), 3, "7 5"),
        ("reached", EndAt::Body, asked("GET", ""), sized(200, "5", abc_de()), 2, "- 5"),
        ("cancelled in mid-body", EndAt::Body, asked("GET", ""), sized(200, "5", abc_de()), 1, "- 3"),
        ("HEAD, to its end", EndAt::Body, asked("HEAD", ""), sized(200, "5", abc_de()), 0, "- 0"),
    ] {
        let layer = HttpClientLayer::new(&tracer).body_sizes().end_at(end);
        let mut response = exchange(&layer, asked, answer);
        read(response.body_mut(), frames);
        drop(response);
        assert_eq!(sizes(&one(&spans)), wanted, "{why}");
    }
}

#[test]
fn body_sizes_are_nobodys_business_by_default() {
    for (side, span) in both!(asked("POST", "7"), sized(200, "5", abc_de()), |layer| layer) {
        assert_eq!(sizes(&span), "- -", "{side}");
    }
}

/// Unsampled requests are measured, and what is measured has its size.
#[test]
fn unsampled_bodies_are_counted_for_who_listens() {
    let meter = throughline_testing::MemoryMeter::new();
    let metrics = throughline_tower::HttpMetrics::builder().body_sizes().build(&meter);
    let (tracer, spans): (_, MemorySink) = tracer_with(|tracer| tracer.sampler(AlwaysOff).listener(metrics));
    let layer = HttpServerLayer::new(&tracer).body_sizes();
    let mut response = exchange(&layer, asked("POST", "7"), sized(200, "", abc_de().exact_size()));
    read(response.body_mut(), 3);
    assert!(spans.is_empty());
    assert_eq!((meter.sum("http.server.request.body.size"), meter.sum("http.server.response.body.size")), (7.0, 5.0));
}
