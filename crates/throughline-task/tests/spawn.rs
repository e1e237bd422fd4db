//! Spawning by every way there is, in the context of the caller.

use std::future;

use throughline_core::{Context, ContextExt, SpanEnd, SpanKind};
use throughline_task::{self as task, HandleExt, JoinSetExt, traced};
use throughline_testing::{ContextLog, ContextProbe, Gate, Point, assert_trace, tracer};
use tokio::runtime::Handle;
use tokio::task::{JoinSet, LocalSet};

fn here() -> Option<u8> {
    Context::current().value::<u8>().copied()
}

fn seven<R>(work: impl FnOnce() -> R) -> R {
    Context::ROOT.with_value(7_u8).scope(work)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_way_to_spawn_takes_the_context_of_the_call() {
    let handle = Handle::current();
    for task in [
        seven(|| task::spawn(async { here() })),
        seven(|| task::spawn_blocking(here)),
        seven(|| handle.spawn_in_context(async { here() })),
        seven(|| handle.spawn_blocking_in_context(here)),
        seven(|| task::spawn(async { task::spawn(async { here() }).await.unwrap() })),
    ] {
        assert_eq!(task.await.unwrap(), Some(7));
    }
    let mut tasks = JoinSet::new();
    seven(|| {
        tasks.spawn_in_context(async { here() });
        tasks.spawn_in_context_on(async { here() }, &handle);
        tasks.spawn_blocking_in_context(here);
        tasks.spawn_blocking_in_context_on(here, &handle);
    });
    tasks.spawn_in_context(async { here() });
    let mut seen = tasks.join_all().await;
    seen.sort_unstable();
    assert_eq!(seen, [None, Some(7), Some(7), Some(7), Some(7)]);
    assert_eq!(here(), None, "nothing is left behind");
}

#[tokio::test]
async fn local_tasks_take_the_context_of_the_call() {
    let local = LocalSet::new();
    let mut tasks = JoinSet::new();
    seven(|| tasks.spawn_local_in_context_on(async { here() }, &local));
    let spawned = local.run_until(async {
        seven(|| tasks.spawn_local_in_context(async { here() }));
        let task = seven(|| {
            task::spawn_local(async {
                tokio::task::yield_now().await;
                here()
            })
        });
        task.await.unwrap()
    });
    assert_eq!(spawned.await, Some(7));
    assert_eq!(local.run_until(tasks.join_all()).await, [Some(7), Some(7)]);
}

#[tokio::test]
async fn an_aborted_task_is_dropped_in_its_context() {
    let (tracer, _) = tracer();
    let span = tracer.span("request").start();
    let log = ContextLog::new();
    let probe = || ContextProbe::new(&log).forever();
    let task = span.context().scope(|| task::spawn(probe()));
    let mut tasks = JoinSet::new();
    span.context().scope(|| tasks.spawn_in_context(probe()));
    tokio::task::yield_now().await;
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());
    tasks.shutdown().await;
    assert_eq!((log.count(Point::Poll), log.count(Point::Drop)), (2, 2));
    log.assert_only(span.span_context());
}

#[tokio::test]
async fn a_panic_comes_out_of_the_task_as_it_does_with_tokio() {
    let panicked = seven(|| task::spawn(async { panic!("boom") })).await.unwrap_err();
    assert_eq!(panicked.into_panic().downcast_ref::<&str>(), Some(&"boom"));
    let panicked = seven(|| task::spawn_blocking(|| panic!("boom"))).await.unwrap_err();
    assert!(panicked.is_panic());
    assert_eq!(here(), None);
}

#[tokio::test(start_paused = true)]
async fn a_timeout_keeps_the_context() {
    let slow = seven(|| {
        task::spawn(async {
            let never = future::pending::<()>();
            let elapsed = tokio::time::timeout(std::time::Duration::from_secs(3), never).await;
            (elapsed.is_err(), here())
        })
    });
    assert_eq!(slow.await.unwrap(), (true, Some(7)));
}

/// Shape 4 of the reference: the handler returns first.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_that_outlives_its_parent_is_still_its_child_and_cannot_change_it() {
    let (tracer, spans) = tracer();
    let (gate, server) = (Gate::new(), tracer.span("GET /orders").kind(SpanKind::Server).start());
    let opened = gate.opened();
    let handler = async move {
        let task = task::spawn(async move {
            opened.await;
            let parent = Context::current().span();
            parent.set("late", true);
            assert!(!parent.is_recording());
            traced("audit", async { Context::current().span().set("in.time", true) }).await;
        });
        (200, task)
    };
    let (_status, background) = handler.with_context(server.context()).await;
    server.end(SpanEnd::Completed);
    let ended = spans.find("GET /orders").unwrap();
    gate.open();
    background.await.unwrap();

    assert_trace!(spans, server "GET /orders" [!"late"] { internal "audit" ["in.time" = true] });
    assert_eq!(spans.find("GET /orders").unwrap(), ended);
    assert_eq!(tracer.stats().late_writes, 1);
    assert!(spans.find("audit").unwrap().start_time >= ended.start_time + ended.duration);
}

#[tokio::test]
async fn linked_work_begins_a_trace_with_the_values_of_the_spawner() {
    let (tracer, spans) = tracer();
    let request = tracer.span("request").start();
    let context = request.context().with_value(7_u8);
    let task = context.scope(|| task::spawn_linked("newsletter", async { here() }));
    request.end(SpanEnd::Completed);
    assert_eq!(task.await.unwrap(), Some(7));
    assert_trace!(spans, trace { internal "request" } trace { internal "newsletter" => link "request" });
}

#[test]
#[should_panic(expected = "there is no reactor running, must be called from the context of a Tokio 1.x runtime")]
fn outside_a_runtime_it_panics_as_tokio_does() {
    drop(task::spawn(async {}));
}
