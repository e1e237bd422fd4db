//! What the system says about this process.

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

/// Memory in MiB.
#[derive(Clone, Copy)]
pub struct Memory {
    pub resident: f64,
    pub peak: f64,
}

/// CPU time of all threads, user and kernel.
pub fn cpu_time() -> Duration {
    clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).expect("every Linux has this clock").into()
}

pub fn memory() -> Memory {
    let status = std::fs::read_to_string("/proc/self/status").expect("this is Linux");
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("the kernel writes this line");
        let kibibytes = line.trim_start_matches(':').trim_end_matches("kB").trim().parse::<f64>();
        kibibytes.expect("a number of kB") / 1024.0
    };
    Memory { resident: field("VmRSS"), peak: field("VmHWM") }
}
