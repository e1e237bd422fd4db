//! The methods of reqwest's client and builder, on ours.

use reqwest::Method;
use reqwest::header::{HeaderMap, HeaderValue};
use throughline_testing::tracer;
use throughline_tower::HttpClientLayer;

use crate::rig::{Server, client, header, one};

#[tokio::test]
async fn clients_have_reqwests_methods() {
    let (tracer, spans) = tracer();
    let server = Server::start().await;
    let client = client(HttpClientLayer::new(&tracer));
    let url = server.url("/");
    for (request, method) in [
        (client.get(&url), "GET"),
        (client.post(&url), "POST"),
        (client.put(&url), "PUT"),
        (client.patch(&url), "PATCH"),
        (client.delete(&url), "DELETE"),
        (client.head(&url), "HEAD"),
        (client.request(Method::OPTIONS, &url), "OPTIONS"),
    ] {
        request.send().await.unwrap();
        assert_eq!((one(&spans).name.as_str(), server.one().method.as_str()), (method, method));
    }
}

#[tokio::test]
async fn what_a_builder_is_told_is_sent() {
    let (tracer, spans) = tracer();
    let server = Server::start().await;
    let client = client(HttpClientLayer::new(&tracer));
    let url = server.url("/");
    let tenant = HeaderMap::from_iter([("x-tenant".parse().unwrap(), HeaderValue::from_static("shop"))]);
    for (request, name, value) in [
        (client.post(&url).header("x-a", "b"), "x-a", "b"),
        (client.post(&url).headers(tenant), "x-tenant", "shop"),
        (client.post(&url).basic_auth("user", Some("secret")), "authorization", "Basic dXNlcjpzZWNyZXQ="),
        (client.post(&url).bearer_auth("secret"), "authorization", "Bearer secret"),
        (client.post(&url).body("order"), "content-length", "5"),
        (client.post(&url).map(|request| request.header("x-a", "b")), "x-a", "b"),
        #[cfg(feature = "form")]
        (client.post(&url).form(&[("a", "b")]), "content-type", "application/x-www-form-urlencoded"),
        #[cfg(feature = "json")]
        (client.post(&url).json(&["a"]), "content-type", "application/json"),
        #[cfg(feature = "multipart")]
        (client.post(&url).multipart(reqwest::multipart::Form::new().text("a", "b")).header("x-a", "b"), "x-a", "b"),
    ] {
        request.send().await.unwrap();
        assert_eq!(header(&server.one(), name).as_deref(), Some(value), "{name}");
        assert!(!format!("{:?}", one(&spans)).contains("secret"));
    }
}

#[tokio::test]
async fn a_version_is_sent() {
    let (tracer, spans) = tracer();
    let server = Server::start().await;
    let request = client(HttpClientLayer::new(&tracer)).get(server.url("/")).version(http::Version::HTTP_10);
    request.send().await.unwrap();
    assert_eq!((server.one().version, one(&spans).name.as_str()), (http::Version::HTTP_10, "GET"));
}

#[cfg(feature = "query")]
#[tokio::test]
async fn a_query_is_sent_and_its_values_are_redacted() {
    let (tracer, spans) = tracer();
    let server = Server::start().await;
    client(HttpClientLayer::new(&tracer)).get(server.url("/")).query(&[("a", "secret")]).send().await.unwrap();
    assert_eq!(server.one().uri.query(), Some("a=secret"));
    assert_eq!(crate::rig::text(&one(&spans), "url.full"), Some(server.url("/?a=REDACTED")));
}
