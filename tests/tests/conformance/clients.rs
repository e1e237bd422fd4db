//! Clients: hyper-util's pooled one, one connection of hyper's own, and reqwest's.

use std::future::{Ready, ready};
use std::task::{self, Poll};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, Uri, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioIo};
use throughline_testing::BoxError;
use throughline_testing::conformance::http::{Call, ClientSuite, Read, SKIPPED, Wire};
use throughline_tower::{EndAt, HttpClientLayer, ResendLayer};
use tokio::net::TcpStream;
use tower::retry::Policy;
use tower::{Service, ServiceBuilder, ServiceExt as _};

/// Sends it so often, whatever comes back.
#[derive(Clone)]
struct Times(u32);

impl<Res, E> Policy<Request<Full<Bytes>>, Res, E> for Times {
    type Future = Ready<()>;

    fn retry(&mut self, _: &mut Request<Full<Bytes>>, _: &mut Result<Res, E>) -> Option<Ready<()>> {
        self.0 -= 1;
        (self.0 > 0).then(|| ready(()))
    }

    fn clone_request(&mut self, request: &Request<Full<Bytes>>) -> Option<Request<Full<Bytes>>> {
        Some(request.clone())
    }
}

impl<Res, E> Policy<reqwest::Request, Res, E> for Times {
    type Future = Ready<()>;

    fn retry(&mut self, _: &mut reqwest::Request, _: &mut Result<Res, E>) -> Option<Ready<()>> {
        self.0 -= 1;
        (self.0 > 0).then(|| ready(()))
    }

    fn clone_request(&mut self, request: &reqwest::Request) -> Option<reqwest::Request> {
        request.try_clone()
    }
}

fn layer(call: &Call) -> HttpClientLayer {
    let layer = HttpClientLayer::new(&call.tracer).skip(|request| request.path() == SKIPPED);
    if call.end_at_body { layer.end_at(EndAt::Body) } else { layer }
}

/// Sends the call through our layer, as many of it as the case wants, around this client.
async fn send<S, E>(call: Call, client: S) -> Result<Response<Bytes>, BoxError>
where
    S: Service<Request<Full<Bytes>>, Response = Response<Incoming>, Error = E>,
    E: Into<BoxError> + 'static,
{
    let layer = layer(&call);
    let request = call.request.map(Full::new);
    match call.layers {
        1 => read(layer.layer(client).oneshot(request).await.map_err(Into::into)?, call.read).await,
        _ => {
            let client = ServiceBuilder::new().layer(layer.clone()).layer(layer).service(client);
            read(client.oneshot(request).await.map_err(Into::into)?, call.read).await
        }
    }
}

async fn read<B>(response: Response<B>, read: Read) -> Result<Response<Bytes>, BoxError>
where
    B: http_body::Body<Data = Bytes, Error: Into<BoxError>>,
{
    let (head, body) = response.into_parts();
    let body = match read {
        Read::Head => Bytes::new(),
        Read::All => body.collect().await.map_err(Into::into)?.to_bytes(),
    };
    Ok(Response::from_parts(head, body))
}

#[tokio::test]
async fn hyper_util() {
    let report = ClientSuite::new().run(async |call| {
        let client = Client::builder(TokioExecutor::new()).http2_only(call.wire == Wire::Http2).build_http();
        if call.attempts == 1 {
            return send(call, client).await;
        }
        let attempts = ServiceBuilder::new().layer(ResendLayer::new()).retry(Times(call.attempts));
        let response = attempts.layer(layer(&call)).service(client).oneshot(call.request.map(Full::new)).await?;
        read(response, call.read).await
    });
    report.await.assert_conforms();
}

/// hyper's own sender, as a service.
enum Sender {
    Http1(http1::SendRequest<Full<Bytes>>),
    Http2(http2::SendRequest<Full<Bytes>>),
}

impl Service<Request<Full<Bytes>>> for Sender {
    type Response = Response<Incoming>;
    type Error = hyper::Error;
    type Future = std::pin::Pin<Box<dyn Future<Output = hyper::Result<Response<Incoming>>>>>;

    fn poll_ready(&mut self, cx: &mut task::Context<'_>) -> Poll<hyper::Result<()>> {
        match self {
            Self::Http1(sender) => sender.poll_ready(cx),
            Self::Http2(sender) => sender.poll_ready(cx),
        }
    }

    fn call(&mut self, request: Request<Full<Bytes>>) -> Self::Future {
        match self {
            Self::Http1(sender) => Box::pin(sender.send_request(request)),
            Self::Http2(sender) => Box::pin(sender.send_request(request)),
        }
    }
}

#[tokio::test]
async fn hyper_send_request() {
    let report = ClientSuite::new().connected().origin_form().without_resends().run(async |mut call| {
        let authority = call.request.uri().authority().unwrap().clone();
        let stream = TokioIo::new(TcpStream::connect(authority.as_str()).await?);
        let sender = match call.wire {
            Wire::Http1 => {
                let (sender, connection) = http1::handshake(stream).await?;
                tokio::spawn(connection);
                *call.request.uri_mut() = call.request.uri().path_and_query().unwrap().as_str().parse::<Uri>()?;
                call.request.headers_mut().insert(header::HOST, HeaderValue::from_str(authority.as_str())?);
                Sender::Http1(sender)
            }
            Wire::Http2 => {
                let (sender, connection) = http2::handshake(TokioExecutor::new(), stream).await?;
                tokio::spawn(connection);
                Sender::Http2(sender)
            }
        };
        send(call, sender).await
    });
    report.await.assert_conforms();
}

/// One request that is executed, ended at the head: its body is reqwest's own.
#[tokio::test]
async fn reqwest() {
    let report = ClientSuite::new().ends_at_the_head().run(async |call| {
        let client = match call.wire {
            Wire::Http1 => reqwest::Client::builder().http1_only(),
            Wire::Http2 => reqwest::Client::builder().http2_prior_knowledge(),
        };
        let client = client.no_proxy().build()?;
        let layer = throughline_reqwest::HttpClientLayer::from(layer(&call));
        let request = reqwest::Request::try_from(call.request)?;
        let attempts = ServiceBuilder::new().layer(ResendLayer::new()).retry(Times(call.attempts));
        let response = match call.layers {
            1 => attempts.service(layer.layer(client)).oneshot(request).await?,
            _ => layer.layer(layer.layer(client)).oneshot(request).await?,
        };
        read(response.into(), call.read).await
    });
    report.await.assert_conforms();
}
