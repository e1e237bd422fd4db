//! The service: a shop that anybody may call.

use std::net::SocketAddr;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use throughline::axum::HttpServerLayer;
use throughline::propagation::Allow;
use throughline::tower::{HttpClient, HttpClientLayer};
use throughline::{Baggage, Context, ContextExt as _, Telemetry};
use tokio::net::TcpListener;
use tower::ServiceExt as _;

use crate::BoxError;

/// Whom the shop calls: a service of its own, and one of somebody else.
#[derive(Clone, Copy)]
pub(crate) struct Neighbours {
    pub(crate) inventory: SocketAddr,
    pub(crate) partner: SocketAddr,
}

#[derive(Clone)]
struct Shop {
    client: HttpClient<Client<HttpConnector, Empty<Bytes>>>,
    neighbours: Neighbours,
}

/// What comes in. One call makes the layer safe; the others say what this service knows better than the default.
fn incoming(telemetry: &Telemetry) -> HttpServerLayer {
    telemetry
        .axum_server()
        // Callers are strangers: their ids become a link, their baggage and their wish to be recorded count for nothing.
        .public_edge()
        // One proxy of ours stands before us: the last entry of `X-Forwarded-For` is what it saw, the rest is hearsay.
        .trusted_proxies(1)
        // By name, and credentials not even then.
        .capture_request_headers(["x-tenant", "authorization"])
        .skip(|request| request.path() == "/healthz")
}

/// What goes out.
fn outgoing(telemetry: &Telemetry, neighbours: Neighbours) -> Result<HttpClientLayer, BoxError> {
    Ok(telemetry
        .http_client()
        // Our own may know everything, baggage too, …
        .egress([neighbours.inventory.to_string()], Allow::ALL)?
        // … and everybody else nothing: by default they would be sent ids.
        .egress_otherwise(Allow::NONE))
}

pub(crate) async fn serve(listener: TcpListener, telemetry: Telemetry, neighbours: Neighbours) -> Result<(), BoxError> {
    let client = Client::builder(TokioExecutor::new()).build_http();
    let shop = Shop { client: outgoing(&telemetry, neighbours)?.layer(client), neighbours };
    let app = Router::new()
        .route("/orders/{id}", get(order))
        .route("/healthz", get(StatusCode::OK))
        .layer(incoming(&telemetry))
        .with_state(shop);
    Ok(axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await?)
}

/// Asks both neighbours, and passes on what they say that they were told.
async fn order(State(shop): State<Shop>) -> Result<String, StatusCode> {
    let baggage = Baggage::new().with("customer.tier", "gold").map_err(internal)?;
    let Neighbours { inventory, partner } = shop.neighbours;
    let answers = async {
        let (inventory, partner) = (shop.ask(inventory).await?, shop.ask(partner).await?);
        Ok::<_, BoxError>(format!("the inventory was told\n{inventory}\nthe partner was told\n{partner}"))
    };
    answers.with_context(Context::current().with_baggage(baggage)).await.map_err(internal)
}

impl Shop {
    async fn ask(&self, neighbour: SocketAddr) -> Result<String, BoxError> {
        let request = Request::get(format!("http://{neighbour}/")).body(Empty::new())?;
        let answer = self.client.clone().oneshot(request).await?;
        let body = answer.into_body().collect().await?.to_bytes();
        Ok(String::from_utf8(body.into())?)
    }
}

fn internal<E>(_: E) -> StatusCode {
    StatusCode::INTERNAL_SERVER_ERROR
}
