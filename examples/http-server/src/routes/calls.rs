//! Requests that make requests.

use std::error::Error;
use std::time::Duration;

use axum::Router;
use axum::body::HttpBody;
use axum::extract::{Query, State};
use axum::http::{Response, StatusCode, Uri};
use axum::routing::get;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use serde::Deserialize;
use tower::{Service, ServiceExt as _};

use crate::app::Shared;
use crate::outgoing::{Client, Outgoing, RetryingClient};

pub(super) fn routes() -> Router<Shared> {
    Router::new().route("/call", get(call)).route("/retry", get(retry))
}

/// The URL to send a request to.
#[derive(Deserialize)]
#[serde(try_from = "Parameters")]
struct Target(Uri);

#[derive(Deserialize)]
struct Parameters {
    url: String,
}

async fn call(State(client): State<Client>, Query(target): Query<Target>) -> (StatusCode, String) {
    send(client, target).await
}

async fn retry(State(client): State<RetryingClient>, Query(target): Query<Target>) -> (StatusCode, String) {
    send(client, target).await
}

/// Sends the request and passes on the status of its answer, when that was read.
async fn send<S, B>(client: S, Target(uri): Target) -> (StatusCode, String)
where
    S: Service<Outgoing, Response = Response<B>>,
    S::Error: Error + 'static,
    B: HttpBody<Data = Bytes> + Unpin,
{
    let mut request = Outgoing::new(Empty::new());
    *request.uri_mut() = uri;
    let exchange = async {
        let response = client.oneshot(request).await?;
        let status = response.status();
        read(response.into_body()).await;
        Ok::<_, S::Error>(status)
    };
    match tokio::time::timeout(PATIENCE, exchange).await {
        Ok(Ok(status)) => (status, format!("{}\n", status.as_u16())),
        Ok(Err(error)) => (StatusCode::BAD_GATEWAY, format!("{}\n", crate::chain(&error))),
        Err(_) => (StatusCode::GATEWAY_TIMEOUT, format!("no answer within {PATIENCE:?}\n")),
    }
}

/// Reads a body to its end, so that whoever sends it is not cut short, unless there is too much of it.
async fn read<B: HttpBody<Data = Bytes> + Unpin>(mut body: B) {
    let mut left = MAX_READ;
    while let Some(Ok(frame)) = body.frame().await {
        let length = frame.data_ref().map_or(0, Bytes::len);
        let Some(rest) = left.checked_sub(length) else { return };
        left = rest;
    }
}

// === impl Target ===

impl TryFrom<Parameters> for Target {
    type Error = &'static str;

    fn try_from(parameters: Parameters) -> Result<Self, Self::Error> {
        let uri = Uri::try_from(parameters.url).map_err(|_| "this is no URL")?;
        match uri.scheme_str() {
            Some("http") => Ok(Self(uri)),
            _ => Err("only http:// URLs can be called"),
        }
    }
}

const PATIENCE: Duration = Duration::from_secs(30);
const MAX_READ: usize = 16 << 20;
