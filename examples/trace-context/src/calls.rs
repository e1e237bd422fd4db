//! The calls that the harness asks for.

use std::error::Error;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Deserialize;
use serde_json::Value;
use throughline::Telemetry;
use throughline::tower::{HttpClient, InvalidHost};
use tower::ServiceExt;

/// One element of the harness's list.
#[derive(Deserialize)]
pub(crate) struct Call {
    url: String,
    /// What the next service is to do, for it alone to read.
    #[serde(default = "nothing")]
    arguments: Value,
}

/// Makes calls, each under a CLIENT span of its own.
#[derive(Clone)]
pub(crate) struct Caller(HttpClient<Client<HttpConnector, Full<Bytes>>>);

// === impl Caller ===

impl Caller {
    pub(crate) fn new(telemetry: &Telemetry) -> Result<Self, InvalidHost> {
        let client = Client::builder(TokioExecutor::new()).build_http();
        Ok(Self(telemetry.http_client().baggage_to(LOOPBACK)?.layer(client)))
    }

    pub(crate) async fn call(&self, call: Call) -> Result<StatusCode, Box<dyn Error + Send + Sync>> {
        let request = Request::post(call.url)
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::from(serde_json::to_vec(&call.arguments)?))?;
        let exchange = async {
            let (head, mut body) = self.0.clone().oneshot(request).await?.into_parts();
            // Read to its end, or the connection cannot be used again.
            while let Some(frame) = body.frame().await {
                frame?;
            }
            Ok(head.status)
        };
        tokio::time::timeout(PATIENCE, exchange).await?
    }
}

fn nothing() -> Value {
    Value::Array(Vec::new())
}

/// Who may read baggage: the harness on this machine, and nobody else.
const LOOPBACK: [&str; 3] = ["127.0.0.1", "::1", "localhost"];

/// How long one call may take; the harness gives up earlier.
const PATIENCE: Duration = Duration::from_secs(10);
