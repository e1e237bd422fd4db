//! The HTTP client that gateway and orders share the code of.

use std::net::SocketAddr;

use bytes::Bytes;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Method, Request, Uri};
use http_body_util::Full;
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use throughline::Telemetry;
use throughline::tower::{HttpClient, InvalidHost};

/// hyper-util's client, without tracing.
pub(crate) type PlainClient = legacy::Client<HttpConnector, Full<Bytes>>;

/// hyper-util's client: every request it sends is a span, and carries its context.
pub(crate) type Client = HttpClient<PlainClient>;

pub(crate) fn traced_client(telemetry: &Telemetry) -> Result<Client, InvalidHost> {
    // Ids go to every host; baggage only to those that are named.
    Ok(telemetry.http_client().baggage_to(["127.0.0.1"])?.layer(plain_client()))
}

pub(crate) fn plain_client() -> PlainClient {
    let mut connector = HttpConnector::new();
    // Small writes at once: else Nagle's algorithm puts 40 ms into the waterfalls.
    connector.set_nodelay(true);
    legacy::Client::builder(TokioExecutor::new()).build(connector)
}

/// A request for a path (and query) of the server at this address.
pub(crate) fn request(
    method: Method,
    server: SocketAddr,
    path: &str,
    body: impl Into<Bytes>,
) -> http::Result<Request<Full<Bytes>>> {
    let uri = Uri::builder()
        .scheme(Scheme::HTTP)
        .authority(Authority::try_from(server.to_string())?)
        .path_and_query(PathAndQuery::try_from(path)?)
        .build()?;
    Request::builder().method(method).uri(uri).body(Full::new(body.into()))
}
