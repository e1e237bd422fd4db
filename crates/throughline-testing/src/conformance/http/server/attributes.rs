//! Names, attributes and status.

use std::sync::{Arc, Mutex, PoisonError};

use throughline_core::{AlwaysOn, ParentBased, Sampler, SamplingDecision, SamplingInput, SpanEnd, SpanKind, Status};

use crate::conformance::http::Wire;
use crate::conformance::http::site::{Script, Site};
use crate::conformance::http::visitor::Ask;

use super::{Case, Rig, Sampling};

pub(super) const CASES: &[Case] = &[
    Case::new("the name is the method and the route, never the path", |rig| Box::pin(names(rig))),
    Case::new("methods are known or `_OTHER`, and case counts", |rig| Box::pin(methods(rig))),
    Case::new("the path is as it came, and a query keeps its keys alone", |rig| Box::pin(urls(rig))),
    Case::new("server.address and server.port are the authority's", |rig| Box::pin(authorities(rig))),
    Case::new("HTTP/1.0, absolute targets, and no Host at all", |rig| Box::pin(old_forms(rig))).only(Wire::Http1),
    Case::new("the protocol's version, and no name", |rig| Box::pin(versions(rig))),
    Case::new("the first user agent", |rig| Box::pin(user_agents(rig))),
    Case::new("the client's address is the socket's", |rig| Box::pin(peers(rig))).needs_peer(),
    Case::new("forwarding headers are not believed unasked", |rig| Box::pin(forwarded(rig))),
    Case::new("no header is an attribute unasked, and no credential ever", |rig| Box::pin(credentials(rig))),
    Case::new("status codes, and which of them are errors", |rig| Box::pin(statuses(rig))),
    Case::new("a sampler sees what is known at the start", |rig| Box::pin(sampled(rig))).sampling(Sampling::Spied),
];

async fn names(rig: &mut Rig) -> Result<(), String> {
    let (scene, answer, span) = rig.visit(Script::text("hello"), Ask::get).await?;
    rig.checks.equal("the status", answer.status, 200);
    rig.checks.equal("the body", &*answer.body, b"hello");
    rig.checks.equal("the name", span.name.clone(), rig.name("GET"));
    rig.checks.equal("the kind", span.kind, SpanKind::Server);
    rig.checks.equal("the end", span.end, SpanEnd::Completed);
    rig.checks.holds(!span.scope.name.is_empty(), || "the span has no scope".to_owned());
    let route = rig.suite.routes.then_some(Site::ROUTE);
    rig.text(&span, "a request", "http.route", route);
    rig.text(&span, "a request", "url.path", Some(&scene.path));

    let missing = rig.fetch(&Ask::get("/nowhere/to/be/found")).await?;
    let span = rig.one().await?;
    rig.checks.equal("the status", missing.status, 404);
    rig.checks.equal("the name of a request without a route", &*span.name, "GET");
    rig.text(&span, "a request without a route", "http.route", None);
    Ok(())
}

async fn methods(rig: &mut Rig) -> Result<(), String> {
    for (method, known) in [
        ("GET", true),
        ("HEAD", true),
        ("POST", true),
        ("PUT", true),
        ("DELETE", true),
        ("OPTIONS", true),
        ("TRACE", true),
        ("PATCH", true),
        ("QUERY", true),
        ("BREW", false),
        ("get", false),
        ("Get", false),
    ] {
        let (_, _, span) = rig.visit(Script::new(), |path| Ask::get(path).method(method)).await?;
        let (name, attribute) = if known { (method, method) } else { ("HTTP", "_OTHER") };
        rig.checks.equal(format_args!("{method}: the name"), span.name.clone(), rig.name(name));
        rig.text(&span, method, "http.request.method", Some(attribute));
        rig.text(&span, method, "http.request.method_original", (!known).then_some(method));
    }
    Ok(())
}

