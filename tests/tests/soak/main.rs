//! 100,000 requests over loopback sockets, HTTP/1.1 and HTTP/2, a third of them cancelled at random points.
//!
//! At the end every operation that started has ended, once, in the listeners and in the exporter; nothing is going on; no
//! worker thread has a context left; memory is what it was after the first fifth. `SOAK_SEED` and `SOAK_REQUESTS` make
//! it another or a longer run.

#![expect(clippy::unwrap_used, reason = "a helper of tests may unwrap as tests do")]

mod count;
mod server;
mod visitors;

use std::io::Write as _;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use throughline_core::{Context, SemanticKey, Tracer};
use throughline_export::Pipeline;
use throughline_tower::ActiveRequests;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;

use self::count::{Counting, Operations};
use self::server::Server;
use self::visitors::{Random, Visitor, Wire};

#[test]
fn a_hundred_thousand_requests_a_third_of_them_cancelled() {
    let (seed, requests) = (variable("SOAK_SEED", 0x5EED), variable("SOAK_REQUESTS", 100_000));
    std::panic::set_hook(Box::new(|panic| {
        // Thousands of them are on purpose.
        if panic.payload().downcast_ref() != Some(&server::ON_PURPOSE) {
            say(&format!("{panic}"));
        }
    }));
    let runtime = Builder::new_multi_thread().worker_threads(WORKERS).enable_all().build().unwrap();
    let [served, asked] = [SemanticKey::HttpServer, SemanticKey::HttpClient].map(Operations::of);
    let (counting, exported) = Counting::new();
    // The exporter's thread shares two cores with everything else: what it must not do here is to fall behind.
    let pipeline = Pipeline::builder(counting).max_queue_size(1 << 16).schedule_delay(Duration::from_millis(20));
    let pipeline = pipeline.build().unwrap();
    let active = ActiveRequests::new();
    let tracer = Tracer::builder().sink(pipeline.sink()).listener(served.clone()).listener(asked.clone());
    let tracer = tracer.listener(active.clone()).build();

    let (mut early, started) = (None, Instant::now());
    let mut random = Random::new(seed);
    let server = runtime.block_on(Server::start(&tracer));
    for round in 1..=ROUNDS {
        runtime.block_on(round_of(&server, &tracer, &mut random, requests / ROUNDS));
        let books = served.read();
        say(&format!(
            "soak, seed {seed:#x}: {} of {requests} requests in {:.1?}, {} kB; {books}",
            requests * round / ROUNDS,
            started.elapsed(),
            resident_kb().unwrap_or_default(),
        ));
        if round == ROUNDS / 5 {
            early = resident_kb();
        }
    }

    runtime.block_on(served.idle());
    let (books, calls) = (served.read(), asked.read());
    for side in [books, calls] {
        assert_eq!((side.active, side.started), (0, side.ended), "active, started and ended: {side}");
        assert_eq!(side.ids_started, side.ids_ended, "those that ended are those that started");
    }
    assert_eq!((active.server(), active.client()), (0, 0), "the gauges");
    // Some went before their request was there to be seen.
    assert!(books.started > requests * 9 / 10, "{books}");
    let cut = books.cancelled + books.panicked;
    let third = requests * 3 / 10..requests * 2 / 5;
    assert!(third.contains(&cut), "about a third did not come to its end: {books}");
    assert!(books.cancelled > cut / 2 && books.panicked > cut / 20, "of all kinds: {books}");

    pipeline.flush(Duration::from_secs(30)).wait().unwrap();
    let stats = pipeline.stats();
    assert_eq!((stats.dropped(), stats.failed, stats.waiting), (0, 0, 0), "{stats:?}");
    let sampled = (books.sampled + calls.sampled, books.ids_sampled.wrapping_add(calls.ids_sampled));
    assert_eq!(exported.read(), sampled, "what ended and was sampled was exported, once");
    // Those of HTTP/2 are made by a traced client.
    assert!(calls.started > requests * 2 / 5 && calls.cancelled > requests / 20, "{calls}");
    let unsampled = books.ended - books.sampled;
    assert!(unsampled > requests / 20, "some were not sampled: {books}");

    let lost = server.lost.load(Ordering::Relaxed);
    assert_eq!(lost, 0, "handlers that did not run in their request's context");
    let stats = tracer.stats();
    assert_eq!((stats.abandoned, stats.hook_panics, stats.malformed_parents, stats.late_writes), (0, 0, 0, 0));
    assert_eq!(throughline_core::misplaced_guards(), 0);
    assert_eq!(contexts_left_behind(&runtime), 0);
    memory_is_flat(early);
    pipeline.shutdown(Duration::from_secs(30)).wait().unwrap();
}

/// So many requests, by visitors who each make one at a time.
async fn round_of(server: &Server, tracer: &Tracer, random: &mut Random, requests: u64) {
    let mut visitors = JoinSet::new();
    for number in 0..VISITORS {
        let wire = if number % 2 == 0 { Wire::Http1 } else { Wire::Http2 };
        let own = requests / VISITORS + u64::from(number < requests % VISITORS);
        visitors.spawn(Visitor::new(server, tracer, wire, number, random.fork()).visits(own));
    }
    while let Some(visited) = visitors.join_next().await {
        visited.unwrap();
    }
}

/// How many worker threads have a current context although nothing runs.
fn contexts_left_behind(runtime: &Runtime) -> usize {
    let all_there = Arc::new(Barrier::new(WORKERS));
    runtime.block_on(async {
        let mut tasks = JoinSet::new();
        for _ in 0..WORKERS {
            let all_there = Arc::clone(&all_there);
            tasks.spawn(async move {
                // Each blocks its thread, so that each is on another one.
                all_there.wait();
                !Context::current().is_root()
            });
        }
        tasks.join_all().await.into_iter().filter(|left| *left).count()
    })
}

fn memory_is_flat(early: Option<u64>) {
    let (Some(early), Some(late)) = (early, resident_kb()) else {
        say("skipped: memory: there is no /proc/self/statm");
        return;
    };
    let bound = early + early / 10 + 4 * 1024;
    assert!(late <= bound, "after a fifth {early} kB were resident, at the end {late} kB");
}

fn resident_kb() -> Option<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    // In pages: of 4 kB wherever this is read.
    statm.split(' ').nth(1)?.parse::<u64>().ok().map(|pages| pages * 4)
}

fn variable(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

/// Past the test harness, which would keep it until the end.
fn say(line: &str) {
    drop(writeln!(std::io::stderr(), "{line}"));
}

const WORKERS: usize = 4;
const VISITORS: u64 = 32;
const ROUNDS: u64 = 10;
