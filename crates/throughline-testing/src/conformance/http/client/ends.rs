//! When a span ends, and as what.

use std::pin::pin;

use throughline_core::{Context, SpanData, SpanEnd, Status};

use crate::conformance::http::backend::{Backend, Play};

use super::{Case, Need, Read, Rig, get};

pub(super) const CASES: &[Case] = &[
    Case::new("nobody there is an error with its kind", |rig| Box::pin(refused(rig))).needs(Need::Connects),
    Case::new("no answer is an error with its kind", |rig| Box::pin(unanswered(rig))),
    Case::new("a call that is dropped before the head is cancelled, and no error", |rig| Box::pin(dropped(rig))),
    Case::new("what becomes of the body is nothing to a span that ended at the head", |rig| Box::pin(head_only(rig))),
    Case::new("at the body's end: read to it", |rig| Box::pin(read_in_full(rig))).end_at_body(),
    Case::new("at the body's end: broken off", |rig| Box::pin(broken_off(rig))).end_at_body(),
    Case::new("at the body's end: dropped", |rig| Box::pin(body_dropped(rig))).end_at_body(),
    Case::new("at the body's end: no body", |rig| Box::pin(no_body(rig))).end_at_body(),
    Case::new("where nothing is sampled everything is counted", |rig| Box::pin(unrecorded(rig))).unsampled(),
];

fn uri(backend: &Backend) -> String {
    format!("http://{}/there", backend.address)
}

fn failed(rig: &mut Rig<'_>, span: &SpanData, why: &str, code: Option<&str>) {
    rig.checks.equal(format_args!("{why}: the end"), span.end, SpanEnd::Failed);
    rig.checks.equal(format_args!("{why}: the status"), &span.status, &Status::error());
    let named = span.attribute("error.type").is_some_and(|name| !name.to_string().is_empty());
    rig.checks.holds(named, || format!("{why}: the error has no type"));
    rig.text(span, why, "http.response.status_code", code);
}

fn unharmed(rig: &mut Rig<'_>, span: &SpanData, why: &str) {
    rig.checks.equal(format_args!("{why}: the end"), span.end, SpanEnd::Completed);
    rig.checks.equal(format_args!("{why}: the status"), &span.status, &Status::Unset);
    rig.text(span, why, "error.type", None);
    rig.text(span, why, "throughline.outcome", None);
}

fn cancelled(rig: &mut Rig<'_>, span: &SpanData, why: &str, phase: &str) {
    rig.checks.equal(format_args!("{why}: the end"), span.end, SpanEnd::Cancelled);
    rig.checks.equal(format_args!("{why}: the status"), &span.status, &Status::Unset);
    rig.text(span, why, "error.type", None);
    rig.text(span, why, "throughline.outcome", Some("cancelled"));
    rig.text(span, why, "throughline.phase", Some(phase));
}

async fn refused(rig: &mut Rig<'_>) -> Result<(), String> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.map_err(|error| error.to_string())?;
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    drop(listener);
    let sent = rig.send(&Context::ROOT, get(&format!("http://{address}/")), Read::All).await;
    rig.checks.holds(sent.is_err(), || "somebody answered".to_owned());
    let span = rig.one().await?;
    failed(rig, &span, "nobody there", None);
    rig.text(&span, "nobody there", "error.type", Some("connection_refused"));
    Ok(())
}

async fn unanswered(rig: &mut Rig<'_>) -> Result<(), String> {
    for play in [Play::Close, Play::Reset, Play::Garbage] {
        let (response, span) = rig.get(play).await?;
        rig.checks.holds(response.is_err(), || format!("{play:?} is an answer: {response:?}"));
        failed(rig, &span, &format!("{play:?}"), None);
    }
    Ok(())
}

