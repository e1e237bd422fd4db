//! The driver: a dozen requests, each a trace.

use std::io::{self, Write as _};
use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use throughline::task::traced;
use throughline::tower::EndAt;
use throughline::{Baggage, Context, ContextExt as _, Telemetry};
use tower::ServiceExt as _;

use crate::BoxError;
use crate::client::{Client, plain_client, request};
use crate::telemetry::BORING;

/// What was sent.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) requests: u32,
    pub(crate) unsampled: u32,
}

struct Driver {
    telemetry: Telemetry,
    client: Client,
    gateway: SocketAddr,
    announces: bool,
    tally: Tally,
}

/// Sends every request, one after the other; `announce` says which on the standard output.
pub(crate) async fn run(telemetry: &Telemetry, gateway: SocketAddr, announce: bool) -> Result<Tally, BoxError> {
    // The spans of this client cover the download; by default they would end at the head.
    let layer = telemetry.http_client().end_at(EndAt::Body).baggage_to(["127.0.0.1"])?;
    let client = layer.layer(plain_client());
    let mut driver =
        Driver { telemetry: telemetry.clone(), client, gateway, announces: announce, tally: Tally::default() };

    driver.send("plain", Method::GET, "/orders/7", "", 200).await?;
    driver.send("streamed response", Method::GET, "/orders/7/log", "", 200).await?;
    driver.send("fan-out", Method::POST, "/orders", "emma dracula middlemarch", 200).await?;
    driver.send("not found", Method::GET, "/orders/404", "", 404).await?;
    driver.send("server error", Method::GET, "/orders/500", "", 500).await?;
    driver.send("retry", Method::GET, "/orders/8", "", 200).await?;
    driver.hang_up("hang-up", "/orders/7/live").await?;
    driver.send("panic", Method::GET, "/orders/0", "", 500).await?;
    driver.unsampled("unsampled", "/orders/7").await?;
    driver.baggage("baggage", "/orders/7").await?;
    driver.send("no server", Method::GET, "/reviews/7", "", 502).await?;
    driver.stranger("stranger", "/orders/7").await?;
    Ok(driver.tally)
}

// === impl Driver ===

impl Driver {
    /// Sends one request below a span of its own, and reads the answer to its end.
    async fn send(
        &mut self,
        title: &'static str,
        method: Method,
        path: &str,
        body: &'static str,
        wanted: u16,
    ) -> Result<(), BoxError> {
        self.announce(title, &method, path);
        let request = request(method, self.gateway, path, body)?;
        let exchange = self.exchange(request, wanted);
        traced(title, exchange).tracer(self.telemetry.tracer()).result().await
    }

    /// Reads the first chunk of an answer that has no end, and closes the connection.
    async fn hang_up(&mut self, title: &'static str, path: &str) -> Result<(), BoxError> {
        self.announce(title, &Method::GET, path);
        let request = request(Method::GET, self.gateway, path, "")?;
        let client = self.client.clone();
        let glance = async move {
            let mut answer = client.oneshot(request).await?.into_body();
            let first = answer.frame().await.ok_or("the answer is empty")??;
            drop(answer);
            if first.is_data() { Ok::<_, BoxError>(()) } else { Err("the answer has no data".into()) }
        };
        traced(title, glance).tracer(self.telemetry.tracer()).result().await
    }

    /// A trace that is not recorded: the sampler turns it down for its attribute, and the servers go along.
    async fn unsampled(&mut self, title: &'static str, path: &str) -> Result<(), BoxError> {
        self.announce(title, &Method::GET, path);
        let request = request(Method::GET, self.gateway, path, "")?;
        let exchange = async {
            let sampled = Context::current().is_sampled();
            self.exchange(request, 200).await?;
            Ok::<_, BoxError>(sampled)
        };
        let sampled = traced(title, exchange).attribute(BORING, true).tracer(self.telemetry.tracer()).await?;
        self.tally.unsampled += u32::from(!sampled);
        Ok(())
    }

    /// Baggage travels with the context, to the hosts that the clients name.
    async fn baggage(&mut self, title: &'static str, path: &str) -> Result<(), BoxError> {
        let context = Context::current().with_baggage(Baggage::new().with("customer.tier", "gold")?);
        self.send(title, Method::GET, path, "", 200).with_context(context).await
    }

    /// A client that knows nothing of tracing, and sends rubbish for a trace: the gateway begins a new one.
    async fn stranger(&mut self, title: &'static str, path: &str) -> Result<(), BoxError> {
        self.announce(title, &Method::GET, path);
        let mut request = request(Method::GET, self.gateway, path, "")?;
        request.headers_mut().insert("traceparent", HeaderValue::from_static("00-rubbish"));
        let answer = plain_client().request(request).await?;
        expect(answer.status(), 200)?;
        answer.into_body().collect().await?;
        Ok(())
    }

    async fn exchange(&self, request: Request<Full<Bytes>>, wanted: u16) -> Result<(), BoxError> {
        let answer = self.client.clone().oneshot(request).await?;
        expect(answer.status(), wanted)?;
        answer.into_body().collect().await?;
        Ok(())
    }

    fn announce(&mut self, title: &str, method: &Method, path: &str) {
        self.tally.requests += 1;
        if self.announces {
            // Whoever has closed the output does not want to know.
            let _ = writeln!(io::stdout(), "{:>2}. {title:<18} {method} {path}", self.tally.requests);
        }
    }
}

fn expect(status: StatusCode, wanted: u16) -> Result<(), BoxError> {
    if status == wanted { Ok(()) } else { Err(format!("the gateway answered {status} instead of {wanted}").into()) }
}
