//! HTTP metrics: which series, and that every request is in them once.

use std::convert::Infallible;

use http::{Method, Request, Response};
use throughline_core::metrics::DURATION_BUCKETS;
use throughline_core::{AlwaysOff, AlwaysOn, Context, SpanEnd, Tracer};
use throughline_testing::{Answer, BodyError, EndStream, MemoryMeter, ScriptedBody, tracer_with};
use throughline_tower::{ActiveRequests, EndAt, HttpClientLayer, HttpMetrics, HttpServerLayer};
use tower::{Service, service_fn};

use crate::rig::{Scripted, drain, exchange, frame, get, panics, ready, request, status};

const SERVER: &str = "http.server.request.duration";
const SERVER_ACTIVE: &str = "http.server.active_requests";
const CLIENT: &str = "http.client.request.duration";
const CLIENT_ACTIVE: &str = "http.client.active_requests";

fn measured(make: impl FnOnce(&MemoryMeter) -> HttpMetrics) -> (Tracer, MemoryMeter) {
    let meter = MemoryMeter::new();
    let (tracer, _) = tracer_with(|tracer| tracer.sampler(AlwaysOff).listener(make(&meter)));
    (tracer, meter)
}

#[track_caller]
fn labels(meter: &MemoryMeter, instrument: &str) -> String {
    let series = meter.series(instrument);
    assert_eq!(series.len(), 1, "{instrument}: {series:?}");
    series[0].labels()
}

#[test]
fn a_servers_series() {
    let answer = |code: u16| status(code).body(ScriptedBody::new()).unwrap();
    let get = |uri: &str| request(Method::GET, uri, [("host", b"shop.example:8443")]);
    let patch = || request(Method::from_bytes(b"BREW").unwrap(), "/pot", [("host", b"shop.example")]);
    for (request, answer, route, active, duration) in [
        (
            get("/users/7?q=1"),
            answer(200),
            Some("/users/{id}"),
            "{http.request.method=GET, url.scheme=http}",
            "{http.request.method=GET, http.response.status_code=200, http.route=/users/{id}, \
             network.protocol.version=1.1, url.scheme=http}",
        ),
        (
            get("/nowhere"),
            answer(404),
            None,
            "{http.request.method=GET, url.scheme=http}",
            "{http.request.method=GET, http.response.status_code=404, network.protocol.version=1.1, url.scheme=http}",
        ),
        (
            patch(),
            answer(503),
            None,
            "{http.request.method=_OTHER, url.scheme=http}",
            "{error.type=503, http.request.method=_OTHER, http.response.status_code=503, \
             network.protocol.version=1.1, url.scheme=http}",
        ),
    ] {
        let (tracer, meter) = measured(|meter| HttpMetrics::new(meter));
        let layer = HttpServerLayer::new(&tracer);
        let layer = match route {
            Some(_) => layer.route(|_| Some("/users/{id}")),
            None => layer,
        };
        drop(exchange(&layer, request, answer));
        assert_eq!(labels(&meter, SERVER_ACTIVE), active);
        assert_eq!(labels(&meter, SERVER), duration);
        assert_eq!((meter.count(SERVER), meter.sum(SERVER_ACTIVE)), (1, 0.0));
        assert!(meter.series(CLIENT).is_empty() && meter.series(CLIENT_ACTIVE).is_empty());
    }
}

#[test]
fn a_servers_address_is_told_apart_only_if_asked_for() {
    let (tracer, meter) = measured(|meter| HttpMetrics::builder().server_address().build(meter));
    let request = request(Method::GET, "/", [("host", b"shop.example:8443")]);
    drop(exchange(&HttpServerLayer::new(&tracer), request, Response::new(ScriptedBody::new())));
    for instrument in [SERVER, SERVER_ACTIVE] {
        let labels = labels(&meter, instrument);
        assert!(labels.contains("server.address=shop.example, server.port=8443"), "{labels}");
    }
}

