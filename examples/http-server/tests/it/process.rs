//! The program: arguments, environment, signals.

use std::process::{Output, Stdio};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::Uri;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::LIMIT;
use crate::client::{Version, contains, read_until};

#[tokio::test]
async fn help_is_printed() {
    let output = run(&["--help"]).await;
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stdout.starts_with(b"usage: http-server ") && output.stderr.is_empty(), "{output:?}");
}

#[tokio::test]
async fn bad_arguments_are_refused_with_code_2() {
    for args in [&["--port"][..], &["--port", "http"], &["--edge", "private"], &["--frobnicate"], &["8080"]] {
        let output = run(args).await;
        assert_eq!(output.status.code(), Some(2), "{args:?}: {output:?}");
        let message = String::from_utf8(output.stderr).unwrap();
        assert!(message.contains(args.last().unwrap()) && message.contains("usage: "), "{args:?}: {message}");
        assert!(output.stdout.is_empty(), "{args:?}");
    }
}

#[tokio::test]
async fn what_cannot_work_is_refused_with_code_1() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap();
    let output = run(&["--port", &address.port().to_string()]).await;
    assert_eq!(output.status.code(), Some(1));
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(message.starts_with(&format!("cannot listen on {address}: ")), "{message}");

    let output = program(&["--port", "0"]).env("OTEL_TRACES_SAMPLER", "sometimes").output().await.unwrap();
    assert_eq!(output.status.code(), Some(1));
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(message.starts_with("invalid OTEL_TRACES_SAMPLER: "), "{message}");
}

/// A request that is being answered, a connection that is idle and a span that waits for its export: no difference.
#[cfg(unix)]
#[tokio::test]
async fn a_signal_ends_it_and_flushes_its_spans() {
    for signal in ["TERM", "INT"] {
        for edge in ["trusted", "public"] {
            let mut program = program(&["--port", "0", "--edge", edge]);
            program.env("OTEL_TRACES_EXPORTER", "console").env("OTEL_BSP_SCHEDULE_DELAY", "3600000");
            let mut running = program.spawn().unwrap();
            let address = address(&mut running).await;
            for version in Version::ALL {
                assert_eq!(version.get(address, "/users/1").await.unwrap().status, 200);
            }
            let mut idle = TcpStream::connect(address).await.unwrap();
            idle.write_all(b"GET /nested/a/b HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
            read_until(&mut idle, "\r\n\r\nb").await;
            let mut busy = TcpStream::connect(address).await.unwrap();
            busy.write_all(b"GET /stream?chunks=5&ms=40 HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
            read_until(&mut busy, "chunk 1").await;

            let output = tokio::join!(stop(running, signal), read_until(&mut busy, "chunk 5\n\r\n0\r\n\r\n")).0;
            assert!(output.status.code() == Some(0) && output.stderr.is_empty(), "{signal}: {output:?}");
            let drawn = String::from_utf8(output.stdout).unwrap();
            for (name, times) in [("GET /users/{id} ", 3), ("GET /nested/a/{x} ", 1), ("GET /stream ", 1)] {
                assert_eq!(drawn.matches(name).count(), times, "{signal}: {drawn}");
            }
        }
    }
}

/// The one test that takes as long as the program gives requests to end.
#[cfg(unix)]
#[tokio::test]
async fn requests_without_an_end_are_cut_short_and_their_spans_flushed() {
    let mut program = program(&["--port", "0"]);
    let mut running = program.env("OTEL_TRACES_EXPORTER", "console").spawn().unwrap();
    let address = address(&mut running).await;
    let mut busy = TcpStream::connect(address).await.unwrap();
    busy.write_all(b"GET /stream?chunks=9&ms=60000 HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    read_until(&mut busy, "chunk 1").await;
    let output = stop(running, "TERM").await;
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "some requests did not end within 5s\n");
    assert!(String::from_utf8(output.stdout).unwrap().contains("GET /stream "));
}

/// What is left when the variables were read: spans and metrics go to one collector, at the latest when the server stops.
#[cfg(unix)]
#[tokio::test]
async fn a_collector_gets_spans_and_metrics() {
    let (collector, exported) = collector().await;
    let mut program = program(&["--port", "0"]);
    program.env("OTEL_EXPORTER_OTLP_ENDPOINT", collector).env("OTEL_SERVICE_NAME", "black-box");
    program.env("OTEL_BSP_SCHEDULE_DELAY", "3600000").env("OTEL_METRIC_EXPORT_INTERVAL", "3600000");
    let mut running = program.spawn().unwrap();
    let address = address(&mut running).await;
    assert_eq!(Version::H2c.get(address, &format!("/call?url=http://{address}/status/418")).await.unwrap().status, 418);
    let output = stop(running, "TERM").await;
    assert!(output.status.code() == Some(0) && output.stderr.is_empty(), "{output:?}");

    let exported = std::mem::take(&mut *exported.lock().unwrap());
    for (path, wanted) in [
        ("/v1/traces", &["black-box", "GET /call", "GET /status/{code}", "url.full"][..]),
        (
            "/v1/metrics",
            &[
                "black-box",
                "http.server.request.duration",
                "http.server.active_requests",
                "http.client.request.duration",
            ],
        ),
    ] {
        let bodies: Vec<u8> = exported.iter().filter(|(to, _)| to == path).flat_map(|(_, body)| body.clone()).collect();
        for text in wanted {
            assert!(contains(&bodies, text), "{path} without {text}: {:?}", String::from_utf8_lossy(&bodies));
        }
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_collector_that_is_not_there_costs_one_line() {
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let mut program = program(&["--port", "0"]);
    let mut running = program.env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{gone}")).spawn().unwrap();
    let address = address(&mut running).await;
    assert_eq!(Version::Http11.get(address, "/users/1").await.unwrap().status, 200);
    let output = stop(running, "TERM").await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let log = String::from_utf8(output.stderr).unwrap();
    assert!(log.lines().count() <= 1, "{log}");
}

fn program(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_http-server"));
    command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("OTEL_")) {
        command.env_remove(name);
    }
    command.env("NO_COLOR", "1");
    command
}

type Exported = Arc<Mutex<Vec<(String, Bytes)>>>;

/// Takes everything, and remembers path and body.
async fn collector() -> (String, Exported) {
    let exported = Exported::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let memory = Arc::clone(&exported);
    let app = axum::Router::new().fallback(async move |uri: Uri, body: Bytes| {
        memory.lock().unwrap().push((uri.path().to_owned(), body));
    });
    tokio::spawn(axum::serve(listener, app).into_future());
    (format!("http://{address}"), exported)
}

async fn run(args: &[&str]) -> Output {
    timeout(LIMIT, program(args).output()).await.expect("it ends at once").unwrap()
}

/// Reads the address from the program's first line.
async fn address(running: &mut Child) -> std::net::SocketAddr {
    let mut line = String::new();
    let mut stdout = BufReader::new(running.stdout.as_mut().unwrap());
    timeout(LIMIT, stdout.read_line(&mut line)).await.expect("it says where it listens").unwrap();
    let address = line.strip_prefix("listening on http://").unwrap_or_else(|| panic!("{line:?}"));
    address.trim_end().parse().unwrap()
}

/// Every shell has `kill`; a call of libc would be unsafe code.
async fn stop(running: Child, signal: &str) -> Output {
    let kill = format!("kill -{signal} {}", running.id().expect("it runs"));
    assert!(Command::new("sh").args(["-c", &kill]).status().await.unwrap().success());
    timeout(LIMIT, running.wait_with_output()).await.expect("it stops").unwrap()
}
