//! The gateway: passes requests on to orders, with axum.

use std::net::SocketAddr;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::routing::{get, post};
use axum::serve::ListenerExt as _;
use bytes::Bytes;
use http::{Method, StatusCode, Uri};
use throughline::Telemetry;
use tokio::net::{TcpListener, TcpSocket};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use crate::BoxError;
use crate::client::{Client, request, traced_client};

#[derive(Clone)]
struct Gateway {
    client: Client,
    orders: SocketAddr,
    reviews: SocketAddr,
}

pub(crate) async fn serve(
    listener: TcpListener,
    telemetry: Telemetry,
    orders: SocketAddr,
    closing: CancellationToken,
) -> Result<(), BoxError> {
    // The reviews are not written yet: the address is taken, and nobody listens.
    let reviews = TcpSocket::new_v4()?;
    reviews.bind("127.0.0.1:0".parse()?)?;
    let gateway = Gateway { client: traced_client(&telemetry)?, orders, reviews: reviews.local_addr()? };
    let app = Router::new()
        .route("/orders", post(to_orders))
        .route("/orders/{id}", get(to_orders))
        .route("/orders/{id}/log", get(to_orders))
        .route("/orders/{id}/live", get(to_orders))
        .route("/reviews/{id}", get(to_reviews))
        // One line is all that a server needs: each request a span, below the span of whoever sent it.
        .layer(telemetry.axum_server())
        .with_state(gateway);
    // With `ConnectInfo` the spans know the peer's address.
    let app = app.into_make_service_with_connect_info::<SocketAddr>();
    let listener = listener.tap_io(|socket| drop(socket.set_nodelay(true)));
    axum::serve(listener, app).with_graceful_shutdown(closing.cancelled_owned()).await?;
    Ok(())
}

async fn to_orders(
    State(gateway): State<Gateway>,
    method: Method,
    uri: Uri,
    body: Bytes,
) -> Result<(StatusCode, Body), StatusCode> {
    gateway.pass_on(gateway.orders, method, &uri, body).await
}

async fn to_reviews(
    State(gateway): State<Gateway>,
    method: Method,
    uri: Uri,
    body: Bytes,
) -> Result<(StatusCode, Body), StatusCode> {
    gateway.pass_on(gateway.reviews, method, &uri, body).await
}

impl Gateway {
    /// Passes a request on, and the answer back: status at once, body as it comes.
    async fn pass_on(
        &self,
        to: SocketAddr,
        method: Method,
        uri: &Uri,
        body: Bytes,
    ) -> Result<(StatusCode, Body), StatusCode> {
        let request = request(method, to, uri.path(), body).map_err(|_| StatusCode::BAD_REQUEST)?;
        // Nothing to hand over: the client finds the context of the request that is being handled.
        let answer = self.client.clone().oneshot(request).await.map_err(|_| StatusCode::BAD_GATEWAY)?;
        Ok((answer.status(), Body::new(answer.into_body())))
    }
}