#[test]
fn a_clients_series() {
    let answer = |code: u16| status(code).body(ScriptedBody::new()).unwrap();
    let active = "{http.request.method=GET, server.address=inventory, server.port=80}";
    let (tracer, meter) = measured(|meter| HttpMetrics::new(meter));
    let layer = HttpClientLayer::new(&tracer);
    drop(exchange(&layer, get("http://inventory/stock/7"), answer(200)));
    assert_eq!(labels(&meter, CLIENT_ACTIVE), active);
    assert_eq!(
        labels(&meter, CLIENT),
        "{http.request.method=GET, http.response.status_code=200, network.protocol.version=1.1, \
         server.address=inventory, server.port=80}"
    );
    meter.clear();
    drop(exchange(&layer, get("https://inventory/"), answer(404)));
    assert_eq!(
        labels(&meter, CLIENT),
        "{error.type=404, http.request.method=GET, http.response.status_code=404, network.protocol.version=1.1, \
         server.address=inventory, server.port=443}"
    );
    meter.clear();
    assert!(ready(layer.layer(Scripted::<ScriptedBody>::new().fail(BodyError("x"))).call(get("http://a/"))).is_err());
    let labels = labels(&meter, CLIENT);
    assert!(labels.starts_with("{error.type=") && !labels.contains("status_code"), "{labels}");
    assert!(meter.series(SERVER).is_empty() && meter.series(SERVER_ACTIVE).is_empty());
}

#[test]
fn a_template_is_there_when_the_span_has_one() {
    let (tracer, meter) = measured(|meter| HttpMetrics::new(meter));
    let layer = HttpClientLayer::new(&tracer).url_templates(["/stock/{id}"]).unwrap();
    drop(exchange(&layer, get("http://inventory/stock/7"), Response::new(ScriptedBody::new())));
    for instrument in [CLIENT, CLIENT_ACTIVE] {
        assert!(labels(&meter, instrument).ends_with("url.template=/stock/{id}}"), "{instrument}");
    }
}

#[test]
fn the_instruments_are_those_of_the_conventions() {
    let (_, meter) = measured(|meter| HttpMetrics::builder().body_sizes().build(meter));
    let mut found: Vec<_> = meter.instruments().iter().map(|i| (i.name, i.unit, i.buckets.len())).collect();
    found.sort_unstable();
    assert_eq!(
        found,
        [
            ("http.client.active_requests", "{request}", 0),
            ("http.client.request.body.size", "By", 0),
            ("http.client.request.duration", "s", 14),
            ("http.client.response.body.size", "By", 0),
            ("http.server.active_requests", "{request}", 0),
            ("http.server.request.body.size", "By", 0),
            ("http.server.request.duration", "s", 14),
            ("http.server.response.body.size", "By", 0),
        ]
    );
    assert!(meter.instruments().iter().all(|i| i.scope.name == "throughline-tower" && !i.scope.version.is_empty()));
    let buckets = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];
    assert_eq!(DURATION_BUCKETS, buckets);
}

