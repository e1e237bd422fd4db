//! What a client's spans say of where requests go: templates, services, and what may be told to whom.

use http::{Method, Request, Response};
use throughline_core::propagation::Allow;
use throughline_core::{Baggage, Context, SpanData, TraceState};
use throughline_testing::{ScriptedBody, tracer, tracer_with};
use throughline_tower::{HttpClientLayer, UrlTemplate};
use tower::Service;

use crate::rig::{SAMPLED, Scripted, exchange, get, header, one, ready, remote, request, text};

fn span_of(set_up: impl FnOnce(HttpClientLayer) -> HttpClientLayer, request: Request<()>) -> SpanData {
    let (tracer, spans) = tracer();
    drop(exchange(&set_up(HttpClientLayer::new(&tracer)), request, Response::new(ScriptedBody::new())));
    one(&spans)
}

#[test]
fn templates_name_spans() {
    let patterns = ["/users/me", "/users/{id}", "/files/{*path}"];
    for (why, method, target, extension, listed, name, template) in [
        ("nothing", "GET", "http://h/users/7", None, false, "GET", None),
        ("a pattern", "GET", "http://h/users/7?x=y", None, true, "GET /users/{id}", Some("/users/{id}")),
        ("the first that matches", "PUT", "http://h/users/me", None, true, "PUT /users/me", Some("/users/me")),
        ("the rest of the path", "GET", "http://h/files/a/b", None, true, "GET /files/{*path}", Some("/files/{*path}")),
        ("no pattern matches", "GET", "http://h/orders/7", None, true, "GET", None),
        ("origin form", "GET", "/users/7", None, true, "GET /users/{id}", Some("/users/{id}")),
        ("an extension", "GET", "http://h/a/7", Some("/a/{x}"), false, "GET /a/{x}", Some("/a/{x}")),
        ("the extension wins", "GET", "http://h/users/7", Some("/own/{x}"), true, "GET /own/{x}", Some("/own/{x}")),
        ("an empty extension is none", "GET", "http://h/a", Some(""), true, "GET", None),
        ("another method", "PURGE", "http://h/users/7", None, true, "HTTP /users/{id}", Some("/users/{id}")),
    ] {
        let mut asked = request(Method::from_bytes(method.as_bytes()).unwrap(), target, []);
        if let Some(extension) = extension {
            asked.extensions_mut().insert(UrlTemplate::new(extension));
        }
        let span = span_of(|layer| if listed { layer.url_templates(patterns).unwrap() } else { layer }, asked);
        assert_eq!(span.name, name, "{why}");
        assert_eq!(text(&span, "url.template").as_deref(), template, "{why}");
    }
}

#[test]
fn services_are_named_by_where_they_are() {
    let named = |layer: HttpClientLayer| {
        layer
            .peer_services([
                ("api.internal", "api"),
                ("api.internal:8080", "api on a port"),
                ("api.internal:443", "api on 443"),
                ("api.internal/users", "users"),
                ("[::1]", "six"),
            ])
            .unwrap()
    };
    for (why, target, host, wanted) in [
        ("the host", "http://api.internal/", "", Some("api")),
        ("the port", "http://api.internal:8080/", "", Some("api on a port")),
        ("the port that the scheme means", "https://api.internal/", "", Some("api on 443")),
        ("the path", "http://api.internal/users/7?x=/orders", "", Some("users")),
        ("another path", "http://api.internal/usersx", "", Some("api")),
        ("another host", "http://x.api.internal/", "", None),
        ("origin form", "/users/7", "API.internal", Some("users")),
        ("the target before the host", "http://other/", "api.internal", None),
        ("IPv6", "http://[::1]:81/", "", Some("six")),
        ("nobody", "/users", "", None),
    ] {
        let mut asked = get(target);
        if !host.is_empty() {
            asked.headers_mut().insert("host", host.parse().unwrap());
        }
        let span = span_of(named, asked);
        assert_eq!(text(&span, "service.peer.name").as_deref(), wanted, "{why}");
    }
    assert_eq!(text(&span_of(|layer| layer, get("http://api.internal/")), "service.peer.name"), None, "no table");
}

#[test]
fn connections_that_are_tls_mean_another_port_and_scheme() {
    for (target, https, url, port) in [
        ("/a", true, "https://h/a", "443"),
        ("/a", false, "http://h/a", "80"),
        ("http://h/a", true, "http://h/a", "80"),
        ("https://h/a", false, "https://h/a", "443"),
    ] {
        let asked = request(Method::GET, target, [("host", b"h")]);
        let span = span_of(|layer| if https { layer.https() } else { layer }, asked);
        assert_eq!(text(&span, "url.full").as_deref(), Some(url), "{target} {https}");
        assert_eq!(text(&span, "server.port").as_deref(), Some(port), "{target} {https}");
    }
}

const IDS: Allow = Allow { ids: true, tracestate: false, baggage: false };
const STATE: Allow = Allow { ids: false, tracestate: true, baggage: false };
const BAGGAGE: Allow = Allow { ids: false, tracestate: false, baggage: true };

