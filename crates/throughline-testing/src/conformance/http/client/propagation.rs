//! What goes over the wire.

use throughline_core::{Baggage, Context, SpanContext, SpanEnd, SpanKind, TraceState};

use crate::conformance::http::backend::{Backend, Play, Seen};
use crate::conformance::http::{DEADLINE, PARENT, SKIPPED, UNSAMPLED};

use super::{Case, Read, Rig, get};

pub(super) const CASES: &[Case] = &[
    Case::new("the id on the wire is the client span's own", |rig| Box::pin(own_id(rig))),
    Case::new("the span is the child of the current one", |rig| Box::pin(child(rig))),
    Case::new("fields that the request has already are replaced", |rig| Box::pin(replaced(rig))),
    Case::new("tracestate goes on, baggage stays", |rig| Box::pin(carried(rig))),
    Case::new("an unsampled trace goes on unrecorded", |rig| Box::pin(unsampled(rig))),
    Case::new("a skipped request has no span and its context", |rig| Box::pin(skipped(rig))),
    Case::new("where instrumentation is suppressed nothing is done", |rig| Box::pin(suppressed(rig))),
    Case::new("a layer inside another keeps quiet", |rig| Box::pin(nested(rig))).layers(2),
    Case::new("each attempt is a span of its own, and numbered", |rig| Box::pin(resent(rig))).attempts(3),
    Case::new("calls at the same time have ids of their own", |rig| Box::pin(concurrent(rig))),
];

fn uri(backend: &Backend) -> String {
    format!("http://{}/there", backend.address)
}

/// A field that is there once.
fn field<'a>(seen: &'a Seen, name: &str) -> Result<Option<&'a str>, String> {
    let mut values = seen.fields.get_all(name).iter();
    let value = values.next();
    match values.next() {
        Some(second) => Err(format!("`{name}` is there more than once: {value:?}, {second:?}")),
        None => Ok(value.and_then(|value| value.to_str().ok())),
    }
}

pub(super) fn traceparent(seen: &Seen) -> Result<SpanContext, String> {
    let text = field(seen, "traceparent")?.ok_or("there is no traceparent")?;
    SpanContext::from_traceparent(text.as_bytes()).map_err(|error| format!("{text}: {error}"))
}

/// As it is on the wire, which does not know who is remote.
fn text(span: SpanContext) -> String {
    String::from_utf8_lossy(&span.to_traceparent()).into_owned()
}

fn remote(text: &str) -> Result<Context, String> {
    let parent = SpanContext::from_traceparent(text.as_bytes()).map_err(|error| error.to_string())?;
    Ok(Context::ROOT.with_span_context(parent))
}

/// What the backend sees of a request below this context.
async fn see(rig: &Rig<'_>, context: &Context) -> Result<Seen, String> {
    let mut backend = rig.backend(Play::Answer(200)).await?;
    rig.send(context, get(&uri(&backend)), Read::All).await.map_err(|error| error.to_string())?;
    backend.request().await
}

async fn own_id(rig: &mut Rig<'_>) -> Result<(), String> {
    let seen = see(rig, &Context::ROOT).await?;
    let span = rig.one().await?;
    rig.checks.equal("the id on the wire", text(traceparent(&seen)?), text(span.span_context));
    rig.checks.equal("the parent", span.parent_span_id, None);
    rig.checks.equal("the tracestate", field(&seen, "tracestate")?, None);
    rig.checks.equal("the baggage", field(&seen, "baggage")?, None);
    Ok(())
}

async fn child(rig: &mut Rig<'_>) -> Result<(), String> {
    let work = rig.tracer.span("work").kind(SpanKind::Server).start();
    let seen = see(rig, &work.context()).await?;
    let span = rig.one().await?;
    rig.checks.equal("the id on the wire", text(traceparent(&seen)?), text(span.span_context));
    rig.checks.equal("the parent", span.parent_span_id, work.span_context().map(|span| span.span_id()));
    rig.checks.holds(!span.parent_is_remote, || "the parent is said to be remote".to_owned());
    work.end(SpanEnd::Completed);
    rig.one().await.map(drop)
}

async fn replaced(rig: &mut Rig<'_>) -> Result<(), String> {
    let mut backend = rig.backend(Play::Answer(200)).await?;
    let mut request = get(&uri(&backend));
    for (name, value) in [("traceparent", PARENT), ("tracestate", "stale=1"), ("baggage", "stale=1"), ("x-own", "kept")]
    {
        request.headers_mut().append(name, http::HeaderValue::from_static(value));
        request.headers_mut().append(name, http::HeaderValue::from_static(value));
    }
    rig.send(&Context::ROOT, request, Read::All).await.map_err(|error| error.to_string())?;
    let (seen, span) = (backend.request().await?, rig.one().await?);
    rig.checks.equal("the id on the wire", text(traceparent(&seen)?), text(span.span_context));
    rig.checks.equal("the tracestate", field(&seen, "tracestate")?, None);
    rig.checks.equal("the baggage", field(&seen, "baggage")?, None);
    rig.checks.equal("the request's own lines", seen.fields.get_all("x-own").iter().count(), 2);
    Ok(())
}

