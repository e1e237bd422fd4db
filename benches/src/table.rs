//! Wall clock and allocations, all rows of a workload in one process and in turn.

use std::collections::HashSet;
use std::sync::Mutex;

use crate::alloc;
use crate::options::Options;
use crate::peer::Peer;
use crate::run::{Job, runtime};

/// A column of measurements, one for each round.
#[derive(Clone, Default)]
pub struct Rounds(pub Vec<f64>);

/// Prints the wall clock of every workload and row.
pub fn wall(options: &Options) {
    const WARM_UP: usize = 3;
    let runtime = runtime();
    let rounds = options.rounds.unwrap_or(201);
    for &workload in options.workloads() {
        let peers = options.peers(workload);
        setup(&peers);
        let mut jobs: Vec<_> = peers.iter().map(|peer| Job::new(*peer, workload)).collect();
        let units = (workload.chunk() * workload.units()) as f64;
        let mut wall = vec![Rounds::default(); jobs.len()];
        let mut cpu = wall.clone();
        for round in 0..WARM_UP + rounds {
            for (row, job) in jobs.iter_mut().enumerate() {
                let took = job.measure(&runtime, workload.chunk());
                if round >= WARM_UP {
                    wall[row].0.push(took.wall.as_nanos() as f64 / units);
                    cpu[row].0.push(took.cpu.as_nanos() as f64 / units);
                }
            }
        }
        let (first, chunk) = (peers[0].name(), workload.chunk());
        let ours = peers.iter().position(|peer| peer.name() == "ours");
        println!("\n### {}: ns per {}, {rounds} rounds of {chunk}\n", workload.title(), workload.unit());
        println!("| row | wall | over {first} | ÷ {first} | p10..p90 | ÷ ours | CPU of all threads, with the flush |");
        println!("|---|---:|---:|---:|---:|---:|---:|");
        for (row, peer) in peers.iter().enumerate() {
            let ratio = wall[row].with(&wall[0], |a, b| a / b);
            println!(
                "| {} | {:.1} | {:+.1} | {:.2} | {:.2}..{:.2} | {} | {:.1} |",
                peer.name(),
                wall[row].quantile(0.5),
                wall[row].with(&wall[0], |a, b| a - b).quantile(0.5),
                ratio.quantile(0.5),
                ratio.quantile(0.1),
                ratio.quantile(0.9),
                ours.map_or_else(
                    || "–".to_owned(),
                    |ours| format!("{:.2}", wall[row].with(&wall[ours], |a, b| a / b).quantile(0.5)),
                ),
                cpu[row].quantile(0.5),
            );
        }
    }
}

/// Prints the heap allocations of every workload and row.
pub fn allocations(options: &Options) {
    const WARM_UP: u64 = 10;
    let runtime = runtime();
    for &workload in options.workloads() {
        let peers = options.peers(workload);
        setup(&peers);
        println!("\n### {}: heap allocations per {}\n", workload.title(), workload.unit());
        println!("| row | calls, request thread | bytes, request thread | calls, all threads | bytes, all threads |");
        println!("|---|---:|---:|---:|---:|");
        for peer in peers {
            let chunk = workload.chunk();
            let mut job = Job::new(peer, workload);
            job.measure(&runtime, WARM_UP * chunk);
            alloc::counting(true);
            let before = alloc::snapshot();
            job.iterate(&runtime, chunk);
            let here = alloc::snapshot().here - before.here;
            peer.flush();
            let all = alloc::snapshot().all - before.all;
            alloc::counting(false);
            let per_unit = |count: u64| count as f64 / (chunk * workload.units()) as f64;
            println!(
                "| {} | {:.2} | {:.0} | {:.2} | {:.0} |",
                peer.name(),
                per_unit(here.calls),
                per_unit(here.bytes),
                per_unit(all.calls),
                per_unit(all.bytes),
            );
        }
    }
}

fn setup(peers: &[&'static dyn Peer]) {
    static DONE: Mutex<Option<HashSet<&'static str>>> = Mutex::new(None);
    let mut done = DONE.lock().expect("a set-up that panics ends the process");
    for peer in peers {
        if done.get_or_insert_default().insert(peer.name()) {
            peer.setup();
        }
    }
}

// === impl Rounds ===

impl Rounds {
    pub fn quantile(&self, at: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted[((sorted.len() - 1) as f64 * at).round() as usize]
    }

    /// Combines the measurements of each round.
    pub fn with(&self, other: &Self, combine: impl Fn(f64, f64) -> f64) -> Self {
        Self(self.0.iter().zip(&other.0).map(|(a, b)| combine(*a, *b)).collect())
    }
}
