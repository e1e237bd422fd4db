//! An exporter that fails, panics, is slow or hangs costs counted spans and nothing else.

#![expect(clippy::unwrap_used, reason = "a helper of tests may unwrap as tests do")]

mod common;

use std::error::Error;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use throughline_core::{SpanEnd, Tracer};
use throughline_export::{Batch, ExportError, Exporter, Fanout, FlushError, PipelineStats, ShutdownError};

use common::{By, Held, LONG, Memory, SHORT, end, end_many, quiet, tracer};

/// Every span is counted exactly once.
fn sum(stats: &PipelineStats) -> u64 {
    stats.waiting + stats.exported + stats.failed + stats.dropped()
}

#[test]
fn a_failed_batch_is_counted_and_flush_says_why() {
    let mut calls = 0;
    let exporter = By(move |_: &Batch<'_>| {
        calls += 1;
        if calls == 1 { Err(ExportError::new("connection refused")) } else { Ok(()) }
    });
    let pipeline = quiet(exporter).build().unwrap();
    let tracer = tracer(&pipeline);
    end_many(&tracer, 3);
    let error = pipeline.flush(LONG).wait().unwrap_err();
    assert!(matches!(error, FlushError::Exporter { failed: 3, .. }), "{error:?}");
    assert_eq!(error.to_string(), "an exporter failed on 3 spans");
    let cause = error.source().unwrap();
    assert_eq!(cause.to_string(), "the test's own failed", "that says which");
    assert_eq!(cause.source().unwrap().to_string(), "connection refused");

    // An old failure is nobody else's.
    end_many(&tracer, 2);
    pipeline.flush(LONG).wait().unwrap();
    pipeline.shutdown(LONG).wait().unwrap();
    let stats = pipeline.stats();
    assert_eq!((stats.exported, stats.failed, stats.exports), (2, 3, 2));
}

#[test]
fn a_shutdown_says_that_its_last_batch_failed() {
    let pipeline = quiet(By(|_: &Batch<'_>| Err(ExportError::new("gone")))).build().unwrap();
    end_many(&tracer(&pipeline), 3);
    for _ in 0..2 {
        let error = pipeline.shutdown(LONG).wait().unwrap_err();
        assert!(matches!(error, ShutdownError::Exporter { failed: 3, .. }), "{error:?}");
    }
}

#[test]
fn a_panic_loses_its_batch_only() {
    let mut calls = 0;
    let exporter = By(move |_: &Batch<'_>| {
        calls += 1;
        assert!(calls % 2 == 0, "every other export panics");
        Ok(())
    });
    let pipeline = quiet(exporter).build().unwrap();
    let tracer = tracer(&pipeline);
    for round in 0..8 {
        end(&tracer, "span");
        assert_eq!(pipeline.flush(LONG).wait().is_ok(), round % 2 == 1);
    }
    let stats = pipeline.stats();
    assert_eq!((stats.exported, stats.failed, stats.exporter_panics, stats.dropped()), (4, 4, 4, 0));
}

#[test]
fn an_exporter_that_only_panics_is_put_aside_and_spans_are_counted() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&calls);
    struct PanicsInDrop;
    impl Drop for PanicsInDrop {
        fn drop(&mut self) {
            panic!("even in drop");
        }
    }
    let bomb = PanicsInDrop;
    let exporter = By(move |_: &Batch<'_>| {
        let _ = &bomb;
        counter.fetch_add(1, Ordering::SeqCst);
        panic!("always");
    });
    let pipeline = quiet(exporter).build().unwrap();
    let tracer = tracer(&pipeline);
    for _ in 0..6 {
        end(&tracer, "span");
        assert!(pipeline.flush(LONG).wait().is_err());
    }
    assert_eq!(calls.load(Ordering::SeqCst), 3);
    let stats = pipeline.stats();
    assert_eq!((stats.failed, stats.exporter_panics, stats.dropped_exporter_gone), (3, 3, 3));
    assert!(pipeline.shutdown(LONG).wait().is_err());
    end(&tracer, "span");
    assert_eq!(pipeline.stats().dropped_after_shutdown, 1);
}

#[test]
fn the_rest_of_a_cycle_is_not_offered_to_an_exporter_that_was_put_aside() {
    let (held, mut exporter) = Held::exporter();
    let exporter = By(move |batch: &Batch<'_>| {
        let _ = throughline_export::Exporter::export(&mut exporter, batch);
        panic!("always");
    });
    let pipeline = quiet(exporter).max_queue_size(100).max_export_batch_size(1).build().unwrap();
    let tracer = tracer(&pipeline);
    end(&tracer, "held");
    held.hangs();
    // All of these are taken in one cycle, when the first batch is done.
    end_many(&tracer, 10);
    drop(held);
    assert!(pipeline.shutdown(LONG).wait().is_err());
    let stats = pipeline.stats();
    assert_eq!((stats.failed, stats.exporter_panics, stats.dropped_exporter_gone, stats.exports), (3, 3, 8, 3));
}

