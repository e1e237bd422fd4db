//! How a request ended is told apart, in the span and in the metrics, and the gauge is back at 0.

use axum::Router;
use http::Method;
use http_body_util::BodyExt as _;
use throughline_axum::HttpServerLayer;
use throughline_core::Tracer;
use throughline_testing::{MemoryMeter, MemorySink};
use throughline_tower::{ActiveRequests, HttpMetrics};
use tower_http::timeout::TimeoutLayer;

use crate::rig::{Connection, WIRES, serve};
use crate::routes::{Arrivals, LONG, routes};

const DURATION: &str = "http.server.request.duration";
const ACTIVE: &str = "http.server.active_requests";

/// What a visitor does; the error that is expected of it.
#[derive(Clone, Copy, Debug)]
enum Visit {
    Reads(&'static str),
    LeavesBeforeTheHead,
    LeavesInTheBody,
}

const VISITS: [(Visit, Option<&str>); 8] = [
    (Visit::Reads("/known"), None),
    (Visit::Reads("/refused"), None),
    (Visit::Reads("/failed"), Some("503")),
    (Visit::Reads("/panic"), Some("panic")),
    (Visit::Reads("/panic-body"), Some("panic")),
    (Visit::Reads("/broken"), Some("connection_reset")),
    (Visit::LeavesBeforeTheHead, Some("cancelled")),
    (Visit::LeavesInTheBody, Some("cancelled")),
];

async fn visit(connection: &mut Connection, visit: Visit, arrivals: &Arrivals) {
    match visit {
        Visit::Reads(path) => drop(connection.fetch(Method::GET, path).await),
        Visit::LeavesBeforeTheHead => {
            let arrived = arrivals.expect(1);
            tokio::select! {
                response = connection.send(Method::GET, "/never/1") => panic!("{response:?}"),
                () = arrived => {}
            }
        }
        Visit::LeavesInTheBody => {
            let mut response = connection.send(Method::GET, "/fed/1").await.unwrap();
            assert!(response.frame().await.unwrap().is_ok());
        }
    }
}

#[tokio::test]
async fn cancellations_panics_and_failures_are_told_apart_and_nothing_stays_active() {
    let (meter, active, spans, arrivals) =
        (MemoryMeter::new(), ActiveRequests::new(), MemorySink::new(), Arrivals::new());
    let tracer =
        Tracer::builder().sink(spans.clone()).listener(HttpMetrics::new(&meter)).listener(active.clone()).build();
    let address = serve(routes(&arrivals).layer(HttpServerLayer::new(&tracer))).await;
    for wire in WIRES {
        for (what, error) in VISITS {
            let mut connection = Connection::open(address, wire).await;
            visit(&mut connection, what, &arrivals).await;
            drop(connection);
            let span = spans.wait_for(1, LONG).await.unwrap().remove(0);
            let why = format!("{wire:?}, {what:?}");
            assert_eq!(span.attribute("error.type").map(ToString::to_string).as_deref(), error, "{why}");
            // The metric says the same, of one request.
            let durations = meter.series(DURATION);
            assert_eq!((durations.len(), durations[0].values.len()), (1, 1), "{why}");
            let named = durations[0].attribute("error.type").map(ToString::to_string);
            assert_eq!(named.as_deref(), error, "{why}");
            assert_eq!(durations[0].values[0], span.duration.as_secs_f64(), "{why}: it is the span's own duration");
            assert_eq!((meter.sum(ACTIVE), active.server()), (0.0, 0), "{why}");
            for series in meter.series(ACTIVE) {
                assert_eq!(series.values, [1.0, -1.0], "{why}: both with the same attributes");
            }
            spans.clear();
            meter.clear();
        }
    }
}

/// A timeout around the layer is a visitor who goes; one inside it is an answer.
#[tokio::test]
async fn timeouts_are_told_apart_by_where_they_are() {
    let short =
        || TimeoutLayer::with_status_code(http::StatusCode::GATEWAY_TIMEOUT, std::time::Duration::from_millis(5));
    for (inside, error) in [(true, "504"), (false, "cancelled")] {
        let (meter, arrivals) = (MemoryMeter::new(), Arrivals::new());
        let tracer = Tracer::builder().listener(HttpMetrics::new(&meter)).build();
        let layer = HttpServerLayer::new(&tracer);
        let app: Router = match inside {
            true => routes(&arrivals).layer(short()).layer(layer),
            false => routes(&arrivals).layer(layer).layer(short()),
        };
        let address = serve(app).await;
        for wire in WIRES {
            let mut connection = Connection::open(address, wire).await;
            assert_eq!(connection.fetch(Method::GET, "/never/1").await.unwrap().0, 504);
        }
        assert_eq!((meter.count(DURATION), meter.sum(ACTIVE)), (2, 0.0));
        for series in meter.series(DURATION) {
            assert_eq!(series.attribute("error.type"), Some(&error.into()), "inside: {inside}");
        }
    }
}
