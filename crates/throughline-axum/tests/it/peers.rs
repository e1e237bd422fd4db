//! Peers, from axum's `ConnectInfo`.

use std::net::SocketAddr;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::extract::connect_info::MockConnectInfo;
use axum::routing::get as on_get;
use throughline_axum::HttpServerLayer;
use throughline_testing::tracer;

use crate::{answer, get, one, text};

#[tokio::test]
async fn are_those_of_connect_info() {
    let (tracer, spans) = tracer();
    let app = Router::new().route("/", on_get(async || {})).layer(HttpServerLayer::new(&tracer));
    for (peer, address) in [
        ("192.0.2.1:4711", "192.0.2.1"),
        ("[2001:db8::17]:4711", "2001:db8::17"),
        ("[::ffff:192.0.2.1]:4711", "192.0.2.1"),
    ] {
        let mut request = get("/");
        request.extensions_mut().insert(ConnectInfo::<SocketAddr>(peer.parse().unwrap()));
        request.headers_mut().insert("x-forwarded-for", "198.51.100.9".parse().unwrap());
        answer(&app, request).await;
        let span = one(&spans);
        assert_eq!(text(&span, "network.peer.address").as_deref(), Some(address), "{peer}");
        assert_eq!(text(&span, "client.address").as_deref(), Some(address), "{peer}");
        assert_eq!(text(&span, "network.peer.port").as_deref(), Some("4711"), "{peer}");
    }
}

#[tokio::test]
async fn of_another_type_or_absent_are_nobody() {
    let (tracer, spans) = tracer();
    let app = Router::new().route("/", on_get(async || {})).layer(HttpServerLayer::new(&tracer));
    for app in [app.clone(), app.clone().layer(MockConnectInfo(7_u8))] {
        let mut request = get("/");
        request.extensions_mut().insert(ConnectInfo("a unix socket"));
        answer(&app, request).await;
        let span = one(&spans);
        for absent in ["network.peer.address", "network.peer.port", "client.address"] {
            assert_eq!(text(&span, absent), None);
        }
    }
}

#[tokio::test]
async fn may_come_from_another_source() {
    let (tracer, spans) = tracer();
    let layer = HttpServerLayer::new(&tracer).peer(|_| "192.0.2.9:1".parse().ok());
    let app = Router::new().route("/", on_get(async || {})).layer(layer);
    answer(&app, get("/")).await;
    assert_eq!(text(&one(&spans), "client.address").as_deref(), Some("192.0.2.9"));
}
