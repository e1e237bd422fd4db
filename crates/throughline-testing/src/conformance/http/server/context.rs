//! What the handler is told, and by whom.

use std::sync::PoisonError;

use throughline_core::{SpanContext, SpanKind};

use crate::conformance::http::site::{Scene, Script, Seen, chunks};
use crate::conformance::http::visitor::{Ask, Leave};
use crate::conformance::http::{DEADLINE, PARENT, SKIPPED, TRACE, UNSAMPLED, in_time};
use crate::{Gate, Point};

use super::{Case, Rig, Sampling};

pub(super) const CASES: &[Case] = &[
    Case::new("the span's context is current in every call and poll", |rig| Box::pin(current(rig))),
    Case::new("the span is the child of the caller's", |rig| Box::pin(continued(rig))),
    Case::new("a handler's spans are the span's children", |rig| Box::pin(children(rig))),
    Case::new("tracestate and baggage come to the handler from all their lines", |rig| Box::pin(carried(rig))),
    Case::new("an unsampled caller's trace goes on unrecorded", |rig| Box::pin(unsampled(rig))),
    Case::new("parents that are none start a new trace and are counted", |rig| Box::pin(malformed(rig))),
    Case::new("a skipped request has no span and its context", |rig| Box::pin(skipped(rig))),
    Case::new("a layer inside another keeps quiet", |rig| Box::pin(nested(rig))).layers(2),
    Case::new("where nothing is sampled everything is counted", |rig| Box::pin(unrecorded(rig)))
        .sampling(Sampling::Nothing),
];

