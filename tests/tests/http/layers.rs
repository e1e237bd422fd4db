//! The layers of tower-http together with ours, in the orders that matter: inside ours they are the application's, outside
//! they are whoever waits for it.

use std::time::Duration;

use axum::Router;
use axum::routing::get;
use http::{Method, StatusCode};
use http_body_util::BodyExt as _;
use throughline_core::{SpanEnd, Status};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::timeout::TimeoutLayer;
use tower_http::trace::TraceLayer;

use crate::rig::{Connection, HOUSES, House, Server, WIRES};

/// Nothing here depends on how long it is: the handler never answers.
const SHORT: Duration = Duration::from_millis(5);

/// More than what is too short to be compressed.
fn with_big(routes: Router) -> Router {
    routes.route("/big", get(|| async { "all work and no play ".repeat(100) }))
}

fn compressed(routes: Router) -> Router {
    routes.layer(CompressionLayer::new())
}

fn traced(routes: Router) -> Router {
    routes.layer(TraceLayer::new_for_http())
}

/// As services have them: what comes later is further out.
fn everything(routes: Router) -> Router {
    let timeout = TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, SHORT);
    compressed(traced(routes.layer(CatchPanicLayer::new()).layer(timeout)))
}

fn nothing(routes: Router) -> Router {
    routes
}

#[derive(Clone, Copy)]
struct Order {
    name: &'static str,
    inside: fn(Router) -> Router,
    outside: fn(Router) -> Router,
}

const ORDERS: [Order; 7] = [
    Order { name: "compression outside", inside: nothing, outside: compressed },
    Order { name: "compression inside", inside: compressed, outside: nothing },
    Order { name: "trace outside", inside: nothing, outside: traced },
    Order { name: "trace inside", inside: traced, outside: nothing },
    Order { name: "trace on both sides", inside: traced, outside: traced },
    Order { name: "everything outside", inside: nothing, outside: everything },
    Order { name: "everything inside", inside: everything, outside: nothing },
];

async fn start(house: House, order: Order) -> Server {
    Server::start_around(house, |routes| (order.inside)(with_big(routes)), order.outside).await
}

#[tokio::test]
async fn answers_are_completed_once_in_every_order() {
    for house in HOUSES {
        for order in ORDERS {
            let server = start(house, order).await;
            let mut requests = 0;
            for wire in WIRES {
                for (method, path, code) in [
                    (Method::GET, "/big", 200),
                    (Method::HEAD, "/big", 200),
                    (Method::GET, "/known", 200),
                    (Method::GET, "/streamed", 200),
                    (Method::GET, "/trailers", 200),
                    (Method::GET, "/declared", 200),
                    (Method::GET, "/no-content", 204),
                    (Method::GET, "/not-modified", 304),
                    (Method::GET, "/failed", 503),
                ] {
                    let why = format!("{house:?}, {}, {wire:?}, {method} {path}", order.name);
                    let mut connection = Connection::open(server.address, wire).await;
                    let (status, body) = connection.fetch(method, path).await.unwrap();
                    assert_eq!((status, body.is_ok()), (code, true), "{why}");
                    let span = server.one(&why).await;
                    requests += 1;
                    assert_eq!(span.end, SpanEnd::Completed, "{why}");
                    assert_eq!(span.status, if code >= 500 { Status::error() } else { Status::Unset }, "{why}");
                    assert_eq!(span.attribute("http.response.status_code"), Some(&i64::from(code).into()), "{why}");
                }
            }
            server.assert_idle(requests);
        }
    }
}

#[tokio::test]
async fn compression_is_seen_by_the_visitor_and_not_by_the_span() {
    for order in &ORDERS[..2] {
        let server = start(House::Axum, *order).await;
        for wire in WIRES {
            let why = format!("{}, {wire:?}", order.name);
            let mut connection = Connection::open(server.address, wire).await;
            let response = connection.send_with(Method::GET, "/big", &[("accept-encoding", "gzip")]).await.unwrap();
            assert_eq!(response.headers().get("content-encoding").unwrap(), "gzip", "{why}");
            let body = response.into_body().collect().await.unwrap().to_bytes();
            assert!(body.starts_with(&[0x1F, 0x8B]) && body.len() < 500, "{why}: {} bytes", body.len());
            let span = server.one(&why).await;
            assert_eq!((span.end, &span.status), (SpanEnd::Completed, &Status::Unset), "{why}");
        }
        server.assert_idle(2);
    }
}

#[tokio::test]
async fn visitors_who_leave_in_the_body_are_seen_through_every_layer() {
    for order in ORDERS {
        let server = start(House::Axum, order).await;
        for wire in WIRES {
            let why = format!("{}, {wire:?}", order.name);
            let mut connection = Connection::open(server.address, wire).await;
            let mut response = connection.send(Method::GET, "/fed/1").await.unwrap();
            assert!(response.frame().await.unwrap().is_ok(), "{why}");
            drop((response, connection));
            let span = server.one(&why).await;
            assert_eq!((span.end, &span.status), (SpanEnd::Cancelled, &Status::error()), "{why}");
            assert_eq!(span.attribute("throughline.phase"), Some(&"body".into()), "{why}");
        }
        server.assert_idle(2);
    }
}

#[tokio::test]
async fn a_body_that_fails_is_seen_through_every_layer() {
    for order in ORDERS {
        let server = start(House::Axum, order).await;
        for wire in WIRES {
            let why = format!("{}, {wire:?}", order.name);
            let mut connection = Connection::open(server.address, wire).await;
            assert!(connection.fetch(Method::GET, "/broken").await.unwrap().1.is_err(), "{why}");
            let span = server.one(&why).await;
            assert_eq!((span.end, &span.status), (SpanEnd::Failed, &Status::error()), "{why}");
            assert!(span.attribute("error.type").is_some(), "{why}");
        }
        server.assert_idle(2);
    }
}

#[tokio::test]
async fn panics_and_timeouts_are_answers_inside_and_not_outside() {
    for (order, panic, never) in [
        (ORDERS[5], (SpanEnd::Panicked, "panic"), (SpanEnd::Cancelled, "cancelled")),
        (ORDERS[6], (SpanEnd::Completed, "500"), (SpanEnd::Completed, "504")),
    ] {
        let server = start(House::Axum, order).await;
        for wire in WIRES {
            for (path, code, (end, error)) in [("/panic", 500, panic), ("/never/1", 504, never)] {
                let why = format!("{}, {wire:?}, {path}", order.name);
                let mut connection = Connection::open(server.address, wire).await;
                let (status, body) = connection.fetch(Method::GET, path).await.unwrap();
                assert_eq!((status, body.is_ok()), (code, true), "{why}: the visitor sees no difference");
                let span = server.one(&why).await;
                assert_eq!((span.end, &span.status), (end, &Status::error()), "{why}");
                assert_eq!(span.attribute("error.type"), Some(&error.into()), "{why}");
            }
        }
        server.assert_idle(4);
    }
}
