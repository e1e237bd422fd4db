//! Answers that go on: events, WebSockets, long downloads. Trailers are rows of `responses` and of the conformance suites.

use std::convert::Infallible;
use std::net::SocketAddr;

use axum::Router;
use axum::body::Body;
use axum::extract::WebSocketUpgrade;
use axum::extract::ws::{Message, WebSocket};
use axum::response::Response;
use axum::response::sse::{Event, Sse};
use axum::routing::get;
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::Method;
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use throughline_axum::HttpServerLayer;
use throughline_core::{SpanData, SpanEnd, Status};
use throughline_testing::{Gate, MemorySink, tracer, tracer_with};
use throughline_tower::{ActiveRequests, EndAt, HttpClientLayer, UpgradeSpan};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::broadcast;
use tower::ServiceExt as _;

use crate::clients::{ask, pooled};
use crate::rig::{Connection, HOUSES, House, Server, WIRES, Wire, serve};
use crate::routes::LONG;

#[track_caller]
fn assert_completed(span: &SpanData, why: &str) {
    assert_eq!((span.end, &span.status), (SpanEnd::Completed, &Status::Unset), "{why}");
    assert_eq!(span.attribute("error.type"), None, "{why}");
}

#[track_caller]
fn assert_cancelled(span: &SpanData, why: &str) {
    assert_eq!((span.end, &span.status), (SpanEnd::Cancelled, &Status::error()), "{why}");
    assert_eq!(span.attribute("throughline.phase"), Some(&"body".into()), "{why}");
}

async fn text(response: &mut http::Response<Incoming>) -> String {
    let frame = tokio::time::timeout(LONG, response.frame()).await.expect("a frame").unwrap().unwrap();
    String::from_utf8(frame.into_data().unwrap().into()).unwrap()
}

/// Events that the test sends, until it drops their sender.
#[derive(Clone)]
struct Feed(std::sync::Arc<std::sync::Mutex<Option<broadcast::Sender<u32>>>>);

impl Feed {
    fn new() -> Self {
        Self(std::sync::Arc::new(std::sync::Mutex::new(Some(broadcast::channel(16).0))))
    }

    fn route(&self) -> Router {
        let feed = self.clone();
        Router::new().route("/events", get(move || feed.events()))
    }

    async fn events(self) -> Sse<impl stream::Stream<Item = Result<Event, Infallible>>> {
        let events = self.0.lock().unwrap().as_ref().unwrap().subscribe();
        Sse::new(stream::unfold(events, async |mut events| {
            let number = events.recv().await.ok()?;
            Some((Ok(Event::default().data(number.to_string())), events))
        }))
    }

    fn send(&self, number: u32) {
        self.0.lock().unwrap().as_ref().unwrap().send(number).unwrap();
    }

    fn end(&self) {
        *self.0.lock().unwrap() = None;
    }
}

#[tokio::test]
async fn events_are_one_span_until_the_last_of_them() {
    for house in HOUSES {
        for wire in WIRES {
            let (why, feed) = (format!("{house:?}, {wire:?}"), Feed::new());
            let route = feed.route();
            let server = Server::start_around(house, |routes| routes.merge(route), |app| app).await;
            let mut connection = Connection::open(server.address, wire).await;
            let mut response = connection.send(Method::GET, "/events").await.unwrap();
            for number in 0..3 {
                feed.send(number);
                assert_eq!(text(&mut response).await, format!("data: {number}\n\n"), "{why}: one at a time");
                assert_eq!((server.active.now(), server.spans.len()), (1, 0), "{why}: it goes on");
            }
            feed.end();
            assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "", "{why}: no more of them");
            assert_completed(&server.one(&why).await, &why);
            server.assert_idle(1);
        }
    }
}

#[tokio::test]
async fn events_that_nobody_reads_any_more_are_cancelled() {
    for house in HOUSES {
        for wire in WIRES {
            let (why, feed) = (format!("{house:?}, {wire:?}"), Feed::new());
            let route = feed.route();
            let server = Server::start_around(house, |routes| routes.merge(route), |app| app).await;
            let mut connection = Connection::open(server.address, wire).await;
            let mut response = connection.send(Method::GET, "/events").await.unwrap();
            feed.send(1);
            assert_eq!(text(&mut response).await, "data: 1\n\n", "{why}");
            // Nothing is sent any more: it is the connection that says so, not a write that fails.
            drop((response, connection));
            assert_cancelled(&server.one(&why).await, &why);
            server.assert_idle(1);
        }
    }
}

/// How long somebody waited, where the duration says nothing of it.
#[tokio::test]
async fn the_first_event_is_an_event_of_the_span_if_asked_for() {
    let ((tracer, spans), feed) = (tracer(), Feed::new());
    let address = serve(feed.route().layer(HttpServerLayer::new(&tracer).first_byte_event())).await;
    for wire in WIRES {
        let mut connection = Connection::open(address, wire).await;
        let mut response = connection.send(Method::GET, "/events").await.unwrap();
        for number in 0..2 {
            feed.send(number);
            text(&mut response).await;
        }
        drop((response, connection));
        let span = spans.wait_for(1, LONG).await.unwrap().remove(0);
        spans.clear();
        let events: Vec<_> = span.events.iter().map(|event| &*event.name).collect();
        assert_eq!(events, ["http.response.first_byte"], "{wire:?}: once");
        assert!(span.events[0].time >= span.start_time && span.events[0].time <= span.start_time + span.duration);
    }
}

