//! Handlers that panic, below servers and below layers that catch panics.

use axum::Router;
use http::Method;
use throughline_core::{SpanData, SpanEnd, Status};
use tower_http::catch_panic::CatchPanicLayer;

use crate::rig::{Connection, HOUSES, House, Server, WIRES};

#[track_caller]
fn assert_panicked(span: &SpanData, phase: &str, why: &str) {
    assert_eq!((span.end, &span.status), (SpanEnd::Panicked, &Status::error()), "{why}");
    assert_eq!(span.attribute("error.type"), Some(&"panic".into()), "{why}");
    assert_eq!(span.attribute("throughline.outcome"), Some(&"panicked".into()), "{why}");
    assert_eq!(span.attribute("throughline.phase"), Some(&phase.into()), "{why}");
}

fn catching(routes: Router) -> Router {
    routes.layer(CatchPanicLayer::new())
}

#[tokio::test]
async fn in_the_handler_take_the_connection_or_the_stream_along() {
    for house in HOUSES {
        let server = Server::start(house).await;
        for wire in WIRES {
            let why = format!("{house:?}, {wire:?}");
            let mut connection = Connection::open(server.address, wire).await;
            assert!(connection.fetch(Method::GET, "/panic").await.is_err(), "{why}: the client notices");
            assert_panicked(&server.one(&why).await, "head", &why);
        }
        server.assert_idle(2);
    }
}

#[tokio::test]
async fn in_the_body() {
    for house in HOUSES {
        let server = Server::start(house).await;
        for wire in WIRES {
            let why = format!("{house:?}, {wire:?}");
            let mut connection = Connection::open(server.address, wire).await;
            let fetched = connection.fetch(Method::GET, "/panic-body").await;
            assert!(fetched.and_then(|(_, body)| body).is_err(), "{why}: the client notices");
            assert_panicked(&server.one(&why).await, "body", &why);
        }
        server.assert_idle(2);
    }
}

#[tokio::test]
async fn caught_outside_are_seen_as_panics() {
    for house in [House::Axum, House::AxumWithTower] {
        let server = Server::start_around(house, |routes| routes, catching).await;
        for wire in WIRES {
            let why = format!("{house:?}, {wire:?}");
            let mut connection = Connection::open(server.address, wire).await;
            let (status, body) = connection.fetch(Method::GET, "/panic").await.unwrap();
            assert!(status == 500 && body.is_ok(), "{why}: the layer answers");
            let span = server.one(&why).await;
            assert_panicked(&span, "head", &why);
            assert_eq!(span.attribute("http.response.status_code"), None, "{why}: it is not our answer");
            connection.fetch(Method::GET, "/known").await.unwrap().1.unwrap();
            assert_eq!(server.one(&why).await.end, SpanEnd::Completed, "{why}: the connection goes on");
        }
        server.assert_idle(4);
    }
}

#[tokio::test]
async fn caught_inside_are_answers() {
    for house in HOUSES {
        let server = Server::start_around(house, catching, |app| app).await;
        for wire in WIRES {
            let why = format!("{house:?}, {wire:?}");
            let mut connection = Connection::open(server.address, wire).await;
            assert_eq!(connection.fetch(Method::GET, "/panic").await.unwrap().0, 500, "{why}");
            let span = server.one(&why).await;
            assert_eq!((span.end, &span.status), (SpanEnd::Completed, &Status::error()), "{why}");
            assert_eq!(span.attribute("error.type"), Some(&"500".into()), "{why}");
            assert_eq!(span.attribute("throughline.outcome"), None, "{why}");
        }
        server.assert_idle(2);
    }
}
