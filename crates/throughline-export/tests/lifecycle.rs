//! Flush and shutdown, wherever they are called.

#![expect(clippy::unwrap_used, reason = "a helper of tests may unwrap as tests do")]

mod common;

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use throughline_export::{FlushError, Pipeline, ShutdownError};

use common::{Held, LONG, Memory, SHORT, end, end_many, quiet, tracer};

fn with_three_spans() -> (Pipeline, Memory) {
    let memory = Memory::default();
    let pipeline = quiet(memory.clone()).build().unwrap();
    end_many(&tracer(&pipeline), 3);
    (pipeline, memory)
}

#[test]
fn shutdown_from_a_plain_thread_exports_flushes_and_ends_the_exporter() {
    let (pipeline, memory) = with_three_spans();
    pipeline.shutdown(LONG).wait().unwrap();
    assert_eq!(memory.names().len(), 3);
    assert_eq!(*memory.calls.lock().unwrap(), ["export", "flush", "shutdown"]);
    // The worker has let the exporter go: only the test's handle is left.
    assert_eq!(Arc::strong_count(&memory.calls), 1);
}

#[tokio::test(flavor = "current_thread")]
async fn flush_and_shutdown_in_a_current_thread_runtime() {
    let (pipeline, memory) = with_three_spans();
    pipeline.flush(LONG).await.unwrap();
    assert_eq!(memory.names().len(), 3);
    pipeline.shutdown(LONG).await.unwrap();
}

#[tokio::test(flavor = "current_thread")]
async fn blocking_in_a_current_thread_runtime() {
    let (pipeline, memory) = with_three_spans();
    pipeline.flush(LONG).wait().unwrap();
    assert_eq!(memory.names().len(), 3);
    pipeline.shutdown(LONG).wait().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn flush_and_shutdown_in_a_multi_thread_runtime() {
    let (pipeline, memory) = with_three_spans();
    tokio::spawn(async move {
        pipeline.flush(LONG).await.unwrap();
        pipeline.shutdown(LONG).await.unwrap();
    })
    .await
    .unwrap();
    assert_eq!(memory.names().len(), 3);
}

#[tokio::test(flavor = "current_thread")]
async fn shutdown_within_drop_in_a_task() {
    struct Guard(Pipeline);
    impl Drop for Guard {
        fn drop(&mut self) {
            self.0.shutdown(LONG).wait().unwrap();
        }
    }
    let (pipeline, memory) = with_three_spans();
    let guard = Guard(pipeline);
    let task = tokio::spawn(async move {
        let _guard = guard;
        std::future::pending::<()>().await;
    });
    tokio::task::yield_now().await;
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());
    assert_eq!(memory.names().len(), 3);
}

#[test]
fn the_last_handle_shuts_down_and_sinks_do_not_keep_it() {
    let (pipeline, memory) = with_three_spans();
    let (sink, second) = (pipeline.sink(), pipeline.clone());
    drop(pipeline);
    assert_eq!(memory.names().len(), 0);
    drop(second);
    assert_eq!(memory.names().len(), 3);
    drop(sink);
}

#[test]
fn a_second_shutdown_has_the_result_of_the_first() {
    let (pipeline, memory) = with_three_spans();
    pipeline.shutdown(LONG).wait().unwrap();
    pipeline.shutdown(LONG).wait().unwrap();
    pipeline.clone().shutdown(Duration::ZERO).wait().unwrap();
    pipeline.flush(LONG).wait().unwrap();
    assert_eq!(memory.calls.lock().unwrap().iter().filter(|call| **call == "shutdown").count(), 1);

    let (held, exporter) = Held::exporter();
    let pipeline = quiet(exporter).build().unwrap();
    end_many(&tracer(&pipeline), 3);
    for _ in 0..2 {
        let error = pipeline.shutdown(SHORT).wait().unwrap_err();
        assert!(matches!(error, ShutdownError::TimedOut { lost: 3 }), "{error:?}");
    }
    drop(held);
}

#[test]
fn spans_that_end_after_the_shutdown_are_counted() {
    let (pipeline, memory) = with_three_spans();
    let tracer = tracer(&pipeline);
    end(&tracer, "before");
    let shutdown = pipeline.shutdown(LONG);
    end_many(&tracer, 2);
    shutdown.wait().unwrap();
    end_many(&tracer, 5);
    assert_eq!(memory.names().len(), 4);
    let stats = pipeline.stats();
    assert_eq!((stats.exported, stats.dropped_after_shutdown, stats.dropped()), (4, 7, 7));
}

#[test]
fn a_shutdown_with_a_hung_exporter_returns_at_its_deadline_and_counts_what_is_lost() {
    let (held, exporter) = Held::exporter();
    let pipeline = quiet(exporter).build().unwrap();
    let tracer = tracer(&pipeline);
    end_many(&tracer, 2);
    let flush = pipeline.flush(LONG);
    assert_eq!(held.hangs(), 2);
    end_many(&tracer, 3);
    assert_eq!(pipeline.stats().waiting, 5);

    let before = Instant::now();
    let error = pipeline.shutdown(SHORT).wait().unwrap_err();
    assert!(before.elapsed() >= SHORT);
    assert!(matches!(error, ShutdownError::TimedOut { lost: 5 }), "{error:?}");
    assert_eq!(error.to_string(), "the deadline came and 5 spans were lost");
    assert!(matches!(flush.wait(), Err(FlushError::Exporter { failed: 5, .. })));

    // What the exporter says when it comes back changes nothing.
    drop(held);
    end(&tracer, "late");
    let stats = pipeline.stats();
    assert_eq!((stats.waiting, stats.exported, stats.dropped_at_shutdown), (0, 0, 5));
    assert_eq!(stats.dropped_after_shutdown, 1);
}