async fn dropped(rig: &mut Rig<'_>) -> Result<(), String> {
    let mut backend = rig.backend(Play::Never).await?;
    {
        let mut call = pin!(rig.sending(&Context::ROOT, get(&uri(&backend)), Read::All));
        tokio::select! {
            response = &mut call => return Err(format!("there is a response: {response:?}")),
            arrived = backend.request() => drop(arrived?),
        }
    }
    let span = rig.one().await?;
    cancelled(rig, &span, "dropped before the head", "head");
    rig.text(&span, "dropped before the head", "http.response.status_code", None);
    Ok(())
}

async fn head_only(rig: &mut Rig<'_>) -> Result<(), String> {
    for (play, read) in [
        (Play::Answer(200), Read::Head),
        (Play::Stop, Read::Head),
        (Play::Trailers, Read::All),
        (Play::Truncate, Read::All),
    ] {
        let backend = rig.backend(play).await?;
        let response = rig.send(&Context::ROOT, get(&uri(&backend)), read).await;
        rig.checks.equal(format_args!("{play:?}: the body's failure"), response.is_err(), play == Play::Truncate);
        let span = rig.one().await?;
        unharmed(rig, &span, &format!("{play:?}, {read:?}"));
        rig.text(&span, &format!("{play:?}"), "http.response.status_code", Some("200"));
    }
    Ok(())
}

async fn read_in_full(rig: &mut Rig<'_>) -> Result<(), String> {
    for play in [Play::Answer(200), Play::Trailers] {
        let (response, span) = rig.get(play).await?;
        let body = response.map(http::Response::into_body).unwrap_or_default();
        rig.checks.equal(format_args!("{play:?}: the body"), &body[..], b"hello");
        unharmed(rig, &span, &format!("{play:?}"));
    }
    Ok(())
}

async fn broken_off(rig: &mut Rig<'_>) -> Result<(), String> {
    let (response, span) = rig.get(Play::Truncate).await?;
    rig.checks.holds(response.is_err(), || "half a body is a whole one".to_owned());
    failed(rig, &span, "half a body", Some("200"));
    Ok(())
}

async fn body_dropped(rig: &mut Rig<'_>) -> Result<(), String> {
    let backend = rig.backend(Play::Stop).await?;
    rig.send(&Context::ROOT, get(&uri(&backend)), Read::Head).await.map_err(|error| error.to_string())?;
    let span = rig.one().await?;
    cancelled(rig, &span, "dropped in the body", "body");
    rig.text(&span, "dropped in the body", "http.response.status_code", Some("200"));
    Ok(())
}

async fn no_body(rig: &mut Rig<'_>) -> Result<(), String> {
    for (method, code) in [("GET", 204), ("GET", 304), ("HEAD", 200)] {
        let backend = rig.backend(Play::Answer(code)).await?;
        let sent = rig.send(&Context::ROOT, super::request(method, &uri(&backend)), Read::Head).await;
        rig.checks.holds(sent.is_ok(), || format!("{method}, {code}: {sent:?}"));
        let span = rig.one().await?;
        unharmed(rig, &span, &format!("{method}, {code}"));
    }
    Ok(())
}

async fn unrecorded(rig: &mut Rig<'_>) -> Result<(), String> {
    let plays = [Play::Answer(200), Play::Answer(503), Play::Close, Play::Truncate];
    for play in plays {
        let mut backend = rig.backend(play).await?;
        drop(rig.send(&Context::ROOT, get(&uri(&backend)), Read::All).await);
        let seen = backend.request().await?;
        let sent = super::propagation::traceparent(&seen)?;
        rig.checks.holds(!sent.is_sampled(), || format!("{play:?}: the trace is sampled on the wire"));
    }
    let counts = rig.tally.ended(plays.len()).await?;
    rig.checks.equal("the number of operations", (counts.started, counts.ended), (plays.len(), plays.len()));
    rig.checks.holds(counts.duration > std::time::Duration::ZERO, || "they took no time at all".to_owned());
    Ok(())
}
