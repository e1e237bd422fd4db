//! throughline and the official OpenTelemetry SDKs call each other; called by `tests/interop/run.sh`.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use serde_json::Value;
use throughline::SpanData;
use throughline::testing::MemorySink;
use tokio::time::timeout;

use self::args::{Command, Program, USAGE};
use self::cases::{Begins, Case};
use self::check::Difference;
use self::facts::Facts;
use self::known::KNOWN;
use self::peer::{BoxError, Peer, PeerAnswer, Plain};
use self::service::{Round, Service, with_query};

mod args;
mod cases;
mod check;
mod facts;
mod known;
mod peer;
mod service;

/// What became of all cases so far.
#[derive(Default)]
struct Tally {
    cases: usize,
    failed: usize,
    /// How often each row of [`KNOWN`] was met.
    known: Vec<usize>,
    /// The peers and formats that were played.
    played: Vec<(&'static str, &'static str)>,
}

/// One case's outcome: what differs, and the headers to look at.
struct Played {
    differences: Vec<Difference>,
    headers: Vec<(&'static str, Vec<(String, String)>)>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let programs = match Command::parse(std::env::args_os().skip(1)) {
        Ok(Command::Run(programs)) => programs,
        Ok(Command::Help) => {
            print!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Err(problem) => {
            eprint!("{problem}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match run(programs).await {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("interop: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(programs: Vec<Program>) -> Result<usize, BoxError> {
    let mut tally = Tally { known: vec![0; KNOWN.len()], ..Tally::default() };
    let cases = cases::cases();
    for program in programs {
        let peer = Peer::start(program).await?;
        for (format, propagator) in cases::formats() {
            let service = Service::start(&peer, format, propagator).await?;
            for case in cases.iter().filter(|case| case.format == format) {
                let played = timeout(CASE_LIMIT, play(&peer, &service, case)).await;
                let played = played.unwrap_or_else(|_| Err(format!("took longer than {CASE_LIMIT:?}").into()));
                tally.count(peer.name, case, played)?;
            }
            tally.played.push((peer.name, format));
        }
    }
    tally.finish()
}

async fn play(peer: &Peer, service: &Service, case: &Case) -> Result<Played, BoxError> {
    service.spans.clear();
    service.take_clients();
    let plain = Plain::new();
    match &case.begins {
        Begins::Headers(lines) => {
            let lines: Vec<_> = lines.iter().map(|(name, value)| (*name, &**value)).collect();
            let round: Round = plain.get(&service.call_url(), &lines).await?;
            let spans = ended(&service.spans, check::recorded(&round)).await?;
            let differences = check::round(case, peer.name, &round, &service.take_clients(), &spans);
            let Round { arrival, peer } = round;
            let mut headers = vec![("we received", arrival.received), ("the peer received", peer.received)];
            headers.extend([("the peer sent", peer.sent), ("we received from it", peer.back.received)]);
            Ok(Played { differences, headers })
        }
        Begins::Peer(client) => {
            let answer: PeerAnswer = plain.get(&start_url(peer, service, case, *client), &[]).await?;
            let recorded = usize::from(check::is_sampled(&answer.back.server));
            let spans = ended(&service.spans, recorded).await?;
            let differences = check::start(case, peer.name, &answer, &spans);
            let headers = vec![("the peer sent", answer.sent), ("we received from it", answer.back.received)];
            Ok(Played { differences, headers })
        }
    }
}

fn start_url(peer: &Peer, service: &Service, case: &Case, client: Option<&str>) -> String {
    let Facts { sampling, tracestate, baggage, .. } = &case.facts;
    let pairs = baggage.iter().filter_map(|pair| pair.split_once('='));
    let pairs: serde_json::Map<_, _> = pairs.map(|(key, value)| (key.to_owned(), Value::from(value))).collect();
    let (back, pairs) = (service.back_url(), Value::from(pairs).to_string());
    let mut query = vec![("back", &*back), ("sampled", if sampling == "accept" { "1" } else { "0" })];
    query.extend([("tracestate", &**tracestate), ("baggage", &*pairs)]);
    if let Some(client) = client {
        query.extend([("server", SERVER_ID), ("client", client)]);
    }
    with_query(&peer.url(case.format, "start"), &query)
}

/// The spans of a round, once so many have ended.
async fn ended(spans: &MemorySink, recorded: usize) -> Result<Vec<SpanData>, BoxError> {
    Ok(spans.wait_for(recorded, CASE_LIMIT).await?)
}

// === impl Tally ===

impl Tally {
    fn count(&mut self, peer: &'static str, case: &Case, played: Result<Played, BoxError>) -> io::Result<()> {
        let mut out = io::stdout().lock();
        self.cases += 1;
        let line = format!("{peer:<7} {:<13} {}", case.format, case.name);
        let Played { differences, headers } = match played {
            Ok(played) => played,
            Err(error) => {
                self.failed += 1;
                return writeln!(out, "FAIL {line}\n     {error}");
            }
        };
        let covers =
            |difference: &Difference| KNOWN.iter().position(|known| known.covers(peer, case.format, difference));
        let bad = differences.iter().any(|difference| covers(difference).is_none());
        writeln!(out, "{} {line}", if bad { "FAIL" } else { "ok  " })?;
        for difference in &differences {
            match covers(difference) {
                Some(at) => {
                    self.known[at] += 1;
                    writeln!(out, "     known: {difference}: {}", KNOWN[at].why)?;
                }
                None => writeln!(out, "     {difference}")?,
            }
        }
        if bad {
            self.failed += 1;
            for (whose, lines) in headers {
                writeln!(out, "     {whose}:")?;
                for (name, value) in lines {
                    writeln!(out, "       {name}: {value}")?;
                }
            }
        }
        Ok(())
    }

    /// Prints the summary; gives how much failed.
    fn finish(mut self) -> Result<usize, BoxError> {
        let mut out = io::stdout().lock();
        for (known, met) in KNOWN.iter().zip(&self.known) {
            if *met == 0 && self.played.contains(&(known.peer, known.format)) {
                self.failed += 1;
                writeln!(out, "FAIL {:<7} {:<13} no longer differs: {}", known.peer, known.format, known.why)?;
            }
        }
        let Self { cases, failed, known, .. } = self;
        let known: usize = known.iter().sum();
        writeln!(out, "interop: {cases} cases, {failed} failed, {known} known differences")?;
        if cases == 0 {
            return Err("nothing was played".into());
        }
        Ok(failed)
    }
}

const CASE_LIMIT: Duration = Duration::from_secs(20);

/// The peer's own span above the CLIENT span that a row names.
const SERVER_ID: &str = "a0000000000000a1";
