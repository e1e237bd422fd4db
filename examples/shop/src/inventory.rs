//! The inventory: counts books, with hyper and without axum.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Extensions, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use throughline::{Context, Telemetry};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower::{ServiceExt as _, service_fn};

use crate::BoxError;

/// What the connection and the router know of a request; axum has types of its own for these.
#[derive(Clone, Copy)]
struct Peer(SocketAddr);
#[derive(Clone, Copy)]
struct Route(&'static str);

#[derive(Default)]
struct Inventory {
    /// How often somebody asked for the book whose shelf is hard to reach.
    climbs: AtomicU32,
}

pub(crate) async fn serve(
    listener: TcpListener,
    telemetry: Telemetry,
    closing: CancellationToken,
) -> Result<(), BoxError> {
    let inventory = Arc::new(Inventory::default());
    // The layer finds route and peer where the outer service puts them.
    let layer = telemetry.http_server().route(route).peer(peer);
    let connections = GracefulShutdown::new();
    while let Some(accepted) = closing.run_until_cancelled(listener.accept()).await {
        let (socket, peer) = accepted?;
        socket.set_nodelay(true)?;
        let inventory = Arc::clone(&inventory);
        let service = layer.layer(service_fn(move |request| answer(Arc::clone(&inventory), request)));
        let service = service.map_request(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(Peer(peer));
            if request.uri().path().starts_with(STOCK) {
                request.extensions_mut().insert(Route("/stock/{id}"));
            }
            request
        });
        let connection =
            http1::Builder::new().serve_connection(TokioIo::new(socket), TowerToHyperService::new(service));
        tokio::spawn(connections.watch(connection));
    }
    connections.shutdown().await;
    Ok(())
}

async fn answer(inventory: Arc<Inventory>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (status, text) = inventory.count(request.uri().path()).await;
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = status;
    Ok(response)
}

impl Inventory {
    async fn count(&self, path: &str) -> (StatusCode, String) {
        let Some(book) = path.strip_prefix(STOCK) else { return (StatusCode::NOT_FOUND, String::new()) };
        let context = Context::current();
        let span = context.span();
        span.set("book", book);
        // Baggage came all the way from the driver. It never becomes an attribute by itself.
        if let Some(tier) = context.baggage().get("customer.tier") {
            span.set("customer.tier", tier);
        }
        if book == HIGH_UP && self.climbs.fetch_add(1, Ordering::Relaxed) < 2 {
            span.event("ladder slipped", &[]);
            return (StatusCode::SERVICE_UNAVAILABLE, String::new());
        }
        // What a database would take; the longer the title, the longer it takes.
        tokio::time::sleep(Duration::from_millis(book.len() as u64)).await;
        (StatusCode::OK, format!("{book}: {} in stock", book.len()))
    }
}

fn route(extensions: &Extensions) -> Option<&str> {
    extensions.get::<Route>().map(|route| route.0)
}

fn peer(extensions: &Extensions) -> Option<SocketAddr> {
    extensions.get::<Peer>().map(|peer| peer.0)
}

const STOCK: &str = "/stock/";
/// The first two who ask for it do not get it.
pub(crate) const HIGH_UP: &str = "ulysses";
