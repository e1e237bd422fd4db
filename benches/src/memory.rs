//! Memory under full load while nothing is exported.
//!
//! Each scenario runs in a process of its own, so that one's memory is not another's.

use std::env;
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::{MethodRouter, get};
use throughline::Telemetry;
use throughline::axum::CurrentSpan;
use throughline::export::{Batch, ExportError, Exporter, PipelineStats};

use crate::options::Options;
use crate::process::memory;
use crate::request::Template;
use crate::run::{request, runtime};
use crate::workload::Workload;

/// An exporter that does not export, and the service in front of it.
struct Scenario {
    name: &'static str,
    about: &'static str,
    exporter: fn(&Batch<'_>) -> Result<(), ExportError>,
    handler: fn() -> MethodRouter,
}

struct Unreachable(fn(&Batch<'_>) -> Result<(), ExportError>);

/// Threads that send requests for as long as they may.
struct Load {
    ended: Vec<Arc<AtomicU64>>,
    stop: Arc<AtomicBool>,
    threads: Vec<thread::JoinHandle<()>>,
}

/// Runs the scenario that was named, or all; fails if one exceeds the bound.
pub fn run(options: &Options) -> Result<ExitCode, String> {
    let seconds = options.seconds.unwrap_or(60);
    if let Some(name) = &options.exporter {
        let scenario = SCENARIOS.iter().find(|scenario| scenario.name == name);
        return Ok(measure(scenario.ok_or_else(|| format!("no exporter {name}"))?, seconds));
    }
    let mut code = ExitCode::SUCCESS;
    for scenario in SCENARIOS {
        let mut child = Command::new(env::current_exe().expect("this program"));
        child.args(["memory", "--exporter", scenario.name, "--seconds", &seconds.to_string()]);
        if !child.status().expect("this program starts").success() {
            code = ExitCode::FAILURE;
        }
    }
    Ok(code)
}

fn measure(scenario: &Scenario, seconds: u64) -> ExitCode {
    println!("\n### An exporter that {}: {seconds} s of full load by {THREADS} threads\n", scenario.about);
    let telemetry = Telemetry::builder()
        .service_name("bench")
        .exporter(Unreachable(scenario.exporter))
        .max_queue_bytes(BOUND)
        .build()
        .expect("valid settings");
    let router = Router::new().route("/users/{id}", (scenario.handler)()).layer(telemetry.axum_server());

    let before = memory().resident;
    let start = Instant::now();
    let load = Load::start(&router);
    println!("| s | spans ended | waiting | failed | dropped: queue full | queue bytes | timed out | RSS MiB |");
    println!("|---:|---:|---:|---:|---:|---:|---:|---:|");
    let mut warm = None;
    for second in (PERIOD..seconds).step_by(PERIOD as usize).chain([seconds]) {
        pause_until(start + Duration::from_secs(second));
        let memory = memory();
        warm.get_or_insert(memory.peak);
        print_row(second, load.ended(), &telemetry.stats().pipeline, memory.resident);
    }
    let ended = load.stop();
    let peak = memory().peak;

    assert_accounted(ended, &telemetry.stats().pipeline);
    // Nothing is exported in the end, and that is counted as well.
    let outcome = telemetry.shutdown(Duration::from_secs(1)).wait();
    let stats = telemetry.stats().pipeline;
    assert_eq!((stats.exported, stats.waiting), (0, 0), "{outcome:?}");
    assert_accounted(ended, &stats);
    println!(
        "\nOf {ended} spans {} failed and {} were dropped (queue full {}, queue bytes {}, timed out {}, at shutdown {}): \
         none is unaccounted for.",
        stats.failed,
        stats.dropped(),
        stats.dropped_queue_full,
        stats.dropped_queue_bytes,
        stats.dropped_timed_out,
        stats.dropped_at_shutdown,
    );

    let most = BOUND as f64 / (1 << 20) as f64 + ALLOWANCE;
    let (grown, crept) = (peak - before, peak - warm.unwrap_or(before));
    println!(
        "RSS was {before:.1} MiB before the load and grew by {grown:.1} MiB at most, {crept:.1} MiB of it after {PERIOD} s; \
         allowed are {most} MiB, {ALLOWANCE} more than the queue's bound, and {CREEP} MiB.",
    );
    if grown <= most && crept <= CREEP {
        return ExitCode::SUCCESS;
    }
    println!("**Missed** by {:.1} MiB.", (grown - most).max(crept - CREEP));
    ExitCode::FAILURE
}

fn print_row(second: u64, ended: u64, stats: &PipelineStats, resident: f64) {
    println!(
        "| {second} | {ended} | {} | {} | {} | {} | {} | {resident:.1} |",
        stats.waiting, stats.failed, stats.dropped_queue_full, stats.dropped_queue_bytes, stats.dropped_timed_out,
    );
}

fn assert_accounted(ended: u64, stats: &PipelineStats) {
    let accounted = stats.exported + stats.failed + stats.dropped() + stats.waiting;
    assert_eq!(ended, accounted, "spans ended, and exported + failed + dropped + waiting: {stats:?}");
}

fn pause_until(deadline: Instant) {
    while let Some(left) = deadline.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
        thread::park_timeout(left);
    }
}

fn hang(_: &Batch<'_>) -> Result<(), ExportError> {
    loop {
        thread::park();
    }
}

fn fail(_: &Batch<'_>) -> Result<(), ExportError> {
    Err(ExportError::new("connection refused"))
}

async fn user() -> &'static str {
    "ok"
}

/// Four attributes of 4 KiB: the queue is full of bytes long before it is full of spans.
async fn large_user(span: CurrentSpan) -> &'static str {
    const TEXT: &str = include_str!("memory.rs").split_at(4096).0;
    for key in ["note.1", "note.2", "note.3", "note.4"] {
        span.set(key, TEXT);
    }
    "ok"
}

