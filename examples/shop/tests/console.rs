//! `shop` as people run it: waterfalls, summary, help, mistakes, and a collector.

#![expect(clippy::unwrap_used, reason = "a helper of tests may unwrap as tests do")]

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::process::{Command, Output};
use std::thread;

#[test]
fn draws_a_waterfall_per_request_in_order_and_a_summary() {
    let (status, out, errors) = run(&mut shop());
    assert_eq!((status, &*errors), (0, ""), "{out}");
    let lines: Vec<&str> = out.lines().collect();
    let announced: Vec<&str> = lines.iter().take(12).filter_map(|line| line.get(4..22)).map(str::trim).collect();
    assert_eq!(announced, TITLES);

    let mut waterfalls: Vec<String> = Vec::new();
    for (line, next) in lines.iter().zip(&lines[1..]) {
        assert!(line.chars().count() <= 100 && !line.contains('\x1b'), "{line}");
        if line.starts_with("trace ") {
            waterfalls.push(next.split("  ").next().unwrap().to_owned());
        }
    }
    // The stranger sent no span of its own: that trace begins at the gateway.
    let unsampled = 8;
    let mut wanted: Vec<&str> = TITLES.to_vec();
    wanted.remove(unsampled);
    *wanted.last_mut().unwrap() = "GET /orders/{id}";
    assert_eq!(waterfalls, wanted);

    for row in [
        "service     spans  dropped  failed",
        "driver         20        0       0",
        "gateway        22        0       0",
        "orders         24        0       0",
        "inventory       9        0       0",
        "all            75        0       0",
        "12 requests: 11 traces, 1 unsampled. 1 malformed traceparent, ignored.",
    ] {
        assert!(lines.contains(&row), "{row} is missing in {out}");
    }
}

#[test]
fn explains_itself() {
    for option in ["--help", "-h"] {
        let (status, out, errors) = run(shop().arg(option));
        assert_eq!((status, &*errors), (0, ""));
        for word in ["Usage: shop", "--json", "parent_span_id", "OTEL_EXPORTER_OTLP_ENDPOINT"] {
            assert!(out.contains(word), "{word} is missing in {out}");
        }
    }
}

#[test]
fn refuses_arguments_that_it_does_not_know() {
    for arguments in [&["--jason"][..], &["--json", "twice"], &[""]] {
        let (status, out, errors) = run(shop().args(arguments));
        assert_eq!((status, &*out), (2, ""), "{arguments:?}");
        let unknown = format!("shop: unknown argument {:?}; see `shop --help`\n", arguments.last().unwrap());
        assert_eq!(errors, unknown);
    }
}

#[test]
fn exports_to_a_collector_as_well() {
    let collector = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", collector.local_addr().unwrap());
    let requests = thread::spawn(move || {
        // Each service exports once.
        let mut batches = Vec::new();
        while batches.len() < 4 {
            let mut stream = BufReader::new(collector.accept().unwrap().0);
            batches.push(receive(&mut stream));
            stream.get_mut().write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").unwrap();
        }
        batches
    });
    let (status, out, errors) = run(shop().env(ENDPOINT, endpoint));
    assert_eq!((status, &*errors), (0, ""), "{out}");
    assert!(out.contains("12 requests"), "{out}");
    let batches = requests.join().unwrap();
    for service in ["driver", "gateway", "orders", "inventory"] {
        let contains = |body: &[u8]| body.windows(service.len()).any(|window| window == service.as_bytes());
        assert!(batches.iter().any(|(line, body)| line == "POST /v1/traces HTTP/1.1\r\n" && contains(body)));
    }
}

#[test]
fn says_so_if_the_collector_is_not_there_and_draws_all_the_same() {
    // A port that only a superuser could open.
    let (status, out, errors) = run(shop().env(ENDPOINT, "http://127.0.0.1:1"));
    assert_eq!(status, 1, "{out}");
    let start = "shop: driver: an exporter failed on 20 spans: OTLP to 127.0.0.1:1 failed: ";
    assert!(errors.starts_with(start) && errors.contains("onnection refused"), "{errors}");
    assert_eq!(errors.lines().count(), 1, "{errors}");
    assert_eq!(out.lines().filter(|line| line.starts_with("trace ")).count(), 11, "{out}");
}

#[test]
fn refuses_an_endpoint_that_is_none() {
    let (status, out, errors) = run(shop().env(ENDPOINT, "collector"));
    assert_eq!((status, &*out), (1, ""));
    assert!(errors.starts_with("shop: ") && errors.contains(ENDPOINT), "{errors}");
}

fn shop() -> Command {
    let mut shop = Command::new(env!("CARGO_BIN_EXE_shop"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("OTEL_")) {
        shop.env_remove(name);
    }
    shop
}

fn run(shop: &mut Command) -> (i32, String, String) {
    let Output { status, stdout, stderr } = shop.output().unwrap();
    (status.code().unwrap(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

/// The first line and the body of a request.
fn receive(stream: &mut impl BufRead) -> (String, Vec<u8>) {
    let mut first = String::new();
    stream.read_line(&mut first).unwrap();
    let mut length = 0;
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).unwrap();
        match line.trim_end().to_ascii_lowercase().split_once(": ") {
            Some(("content-length", value)) => length = value.parse().unwrap(),
            Some(_) => {}
            None => break,
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).unwrap();
    (first, body)
}

const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";

const TITLES: [&str; 12] = [
    "plain",
    "streamed response",
    "fan-out",
    "not found",
    "server error",
    "retry",
    "hang-up",
    "panic",
    "unsampled",
    "baggage",
    "no server",
    "stranger",
];
