//! HTTP/1 by hand, over a socket.

use std::io;

use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::visitor::{Ask, Upload, framing};

/// A client's connection.
pub(crate) struct Client {
    wire: Wire,
    method: &'static str,
    framing: Framing,
    trailers: HeaderMap,
}

/// How a body's end is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Framing {
    Length(usize),
    Chunked,
    UntilClosed,
    Ended,
}

/// A socket, and what was read from it too early.
pub(crate) struct Wire {
    pub(crate) socket: TcpStream,
    read: Vec<u8>,
}

/// The start line and the fields of a message.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) start: String,
    pub(crate) fields: HeaderMap,
}

// === impl Client ===

impl Client {
    pub(crate) fn new(socket: TcpStream) -> Self {
        Self { wire: Wire::new(socket), method: "", framing: Framing::Ended, trailers: HeaderMap::new() }
    }

    pub(crate) async fn send(&mut self, ask: &Ask) -> io::Result<()> {
        self.method = ask.method;
        let version = if ask.http10 { "1.0" } else { "1.1" };
        let mut text = format!("{} {} HTTP/{version}\r\n", ask.method, ask.target);
        let host = ask.authority.map(|host| ("host", host));
        for (name, value) in host.iter().chain(&ask.headers) {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        match ask.body {
            Upload::None => text.push_str("\r\n"),
            Upload::Whole(body) => text.push_str(&format!("content-length: {}\r\n\r\n{body}", body.len())),
            Upload::Half(body) => text.push_str(&format!("content-length: {}\r\n\r\n{body}", body.len() + 1)),
        }
        self.raw(text.as_bytes()).await
    }

    /// These bytes, whether they are HTTP or not.
    pub(crate) async fn raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.wire.socket.write_all(bytes).await
    }

    pub(crate) async fn head(&mut self) -> io::Result<u16> {
        let head = self.wire.head().await?;
        let status = head.start.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.ok_or_else(|| invalid("no status"))?;
        self.framing = framing(self.method, status, &head.fields);
        self.trailers = HeaderMap::new();
        Ok(status)
    }

    pub(crate) async fn some(&mut self) -> io::Result<Option<Vec<u8>>> {
        match self.framing {
            Framing::Ended | Framing::Length(0) => Ok(None),
            Framing::Length(left) => {
                let bytes = self.wire.some(left).await?.ok_or(io::ErrorKind::UnexpectedEof)?;
                self.framing = Framing::Length(left - bytes.len());
                Ok(Some(bytes))
            }
            Framing::UntilClosed => self.wire.some(usize::MAX).await,
            Framing::Chunked => {
                let line = self.wire.until(b"\r\n").await?;
                let size = std::str::from_utf8(&line).ok().and_then(hex).ok_or_else(|| invalid("no chunk's size"))?;
                if size == 0 {
                    self.framing = Framing::Ended;
                    self.trailers = self.wire.fields().await?;
                    return Ok(None);
                }
                let mut chunk = Vec::new();
                while chunk.len() < size + 2 {
                    let some = self.wire.some(size + 2 - chunk.len()).await?;
                    chunk.extend(some.ok_or(io::ErrorKind::UnexpectedEof)?);
                }
                chunk.truncate(size);
                Ok(Some(chunk))
            }
        }
    }

    pub(crate) fn take_trailers(&mut self) -> HeaderMap {
        std::mem::take(&mut self.trailers)
    }
}

// === impl Wire ===

impl Wire {
    pub(crate) fn new(socket: TcpStream) -> Self {
        Self { socket, read: Vec::new() }
    }

    pub(crate) async fn head(&mut self) -> io::Result<Head> {
        let start = String::from_utf8(self.until(b"\r\n").await?).map_err(|_| invalid("no text"))?;
        Ok(Head { start, fields: self.fields().await? })
    }

    /// Field lines up to an empty one.
    async fn fields(&mut self) -> io::Result<HeaderMap> {
        let mut fields = HeaderMap::new();
        loop {
            let line = self.until(b"\r\n").await?;
            if line.is_empty() {
                return Ok(fields);
            }
            let mut parts = line.splitn(2, |byte| *byte == b':');
            let (name, value) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
            let name = HeaderName::from_bytes(name).map_err(|_| invalid("no field's name"))?;
            fields.append(name, HeaderValue::from_bytes(value.trim_ascii()).map_err(|_| invalid("no field's value"))?);
        }
    }

    /// What comes before this end, which is read, too.
    async fn until(&mut self, end: &[u8]) -> io::Result<Vec<u8>> {
        loop {
            if let Some(at) = self.read.windows(end.len()).position(|window| window == end) {
                let rest = self.read.split_off(at + end.len());
                let mut line = std::mem::replace(&mut self.read, rest);
                line.truncate(at);
                return Ok(line);
            }
            if self.socket.read_buf(&mut self.read).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// Up to `most` bytes; nothing when the other side has closed.
    pub(crate) async fn some(&mut self, most: usize) -> io::Result<Option<Vec<u8>>> {
        if self.read.is_empty() && self.socket.read_buf(&mut self.read).await? == 0 {
            return Ok(None);
        }
        let rest = self.read.split_off(most.min(self.read.len()));
        Ok(Some(std::mem::replace(&mut self.read, rest)))
    }
}

/// By hand: `from_str_radix` takes signs.
fn hex(text: &str) -> Option<usize> {
    text.chars().try_fold(0_usize, |value, digit| {
        let digit = digit.to_digit(16)?;
        value.checked_mul(16)?.checked_add(usize::try_from(digit).ok()?)
    })
}

fn invalid(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}