async fn urls(rig: &mut Rig) -> Result<(), String> {
    for (query, redacted) in [
        ("", None),
        ("?", Some("")),
        ("?user=7&debug&sig=", Some("user=REDACTED&debug&sig=REDACTED")),
        ("?a=b=c&&d", Some("a=REDACTED&&d")),
        ("?redirect=https://u:p@h/", Some("redirect=REDACTED")),
    ] {
        let (scene, _, span) = rig.visit(Script::new(), |path| Ask::get(path + query)).await?;
        rig.text(&span, query, "url.path", Some(&scene.path));
        rig.text(&span, query, "url.scheme", Some("http"));
        // An empty query may also be none.
        if redacted != Some("") {
            rig.text(&span, query, "url.query", redacted);
        }
        rig.text(&span, query, "url.full", None);
    }
    Ok(())
}

async fn authorities(rig: &mut Rig) -> Result<(), String> {
    for (authority, address, port) in [
        ("shop.example:8443", "shop.example", Some("8443")),
        ("shop.example", "shop.example", None),
        ("192.0.2.7:80", "192.0.2.7", Some("80")),
        ("[2001:db8::17]:8080", "2001:db8::17", Some("8080")),
        ("[::1]", "::1", None),
    ] {
        let (_, _, span) = rig.visit(Script::new(), |path| Ask::get(path).authority(Some(authority))).await?;
        rig.text(&span, authority, "server.address", Some(address));
        rig.text(&span, authority, "server.port", port);
    }
    Ok(())
}

async fn old_forms(rig: &mut Rig) -> Result<(), String> {
    for (host, address, port) in [
        (None, None, None),
        (Some("shop.example:abc"), Some("shop.example"), None),
        (Some("shop.example:0"), Some("shop.example"), None),
    ] {
        let (_, answer, span) = rig.visit(Script::text("old"), |path| Ask::get(path).authority(host).http10()).await?;
        let why = format!("HTTP/1.0 to {host:?}");
        rig.checks.equal("the body", &*answer.body, b"old");
        rig.text(&span, &why, "network.protocol.version", Some("1.0"));
        rig.text(&span, &why, "server.address", address);
        rig.text(&span, &why, "server.port", port);
    }
    let (scene, _, span) =
        rig.visit(Script::new(), |path| Ask::get(format!("http://absolute.example:81{path}"))).await?;
    rig.text(&span, "an absolute target", "server.address", Some("absolute.example"));
    rig.text(&span, "an absolute target", "server.port", Some("81"));
    rig.text(&span, "an absolute target", "url.path", Some(&scene.path));
    Ok(())
}

async fn versions(rig: &mut Rig) -> Result<(), String> {
    let (_, _, span) = rig.visit(Script::new(), Ask::get).await?;
    let version = rig.wire.version();
    rig.text(&span, "a request", "network.protocol.version", Some(version));
    rig.text(&span, "a request", "network.protocol.name", None);
    Ok(())
}

async fn user_agents(rig: &mut Rig) -> Result<(), String> {
    let ask = |path| Ask::get(path).header("user-agent", "first/1.0 (x)").header("user-agent", "second/2.0");
    let (_, _, span) = rig.visit(Script::new(), ask).await?;
    rig.text(&span, "two user agents", "user_agent.original", Some("first/1.0 (x)"));
    let (_, _, span) = rig.visit(Script::new(), Ask::get).await?;
    rig.text(&span, "no user agent", "user_agent.original", None);
    Ok(())
}

async fn peers(rig: &mut Rig) -> Result<(), String> {
    let (_, _, span) = rig.visit(Script::new(), Ask::get).await?;
    for key in ["client.address", "network.peer.address"] {
        rig.text(&span, "over loopback", key, Some("127.0.0.1"));
    }
    let port = span.attribute("network.peer.port").map(ToString::to_string).and_then(|port| port.parse::<u16>().ok());
    rig.checks.holds(port.is_some_and(|port| port > 0), || format!("the peer's port is {port:?}"));
    Ok(())
}

