//! Visitors: each makes one request at a time, and four of nine go wrong.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body::Body;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use throughline_core::{Context, SpanContext, SpanId, TraceFlags, TraceId, Tracer};
use throughline_tower::HttpClientLayer;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::AbortHandle;
use tokio::time::timeout;
use tower::{Service as _, service_fn};

use crate::server::{Arrivals, Server};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Wire {
    Http1,
    Http2,
}

/// Makes requests from one connection to the next.
pub(crate) struct Visitor {
    address: SocketAddr,
    arrivals: Arrivals,
    /// For HTTP/2; HTTP/1.1 is written by hand.
    client: HttpClientLayer,
    wire: Wire,
    number: u64,
    random: Random,
    connection: Option<Connection>,
}

enum Connection {
    Http1(TcpStream),
    Http2(http2::SendRequest<Full<Bytes>>, AbortHandle),
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug)]
enum Fate {
    /// Is answered in full: the path, and how the answer ends in HTTP/1.1.
    Read(&'static str, &'static [u8]),
    Fails(&'static str),
    /// Never gets as far as a request.
    LeavesInItsOwnHead,
    /// Goes without looking whether it has arrived.
    LeavesAtOnce,
    LeavesBeforeTheHead,
    LeavesInTheBody,
    /// As the two before, but it is the connection that is reset.
    Resets {
        in_the_body: bool,
    },
}

/// SplitMix64.
pub(crate) struct Random(u64);

// === impl Visitor ===

impl Visitor {
    pub(crate) fn new(server: &Server, tracer: &Tracer, wire: Wire, number: u64, random: Random) -> Self {
        let (arrivals, client) = (server.arrivals.clone(), HttpClientLayer::new(tracer));
        Self { address: server.address, arrivals, client, wire, number, random, connection: None }
    }

    pub(crate) async fn visits(mut self, count: u64) {
        for _ in 0..count {
            let fate = self.fate();
            let visit = timeout(Duration::from_secs(30), self.visit(fate)).await;
            assert!(visit.is_ok(), "{:?}: {fate:?} takes too long", self.wire);
        }
    }

    fn fate(&mut self) -> Fate {
        // Some of what goes wrong never gets to be an operation, or fails: of those that start, a third is cut short.
        if self.random.below(9) >= 4 {
            return READS[self.random.below(READS.len() as u64) as usize];
        }
        match self.random.below(9) {
            0 if self.wire == Wire::Http1 => Fate::LeavesInItsOwnHead,
            1 => Fate::LeavesAtOnce,
            0 | 2 => Fate::LeavesBeforeTheHead,
            3 => Fate::LeavesInTheBody,
            4 => Fate::Resets { in_the_body: false },
            5 => Fate::Resets { in_the_body: true },
            6 => Fate::Fails("/panic"),
            7 => Fate::Fails("/broken"),
            _ => Fate::Read("/slow", b"\r\n\r\n"),
        }
    }

