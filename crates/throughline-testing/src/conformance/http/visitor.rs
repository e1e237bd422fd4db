//! The client of a server under test.

use std::io;
use std::net::SocketAddr;

use http::HeaderMap;

use super::Wire;
use super::http1::{self, Framing};
use super::http2;

/// A request, as it is to go over the wire.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    pub(crate) method: &'static str,
    pub(crate) target: String,
    /// `Host` or `:authority`; HTTP/1.0 can do without.
    pub(crate) authority: Option<&'static str>,
    /// One field line each.
    pub(crate) headers: Vec<(&'static str, &'static str)>,
    pub(crate) http10: bool,
    pub(crate) body: Upload,
}

/// The request's body.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Upload {
    None,
    Whole(&'static str),
    /// More was announced than is ever sent.
    Half(&'static str),
}

/// How a visitor goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Leave {
    /// The connection is closed in good order.
    Close,
    /// The connection is reset.
    Reset,
    /// One stream of HTTP/2 is reset, the connection stays.
    Stream,
}

/// One connection.
pub(crate) enum Connection {
    Http1(http1::Client),
    Http2(http2::Client),
}

/// A response that is read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: HeaderMap,
    /// Whether it came to its end.
    pub(crate) whole: bool,
}

// === impl Ask ===

impl Ask {
    pub(crate) fn get(target: impl Into<String>) -> Self {
        Self {
            method: "GET",
            target: target.into(),
            authority: Some("shop.example:8443"),
            headers: Vec::new(),
            http10: false,
            body: Upload::None,
        }
    }

    pub(crate) fn method(mut self, method: &'static str) -> Self {
        self.method = method;
        self
    }

    pub(crate) fn header(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers.push((name, value));
        self
    }

    pub(crate) fn authority(mut self, authority: Option<&'static str>) -> Self {
        self.authority = authority;
        self
    }

    pub(crate) fn http10(mut self) -> Self {
        self.http10 = true;
        self
    }

    pub(crate) fn body(mut self, body: Upload) -> Self {
        self.body = body;
        self
    }
}

// === impl Connection ===

impl Connection {
    /// A connection whose drop is what `leave` says.
    pub(crate) async fn open(address: SocketAddr, wire: Wire, leave: Leave) -> io::Result<Self> {
        let socket = tokio::net::TcpStream::connect(address).await?;
        if leave == Leave::Reset {
            socket.set_zero_linger()?;
        }
        Ok(match wire {
            Wire::Http1 => Self::Http1(http1::Client::new(socket)),
            Wire::Http2 => Self::Http2(http2::Client::new(socket).await?),
        })
    }

    pub(crate) async fn send(&mut self, ask: &Ask) -> io::Result<()> {
        match self {
            Self::Http1(client) => client.send(ask).await,
            Self::Http2(client) => client.send(ask),
        }
    }

    /// The status of the next response.
    pub(crate) async fn head(&mut self) -> io::Result<u16> {
        match self {
            Self::Http1(client) => client.head().await,
            Self::Http2(client) => client.head().await,
        }
    }

    /// Some bytes of the body; nothing at its end.
    pub(crate) async fn some(&mut self) -> io::Result<Option<Vec<u8>>> {
        match self {
            Self::Http1(client) => client.some().await,
            Self::Http2(client) => client.some().await,
        }
    }

    async fn trailers(&mut self) -> io::Result<HeaderMap> {
        match self {
            Self::Http1(client) => Ok(client.take_trailers()),
            Self::Http2(client) => client.trailers().await,
        }
    }

    /// Asks and reads the answer to its end.
    pub(crate) async fn fetch(&mut self, ask: &Ask) -> io::Result<Answer> {
        self.send(ask).await?;
        let status = self.head().await?;
        let mut answer = Answer { status, body: Vec::new(), trailers: HeaderMap::new(), whole: false };
        loop {
            match self.some().await {
                Ok(Some(bytes)) => answer.body.extend(bytes),
                Ok(None) => break,
                Err(_) => return Ok(answer),
            }
        }
        if let Ok(trailers) = self.trailers().await {
            answer.trailers = trailers;
            answer.whole = true;
        }
        Ok(answer)
    }

    /// Goes away; the connection goes too, unless it is the stream alone.
    pub(crate) fn leave(self, leave: Leave) -> Option<Self> {
        match (self, leave) {
            (Self::Http2(mut client), Leave::Stream) => {
                client.reset();
                Some(Self::Http2(client))
            }
            (gone, _) => {
                drop(gone);
                None
            }
        }
    }
}

/// How a response to this method with this status is framed by HTTP/1.
pub(crate) fn framing(method: &str, status: u16, headers: &HeaderMap) -> Framing {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    if method == "HEAD" || status < 200 || matches!(status, 204 | 304) {
        return Framing::Length(0);
    }
    if text(http::header::TRANSFER_ENCODING).is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
        return Framing::Chunked;
    }
    match text(http::header::CONTENT_LENGTH).and_then(|length| length.parse().ok()) {
        Some(length) => Framing::Length(length),
        None => Framing::UntilClosed,
    }
}
