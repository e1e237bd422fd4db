//! W7: a server process for each row and round, a hyper client in this one.

use std::env;
use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::serve::ListenerExt as _;
use http::{Request, Uri};
use http_body_util::BodyExt as _;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};

use crate::options::Options;
use crate::peer::Peer;
use crate::process::{cpu_time, memory};
use crate::request::{PATH, headers};
use crate::run::runtime;
use crate::table::Rounds;
use crate::workload::{Handler, Workload};

/// A server process that answers questions about itself.
struct Server {
    child: Child,
    questions: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    port: u16,
}

/// What a server says of itself.
struct Figures {
    cpu_before_flush: f64,
    cpu: f64,
    peak: f64,
    exported: f64,
}

/// The columns of a row.
#[derive(Clone, Default)]
struct Row {
    requests_per_second: Rounds,
    p50: Rounds,
    p99: Rounds,
    cpu: Rounds,
    flushed_cpu: Rounds,
    peak: Rounds,
    exported: Rounds,
}

/// Serves until its input ends: prints its port, then a line of figures for each line that it reads.
pub fn serve(peer: &'static dyn Peer) {
    peer.setup();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(WORKERS).enable_all().build().expect("a runtime");
    let router = peer.router(Handler::Plain);
    runtime.spawn(async move {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        println!("{}", listener.local_addr().expect("a bound socket").port());
        let listener = listener.tap_io(|stream| stream.set_nodelay(true).expect("a connected socket"));
        axum::serve(listener, router).await.expect("axum serves for ever");
    });
    for line in std::io::stdin().lines() {
        line.expect("a line");
        let before = cpu_time();
        peer.flush();
        println!("{} {} {} {}", micros(before), micros(cpu_time()), memory().peak, peer.exported());
    }
}

/// Prints the table of W7.
pub fn run(options: &Options) {
    let peers = options.peers(Workload::W1);
    let rounds = options.rounds.unwrap_or(9);
    let requests = options.requests.unwrap_or(40_000);
    let mut rows = vec![Row::default(); peers.len()];
    for round in 0..rounds {
        for turn in 0..peers.len() {
            // Another order in each round: the neighbour in time is never the same.
            let turn = if round % 2 == 0 { turn } else { peers.len() - 1 - turn };
            let row = (turn + round) % peers.len();
            measure(peers[row], requests, &mut rows[row]);
        }
    }
    println!(
        "\n### W7 loopback: {rounds} rounds of {requests} requests, {CONNECTIONS} keep-alive connections, the server in a \
         process of its own with {WORKERS} workers\n"
    );
    println!(
        "| row | requests/s | ÷ bare | p10..p90 | p50 µs | p99 µs | server CPU µs/request | with the flush | over bare | \
         over noop-layer | p10..p90 | peak RSS MiB | fewest spans per request |"
    );
    println!("|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|");
    let noop = peers.iter().position(|peer| peer.name() == "noop-layer");
    for (peer, row) in peers.iter().zip(&rows) {
        let ratio = row.requests_per_second.with(&rows[0].requests_per_second, |a, b| a / b);
        let over = |base: &Row| row.flushed_cpu.with(&base.flushed_cpu, |a, b| a - b);
        let over_noop = noop.map(|noop| over(&rows[noop]));
        println!(
            "| {} | {:.0} | {:.3} | {:.3}..{:.3} | {:.0} | {:.0} | {:.2} | {:.2} | {:+.2} | {} | {} | {:.1} | {:.4} |",
            peer.name(),
            row.requests_per_second.quantile(0.5),
            ratio.quantile(0.5),
            ratio.quantile(0.1),
            ratio.quantile(0.9),
            row.p50.quantile(0.5),
            row.p99.quantile(0.5),
            row.cpu.quantile(0.5),
            row.flushed_cpu.quantile(0.5),
            over(&rows[0]).quantile(0.5),
            over_noop.as_ref().map_or_else(|| "–".to_owned(), |over| format!("{:+.2}", over.quantile(0.5))),
            over_noop.as_ref().map_or_else(
                || "–".to_owned(),
                |over| format!("{:+.2}..{:+.2}", over.quantile(0.1), over.quantile(0.9))
            ),
            row.peak.quantile(0.5),
            row.exported.quantile(0.0),
        );
    }
}

