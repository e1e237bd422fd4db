//! Clients of three versions of HTTP.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::LIMIT;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Version {
    Http10,
    Http11,
    H2c,
}

/// An answer that was read to its end, or for as long as it went well.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Option<HeaderMap>,
    pub(crate) broken: bool,
}

// === impl Version ===

impl Version {
    pub(crate) const ALL: [Self; 3] = [Self::Http10, Self::Http11, Self::H2c];

    /// As `network.protocol.version` has it.
    pub(crate) const fn text(self) -> &'static str {
        match self {
            Self::Http10 => "1.0",
            Self::Http11 => "1.1",
            Self::H2c => "2",
        }
    }

    /// One request on a connection of its own; nothing if no head came back.
    pub(crate) async fn send(self, server: SocketAddr, method: Method, path: &str) -> Option<Answer> {
        if self == Self::Http10 {
            return Answer::parse(&raw(server, &format!("{method} {path} HTTP/1.0\r\n\r\n")).await);
        }
        let client = Client::builder(TokioExecutor::new()).http2_only(self == Self::H2c).build_http();
        let request = Request::builder().method(method).uri(format!("http://{server}{path}"));
        let response = client.request(request.body(Full::<Bytes>::default()).unwrap());
        Some(Answer::read(timeout(LIMIT, response).await.unwrap().ok()?).await)
    }

    pub(crate) async fn get(self, server: SocketAddr, path: &str) -> Option<Answer> {
        self.send(server, Method::GET, path).await
    }
}

// === impl Answer ===

impl Answer {
    pub(crate) async fn read<B: BodyExt<Data = Bytes> + Unpin>(response: Response<B>) -> Self {
        let (head, mut rest) = response.into_parts();
        let (mut body, mut trailers, mut broken) = (Vec::new(), None, false);
        while let Some(frame) = timeout(LIMIT, rest.frame()).await.unwrap() {
            match frame.map(Frame::into_data) {
                Ok(Ok(data)) => body.extend_from_slice(&data),
                Ok(Err(last)) => trailers = last.into_trailers().ok(),
                Err(_) => {
                    broken = true;
                    break;
                }
            }
        }
        Self { status: head.status.as_u16(), headers: head.headers, body, trailers, broken }
    }

    /// What a connection that was closed after it has left.
    fn parse(bytes: &[u8]) -> Option<Self> {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
        let (head, body) = (std::str::from_utf8(&bytes[..end]).unwrap(), &bytes[end + 4..]);
        let (line, fields) = head.split_once("\r\n").unwrap_or((head, ""));
        let mut headers = HeaderMap::new();
        for (name, value) in fields.lines().filter_map(|field| field.split_once(": ")) {
            headers.insert(http::HeaderName::try_from(name).unwrap(), value.parse().unwrap());
        }
        let status = line.split(' ').nth(1).unwrap().parse().unwrap();
        Some(Self { status, headers, body: body.to_vec(), trailers: None, broken: false })
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

/// Sends these bytes on a connection of their own, and reads until the server closes it.
pub(crate) async fn raw(server: SocketAddr, bytes: &str) -> Vec<u8> {
    let mut stream = TcpStream::connect(server).await.unwrap();
    stream.write_all(bytes.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // A server that resets the connection has said what it had to say before.
    drop(timeout(LIMIT, stream.read_to_end(&mut answer)).await.expect("the server closes the connection"));
    answer
}

/// Reads until this text has come.
pub(crate) async fn read_until(stream: &mut TcpStream, text: &str) -> String {
    let (mut answer, mut chunk) = (Vec::new(), [0; 1024]);
    while !contains(&answer, text) {
        let read = timeout(LIMIT, stream.read(&mut chunk)).await.expect("it answers").unwrap();
        assert_ne!(read, 0, "{text:?} did not come: {}", String::from_utf8_lossy(&answer));
        answer.extend_from_slice(&chunk[..read]);
    }
    String::from_utf8(answer).unwrap()
}

pub(crate) fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}
