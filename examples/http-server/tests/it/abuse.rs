//! Clients that do not behave.

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use throughline::SpanEnd;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::client::{Version, raw, read_until};
use crate::{LIMIT, Server, text};

#[tokio::test]
async fn who_hangs_up_before_the_head_has_cancelled() {
    let server = Server::start().await;
    for version in ["1.0", "1.1"] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let request = format!("GET /slow?ms=60000 HTTP/{version}\r\nhost: x\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        one_active(&server).await;
        drop(stream);
        cancelled(&server, "GET /slow", "head").await;
    }
    let client = Client::builder(TokioExecutor::new()).http2_only(true).build_http();
    let request = Request::get(format!("http://{}/slow?ms=60000", server.address)).body(Full::<Bytes>::default());
    let request = tokio::spawn(client.request(request.unwrap()));
    one_active(&server).await;
    request.abort();
    cancelled(&server, "GET /slow", "head").await;
}

#[tokio::test]
async fn who_hangs_up_in_the_body_has_cancelled() {
    let server = Server::start().await;
    for version in ["1.0", "1.1"] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let request = format!("GET /stream?chunks=9&ms=60000 HTTP/{version}\r\nhost: x\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        read_until(&mut stream, "chunk 1\n").await;
        drop(stream);
        cancelled(&server, "GET /stream", "body").await;
    }
    let client = Client::builder(TokioExecutor::new()).http2_only(true).build_http();
    let request = Request::get(format!("http://{}/stream?chunks=9&ms=60000", server.address));
    let mut answer = client.request(request.body(Full::<Bytes>::default()).unwrap()).await.unwrap();
    answer.frame().await.unwrap().unwrap();
    drop(answer);
    cancelled(&server, "GET /stream", "body").await;
}

/// Half an upload, and nothing more.
#[tokio::test]
async fn who_hangs_up_in_the_upload_breaks_the_echo() {
    let server = Server::start().await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(b"POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nhalf").await.unwrap();
    read_until(&mut stream, "half").await;
    drop(stream);
    let span = server.span().await;
    assert_ne!(span.end, SpanEnd::Completed, "{span:?}");
    assert_eq!(text(&span, "http.response.status_code").as_deref(), Some("200"));
}

#[tokio::test]
async fn half_a_head_is_no_request() {
    let server = Server::start().await;
    for bytes in ["G", "GET /users/1 HTTP/1.1\r\nhost: x\r\n", "PRI * HTTP/2.0\r\n\r\nSM"] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(bytes.as_bytes()).await.unwrap();
    }
    for garbage in ["\0\0\0\0\r\n\r\n", "GET\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "GET /\u{0} HTTP/1.1\r\n\r\n"] {
        let answer = raw(server.address, garbage).await;
        assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 400 "), "{garbage:?}: {answer:?}");
    }
    Version::Http11.get(server.address, "/users/1").await.unwrap();
    assert_eq!(server.span().await.name, "GET /users/{id}", "and nothing before it");
}

/// As much as the sockets hold is on its way while nobody reads.
#[tokio::test]
async fn who_reads_late_gets_everything() {
    const BYTES: usize = 32 << 20;
    let server = Server::start().await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(format!("GET /download?bytes={BYTES} HTTP/1.0\r\n\r\n").as_bytes()).await.unwrap();
    one_active(&server).await;
    let mut answer = Vec::new();
    read_until(&mut stream, "\r\n").await;
    assert!(server.spans.is_empty(), "most of it is not sent yet");
    timeout(LIMIT, stream.read_to_end(&mut answer)).await.unwrap().unwrap();
    assert!(answer.len() > BYTES - 4096 && answer.len() <= BYTES + 4096, "{}", answer.len());
    assert_eq!(server.span().await.end, SpanEnd::Completed);
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let server = Server::start().await;
    let first = "GET /slow?ms=20 HTTP/1.1\r\nhost: x\r\n\r\n";
    let rest = "GET /nested/a/b HTTP/1.1\r\nhost: x\r\n\r\nHEAD /users/1 HTTP/1.1\r\nhost: x\r\n\r\n\
        GET /users/last HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let answers = String::from_utf8(raw(server.address, &format!("{first}{rest}")).await).unwrap();
    assert_eq!(answers.matches("HTTP/1.1 200 OK\r\n").count(), 4, "{answers}");
    let (slow, last) = (answers.find("20 ms\n").unwrap(), answers.find("last").unwrap());
    assert!(slow < last, "{answers}");
    let names: Vec<_> = server.spans(4).await.into_iter().map(|span| span.name).collect();
    assert_eq!(names, ["GET /slow", "GET /nested/a/{x}", "HEAD /users/{id}", "GET /users/{id}"]);
}

#[tokio::test]
async fn a_long_query_is_bounded_and_a_longer_one_refused() {
    let server = Server::start().await;
    for version in Version::ALL {
        let path = format!("/users/1?long={}", "q".repeat(10_000));
        assert_eq!(version.get(server.address, &path).await.unwrap().status, 200, "{version:?}");
        let span = server.span().await;
        assert!(text(&span, "url.query").unwrap().len() <= 4096, "{version:?}");
    }
    let path = format!("/users/1?long={}", "q".repeat(70_000));
    assert_eq!(Version::Http10.get(server.address, &path).await.unwrap().status, 414);
    assert!(server.spans.is_empty());
}

#[tokio::test]
async fn trace_headers_that_make_no_sense_are_counted() {
    let server = Server::start().await;
    for (number, header) in [
        "00-rubbish",
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\ntraceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    ]
    .into_iter()
    .enumerate()
    {
        raw(server.address, &format!("GET /users/1 HTTP/1.0\r\ntraceparent: {header}\r\n\r\n")).await;
        let span = server.span().await;
        assert_eq!(span.parent_span_id, None, "{header}");
        assert_eq!(server.telemetry.stats().tracer.malformed_parents, number as u64 + 1, "{header}");
    }
}

async fn one_active(server: &Server) {
    let active = async {
        while server.active.server() == 0 {
            tokio::task::yield_now().await;
        }
    };
    timeout(LIMIT, active).await.expect("a request arrives");
}

async fn cancelled(server: &Server, name: &str, phase: &str) {
    let span = server.span().await;
    assert_eq!((&*span.name, span.end), (name, SpanEnd::Cancelled));
    assert_eq!(text(&span, "error.type").as_deref(), Some("cancelled"));
    assert_eq!(text(&span, "throughline.phase").as_deref(), Some(phase));
}
