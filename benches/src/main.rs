//! throughline beside a bare handler and other tracing middleware. `README.md` says how to run and read this.

mod alloc;
mod callgrind;
mod check;
mod loopback;
mod memory;
mod options;
mod peer;
mod peers;
mod process;
mod request;
mod run;
mod table;
mod workload;

use std::process::ExitCode;

use self::options::Options;
use self::run::{Job, runtime};
use self::workload::Workload;

#[global_allocator]
static ALLOCATOR: alloc::Counting = alloc::Counting;

const USAGE: &str = "\
  list                    the rows, and what each is
  pairs                   every workload and row, for scripts
  check                   what every row exports; asserts its ids and lineage
  table [W..]             wall clock of all workloads or some; --rounds N, --only ROW,ROW
  allocs [W..]            heap allocations; --only ROW,ROW
  w7                      over loopback sockets; --rounds N, --requests N, --only ROW,ROW
  memory                  a minute of full load without an exporter; --seconds N, --exporter NAME
  one W ROW N             N iterations, for callgrind
  serve ROW               the server of w7, which starts it";

fn main() -> ExitCode {
    let args: Vec<_> = std::env::args().skip(1).collect();
    let args: Vec<_> = args.iter().map(String::as_str).collect();
    match run(&args) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("{error}\nusage:\n{USAGE}");
            ExitCode::from(2)
        }
    }
}

fn run(args: &[&str]) -> Result<ExitCode, String> {
    match args {
        ["list"] => peers::all().iter().for_each(|peer| println!("{:<16}{}", peer.name(), peer.about())),
        ["pairs"] => {
            for workload in Workload::ALL {
                for peer in peers::all().into_iter().filter(|peer| peer.runs(workload)) {
                    println!("{workload:?} {}", peer.name());
                }
            }
        }
        ["check"] => check::run(),
        ["table", options @ ..] => table::wall(&Options::parse(options)?),
        ["allocs", options @ ..] => table::allocations(&Options::parse(options)?),
        ["w7", options @ ..] => loopback::run(&Options::parse(options)?),
        ["memory", options @ ..] => return memory::run(&Options::parse(options)?),
        ["one", workload, row, times] => one(workload, row, times)?,
        ["serve", row] => loopback::serve(peers::find(row).ok_or_else(|| format!("no row {row}"))?),
        _ => return Err("what is to be done?".to_owned()),
    }
    Ok(ExitCode::SUCCESS)
}

fn one(workload: &str, row: &str, times: &str) -> Result<(), String> {
    let workload = Workload::parse(workload).ok_or_else(|| format!("no workload {workload}"))?;
    let peer = peers::find(row).filter(|peer| peer.runs(workload)).ok_or_else(|| format!("no row {row}"))?;
    let times = times.parse().map_err(|_| format!("no number {times}"))?;
    peer.setup();
    let runtime = runtime();
    let mut job = Job::new(peer, workload);
    callgrind::start();
    job.measure(&runtime, times);
    Ok(())
}
