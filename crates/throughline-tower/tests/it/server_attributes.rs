//! What a server's span says of its request, by the stable semantic conventions.

use http::{Extensions, Method, Request, Response, Uri, Version, uri};
use throughline_core::SpanData;
use throughline_testing::{ScriptedBody, tracer};
use throughline_tower::HttpServerLayer;

use crate::rig::{exchange, get, one, request, text};

fn span_of(set_up: impl FnOnce(HttpServerLayer) -> HttpServerLayer, request: Request<()>) -> SpanData {
    let (tracer, spans) = tracer();
    let layer = set_up(HttpServerLayer::new(&tracer));
    drop(exchange(&layer, request, Response::new(ScriptedBody::new())));
    one(&spans)
}

fn plain(layer: HttpServerLayer) -> HttpServerLayer {
    layer
}

fn route(extensions: &Extensions) -> Option<&str> {
    extensions.get::<&str>().copied()
}

#[track_caller]
fn assert_text(span: &SpanData, key: &str, wanted: Option<&str>, why: &str) {
    assert_eq!(text(span, key).as_deref(), wanted, "{why}: {key}");
}

#[test]
fn everything_that_is_known_and_nothing_else() {
    let mut asked = request(
        Method::GET,
        "/users/7?name=x",
        [("host", b"shop.example:8443"), ("user-agent", b"curl/8"), ("x-request-id", b"1"), ("accept", b"*/*")],
    );
    asked.extensions_mut().insert("/users/{id}");
    let span = span_of(|layer| layer.route(route).peer(|_| "192.0.2.1:4711".parse().ok()), asked);
    assert_eq!(span.name, "GET /users/{id}");
    let mut found: Vec<_> = span.attributes.iter().map(|(key, value)| format!("{key}={value}")).collect();
    found.sort_unstable();
    let wanted = [
        "client.address=192.0.2.1",
        "http.request.method=GET",
        "http.response.status_code=200",
        "http.route=/users/{id}",
        "network.peer.address=192.0.2.1",
        "network.peer.port=4711",
        "network.protocol.version=1.1",
        "server.address=shop.example",
        "server.port=8443",
        "url.path=/users/7",
        "url.query=name=REDACTED",
        "url.scheme=http",
        "user_agent.original=curl/8",
    ];
    assert_eq!(found, wanted);
    assert_eq!((span.scope.name, span.scope.version), ("throughline-tower", env!("CARGO_PKG_VERSION")));
    for number in ["http.response.status_code", "network.peer.port", "server.port"] {
        let value = span.attribute(number).unwrap();
        assert!(matches!(value, throughline_core::AttributeValue::Int(_)), "{number} is a number");
    }
}

#[test]
fn methods_are_few() {
    for (method, name, attribute, original) in [
        ("GET", "GET", "GET", None),
        ("HEAD", "HEAD", "HEAD", None),
        ("POST", "POST", "POST", None),
        ("PUT", "PUT", "PUT", None),
        ("DELETE", "DELETE", "DELETE", None),
        ("OPTIONS", "OPTIONS", "OPTIONS", None),
        ("PATCH", "PATCH", "PATCH", None),
        ("TRACE", "TRACE", "TRACE", None),
        ("CONNECT", "CONNECT", "CONNECT", None),
        ("QUERY", "QUERY", "QUERY", None),
        ("get", "HTTP", "_OTHER", Some("get")),
        ("PROPFIND", "HTTP", "_OTHER", Some("PROPFIND")),
        ("_OTHER", "HTTP", "_OTHER", Some("_OTHER")),
    ] {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        for (target, name) in [(None, name.to_owned()), (Some("/a/{id}"), format!("{name} /a/{{id}}"))] {
            let mut asked = request(method.clone(), "/a/1", []);
            if let Some(target) = target {
                asked.extensions_mut().insert(target);
            }
            let span = span_of(|layer| layer.route(route), asked);
            assert_eq!(span.name, name, "{method}");
            assert_text(&span, "http.request.method", Some(attribute), method.as_str());
            assert_text(&span, "http.request.method_original", original, method.as_str());
            assert_text(&span, "http.route", target, method.as_str());
        }
    }
}

#[test]
fn the_path_is_never_the_name() {
    let span = span_of(|layer| layer.route(route), get("/users/7"));
    assert_eq!(span.name, "GET");
    assert_text(&span, "http.route", None, "no route matched");
}

