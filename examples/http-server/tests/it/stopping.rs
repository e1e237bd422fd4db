//! What has begun goes on when the server is told to stop.

use throughline::SpanEnd;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::client::{Version, read_until};
use crate::{LIMIT, Server};

#[tokio::test]
async fn requests_and_tasks_end_and_idle_connections_close() {
    let mut server = Server::start().await;
    let mut idle = TcpStream::connect(server.address).await.unwrap();
    idle.write_all(b"GET /users/1 HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    read_until(&mut idle, "}").await;
    let mut silent = TcpStream::connect(server.address).await.unwrap();
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(b"GET /stream?chunks=3&ms=30 HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    read_until(&mut stream, "chunk 1").await;
    Version::H2c.get(server.address, "/spawn").await.unwrap();

    server.stop();
    for connection in [&mut idle, &mut silent] {
        assert_eq!(timeout(LIMIT, connection.read(&mut [0])).await.expect("it is closed").unwrap(), 0);
    }
    read_until(&mut stream, "chunk 3\n\r\n0\r\n\r\n").await;
    timeout(LIMIT, &mut server.running).await.expect("it stops").unwrap();
    assert!(TcpStream::connect(server.address).await.is_err(), "nobody listens");

    // All are there by now: nobody has to wait for them.
    assert_eq!(server.spans.len(), 4);
    let spans = server.spans(4).await;
    assert!(spans.iter().all(|span| span.end == SpanEnd::Completed), "{spans:?}");
    assert!(spans.iter().any(|span| span.name == "background work"), "{spans:?}");
}
