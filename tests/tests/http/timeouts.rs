//! Timeouts of tower and tower-http, outside our layer and inside it.

use std::time::Duration;

use axum::Router;
use axum::error_handling::HandleErrorLayer;
use http::{Method, StatusCode};
use throughline_core::{SpanEnd, Status};
use tower::ServiceBuilder;
use tower_http::timeout::TimeoutLayer;

use crate::rig::{Connection, HOUSES, House, Server, WIRES};

/// Nothing here depends on how long it is: the handler never answers.
const SHORT: Duration = Duration::from_millis(5);

fn answering_504(routes: Router) -> Router {
    routes.layer(TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, SHORT))
}

fn tower_timeout(routes: Router) -> Router {
    let gone = HandleErrorLayer::new(|_: tower::BoxError| async { StatusCode::GATEWAY_TIMEOUT });
    routes.layer(ServiceBuilder::new().layer(gone).timeout(SHORT))
}

#[tokio::test]
async fn outside_cancel_the_request() {
    for house in [House::Axum, House::AxumWithTower] {
        for layer in [answering_504, tower_timeout] {
            let server = Server::start_around(house, |routes| routes, layer).await;
            for wire in WIRES {
                let why = format!("{house:?}, {wire:?}");
                let mut connection = Connection::open(server.address, wire).await;
                assert_eq!(connection.fetch(Method::GET, "/never/1").await.unwrap().0, 504, "{why}");
                let span = server.one(&why).await;
                assert_eq!((span.end, &span.status), (SpanEnd::Cancelled, &Status::error()), "{why}");
                assert_eq!(span.attribute("error.type"), Some(&"cancelled".into()), "{why}");
                assert_eq!(span.attribute("throughline.phase"), Some(&"head".into()), "{why}");
                assert_eq!(span.attribute("http.response.status_code"), None, "{why}: it is not our answer");
            }
            server.assert_idle(2);
        }
    }
}

#[tokio::test]
async fn inside_are_answers() {
    for house in HOUSES {
        for layer in [answering_504, tower_timeout] {
            let server = Server::start_around(house, layer, |app| app).await;
            for wire in WIRES {
                let why = format!("{house:?}, {wire:?}");
                let mut connection = Connection::open(server.address, wire).await;
                assert_eq!(connection.fetch(Method::GET, "/never/1").await.unwrap().0, 504, "{why}");
                let span = server.one(&why).await;
                assert_eq!((span.end, &span.status), (SpanEnd::Completed, &Status::error()), "{why}");
                assert_eq!(span.attribute("error.type"), Some(&"504".into()), "{why}");
            }
            server.assert_idle(2);
        }
    }
}