#[test]
fn targets_in_every_form() {
    for (why, method, target, host, path, scheme, address, port) in [
        ("origin form", "GET", "/a/b", "ex.com", "/a/b", "http", Some("ex.com"), None),
        ("absolute form", "GET", "http://ex.com:81/a", "other.example", "/a", "http", Some("ex.com"), Some("81")),
        ("absolute form, https", "GET", "https://ex.com/a", "", "/a", "https", Some("ex.com"), None),
        ("absolute form, no path", "GET", "http://ex.com", "", "/", "http", Some("ex.com"), None),
        ("absolute form, IPv6", "GET", "http://[::1]:81/", "", "/", "http", Some("::1"), Some("81")),
        ("absolute form, userinfo", "GET", "http://u:secret@ex.com:81/", "", "/", "http", Some("ex.com"), Some("81")),
        ("authority form", "CONNECT", "ex.com:443", "", "", "http", Some("ex.com"), Some("443")),
        ("asterisk form", "OPTIONS", "*", "ex.com", "*", "http", Some("ex.com"), None),
        ("host with port", "GET", "/", "ex.com:8443", "/", "http", Some("ex.com"), Some("8443")),
        ("host with default port", "GET", "/", "ex.com:80", "/", "http", Some("ex.com"), Some("80")),
        ("host is IPv4", "GET", "/", "192.0.2.1:81", "/", "http", Some("192.0.2.1"), Some("81")),
        ("host is IPv6", "GET", "/", "[2001:db8::17]", "/", "http", Some("2001:db8::17"), None),
        ("host is IPv6 with port", "GET", "/", "[::1]:8080", "/", "http", Some("::1"), Some("8080")),
        ("host is IPv6 without brackets", "GET", "/", "2001:db8::17", "/", "http", Some("2001:db8::17"), None),
        ("host with userinfo", "GET", "/", "u:secret@ex.com:81", "/", "http", Some("ex.com"), Some("81")),
        ("port is no number", "GET", "/", "ex.com:abc", "/", "http", Some("ex.com"), None),
        ("port is nothing", "GET", "/", "ex.com:", "/", "http", Some("ex.com"), None),
        ("port is zero", "GET", "/", "ex.com:0", "/", "http", Some("ex.com"), None),
        ("port is too large", "GET", "/", "ex.com:65536", "/", "http", Some("ex.com"), None),
        ("port is negative", "GET", "/", "ex.com:-1", "/", "http", Some("ex.com"), None),
        ("port has a sign", "GET", "/", "ex.com:+80", "/", "http", Some("ex.com"), None),
        ("port is endless", "GET", "/", "ex.com:99999999999999999999", "/", "http", Some("ex.com"), None),
        ("port of IPv6 is endless", "GET", "/", "[::1]:99999999999999999999", "/", "http", Some("::1"), None),
        ("brackets are not closed", "GET", "/", "[::1", "/", "http", Some("::1"), None),
        ("brackets and nothing else", "GET", "/", "[]", "/", "http", None, None),
        ("host is empty", "GET", "/", "", "/", "http", None, None),
        ("host is only a port", "GET", "/", ":80", "/", "http", None, None),
        ("path is encoded", "GET", "/a%20b/%C3%9C", "ex.com", "/a%20b/%C3%9C", "http", Some("ex.com"), None),
    ] {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let asked = request(method, target, [("host", host.as_bytes())]);
        let span = span_of(plain, asked);
        assert_text(&span, "url.path", Some(path), why);
        assert_text(&span, "url.scheme", Some(scheme), why);
        assert_text(&span, "server.address", address, why);
        assert_text(&span, "server.port", port, why);
        assert!(!format!("{span:?}").contains("secret"), "{why}");
    }
    assert_text(&span_of(plain, get("/")), "server.address", None, "no host");
}

#[test]
fn http2_has_its_authority_in_the_target() {
    let uri = Uri::builder().scheme("https").authority("ex.com").path_and_query("/a?b=c").build().unwrap();
    let asked = Request::builder().version(Version::HTTP_2).uri(uri).body(()).unwrap();
    let span = span_of(plain, asked);
    assert_text(&span, "server.address", Some("ex.com"), "`:authority`");
    assert_text(&span, "url.scheme", Some("https"), "`:scheme`");
    assert_text(&span, "network.protocol.version", Some("2"), "HTTP/2");
}

#[test]
fn the_scheme_is_that_of_the_target_else_of_the_connection() {
    for (why, https, target, scheme) in [
        ("nothing said", false, "/", "http"),
        ("the connection", true, "/", "https"),
        ("the target", false, "https://ex.com/", "https"),
        ("the target before the connection", true, "http://ex.com/", "http"),
    ] {
        let span = span_of(|layer| if https { layer.https() } else { layer }, get(target));
        assert_text(&span, "url.scheme", Some(scheme), why);
    }
}

