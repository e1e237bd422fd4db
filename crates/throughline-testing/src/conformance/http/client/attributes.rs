//! Names, attributes and status.

use throughline_core::{Context, SpanEnd, SpanKind, Status};

use crate::conformance::http::backend::Play;

use super::{Case, Need, Read, Rig, get, request};

pub(super) const CASES: &[Case] = &[
    Case::new("the name is the method, never the path", |rig| Box::pin(names(rig))),
    Case::new("methods are known or `_OTHER`, and case counts", |rig| Box::pin(methods(rig))),
    Case::new("url.full keeps the keys of the query alone", |rig| Box::pin(urls(rig))),
    Case::new("url.full has no user information", |rig| Box::pin(user_information(rig))).needs(Need::Absolute),
    Case::new("server.port is the scheme's where the URL has none", |rig| Box::pin(ports(rig))).needs(Need::Connects),
    Case::new("no header is an attribute unasked, and no credential ever", |rig| Box::pin(credentials(rig))),
    Case::new("status codes, and which of them are errors", |rig| Box::pin(statuses(rig))),
];

async fn names(rig: &mut Rig<'_>) -> Result<(), String> {
    let mut backend = rig.backend(Play::Answer(200)).await?;
    let uri = format!("http://{}/orders/7", backend.address);
    let response = rig.send(&Context::ROOT, get(&uri), Read::All).await.map_err(|error| error.to_string())?;
    rig.checks.equal("the body", &response.body()[..], b"hello");
    let seen = backend.request().await?;
    rig.checks.equal("the method on the wire", &*seen.method, "GET");
    rig.checks.holds(seen.target.ends_with("/orders/7"), || format!("the target on the wire is {:?}", seen.target));
    let span = rig.one().await?;
    rig.checks.equal("the name", &*span.name, "GET");
    rig.checks.equal("the kind", span.kind, SpanKind::Client);
    rig.checks.equal("the end", span.end, SpanEnd::Completed);
    rig.checks.equal("the status", &span.status, &Status::Unset);
    rig.checks.holds(!span.scope.name.is_empty(), || "the span has no scope".to_owned());
    let (version, port) = (rig.wire.version(), backend.address.port().to_string());
    for (key, wanted) in [
        ("url.full", Some(&*uri)),
        ("server.address", Some("127.0.0.1")),
        ("server.port", Some(&*port)),
        ("network.protocol.version", Some(version)),
        ("network.protocol.name", None),
        ("http.response.status_code", Some("200")),
        ("http.request.resend_count", None),
        ("http.route", None),
        ("url.path", None),
        ("user_agent.original", None),
        ("error.type", None),
    ] {
        rig.text(&span, "a request", key, wanted);
    }
    Ok(())
}

async fn methods(rig: &mut Rig<'_>) -> Result<(), String> {
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
    ] {
        let backend = rig.backend(Play::Answer(200)).await?;
        let sent = rig.send(&Context::ROOT, request(method, &format!("http://{}/", backend.address)), Read::All).await;
        rig.checks.holds(sent.is_ok(), || format!("{method} is not sent: {sent:?}"));
        let span = rig.one().await?;
        let (name, attribute) = if known { (method, method) } else { ("HTTP", "_OTHER") };
        rig.checks.equal(format_args!("{method}: the name"), &*span.name, name);
        rig.text(&span, method, "http.request.method", Some(attribute));
        rig.text(&span, method, "http.request.method_original", (!known).then_some(method));
    }
    Ok(())
}