#[test]
fn one_thread_may_fill_the_whole_queue_and_no_more() {
    for queue in [1, 2, 7, 64, 100, 2048] {
        let (held, exporter) = Held::exporter();
        let pipeline = quiet(exporter).max_queue_size(queue).max_export_batch_size(1).build().unwrap();
        let tracer = tracer(&pipeline);
        end(&tracer, "held");
        assert_eq!(held.hangs(), 1);
        end_many(&tracer, queue - 1);
        assert_eq!(pipeline.stats().dropped(), 0, "{queue}");
        end_many(&tracer, 3);
        let stats = pipeline.stats();
        assert_eq!((stats.waiting, stats.dropped_queue_full), (queue as u64, 3), "{queue}");
        drop(held);
        pipeline.shutdown(LONG).wait().unwrap();
        assert_eq!(pipeline.stats().exported, queue as u64);
    }
}

#[test]
fn many_threads_fill_the_queue_and_no_more() {
    let queue = 2048;
    let (held, exporter) = Held::exporter();
    let pipeline = quiet(exporter).max_queue_size(queue).build().unwrap();
    let tracer = tracer(&pipeline);
    let flush = pipeline.flush(LONG);
    drop(flush);
    let threads: Vec<_> = (0..16)
        .map(|_| {
            let tracer = tracer.clone();
            thread::spawn(move || end_many(&tracer, 500))
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    let stats = pipeline.stats();
    assert!(stats.waiting <= 2048, "{stats:?}");
    assert!(stats.waiting >= 2048 - 2048 / 8, "{stats:?}");
    assert_eq!(sum(&stats), 16 * 500);
    assert_eq!(stats.dropped_queue_full, 16 * 500 - stats.waiting);
    drop(held);
    pipeline.shutdown(LONG).wait().unwrap();
    assert_eq!(pipeline.stats().exported, stats.waiting);
}

fn end_large(tracer: &Tracer, text: &str) {
    let span = tracer.span("large").root().start();
    span.set("text", text);
    span.end(SpanEnd::Completed);
}

#[test]
fn the_queue_is_bounded_in_bytes() {
    let (held, exporter) = Held::exporter();
    let pipeline = quiet(exporter).max_queue_bytes(64 << 10).build().unwrap();
    let tracer = tracer(&pipeline);
    end(&tracer, "held");
    drop(pipeline.flush(LONG));
    assert_eq!(held.hangs(), 1);
    let text = "x".repeat(4000);
    (0..40).for_each(|_| end_large(&tracer, &text));
    let stats = pipeline.stats();
    // Each takes 4,000 bytes of text and a few hundred besides.
    assert!((15..=16).contains(&stats.waiting), "{stats:?}");
    assert_eq!(stats.dropped_queue_bytes, 41 - stats.waiting);
    assert_eq!(stats.dropped_queue_full, 0);
    drop(held);
    pipeline.flush(LONG).wait().unwrap();
    assert_eq!(pipeline.stats().waiting, 0);
    // The bytes were given back.
    (0..10).for_each(|_| end_large(&tracer, &text));
    pipeline.shutdown(LONG).wait().unwrap();
    assert_eq!(pipeline.stats().exported, stats.waiting + 10);
}

#[test]
fn a_span_larger_than_the_queue_is_dropped() {
    let memory = Memory::default();
    let pipeline = quiet(memory.clone()).max_queue_bytes(2000).build().unwrap();
    let tracer = tracer(&pipeline);
    end_large(&tracer, &"x".repeat(2000));
    end(&tracer, "small");
    pipeline.shutdown(LONG).wait().unwrap();
    assert_eq!((memory.names(), pipeline.stats().dropped_queue_bytes), (vec!["small".to_owned()], 1));
}

#[test]
fn a_batch_that_hangs_is_counted_as_lost_after_the_export_timeout_and_what_it_says_later_is_not_believed() {
    let (held, exporter) = Held::exporter();
    let pipeline = quiet(exporter).export_timeout(Duration::from_millis(1)).build().unwrap();
    let tracer = tracer(&pipeline);
    end_many(&tracer, 4);
    let flush = pipeline.flush(LONG);
    assert_eq!(held.hangs(), 4);
    end_many(&tracer, 2);
    // Nobody but the deadline of this flush measures the time here.
    assert!(matches!(pipeline.flush(SHORT).wait(), Err(FlushError::TimedOut { waiting: 2 })));
    let stats = pipeline.stats();
    assert_eq!((stats.dropped_timed_out, stats.waiting), (4, 2));
    held.let_go();
    assert!(matches!(flush.wait(), Err(FlushError::Exporter { failed: 4, .. })));
    assert_eq!(held.hangs(), 2);
    drop(held);
    let _ = pipeline.shutdown(LONG).wait();
    let stats = pipeline.stats();
    assert_eq!((stats.exported + stats.dropped_timed_out, sum(&stats)), (6, 6));
}

#[test]
fn a_slow_exporter_costs_dropped_spans_and_every_span_is_counted_once() {
    let exporter = By(move |batch: &Batch<'_>| {
        thread::yield_now();
        match batch.len() % 5 {
            0 => Err(ExportError::new("by and by")),
            _ => Ok(()),
        }
    });
    let pipeline = quiet(exporter).max_queue_size(64).max_export_batch_size(16).build().unwrap();
    let tracer = tracer(&pipeline);
    let threads: Vec<_> = (0..6)
        .map(|number| {
            let (tracer, pipeline) = (tracer.clone(), pipeline.clone());
            thread::spawn(move || {
                for round in 0..2000 {
                    end(&tracer, "span");
                    if round % 500 == number {
                        let _ = pipeline.flush(LONG).wait();
                    }
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    let _ = pipeline.shutdown(LONG).wait();
    let stats = pipeline.stats();
    assert_eq!((sum(&stats), stats.waiting), (12_000, 0), "{stats:?}");
}

#[test]
fn spans_are_counted_once_when_a_shutdown_gives_up_in_the_middle() {
    for _ in 0..20 {
        let pipeline = quiet(By(|_: &Batch<'_>| Ok(()))).max_queue_size(64).max_export_batch_size(4).build().unwrap();
        let tracer = tracer(&pipeline);
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let tracer = tracer.clone();
                thread::spawn(move || end_many(&tracer, 300))
            })
            .collect();
        let _ = pipeline.shutdown(Duration::ZERO).wait();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        let stats = pipeline.stats();
        assert_eq!((sum(&stats), stats.waiting), (1200, 0), "{stats:?}");
    }
}

/// What one exporter of several refused is not lost: another took it.
#[test]
fn a_fanout_says_who_failed_and_counts_what_anyone_refused() {
    let memory = Memory::default();
    let fanout = Fanout::new().and(memory.clone()).and(By(|_: &Batch<'_>| Err(ExportError::new("refused"))));
    let pipeline = quiet(fanout).build().unwrap();
    end_many(&tracer(&pipeline), 2);
    let error = pipeline.shutdown(LONG).wait().unwrap_err();
    assert!(matches!(error, ShutdownError::Exporter { failed: 2, .. }), "{error:?}");
    assert_eq!(chain(&error), "an exporter failed on 2 spans: the test's own failed: refused");
    assert_eq!((pipeline.stats().failed, pipeline.stats().exported, memory.names().len()), (2, 0, 2));
}

#[test]
fn a_panic_says_whose_it_was_even_if_the_name_panics_too() {
    struct Nameless;
    impl Exporter for Nameless {
        fn export(&mut self, _: &Batch<'_>) -> Result<(), ExportError> {
            panic!("always");
        }

        fn name(&self) -> &str {
            panic!("no name");
        }
    }
    for (fanout, said) in [
        (Fanout::new().and(By(|_: &Batch<'_>| panic!("always"))), "the test's own failed: it panicked"),
        (Fanout::new().and(Nameless), "an exporter failed: it panicked"),
    ] {
        let pipeline = quiet(fanout).build().unwrap();
        end(&tracer(&pipeline), "span");
        let error = pipeline.shutdown(LONG).wait().unwrap_err();
        assert_eq!(chain(&error), format!("an exporter failed on 1 span: {said}"));
    }
}

fn chain(error: &dyn Error) -> String {
    error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {}", chain(source)))
}

#[test]
fn a_fanout_gives_each_batch_to_all_whoever_fails() {
    let panics = Arc::new(Mutex::new(0));
    let counter = Arc::clone(&panics);
    let (first, last) = (Memory::default(), Memory::default());
    let fanout = Fanout::new()
        .and(first.clone())
        .and(By(|_: &Batch<'_>| Err(ExportError::new("refused"))))
        .and(By(move |_: &Batch<'_>| {
            *counter.lock().unwrap() += 1;
            panic!("broken");
        }))
        .and(last.clone());
    let pipeline = quiet(fanout).build().unwrap();
    let tracer = tracer(&pipeline);
    for round in 0..5 {
        end(&tracer, &round.to_string());
        assert!(pipeline.flush(LONG).wait().is_err());
    }
    let _ = pipeline.shutdown(LONG).wait();
    for memory in [first, last] {
        assert_eq!(memory.names(), ["0", "1", "2", "3", "4"]);
        assert_eq!(memory.calls.lock().unwrap().last(), Some(&"shutdown"));
    }
    let stats = pipeline.stats();
    // Poisoned by the first panic, the exporter's own lock makes it panic again; then it was put aside.
    assert_eq!((stats.failed, stats.exporter_panics, stats.exported), (5, 3, 0));
}
