//! Requests that make requests or start tasks: whole trees.

use throughline::SpanEnd;
use throughline::testing::assert_trace;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;

use crate::client::{Version, read_until};
use crate::{LIMIT, Server};

#[tokio::test]
async fn a_call_answers_with_the_status_and_is_one_trace() {
    let server = Server::start().await;
    for (path, status) in
        [("users/1", 200), ("status/404", 404), ("status/500", 500), ("empty", 204), ("redirect", 302)]
    {
        for version in Version::ALL {
            let answer =
                version.get(server.address, &format!("/call?url=http://{}/{path}", server.address)).await.unwrap();
            assert_eq!(answer.status, status, "{path} {version:?}");
            let spans = server.spans(3).await;
            assert_eq!(throughline::testing::tree(&spans).lines().count(), 3);
        }
    }
    let path = format!("/call?url=http://{}/stream%3Fchunks=2%26ms=1", server.address);
    Version::Http11.get(server.address, &path).await.unwrap();
    server.spans.wait_for(3, LIMIT).await.unwrap();
    assert_trace!(server.spans,
        server "GET /call" [end = Completed] {
            client "GET" [end = Completed, "http.response.status_code" = 200] {
                server "GET /stream" [end = Completed]
            }
        }
    );
}

#[tokio::test]
async fn a_retry_asks_until_an_answer_is_below_500() {
    let server = Server::start().await;
    let upstream = upstream(&[500, 503, 200]).await;
    let answer = Version::Http11.get(server.address, &format!("/retry?url={upstream}")).await.unwrap();
    assert_eq!((answer.status, answer.text()), (200, "200\n"));
    server.spans.wait_for(4, LIMIT).await.unwrap();
    assert_trace!(server.spans,
        server "GET /retry" {
            client "GET" [!"http.request.resend_count", "http.response.status_code" = 500]
            client "GET" ["http.request.resend_count" = 1, "http.response.status_code" = 503]
            client "GET" ["http.request.resend_count" = 2, "http.response.status_code" = 200]
        }
    );
}

#[tokio::test]
async fn a_retry_stops_after_three_attempts_or_an_answer() {
    let server = Server::start().await;
    for (statuses, wanted) in [(&[404][..], 404), (&[500, 200], 200), (&[500, 501, 502], 502)] {
        let upstream = upstream(statuses).await;
        let answer = Version::Http11.get(server.address, &format!("/retry?url={upstream}")).await.unwrap();
        assert_eq!(answer.status, wanted, "{statuses:?}");
        server.spans(statuses.len() + 1).await;
    }
}

#[tokio::test]
async fn nobody_there_is_a_bad_gateway() {
    let server = Server::start().await;
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    for (path, attempts) in [("call", 1), ("retry", 3)] {
        let answer = Version::Http11.get(server.address, &format!("/{path}?url=http://{gone}/")).await.unwrap();
        assert_eq!(answer.status, 502, "{answer:?}");
        assert!(answer.text().contains("onnect"), "it says what went wrong: {answer:?}");
        let spans = server.spans(attempts + 1).await;
        assert_eq!(spans.iter().filter(|span| span.end == SpanEnd::Failed).count(), attempts);
    }
}

#[tokio::test]
async fn a_spawned_task_outlives_the_answer_and_stays_below_it() {
    let server = Server::start().await;
    for version in Version::ALL {
        let answer = version.get(server.address, "/spawn").await.unwrap();
        assert_eq!(answer.status, 200);
        let spans = server.spans(2).await;
        assert_eq!(
            [&*spans[0].name, &*spans[1].name],
            ["GET /spawn", "background work"],
            "in the order in which they end"
        );
        assert_eq!(spans[1].parent_span_id, Some(spans[0].span_context.span_id()));
        assert_eq!(spans[1].end, SpanEnd::Completed);
    }
}

/// A server that gives each connection its answer, and closes it.
async fn upstream(statuses: &'static [u16]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        for status in statuses {
            let (mut socket, _) = listener.accept().await.unwrap();
            read_until(&mut socket, "\r\n\r\n").await;
            let answer = format!("HTTP/1.1 {status} x\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
            socket.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    format!("http://{address}/")
}