    async fn visit(&mut self, fate: Fate) {
        if matches!(fate, Fate::Resets { .. } | Fate::LeavesInItsOwnHead) {
            // On a connection that nobody else is to miss.
            self.connection = None;
        }
        let resets = matches!(fate, Fate::Resets { .. });
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => Connection::open(self.address, self.wire, resets).await,
        };
        let arrived = self.arrivals.next(self.number);
        let parent = self.parent();
        let trace = parent.trace_id().to_string();
        let path = match fate {
            Fate::Read(path, _) | Fate::Fails(path) => path.to_owned(),
            Fate::LeavesBeforeTheHead | Fate::Resets { in_the_body: false } => format!("/never/{}", self.number),
            _ => format!("/stuck/{}", self.number),
        };
        let method = if path == "/echo" { Method::POST } else { Method::GET };
        match &mut connection {
            Connection::Http1(socket) => {
                let body = if method == Method::POST { ECHO } else { "" };
                let length = body.len();
                let parent = String::from_utf8(parent.to_traceparent().to_vec()).unwrap();
                let head = format!(
                    "{method} {path} HTTP/1.1\r\nhost: soak\r\nte: trailers\r\ntraceparent: {parent}\r\n\
                     x-trace: {trace}\r\ncontent-length: {length}\r\n\r\n{body}"
                );
                let sent = match fate {
                    Fate::LeavesInItsOwnHead => &head[..self.random.below(head.len() as u64) as usize],
                    _ => &head,
                };
                socket.write_all(sent.as_bytes()).await.unwrap();
                match fate {
                    Fate::Read(_, end) => {
                        read(socket, end).await.unwrap();
                        self.connection = Some(connection);
                    }
                    Fate::Fails(_) => {
                        // Nothing ends like that.
                        assert!(read(socket, b"\0").await.is_err());
                    }
                    Fate::LeavesBeforeTheHead | Fate::Resets { in_the_body: false } => arrived.await,
                    Fate::LeavesInTheBody | Fate::Resets { in_the_body: true } => {
                        read(socket, b"one\r\n").await.unwrap();
                    }
                    Fate::LeavesInItsOwnHead | Fate::LeavesAtOnce => {}
                }
            }
            Connection::Http2(sender, task) => {
                let body = if method == Method::POST { Full::from(ECHO) } else { Full::default() };
                let request = Request::builder().method(method).uri(format!("http://soak{path}"));
                let request = request.header("te", "trailers").header("x-trace", trace);
                sender.ready().await.unwrap();
                let mut client = self.client.layer(service_fn(|request| sender.send_request(request)));
                let context = Context::ROOT.with_span_context(parent);
                let response = context.scope(|| client.call(request.body(body).unwrap()));
                match fate {
                    Fate::Read(..) => drop(response.await.unwrap().into_body().collect().await.unwrap()),
                    Fate::Fails(_) => assert!(read_all(response).await.is_err()),
                    Fate::LeavesBeforeTheHead | Fate::Resets { in_the_body: false } => tokio::select! {
                        response = response => panic!("nobody answers: {response:?}"),
                        () = arrived => {}
                    },
                    Fate::LeavesInTheBody | Fate::Resets { in_the_body: true } => {
                        let mut response = response.await.unwrap();
                        response.frame().await.unwrap().unwrap();
                        if matches!(fate, Fate::Resets { .. }) {
                            task.abort();
                        }
                    }
                    Fate::LeavesInItsOwnHead | Fate::LeavesAtOnce => drop(response),
                }
                match fate {
                    Fate::Resets { .. } => task.abort(),
                    _ => self.connection = Some(connection),
                }
            }
        }
    }

    /// The caller's span; of four, one is not sampled.
    fn parent(&mut self) -> SpanContext {
        let flags = if self.random.below(4) == 0 { TraceFlags::NONE } else { TraceFlags::SAMPLED };
        let trace = u128::from(self.random.next()) << 64 | u128::from(self.random.next());
        let (trace, span) = (TraceId::from_u128(trace), SpanId::from_u64(self.random.next()));
        SpanContext::new(trace.unwrap(), span.unwrap(), flags)
    }
}

/// Reads until what was read ends like this.
async fn read(socket: &mut TcpStream, end: &[u8]) -> std::io::Result<()> {
    let mut answer = Vec::with_capacity(256);
    while !answer.ends_with(end) {
        if socket.read_buf(&mut answer).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(())
}

async fn read_all<B>(response: impl Future<Output = hyper::Result<Response<B>>>) -> hyper::Result<()>
where
    B: Body<Error = hyper::Error>,
{
    response.await?.into_body().collect().await.map(drop)
}

// === impl Connection ===

impl Connection {
    async fn open(address: SocketAddr, wire: Wire, resets: bool) -> Self {
        let socket = TcpStream::connect(address).await.unwrap();
        socket.set_nodelay(true).unwrap();
        if resets {
            socket.set_zero_linger().unwrap();
        }
        match wire {
            Wire::Http1 => Self::Http1(socket),
            Wire::Http2 => {
                let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(socket)).await.unwrap();
                let task = tokio::spawn(async move { drop(connection.await) });
                Self::Http2(sender, task.abort_handle())
            }
        }
    }
}

// === impl Random ===

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Another one, whose numbers depend on this one's alone.
    pub(crate) fn fork(&mut self) -> Self {
        Self(self.next())
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

const ECHO: &str = "0123456789abcdef";

const READS: [Fate; 6] = [
    Fate::Read("/known", b"hello"),
    Fate::Read("/streamed", b"0\r\n\r\n"),
    Fate::Read("/no-content", b"\r\n\r\n"),
    Fate::Read("/refused", b"hello"),
    Fate::Read("/trailers", b"x-checksum: 1\r\n\r\n"),
    Fate::Read("/echo", ECHO.as_bytes()),
];