async fn echo(mut socket: WebSocket) {
    while let Some(Ok(message @ Message::Text(_))) = socket.recv().await {
        socket.send(message).await.unwrap();
    }
}

/// Takes the span along if there is one to take.
async fn web_socket(upgrade: WebSocketUpgrade) -> Response {
    let span = UpgradeSpan::current();
    upgrade.on_upgrade(async move |socket| match span {
        Some(span) => span.hold(echo(socket)).await,
        None => echo(socket).await,
    })
}

/// A client of one WebSocket, as far as an echo needs one (RFC 6455 §5.2).
struct Talker(TcpStream);

impl Talker {
    async fn open(address: SocketAddr) -> Self {
        let mut socket = TcpStream::connect(address).await.unwrap();
        let request = "GET /ws HTTP/1.1\r\nhost: shop.example\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
                       sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(socket.read_u8().await.unwrap());
        }
        let head = String::from_utf8(head).unwrap();
        assert!(head.starts_with("HTTP/1.1 101"), "{head}");
        assert!(head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{head}");
        Self(socket)
    }

    /// Says something and hears it again.
    async fn say(&mut self, text: &str) {
        let len = u8::try_from(text.len()).unwrap();
        // A text frame, masked by zeros.
        self.0.write_all(&[&[0x81, 0x80 | len, 0, 0, 0, 0], text.as_bytes()].concat()).await.unwrap();
        let mut heard = vec![0; 2 + text.len()];
        self.0.read_exact(&mut heard).await.unwrap();
        assert_eq!(heard, [&[0x81, len], text.as_bytes()].concat());
    }

    async fn close(mut self) {
        self.0.write_all(&[0x88, 0x80, 0, 0, 0, 0]).await.unwrap();
        let mut rest = Vec::new();
        self.0.read_to_end(&mut rest).await.unwrap();
    }
}

fn sockets(layer: HttpServerLayer) -> Router {
    Router::new().route("/ws", get(web_socket)).layer(layer)
}

async fn one(spans: &MemorySink) -> SpanData {
    let mut ended = spans.wait_for(1, LONG).await.unwrap();
    spans.clear();
    assert_eq!(ended.len(), 1);
    ended.remove(0)
}

#[tokio::test]
async fn a_web_socket_s_span_ends_at_101_and_the_socket_goes_on() {
    let (tracer, spans) = tracer();
    let address = serve(sockets(HttpServerLayer::new(&tracer))).await;
    let mut talker = Talker::open(address).await;
    let span = one(&spans).await;
    assert_completed(&span, "at 101");
    assert_eq!(span.name, "GET /ws");
    assert_eq!(span.attribute("http.response.status_code"), Some(&101.into()));
    talker.say("hello").await;
    talker.say("again").await;
    talker.close().await;
    assert!(spans.is_empty() && tracer.stats().late_writes == 0, "nothing more comes of it");
}

#[tokio::test]
async fn a_web_socket_s_span_stays_open_if_asked_to() {
    let active = ActiveRequests::new();
    let (tracer, spans) = tracer_with(|tracer| tracer.listener(active.clone()));
    let address = serve(sockets(HttpServerLayer::new(&tracer).upgrades())).await;
    let mut talker = Talker::open(address).await;
    talker.say("hello").await;
    assert_eq!((spans.len(), active.server()), (0, 1), "it goes on");
    talker.close().await;
    let span = one(&spans).await;
    assert_completed(&span, "closed");
    assert_eq!(active.server(), 0);
    assert_eq!(span.attribute("http.response.status_code"), Some(&101.into()));
    let events: Vec<_> = span.events.iter().map(|event| &*event.name).collect();
    assert_eq!(events, ["http.response.first_byte"], "where it would have ended");

    let mut talker = Talker::open(address).await;
    talker.say("hello").await;
    drop(talker);
    assert_completed(&one(&spans).await, "the handler saw the end of the connection, and came to its own");
}

