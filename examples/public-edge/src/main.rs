//! A service that strangers can reach. `edge.rs` is the service; here a stranger calls it, and what became of that is
//! printed: what was sent, what was recorded, who was told what.

mod edge;
mod neighbour;

use std::error::Error;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use throughline::testing::MemorySink;
use throughline::{SpanData, SpanKind, Telemetry};
use tokio::net::TcpListener;

use self::edge::Neighbours;

type BoxError = Box<dyn Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    // In memory, to be looked at below; a service would say `Telemetry::from_env("shop")?`.
    let (telemetry, spans) = Telemetry::builder().service_name("shop").test();

    let (inventory, partner, shop) = (listen().await?, listen().await?, listen().await?);
    let neighbours = Neighbours { inventory: inventory.1, partner: partner.1 };
    tokio::spawn(neighbour::serve(inventory.0));
    tokio::spawn(neighbour::serve(partner.0));
    tokio::spawn(edge::serve(shop.0, telemetry, neighbours));

    let told = call(shop.1).await?;
    let recorded = recorded(&spans).await?;
    Ok(io::stdout().write_all(report(&recorded, &told).as_bytes())?)
}

/// What the stranger, and then the proxy, put on the wire.
async fn call(shop: SocketAddr) -> Result<String, BoxError> {
    let mut request = Request::get(format!("http://{shop}{PATH}"));
    for (name, value) in FORGED {
        request = request.header(name, value);
    }
    let client = Client::builder(TokioExecutor::new()).build_http();
    let answer = client.request(request.body(Empty::<Bytes>::new())?).await?;
    Ok(String::from_utf8(answer.into_body().collect().await?.to_bytes().into())?)
}

/// The span of the request; those of the two calls that it made are there as well.
async fn recorded(spans: &MemorySink) -> Result<SpanData, BoxError> {
    let spans = spans.wait_for(3, DEADLINE).await?;
    spans.into_iter().find(|span| span.kind == SpanKind::Server).ok_or_else(|| "the request has no span".into())
}

fn report(span: &SpanData, told: &str) -> String {
    let sent = FORGED.map(|(name, value)| format!("  {name}: {value}\n")).concat();
    let links = span.links.iter().map(|link| &link.span_context);
    let links: String = links.map(|to| format!("  link: trace {} span {}\n", to.trace_id(), to.span_id())).collect();
    let shown = SHOWN.map(|key| match span.attribute(key) {
        Some(value) => format!("  {key}: {value}\n"),
        None => format!("  {key} is not recorded\n"),
    });
    let (name, trace) = (&span.name, span.span_context.trace_id());
    let parent = span.parent_span_id.map_or("none".to_owned(), |id| id.to_string());
    format!(
        "a stranger sends, through our proxy\n  GET {PATH}\n{sent}\n\
         the shop records\n  {name}: trace {trace}\n  parent: {parent}\n{links}{}\n{told}",
        shown.concat()
    )
}

async fn listen() -> Result<(TcpListener, SocketAddr), BoxError> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

const PATH: &str = "/orders/7?coupon=SECRET";

/// An id that the stranger made up, a wish to be recorded, a role, and an address that is not the stranger's: the proxy
/// has added the last entry, which is.
const FORGED: [(&str, &str); 5] = [
    ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
    ("baggage", "role=admin"),
    ("x-forwarded-for", "192.0.2.66, 198.51.100.7"),
    ("x-tenant", "acme"),
    ("authorization", "Bearer TOKEN"),
];

const SHOWN: [&str; 5] = [
    "client.address",
    "network.peer.address",
    "url.query",
    "http.request.header.x-tenant",
    "http.request.header.authorization",
];

/// How long the spans may take to arrive.
const DEADLINE: Duration = Duration::from_secs(10);
