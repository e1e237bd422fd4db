//! The server that a client under test talks to.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Response};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use super::http1;
use super::{Wire, in_time};

/// Plays the same to every request, and keeps their heads.
pub(crate) struct Backend {
    pub(crate) address: SocketAddr,
    seen: mpsc::UnboundedReceiver<Seen>,
}

/// A request as it came over the wire.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) fields: HeaderMap,
}

/// What a backend does with a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Play {
    /// This status and a short body.
    Answer(u16),
    /// 200 and a body in two frames, with trailers.
    Trailers,
    /// 200, half of what was promised, and the end of the connection or stream.
    Truncate,
    /// 200, half of what was promised, and nothing for as long as the client is there.
    Stop,
    /// Nothing for as long as the client is there.
    Never,
    /// The end of the connection, in good order, instead of an answer.
    Close,
    /// A reset of the connection or stream instead of an answer.
    Reset,
    /// What is no HTTP.
    Garbage,
}

/// A backend that is up.
struct Backstage {
    wire: Wire,
    play: Play,
    seen: mpsc::UnboundedSender<Seen>,
}

// === impl Backend ===

impl Backend {
    pub(crate) async fn start(wire: Wire, play: Play) -> Result<Self, String> {
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(|error| error.to_string())?;
        let address = listener.local_addr().map_err(|error| error.to_string())?;
        let (seen, requests) = mpsc::unbounded_channel();
        let backstage = Arc::new(Backstage { wire, play, seen });
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let backstage = Arc::clone(&backstage);
                // However it ends: what a client does wrong shows in what was seen.
                tokio::spawn(async move { drop(backstage.serve(socket).await) });
            }
        });
        Ok(Self { address, seen: requests })
    }

    /// The next request that came.
    pub(crate) async fn request(&mut self) -> Result<Seen, String> {
        let request = in_time("a request at the backend", self.seen.recv()).await?;
        request.ok_or_else(|| "the backend is gone".to_owned())
    }
}

// === impl Backstage ===

impl Backstage {
    async fn serve(&self, socket: TcpStream) -> io::Result<()> {
        match self.wire {
            Wire::Http1 => self.serve_http1(http1::Wire::new(socket)).await,
            Wire::Http2 => self.serve_http2(socket).await,
        }
    }

    fn note(&self, method: &str, target: &str, fields: HeaderMap) {
        let seen = Seen { method: method.to_owned(), target: target.to_owned(), fields };
        // A case may have seen enough.
        drop(self.seen.send(seen));
    }

    async fn serve_http1(&self, mut wire: http1::Wire) -> io::Result<()> {
        loop {
            let head = wire.head().await?;
            let mut start = head.start.split(' ');
            let (method, target) = (start.next().unwrap_or_default(), start.next().unwrap_or_default());
            self.note(method, target, head.fields);
            let text = match self.play {
                Play::Answer(status @ (204 | 304)) => format!("HTTP/1.1 {status} x\r\n\r\n"),
                Play::Answer(status) if method == "HEAD" => format!("HTTP/1.1 {status} x\r\ncontent-length: 5\r\n\r\n"),
                Play::Answer(status) => format!("HTTP/1.1 {status} x\r\ncontent-length: 5\r\n\r\nhello"),
                Play::Trailers => "HTTP/1.1 200 x\r\ntransfer-encoding: chunked\r\ntrailer: x-checksum\r\n\r\n\
                                   3\r\nhel\r\n2\r\nlo\r\n0\r\nx-checksum: 1\r\n\r\n"
                    .to_owned(),
                Play::Truncate | Play::Stop => "HTTP/1.1 200 x\r\ncontent-length: 10\r\n\r\nhello".to_owned(),
                Play::Garbage => "SMTP 220 hello\r\n\r\n".to_owned(),
                Play::Never | Play::Close | Play::Reset => String::new(),
            };
            wire.socket.write_all(text.as_bytes()).await?;
            match self.play {
                Play::Answer(_) | Play::Trailers => {}
                Play::Truncate | Play::Close | Play::Garbage => return Ok(()),
                Play::Reset => return wire.socket.set_zero_linger(),
                Play::Never | Play::Stop => {
                    while wire.some(usize::MAX).await?.is_some() {}
                    return Ok(());
                }
            }
        }
    }

    async fn serve_http2(&self, socket: TcpStream) -> io::Result<()> {
        let mut connection = h2::server::handshake(socket).await.map_err(io::Error::other)?;
        while let Some(request) = connection.accept().await {
            let (request, mut respond) = request.map_err(io::Error::other)?;
            let (head, _) = request.into_parts();
            self.note(head.method.as_str(), &head.uri.to_string(), head.headers);
            let response = |status| {
                let mut response = Response::new(());
                *response.status_mut() = http::StatusCode::from_u16(status).unwrap_or_default();
                response
            };
            match self.play {
                Play::Close => return Ok(()),
                Play::Reset | Play::Garbage => respond.send_reset(h2::Reason::INTERNAL_ERROR),
                Play::Answer(status) => {
                    let bare = matches!(status, 204 | 304) || head.method == http::Method::HEAD;
                    let mut body = respond.send_response(response(status), bare).map_err(io::Error::other)?;
                    if !bare {
                        body.send_data(Bytes::from_static(b"hello"), true).map_err(io::Error::other)?;
                    }
                }
                Play::Trailers => {
                    let mut body = respond.send_response(response(200), false).map_err(io::Error::other)?;
                    body.send_data(Bytes::from_static(b"hello"), false).map_err(io::Error::other)?;
                    let mut trailers = HeaderMap::new();
                    trailers.insert("x-checksum", http::HeaderValue::from_static("1"));
                    body.send_trailers(trailers).map_err(io::Error::other)?;
                }
                Play::Truncate => {
                    // A stream that ends before its declared length is malformed (RFC 9113 §8.1.1). A reset would race
                    // with the frames before it.
                    let mut half = response(200);
                    half.headers_mut().insert("content-length", http::HeaderValue::from_static("10"));
                    let mut body = respond.send_response(half, false).map_err(io::Error::other)?;
                    body.send_data(Bytes::from_static(b"hello"), true).map_err(io::Error::other)?;
                }
                Play::Stop => {
                    let mut body = respond.send_response(response(200), false).map_err(io::Error::other)?;
                    body.send_data(Bytes::from_static(b"hello"), false).map_err(io::Error::other)?;
                    tokio::spawn(std::future::poll_fn(move |cx| body.poll_reset(cx).map(drop)));
                }
                Play::Never => drop(tokio::spawn(std::future::poll_fn(move |cx| respond.poll_reset(cx).map(drop)))),
            }
        }
        Ok(())
    }
}
