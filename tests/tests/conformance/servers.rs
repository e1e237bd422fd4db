//! Servers: axum by both of our layers, hyper's own around a tower service.

use std::net::SocketAddr;

use axum::Router;
use axum::routing::any_service;
use http::Request;
use http_body::Body;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use throughline_testing::BoxError;
use throughline_testing::conformance::http::{SKIPPED, ServerSuite, Setup, Site};
use throughline_tower::RequestView;
use tokio::net::TcpListener;
use tower::{Service, ServiceBuilder};

fn is_skipped(request: &RequestView<'_>) -> bool {
    request.path() == SKIPPED
}

/// The site behind as many layers as the case wants.
fn routed(setup: &Setup, layered: impl Fn(Router) -> Router) -> Router {
    let app = Router::new().route(Site::ROUTE, any_service(setup.site())).route(SKIPPED, any_service(setup.site()));
    (0..setup.layers()).fold(app, |app, _| layered(app))
}

async fn serve(app: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = app.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, service).await });
    address
}

async fn serve_hyper<S, B>(service: S) -> SocketAddr
where
    S: Service<Request<Incoming>, Response = http::Response<B>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = TowerToHyperService::new(service.clone());
            let server = auto::Builder::new(TokioExecutor::new());
            tokio::spawn(async move { server.serve_connection_with_upgrades(TokioIo::new(stream), service).await });
        }
    });
    address
}

#[tokio::test]
async fn axum() {
    let report = ServerSuite::new().run(async |setup| {
        let layer = throughline_axum::HttpServerLayer::new(setup.tracer()).skip(is_skipped);
        serve(routed(&setup, |app| app.layer(layer.clone()))).await
    });
    report.await.assert_conforms();
}

#[tokio::test]
async fn axum_below_the_tower_layer() {
    let report = ServerSuite::new().run(async |setup| {
        let layer = throughline_tower::HttpServerLayer::new(setup.tracer()).skip(is_skipped);
        let layer = layer.route(throughline_axum::matched_path).peer(throughline_axum::peer_address);
        serve(routed(&setup, |app| app.layer(layer.clone()))).await
    });
    report.await.assert_conforms();
}

#[tokio::test]
async fn hyper() {
    let report = ServerSuite::new().without_routes().without_peer().run(async |setup| {
        let layer = throughline_tower::HttpServerLayer::new(setup.tracer()).skip(is_skipped);
        match setup.layers() {
            1 => serve_hyper(layer.layer(setup.site())).await,
            _ => serve_hyper(ServiceBuilder::new().layer(layer.clone()).layer(layer).service(setup.site())).await,
        }
    });
    report.await.assert_conforms();
}
