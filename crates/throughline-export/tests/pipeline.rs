//! The pipeline with an exporter that does what it should.

#![expect(clippy::unwrap_used, reason = "a helper of tests may unwrap as tests do")]

mod common;

use std::sync::mpsc::channel;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use throughline_core::{Context, SemanticKey};
use throughline_export::{Batch, BuildError, Exporter, Pipeline};

use common::{By, LONG, Memory, end, end_many, quiet, tracer};

#[test]
fn spans_of_a_thread_are_exported_in_order_and_in_batches_of_the_given_size() {
    let memory = Memory::default();
    let pipeline = quiet(memory.clone()).max_queue_size(1000).max_export_batch_size(400).build().unwrap();
    let tracer = tracer(&pipeline);
    let names: Vec<_> = (0..390).map(|n| n.to_string()).collect();
    names.iter().for_each(|name| end(&tracer, name));
    pipeline.flush(LONG).wait().unwrap();
    assert_eq!(memory.names(), names);
    assert!(memory.sizes().iter().all(|size| *size <= 400), "{:?}", memory.sizes());
    let stats = pipeline.stats();
    assert_eq!((stats.exported, stats.waiting, stats.dropped()), (390, 0, 0));
}

#[test]
fn a_full_batch_is_exported_without_a_flush() {
    let (sender, receiver) = channel();
    let exporter = By(move |batch: &Batch<'_>| {
        sender.send(batch.len()).unwrap();
        Ok(())
    });
    let pipeline = quiet(exporter).max_queue_size(64).max_export_batch_size(8).build().unwrap();
    end_many(&tracer(&pipeline), 8);
    assert_eq!(receiver.recv_timeout(LONG), Ok(8));
}

#[test]
fn batches_gather_over_threads() {
    let (sender, receiver) = channel();
    let exporter = By(move |batch: &Batch<'_>| {
        sender.send(batch.len()).unwrap();
        Ok(())
    });
    let pipeline = quiet(exporter).max_queue_size(64).max_export_batch_size(16).build().unwrap();
    let tracer = tracer(&pipeline);
    for _ in 0..16 {
        let tracer = tracer.clone();
        thread::spawn(move || end(&tracer, "span")).join().unwrap();
    }
    assert!(receiver.recv_timeout(LONG).unwrap() >= 8);
}

#[test]
fn what_gathered_is_exported_after_the_delay() {
    let (sender, receiver) = channel();
    let exporter = By(move |batch: &Batch<'_>| {
        sender.send(batch.len()).unwrap();
        Ok(())
    });
    let pipeline = Pipeline::builder(exporter).schedule_delay(Duration::from_millis(1)).build().unwrap();
    end(&tracer(&pipeline), "span");
    assert_eq!(receiver.recv_timeout(LONG), Ok(1));
}

#[test]
fn a_flush_covers_what_ended_before_it_on_every_thread() {
    let memory = Memory::default();
    let pipeline = quiet(memory.clone()).build().unwrap();
    let tracer = tracer(&pipeline);
    let threads = 12;
    let barrier = Arc::new(Barrier::new(threads + 1));
    let workers: Vec<_> = (0..threads)
        .map(|number| {
            let (tracer, barrier) = (tracer.clone(), Arc::clone(&barrier));
            thread::spawn(move || {
                for round in 0..20 {
                    end(&tracer, &format!("{round}"));
                    barrier.wait();
                    if number % 2 == 0 {
                        end(&tracer, "noise while flushing");
                    }
                    barrier.wait();
                }
            })
        })
        .collect();
    for round in 0..20 {
        barrier.wait();
        pipeline.flush(LONG).wait().unwrap();
        let name = round.to_string();
        let seen = memory.names().iter().filter(|seen| **seen == name).count();
        assert_eq!(seen, threads, "round {round}");
        barrier.wait();
    }
    workers.into_iter().for_each(|worker| worker.join().unwrap());
}

#[test]
fn the_exporter_runs_where_nothing_is_instrumented_on_a_thread_of_its_own() {
    let (sender, receiver) = channel();
    let exporter = By(move |_: &Batch<'_>| {
        let context = Context::current();
        let quiet = context.is_instrumentation_suppressed() && context.is_suppressed(SemanticKey::HttpClient);
        sender.send((quiet, thread::current().name().map(str::to_owned))).unwrap();
        Ok(())
    });
    let pipeline = quiet(exporter).build().unwrap();
    end(&tracer(&pipeline), "span");
    pipeline.flush(LONG).wait().unwrap();
    assert_eq!(receiver.recv().unwrap(), (true, Some("throughline-export".to_owned())));
}

#[test]
fn an_exporter_is_called_when_it_wished_to_be() {
    struct Ticking(std::sync::mpsc::Sender<()>, u32);
    impl Exporter for Ticking {
        fn export(&mut self, _: &Batch<'_>) -> Result<(), throughline_export::ExportError> {
            Ok(())
        }

        fn tick(&mut self, _: std::time::Instant) -> Option<Duration> {
            self.1 += 1;
            self.0.send(()).unwrap();
            (self.1 < 4).then_some(Duration::from_millis(1))
        }
    }
    let (sender, receiver) = channel();
    let pipeline = quiet(Ticking(sender, 0)).build().unwrap();
    for _ in 0..4 {
        receiver.recv_timeout(LONG).unwrap();
    }
    drop(pipeline);
}

#[test]
fn wrong_settings_are_refused_and_named() {
    let build = |set: fn(throughline_export::PipelineBuilder) -> throughline_export::PipelineBuilder| {
        set(Pipeline::builder(Memory::default())).build().unwrap_err()
    };
    for (error, text) in [
        (build(|b| b.max_queue_size(0)), "max_queue_size must not be zero"),
        (build(|b| b.max_queue_bytes(0)), "max_queue_bytes must not be zero"),
        (build(|b| b.max_export_batch_size(0)), "max_export_batch_size must not be zero"),
        (build(|b| b.schedule_delay(Duration::ZERO)), "schedule_delay must not be zero"),
        (
            build(|b| b.max_queue_size(10).max_export_batch_size(11)),
            "max_export_batch_size (11) must not exceed max_queue_size (10)",
        ),
    ] {
        assert_eq!(error.to_string(), text);
        assert!(matches!(error, BuildError::Zero { .. } | BuildError::BatchExceedsQueue { .. }));
    }
}