async fn forwarded(rig: &mut Rig) -> Result<(), String> {
    let ask = |path| {
        Ask::get(path)
            .header("forwarded", "for=192.0.2.60;proto=https;host=evil.example")
            .header("x-forwarded-for", "192.0.2.60")
            .header("x-forwarded-host", "evil.example")
            .header("x-forwarded-proto", "https")
    };
    let (_, _, span) = rig.visit(Script::new(), ask).await?;
    rig.text(&span, "behind nobody", "server.address", Some("shop.example"));
    rig.text(&span, "behind nobody", "url.scheme", Some("http"));
    let peer = rig.suite.peer.then_some("127.0.0.1");
    rig.text(&span, "behind nobody", "client.address", peer);
    Ok(())
}

async fn credentials(rig: &mut Rig) -> Result<(), String> {
    let ask = |path| {
        ["authorization", "cookie", "proxy-authorization", "x-api-key", "x-harmless"]
            .into_iter()
            .fold(Ask::get(path), |ask, name| ask.header(name, "hunter2"))
    };
    let (_, _, span) = rig.visit(Script::new().header("set-cookie", "hunter2"), ask).await?;
    for (key, value) in &span.attributes {
        let leaks = value.to_string().contains("hunter2") || key.starts_with("http.request.header.");
        rig.checks.holds(!leaks, || format!("a header is an attribute: `{key}` = {value}"));
    }
    Ok(())
}

async fn statuses(rig: &mut Rig) -> Result<(), String> {
    for code in [200, 201, 204, 206, 301, 302, 304, 307, 400, 401, 404, 409, 429, 451, 499, 500, 501, 503, 504, 599] {
        let (_, answer, span) = rig.visit(Script::new().status(code), Ask::get).await?;
        let (why, failed) = (code.to_string(), code >= 500);
        rig.checks.equal(format_args!("{code}: the status on the wire"), answer.status, code);
        rig.text(&span, &why, "http.response.status_code", Some(&why));
        rig.text(&span, &why, "error.type", failed.then_some(&*why));
        // The code says it all: an error has no description.
        let status = if failed { Status::error() } else { Status::Unset };
        rig.checks.equal(format_args!("{code}: the status"), span.status, status);
        rig.checks.equal(format_args!("{code}: the end"), span.end, SpanEnd::Completed);
    }
    Ok(())
}

async fn sampled(rig: &mut Rig) -> Result<(), String> {
    let (scene, _, _) = rig.visit(Script::new(), |path| Ask::get(path + "?q=1").header("user-agent", "ua/1")).await?;
    let seen = rig.spy.take();
    for (key, wanted) in [
        ("http.request.method", Some("GET")),
        ("url.path", Some(&*scene.path)),
        ("url.scheme", Some("http")),
        ("url.query", Some("q=REDACTED")),
        ("server.address", Some("shop.example")),
        ("server.port", Some("8443")),
        ("user_agent.original", Some("ua/1")),
        ("client.address", rig.suite.peer.then_some("127.0.0.1")),
        ("http.route", rig.suite.routes.then_some(Site::ROUTE)),
    ] {
        let found = seen.iter().find_map(|(name, value)| (name == key).then_some(value.as_str()));
        rig.checks.equal(format_args!("what the sampler sees of `{key}`"), found, wanted);
    }
    Ok(())
}

/// Notes the attributes that it is asked about, and does what the parent did.
#[derive(Clone, Debug, Default)]
pub(super) struct Spy(Arc<Mutex<Vec<(String, String)>>>);

impl Spy {
    fn take(&self) -> Vec<(String, String)> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Sampler for Spy {
    fn sample(&self, input: &SamplingInput<'_>) -> SamplingDecision {
        let mut seen = Vec::new();
        input.attributes().visit(&mut |key: throughline_core::Key<'_>, value: throughline_core::Value<'_>| {
            seen.push((key.as_str().to_owned(), value.to_string()));
        });
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = seen;
        ParentBased::<AlwaysOn>::default().sample(input)
    }
}
