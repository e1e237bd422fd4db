//! Two clients, traced: read `with_hyper_util.rs` for layers around a `Service`, `with_reqwest.rs` for reqwest's methods.
//!
//! The server that they call runs in this process, with a [`Telemetry`] of its own as another process would have.

mod warehouse;
mod with_hyper_util;
mod with_reqwest;

use std::error::Error;
use std::time::Duration;

use throughline::Telemetry;
use throughline::export::WaterfallBuilder;
use throughline::task::traced;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

type BoxError = Box<dyn Error + Send + Sync>;

fn main() -> Result<(), BoxError> {
    // A trace is drawn when nothing of it has come for a while. This program knows when all is there: at the end.
    let waterfall = WaterfallBuilder::stdout().quiet(AGES).build();
    let client = Telemetry::builder().service_name("client").exporter(waterfall.exporter()).build()?;
    let server = Telemetry::builder().service_name("warehouse").exporter(waterfall.exporter()).build()?;

    let runtime = Runtime::new()?;
    let done = runtime.block_on(run(&client, &server));
    // With the runtime every task is gone, and with every task its spans have ended.
    drop(runtime);
    for telemetry in [client, server] {
        telemetry.shutdown(DEADLINE).wait()?;
    }
    done
}

/// Starts the server, and sends it some requests.
async fn run(client: &Telemetry, server: &Telemetry) -> Result<(), BoxError> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(warehouse::serve(listener, server.clone()));
    with_hyper_util::run(client, address).await?;
    with_reqwest::run(client, address).await
}

/// A span around what is shown, as a request handler or a job would have.
async fn scene(
    telemetry: &Telemetry,
    title: &'static str,
    work: impl Future<Output = Result<(), BoxError>>,
) -> Result<(), BoxError> {
    traced(title, work).tracer(telemetry.tracer()).result().await
}

/// How long the last export may take.
const DEADLINE: Duration = Duration::from_secs(5);
const AGES: Duration = Duration::from_secs(3600);
