//! When and how a traced future's span starts and ends.

use std::future::{Future, pending};
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::pin::{Pin, pin};
use std::task::{self, Poll, Waker};
use std::time::Duration;

use throughline_core::{
    AlwaysOff, Baggage, Clock, Context, ContextExt, ManualClock, SamplingDecision, SamplingInput, SpanEnd, SpanKind,
    TraceState,
};
use throughline_task::{Traced, spawn, traced};
use throughline_testing::{ContextLog, ContextProbe, Gate, Point, assert_trace, tracer, tracer_with};

fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut task::Context::from_waker(Waker::noop()))
}

#[test]
fn the_span_lasts_from_the_first_poll_to_the_output() {
    let clock = ManualClock::new();
    let (tracer, spans) = tracer_with(|builder| builder.clock(Clock::manual(&clock)));
    let gate = Gate::new();
    let mut work = pin!(traced("work", gate.opened()).tracer(&tracer));
    clock.advance(Duration::from_millis(100));
    for _ in 0..3 {
        assert!(poll(work.as_mut()).is_pending());
        clock.advance(Duration::from_millis(1));
    }
    assert!(spans.is_empty());
    gate.open();
    assert!(poll(work.as_mut()).is_ready());
    assert_trace!(spans, internal "work" [end = Completed, status = Unset]);
    assert_eq!(spans.spans()[0].duration, Duration::from_millis(3));
}

#[test]
fn the_span_is_current_in_every_poll_and_while_the_future_is_dropped() {
    let (tracer, spans) = tracer();
    let log = ContextLog::new();
    let mut done = pin!(traced("done", ContextProbe::new(&log).pending(2)).tracer(&tracer));
    while poll(done.as_mut()).is_pending() {
        assert_eq!(Context::current_span_context(), None);
    }
    assert_eq!(log.points(), [Point::Poll, Point::Poll, Point::Poll, Point::Drop]);
    log.assert_only(spans.take()[0].span_context);

    let log = ContextLog::new();
    let mut dropped = Box::pin(traced("dropped", ContextProbe::new(&log).forever()).tracer(&tracer));
    assert!(poll(dropped.as_mut()).is_pending());
    drop(dropped);
    assert_eq!(log.points(), [Point::Poll, Point::Drop]);
    log.assert_only(spans.take()[0].span_context);
}

#[tokio::test]
async fn an_aborted_task_ends_its_span_as_cancelled_and_not_as_an_error() {
    let (tracer, spans) = tracer();
    let task = spawn(traced("work", pending::<()>()).tracer(&tracer));
    tokio::task::yield_now().await;
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());
    assert_trace!(spans, internal "work" [
        end = Cancelled, status = Unset, !"error.type", "throughline.outcome" = "cancelled"
    ]);
    assert_eq!(tracer.stats().abandoned, 0, "it was ended, not forgotten");
}

#[tokio::test]
async fn a_panic_ends_the_span_as_panicked() {
    let (tracer, spans) = tracer();
    let log = ContextLog::new();
    let task = spawn(traced("work", ContextProbe::new(&log).pending(1).panicking()).tracer(&tracer));
    assert!(task.await.unwrap_err().is_panic());
    assert_trace!(spans, internal "work" [
        end = Panicked, status = Error, "error.type" = "panic", "throughline.outcome" = "panicked"
    ]);
    log.assert_only(spans.spans()[0].span_context);
    assert_eq!(log.count(Point::Drop), 1);
}

#[test]
fn a_future_that_another_panic_drops_is_cancelled() {
    let (tracer, spans) = tracer();
    let caught = catch_unwind(AssertUnwindSafe(|| {
        let mut work = pin!(traced("work", pending::<()>()).tracer(&tracer));
        assert!(poll(work.as_mut()).is_pending());
        panic_any("elsewhere");
    }));
    assert!(caught.is_err());
    assert_trace!(spans, internal "work" [end = Cancelled, status = Unset]);
}

