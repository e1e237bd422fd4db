//! When a span ends by itself: every way in which a response can come to its end.

use std::io;

use throughline_core::{SpanData, SpanEnd, Status};

use crate::conformance::http::site::{Script, chunks};
use crate::conformance::http::visitor::{Answer, Ask, Connection, Upload};
use crate::conformance::http::{Wire, in_time};
use crate::{EndStream, ScriptedBody};

use super::{Case, Rig};

pub(super) const CASES: &[Case] = &[
    Case::new("a response that is sent in full is completed", |rig| Box::pin(completed(rig))),
    Case::new("a body that fails after the head is an error", |rig| Box::pin(broken(rig))),
    Case::new("a body that is polled no more at its declared length is completed", |rig| Box::pin(declared(rig))),
    Case::new("an upgrade ends at 101", |rig| Box::pin(upgraded(rig))).only(Wire::Http1),
    Case::new("requests of one connection are nobody's children", |rig| Box::pin(kept_alive(rig))),
    Case::new("two requests in one packet are two spans", |rig| Box::pin(pipelined(rig))).only(Wire::Http1),
    Case::new("a request's body is read as it was sent", |rig| Box::pin(uploaded(rig))),
];

fn with_trailers() -> Script {
    let body = ScriptedBody::of().data("data").pending().trailers([("x-checksum", "1")]);
    Script::body(body.end_stream(EndStream::Never)).header("trailer", "x-checksum")
}

fn slow() -> Script {
    Script::body(ScriptedBody::of().pending().data("one").pending().data("two").pending().end_stream(EndStream::Never))
}

/// The head tells less than the body has.
fn longer_than_declared() -> Script {
    Script::body(chunks(["one"])).header("content-length", "3")
}

async fn completed(rig: &mut Rig) -> Result<(), String> {
    type Make = fn() -> Script;
    let rows: [(&str, &str, Make, &str); 14] = [
        ("of known length", "GET", || Script::text("hello"), "hello"),
        ("of known length, to HEAD", "HEAD", || Script::text("hello"), ""),
        ("in chunks", "GET", || Script::body(chunks(["one", "two"])), "onetwo"),
        ("in chunks, to HEAD", "HEAD", || Script::body(chunks(["one", "two"])), ""),
        ("with pauses", "GET", slow, "onetwo"),
        ("whose length only the head knows", "GET", longer_than_declared, "one"),
        ("whose length only the head knows, to HEAD", "HEAD", longer_than_declared, ""),
        ("with trailers", "GET", with_trailers, "data"),
        ("without a body", "GET", Script::new, ""),
        ("without a frame, of unknown length", "GET", || Script::body(chunks([])), ""),
        ("with an empty frame", "GET", || Script::body(chunks([""])), ""),
        ("204", "GET", || Script::body(chunks([])).status(204), ""),
        ("304", "GET", || Script::body(chunks([])).status(304), ""),
        ("302", "GET", || Script::text("there").status(302).header("location", "/there"), "there"),
    ];
    for (why, method, script, body) in rows {
        let (_, answer, span) =
            rig.visit(script(), |path| Ask::get(path).method(method).header("te", "trailers")).await?;
        // hyper's HTTP/2 sends HEAD a body if the service has one, which a client must refuse; the span is not to blame.
        let whole = answer.whole || (method == "HEAD" && rig.wire == Wire::Http2);
        rig.checks.holds(whole, || format!("{why}: the answer broke off after {:?}", answer.body));
        rig.checks.equal(format_args!("{why}: the body"), &*String::from_utf8_lossy(&answer.body), body);
        unharmed(rig, &span, why);
        if why == "with trailers" {
            let arrived = answer.trailers.get("x-checksum").and_then(|value| value.to_str().ok());
            rig.checks.equal("the trailer", arrived, Some("1"));
        }
    }
    Ok(())
}

fn unharmed(rig: &mut Rig, span: &SpanData, why: &str) {
    rig.checks.equal(format_args!("{why}: the end"), span.end, SpanEnd::Completed);
    rig.checks.equal(format_args!("{why}: the status"), &span.status, &Status::Unset);
    rig.text(span, why, "error.type", None);
    rig.text(span, why, "throughline.outcome", None);
    rig.text(span, why, "throughline.phase", None);
}

