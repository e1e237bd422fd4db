//! Services that speak B3, services that speak W3C, and one between them that speaks both, until the last old one is gone.
//!
//! ```text
//! shop (B3) ──▶ orders (reads both, writes both) ──▶ stock (W3C)
//!                                                └──▶ billing (B3)
//! ```

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::get;
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use throughline::Telemetry;
use throughline::export::{Waterfall, WaterfallBuilder};
use throughline::propagation::{B3, Composite, Format, Policy};
use throughline::task::traced;
use throughline::tower::HttpClient;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tower::ServiceExt as _;

use crate::BoxError;

/// The services, each with the formats that it speaks.
struct Estate {
    shop: Telemetry,
    orders: Telemetry,
    stock: Telemetry,
    billing: Telemetry,
}

#[derive(Clone)]
struct Orders {
    client: Outgoing,
    stock: SocketAddr,
    billing: SocketAddr,
}

type Outgoing = HttpClient<Client<HttpConnector, Empty<Bytes>>>;

pub(crate) fn show() -> Result<String, BoxError> {
    let waterfall = WaterfallBuilder::stdout().quiet(AGES).build();
    let estate = Estate::set_up(&waterfall)?;
    let runtime = Runtime::new()?;
    let told = runtime.block_on(estate.checkout());
    // With the runtime every task is gone, and with every task its spans have ended.
    drop(runtime);
    let Estate { shop, orders, stock, billing } = estate;
    for telemetry in [shop, orders, stock, billing] {
        telemetry.shutdown(DEADLINE).wait()?;
    }
    told
}

// === impl Estate ===

impl Estate {
    fn set_up(waterfall: &Waterfall) -> Result<Self, BoxError> {
        let service = |name, propagator| {
            Telemetry::builder().service_name(name).propagator(propagator).exporter(waterfall.exporter()).build()
        };
        let old = || Composite::new([Format::B3(B3::Multi)]);
        // The same by variables: OTEL_PROPAGATORS=tracecontext,baggage,b3multi THROUGHLINE_PROPAGATORS_POLICY=first
        let both = Composite::new([Format::TraceContext, Format::Baggage, Format::B3(B3::Multi)]);
        Ok(Self {
            shop: service("shop", old())?,
            orders: service("orders", both.policy(Policy::FirstWins))?,
            stock: service("stock", Composite::w3c())?,
            billing: service("billing", old())?,
        })
    }

    /// One request through all of them; what each was told, as each tells its caller.
    async fn checkout(&self) -> Result<String, BoxError> {
        let stock =
            serve(Router::new().route("/stock", get(async |headers| told("stock", &headers))), &self.stock).await?;
        let billing =
            serve(Router::new().route("/bills", get(async |headers| told("billing", &headers))), &self.billing).await?;
        let orders = Orders { client: client(&self.orders), stock, billing };
        let orders = serve(Router::new().route("/orders", get(order)).with_state(orders), &self.orders).await?;
        let request = ask(client(&self.shop), orders, "/orders");
        traced("checkout", request).tracer(self.shop.tracer()).result().await
    }
}

async fn order(State(orders): State<Orders>, headers: HeaderMap) -> Result<String, StatusCode> {
    let Orders { client, stock, billing } = orders;
    let answers = async {
        let (stock, billing) = (ask(client.clone(), stock, "/stock").await?, ask(client, billing, "/bills").await?);
        Ok::<_, BoxError>([told("orders", &headers), stock, billing].concat())
    };
    answers.await.map_err(|_| StatusCode::BAD_GATEWAY)
}

async fn serve(router: Router, telemetry: &Telemetry) -> Result<SocketAddr, BoxError> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let app = router.layer(telemetry.axum_server());
    tokio::spawn(async { axum::serve(listener, app).await });
    Ok(address)
}

fn client(telemetry: &Telemetry) -> Outgoing {
    telemetry.http_client().layer(Client::builder(TokioExecutor::new()).build_http())
}

async fn ask(client: Outgoing, server: SocketAddr, path: &str) -> Result<String, BoxError> {
    let request = Request::get(format!("http://{server}{path}")).body(Empty::new())?;
    let answer = client.oneshot(request).await?;
    Ok(String::from_utf8(answer.into_body().collect().await?.to_bytes().into())?)
}

fn told(service: &str, headers: &HeaderMap) -> String {
    let shown = SHOWN.into_iter().filter_map(|name| Some((name, headers.get(name)?.to_str().ok()?)));
    let shown: String = shown.map(|(name, value)| format!("  {name}: {value}\n")).collect();
    format!("{service} was told\n{shown}")
}

const SHOWN: [&str; 5] = ["traceparent", "b3", "x-b3-traceid", "x-b3-spanid", "x-b3-sampled"];
/// How long the last export may take.
const DEADLINE: Duration = Duration::from_secs(5);
const AGES: Duration = Duration::from_secs(3600);