/// Every way in which a request can end, on both sides.
#[test]
fn every_request_is_measured_once_and_none_stays_active() {
    let endless = || ScriptedBody::new().data("abc").data("de").end_stream(EndStream::Never);
    for sampled in [true, false] {
        let (meter, counted) = (MemoryMeter::new(), ActiveRequests::new());
        let (tracer, spans) = tracer_with(|tracer| {
            let tracer = tracer.listener(HttpMetrics::new(&meter)).listener(counted.clone());
            if sampled { tracer.sampler(AlwaysOn) } else { tracer.sampler(AlwaysOff) }
        });
        let server = HttpServerLayer::new(&tracer);
        let client = HttpClientLayer::new(&tracer).end_at(EndAt::Body);
        let scripted = || Scripted::<ScriptedBody>::new();
        let url = || get("http://inventory/");
        let mut wanted = [("", 0), ("cancelled", 0), ("panic", 0), ("503", 0), ("other", 0)];
        let mut requests = 0;
        for _ in 0..5 {
            // Completed.
            drain(exchange(&server, get("/"), Response::new(endless())).body_mut()).unwrap();
            drop(exchange(&server, request(Method::HEAD, "/", []), Response::new(endless())));
            wanted[0].1 += 2;
            // Cancelled: the body, the future before its answer, the future that was never polled.
            let mut read = exchange(&server, get("/"), Response::new(endless()));
            drop(frame(read.body_mut()));
            assert_eq!((meter.sum(SERVER_ACTIVE), counted.server()), (1.0, 1), "it goes on as long as its body");
            drop(read);
            drop(server.layer(scripted().answer(Answer::never())).call(get("/")));
            let mut waiting = tokio_test::task::spawn(server.layer(scripted().answer(Answer::never())).call(get("/")));
            assert!(waiting.poll().is_pending());
            drop(waiting);
            wanted[1].1 += 3;
            // Panicked: in the call, in the future, in the body.
            panics(|| server.layer(scripted().answer(Answer::panic_in_call())).call(get("/")));
            panics(|| ready(server.layer(scripted().answer(Answer::panic())).call(get("/"))));
            let mut panicking = exchange(&server, get("/"), Response::new(ScriptedBody::new().panic()));
            panics(|| frame(panicking.body_mut()));
            drop(panicking);
            wanted[2].1 += 3;
            // Failed: by status, by the service's error, by the body's.
            drop(exchange(&server, get("/"), status(503).body(ScriptedBody::new()).unwrap()));
            wanted[3].1 += 1;
            assert!(ready(server.layer(scripted().fail(BodyError("x"))).call(get("/"))).is_err());
            let broken = Response::new(ScriptedBody::new().error(BodyError("x")));
            assert!(drain(exchange(&server, get("/"), broken).body_mut()).is_err());
            wanted[4].1 += 2;
            requests += 11;
            // The client: read to its end, dropped in the body, dropped in the call, panicked, failed.
            drain(exchange(&client, url(), Response::new(endless())).body_mut()).unwrap();
            drop(exchange(&client, url(), Response::new(endless())));
            assert_eq!(meter.sum(CLIENT_ACTIVE), 0.0);
            drop(client.layer(scripted().answer(Answer::never())).call(url()));
            panics(|| client.layer(scripted().answer(Answer::panic_in_call())).call(url()));
            assert!(ready(client.layer(scripted().fail(BodyError("x"))).call(url())).is_err());
        }
        assert_eq!((meter.sum(SERVER_ACTIVE), meter.sum(CLIENT_ACTIVE)), (0.0, 0.0));
        assert_eq!((counted.server(), counted.client()), (0, 0));
        assert_eq!((meter.count(SERVER), meter.count(SERVER_ACTIVE)), (requests, 2 * requests));
        assert_eq!((meter.count(CLIENT), meter.count(CLIENT_ACTIVE)), (25, 50));
        assert_eq!(spans.len(), if sampled { requests + 25 } else { 0 });
        for (error_type, count) in wanted {
            let of = |series: &throughline_testing::Series| match series.attribute("error.type") {
                None => error_type.is_empty(),
                Some(found) => match found.as_str() {
                    Some("cancelled" | "panic" | "503") => found.as_str() == Some(error_type),
                    _ => error_type == "other",
                },
            };
            let series = meter.series(SERVER);
            let found: usize = series.iter().filter(|series| of(series)).map(|series| series.values.len()).sum();
            assert_eq!(found, count, "{error_type:?}: {series:?}");
        }
        let spans_told: Vec<_> = meter.series(SERVER).into_iter().flat_map(|series| series.spans).collect();
        assert!(spans_told.iter().all(|span| span.is_sampled() == sampled), "for exemplars");
        assert_eq!((tracer.stats().hook_panics, tracer.stats().abandoned), (0, 0));
    }
}

