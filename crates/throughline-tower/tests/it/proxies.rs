//! What trusted proxies say of the client, the host and the scheme, and what the socket says itself.

use http::{HeaderName, HeaderValue, Method, Request, Response};
use throughline_testing::{ScriptedBody, tracer};
use throughline_tower::{HttpServerLayer, Peer};

use crate::rig::{exchange, one, request, text};

/// `client peer:port host:port scheme`, each `-` if there is none. Header lines are separated by line feeds.
fn seen(trusted: Option<usize>, target: &str, peer: &str, lines: &str, https: bool) -> String {
    let mut asked: Request<()> = request(Method::GET, target, []);
    for line in lines.lines() {
        let (name, value) = line.split_once(": ").unwrap();
        let name: HeaderName = name.parse().unwrap();
        asked.headers_mut().append(name, HeaderValue::from_str(value).unwrap());
    }
    if let Ok(peer) = peer.parse() {
        asked.extensions_mut().insert(Peer(peer));
    }
    let (tracer, spans) = tracer();
    let mut layer = HttpServerLayer::new(&tracer);
    if let Some(trusted) = trusted {
        layer = layer.trusted_proxies(trusted);
    }
    if https {
        layer = layer.https();
    }
    drop(exchange(&layer, asked, Response::new(ScriptedBody::new())));
    let span = one(&spans);
    for (at, (key, _)) in span.attributes.iter().enumerate() {
        assert!(span.attributes[..at].iter().all(|(other, _)| other != key), "{key} is there twice");
    }
    let shown = |key| text(&span, key).unwrap_or_else(|| "-".to_owned());
    let pair = |address, port| match (text(&span, address), text(&span, port)) {
        (Some(address), Some(port)) => format!("{address}|{port}"),
        (address, port) => address.or(port).unwrap_or_else(|| "-".to_owned()),
    };
    let peer = pair("network.peer.address", "network.peer.port");
    let server = pair("server.address", "server.port");
    format!("{} {peer} {server} {}", shown("client.address"), shown("url.scheme"))
}

const PROXY: &str = "192.0.2.1:4711";
const ALL: &str = "forwarded: for=198.51.100.9;host=fwd.example:81;proto=https\nx-forwarded-for: 198.51.100.8\n\
                   x-forwarded-host: x.example:82\nx-forwarded-proto: https\nhost: own.example:83";

#[test]
fn nobody_is_believed_unless_somebody_says_so() {
    for trusted in [None, Some(0)] {
        assert_eq!(seen(trusted, "/", PROXY, ALL, false), "192.0.2.1 192.0.2.1|4711 own.example|83 http");
        assert_eq!(seen(trusted, "/", "", ALL, false), "- - own.example|83 http", "no peer");
        assert_eq!(seen(trusted, "/", "", ALL, true), "- - own.example|83 https", "the connection's own scheme");
    }
}

#[test]
fn the_host_is_forwarded_else_x_forwarded_else_the_authority_else_the_host_header() {
    for (why, target, lines, wanted) in [
        ("all of them", "http://auth.example:80/", ALL, "fwd.example|81"),
        (
            "no `Forwarded`",
            "http://auth.example:80/",
            "x-forwarded-host: x.example:82\nhost: own.example:83",
            "x.example|82",
        ),
        (
            "`Forwarded` without a host",
            "http://auth.example:80/",
            "forwarded: for=1.2.3.4\nx-forwarded-host: x.example",
            "x.example",
        ),
        ("neither", "http://auth.example:80/", "host: own.example:83", "auth.example|80"),
        ("no authority", "/", "host: own.example:83", "own.example|83"),
        ("nothing", "/", "", "-"),
        ("a port that is none", "/", "x-forwarded-host: x.example:abc\nhost: own.example:83", "x.example"),
        ("IPv6", "/", "x-forwarded-host: [2001:db8::1]:82", "2001:db8::1|82"),
        ("an empty host is no host", "/", "forwarded: host=\"\"\nhost: own.example:83", "own.example|83"),
        ("of one host no other's port", "/", "x-forwarded-host: x.example\nhost: own.example:83", "x.example"),
    ] {
        let found = seen(Some(1), target, "", lines, false);
        assert_eq!(found.split(' ').nth(2), Some(wanted), "{why}");
    }
}

