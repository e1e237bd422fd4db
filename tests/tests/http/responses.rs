//! Responses that are sent in full, or fail by themselves: on every house, over HTTP/1.1 and HTTP/2.

use std::convert::Infallible;
use std::io;

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use http::{Method, Request, Response};
use http_body::Frame;
use http_body_util::StreamBody;
use hyper::body::Incoming;
use throughline_core::{SpanEnd, Status};
use throughline_testing::tracer;
use throughline_tower::HttpServerLayer;
use tower::service_fn;

use crate::rig::{Connection, HOUSES, House, Server, WIRES, Wire, serve_hyper};
use crate::routes::{LONG, one_and_then};

#[tokio::test]
async fn end_once_as_what_they_were() {
    for house in HOUSES {
        let server = Server::start(house).await;
        let mut requests = 0;
        for wire in WIRES {
            for (method, path, body, code, failed) in [
                (Method::GET, "/known", "hello", 200, None),
                (Method::HEAD, "/known", "", 200, None),
                (Method::GET, "/streamed", "onetwothree", 200, None),
                (Method::HEAD, "/streamed", "", 200, None),
                (Method::GET, "/declared", "one", 200, None),
                (Method::HEAD, "/declared", "", 200, None),
                (Method::GET, "/trailers", "data", 200, None),
                (Method::GET, "/empty", "", 200, None),
                (Method::GET, "/no-content", "", 204, None),
                (Method::GET, "/not-modified", "", 304, None),
                (Method::GET, "/refused", "no", 403, None),
                (Method::GET, "/missing", "", 404, None),
                (Method::POST, "/known", "", 405, None),
                (Method::GET, "/failed", "later", 503, Some("503")),
            ] {
                let why = format!("{house:?}, {wire:?}, {method} {path}");
                let mut connection = Connection::open(server.address, wire).await;
                let (status, arrived) = connection.fetch(method.clone(), path).await.unwrap();
                assert_eq!((status, &arrived.unwrap()[..]), (code, body.as_bytes()), "{why}");
                let span = server.one(&why).await;
                requests += 1;
                assert_eq!(span.end, SpanEnd::Completed, "{why}");
                assert_eq!(span.status, failed.map_or(Status::Unset, |_| Status::error()), "{why}");
                let text = |key: &str| span.attribute(key).map(ToString::to_string);
                assert_eq!(text("error.type").as_deref(), failed, "{why}");
                assert_eq!(text("throughline.outcome"), None, "{why}");
                assert_eq!(text("http.response.status_code"), Some(code.to_string()), "{why}");
                assert_eq!(text("url.path").as_deref(), Some(path), "{why}");
                assert_eq!(text("server.address").as_deref(), Some("shop.example"), "{why}");
                assert_eq!(text("server.port").as_deref(), Some("8443"), "{why}");
                let version = if wire == Wire::Http1 { "1.1" } else { "2" };
                assert_eq!(text("network.protocol.version").as_deref(), Some(version), "{why}");
                let route = (house != House::Hyper && code != 404).then_some(path);
                assert_eq!(text("http.route").as_deref(), route, "{why}");
                let name = route.map_or(method.to_string(), |route| format!("{method} {route}"));
                assert_eq!(span.name, name, "{why}");
                let peer = (house != House::Hyper).then_some("127.0.0.1");
                assert_eq!(text("network.peer.address").as_deref(), peer, "{why}");
            }
        }
        server.assert_idle(requests);
    }
}

#[tokio::test]
async fn one_connection_has_many_requests() {
    for wire in WIRES {
        let server = Server::start(House::Axum).await;
        let mut connection = Connection::open(server.address, wire).await;
        for path in ["/known", "/streamed", "/no-content", "/known"] {
            connection.fetch(Method::GET, path).await.unwrap().1.unwrap();
            assert_eq!(server.one(path).await.parent_span_id, None, "a request is nobody's child");
        }
        server.assert_idle(4);
    }
}

#[tokio::test]
async fn a_body_that_fails_in_its_middle_is_an_error() {
    for house in HOUSES {
        let server = Server::start(house).await;
        for wire in WIRES {
            let why = format!("{house:?}, {wire:?}");
            let mut connection = Connection::open(server.address, wire).await;
            let (status, body) = connection.fetch(Method::GET, "/broken").await.unwrap();
            assert!(body.is_err(), "{why}: the client notices");
            let span = server.one(&why).await;
            assert_eq!((status, span.end, &span.status), (200, SpanEnd::Failed, &Status::error()), "{why}");
            assert_eq!(span.attribute("http.response.status_code"), Some(&200.into()), "{why}");
            // Behind a tower layer axum's own error is all there is to see.
            let named = if house == House::Axum { "connection_reset" } else { "Error" };
            assert_eq!(span.attribute("error.type"), Some(&named.into()), "{why}");
        }
        server.assert_idle(2);
    }
}

/// hyper without axum and without boxes: the error's own type is known.
#[tokio::test]
async fn a_plain_hyper_service_needs_no_box() {
    let (tracer, spans) = tracer();
    let service = service_fn(|request: Request<Incoming>| async move {
        let fails = request.uri().path() == "/broken";
        let last = if fails { Err(io::ErrorKind::TimedOut.into()) } else { Ok(Bytes::from_static(b"two")) };
        Ok::<_, Infallible>(Response::new(StreamBody::new(one_and_then(last).map_ok(Frame::data))))
    });
    let address = serve_hyper(HttpServerLayer::new(&tracer).layer(service)).await;
    for wire in WIRES {
        for (path, end, error) in [("/fine", SpanEnd::Completed, None), ("/broken", SpanEnd::Failed, Some("timeout"))] {
            let mut connection = Connection::open(address, wire).await;
            let (_, body) = connection.fetch(Method::GET, path).await.unwrap();
            assert_eq!(body.is_ok(), error.is_none());
            let span = spans.wait_for(1, LONG).await.unwrap().remove(0);
            spans.clear();
            assert_eq!(span.end, end);
            assert_eq!(span.attribute("error.type").map(ToString::to_string).as_deref(), error);
        }
    }
}
