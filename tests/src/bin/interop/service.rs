//! Our side: a service with throughline's layers that calls a peer and is called by it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::Empty;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use throughline::propagation::Composite;
use throughline::testing::MemorySink;
use throughline::tower::HttpClient;
use throughline::{Context, End, Listener, SpanKind, Start, Telemetry};
use tokio::net::TcpListener;
use tower::ServiceExt;

use crate::facts::Facts;
use crate::peer::{BoxError, Peer, PeerAnswer, read};

/// One peer's counterpart in one format.
pub(crate) struct Service {
    address: SocketAddr,
    pub(crate) spans: MemorySink,
    clients: Clients,
}

/// What we made of a request.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Arrival {
    pub(crate) received: Vec<(String, String)>,
    pub(crate) extracted: Facts,
    /// The context of the span that the layer started.
    pub(crate) server: Facts,
}

/// What the first of our routes answers: the whole round.
#[derive(Debug, Deserialize)]
pub(crate) struct Round {
    pub(crate) arrival: Arrival,
    pub(crate) peer: PeerAnswer,
}

#[derive(Clone)]
struct App {
    telemetry: Telemetry,
    client: HttpClient<Client<HttpConnector, Empty<Bytes>>>,
    call: Arc<str>,
}

/// The span ids of our CLIENT spans, recorded or not.
#[derive(Clone, Default)]
struct Clients(Arc<Mutex<Vec<String>>>);

struct Failure(BoxError);

// === impl Service ===

impl Service {
    pub(crate) async fn start(peer: &Peer, format: &str, propagator: Composite) -> Result<Self, BoxError> {
        let clients = Clients::default();
        let builder = Telemetry::builder().service_name("interop").propagator(propagator);
        let (telemetry, spans) = builder.listener(clients.clone()).test();
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let client = Client::builder(TokioExecutor::new()).build_http();
        let client = telemetry.http_client().baggage_to(["127.0.0.1"])?.layer(client);
        let call = with_query(&peer.url(format, "call"), &[("back", &format!("http://{address}/back"))]).into();
        let layer = telemetry.axum_server();
        let app = Router::new().route("/call", get(forward)).route("/back", get(back));
        let app = app.layer(layer).with_state(App { telemetry, client, call });
        tokio::spawn(async move { axum::serve(listener, app).await });
        Ok(Self { address, spans, clients })
    }

    /// Where the peer is called with the trace of whoever asks.
    pub(crate) fn call_url(&self) -> String {
        format!("http://{}/call", self.address)
    }

    /// Where somebody calls us.
    pub(crate) fn back_url(&self) -> String {
        format!("http://{}/back", self.address)
    }

    /// The CLIENT spans since the last time.
    pub(crate) fn take_clients(&self) -> Vec<String> {
        std::mem::take(&mut *self.clients.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

// === impl Clients ===

impl Listener for Clients {
    fn start(&self, start: &Start<'_>) {
        if start.kind == SpanKind::Client {
            let mut ids = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            ids.push(start.span_context.span_id().to_string());
        }
    }

    fn end(&self, _: &End<'_>) {}
}

// === impl Failure ===

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        (StatusCode::BAD_GATEWAY, self.0.to_string()).into_response()
    }
}

impl<E: Into<BoxError>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

/// A URL with these parameters.
pub(crate) fn with_query(url: &str, parameters: &[(&str, &str)]) -> String {
    let mut text = url.to_owned();
    for (at, (name, value)) in parameters.iter().enumerate() {
        text.push(if at == 0 { '?' } else { '&' });
        text.push_str(name);
        text.push('=');
        text.extend(utf8_percent_encode(value, NON_ALPHANUMERIC));
    }
    text
}

async fn forward(State(app): State<App>, headers: HeaderMap) -> Result<Json<Value>, Failure> {
    let arrival = arrival(&app, &headers);
    let request = Request::get(&*app.call).body(Empty::new())?;
    let answer = app.client.clone().oneshot(request).await?;
    let peer: Value = read(&app.call, answer).await?;
    Ok(Json(json!({ "arrival": arrival, "peer": peer })))
}

async fn back(State(app): State<App>, headers: HeaderMap) -> Json<Arrival> {
    Json(arrival(&app, &headers))
}

fn arrival(app: &App, headers: &HeaderMap) -> Arrival {
    let lossy = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let lines = headers.iter().map(|(name, value)| (name.to_string(), lossy(value)));
    let received = lines.filter(|(name, _)| !COMMON.contains(&&**name)).collect();
    let extracted = Facts::of_extracted(&app.telemetry.tracer().propagator().extract_headers(headers));
    Arrival { received, extracted, server: Facts::of_context(&Context::current()) }
}

/// What HTTP clients send in any case.
const COMMON: [&str; 5] = ["accept", "accept-encoding", "connection", "host", "user-agent"];