#[test]
fn query_values_are_redacted_and_keys_kept() {
    for (target, wanted) in [
        ("/", None),
        ("/?", Some("")),
        ("/?sig=abc&q=1", Some("sig=REDACTED&q=REDACTED")),
        ("/?token", Some("token")),
        ("/?a=b=c&&d=", Some("a=REDACTED&&d=REDACTED")),
    ] {
        assert_text(&span_of(plain, get(target)), "url.query", wanted, target);
    }
}

#[test]
fn the_peer_is_the_sockets_other_end() {
    for (peer, address, port) in [
        ("192.0.2.1:4711", "192.0.2.1", "4711"),
        ("[2001:db8::17]:1", "2001:db8::17", "1"),
        ("[::ffff:192.0.2.1]:4711", "192.0.2.1", "4711"),
        ("[::ffff:0:192.0.2.1]:4711", "::ffff:0:c000:201", "4711"),
    ] {
        let mut asked = get("/");
        asked.extensions_mut().insert::<std::net::SocketAddr>(peer.parse().unwrap());
        let span = span_of(|layer| layer.peer(|extensions| extensions.get().copied()), asked);
        assert_text(&span, "network.peer.address", Some(address), peer);
        assert_text(&span, "client.address", Some(address), peer);
        assert_text(&span, "network.peer.port", Some(port), peer);
    }
    let span = span_of(|layer| layer.peer(|extensions| extensions.get().copied()), get("/"));
    for absent in ["network.peer.address", "client.address", "network.peer.port"] {
        assert_text(&span, absent, None, "no peer");
    }
}

#[test]
fn forwarded_headers_are_not_believed() {
    let asked = request(
        Method::GET,
        "/",
        [
            ("host", b"ex.com"),
            ("forwarded", b"for=198.51.100.9;host=evil.example:81;proto=https"),
            ("x-forwarded-for", b"198.51.100.9"),
            ("x-forwarded-host", b"evil.example"),
            ("x-forwarded-proto", b"https"),
            ("x-real-ip", b"198.51.100.9"),
        ],
    );
    let span = span_of(|layer| layer.peer(|_| "192.0.2.1:1".parse().ok()), asked);
    assert_text(&span, "client.address", Some("192.0.2.1"), "the socket's");
    assert_text(&span, "server.address", Some("ex.com"), "the host's");
    assert_text(&span, "server.port", None, "the host's");
    assert_text(&span, "url.scheme", Some("http"), "the connection's");
    assert!(!format!("{span:?}").contains("198.51.100.9"));
}

#[test]
fn user_agents_are_bytes() {
    for (agent, wanted) in [
        (&b"curl/8"[..], Some("curl/8")),
        (b"caf\xe9/1", Some("caf\u{fffd}/1")),
        ("é".as_bytes(), Some("é")),
        (b"", Some("")),
    ] {
        let span = span_of(plain, request(Method::GET, "/", [("user-agent", agent)]));
        assert_text(&span, "user_agent.original", wanted, "user agent");
    }
    let two = request(Method::GET, "/", [("user-agent", b"one"), ("user-agent", b"two")]);
    assert_text(&span_of(plain, two), "user_agent.original", Some("one"), "the first");
    assert_text(&span_of(plain, get("/")), "user_agent.original", None, "no user agent");
}

#[test]
fn versions_are_written_as_the_conventions_do() {
    for (version, wanted) in [
        (Version::HTTP_09, "0.9"),
        (Version::HTTP_10, "1.0"),
        (Version::HTTP_11, "1.1"),
        (Version::HTTP_2, "2"),
        (Version::HTTP_3, "3"),
    ] {
        let mut asked = get("/");
        *asked.version_mut() = version;
        let span = span_of(plain, asked);
        assert_text(&span, "network.protocol.version", Some(wanted), wanted);
        assert_text(&span, "network.protocol.name", None, "http need not be named");
    }
}

#[test]
fn credentials_are_nobodys_attributes() {
    let uri = uri::Builder::new().scheme("http").authority("user:secret-1@ex.com").path_and_query("/?k=secret-2");
    let mut asked = request(
        Method::GET,
        "/",
        [
            ("authorization", b"Bearer secret-3"),
            ("proxy-authorization", b"Basic secret-4"),
            ("cookie", b"session=secret-5"),
            ("x-api-key", b"secret-6"),
            ("host", b"user:secret-7@ex.com"),
        ],
    );
    *asked.uri_mut() = uri.build().unwrap();
    let (tracer, spans) = tracer();
    let answer = Response::builder().header("set-cookie", "secret-8").body(ScriptedBody::new()).unwrap();
    drop(exchange(&HttpServerLayer::new(&tracer), asked, answer));
    let span = one(&spans);
    assert!(!format!("{span:?}").contains("secret"), "{span:#?}");
}
