//! Cancellations, panics, half requests and what is no HTTP at all.

use throughline_core::{SpanData, SpanEnd, Status};

use crate::conformance::http::site::{Scene, Script, chunks};
use crate::conformance::http::visitor::{Ask, Connection, Leave, Upload};
use crate::conformance::http::{Wire, in_time};
use crate::{Gate, ScriptedBody};

use super::{Case, Rig};

pub(super) const CASES: &[Case] = &[
    Case::new("a visitor who leaves before the head cancels it", |rig| Box::pin(left_in_the_head(rig))),
    Case::new("a visitor who leaves in the body cancels it", |rig| Box::pin(left_in_the_body(rig))),
    Case::new("one stream is left and the others go on", |rig| Box::pin(left_one_stream(rig))).only(Wire::Http2),
    Case::new("a visitor who leaves in the upload ends it once", |rig| Box::pin(left_in_the_upload(rig))),
    Case::new("a panic in the handler's future", |rig| Box::pin(panicked(rig, Script::panic(), "head"))),
    Case::new("a panic in the handler's call", |rig| Box::pin(panicked(rig, Script::panic_in_call(), "head"))),
    Case::new("a panic in the body", |rig| Box::pin(panicked(rig, panicking_body(), "body"))),
    Case::new("what is no HTTP makes no span and does no harm", |rig| Box::pin(malformed(rig))).only(Wire::Http1),
];

/// One frame, and then nothing for ever.
fn stuck() -> Script {
    Script::body(chunks(["one"]).wait(&Gate::new()).data("never"))
}

fn panicking_body() -> Script {
    Script::body(ScriptedBody::of().data("one").pending().panic())
}

/// How a visitor can go, by this version of HTTP.
fn ways(rig: &Rig) -> &'static [Leave] {
    match rig.wire {
        Wire::Http1 => &[Leave::Close, Leave::Reset],
        Wire::Http2 => &[Leave::Close, Leave::Reset, Leave::Stream],
    }
}

fn cancelled(rig: &mut Rig, span: &SpanData, why: &str, phase: &str, code: Option<&str>) {
    rig.checks.equal(format_args!("{why}: the end"), span.end, SpanEnd::Cancelled);
    rig.checks.equal(format_args!("{why}: the status"), &span.status, &Status::error());
    rig.text(span, why, "error.type", Some("cancelled"));
    rig.text(span, why, "throughline.outcome", Some("cancelled"));
    rig.text(span, why, "throughline.phase", Some(phase));
    rig.text(span, why, "http.response.status_code", code);
}

async fn arrived(scene: &Scene) -> Result<(), String> {
    in_time("the request's arrival in the handler", scene.arrived.opened()).await
}

async fn left_in_the_head(rig: &mut Rig) -> Result<(), String> {
    for leave in ways(rig) {
        let scene = rig.site.scene(Script::never());
        let mut connection = rig.connect_to_leave(*leave).await?;
        let sent = in_time("the request", connection.send(&Ask::get(&*scene.path))).await?;
        sent.map_err(|error| error.to_string())?;
        arrived(&scene).await?;
        rig.checks.equal("the number of requests that go on", rig.tally.now().started - rig.tally.now().ended, 1);
        let kept = connection.leave(*leave);
        let span = rig.one().await?;
        cancelled(rig, &span, &format!("{leave:?} in the head"), "head", None);
        scene_saw_only(rig, &scene, &span);
        drop(kept);
    }
    Ok(())
}

async fn left_in_the_body(rig: &mut Rig) -> Result<(), String> {
    for leave in ways(rig) {
        let scene = rig.site.scene(stuck());
        let mut connection = rig.connect_to_leave(*leave).await?;
        in_time("the first frame", first_frame(&mut connection, &scene)).await??;
        let kept = connection.leave(*leave);
        let span = rig.one().await?;
        cancelled(rig, &span, &format!("{leave:?} in the body"), "body", Some("200"));
        scene_saw_only(rig, &scene, &span);
        drop(kept);
    }
    Ok(())
}

/// Whatever was called, polled and dropped, was in the request's own context.
fn scene_saw_only(rig: &mut Rig, scene: &Scene, span: &SpanData) {
    let wrong = scene.log.entries().into_iter().find(|entry| entry.span != Some(span.span_context));
    rig.checks.holds(wrong.is_none(), || format!("another context was current: {wrong:?}"));
}

async fn first_frame(connection: &mut Connection, scene: &Scene) -> Result<(), String> {
    let read = async {
        connection.send(&Ask::get(&*scene.path)).await?;
        connection.head().await?;
        connection.some().await
    };
    match read.await {
        Ok(Some(_)) => Ok(()),
        Ok(None) => Err("the body ended before its first frame".to_owned()),
        Err(error) => Err(format!("no first frame: {error}")),
    }
}