/// The connection that a client's upgrade is about comes through our layer with the response.
#[tokio::test]
async fn a_client_s_span_ends_at_101_and_its_connection_goes_on() {
    let (tracer, spans) = tracer();
    let address = serve(sockets(HttpServerLayer::new(&throughline_core::Tracer::builder().build()))).await;
    for end in [EndAt::Head, EndAt::Body] {
        let client = HttpClientLayer::new(&tracer).end_at(end).layer(pooled(Wire::Http1));
        let mut request = ask(Method::GET, address, "/ws");
        for (name, value) in [
            ("connection", "upgrade"),
            ("upgrade", "websocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ] {
            request.headers_mut().insert(name, value.parse().unwrap());
        }
        let response = client.oneshot(request).await.unwrap();
        let span = one(&spans).await;
        assert_completed(&span, "at 101");
        assert_eq!(span.attribute("http.response.status_code"), Some(&101.into()), "{end:?}");
        let mut tunnel = TokioIo::new(hyper::upgrade::on(response).await.unwrap());
        tunnel.write_all(&[0x81, 0x82, 0, 0, 0, 0, b'h', b'i']).await.unwrap();
        let mut heard = [0; 4];
        tunnel.read_exact(&mut heard).await.unwrap();
        assert_eq!(heard, [0x81, 2, b'h', b'i'], "{end:?}");
    }
    assert!(spans.is_empty());
}

/// More than sockets and windows hold.
const LONG_DOWNLOAD: usize = 64 << 20;

/// Frames of 16 kB of a length that the head tells, or does not.
fn download(declared: bool) -> Response {
    let frame = Bytes::from(vec![b'x'; 16 << 10]);
    let frames =
        stream::iter(0..LONG_DOWNLOAD / frame.len()).map(move |_| Ok::<_, Infallible>(Frame::data(frame.clone())));
    let mut response = Response::new(Body::new(StreamBody::new(frames)));
    if declared {
        response.headers_mut().insert("content-length", LONG_DOWNLOAD.into());
    }
    response
}

fn downloads(routes: Router) -> Router {
    let declared = get(|| async { download(true) });
    routes.route("/declared-download", declared).route("/download", get(|| async { download(false) }))
}

#[tokio::test]
async fn a_download_lasts_as_long_as_its_slow_reader() {
    for house in [House::Axum, House::Hyper] {
        let server = Server::start_around(house, downloads, |app| app).await;
        for wire in WIRES {
            for path in ["/declared-download", "/download"] {
                let why = format!("{house:?}, {wire:?}, {path}");
                let mut connection = Connection::open(server.address, wire).await;
                let mut body = connection.send(Method::GET, path).await.unwrap().into_body();
                let (mut read, quarter) = (0, LONG_DOWNLOAD / 4);
                while let Some(frame) = body.frame().await {
                    let before = read / quarter;
                    read += frame.unwrap().into_data().unwrap().len();
                    if read / quarter > before && read < 3 * quarter {
                        // However long the reader takes here: what is left does not fit between the two.
                        assert_eq!((server.active.now(), server.spans.len()), (1, 0), "{why}: after {read} bytes");
                    }
                }
                assert_eq!(read, LONG_DOWNLOAD, "{why}");
                assert_completed(&server.one(&why).await, &why);
            }
        }
        server.assert_idle(4);
    }
}

#[tokio::test]
async fn a_reader_who_stops_in_a_download_and_goes_cancels_it() {
    for house in [House::Axum, House::Hyper] {
        let server = Server::start_around(house, downloads, |app| app).await;
        for wire in WIRES {
            let why = format!("{house:?}, {wire:?}");
            let mut connection = Connection::open(server.address, wire).await;
            let mut body = connection.send(Method::GET, "/declared-download").await.unwrap().into_body();
            assert!(body.frame().await.unwrap().is_ok(), "{why}");
            assert_eq!((server.active.now(), server.spans.len()), (1, 0), "{why}: the server waits for the reader");
            drop((body, connection));
            assert_cancelled(&server.one(&why).await, &why);
        }
        server.assert_idle(2);
    }
}

/// As gRPC does: the trailers say how it went, and nothing ends before them.
#[tokio::test]
async fn a_stream_ends_with_its_trailers() {
    for house in HOUSES {
        for wire in WIRES {
            let (why, gate) = (format!("{house:?}, {wire:?}"), Gate::new());
            let held = gate.clone();
            let handler = get(async move || {
                let trailers = stream::once(async move {
                    held.opened().await;
                    Ok(Frame::trailers([("grpc-status".parse().unwrap(), "5".parse().unwrap())].into_iter().collect()))
                });
                let data = stream::once(async { Ok::<_, Infallible>(Frame::data(Bytes::from_static(b"message"))) });
                let mut response = Response::new(Body::new(StreamBody::new(data.chain(trailers))));
                response.headers_mut().insert("trailer", "grpc-status".parse().unwrap());
                response
            });
            let server = Server::start_around(house, |routes| routes.route("/trailing", handler), |app| app).await;
            let mut connection = Connection::open(server.address, wire).await;
            let mut response = connection.send(Method::GET, "/trailing").await.unwrap();
            assert_eq!(text(&mut response).await, "message", "{why}");
            assert_eq!((server.active.now(), server.spans.len()), (1, 0), "{why}: the trailers are to come");
            gate.open();
            let trailers = response.frame().await.unwrap().unwrap().into_trailers().unwrap();
            assert_eq!(trailers["grpc-status"], "5", "{why}");
            assert_completed(&server.one(&why).await, &why);
            server.assert_idle(1);
        }
    }
}