/// What arrives of ids, tracestate and baggage, one letter each.
fn told(layer: &HttpClientLayer, mut request: Request<()>) -> String {
    for (name, stale) in [("traceparent", SAMPLED), ("tracestate", "stale=1"), ("baggage", "stale=1")] {
        request.headers_mut().append(name, stale.parse().unwrap());
    }
    let context = Context::ROOT.with_span_context(remote("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"));
    let context = context.with_tracestate(Some(TraceState::parse(b"ours=1").unwrap()));
    let context = context.with_baggage(Baggage::new().with("tenant", "7").unwrap());
    let network = Scripted::new().respond(Response::new(ScriptedBody::new()));
    context.scope(|| drop(ready(layer.layer(network.clone()).call(request)).unwrap()));
    let seen = network.take_requests().remove(0);
    let mut told = String::new();
    if let Some(parent) = header(&seen, "traceparent") {
        assert!(parent.starts_with("00-0af7651916cd43dd8448eb211c80319c-"), "a stale traceparent: {parent}");
        told.push('i');
    }
    for (name, ours, letter) in [("tracestate", "ours=1", 's'), ("baggage", "tenant=7", 'b')] {
        if let Some(value) = header(&seen, name) {
            assert_eq!(value, ours, "a stale {name}");
            told.push(letter);
        }
    }
    told
}

#[test]
fn each_host_is_told_what_its_rule_allows_and_nothing_stale() {
    let rules = |layer: HttpClientLayer| -> Result<HttpClientLayer, Box<dyn std::error::Error>> {
        Ok(layer
            .egress(["all"], Allow::ALL)?
            .egress(["none", "*.evil.example"], Allow::NONE)?
            .egress(["ids"], IDS)?
            .egress(["state"], STATE)?
            .egress(["baggage"], BAGGAGE)?
            .egress(["port"], Allow::NONE)?
            .egress(["port:81", "tls:443", "plain:80"], Allow::ALL)?
            .egress(["twice"], Allow::NONE)?
            .egress(["twice"], Allow::ALL)?)
    };
    for skipped in [false, true] {
        let (tracer, _) = tracer();
        let layer = rules(HttpClientLayer::new(&tracer)).unwrap().skip(move |_| skipped);
        let strict = layer.clone().egress_otherwise(Allow::NONE);
        let open = layer.clone().egress_otherwise(Allow::ALL);
        for (why, target, host, wanted) in [
            ("everything", "http://all/", "", "isb"),
            ("nothing", "http://none/", "", ""),
            ("nothing, by suffix", "http://a.evil.example/", "", ""),
            ("ids alone", "http://ids/", "", "i"),
            // A tracestate is nothing without a parent.
            ("no ids, no tracestate", "http://state/", "", ""),
            ("baggage alone", "http://baggage/", "", "b"),
            ("the port", "http://port:81/", "", "isb"),
            ("another port", "http://port:82/", "", ""),
            ("the port that https means", "https://tls/", "", "isb"),
            ("the port that http means", "http://plain/", "", "isb"),
            ("the later rule", "http://twice/", "", "isb"),
            ("origin form", "/", "all:82", "isb"),
            ("origin form, the port that the connection means", "/", "plain", "isb"),
            ("the target before the host", "http://none/", "all", ""),
            ("user information is no host", "http://all:80@none/", "", ""),
        ] {
            let ask = || {
                let mut asked = get(target);
                if !host.is_empty() {
                    asked.headers_mut().insert("host", host.parse().unwrap());
                }
                asked
            };
            for layer in [&layer, &strict, &open] {
                assert_eq!(told(layer, ask()), wanted, "{why}, skipped: {skipped}");
            }
        }
        for (layer, wanted) in [(&layer, "is"), (&strict, ""), (&open, "isb")] {
            assert_eq!(told(layer, get("http://unnamed/")), wanted, "skipped: {skipped}");
            assert_eq!(told(layer, get("/no-host")), wanted, "skipped: {skipped}");
        }
    }
}

#[test]
fn https_changes_the_port_that_a_rule_sees() {
    let (tracer, _) = tracer();
    let layer = HttpClientLayer::new(&tracer).egress(["h:443"], Allow::NONE).unwrap();
    let asked = || request(Method::GET, "/", [("host", b"h")]);
    assert_eq!((told(&layer, asked()), told(&layer.clone().https(), asked())), ("is".into(), String::new()));
}

/// Propagation never depends on recording, and neither does what is withheld.
#[test]
fn unsampled_requests_are_told_the_same() {
    let (tracer, _) = tracer_with(|tracer| tracer.sampler(throughline_core::AlwaysOff));
    let layer = HttpClientLayer::new(&tracer).egress(["none"], Allow::NONE).unwrap().baggage_to(["all"]).unwrap();
    for (target, wanted) in [("http://none/", ""), ("http://all/", "isb"), ("http://other/", "is")] {
        assert_eq!(told(&layer, get(target)), wanted, "{target}");
    }
}

#[test]
fn mistakes_in_settings_are_errors_that_name_them() {
    let (tracer, _) = tracer();
    let layer = || HttpClientLayer::new(&tracer);
    let errors = [
        layer().egress(["http://a"], Allow::NONE).unwrap_err().to_string(),
        layer().baggage_to(["a/b"]).unwrap_err().to_string(),
        layer().url_templates(["users/{id}"]).unwrap_err().to_string(),
        layer().peer_services([("a/b c", "x")]).unwrap_err().to_string(),
    ];
    for (error, named) in errors.iter().zip(["http://a", "a/b", "users/{id}", "a/b c"]) {
        assert!(error.contains(&format!("{named:?}")), "{error}");
    }
}