async fn left_one_stream(rig: &mut Rig) -> Result<(), String> {
    let (left, good) = (rig.site.scene(stuck()), rig.site.scene(Script::text("hello")));
    let mut connection = rig.connect().await?;
    in_time("the first frame", first_frame(&mut connection, &left)).await??;
    let mut connection = connection.leave(Leave::Stream).ok_or("the connection is gone")?;
    let span = rig.one().await?;
    cancelled(rig, &span, "the stream that was left", "body", Some("200"));
    let answer = in_time("the other stream", connection.fetch(&Ask::get(&*good.path))).await?;
    rig.checks.holds(answer.is_ok_and(|answer| answer.whole), || "the other stream is gone, too".to_owned());
    let span = rig.one().await?;
    rig.checks.equal("the end of the other stream", span.end, SpanEnd::Completed);
    Ok(())
}

/// The handler waits for the rest of the upload: either it is told of the error, and answers nobody, or it is dropped.
async fn left_in_the_upload(rig: &mut Rig) -> Result<(), String> {
    for leave in ways(rig) {
        let scene = rig.site.scene(Script::text("thanks").after_upload());
        let mut connection = rig.connect_to_leave(*leave).await?;
        let ask = Ask::get(&*scene.path).method("POST").body(Upload::Half("hel"));
        in_time("the request", connection.send(&ask)).await?.map_err(|error| error.to_string())?;
        arrived(&scene).await?;
        let kept = connection.leave(*leave);
        let span = rig.one().await?;
        let told = span.attribute("http.response.status_code") == Some(&400.into());
        let good = matches!((span.end, told), (SpanEnd::Completed, true) | (SpanEnd::Cancelled, _));
        rig.checks
            .holds(good, || format!("{leave:?} in the upload: it ended as {:?}, {:?}", span.end, span.attributes));
        drop(kept);
    }
    Ok(())
}

async fn panicked(rig: &mut Rig, script: Script, phase: &str) -> Result<(), String> {
    let scene = rig.site.scene(script);
    // The connection or the stream breaks, or whoever caught the panic has answered.
    if let Ok(answer) = rig.fetch(&Ask::get(&*scene.path)).await {
        let noticed = !answer.whole || answer.status >= 500;
        rig.checks.holds(noticed, || format!("the visitor was told {} and a good end", answer.status));
    }
    let span = rig.one().await?;
    rig.checks.equal("the end", span.end, SpanEnd::Panicked);
    rig.checks.equal("the status", &span.status, &Status::error());
    rig.text(&span, "a panic", "error.type", Some("panic"));
    rig.text(&span, "a panic", "throughline.outcome", Some("panicked"));
    rig.text(&span, "a panic", "throughline.phase", Some(phase));
    scene_saw_only(rig, &scene, &span);

    let good = rig.site.scene(Script::text("hello"));
    let answer = rig.fetch(&Ask::get(&*good.path)).await?;
    rig.checks.holds(answer.whole, || "the server does not serve after a panic".to_owned());
    let span = rig.one().await?;
    rig.checks.equal("the end of the request after it", span.end, SpanEnd::Completed);
    rig.checks.equal("the parent of the request after it", span.parent_span_id, None);
    Ok(())
}

async fn malformed(rig: &mut Rig) -> Result<(), String> {
    for (bytes, why) in [
        (&b"GET /half HTTP/1.1\r\nhost: shop"[..], "the head breaks off"),
        (b"G\0T / HTTP/1.1\r\n\r\n", "a NUL in the method"),
        (b"GET /\r\n\r\n", "no version"),
        (b"GET / HTTP/3.7\r\n\r\n", "a version from nowhere"),
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", "a field without a colon"),
        (b"GET / HTTP/1.1\r\nhost: a\r\ncontent-length: x\r\n\r\n", "a length that is no number"),
        (b"", "nothing at all"),
    ] {
        let Connection::Http1(mut client) = rig.connect().await? else { return Err("this is HTTP/1".to_owned()) };
        let sent = client.raw(bytes).await;
        drop((sent, client));
        let scene = rig.site.scene(Script::text("hello"));
        let answer = rig.fetch(&Ask::get(&*scene.path)).await?;
        rig.checks.holds(answer.whole, || format!("{why}: the server does not serve any more"));
        let span = rig.one().await?;
        rig.text(&span, why, "url.path", Some(&scene.path));
    }
    Ok(())
}