async fn urls(rig: &mut Rig<'_>) -> Result<(), String> {
    for (target, redacted) in [
        ("/", "/"),
        ("/a@b", "/a@b"),
        ("/x?sig=abc&q=1", "/x?sig=REDACTED&q=REDACTED"),
        ("/x?sig", "/x?sig"),
        ("/x?sig=", "/x?sig=REDACTED"),
    ] {
        let mut backend = rig.backend(Play::Answer(200)).await?;
        let sent = rig.send(&Context::ROOT, get(&format!("http://{}{target}", backend.address)), Read::All).await;
        rig.checks.holds(sent.is_ok(), || format!("{target} is not sent: {sent:?}"));
        let seen = backend.request().await?;
        rig.checks.holds(seen.target.ends_with(target), || format!("{target} was sent as {}", seen.target));
        let span = rig.one().await?;
        rig.text(&span, target, "url.full", Some(&format!("http://{}{redacted}", backend.address)));
    }
    Ok(())
}

async fn user_information(rig: &mut Rig<'_>) -> Result<(), String> {
    let backend = rig.backend(Play::Answer(200)).await?;
    // Some clients refuse to send such a request: the span is there all the same.
    drop(rig.send(&Context::ROOT, get(&format!("http://user:secret@{}/", backend.address)), Read::All).await);
    let span = rig.one().await?;
    rig.text(&span, "a secret", "url.full", Some(&format!("http://REDACTED:REDACTED@{}/", backend.address)));
    rig.text(&span, "a secret", "server.address", Some("127.0.0.1"));
    let leak = span.attributes.iter().find(|(_, value)| value.to_string().contains("secret"));
    rig.checks.holds(leak.is_none(), || format!("the secret is in {leak:?}"));
    Ok(())
}

/// Nobody listens at these ports, or nobody who would speak HTTP to us: the span is there all the same.
async fn ports(rig: &mut Rig<'_>) -> Result<(), String> {
    for (uri, port) in [("http://127.0.0.1/", "80"), ("https://127.0.0.1/", "443"), ("http://127.0.0.1:1/", "1")] {
        drop(rig.send(&Context::ROOT, get(uri), Read::Head).await);
        let span = rig.one().await?;
        rig.text(&span, uri, "server.address", Some("127.0.0.1"));
        rig.text(&span, uri, "server.port", Some(port));
        rig.text(&span, uri, "url.full", Some(uri));
    }
    Ok(())
}

async fn credentials(rig: &mut Rig<'_>) -> Result<(), String> {
    let mut backend = rig.backend(Play::Answer(200)).await?;
    let mut request = get(&format!("http://{}/", backend.address));
    for name in ["authorization", "cookie", "proxy-authorization", "x-api-key", "x-harmless"] {
        request.headers_mut().insert(name, http::HeaderValue::from_static("hunter2"));
    }
    rig.send(&Context::ROOT, request, Read::All).await.map_err(|error| error.to_string())?;
    let seen = backend.request().await?;
    rig.checks.holds(seen.fields.contains_key("authorization"), || "the request lost its credentials".to_owned());
    let span = rig.one().await?;
    for (key, value) in &span.attributes {
        let leaks = value.to_string().contains("hunter2") || key.starts_with("http.request.header.");
        rig.checks.holds(!leaks, || format!("a header is an attribute: `{key}` = {value}"));
    }
    Ok(())
}

async fn statuses(rig: &mut Rig<'_>) -> Result<(), String> {
    for code in [200, 201, 204, 206, 302, 304, 400, 401, 404, 409, 429, 499, 500, 503, 504, 599] {
        let (response, span) = rig.get(Play::Answer(code)).await?;
        let response = response.map_err(|error| format!("{code}: {error}"))?;
        let (why, failed) = (code.to_string(), code >= 400);
        rig.checks.equal(format_args!("{code}: the status for the caller"), response.status().as_u16(), code);
        rig.text(&span, &why, "http.response.status_code", Some(&why));
        rig.text(&span, &why, "error.type", failed.then_some(&*why));
        let status = if failed { Status::error() } else { Status::Unset };
        rig.checks.equal(format_args!("{code}: the status"), span.status, status);
        rig.checks.equal(format_args!("{code}: the end"), span.end, SpanEnd::Completed);
    }
    Ok(())
}
