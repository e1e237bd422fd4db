//! From variables to a collector.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Command;
use std::thread;
use std::time::Duration;

use throughline::{ConfigError, SpanEnd, Telemetry};

/// Set in the process that a test starts itself in: variables are not set in this one.
const INSIDE: &str = "THROUGHLINE_TEST_INSIDE";

#[test]
fn the_processes_variables_lead_to_the_collector() {
    if std::env::var_os(INSIDE).is_some() {
        let telemetry = Telemetry::from_env("code").unwrap();
        telemetry.tracer().span("rebuild index").start().end(SpanEnd::Completed);
        telemetry.shutdown(Duration::from_secs(60)).wait().unwrap();
        return assert_eq!(telemetry.stats().pipeline.exported, 1);
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let served = thread::spawn(move || {
        let (mut peer, _) = listener.accept().unwrap();
        let (mut request, mut chunk) = (Vec::new(), [0; 4096]);
        while !contains(&request, "rebuild index") {
            let read = peer.read(&mut chunk).unwrap();
            assert_ne!(read, 0, "the request ended: {}", String::from_utf8_lossy(&request));
            request.extend_from_slice(&chunk[..read]);
        }
        peer.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").unwrap();
        request
    });
    let name = concat!(module_path!(), "::the_processes_variables_lead_to_the_collector");
    let status = Command::new(std::env::current_exe().unwrap())
        .args([name.split_once("::").unwrap().1, "--exact"])
        .env(INSIDE, "1")
        .env("OTEL_SERVICE_NAME", "orders-of-the-operator")
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
        .status()
        .unwrap();
    assert!(status.success());
    let request = served.join().unwrap();
    assert!(request.starts_with(b"POST /v1/traces HTTP/1.1\r\n"));
    assert!(contains(&request, "orders-of-the-operator"));
}

#[test]
fn a_file_that_cannot_be_read_is_named_with_its_variable() {
    let lookup = |name: &str| match name {
        "OTEL_EXPORTER_OTLP_ENDPOINT" => Some("https://localhost:4318".to_owned()),
        "OTEL_EXPORTER_OTLP_CERTIFICATE" => Some("/nowhere/ca.pem".to_owned()),
        _ => None,
    };
    let error: ConfigError = Telemetry::builder().env_from(lookup).unwrap().build().unwrap_err();
    assert_eq!(error.variable_name(), Some("OTEL_EXPORTER_OTLP_CERTIFICATE"));
    let text = error.to_string();
    assert!(text.starts_with("invalid OTEL_EXPORTER_OTLP_CERTIFICATE: /nowhere/ca.pem cannot be read"), "{text}");
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}
