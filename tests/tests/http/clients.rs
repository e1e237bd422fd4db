//! Clients: hyper-util's pooled one behind our layer.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use bytes::Bytes;
use http::Method;
use http_body_util::{BodyExt as _, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use throughline_core::{Baggage, Context, ContextExt as _, SpanData, SpanEnd, Status, Tracer};
use throughline_testing::{MemorySink, tracer};
use throughline_tower::{EndAt, HttpClient, HttpClientLayer, HttpServerLayer};
use tokio::net::TcpListener;
use tower::{Service as _, ServiceBuilder, ServiceExt as _};

use crate::rig::{HOUSES, Server, WIRES, Wire, serve};
use crate::routes::LONG;

pub(crate) type Pooled = Client<HttpConnector, Empty<Bytes>>;

pub(crate) fn pooled(wire: Wire) -> Pooled {
    Client::builder(TokioExecutor::new()).http2_only(wire == Wire::Http2).build_http()
}

pub(crate) fn ask(method: Method, address: SocketAddr, path: &str) -> http::Request<Empty<Bytes>> {
    http::Request::builder().method(method).uri(format!("http://{address}{path}")).body(Empty::new()).unwrap()
}

fn client(tracer: &Tracer, wire: Wire) -> HttpClient<Pooled> {
    HttpClientLayer::new(tracer).layer(pooled(wire))
}

/// The one client's span that ends, now or soon.
async fn one(spans: &MemorySink) -> SpanData {
    let mut ended = spans.wait_for(1, LONG).await.unwrap();
    spans.clear();
    assert_eq!(ended.len(), 1);
    ended.remove(0)
}

#[tokio::test]
async fn end_at_the_head_by_what_the_server_says() {
    let (tracer, spans) = tracer();
    let server = Server::start(HOUSES[0]).await;
    for wire in WIRES {
        let mut client = client(&tracer, wire);
        for (path, code, failed) in [
            ("/known", 200, None),
            ("/streamed", 200, None),
            ("/no-content", 204, None),
            ("/not-modified", 304, None),
            ("/refused", 403, Some("403")),
            ("/failed", 503, Some("503")),
        ] {
            let response = client.call(ask(Method::GET, server.address, path)).await.unwrap();
            let span = one(&spans).await;
            assert_eq!((response.status().as_u16(), span.end), (code, SpanEnd::Completed), "{path}");
            assert_eq!(span.status, failed.map_or(Status::Unset, |_| Status::error()), "{path}");
            let text = |key: &str| span.attribute(key).map(ToString::to_string);
            assert_eq!(text("error.type").as_deref(), failed, "{path}");
            assert_eq!(text("server.address").as_deref(), Some("127.0.0.1"));
            assert_eq!(text("server.port"), Some(server.address.port().to_string()));
            assert_eq!(text("url.full"), Some(format!("http://{}{path}", server.address)));
            let version = if wire == Wire::Http1 { "1.1" } else { "2" };
            assert_eq!(text("network.protocol.version").as_deref(), Some(version));
            response.into_body().collect().await.unwrap();
            let remote = server.one(path).await;
            assert_eq!(remote.parent_span_id, Some(span.span_context.span_id()), "{path}: the client's own id");
            assert!(remote.parent_is_remote);
        }
    }
    server.assert_idle(12);
}

#[tokio::test]
async fn end_at_the_body_if_asked_to() {
    let (tracer, spans) = tracer();
    let server = Server::start(HOUSES[0]).await;
    for wire in WIRES {
        let mut client = HttpClientLayer::new(&tracer).end_at(EndAt::Body).layer(pooled(wire));
        for (method, path) in [(Method::GET, "/known"), (Method::GET, "/streamed"), (Method::GET, "/trailers")] {
            let response = client.call(ask(method, server.address, path)).await.unwrap();
            assert!(spans.is_empty(), "{path}: the body is on its way");
            response.into_body().collect().await.unwrap();
            assert_eq!(one(&spans).await.end, SpanEnd::Completed, "{path}");
        }
        for (method, path) in [(Method::HEAD, "/known"), (Method::GET, "/no-content")] {
            let _unread = client.call(ask(method, server.address, path)).await.unwrap();
            assert_eq!(one(&spans).await.end, SpanEnd::Completed, "{path}");
        }
        let response = client.call(ask(Method::GET, server.address, "/fed/1")).await.unwrap();
        assert!(spans.is_empty(), "the body is on its way");
        drop(response);
        let span = one(&spans).await;
        assert_eq!((span.end, &span.status), (SpanEnd::Cancelled, &Status::Unset), "the caller's own decision");
        assert_eq!(span.attribute("error.type"), None);
        assert_eq!(span.attribute("throughline.phase"), Some(&"body".into()));

        let response = client.call(ask(Method::GET, server.address, "/broken")).await.unwrap();
        assert!(response.into_body().collect().await.is_err());
        let span = one(&spans).await;
        assert_eq!((span.end, &span.status), (SpanEnd::Failed, &Status::error()));
        let named = if wire == Wire::Http1 { "unexpected_eof" } else { "hyper_error" };
        assert_eq!(span.attribute("error.type"), Some(&named.into()), "{wire:?}");
    }
}

#[tokio::test]
async fn nobody_there_is_an_error_with_its_kind() {
    let (tracer, spans) = tracer();
    let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    assert!(client(&tracer, Wire::Http1).call(ask(Method::GET, address, "/")).await.is_err());
    let span = one(&spans).await;
    assert_eq!((span.end, &span.status), (SpanEnd::Failed, &Status::error()));
    assert_eq!(span.attribute("error.type"), Some(&"connection_refused".into()));
    assert_eq!(span.attribute("http.response.status_code"), None);
}

#[tokio::test]
async fn a_timeout_around_the_layer_cancels_and_is_no_error_here() {
    let (tracer, spans) = tracer();
    let server = Server::start(HOUSES[0]).await;
    for wire in WIRES {
        let client = ServiceBuilder::new()
            .timeout(Duration::from_millis(5))
            .layer(HttpClientLayer::new(&tracer))
            .service(pooled(wire));
        assert!(client.oneshot(ask(Method::GET, server.address, "/never/1")).await.is_err());
        let span = one(&spans).await;
        assert_eq!((span.end, &span.status), (SpanEnd::Cancelled, &Status::Unset));
        assert_eq!(span.attribute("error.type"), None);
        assert_eq!(span.attribute("throughline.phase"), Some(&"head".into()));
    }
}

#[tokio::test]
async fn a_timeout_inside_the_layer_is_an_error() {
    let (tracer, spans) = tracer();
    let server = Server::start(HOUSES[0]).await;
    let client = ServiceBuilder::new()
        .layer(HttpClientLayer::new(&tracer))
        .timeout(Duration::from_millis(5))
        .service(pooled(Wire::Http1));
    assert!(client.oneshot(ask(Method::GET, server.address, "/never/1")).await.is_err());
    let span = one(&spans).await;
    assert_eq!((span.end, &span.status), (SpanEnd::Failed, &Status::error()));
    assert_eq!(span.attribute("error.type"), Some(&"timeout".into()));
}

#[tokio::test]
async fn baggage_crosses_to_named_hosts() {
    let (tracer, _) = tracer();
    let tenant = || async { Context::current().baggage().get("tenant").unwrap_or("nobody").to_owned() };
    let app = Router::new().route("/", get(tenant)).layer(HttpServerLayer::new(&tracer));
    let address = serve(app).await;
    let context = Context::ROOT.with_baggage(Baggage::new().with("tenant", "7").unwrap());
    for (named, seen) in [(&["127.0.0.1"][..], "7"), (&["*.internal"], "nobody"), (&[], "nobody")] {
        let client = HttpClientLayer::new(&tracer).baggage_to(named).unwrap().layer(pooled(Wire::Http1));
        let asked = async { client.oneshot(ask(Method::GET, address, "/")).await.unwrap().into_body().collect().await };
        assert_eq!(asked.with_context(context.clone()).await.unwrap().to_bytes(), seen);
    }
    assert_eq!(tracer.stats().baggage_withheld, 2);
}