/// Else the gauge of one series would stay up for ever, and that of another below zero.
#[test]
fn what_the_application_writes_over_does_not_move_the_gauge() {
    let (tracer, meter) = measured(|meter| HttpMetrics::new(meter));
    let handler = service_fn(|_: Request<()>| async {
        let span = Context::current().span();
        span.set("http.request.method", "GET (cached)");
        span.set("url.scheme", "https");
        span.set("http.route", "/late");
        Ok::<_, Infallible>(Response::new(ScriptedBody::new()))
    });
    drop(ready(HttpServerLayer::new(&tracer).layer(handler).call(get("/"))).unwrap());
    assert_eq!(labels(&meter, SERVER_ACTIVE), "{http.request.method=GET, url.scheme=http}");
    assert_eq!((meter.count(SERVER_ACTIVE), meter.sum(SERVER_ACTIVE)), (2, 0.0));
    let duration = labels(&meter, SERVER);
    assert!(duration.contains("http.request.method=GET (cached), ") && duration.contains("/late"), "{duration}");
}

#[test]
fn sizes_are_those_that_the_span_has() {
    let handler = || {
        service_fn(|request: Request<()>| async move {
            let span = Context::current().span();
            if request.uri().path() == "/sized" {
                span.set("http.request.body.size", 12);
                span.set("http.response.body.size", 3400);
            }
            Ok::<_, Infallible>(Response::new(ScriptedBody::new()))
        })
    };
    for (asked, path, request, response) in
        [(true, "/sized", vec![12.0], vec![3400.0]), (true, "/", vec![], vec![]), (false, "/sized", vec![], vec![])]
    {
        let builder = if asked { HttpMetrics::builder().body_sizes() } else { HttpMetrics::builder() };
        let (tracer, meter) = measured(|meter| builder.build(meter));
        drop(ready(HttpServerLayer::new(&tracer).layer(handler()).call(get(path))).unwrap());
        let values = |name| meter.series(name).into_iter().flat_map(|series| series.values).collect::<Vec<_>>();
        assert_eq!(values("http.server.request.body.size"), request, "{path}");
        assert_eq!(values("http.server.response.body.size"), response, "{path}");
        assert!(!labels(&meter, SERVER).contains("size"), "a size tells no series apart");
        if let [sizes] = &meter.series("http.server.request.body.size")[..] {
            assert_eq!(sizes.labels(), labels(&meter, SERVER));
        }
    }
}

#[test]
fn what_is_not_http_is_not_measured() {
    let (meter, counted) = (MemoryMeter::new(), ActiveRequests::new());
    let (tracer, _) = tracer_with(|tracer| tracer.listener(HttpMetrics::new(&meter)).listener(counted.clone()));
    let span = tracer.span("rebuild index").start_with(|span| span.push("http.request.method", "GET"));
    assert_eq!((counted.server(), counted.client()), (0, 0));
    span.end(SpanEnd::Completed);
    assert!([SERVER, CLIENT, SERVER_ACTIVE, CLIENT_ACTIVE].iter().all(|name| meter.series(name).is_empty()));
}

/// A request that has no span is not measured either.
#[test]
fn what_is_skipped_or_suppressed_is_not_measured() {
    let (tracer, meter) = measured(|meter| HttpMetrics::new(meter));
    let layer = HttpServerLayer::new(&tracer).skip(|request| request.path() == "/healthz");
    drop(exchange(&layer, get("/healthz"), Response::new(ScriptedBody::new())));
    let client = HttpClientLayer::new(&tracer);
    let inner = client.layer(Scripted::new().respond(Response::new(ScriptedBody::new())));
    drop(ready(client.layer(inner).call(get("http://inventory/"))).unwrap());
    assert_eq!((meter.count(SERVER), meter.count(CLIENT)), (0, 1), "of two clients, one within the other");
}
