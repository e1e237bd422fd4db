//! The program itself: its arguments, its address, how it stops.

#![expect(clippy::unwrap_used, reason = "a helper of tests may unwrap as tests do")]

use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// When a program that hangs has failed.
const LIMIT: Duration = Duration::from_secs(30);

#[tokio::test]
async fn help_is_printed() {
    let output = run(&["--help"]).await;
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stdout.starts_with(b"usage: trace-context ") && output.stderr.is_empty(), "{output:?}");
}

#[tokio::test]
async fn bad_arguments_are_refused_with_code_2() {
    for args in [&["--port"][..], &["--port", "http"], &["--port", "65536"], &["--frobnicate"], &["5000"]] {
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
    let port = taken.local_addr().unwrap().port().to_string();
    let output = run(&["--port", &port]).await;
    assert_eq!(output.status.code(), Some(1));
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(message.starts_with(&format!("cannot listen on 127.0.0.1:{port}: ")), "{message}");

    let output = program(&["--port", "0"]).env("OTEL_TRACES_SAMPLER", "sometimes").output().await.unwrap();
    assert_eq!(output.status.code(), Some(1));
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(message.starts_with("invalid OTEL_TRACES_SAMPLER: "), "{message}");
}

#[cfg(unix)]
#[tokio::test]
async fn serves_until_it_is_told_to_stop() {
    for signal in ["TERM", "INT"] {
        let mut running = program(&["--port", "0"]).env("OTEL_TRACES_EXPORTER", "none").spawn().unwrap();
        let address = address(&mut running).await;
        for body in ["null", "[]"] {
            let response = post(&address, body).await;
            assert!(response.starts_with("HTTP/1.1 200 OK\r\n") && response.ends_with("\r\n\r\n[]"), "{response}");
        }
        let output = stop(running, signal).await;
        assert_eq!(output.status.code(), Some(0), "{signal}: {output:?}");
        assert!(output.stderr.is_empty(), "{signal}: {output:?}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_collector_that_is_not_there_costs_one_line() {
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let mut program = program(&["--port", "0"]);
    program.env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{gone}")).env("OTEL_BSP_SCHEDULE_DELAY", "1");
    let mut running = program.spawn().unwrap();
    let address = address(&mut running).await;
    for _ in 0..100 {
        let response = post(&address, &format!(r#"[{{"url": "http://{address}/test"}}]"#)).await;
        assert!(response.ends_with("\r\n\r\n[{\"status\":200}]"), "{response}");
    }
    let output = stop(running, "TERM").await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let log = String::from_utf8(output.stderr).unwrap();
    assert!(log.lines().count() <= 1, "{log}");
}

/// What is left when the variables were read: spans arrive while the service runs, and the last ones when it stops.
#[cfg(unix)]
#[tokio::test]
async fn spans_of_the_last_request_are_exported_before_it_ends() {
    let collector = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut program = program(&["--port", "0"]);
    program.env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{}", collector.local_addr().unwrap()));
    program.env("OTEL_BSP_SCHEDULE_DELAY", "3600000").env("OTEL_SERVICE_NAME", "validated");
    // The collector of this test takes one request.
    program.env("OTEL_METRICS_EXPORTER", "none");
    let exported = tokio::spawn(async move {
        let (mut peer, _) = collector.accept().await.unwrap();
        let (mut request, mut chunk) = (Vec::new(), [0; 4096]);
        while !contains(&request, "POST /test") {
            let read = peer.read(&mut chunk).await.unwrap();
            assert_ne!(read, 0, "the request ended: {}", String::from_utf8_lossy(&request));
            request.extend_from_slice(&chunk[..read]);
        }
        peer.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        request
    });
    let mut running = program.spawn().unwrap();
    let address = address(&mut running).await;
    post(&address, "[]").await;
    let output = stop(running, "TERM").await;
    assert!(output.status.code() == Some(0) && output.stderr.is_empty(), "{output:?}");
    let request = timeout(LIMIT, exported).await.unwrap().unwrap();
    assert!(request.starts_with(b"POST /v1/traces HTTP/1.1\r\n") && contains(&request, "validated"));
}

fn program(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_trace-context"));
    command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("OTEL_")) {
        command.env_remove(name);
    }
    command
}

async fn run(args: &[&str]) -> Output {
    timeout(LIMIT, program(args).output()).await.expect("it ends at once").unwrap()
}

/// Reads `host:port` from the program's first line.
async fn address(running: &mut Child) -> String {
    let mut line = String::new();
    let mut stdout = BufReader::new(running.stdout.as_mut().unwrap());
    timeout(LIMIT, stdout.read_line(&mut line)).await.expect("it says where it listens").unwrap();
    let address = line.strip_prefix("listening on http://").and_then(|rest| rest.strip_suffix("/test\n"));
    address.unwrap_or_else(|| panic!("{line:?}")).to_owned()
}

async fn post(address: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let head = format!("POST /test HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-length: {}", body.len());
    stream.write_all(format!("{head}\r\n\r\n{body}").as_bytes()).await.unwrap();
    let mut response = String::new();
    timeout(LIMIT, stream.read_to_string(&mut response)).await.expect("it answers").unwrap();
    response
}

/// Every shell has `kill`; a call of libc would be unsafe code.
async fn stop(running: Child, signal: &str) -> Output {
    let kill = format!("kill -{signal} {}", running.id().expect("it runs"));
    assert!(Command::new("sh").args(["-c", &kill]).status().await.unwrap().success());
    timeout(LIMIT, running.wait_with_output()).await.expect("it stops").unwrap()
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}
