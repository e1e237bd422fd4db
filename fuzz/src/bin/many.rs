//! Very many inputs by the seeded mutator, on all threads.

use std::process::ExitCode;
use std::time::Instant;

use throughline_fuzz::drive_from;
use throughline_fuzz::targets::{Target, all};

const USAGE: &str = "\
usage: many [--inputs N] [--threads N] [--only NAME,NAME]

Drives every parser by the seeded mutator until N inputs (default 100000000) have been tried, and prints how many went
to which parser, and how long that took. It stops at the first invariant that does not hold.";

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let (mut inputs, mut threads, mut only) = (100_000_000_u64, 2_u64, None);
    while let Some(arg) = args.next() {
        let value = args.next();
        let number = value.as_ref().and_then(|value| value.parse().ok());
        match (&*arg, number, value) {
            ("--inputs", Some(value), _) => inputs = value,
            ("--threads", Some(value), _) if value > 0 => threads = value,
            ("--only", _, Some(names)) => only = Some(names),
            _ => {
                println!("{USAGE}");
                return if arg == "--help" { ExitCode::SUCCESS } else { ExitCode::from(2) };
            }
        }
    }
    let start = Instant::now();
    let wanted = |target: &Target| only.as_ref().is_none_or(|only| only.split(',').any(|name| name == target.name));
    let targets: Vec<Target> = all().into_iter().filter(wanted).collect();
    let shares: u64 = targets.iter().map(|target| target.share).sum();
    let mut total = 0;
    for Target { name, call, seeds, longest, share } in targets {
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
