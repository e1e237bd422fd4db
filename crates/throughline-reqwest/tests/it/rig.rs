//! A server that keeps what it was asked, and the one span that ended.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::request::Parts;
use http::{Request, Response};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use throughline_core::{Baggage, Context, SpanContext, SpanData};
use throughline_reqwest::{HttpClient, HttpClientLayer};
use throughline_testing::MemorySink;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

pub(crate) type Client = HttpClient<reqwest::Client>;

/// A server on a port of its own.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<Parts>>>,
    arrived: Arc<Semaphore>,
}

type Body = BoxBody<Bytes, io::Error>;

pub(crate) const SAMPLED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
pub(crate) const UNSAMPLED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";

// === impl Server ===

impl Server {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let arrived = Arc::new(Semaphore::new(0));
        let server = Self { address, seen: Arc::clone(&seen), arrived: Arc::clone(&arrived) };
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (seen, arrived) = (Arc::clone(&seen), Arc::clone(&arrived));
                let service = service_fn(move |request: Request<Incoming>| {
                    let parts = request.into_parts().0;
                    let answer = answer(parts.uri.path().to_owned());
                    seen.lock().unwrap().push(parts);
                    arrived.add_permits(1);
                    answer
                });
                tokio::spawn(async move {
                    _ = auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(socket), service).await;
                });
            }
        });
        server
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// What was asked since the last look.
    pub(crate) fn take(&self) -> Vec<Parts> {
        std::mem::take(&mut self.seen.lock().unwrap())
    }

    /// The one request since the last look.
    #[track_caller]
    pub(crate) fn one(&self) -> Parts {
        let mut seen = self.take();
        assert_eq!(seen.len(), 1, "{seen:?}");
        seen.remove(0)
    }

    /// Waits for the next request.
    pub(crate) async fn arrival(&self) {
        self.arrived.acquire().await.unwrap().forget();
    }
}

async fn answer(path: String) -> Result<Response<Body>, io::Error> {
    let response = Response::builder();
    let hello = || Full::from("hello").map_err(|never: Infallible| match never {}).boxed();
    Ok(match path.split('/').collect::<Vec<_>>()[1..] {
        ["to", host, ref path @ ..] => {
            response.status(302).header("location", format!("http://{host}/{}", path.join("/"))).body(hello())
        }
        ["loop"] => response.status(302).header("location", "/loop").body(hello()),
        ["status", code] => response.status(code).header("x-served-by", "a test").body(hello()),
        ["never"] => std::future::pending().await,
        ["hang-up"] => return Err(io::Error::other("hung up")),
        ["broken"] => {
            let failure = stream::once(async {
                // By then the head is on its way.
                tokio::task::yield_now().await;
                Err(io::Error::other("broken"))
            });
            let frames = stream::iter([Ok(Frame::data(Bytes::from("hel")))]).chain(failure);
            response.body(BodyExt::boxed(StreamBody::new(frames)))
        }
        _ => response.body(hello()),
    }
    .unwrap())
}

// === what tests share ===

pub(crate) fn client(layer: impl Into<HttpClientLayer>) -> Client {
    layer.into().layer(reqwest::Client::new())
}

/// The only span that ended since the last look.
#[track_caller]
pub(crate) fn one(spans: &MemorySink) -> SpanData {
    let mut ended = spans.take();
    assert_eq!(ended.len(), 1, "exactly one span ends:\n{}", throughline_testing::tree(&ended));
    ended.remove(0)
}

/// The text of an attribute; numbers as they are written.
pub(crate) fn text(span: &SpanData, key: &str) -> Option<String> {
    span.attribute(key).map(ToString::to_string)
}

/// The value of a header that is there once.
#[track_caller]
pub(crate) fn header(request: &Parts, name: &str) -> Option<String> {
    let mut values = request.headers.get_all(name).iter();
    let value = values.next()?.to_str().unwrap().to_owned();
    assert!(values.next().is_none(), "`{name}` is there twice");
    Some(value)
}

/// What a span is called on the wire.
pub(crate) fn traceparent(span: &SpanData) -> String {
    String::from_utf8(span.span_context.to_traceparent().to_vec()).unwrap()
}

pub(crate) fn remote(traceparent: &str) -> SpanContext {
    SpanContext::from_traceparent(traceparent.as_bytes()).unwrap()
}

pub(crate) fn with_baggage() -> Context {
    Context::ROOT.with_baggage(Baggage::new().with("tenant", "7").unwrap())
}
