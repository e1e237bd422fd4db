//! Bodies that take a while, in both directions.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, Request};
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use throughline::SpanEnd;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::client::{Answer, Version, raw, read_until};
use crate::{LIMIT, Server, text};

#[tokio::test]
async fn chunks_come_one_by_one_and_the_first_at_once() {
    let server = Server::start().await;
    for http2 in [false, true] {
        let client = Client::builder(TokioExecutor::new()).http2_only(http2).build_http();
        let uri = format!("http://{}/stream?chunks=4&ms=50", server.address);
        let begin = Instant::now();
        let mut body =
            client.request(Request::get(uri).body(Full::<Bytes>::default()).unwrap()).await.unwrap().into_body();
        for number in 1..=4 {
            let chunk = timeout(LIMIT, body.frame()).await.unwrap().unwrap().unwrap().into_data().unwrap();
            assert_eq!(chunk, format!("chunk {number}\n"));
            assert!(begin.elapsed() >= Duration::from_millis(50) * (number - 1), "chunk {number} came early");
        }
        // HTTP/2 may end with an empty frame.
        let rest = timeout(LIMIT, body.collect()).await.unwrap().unwrap();
        assert!(rest.to_bytes().is_empty());
        let span = server.span().await;
        assert!(span.duration >= Duration::from_millis(150), "{span:?}");
        assert_eq!(span.end, SpanEnd::Completed);
    }
}

#[tokio::test]
async fn a_download_is_as_long_as_it_said() {
    let server = Server::start().await;
    for bytes in [1, 16 * 1024, 16 * 1024 + 1, 3_000_000] {
        for version in Version::ALL {
            let answer = version.get(server.address, &format!("/download?bytes={bytes}")).await.unwrap();
            assert_eq!((answer.body.len(), answer.broken), (bytes, false), "{version:?}");
            assert_eq!(answer.headers["content-length"], *bytes.to_string());
            assert_eq!(server.span().await.end, SpanEnd::Completed, "{bytes} {version:?}");
        }
    }
}

#[tokio::test]
async fn a_body_fails_after_as_many_bytes_as_were_asked_for() {
    let server = Server::start().await;
    for after in [0, 1, 1024, 100_000] {
        for version in Version::ALL {
            let answer = version.get(server.address, &format!("/body-error?after={after}")).await.unwrap();
            assert_eq!((answer.status, answer.body.len()), (200, after), "{version:?}");
            // In HTTP/1.0 the end of the connection is the end of the body.
            assert_eq!(answer.broken, version != Version::Http10, "{after} {version:?}");
            let span = server.span().await;
            assert_eq!(span.end, SpanEnd::Failed, "{after} {version:?}");
            assert_eq!(text(&span, "http.response.status_code").as_deref(), Some("200"));
            assert_eq!(text(&span, "error.type").as_deref(), Some("unexpected_eof"));
        }
    }
}

#[tokio::test]
async fn echo_sends_back_what_it_gets_with_its_trailers() {
    let server = Server::start().await;
    let trailers = HeaderMap::from_iter([(http::HeaderName::from_static("x-sum"), "7".parse().unwrap())]);
    for version in [Version::Http11, Version::H2c] {
        let client = Client::builder(TokioExecutor::new()).http2_only(version == Version::H2c).build_http();
        let frames: Vec<_> = (0..100).map(|_| http_body::Frame::data(Bytes::from(vec![b'y'; 10_000]))).collect();
        let frames = frames.into_iter().chain([http_body::Frame::trailers(trailers.clone())]);
        let body = StreamBody::new(stream::iter(frames.map(Ok::<_, Infallible>)));
        let request = Request::post(format!("http://{}/echo", server.address))
            .header("content-type", "text/plain")
            .header("te", "trailers")
            .header("trailer", "x-sum");
        let response = timeout(LIMIT, client.request(request.body(body).unwrap())).await.unwrap().unwrap();
        let answer = Answer::read(response).await;
        assert_eq!((answer.status, answer.broken), (200, false), "{version:?}");
        assert_eq!(answer.headers["content-type"], "text/plain", "{version:?}");
        assert!(answer.body.len() == 1_000_000 && answer.body.iter().all(|byte| *byte == b'y'), "{version:?}");
        assert_eq!(answer.trailers.as_ref(), Some(&trailers), "{version:?}");
        let span = server.span().await;
        assert_eq!((&*span.name, span.end), ("POST /echo", SpanEnd::Completed), "{version:?}");
    }
    let answer = raw(server.address, "POST /echo HTTP/1.0\r\ncontent-length: 5\r\n\r\nhello").await;
    assert!(answer.ends_with(b"\r\n\r\nhello"));
    server.span().await;
}

/// What was sent comes back before the rest is sent.
#[tokio::test]
async fn echo_streams() {
    let server = Server::start().await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let head = "POST /echo HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n";
    stream.write_all(format!("{head}5\r\nfirst\r\n").as_bytes()).await.unwrap();
    read_until(&mut stream, "first").await;
    assert_eq!(server.active.server(), 1);
    stream.write_all(b"4\r\nlast\r\n0\r\n\r\n").await.unwrap();
    read_until(&mut stream, "4\r\nlast\r\n0\r\n\r\n").await;
    assert_eq!(server.span().await.end, SpanEnd::Completed);
}
