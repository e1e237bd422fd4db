//! What a client's span says of its request, by the stable semantic conventions.

use http::{Method, Request, Response, Version};
use throughline_core::SpanData;
use throughline_testing::{ScriptedBody, tracer};
use throughline_tower::HttpClientLayer;

use crate::rig::{exchange, get, one, request, status, text};

fn span_of(request: Request<()>) -> SpanData {
    let (tracer, spans) = tracer();
    let layer = HttpClientLayer::new(&tracer);
    drop(exchange(&layer, request, Response::new(ScriptedBody::new())));
    one(&spans)
}

#[track_caller]
fn assert_text(span: &SpanData, key: &str, wanted: Option<&str>, why: &str) {
    assert_eq!(text(span, key).as_deref(), wanted, "{why}: {key}");
}

#[test]
fn everything_that_is_known_and_nothing_else() {
    let span = span_of(request(
        Method::POST,
        "https://inventory.internal/stock/7?q=x",
        [("user-agent", b"shop/1"), ("accept", b"*/*")],
    ));
    assert_eq!(span.name, "POST", "a path is no name");
    let mut found: Vec<_> = span.attributes.iter().map(|(key, value)| format!("{key}={value}")).collect();
    found.sort_unstable();
    let wanted = [
        "http.request.method=POST",
        "http.response.status_code=200",
        "network.protocol.version=1.1",
        "server.address=inventory.internal",
        "server.port=443",
        "url.full=https://inventory.internal/stock/7?q=REDACTED",
    ];
    assert_eq!(found, wanted);
    assert_eq!(span.scope.name, "throughline-tower");
}

#[test]
fn methods_are_few() {
    for (method, name, attribute, original) in [
        ("GET", "GET", "GET", None),
        ("QUERY", "QUERY", "QUERY", None),
        ("PURGE", "HTTP", "_OTHER", Some("PURGE")),
        ("post", "HTTP", "_OTHER", Some("post")),
    ] {
        let span = span_of(request(Method::from_bytes(method.as_bytes()).unwrap(), "http://h/", []));
        assert_eq!(span.name, name);
        assert_text(&span, "http.request.method", Some(attribute), method);
        assert_text(&span, "http.request.method_original", original, method);
    }
}

#[test]
fn addresses_ports_and_urls() {
    for (why, target, host, url, address, port) in [
        ("default port", "http://ex.com/a", "", "http://ex.com/a", Some("ex.com"), Some("80")),
        ("default port of https", "https://ex.com/a", "", "https://ex.com/a", Some("ex.com"), Some("443")),
        ("default port of wss", "wss://ex.com/a", "", "wss://ex.com/a", Some("ex.com"), Some("443")),
        ("a port", "https://ex.com:8443/", "", "https://ex.com:8443/", Some("ex.com"), Some("8443")),
        ("no path", "http://ex.com", "", "http://ex.com/", Some("ex.com"), Some("80")),
        ("IPv4", "http://192.0.2.1:81/", "", "http://192.0.2.1:81/", Some("192.0.2.1"), Some("81")),
        ("IPv6", "http://[::1]:81/", "", "http://[::1]:81/", Some("::1"), Some("81")),
        ("IPv6, default port", "https://[::1]/", "", "https://[::1]/", Some("::1"), Some("443")),
        ("the target before the host", "http://ex.com/", "other", "http://ex.com/", Some("ex.com"), Some("80")),
        ("origin form", "/a", "ex.com", "http://ex.com/a", Some("ex.com"), Some("80")),
        ("origin form with port", "/a", "ex.com:81", "http://ex.com:81/a", Some("ex.com"), Some("81")),
        ("origin form without host", "/a", "", "/a", None, None),
        ("query", "http://h/?sig=x&a", "", "http://h/?sig=REDACTED&a", Some("h"), Some("80")),
        ("fragment", "http://h/a#b", "", "http://h/a", Some("h"), Some("80")),
        ("@ in the path", "http://h/a@b", "", "http://h/a@b", Some("h"), Some("80")),
        ("user information", "http://u:secret@h:81/", "", "http://REDACTED:REDACTED@h:81/", Some("h"), Some("81")),
        ("a token", "http://secret@h/", "", "http://REDACTED:REDACTED@h/", Some("h"), Some("80")),
    ] {
        let mut asked = get(target);
        if !host.is_empty() {
            asked.headers_mut().insert("host", host.parse().unwrap());
        }
        let span = span_of(asked);
        assert_text(&span, "url.full", Some(url), why);
        assert_text(&span, "server.address", address, why);
        assert_text(&span, "server.port", port, why);
        assert!(!format!("{span:?}").contains("secret"), "{why}");
        for absent in ["url.path", "url.query", "url.scheme", "http.request.resend_count", "user_agent.original"] {
            assert_text(&span, absent, None, why);
        }
    }
}

#[test]
fn the_protocol_is_what_was_spoken() {
    let (tracer, spans) = tracer();
    let mut asked = get("http://h/");
    *asked.version_mut() = Version::HTTP_11;
    let answer = status(200).version(Version::HTTP_2).body(ScriptedBody::new()).unwrap();
    drop(exchange(&HttpClientLayer::new(&tracer), asked, answer));
    assert_text(&one(&spans), "network.protocol.version", Some("2"), "the response's");
}

#[test]
fn credentials_are_nobodys_attributes() {
    let span = span_of(request(
        Method::GET,
        "https://user:secret-1@ex.com/?token=secret-2",
        [("authorization", b"Bearer secret-3"), ("cookie", b"session=secret-4"), ("x-api-key", b"secret-5")],
    ));
    assert!(!format!("{span:?}").contains("secret"), "{span:#?}");
}
