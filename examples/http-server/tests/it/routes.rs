//! Every route in every version of HTTP: what is answered, and the one span of it.

use http::Method;
use serde_json::Value;
use throughline::{SpanEnd, SpanKind, Status};

use crate::client::Version;
use crate::{Server, text};

#[tokio::test]
async fn answers_and_has_one_span() {
    let server = Server::start().await;
    for (path, status, route, body) in [
        ("/users/7", 200, "/users/{id}", r#"{"id":"7"}"#),
        ("/users/J%C3%BCrgen", 200, "/users/{id}", r#"{"id":"Jürgen"}"#),
        ("/nested/a/b", 200, "/nested/a/{x}", "b"),
        ("/stream", 200, "/stream", "chunk 1\nchunk 2\nchunk 3\n"),
        ("/stream?chunks=2&ms=1", 200, "/stream", "chunk 1\nchunk 2\n"),
        ("/stream?chunks=0", 200, "/stream", ""),
        ("/download?bytes=3", 200, "/download", "xxx"),
        ("/download?bytes=0", 200, "/download", ""),
        ("/empty", 204, "/empty", ""),
        ("/not-modified", 304, "/not-modified", ""),
        ("/redirect", 302, "/redirect", ""),
        ("/status/200", 200, "/status/{code}", ""),
        ("/status/404", 404, "/status/{code}", ""),
        ("/status/503", 503, "/status/{code}", ""),
        ("/status/999", 999, "/status/{code}", ""),
        ("/slow?ms=1", 200, "/slow", "1 ms\n"),
        ("/sse?events=2", 200, "/sse", "id: 1\ndata: event 1\n\nid: 2\ndata: event 2\n\n"),
        ("/stats", 200, "/stats", "{"),
        ("/users", 404, "", ""),
        ("/users/7/", 404, "", ""),
        ("/echo", 405, "/echo", ""),
    ] {
        for version in Version::ALL {
            let why = format!("{path} {version:?}");
            let answer = version.get(server.address, path).await.expect(&why);
            assert_eq!((answer.status, answer.broken), (status, false), "{why}");
            assert!(
                if body == "{" { answer.text().starts_with(body) } else { answer.text() == body },
                "{why}: {answer:?}"
            );

            let span = server.span().await;
            let name = format!("GET {route}");
            assert_eq!(
                (span.kind, &*span.name, span.end),
                (SpanKind::Server, name.trim_end(), SpanEnd::Completed),
                "{why}"
            );
            assert_eq!(text(&span, "http.route").unwrap_or_default(), route, "{why}");
            assert_eq!(text(&span, "http.response.status_code"), Some(status.to_string()), "{why}");
            assert_eq!(text(&span, "network.protocol.version").as_deref(), Some(version.text()), "{why}");
            assert_eq!(text(&span, "network.peer.address").as_deref(), Some("127.0.0.1"), "{why}");
            let failed = status >= 500;
            assert_eq!(span.status != Status::Unset, failed, "{why}");
            assert_eq!(text(&span, "error.type"), failed.then(|| status.to_string()), "{why}");
        }
    }
}

#[tokio::test]
async fn refuses_parameters_that_make_no_sense() {
    let server = Server::start().await;
    for path in [
        "/stream?chunks=100001",
        "/stream?chunks=-1",
        "/stream?chunks=",
        "/stream?chunks=many",
        "/stream?chunks=1&chunks=1",
        "/stream?ms=60001",
        "/stream?ms=1e3",
        "/download?bytes=1073741825",
        "/download?bytes=99999999999999999999",
        "/slow?ms=60001",
        "/body-error?after=1073741825",
        "/sse?events=100001",
        "/status/abc",
        "/status/99",
        "/status/100",
        "/status/101",
        "/status/1000",
        "/status/-1",
        "/users/%FF",
        "/call",
        "/call?url=",
        "/call?url=%00",
        "/call?url=/users/1",
        "/call?url=127.0.0.1:80",
        "/call?url=https://127.0.0.1/",
        "/call?url=file:///etc/passwd",
        "/retry?url=http://",
        "/ws",
    ] {
        for version in Version::ALL {
            let answer = version.get(server.address, path).await.expect(path);
            // A WebSocket over HTTP/2 would be another method.
            let wanted = if (path, version) == ("/ws", Version::H2c) { 405 } else { 400 };
            assert_eq!(answer.status, wanted, "{path} {version:?}: {answer:?}");
            let span = server.span().await;
            assert_eq!(text(&span, "http.response.status_code"), Some(wanted.to_string()), "{path} {version:?}");
            assert_eq!((span.end, span.status.clone()), (SpanEnd::Completed, Status::Unset), "{path} {version:?}");
        }
    }
}

#[tokio::test]
async fn healthz_is_the_only_route_without_a_span() {
    let server = Server::start().await;
    for version in Version::ALL {
        let answer = version.get(server.address, "/healthz").await.unwrap();
        assert_eq!((answer.status, answer.text()), (200, "ok\n"));
        version.get(server.address, "/users/1").await.unwrap();
        assert_eq!(server.span().await.name, "GET /users/{id}", "and nothing before it");
    }
}

#[tokio::test]
async fn stats_count_what_is_active() {
    let server = Server::start().await;
    let stats: Value =
        serde_json::from_slice(&Version::Http11.get(server.address, "/stats").await.unwrap().body).unwrap();
    assert_eq!((&stats["active"], &stats["malformed_parents"], &stats["dropped"]), (&1.into(), &0.into(), &0.into()));
    assert!(stats.as_object().unwrap().values().all(Value::is_u64), "{stats}");
    server.span().await;
}

#[tokio::test]
async fn answers_to_head_have_no_body_and_end_at_once() {
    let server = Server::start().await;
    for (path, length) in [
        ("/users/7", Some("10")),
        ("/download?bytes=1073741824", Some("1073741824")),
        ("/stream?ms=60000", None),
        ("/sse", None),
    ] {
        for version in Version::ALL {
            let answer = version.send(server.address, Method::HEAD, path).await.unwrap();
            assert_eq!((answer.status, answer.text(), answer.broken), (200, "", false), "{path} {version:?}");
            let declared = answer.headers.get("content-length").map(|length| length.to_str().unwrap());
            assert_eq!(declared, length, "{path} {version:?}");
            let span = server.span().await;
            assert!(span.name.starts_with("HEAD /") && span.end == SpanEnd::Completed, "{path} {version:?}: {span:?}");
        }
    }
}

#[tokio::test]
async fn a_panic_breaks_the_connection_and_not_the_server() {
    let server = Server::start().await;
    for version in Version::ALL {
        assert!(version.get(server.address, "/panic").await.is_none(), "{version:?}");
        let span = server.span().await;
        assert_eq!((&*span.name, span.end), ("GET /panic", SpanEnd::Panicked), "{version:?}");
        assert_eq!(text(&span, "error.type").as_deref(), Some("panic"), "{version:?}");
        assert_eq!(text(&span, "http.response.status_code"), None, "{version:?}: none was sent");
        assert_eq!(version.get(server.address, "/users/1").await.unwrap().status, 200, "{version:?}");
        server.span().await;
    }
}
