//! hyper-util's client is a `Service`, and throughline's layers go around it: alone, inside a retry, below a timeout.

use std::future::{Ready, ready};
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use throughline::Telemetry;
use throughline::tower::{EndAt, ResendLayer};
use tokio::net::TcpListener;
use tower::retry::{Policy, RetryLayer};
use tower::timeout::TimeoutLayer;
use tower::{ServiceBuilder, ServiceExt as _};

use crate::{BoxError, scene};

pub(crate) async fn run(telemetry: &Telemetry, server: SocketAddr) -> Result<(), BoxError> {
    let client = || Client::builder(TokioExecutor::new()).build::<HttpConnector, Empty<Bytes>>(HttpConnector::new());
    let get = |path: &str| Request::get(format!("http://{server}{path}")).body(Empty::new());

    // A client does not know routes: it is told which paths may become the names of its spans.
    let traced = telemetry.http_client().url_templates(["/stock/{id}", "/stock/{id}/log"])?;

    let service = traced.layer(client());
    let request = get("/stock/7")?;
    scene(telemetry, "hyper-util", async {
        service.oneshot(request).await?.into_body().collect().await?;
        Ok(())
    })
    .await?;

    // By default a client's span ends when the head is there; this one covers the download.
    let service = traced.clone().end_at(EndAt::Body).layer(client());
    let request = get("/stock/7/log")?;
    scene(telemetry, "hyper-util: to the body's end", async {
        service.oneshot(request).await?.into_body().collect().await?;
        Ok(())
    })
    .await?;

    // Inside the retry the layer that makes spans, outside it the one that numbers them.
    let retry = RetryLayer::new(Attempts { left: 2 });
    let service = ServiceBuilder::new().layer(ResendLayer::new()).layer(retry).layer(&traced).service(client());
    let request = get("/forklift")?;
    scene(telemetry, "hyper-util: retry", async {
        service.oneshot(request).await?;
        Ok(())
    })
    .await?;

    // Whoever gives up cancels: for the client that is its own decision, for the server an error.
    let timeout = TimeoutLayer::new(Duration::from_millis(20));
    let service = ServiceBuilder::new().layer(timeout).layer(&traced).service(client());
    let request = get("/attic")?;
    scene(telemetry, "hyper-util: timeout", async {
        match service.oneshot(request).await {
            Err(error) if error.is::<tower::timeout::error::Elapsed>() => Ok(()),
            other => Err(format!("a timeout was planned: {other:?}").into()),
        }
    })
    .await?;

    let gone = TcpListener::bind("127.0.0.1:0").await?.local_addr()?;
    let request = Request::get(format!("http://{gone}/stock/7")).body(Empty::new())?;
    scene(telemetry, "hyper-util: nobody there", async {
        match traced.layer(client()).oneshot(request).await {
            Err(_) => Ok(()),
            Ok(response) => Err(format!("an error was planned: {}", response.status()).into()),
        }
    })
    .await
}

/// Asks again while the answer is an error of the server.
#[derive(Clone)]
struct Attempts {
    left: u32,
}

impl<B, E> Policy<Request<Empty<Bytes>>, Response<B>, E> for Attempts {
    type Future = Ready<()>;

    fn retry(&mut self, _: &mut Request<Empty<Bytes>>, result: &mut Result<Response<B>, E>) -> Option<Ready<()>> {
        let failed = result.as_ref().is_ok_and(|response| response.status().is_server_error());
        self.left = self.left.checked_sub(1).filter(|_| failed)?;
        Some(ready(()))
    }

    fn clone_request(&mut self, request: &Request<Empty<Bytes>>) -> Option<Request<Empty<Bytes>>> {
        Some(request.clone())
    }
}