#[test]
fn what_a_hung_exporter_says_after_the_shutdown_changes_nothing() {
    let (held, mut exporter) = Held::exporter();
    // Dropped with the exporter, which is when the worker has ended.
    let (alive, ended) = std::sync::mpsc::channel::<()>();
    let exporter = common::By(move |batch: &throughline_export::Batch<'_>| {
        let _ = &alive;
        throughline_export::Exporter::export(&mut exporter, batch)
    });
    let pipeline = quiet(exporter).max_export_batch_size(2).max_queue_size(8).build().unwrap();
    end_many(&tracer(&pipeline), 8);
    held.hangs();
    assert!(matches!(pipeline.shutdown(SHORT).wait(), Err(ShutdownError::TimedOut { lost: 8 })));
    let before = pipeline.stats();
    drop(held);
    assert!(ended.recv_timeout(LONG).is_err_and(|error| error == std::sync::mpsc::RecvTimeoutError::Disconnected));
    assert_eq!(pipeline.stats(), before);
    assert_eq!((before.waiting, before.exported, before.dropped_at_shutdown, before.exports), (0, 0, 8, 1));
}

/// Without tokio's timer: the pipeline itself must wake the task.
#[test]
fn the_deadline_of_an_awaited_flush_holds_with_a_hung_exporter() {
    let (held, exporter) = Held::exporter();
    let pipeline = quiet(exporter).build().unwrap();
    end_many(&tracer(&pipeline), 2);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let error = runtime.block_on(async { pipeline.flush(SHORT).await.unwrap_err() });
    assert!(matches!(error, FlushError::TimedOut { waiting: 2 }), "{error:?}");
    let error = runtime.block_on(async { pipeline.shutdown(SHORT).await.unwrap_err() });
    assert!(matches!(error, ShutdownError::TimedOut { lost: 2 }), "{error:?}");
    drop(held);
}

#[test]
fn a_flush_that_timed_out_loses_nothing() {
    let (held, exporter) = Held::exporter();
    let pipeline = quiet(exporter).build().unwrap();
    end_many(&tracer(&pipeline), 2);
    assert!(matches!(pipeline.flush(SHORT).wait(), Err(FlushError::TimedOut { waiting: 2 })));
    held.let_go();
    pipeline.flush(LONG).wait().unwrap();
    assert_eq!(pipeline.stats().exported, 2);
}

struct Counting(std::sync::atomic::AtomicUsize);
impl Wake for Counting {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
    }
}

#[test]
fn a_dropped_future_takes_its_waker_back() {
    let (held, exporter) = Held::exporter();
    let pipeline = quiet(exporter).build().unwrap();
    end_many(&tracer(&pipeline), 1);
    let counting = Arc::new(Counting(Default::default()));
    let waker = Waker::from(Arc::clone(&counting));
    for _ in 0..3 {
        let mut flush = pin!(pipeline.flush(LONG));
        for _ in 0..3 {
            assert!(flush.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        }
    }
    assert_eq!(Arc::strong_count(&counting), 2, "the test's and the waker's own");
    held.let_go();
    pipeline.flush(LONG).wait().unwrap();
    assert_eq!(counting.0.load(std::sync::atomic::Ordering::SeqCst), 0);
}

#[test]
fn a_panicking_waker_does_not_end_the_worker() {
    struct Bad;
    impl Wake for Bad {
        fn wake(self: Arc<Self>) {
            panic!("the runtime is broken");
        }
    }
    let (held, exporter) = Held::exporter();
    let pipeline = quiet(exporter).build().unwrap();
    end_many(&tracer(&pipeline), 1);
    let waker = Waker::from(Arc::new(Bad));
    let mut flush = pipeline.flush(LONG);
    assert_eq!(held.hangs(), 1);
    assert_eq!(pin!(&mut flush).poll(&mut Context::from_waker(&waker)).map(|_| ()), Poll::Pending);
    held.let_go();
    pipeline.flush(LONG).wait().unwrap();
    flush.wait().unwrap();
}

#[test]
fn an_exporter_that_holds_the_last_handle_does_not_wait_for_itself() {
    let slot = Arc::new(std::sync::Mutex::new(None::<Pipeline>));
    let (sender, receiver) = std::sync::mpsc::channel();
    let inside = Arc::clone(&slot);
    let exporter = common::By(move |_: &throughline_export::Batch<'_>| {
        let pipeline = inside.lock().unwrap().take();
        if let Some(pipeline) = pipeline {
            let waited = pipeline.flush(LONG).wait();
            drop(pipeline);
            sender.send(waited.is_err()).unwrap();
        }
        Ok(())
    });
    let pipeline = quiet(exporter).max_queue_size(4).max_export_batch_size(2).build().unwrap();
    let tracer = tracer(&pipeline);
    *slot.lock().unwrap() = Some(pipeline);
    let before = Instant::now();
    end_many(&tracer, 2);
    assert!(receiver.recv_timeout(LONG).unwrap());
    assert!(before.elapsed() < Duration::from_secs(10));
}

#[test]
fn shutdowns_from_many_threads_at_once_agree() {
    let (pipeline, memory) = with_three_spans();
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let pipeline = pipeline.clone();
            thread::spawn(move || pipeline.shutdown(LONG).wait())
        })
        .collect();
    assert!(threads.into_iter().all(|thread| thread.join().unwrap().is_ok()));
    assert_eq!(memory.names().len(), 3);
}

#[test]
fn a_deadline_beyond_the_end_of_time_is_none() {
    let (pipeline, _) = with_three_spans();
    pipeline.flush(Duration::MAX).wait().unwrap();
    pipeline.shutdown(Duration::MAX).wait().unwrap();
}
