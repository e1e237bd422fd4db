//! The clients of `/call` and `/retry`.

use std::future::{Ready, ready};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Empty;
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use throughline::Telemetry;
use throughline::tower::{HttpClient, Resend, ResendLayer};
use tower::ServiceBuilder;
use tower::retry::{Policy, Retry, RetryLayer};

/// A request of ours: there is nothing to say but where to.
pub(crate) type Outgoing = Request<Empty<Bytes>>;

/// hyper-util's client: every request it sends is a span, and carries its context.
pub(crate) type Client = HttpClient<legacy::Client<HttpConnector, Empty<Bytes>>>;

/// The same with retries: every attempt is a span, and those after the first are numbered.
pub(crate) type RetryingClient = Resend<Retry<UntilBelow500, Client>>;

/// Tries again after an answer of 500 or more, and where there was none.
#[derive(Clone, Debug)]
pub(crate) struct UntilBelow500 {
    left: u32,
}

pub(crate) fn client(telemetry: &Telemetry) -> Client {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    telemetry.http_client().layer(legacy::Client::builder(TokioExecutor::new()).build(connector))
}

pub(crate) fn retrying(telemetry: &Telemetry) -> RetryingClient {
    // Outside the retry the counter, inside it the layer that makes spans.
    ServiceBuilder::new()
        .layer(ResendLayer::new())
        .layer(RetryLayer::new(UntilBelow500 { left: ATTEMPTS - 1 }))
        .service(client(telemetry))
}

// === impl UntilBelow500 ===

impl<B, E> Policy<Outgoing, Response<B>, E> for UntilBelow500 {
    type Future = Ready<()>;

    fn retry(&mut self, _: &mut Outgoing, result: &mut Result<Response<B>, E>) -> Option<Ready<()>> {
        let fine = result.as_ref().is_ok_and(|response| !response.status().is_server_error());
        self.left = if fine { 0 } else { self.left.checked_sub(1)? };
        (!fine).then(|| ready(()))
    }

    fn clone_request(&mut self, request: &Outgoing) -> Option<Outgoing> {
        Some(request.clone())
    }
}

const ATTEMPTS: u32 = 3;