#[test]
fn a_destructor_that_panics_ends_the_span_as_panicked() {
    struct Explodes(bool);
    impl Future for Explodes {
        type Output = ();
        fn poll(self: Pin<&mut Self>, _: &mut task::Context<'_>) -> Poll<()> {
            if self.0 { Poll::Ready(()) } else { Poll::Pending }
        }
    }
    impl Drop for Explodes {
        fn drop(&mut self) {
            panic_any("boom");
        }
    }
    for ready in [false, true] {
        let (tracer, spans) = tracer();
        let caught = catch_unwind(AssertUnwindSafe(|| {
            let mut work = Box::pin(traced("work", Explodes(ready)).tracer(&tracer));
            let _ = poll(work.as_mut());
        }));
        assert!(caught.is_err());
        assert_trace!(spans, internal "work" [end = Panicked, "error.type" = "panic"]);
        assert_eq!(Context::current_span_context(), None);
    }
}

#[test]
fn a_future_that_is_never_polled_makes_no_span() {
    let (tracer, spans) = tracer();
    let parent = tracer.span("parent").start();
    let log = ContextLog::new();
    drop(parent.context().scope(|| traced("work", ContextProbe::new(&log))));
    assert_eq!(log.points(), [Point::Drop]);
    log.assert_only(parent.span_context());
    parent.end(SpanEnd::Completed);
    assert_trace!(spans, internal "parent");
}

#[test]
fn a_span_that_is_started_now_counts_the_wait_and_ends_unpolled() {
    let clock = ManualClock::new();
    let (tracer, spans) = tracer_with(|builder| builder.clock(Clock::manual(&clock)));
    let work = traced("work", pending::<()>()).tracer(&tracer).kind(SpanKind::Client).started_now();
    let work = work.attribute("late", true).kind(SpanKind::Server).linked();
    clock.advance(Duration::from_secs(1));
    drop(work);
    assert_trace!(spans, client "work" [end = Cancelled, "late" = true]);
    assert_eq!(spans.spans()[0].duration, Duration::from_secs(1));
}

#[tokio::test]
async fn traced_futures_nest_and_the_parent_is_that_of_the_call() {
    let (tracer, spans) = tracer();
    let request = tracer.span("request").kind(SpanKind::Server).start();
    let made = request.context().scope(|| traced("made here", async {}));
    let outer = traced("outer", async {
        tokio::join!(traced("inner", tokio::task::yield_now()), made, traced("call", async {}).kind(SpanKind::Client));
    });
    outer.with_context(request.context()).await;
    request.end(SpanEnd::Completed);
    // `outer` was made here, where nothing is current: it has no tracer and records nothing.
    assert_trace!(spans, server "request" { internal "made here" });
    spans.clear();

    let request = tracer.span("request").start();
    let outer = request.context().scope(|| {
        traced("outer", async {
            tokio::join!(traced("inner", tokio::task::yield_now()), traced("call", async {}).kind(SpanKind::Client));
        })
    });
    outer.await;
    request.end(SpanEnd::Completed);
    assert_trace!(spans, internal "request" { internal "outer" { client "call" internal "inner" } });
}

#[tokio::test]
async fn a_result_decides_how_the_span_ends() {
    let (tracer, spans) = tracer();
    let ok = traced("ok", async { Ok::<_, std::io::Error>(1) }).tracer(&tracer).result();
    assert_eq!(ok.await.unwrap(), 1);
    let refused = async { Err::<(), _>(std::io::Error::from(std::io::ErrorKind::ConnectionRefused)) };
    assert!(traced("refused", refused).tracer(&tracer).result().await.is_err());
    let own = async {
        Context::current().span().set_error("quota");
        Err::<(), _>("boom")
    };
    assert_eq!(traced("own", own).tracer(&tracer).result().await, Err("boom"));
    assert_eq!(traced("ignored", async { Err::<(), _>(1) }).tracer(&tracer).await, Err(1));
    assert_trace!(
        spans,
        internal "ok" [end = Completed, status = Unset]
        internal "refused" [end = Failed, status = Error, "error.type" = "connection_refused"]
        internal "own" [end = Failed, status = Error, "error.type" = "quota"]
        internal "ignored" [end = Completed, status = Unset]
    );
}