fn measure(peer: &dyn Peer, requests: u64, row: &mut Row) {
    let runtime = runtime();
    let mut server = Server::start(peer);
    runtime.block_on(load(server.port, requests / 10)); // warms up
    let before = server.ask();
    let (latencies, took) = runtime.block_on(load(server.port, requests));
    let after = server.ask();
    server.stop();
    let requests = requests as f64;
    row.requests_per_second.0.push(requests / took.as_secs_f64());
    row.p50.0.push(latencies.quantile(0.5));
    row.p99.0.push(latencies.quantile(0.99));
    row.cpu.0.push((after.cpu_before_flush - before.cpu) / requests);
    row.flushed_cpu.0.push((after.cpu - before.cpu) / requests);
    row.peak.0.push(after.peak);
    row.exported.0.push((after.exported - before.exported) / requests);
}

/// Sends so many requests over all connections: their latencies in microseconds, and how long it took.
async fn load(port: u16, requests: u64) -> (Rounds, Duration) {
    let left = Arc::new(AtomicI64::new(requests as i64));
    let mut senders = Vec::new();
    for _ in 0..CONNECTIONS {
        let stream = TcpStream::connect(("127.0.0.1", port)).await.expect("the server listens");
        stream.set_nodelay(true).expect("a connected socket");
        let (sender, connection) =
            hyper::client::conn::http1::handshake::<_, Body>(TokioIo::new(stream)).await.expect("HTTP/1.1");
        tokio::spawn(connection);
        senders.push(sender);
    }
    let start = Instant::now();
    let tasks: Vec<_> = senders
        .into_iter()
        .map(|mut sender| {
            let left = Arc::clone(&left);
            tokio::spawn(async move {
                let template = headers(Workload::W1);
                let mut latencies = Vec::with_capacity(4096);
                while left.fetch_sub(1, Ordering::Relaxed) > 0 {
                    let mut request = Request::new(Body::empty());
                    *request.uri_mut() = Uri::from_static(PATH);
                    *request.headers_mut() = template.clone();
                    let start = Instant::now();
                    let response = sender.send_request(request).await.expect("an answer");
                    assert_eq!(response.status(), 200);
                    response.into_body().collect().await.expect("a whole body");
                    latencies.push(start.elapsed().as_nanos() as f64 / 1000.0);
                }
                latencies
            })
        })
        .collect();
    let mut latencies = Rounds::default();
    for task in tasks {
        latencies.0.extend(task.await.expect("no panic"));
    }
    (latencies, start.elapsed())
}

fn micros(time: Duration) -> f64 {
    time.as_nanos() as f64 / 1000.0
}

// === impl Server ===

impl Server {
    fn start(peer: &dyn Peer) -> Self {
        let mut child = Command::new(env::current_exe().expect("this program"))
            .args(["serve", peer.name()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this program starts");
        let questions = child.stdin.take().expect("a pipe");
        let answers = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let mut server = Self { child, questions, answers, port: 0 };
        server.port = server.line().parse().expect("a port");
        server
    }

    fn ask(&mut self) -> Figures {
        writeln!(self.questions, "?").expect("the server reads");
        let line = self.line();
        let mut figures = line.split(' ').map(|figure| figure.parse().expect("a number"));
        let mut next = || figures.next().expect("four figures");
        Figures { cpu_before_flush: next(), cpu: next(), peak: next(), exported: next() }
    }

    fn line(&mut self) -> String {
        self.answers.next().expect("the server lives").expect("a line")
    }

    fn stop(mut self) {
        drop(self.questions);
        self.child.wait().expect("a child of ours");
    }
}

const CONNECTIONS: usize = 32;
const WORKERS: usize = 2;
