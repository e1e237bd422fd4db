//! Metrics of requests, from the layers to the meter or the collector.

use std::convert::Infallible;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, Response};
use throughline::testing::MemoryMeter;
use throughline::tower::HttpMetrics;
use throughline::{AlwaysOff, Telemetry, TelemetryBuilder};
use tower::{Service, ServiceExt, service_fn};

const ACTIVE: &str = "http.server.active_requests";
const DURATION: &str = "http.server.request.duration";

fn get(path: &str) -> Request<Body> {
    Request::get(path).body(Body::empty()).unwrap()
}

async fn answer(request: Request<Body>) -> Result<Response<Body>, Infallible> {
    match request.uri().path() {
        "/panic" => panic!("scripted panic"),
        "/never" => std::future::pending().await,
        _ => Ok(Response::new(Body::from("all is well"))),
    }
}

fn poll_once<F: Future>(future: F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

#[tokio::test]
async fn a_meter_sees_every_request_and_none_stays_active() {
    let meter = MemoryMeter::new();
    let builder = Telemetry::builder().sampler(AlwaysOff).meter(meter.clone());
    let (telemetry, spans) = builder.http_metrics(HttpMetrics::builder().body_sizes()).test();
    let mut service = telemetry.http_server().layer(service_fn(answer));
    for _ in 0..3 {
        let response = service.ready().await.unwrap().call(get("/")).await.unwrap();
        assert_eq!(meter.sum(ACTIVE), 1.0, "as long as its body");
        axum::body::to_bytes(Body::new(response.into_body()), 100).await.unwrap();
        drop(service.call(get("/")).await.unwrap());
        assert!(poll_once(service.call(get("/never"))).is_pending());
        let timed_out = tokio::time::timeout(Duration::from_millis(1), service.call(get("/never"))).await;
        assert!(timed_out.is_err());
        let panicking = telemetry.http_server().layer(service_fn(answer));
        tokio::spawn(panicking.oneshot(get("/panic"))).await.unwrap_err();
    }
    assert_eq!(meter.sum(ACTIVE), 0.0);
    assert_eq!(meter.count(DURATION), 15);
    let types: Vec<_> =
        meter.series(DURATION).iter().map(|s| (s.attribute("error.type").cloned(), s.values.len())).collect();
    assert_eq!(types.iter().map(|(_, count)| count).sum::<usize>(), 15, "{types:?}");
    assert!(meter.instruments().iter().any(|instrument| instrument.name == "http.server.request.body.size"));
    assert!(spans.is_empty(), "nothing is sampled");
}

#[test]
fn without_a_meter_nothing_is_measured() {
    let meter = MemoryMeter::new();
    let given = |variables: &[(&str, &str)]| {
        let lookup =
            |name: &str| variables.iter().find_map(|(known, value)| (*known == name).then(|| (*value).to_owned()));
        Telemetry::builder().meter(meter.clone()).env_from(lookup).unwrap()
    };
    let measured = |builder: TelemetryBuilder| {
        meter.clear();
        let telemetry = builder.build().unwrap();
        let _ = poll_once(telemetry.http_server().layer(service_fn(answer)).call(get("/")));
        telemetry.shutdown(Duration::from_secs(60)).wait().unwrap();
        meter.count(DURATION)
    };
    assert_eq!(measured(given(&[("OTEL_TRACES_EXPORTER", "none")])), 1, "the program's meter stays");
    assert_eq!(measured(given(&[("OTEL_TRACES_EXPORTER", "none"), ("OTEL_METRICS_EXPORTER", "none")])), 0);
    assert_eq!(measured(given(&[("OTEL_SDK_DISABLED", "true")])), 0);
    assert_eq!(measured(Telemetry::builder()), 0);
}

#[cfg(feature = "otlp")]
mod otlp {
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    /// Answers so many requests, and gives their paths.
    fn collector(requests: usize) -> (String, thread::JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let served = thread::spawn(move || {
            let serve = |_| {
                let (mut peer, _) = listener.accept().unwrap();
                let (mut head, mut byte) = (Vec::new(), [0]);
                while !head.ends_with(b"\r\n\r\n") {
                    peer.read_exact(&mut byte).unwrap();
                    head.push(byte[0]);
                }
                let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
                let length = head.split_once("content-length: ").unwrap().1.lines().next().unwrap().parse().unwrap();
                peer.read_exact(&mut vec![0; length]).unwrap();
                peer.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").unwrap();
                head.split(' ').nth(1).unwrap().to_owned()
            };
            let mut paths: Vec<_> = (0..requests).map(serve).collect();
            paths.sort_unstable();
            paths
        });
        (endpoint, served)
    }

    #[tokio::test(flavor = "current_thread")]
    async fn variables_set_up_spans_and_metrics() {
        let (endpoint, served) = collector(2);
        let lookup = |name: &str| (name == "OTEL_EXPORTER_OTLP_ENDPOINT").then(|| endpoint.clone());
        let telemetry = Telemetry::builder().service_name("orders").env_from(lookup).unwrap().build().unwrap();
        drop(telemetry.http_server().layer(service_fn(answer)).call(get("/")).await.unwrap());
        telemetry.shutdown(Duration::from_secs(60)).await.unwrap();
        assert_eq!(served.join().unwrap(), ["/v1/metrics", "/v1/traces"]);
        let stats = telemetry.stats();
        assert_eq!((stats.pipeline.exported, stats.metrics.exported, stats.metrics.failed), (1, 1, 0));
        assert!(telemetry.metrics().is_some());
    }

    #[test]
    fn a_flush_says_what_failed_of_either() {
        // A port that only a superuser could open.
        let lookup = |name: &str| match name {
            "OTEL_TRACES_EXPORTER" => Some("none".to_owned()),
            "OTEL_METRICS_EXPORTER" => Some("otlp".to_owned()),
            "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT" => Some("http://127.0.0.1:1/".to_owned()),
            "OTEL_EXPORTER_OTLP_TIMEOUT" => Some("1000".to_owned()),
            _ => None,
        };
        let telemetry = Telemetry::builder().env_from(lookup).unwrap().build().unwrap();
        let _ = poll_once(telemetry.http_server().layer(service_fn(answer)).call(get("/")));
        telemetry.flush(Duration::from_secs(60)).wait().unwrap_err();
        telemetry.shutdown(Duration::from_secs(60)).wait().unwrap_err();
        assert_eq!(telemetry.stats().metrics.failed, 2);
    }

    #[test]
    fn a_file_for_metrics_that_cannot_be_read_is_named_with_its_variable() {
        let lookup = |name: &str| match name {
            "OTEL_TRACES_EXPORTER" => Some("none".to_owned()),
            "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT" => Some("https://localhost:4318".to_owned()),
            "OTEL_EXPORTER_OTLP_METRICS_CERTIFICATE" => Some("/nowhere/ca.pem".to_owned()),
            _ => None,
        };
        let error = Telemetry::builder().env_from(lookup).unwrap().build().unwrap_err();
        assert_eq!(error.variable_name(), Some("OTEL_EXPORTER_OTLP_METRICS_CERTIFICATE"));
    }
}
