//! Clients that leave: nobody tells the handler but the drop of its future, or of its body.

use http::Method;
use http_body_util::BodyExt as _;
use throughline_core::{SpanData, SpanEnd, Status};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::rig::{Connection, HOUSES, Server, WIRES, Wire};

#[track_caller]
fn assert_cancelled(span: &SpanData, phase: &str, code: Option<i64>, why: &str) {
    assert_eq!((span.end, &span.status), (SpanEnd::Cancelled, &Status::error()), "{why}");
    assert_eq!(span.attribute("error.type"), Some(&"cancelled".into()), "{why}");
    assert_eq!(span.attribute("throughline.outcome"), Some(&"cancelled".into()), "{why}");
    assert_eq!(span.attribute("throughline.phase"), Some(&phase.into()), "{why}");
    assert_eq!(span.attribute("http.response.status_code"), code.map(Into::into).as_ref(), "{why}");
}

#[tokio::test]
async fn before_the_head_while_the_handler_waits() {
    for house in HOUSES {
        let server = Server::start(house).await;
        for wire in WIRES {
            let why = format!("{house:?}, {wire:?}");
            let mut connection = Connection::open(server.address, wire).await;
            let arrived = server.arrivals.expect(1);
            tokio::select! {
                response = connection.send(Method::GET, "/never/1") => panic!("{why}: {response:?}"),
                () = arrived => {}
            }
            assert_eq!(server.active.now(), 1, "{why}: it is going on");
            // HTTP/1.1 closes the connection, HTTP/2 resets the stream.
            drop(connection);
            assert_cancelled(&server.one(&why).await, "head", None, &why);
        }
        server.assert_idle(2);
    }
}

#[tokio::test]
async fn in_the_middle_of_the_body() {
    for house in HOUSES {
        let server = Server::start(house).await;
        for wire in WIRES {
            for path in ["/stuck/1", "/fed/1"] {
                let why = format!("{house:?}, {wire:?}, {path}");
                let mut connection = Connection::open(server.address, wire).await;
                let mut response = connection.send(Method::GET, path).await.unwrap();
                let first = response.frame().await.unwrap().unwrap();
                assert!(first.is_data(), "{why}");
                assert_eq!(server.active.now(), 1, "{why}: it goes on as long as its body");
                drop((response, connection));
                assert_cancelled(&server.one(&why).await, "body", Some(200), &why);
            }
        }
        server.assert_idle(4);
    }
}

/// One stream of a connection is reset, the others go on.
#[tokio::test]
async fn of_one_stream_among_others() {
    let server = Server::start(HOUSES[0]).await;
    let mut connection = Connection::open(server.address, Wire::Http2).await;
    let mut kept = connection.send(Method::GET, "/fed/1").await.unwrap();
    let mut left = connection.send(Method::GET, "/fed/2").await.unwrap();
    assert!(left.frame().await.unwrap().is_ok());
    drop(left);
    let span = server.one("the one that was left").await;
    assert_cancelled(&span, "body", Some(200), "the one that was left");
    assert_eq!(span.attribute("url.path"), Some(&"/fed/2".into()));
    assert!(kept.frame().await.unwrap().is_ok(), "the other one is read on");
    assert_eq!(server.active.now(), 1);
    drop(kept);
    assert_cancelled(&server.one("the other").await, "body", Some(200), "the other");
    server.assert_idle(2);
}

/// By a socket that is closed with bytes unread, so that the server is told by a reset.
#[tokio::test]
async fn by_a_reset_of_the_connection() {
    let server = Server::start(HOUSES[0]).await;
    let mut socket = TcpStream::connect(server.address).await.unwrap();
    socket.write_all(b"GET /fed/1 HTTP/1.1\r\nhost: shop.example\r\n\r\n").await.unwrap();
    let mut start = [0; 64];
    socket.read_exact(&mut start).await.unwrap();
    assert!(start.starts_with(b"HTTP/1.1 200"));
    drop(socket);
    assert_cancelled(&server.one("reset").await, "body", Some(200), "reset");
    server.assert_idle(1);
}

/// A client that has all it was promised may close at once: that is not a cancellation.
#[tokio::test]
async fn after_the_last_byte_change_nothing() {
    for house in HOUSES {
        let server = Server::start(house).await;
        let mut socket = TcpStream::connect(server.address).await.unwrap();
        socket.write_all(b"GET /known HTTP/1.1\r\nhost: shop.example\r\n\r\n").await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"hello") {
            assert_ne!(socket.read_buf(&mut answer).await.unwrap(), 0);
        }
        drop(socket);
        let span = server.one("read in full").await;
        assert_eq!((span.end, &span.status), (SpanEnd::Completed, &Status::Unset));
        server.assert_idle(1);
    }
}
