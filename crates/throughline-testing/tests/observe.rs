//! What the probes, bodies and services of the kit see.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use throughline_core::{ContextExt, SpanEnd};
use throughline_testing::{
    Answer, BodyError, ContextLog, ContextProbe, Gate, MemorySink, Point, ScriptedService, assert_no_misplaced_guards,
    tracer, tree,
};
use tower_service::Service as _;

#[tokio::test]
async fn a_probe_sees_the_context_of_every_poll_and_of_its_drop() {
    let (tracer, _) = tracer();
    let span = tracer.span("work").start();
    let (log, gate) = (ContextLog::new(), Gate::new());
    let task = tokio::spawn(ContextProbe::new(&log).pending(1).wait(&gate).with_context(span.context()));
    while log.count(Point::Poll) < 2 {
        tokio::task::yield_now().await;
    }
    gate.open();
    task.await.unwrap();
    assert_eq!(log.points(), [Point::Poll, Point::Poll, Point::Poll, Point::Drop]);
    log.assert_only(span.span_context());
    assert_no_misplaced_guards();
}

#[test]
#[should_panic(expected = "to be current throughout, but observed\n  Note: span")]
fn another_context_is_shown() {
    let (tracer, _) = tracer();
    let log = ContextLog::new();
    let span = tracer.span("work").start();
    span.context().scope(|| log.note(Point::Note));
    log.note(Point::Note);
    log.assert_only(span.span_context());
}

#[tokio::test]
async fn a_service_answers_as_told() {
    let mut service = ScriptedService::<u8, (), BodyError>::new()
        .answer(Answer::panic())
        .answer(Answer::panic_in_call())
        .answer(Answer::never());
    assert!(tokio::spawn(service.call(1)).await.unwrap_err().is_panic());
    let mut other = service.clone();
    assert!(tokio::spawn(async move { other.call(2).await }).await.unwrap_err().is_panic());
    let task = tokio::spawn(service.call(3));
    tokio::task::yield_now().await;
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());
    assert_eq!(service.take_requests(), [1, 2, 3]);
    let points = [Point::Call, Point::Poll, Point::Drop, Point::Call, Point::Call, Point::Poll, Point::Drop];
    assert_eq!(service.log().points(), points);
}

#[test]
fn spans_of_one_id_are_shown_and_refused() {
    let (tracer, spans) = tracer();
    tracer.span("root").start().end(SpanEnd::Completed);
    let twice = [spans.spans(), spans.take()].concat();
    assert_eq!(tree(&twice), "internal \"root\"\ninternal \"root\"\n");
    let shape = throughline_testing::shape!(internal "root" internal "root");
    assert!(shape.check(&twice).unwrap_err().to_string().ends_with("arrived twice\n"));
}

#[tokio::test]
async fn a_wait_is_woken_and_not_polled_in_circles() {
    let (tracer, spans) = tracer();
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    let wanted = move |spans: &[_]| {
        counter.fetch_add(1, Ordering::Relaxed);
        spans.len() == 2
    };
    let waiting = tokio::spawn(MemorySink::clone(&spans).wait_until(wanted, std::time::Duration::from_secs(60)));
    for _ in 0..2 {
        tokio::task::yield_now().await;
        tracer.span("one").start().end(SpanEnd::Completed);
    }
    assert_eq!(waiting.await.unwrap().unwrap().len(), 2);
    assert!(asked.load(Ordering::Relaxed) <= 3);
}