fn seen(scene: &Scene) -> Seen {
    scene.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// The span that was current when the handler was called.
fn in_call(scene: &Scene) -> Option<SpanContext> {
    scene.log.entries().into_iter().find(|entry| entry.point == Point::Call).and_then(|entry| entry.span)
}

fn parent() -> Result<SpanContext, String> {
    SpanContext::from_traceparent(PARENT.as_bytes()).map_err(|error| error.to_string())
}

async fn current(rig: &mut Rig) -> Result<(), String> {
    let (scene, _, span) = rig.visit(Script::body(chunks(["one"]).pending().data("two").pending()), Ask::get).await?;
    let entries = scene.log.entries();
    let wrong = entries.iter().find(|entry| entry.span != Some(span.span_context));
    rig.checks.holds(wrong.is_none(), || format!("another context was current: {wrong:?}"));
    for point in [Point::Call, Point::Poll, Point::Drop] {
        rig.checks.holds(entries.iter().any(|entry| entry.point == point), || format!("there was no {point:?}"));
    }
    Ok(())
}

async fn continued(rig: &mut Rig) -> Result<(), String> {
    let (_, _, span) = rig.visit(Script::new(), |path| Ask::get(path).header("traceparent", PARENT)).await?;
    let parent = parent()?;
    rig.checks.equal("the trace", span.span_context.trace_id(), parent.trace_id());
    rig.checks.equal("the parent", span.parent_span_id, Some(parent.span_id()));
    rig.checks.holds(span.parent_is_remote, || "the parent is not said to be remote".to_owned());
    rig.checks.holds(span.span_context.span_id() != parent.span_id(), || "the caller's span was joined".to_owned());
    Ok(())
}

async fn children(rig: &mut Rig) -> Result<(), String> {
    let scene = rig.site.scene(Script::text("hello").after_a_child());
    rig.fetch(&Ask::get(&*scene.path)).await?;
    rig.spans.wait_for(2, DEADLINE).await.map_err(|error| error.to_string())?;
    let ended = rig.spans.take();
    let server = ended.iter().find(|span| span.kind == SpanKind::Server).ok_or("there is no server's span")?;
    let child = ended.iter().find(|span| span.name == "child").ok_or("there is no child")?;
    rig.checks.equal("the child's parent", child.parent_span_id, Some(server.span_context.span_id()));
    rig.checks.equal("the child's trace", child.span_context.trace_id(), server.span_context.trace_id());
    Ok(())
}

async fn carried(rig: &mut Rig) -> Result<(), String> {
    let ask = |path| {
        Ask::get(path)
            .header("traceparent", PARENT)
            .header("tracestate", "foo=1")
            .header("tracestate", "bar=2")
            .header("baggage", "tenant=7")
            .header("baggage", "region=eu")
    };
    let (scene, _, span) = rig.visit(Script::new(), ask).await?;
    let tracestate = |text: Option<&str>| text.map(|text| text.replace(' ', ""));
    let found = seen(&scene);
    rig.checks.equal("the tracestate", tracestate(found.tracestate.as_deref()).as_deref(), Some("foo=1,bar=2"));
    rig.checks.equal("the baggage", found.baggage.as_deref(), Some("tenant=7,region=eu"));
    let recorded = span.tracestate.map(|state| state.to_string());
    rig.checks.equal("the span's tracestate", tracestate(recorded.as_deref()).as_deref(), Some("foo=1,bar=2"));
    Ok(())
}

async fn unsampled(rig: &mut Rig) -> Result<(), String> {
    let scene = rig.site.scene(Script::text("hello"));
    let ask = Ask::get(&*scene.path).header("traceparent", UNSAMPLED).header("baggage", "tenant=7");
    rig.fetch(&ask).await?;
    rig.tally.ended(1).await?;
    let span = in_call(&scene).ok_or("the handler had no context")?;
    rig.checks.equal("the trace", &*span.trace_id().to_string(), TRACE);
    rig.checks.holds(!span.is_sampled(), || "the trace is sampled now".to_owned());
    let own = span.span_id() != parent()?.span_id();
    rig.checks.holds(own, || "the handler has the caller's span id, not one of its own".to_owned());
    rig.checks.equal("the baggage", seen(&scene).baggage.as_deref(), Some("tenant=7"));
    rig.checks.holds(rig.spans.is_empty(), || "a span was recorded".to_owned());
    Ok(())
}

async fn malformed(rig: &mut Rig) -> Result<(), String> {
    let rows: [(&[&'static str], &str); 5] = [
        (&["00-00000000000000000000000000000000-00f067aa0ba902b7-01"], "no trace id"),
        (&["00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01"], "upper case"),
        (&["00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-"], "one character too many"),
        (&["ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"], "no version"),
        (&[PARENT, PARENT], "two of them"),
    ];
    for (number, (lines, why)) in rows.into_iter().enumerate() {
        let with_lines = |path| {
            let ask = Ask::get(path).header("tracestate", "foo=1");
            lines.iter().fold(ask, |ask, line| ask.header("traceparent", line))
        };
        let (scene, _, span) = rig.visit(Script::new(), with_lines).await?;
        rig.checks.equal(format_args!("{why}: the parent"), span.parent_span_id, None);
        rig.checks.holds(span.span_context.trace_id().to_string() != TRACE, || format!("{why}: the trace goes on"));
        rig.checks.equal(format_args!("{why}: the tracestate"), seen(&scene).tracestate, None);
        let counted = usize::try_from(rig.tracer.stats().malformed_parents).unwrap_or(usize::MAX);
        rig.checks.equal(format_args!("{why}: the number of malformed parents"), counted, number + 1);
    }
    Ok(())
}

async fn skipped(rig: &mut Rig) -> Result<(), String> {
    let scene = rig.site.scene_at(SKIPPED, Script::text("hello"));
    let ask = Ask::get(SKIPPED).header("traceparent", PARENT).header("baggage", "tenant=7");
    let answer = rig.fetch(&ask).await?;
    rig.checks.equal("the body", &*answer.body, b"hello");
    rig.checks.equal("the context in the handler", in_call(&scene), Some(parent()?));
    rig.checks.equal("the baggage", seen(&scene).baggage.as_deref(), Some("tenant=7"));

    let scene = rig.site.scene_at(SKIPPED, Script::text("hello"));
    rig.fetch(&Ask::get(SKIPPED)).await?;
    rig.checks.equal("the context where nobody sent one", in_call(&scene), None);
    rig.checks.equal("the number of operations", rig.tally.now().started, 0);
    Ok(())
}

async fn nested(rig: &mut Rig) -> Result<(), String> {
    let (scene, _, span) =
        rig.visit(Script::text("hello"), |path| Ask::get(path).header("traceparent", PARENT)).await?;
    rig.checks.equal("the parent", span.parent_span_id, Some(parent()?.span_id()));
    rig.checks.equal("the context in the handler", in_call(&scene), Some(span.span_context));
    rig.checks.equal("the number of operations", rig.tally.now().started, 1);
    rig.checks.holds(rig.tracer.stats().suppressed > 0, || "nothing was suppressed".to_owned());
    Ok(())
}

async fn unrecorded(rig: &mut Rig) -> Result<(), String> {
    for script in
        [Script::text("hello"), Script::body(chunks(["one"])), Script::text("no").status(503), Script::panic()]
    {
        let scene = rig.site.scene(script);
        drop(rig.fetch(&Ask::get(&*scene.path)).await);
        let span = in_call(&scene);
        rig.checks.holds(span.is_some_and(|span| !span.is_sampled()), || format!("the handler saw {span:?}"));
    }
    let scene = rig.site.scene(Script::body(chunks(["one"]).wait(&Gate::new())));
    let mut connection = rig.connect().await?;
    let sent = in_time("the request", connection.send(&Ask::get(&*scene.path))).await?;
    sent.map_err(|error| error.to_string())?;
    in_time("the arrival", scene.arrived.opened()).await?;
    drop(connection.leave(Leave::Close));
    let counts = rig.tally.ended(5).await?;
    rig.checks.equal("the number of operations", (counts.started, counts.ended), (5, 5));
    rig.checks.holds(counts.duration > std::time::Duration::ZERO, || "they took no time at all".to_owned());
    rig.checks.equal("what was recorded", rig.spans.len(), 0);
    Ok(())
}
