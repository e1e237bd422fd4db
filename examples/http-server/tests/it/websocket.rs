//! The WebSocket, by hand: what RFC 6455 says of its bytes.

use throughline::SpanEnd;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::client::read_until;
use crate::{LIMIT, Server, text};

#[tokio::test]
async fn sends_back_what_it_gets_after_its_span_has_ended() {
    let server = Server::start().await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(HANDSHAKE).await.unwrap();
    let head = read_until(&mut stream, "\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 101 ") && head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{head}");
    let span = server.span().await;
    assert_eq!((&*span.name, span.end), ("GET /ws", SpanEnd::Completed));
    assert_eq!(text(&span, "http.response.status_code").as_deref(), Some("101"));

    for (sent, wanted, why) in [
        (masked(0x81, b"hi"), &b"\x81\x02hi"[..], "a text"),
        (masked(0x82, &[0, 255]), b"\x82\x02\x00\xff", "binary"),
        (masked(0x89, b"p"), b"\x8a\x01p", "a ping"),
        (masked(0x88, &[3, 232]), b"\x88\x02\x03\xe8", "a close"),
    ] {
        stream.write_all(&sent).await.unwrap();
        let mut answer = vec![0; wanted.len()];
        timeout(LIMIT, stream.read_exact(&mut answer)).await.expect(why).unwrap();
        assert_eq!(answer, wanted, "{why}");
    }
    assert_eq!(timeout(LIMIT, stream.read(&mut [0])).await.unwrap().unwrap(), 0, "the server closes the connection");
    assert!(server.spans.is_empty());
}

/// A frame as clients send it; a mask of zeros leaves the bytes as they are.
fn masked(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![opcode, 0x80 | u8::try_from(payload.len()).unwrap(), 0, 0, 0, 0];
    frame.extend_from_slice(payload);
    frame
}

/// The example of RFC 6455, §1.3.
const HANDSHAKE: &[u8] = b"GET /ws HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
    sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