async fn carried(rig: &mut Rig<'_>) -> Result<(), String> {
    let state = TraceState::parse(b"foo=1,bar=2").map_err(|error| error.to_string())?;
    let baggage = Baggage::new().with("tenant", "7").map_err(|error| error.to_string())?;
    let context = remote(PARENT)?.with_tracestate(Some(state)).with_baggage(baggage);
    let seen = see(rig, &context).await?;
    let span = rig.one().await?;
    rig.checks.equal("the id on the wire", text(traceparent(&seen)?), text(span.span_context));
    rig.checks.equal("the tracestate", field(&seen, "tracestate")?, Some("foo=1,bar=2"));
    rig.checks.equal("the baggage for a host that nobody named", field(&seen, "baggage")?, None);
    rig.checks.equal("how often baggage was withheld", rig.tracer.stats().baggage_withheld, 1);
    Ok(())
}

async fn unsampled(rig: &mut Rig<'_>) -> Result<(), String> {
    let context = remote(UNSAMPLED)?;
    let seen = see(rig, &context).await?;
    let (sent, parent) = (traceparent(&seen)?, context.span_context().ok_or("the context has a span")?);
    rig.checks.equal("the trace", sent.trace_id(), parent.trace_id());
    rig.checks.holds(sent.span_id() != parent.span_id(), || "the parent's span id was sent".to_owned());
    rig.checks.holds(!sent.is_sampled(), || "the trace is sampled now".to_owned());
    rig.checks.equal("the number of operations", rig.tally.ended(1).await?.started, 1);
    rig.checks.equal("the number of recorded spans", rig.spans.len(), 0);
    Ok(())
}

async fn skipped(rig: &mut Rig<'_>) -> Result<(), String> {
    let mut backend = rig.backend(Play::Answer(200)).await?;
    let context = remote(PARENT)?;
    let request = get(&format!("http://{}{SKIPPED}", backend.address));
    rig.send(&context, request, Read::All).await.map_err(|error| error.to_string())?;
    let seen = backend.request().await?;
    rig.checks.equal("the id on the wire", Some(text(traceparent(&seen)?)), context.span_context().map(text));
    rig.checks.equal("the number of operations", rig.tally.now().started, 0);
    Ok(())
}

async fn suppressed(rig: &mut Rig<'_>) -> Result<(), String> {
    let seen = see(rig, &remote(PARENT)?.with_instrumentation_suppressed()).await?;
    rig.checks.equal("the traceparent", field(&seen, "traceparent")?, None);
    rig.checks.equal("the number of operations", rig.tally.now().started, 0);
    Ok(())
}

async fn nested(rig: &mut Rig<'_>) -> Result<(), String> {
    let seen = see(rig, &Context::ROOT).await?;
    let span = rig.one().await?;
    rig.checks.equal("the id on the wire", text(traceparent(&seen)?), text(span.span_context));
    rig.checks.equal("the number of operations", rig.tally.now().started, 1);
    rig.checks.holds(rig.tracer.stats().suppressed > 0, || "nothing was suppressed".to_owned());
    Ok(())
}

async fn concurrent(rig: &mut Rig<'_>) -> Result<(), String> {
    let (one, other, root) = (remote(PARENT)?, remote(UNSAMPLED)?, Context::ROOT);
    let (one, other, third) = tokio::join!(see(rig, &one), see(rig, &other), see(rig, &root));
    let (one, other, third) = (traceparent(&one?)?, traceparent(&other?)?, traceparent(&third?)?);
    rig.tally.ended(3).await?;
    let ended = rig.spans.take();
    rig.checks.equal("the number of recorded spans", ended.len(), 2);
    for sent in [one, third] {
        let own = ended.iter().any(|span| text(span.span_context) == text(sent));
        rig.checks.holds(own, || format!("no span has the id on the wire, {}", text(sent)));
    }
    rig.checks.equal("the trace of the first two", one.trace_id(), other.trace_id());
    rig.checks.holds(one.trace_id() != third.trace_id(), || "the third call is in their trace".to_owned());
    rig.checks.holds(one.span_id() != other.span_id(), || "two calls have one id".to_owned());
    Ok(())
}

async fn resent(rig: &mut Rig<'_>) -> Result<(), String> {
    let work = rig.tracer.span("work").start();
    for (context, traces) in [(work.context(), 1), (Context::ROOT, 3)] {
        let mut backend = rig.backend(Play::Answer(503)).await?;
        rig.send(&context, get(&uri(&backend)), Read::All).await.map_err(|error| error.to_string())?;
        rig.spans.wait_for(3, DEADLINE).await.map_err(|error| error.to_string())?;
        let ended = rig.spans.take();
        for (number, span) in ended.iter().enumerate() {
            let seen = backend.request().await?;
            rig.checks.equal(
                format_args!("attempt {number}: the id on the wire"),
                text(traceparent(&seen)?),
                text(span.span_context),
            );
            let count = (number > 0).then(|| number.to_string());
            rig.text(span, &format!("attempt {number}"), "http.request.resend_count", count.as_deref());
            let parent = context.span_context().map(|span| span.span_id());
            rig.checks.equal(format_args!("attempt {number}: the parent"), span.parent_span_id, parent);
        }
        let mut ids: Vec<_> = ended.iter().map(|span| span.span_context.trace_id().to_string()).collect();
        ids.sort();
        ids.dedup();
        rig.checks.equal("the number of traces", ids.len(), traces);
    }
    work.end(SpanEnd::Completed);
    rig.one().await.map(drop)
}
