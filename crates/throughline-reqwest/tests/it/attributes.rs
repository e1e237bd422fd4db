//! What a span says of a request.

use reqwest::{Method, Request};
use throughline_core::SpanData;
use throughline_testing::tracer;
use throughline_tower::{HttpClientLayer, Redact, UrlTemplate};

use crate::rig::{Server, client, one, text};

/// All attributes, one a line.
fn lines(span: &SpanData) -> Vec<String> {
    let mut lines: Vec<_> = span.attributes.iter().map(|(key, value)| format!("{key}={value}")).collect();
    lines.sort_unstable();
    lines
}

#[tokio::test]
async fn everything_that_is_known_and_nothing_else() {
    let (tracer, spans) = tracer();
    let server = Server::start().await;
    client(HttpClientLayer::new(&tracer)).post(server.url("/stock/7?q=x#top")).body("order").send().await.unwrap();
    let span = one(&spans);
    assert_eq!(span.name, "POST", "a path is no name");
    let port = server.address.port();
    let wanted = [
        "http.request.method=POST".to_owned(),
        "http.response.status_code=200".to_owned(),
        "network.peer.address=127.0.0.1".to_owned(),
        format!("network.peer.port={port}"),
        "network.protocol.version=1.1".to_owned(),
        "server.address=127.0.0.1".to_owned(),
        format!("server.port={port}"),
        format!("url.full=http://127.0.0.1:{port}/stock/7?q=REDACTED#top"),
    ];
    assert_eq!(lines(&span), wanted);
}

#[tokio::test]
async fn urls_are_those_that_were_asked_for_without_their_secrets() {
    let (tracer, spans) = tracer();
    let server = Server::start().await;
    let host = server.address;
    let listed = || HttpClientLayer::new(&tracer).redact(Redact::Listed);
    for (why, layer, url, wanted) in [
        ("no path", HttpClientLayer::new(&tracer), format!("http://{host}"), format!("http://{host}/")),
        ("a fragment", HttpClientLayer::new(&tracer), format!("http://{host}/a#b"), format!("http://{host}/a#b")),
        (
            "all values",
            HttpClientLayer::new(&tracer),
            format!("http://{host}/?sig=secret&a=secret&b"),
            format!("http://{host}/?sig=REDACTED&a=REDACTED&b"),
        ),
        ("listed keys", listed(), format!("http://{host}/?sig=secret&a=1"), format!("http://{host}/?sig=REDACTED&a=1")),
        (
            "user information, which reqwest's builder takes out of the URL",
            HttpClientLayer::new(&tracer),
            format!("http://user:secret@{host}/a"),
            format!("http://{host}/a"),
        ),
    ] {
        client(layer).get(url).bearer_auth("secret").header("x-api-key", "secret").send().await.unwrap();
        let span = one(&spans);
        assert_eq!(text(&span, "url.full"), Some(wanted), "{why}");
        assert!(!format!("{span:?}").contains("secret"), "{why}: {span:#?}");
    }
    assert!(server.take().iter().all(|request| request.headers.contains_key("authorization")));
}

/// A request that no builder made keeps user information in its URL.
#[tokio::test]
async fn user_information_in_a_url_is_redacted() {
    let (tracer, spans) = tracer();
    let server = Server::start().await;
    let url = format!("http://user:secret@{}/a", server.address).parse().unwrap();
    client(HttpClientLayer::new(&tracer)).execute(Request::new(Method::GET, url)).await.unwrap();
    let span = one(&spans);
    assert_eq!(text(&span, "url.full"), Some(format!("http://REDACTED:REDACTED@{}/a", server.address)));
    assert_eq!(text(&span, "server.address").as_deref(), Some("127.0.0.1"));
    assert!(!format!("{span:?}").contains("secret"), "{span:#?}");
}

#[tokio::test]
async fn what_the_layer_was_told_holds() {
    let (tracer, spans) = tracer();
    let server = Server::start().await;
    let layer = HttpClientLayer::new(&tracer)
        .capture_request_headers(["x-tenant", "authorization"])
        .capture_response_headers(["x-served-*"])
        .known_methods(["GET"])
        .peer_services([("127.0.0.1", "inventory")])
        .unwrap()
        .url_templates(["/status/{code}"])
        .unwrap()
        .body_sizes();
    client(layer)
        .post(server.url("/status/200"))
        .header("x-tenant", "shop")
        .bearer_auth("secret")
        .send()
        .await
        .unwrap();
    let span = one(&spans);
    assert_eq!(span.name, "HTTP /status/{code}");
    for (key, wanted) in [
        ("http.request.header.x-tenant", Some("[shop]")),
        ("http.request.header.authorization", None),
        ("http.response.header.x-served-by", Some("[a test]")),
        ("http.request.method", Some("_OTHER")),
        ("http.request.method_original", Some("POST")),
        ("service.peer.name", Some("inventory")),
        ("url.template", Some("/status/{code}")),
        ("http.response.body.size", Some("5")),
    ] {
        assert_eq!(text(&span, key).as_deref(), wanted, "{key}");
    }
}

#[tokio::test]
async fn templates_come_from_the_builder_the_extensions_or_the_table() {
    let (tracer, spans) = tracer();
    let server = Server::start().await;
    let layer = HttpClientLayer::new(&tracer).url_templates(["/users/{any}"]).unwrap();
    let client = client(layer);
    client.get(server.url("/users/7")).send().await.unwrap();
    assert_eq!(one(&spans).name, "GET /users/{any}");

    let template = UrlTemplate::new("/users/{id}");
    let request = client.get(server.url("/users/7")).url_template(template.clone());
    request.try_clone().unwrap().send().await.unwrap();
    request.send().await.unwrap();
    assert!(spans.take().iter().all(|span| span.name == "GET /users/{id}"));

    let layer = throughline_reqwest::HttpClientLayer::new(&tracer);
    for (layer, name) in [(layer.clone(), "GET"), (layer.read_extensions(), "GET /users/{id}")] {
        let request = http::Request::get(server.url("/users/7")).extension(template.clone()).body("").unwrap();
        crate::rig::client(layer).execute(request.try_into().unwrap()).await.unwrap();
        assert_eq!(one(&spans).name, name);
    }
}