// === impl Unreachable ===

impl Exporter for Unreachable {
    fn export(&mut self, batch: &Batch<'_>) -> Result<(), ExportError> {
        (self.0)(batch)
    }
}

// === impl Load ===

impl Load {
    fn start(router: &Router) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let ended: Vec<_> = (0..THREADS).map(|_| Arc::new(AtomicU64::new(0))).collect();
        let threads = ended.iter().map(|ended| {
            let (stop, ended, mut router) = (Arc::clone(&stop), Arc::clone(ended), router.clone());
            thread::spawn(move || {
                let template = Template::new(Workload::W1);
                runtime().block_on(async {
                    while !stop.load(Ordering::Relaxed) {
                        request(&mut router, &template).await;
                        ended.fetch_add(1, Ordering::Relaxed);
                    }
                });
            })
        });
        Self { threads: threads.collect(), ended, stop }
    }

    /// Every request is one span.
    fn ended(&self) -> u64 {
        self.ended.iter().map(|ended| ended.load(Ordering::Relaxed)).sum()
    }

    fn stop(mut self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            thread.join().expect("no panic");
        }
        self.ended()
    }
}

const SCENARIOS: &[Scenario] = &[
    Scenario { name: "hangs", about: "hangs", exporter: hang, handler: || get(user) },
    Scenario { name: "fails", about: "always fails", exporter: fail, handler: || get(user) },
    Scenario { name: "hangs-large", about: "hangs, spans of 16 KiB", exporter: hang, handler: || get(large_user) },
    Scenario {
        name: "fails-large",
        about: "always fails, spans of 16 KiB",
        exporter: fail,
        handler: || get(large_user),
    },
];

const THREADS: usize = 2;
/// Seconds between two rows; the first is the end of the warm-up.
const PERIOD: u64 = 5;
/// The default of `max_queue_bytes`.
const BOUND: usize = 8 << 20;
/// MiB for all that is no span in the queue: stacks and heaps of three threads, code that is paged in, the spare room
/// of the queue's vectors.
const ALLOWANCE: f64 = 8.0;
/// MiB by which the peak may rise after the first period: the heap is never quite at rest.
const CREEP: f64 = 2.0;
