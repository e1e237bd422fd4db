//! Very many inputs by the seeded mutator, on all threads.

use std::process::ExitCode;
use std::time::Instant;

use throughline_fuzz::drive_from;
use throughline_fuzz::targets::{Target, all};

const USAGE: &str = "\
usage: many [--inputs N] [--threads N]

Drives every parser by the seeded mutator until N inputs (default 100000000) have been tried, and prints how many went
to which parser, and how long that took. It stops at the first invariant that does not hold.";

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let (mut inputs, mut threads) = (100_000_000_u64, 2_u64);
    while let Some(arg) = args.next() {
        let number = args.next().and_then(|value| value.parse().ok());
        match (&*arg, number) {
            ("--inputs", Some(value)) => inputs = value,
            ("--threads", Some(value)) if value > 0 => threads = value,
            _ => {
                println!("{USAGE}");
                return if arg == "--help" { ExitCode::SUCCESS } else { ExitCode::from(2) };
            }
        }
    }
    let start = Instant::now();
    let shares: u64 = all().iter().map(|target| target.share).sum();
    let mut total = 0;
    for Target { name, call, seeds, longest, share } in all() {
        let each = (inputs * share).div_ceil(shares * threads);
        let begun = Instant::now();
        std::thread::scope(|scope| {
            for thread in 0..threads {
                scope.spawn(move || drive_from(0x5eed_0000 + thread, call, seeds, longest, each as usize));
            }
        });
        total += each * threads;
        println!("{name:<12} {:>11} inputs {:>7.1} s", each * threads, begun.elapsed().as_secs_f64());
    }
    println!("{:<12} {total:>11} inputs {:>7.1} s on {threads} threads", "all", start.elapsed().as_secs_f64());
    ExitCode::SUCCESS
}
