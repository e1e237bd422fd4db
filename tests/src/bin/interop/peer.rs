//! The processes of the official SDKs, and requests without a trace.

use std::error::Error;
use std::process::Stdio;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::args::Program;
use crate::facts::Told;
use crate::service::Arrival;

/// A running peer; it ends with this.
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    address: String,
    /// Dropped, it is killed; should this process be killed, its standard input ends, and with it the peer.
    _process: Child,
}

/// What a peer answers.
#[derive(Debug, Deserialize)]
pub(crate) struct PeerAnswer {
    pub(crate) received: Vec<(String, String)>,
    /// What it read from the headers; nothing if it started the trace.
    pub(crate) extracted: Option<Told>,
    pub(crate) server: Told,
    pub(crate) client: Told,
    pub(crate) sent: Vec<(String, String)>,
    /// What we answered.
    pub(crate) back: Arrival,
}

/// A client that adds nothing to what it is told to send.
#[derive(Clone)]
pub(crate) struct Plain(Client<HttpConnector, Empty<Bytes>>);

pub(crate) type BoxError = Box<dyn Error + Send + Sync>;

// === impl Peer ===

impl Peer {
    pub(crate) async fn start(program: Program) -> Result<Self, BoxError> {
        let Program { peer: name, interpreter, script } = program;
        let mut command = Command::new(&interpreter);
        command.arg(&script).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut process =
            command.spawn().map_err(|error| format!("cannot start {}: {error}", interpreter.display()))?;
        let stdout = process.stdout.take().ok_or("the peer has no standard output")?;
        let line = timeout(START_LIMIT, BufReader::new(stdout).lines().next_line()).await;
        let line = line.map_err(|_| format!("{name} did not start within {START_LIMIT:?}"))??;
        let address = line.as_deref().and_then(|line| line.strip_prefix("listening on "));
        let address = address.ok_or_else(|| format!("{name} said {line:?} instead of where it listens"))?;
        Ok(Self { name, address: address.to_owned(), _process: process })
    }

    /// Where it reads what is sent to it in this format.
    pub(crate) fn url(&self, format: &str, route: &str) -> String {
        format!("http://{}/{format}/{route}", self.address)
    }
}

// === impl Plain ===

impl Plain {
    pub(crate) fn new() -> Self {
        Self(Client::builder(TokioExecutor::new()).build_http())
    }

    pub(crate) async fn get<T: DeserializeOwned>(&self, url: &str, lines: &[(&str, &str)]) -> Result<T, BoxError> {
        let mut request = Request::get(url).body(Empty::new())?;
        for (name, value) in lines {
            let (name, value) = (http::HeaderName::try_from(*name)?, http::HeaderValue::from_bytes(value.as_bytes())?);
            request.headers_mut().append(name, value);
        }
        let answer = self.0.request(request).await?;
        read(url, answer).await
    }
}

/// The answer, or what the other side says went wrong.
pub(crate) async fn read<T, B>(url: &str, answer: http::Response<B>) -> Result<T, BoxError>
where
    T: DeserializeOwned,
    B: http_body::Body<Error: Into<BoxError>>,
{
    let (head, body) = answer.into_parts();
    let body = body.collect().await.map_err(Into::into)?.to_bytes();
    if !head.status.is_success() {
        return Err(format!("{url} answered {}: {}", head.status, String::from_utf8_lossy(&body)).into());
    }
    serde_json::from_slice(&body)
        .map_err(|error| format!("{url}: {error} in {}", String::from_utf8_lossy(&body)).into())
}

/// An interpreter that reads its packages for the first time may take seconds.
const START_LIMIT: Duration = Duration::from_secs(60);