async fn broken(rig: &mut Rig) -> Result<(), String> {
    let bodies: [(&str, ScriptedBody<io::Error>); 3] = [
        ("after a frame", ScriptedBody::of().data("one").pending().error(io::ErrorKind::ConnectionReset)),
        ("before any frame", ScriptedBody::of().pending().error(io::ErrorKind::TimedOut)),
        ("in chunks", chunks(["one", "two"]).pending().error(io::ErrorKind::BrokenPipe)),
    ];
    for (why, body) in bodies {
        let scene = rig.site.scene(Script::body(body));
        // Where nothing was sent yet the server may also break before the head.
        if let Ok(answer) = rig.fetch(&Ask::get(&*scene.path)).await {
            rig.checks.holds(!answer.whole, || format!("{why}: the visitor was told a good end"));
        }
        let span = rig.one().await?;
        rig.checks.equal(format_args!("{why}: the end"), span.end, SpanEnd::Failed);
        rig.checks.equal(format_args!("{why}: the status"), &span.status, &Status::error());
        rig.text(&span, why, "http.response.status_code", Some("200"));
        let named = span.attribute("error.type").is_some_and(|name| !name.to_string().is_empty());
        rig.checks.holds(named, || format!("{why}: the error has no type"));
        rig.text(&span, why, "throughline.outcome", None);
    }
    Ok(())
}

async fn declared(rig: &mut Rig) -> Result<(), String> {
    let scene = rig.site.scene(longer_than_declared());
    let mut connection = rig.connect().await?;
    let asked = in_time("the answer", read_three(&mut connection, &Ask::get(&*scene.path))).await?;
    asked.map_err(|error| format!("no answer: {error}"))?;
    // Whoever has all of it may go at once.
    drop(connection);
    let span = rig.one().await?;
    unharmed(rig, &span, "read in full, then left");
    Ok(())
}

async fn read_three(connection: &mut Connection, ask: &Ask) -> io::Result<()> {
    connection.send(ask).await?;
    connection.head().await?;
    let mut left = 3_usize;
    while left > 0 {
        let bytes = connection.some().await?.ok_or(io::ErrorKind::UnexpectedEof)?;
        left = left.saturating_sub(bytes.len());
    }
    Ok(())
}

async fn upgraded(rig: &mut Rig) -> Result<(), String> {
    let scene = rig.site.scene(Script::new().status(101).header("connection", "upgrade").header("upgrade", "echo"));
    let ask = Ask::get(&*scene.path).header("connection", "upgrade").header("upgrade", "echo");
    let mut connection = rig.connect().await?;
    in_time("the request", connection.send(&ask)).await?.map_err(|error| error.to_string())?;
    let status = in_time("the head", connection.head()).await?.map_err(|error| error.to_string())?;
    rig.checks.equal("the status", status, 101);
    let span = rig.one().await?;
    unharmed(rig, &span, "an upgrade");
    rig.text(&span, "an upgrade", "http.response.status_code", Some("101"));
    Ok(())
}

async fn kept_alive(rig: &mut Rig) -> Result<(), String> {
    let mut connection = rig.connect().await?;
    let mut traces = Vec::new();
    for script in [Script::text("hello"), Script::body(chunks(["one"])), Script::new().status(204), Script::text("x")] {
        let scene = rig.site.scene(script);
        let answer: Answer = in_time("the answer", connection.fetch(&Ask::get(&*scene.path)))
            .await?
            .map_err(|error| format!("the connection is gone after {} requests: {error}", traces.len()))?;
        rig.checks.holds(answer.whole, || "the answer broke off".to_owned());
        let span = rig.one().await?;
        rig.checks.equal("the parent", span.parent_span_id, None);
        traces.push(span.span_context.trace_id());
    }
    traces.sort_by_key(ToString::to_string);
    traces.dedup();
    rig.checks.equal("the number of traces", traces.len(), 4);
    Ok(())
}

async fn pipelined(rig: &mut Rig) -> Result<(), String> {
    let scenes = [rig.site.scene(Script::text("one")), rig.site.scene(Script::text("two"))];
    let Connection::Http1(mut client) = rig.connect().await? else { return Err("this is HTTP/1".to_owned()) };
    let both = scenes.each_ref().map(|scene| format!("GET {} HTTP/1.1\r\nhost: shop.example\r\n\r\n", scene.path));
    in_time("the requests", client.raw(both.concat().as_bytes())).await?.map_err(|error| error.to_string())?;
    for scene in &scenes {
        let span = {
            let path = scene.path.clone();
            let found =
                move |spans: &[SpanData]| spans.iter().any(|span| span.attribute("url.path") == Some(&(&path).into()));
            let ended = rig.spans.wait_until(found, super::DEADLINE).await.map_err(|error| error.to_string())?;
            ended.into_iter().find(|span| span.attribute("url.path") == Some(&(&scene.path).into()))
        };
        let span = span.ok_or("no span for the path")?;
        rig.checks.equal("the parent", span.parent_span_id, None);
        unharmed(rig, &span, "one of two");
    }
    rig.checks.equal("the number of spans", rig.spans.take().len(), 2);
    Ok(())
}

async fn uploaded(rig: &mut Rig) -> Result<(), String> {
    let ask = |path| Ask::get(path).method("POST").body(Upload::Whole("hello"));
    let (_, answer, span) = rig.visit(Script::text("thanks").after_upload(), ask).await?;
    rig.checks.equal("the status", answer.status, 200);
    unharmed(rig, &span, "an upload");
    Ok(())
}
