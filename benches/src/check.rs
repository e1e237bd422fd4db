//! Whether the rows do what they are measured for.

use std::fmt::Debug;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use http::HeaderMap;

use crate::peers;
use crate::request::{PARENT_ID, SAMPLED, TRACE_ID};
use crate::run::{Job, runtime};
use crate::workload::Workload;

/// A span that an exporter saw.
pub struct Seen {
    pub name: String,
    pub trace_id: u128,
    pub parent_id: u64,
    pub attributes: Vec<String>,
}

/// Whether exporters are to tell what they see.
#[inline]
pub fn is_on() -> bool {
    ON.load(Ordering::Relaxed)
}

pub fn saw(span: Seen) {
    SEEN.lock().expect("nobody panics under the lock").push(span);
}

pub fn attribute(key: impl AsRef<str>, value: impl Debug) -> String {
    format!("{} = {value:?}", key.as_ref())
}

/// Where the outgoing headers of W9 end: they continue the trace below another span.
#[inline]
pub fn sent(headers: &HeaderMap) {
    if is_on() {
        let parent = headers["traceparent"].to_str().expect("a traceparent is ASCII");
        assert_eq!(parent.len(), 55);
        assert_eq!(parent[..36], SAMPLED[..36], "the trace goes on");
        assert_ne!(parent[36..52], SAMPLED[36..52], "below another span");
        assert_eq!(&parent[52..], "-01");
        println!("W9 sent {parent}, tracestate {:?}", headers.get("tracestate"));
    }
    std::hint::black_box(headers);
}

/// Prints what every row exports for one request, and asserts the lineage.
pub fn run() {
    const REQUESTS: u64 = 3;
    ON.store(true, Ordering::Relaxed);
    let runtime = runtime();
    for peer in peers::all().into_iter().filter(|peer| peer.expected(Workload::W1, 1) > 0) {
        println!("\n== {}: {}", peer.name(), peer.about());
        peer.setup();
        for workload in Workload::ALL.into_iter().filter(|workload| workload.is_server() && peer.runs(*workload)) {
            Job::new(peer, workload).measure(&runtime, REQUESTS);
            let seen = std::mem::take(&mut *SEEN.lock().expect("nobody panics under the lock"));
            assert_eq!(seen.len() as u64, peer.expected(workload, REQUESTS));
            if workload == Workload::W3 {
                assert!(seen.iter().all(|span| span.trace_id != TRACE_ID && span.parent_id == 0), "new roots");
            } else {
                assert!(seen.iter().all(|span| span.trace_id == TRACE_ID), "the caller's trace");
                let below = seen.iter().filter(|span| span.parent_id == PARENT_ID).count() as u64;
                assert_eq!(below, peer.expected(workload, REQUESTS).min(REQUESTS), "below the caller's span");
            }
            for Seen { name, attributes, .. } in seen.iter().take(if workload == Workload::W9 { 2 } else { 1 }) {
                println!("{workload:?} {name}, {} attributes:\n  {}", attributes.len(), attributes.join("\n  "));
            }
        }
    }
    println!("\nok");
}

static ON: AtomicBool = AtomicBool::new(false);
static SEEN: Mutex<Vec<Seen>> = Mutex::new(Vec::new());