#[test]
fn the_client_is_the_one_that_the_proxies_name_and_the_peer_is_the_socket() {
    let two = "x-forwarded-for: 203.0.113.5, 198.51.100.8";
    for (why, trusted, peer, lines, wanted) in [
        ("`Forwarded` first", 1, PROXY, ALL, "198.51.100.9 192.0.2.1|4711"),
        ("one proxy", 1, PROXY, two, "198.51.100.8 192.0.2.1|4711"),
        ("two proxies", 2, PROXY, two, "203.0.113.5 192.0.2.1|4711"),
        ("more than there are entries", 9, PROXY, two, "203.0.113.5 192.0.2.1|4711"),
        ("no peer", 1, "", two, "198.51.100.8 -"),
        ("the proxy says nothing", 1, PROXY, "", "192.0.2.1 192.0.2.1|4711"),
        ("the proxy says what is no address", 1, PROXY, "x-forwarded-for: unknown", "192.0.2.1 192.0.2.1|4711"),
        ("IPv6 with a port", 1, PROXY, "forwarded: for=\"[2001:db8::17]:1\"", "2001:db8::17 192.0.2.1|4711"),
        (
            "both mapped",
            1,
            "[::ffff:192.0.2.1]:4711",
            "x-forwarded-for: ::ffff:198.51.100.8",
            "198.51.100.8 192.0.2.1|4711",
        ),
        ("nobody", 1, "", "", "- -"),
    ] {
        let found = seen(Some(trusted), "/", peer, lines, false);
        let found: Vec<_> = found.split(' ').take(2).collect();
        assert_eq!(found.join(" "), wanted, "{why}");
    }
}

#[test]
fn the_scheme_is_forwarded_else_x_forwarded_else_the_connections() {
    for (why, target, https, lines, wanted) in [
        ("`Forwarded`", "/", false, "forwarded: proto=https\nx-forwarded-proto: http", "https"),
        ("`X-Forwarded-Proto`", "/", false, "x-forwarded-proto: https", "https"),
        ("the proxy ends TLS and talks it on", "/", true, "x-forwarded-proto: http", "http"),
        ("before the target's own", "https://a.example/", false, "forwarded: proto=http", "http"),
        ("a scheme that is neither", "/", true, "x-forwarded-proto: wss", "https"),
        ("the connection", "/", true, "", "https"),
        ("the target", "https://a.example/", false, "", "https"),
        ("nothing", "/", false, "", "http"),
    ] {
        let found = seen(Some(1), target, "", lines, https);
        assert_eq!(found.split(' ').next_back(), Some(wanted), "{why}");
    }
}

/// semantics.md 1.9: the left-most entry is that of n = number of entries.
#[test]
fn the_vectors_of_the_conventions() {
    for (trusted, lines, wanted) in [
        (1, "forwarded: for=192.0.2.60;proto=http;by=203.0.113.43", "192.0.2.60 - - http"),
        (1, "forwarded: For=\"[2001:db8:cafe::17]:4711\"", "2001:db8:cafe::17 - - http"),
        (2, "forwarded: for=192.0.2.43, for=198.51.100.17", "192.0.2.43 - - http"),
        (1, "forwarded: for=\nx-forwarded-for: 1.2.3.4", "1.2.3.4 - - http"),
        (1, "forwarded: for=\"1.2.3.4\nx-forwarded-for: 5.6.7.8", "5.6.7.8 - - http"),
        (2, "x-forwarded-for: 1.2.3.4:5678, 9.9.9.9", "1.2.3.4 - - http"),
        (1, "x-forwarded-for: 2001:db8::1", "2001:db8::1 - - http"),
        (1, "x-forwarded-for: [::1]:80", "::1 - - http"),
        (1, "forwarded: host=\"ex.com:8443\";proto=https", "- - ex.com|8443 https"),
        (2, "forwarded: host=a.com, host=b.com", "- - a.com http"),
        (2, "x-forwarded-host: a.com, b.com", "- - a.com http"),
        (1, "host: [::1]:8080", "- - ::1|8080 http"),
        (1, "host: ex.com:abc", "- - ex.com http"),
        (1, "host: ex.com", "- - ex.com http"),
    ] {
        assert_eq!(seen(Some(trusted), "/", "", lines, false), wanted, "{lines}");
    }
}
