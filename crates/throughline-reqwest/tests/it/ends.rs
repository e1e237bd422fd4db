//! How a span ends.

use std::io;
use std::time::Duration;

use throughline_core::{SpanEnd, Status};
use throughline_testing::{assert_trace, tracer};
use throughline_tower::{EndAt, HttpClientLayer};
use tokio::net::TcpListener;
use tower::ServiceBuilder;
use tower::{BoxError, ServiceExt as _};

use crate::rig::{Server, client, one, text};

#[tokio::test]
async fn at_the_head_by_what_the_server_says() {
    let (tracer, spans) = tracer();
    let server = Server::start().await;
    let client = client(HttpClientLayer::new(&tracer));
    for (code, failed) in
        [(200, false), (204, false), (304, false), (399, false), (400, true), (404, true), (503, true)]
    {
        let response = client.get(server.url(&format!("/status/{code}"))).send().await.unwrap();
        let span = one(&spans);
        assert_eq!((response.status().as_u16(), span.end), (code, SpanEnd::Completed));
        assert_eq!(span.status, if failed { Status::error() } else { Status::Unset }, "{code}");
        assert_eq!(text(&span, "error.type"), failed.then(|| code.to_string()), "{code}");
        assert_eq!(text(&span, "http.response.status_code"), Some(code.to_string()));
    }
}

/// The body is reqwest's own affair, whatever the layer was told.
#[tokio::test]
async fn before_the_body_and_its_failures() {
    let (tracer, spans) = tracer();
    let server = Server::start().await;
    for layer in [HttpClientLayer::new(&tracer), HttpClientLayer::new(&tracer).end_at(EndAt::Body)] {
        let response = client(layer).get(server.url("/broken")).send().await.unwrap();
        let span = one(&spans);
        assert_eq!((span.end, span.status), (SpanEnd::Completed, Status::Unset));
        assert!(response.bytes().await.is_err());
        assert!(spans.is_empty());
    }
}

#[tokio::test]
async fn with_an_error_that_is_called_by_its_cause() {
    let (tracer, spans) = tracer();
    let server = Server::start().await;
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let client = client(HttpClientLayer::new(&tracer));
    for (why, url, error_type) in [
        ("nobody listens", format!("http://{nobody}/"), "connection_refused"),
        ("it takes too long", server.url("/never"), "timeout"),
        ("the server hangs up", server.url("/hang-up"), "incomplete_message"),
        ("another scheme", "ftp://127.0.0.1/".to_owned(), "builder_error"),
        ("a URL that is no `Uri`", "https://{{host}}/".to_owned(), "builder_error"),
    ] {
        let limit = Duration::from_millis(if url.ends_with("/never") { 5 } else { 60_000 });
        let error = client.get(url).timeout(limit).send().await.unwrap_err();
        let span = one(&spans);
        assert_eq!(text(&span, "error.type").as_deref(), Some(error_type), "{why}: {error:?}");
        assert_eq!((span.end, &span.status), (SpanEnd::Failed, &Status::error()), "{why}");
        assert_eq!(text(&span, "http.response.status_code"), None, "{why}");
    }
}

#[tokio::test]
async fn with_the_users_own_name_for_an_error() {
    let (tracer, spans) = tracer();
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let layer =
        HttpClientLayer::new(&tracer).error_type(|error: &reqwest::Error| error.is_connect().then_some("unreachable"));
    let client = client(layer);
    client.get(format!("http://{nobody}/")).send().await.unwrap_err();
    assert_eq!(text(&one(&spans), "error.type").as_deref(), Some("unreachable"));
    client.get("ftp://127.0.0.1/").send().await.unwrap_err();
    assert_eq!(text(&one(&spans), "error.type").as_deref(), Some("builder_error"), "the user has no name for it");
}

#[tokio::test]
async fn with_errors_that_other_layers_have_boxed() {
    let (tracer, spans) = tracer();
    let server = Server::start().await;
    let layer = throughline_reqwest::HttpClientLayer::new(&tracer);
    let request = |path: &str| reqwest::Request::new(http::Method::GET, server.url(path).parse().unwrap());
    let boxed = ServiceBuilder::new().layer(layer.clone()).map_err(BoxError::from).service(reqwest::Client::new());
    boxed.oneshot(request("/loop")).await.unwrap_err();
    assert_eq!(text(&one(&spans), "error.type").as_deref(), Some("redirect_error"));

    let late = ServiceBuilder::new().layer(layer.clone()).timeout(Duration::from_millis(5));
    late.service(reqwest::Client::new()).oneshot(request("/never")).await.unwrap_err();
    assert_eq!(text(&one(&spans), "error.type").as_deref(), Some("timeout"), "tower's own");

    let failing = |_| async { Err::<reqwest::Response, _>(io::Error::from(io::ErrorKind::BrokenPipe)) };
    layer.layer(tower::service_fn(failing)).oneshot(request("/")).await.unwrap_err();
    assert_eq!(text(&one(&spans), "error.type").as_deref(), Some("broken_pipe"), "not reqwest's at all");
}

#[tokio::test]
async fn as_cancelled_and_no_error_when_nobody_waits() {
    let (tracer, spans) = tracer();
    let server = Server::start().await;
    let client = client(HttpClientLayer::new(&tracer));
    tokio::select! {
        response = client.get(server.url("/never")).send() => panic!("{response:?}"),
        () = server.arrival() => {}
    }
    assert_trace!(spans, client "GET" [
        !"error.type", !"http.response.status_code", "throughline.phase" = "head", end = Cancelled, status = Unset,
    ]);
    spans.clear();
    drop(client.get(server.url("/never")).send());
    assert_eq!(one(&spans).end, SpanEnd::Cancelled, "never polled");
}

#[tokio::test]
async fn not_at_all_where_there_is_no_request() {
    let (tracer, spans) = tracer();
    let error = client(HttpClientLayer::new(&tracer)).get("no URL").send().await.unwrap_err();
    assert!(error.is_builder());
    assert!(spans.is_empty());
}