#[tokio::test]
async fn linked_work_keeps_baggage_and_leaves_the_trace() {
    let (tracer, spans) = tracer();
    let state = TraceState::parse(b"vendor=1").unwrap();
    let baggage = Baggage::new().with("tenant", "7").unwrap();
    let root = Context::ROOT.with_baggage(baggage).with_tracestate(Some(state));
    let request = tracer.span("request").parent(&root).start();
    let work = request.context().scope(|| {
        let look = async {
            let context = Context::current();
            assert_eq!(context.baggage().get("tenant"), Some("7"));
            assert!(context.tracestate().is_none() && context.is_sampled());
        };
        traced("work", look).linked()
    });
    work.await;
    request.end(SpanEnd::Completed);
    assert_trace!(spans, trace { internal "request" } trace { internal "work" => link "request" });
    // Without a spawner there is nothing to link to.
    traced("alone", async {}).tracer(&tracer).linked().await;
    assert_trace!([spans.spans().pop().unwrap()], internal "alone");
}

#[tokio::test]
async fn linked_work_of_an_unsampled_trace_is_decided_anew() {
    let sampler = |input: &SamplingInput<'_>| match input.parent() {
        None if input.name().to_text() != "request" => SamplingDecision::SAMPLE,
        _ => SamplingDecision::DROP,
    };
    let (tracer, spans) = tracer_with(|builder| builder.sampler(OnlySome(sampler)));
    let request = tracer.span("request").start();
    request.context().scope(|| traced("work", async {}).linked()).await;
    request.end(SpanEnd::Completed);
    assert_trace!(spans, internal "work" => link remote);
}

#[derive(Debug)]
struct OnlySome(fn(&SamplingInput<'_>) -> SamplingDecision);

impl throughline_core::Sampler for OnlySome {
    fn sample(&self, input: &SamplingInput<'_>) -> SamplingDecision {
        (self.0)(input)
    }
}

#[tokio::test]
async fn what_is_not_recorded_is_still_below_its_own_span() {
    let (tracer, spans) = tracer_with(|builder| builder.sampler(AlwaysOff));
    let inside = traced("work", async { Context::current_span_context() }).tracer(&tracer).await;
    assert!(inside.is_some_and(|span| !span.is_sampled()));
    assert!(spans.is_empty());

    let (tracer, spans) = tracer_with(|builder| builder.enabled(false));
    let inside = traced("work", async { Context::current_span_context() }).tracer(&tracer).await;
    assert_eq!(inside, None, "switched off: the context is passed on as it is");
    let quiet = Context::ROOT.with_instrumentation_suppressed();
    let (tracer, _) = throughline_testing::tracer();
    quiet.scope(|| traced("work", async {}).tracer(&tracer)).await;
    assert!(spans.is_empty());
}

#[tokio::test]
async fn attributes_are_there_for_the_sampler() {
    let sampler = |input: &SamplingInput<'_>| {
        let mut health = false;
        input.attributes().visit(&mut |key: throughline_core::Key<'_>, _: throughline_core::Value<'_>| {
            health |= key.as_str() == "health";
        });
        if health { SamplingDecision::DROP } else { SamplingDecision::SAMPLE }
    };
    let (tracer, spans) = tracer_with(|builder| builder.sampler(OnlySome(sampler)));
    traced("probe", async {}).tracer(&tracer).attribute("health", true).await;
    traced(format!("order {}", 7), async {}).tracer(&tracer).attribute(format!("{}.id", "order"), "7").await;
    assert_trace!(spans, internal "order 7" ["order.id" = "7"]);
}

#[test]
#[should_panic(expected = "`Traced` polled after completion")]
fn polling_it_after_its_end_is_an_error_of_the_caller() {
    let mut done = pin!(traced("done", std::future::ready(())));
    assert!(poll(done.as_mut()).is_ready());
    let _ = poll(done.as_mut());
}

#[test]
fn a_traced_future_is_little_larger_than_the_future() {
    let bare = async {};
    let plain = size_of_val(&bare);
    let wrapped = size_of_val(&traced("work", bare));
    assert!(wrapped <= plain + 64, "{wrapped} bytes around {plain}");
}

const _: () = {
    const fn send<T: Send>() {}
    send::<Traced<std::future::Ready<()>>>();
};
