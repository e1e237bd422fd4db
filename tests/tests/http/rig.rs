//! Servers, connections, and a listener that counts what is going on.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

use axum::Router;
use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt as _, Collected, Empty};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use throughline_core::{End, Listener, SemanticKey, SpanData, Start, Tracer};
use throughline_testing::{MemorySink, tree};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tower::{Service, ServiceBuilder};

use crate::routes::{Arrivals, LONG, routes};

/// Who serves, and which of our layers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum House {
    /// axum, with the layer of throughline-axum.
    Axum,
    /// axum, with the layer of throughline-tower.
    AxumWithTower,
    /// hyper's own server around a tower stack.
    Hyper,
}

pub(crate) const HOUSES: [House; 3] = [House::Axum, House::AxumWithTower, House::Hyper];

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Wire {
    Http1,
    Http2,
}

pub(crate) const WIRES: [Wire; 2] = [Wire::Http1, Wire::Http2];

/// A server of [`routes`].
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) tracer: Tracer,
    pub(crate) spans: MemorySink,
    pub(crate) active: Active,
    pub(crate) arrivals: Arrivals,
}

/// Counts the requests that are going on, as `http.server.active_requests` does.
#[derive(Clone, Default)]
pub(crate) struct Active(Arc<Counts>);

#[derive(Default)]
struct Counts {
    active: AtomicI64,
    starts: AtomicUsize,
    ends: AtomicUsize,
}

/// One connection.
pub(crate) enum Connection {
    Http1(http1::SendRequest<Empty<Bytes>>),
    Http2(http2::SendRequest<Empty<Bytes>>),
}

// === impl Server ===

impl Server {
    pub(crate) async fn start(house: House) -> Self {
        Self::start_around(house, |routes| routes, |app| app).await
    }

    /// With other layers inside and outside ours.
    pub(crate) async fn start_around(
        house: House,
        inside: impl FnOnce(Router) -> Router,
        outside: impl FnOnce(Router) -> Router,
    ) -> Self {
        let (active, arrivals) = (Active::default(), Arrivals::new());
        let (tracer, spans) = throughline_testing::tracer_with(|tracer| tracer.listener(active.clone()));
        let routes = inside(routes(&arrivals));
        let address = match house {
            House::Axum => serve(outside(routes.layer(throughline_axum::HttpServerLayer::new(&tracer)))).await,
            House::AxumWithTower => {
                let layer = throughline_tower::HttpServerLayer::new(&tracer).route(throughline_axum::matched_path);
                serve(outside(routes.layer(layer.peer(throughline_axum::peer_address)))).await
            }
            House::Hyper => {
                let layer = throughline_tower::HttpServerLayer::new(&tracer);
                // Without a router around it the layer sees hyper's own requests.
                let service = ServiceBuilder::new().layer(layer).service(outside(routes));
                serve_hyper(service).await
            }
        };
        Self { address, tracer, spans, active, arrivals }
    }

    /// The one span that ends, now or soon.
    pub(crate) async fn one(&self, why: &str) -> SpanData {
        if let Err(error) = self.spans.wait_for(1, LONG).await {
            panic!("{why}: {error}");
        }
        let mut ended = self.spans.take();
        assert_eq!(ended.len(), 1, "{why}: exactly one span ends:\n{}", tree(&ended));
        ended.remove(0)
    }

    /// Everything that was started has ended, once.
    #[track_caller]
    pub(crate) fn assert_idle(&self, requests: usize) {
        assert!(self.spans.is_empty(), "no span ends twice:\n{}", self.spans.tree());
        self.active.assert_idle(requests);
        let stats = self.tracer.stats();
        assert_eq!((stats.abandoned, stats.hook_panics), (0, 0));
    }
}

/// Serves an axum app, with the peers' addresses.
pub(crate) async fn serve(app: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = app.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, service).await });
    address
}

/// Serves a tower service by hyper's own server.
pub(crate) async fn serve_hyper<S, B>(service: S) -> SocketAddr
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<throughline_testing::BoxError>,
    B: http_body::Body<Data: Send, Error: Into<throughline_testing::BoxError>> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = TowerToHyperService::new(service.clone());
            tokio::spawn(async move {
                let server = auto::Builder::new(TokioExecutor::new());
                server.serve_connection(TokioIo::new(stream), service).await
            });
        }
    });
    address
}

// === impl Active ===

impl Active {
    #[track_caller]
    pub(crate) fn assert_idle(&self, requests: usize) {
        let Counts { active, starts, ends } = &*self.0;
        let counted = (active.load(Ordering::SeqCst), starts.load(Ordering::SeqCst), ends.load(Ordering::SeqCst));
        assert_eq!(counted, (0, requests, requests), "active, started, ended");
    }

    pub(crate) fn now(&self) -> i64 {
        self.0.active.load(Ordering::SeqCst)
    }
}

impl Listener for Active {
    fn start(&self, start: &Start<'_>) {
        if start.semantic_key == Some(SemanticKey::HttpServer) {
            self.0.active.fetch_add(1, Ordering::SeqCst);
            self.0.starts.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn end(&self, end: &End<'_>) {
        if end.semantic_key == Some(SemanticKey::HttpServer) {
            self.0.active.fetch_sub(1, Ordering::SeqCst);
            self.0.ends.fetch_add(1, Ordering::SeqCst);
        }
    }
}

// === impl Connection ===

impl Connection {
    pub(crate) async fn open(address: SocketAddr, wire: Wire) -> Self {
        let stream = TokioIo::new(TcpStream::connect(address).await.unwrap());
        match wire {
            Wire::Http1 => {
                let (sender, connection) = http1::handshake(stream).await.unwrap();
                tokio::spawn(connection);
                Self::Http1(sender)
            }
            Wire::Http2 => {
                let (sender, connection) = http2::handshake(TokioExecutor::new(), stream).await.unwrap();
                tokio::spawn(connection);
                Self::Http2(sender)
            }
        }
    }

    pub(crate) async fn send(&mut self, method: Method, path: &str) -> hyper::Result<Response<Incoming>> {
        self.send_with(method, path, &[]).await
    }

    pub(crate) async fn send_with(
        &mut self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
    ) -> hyper::Result<Response<Incoming>> {
        let request = Request::builder().method(method);
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        match self {
            Self::Http1(sender) => {
                let request = request.uri(path).header("host", "shop.example:8443").header("te", "trailers");
                sender.send_request(request.body(Empty::new()).unwrap()).await
            }
            Self::Http2(sender) => {
                let request = request.uri(format!("http://shop.example:8443{path}"));
                sender.send_request(request.body(Empty::new()).unwrap()).await
            }
        }
    }

    /// The status, and whether the body arrived in full.
    pub(crate) async fn fetch(
        &mut self,
        method: Method,
        path: &str,
    ) -> hyper::Result<(u16, Result<Bytes, hyper::Error>)> {
        let fetched = async {
            let response = self.send(method, path).await?;
            let status = response.status().as_u16();
            Ok((status, response.into_body().collect().await.map(Collected::to_bytes)))
        };
        timeout(LONG, fetched).await.unwrap_or_else(|_| panic!("{path} was not answered in full"))
    }
}
