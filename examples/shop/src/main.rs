//! A book shop of four services, to learn throughline from: every request that the driver sends becomes one tree of
//! spans, across sockets, tasks, threads and channels.
//!
//! ```text
//! driver ──HTTP──▶ gateway (axum) ──HTTP──▶ orders (axum) ──HTTP──▶ inventory (hyper)
//! ```
//!
//! Each service has a [`Telemetry`](throughline::Telemetry) of its own, as four processes would. Read `orders.rs` first:
//! it has the tasks, threads and channels. `telemetry.rs` is the set-up, `driver.rs` the list of requests.

mod args;
mod client;
mod driver;
mod gateway;
mod inventory;
mod orders;
mod summary;
mod telemetry;

use std::error::Error;
use std::net::SocketAddr;
use std::process::ExitCode;

use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

use self::args::Args;
use self::driver::Tally;
use self::telemetry::Services;

type BoxError = Box<dyn Error + Send + Sync>;

fn main() -> ExitCode {
    let args = match Args::parse(std::env::args_os().skip(1)) {
        Ok(Args { help: true, .. }) => {
            print!("{}", args::HELP);
            return ExitCode::SUCCESS;
        }
        Ok(args) => args,
        Err(error) => {
            eprintln!("shop: {error}; see `shop --help`");
            return ExitCode::from(2);
        }
    };
    match demo(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("shop: {}", chain(&*error));
            ExitCode::FAILURE
        }
    }
}

fn demo(args: &Args) -> Result<(), BoxError> {
    hush_the_planned_panic();
    let services = Services::set_up(args)?;
    let runtime = Runtime::new()?;
    let tally = runtime.block_on(open_shop(&services, args));
    // With the runtime every task is gone, and with every task its spans have ended: now nothing can come late.
    drop(runtime);
    let shutdown = services.shut_down();
    let tally = tally?;
    if !args.json {
        summary::print(&services, &tally);
    }
    shutdown
}

/// Starts the servers, lets the driver do its round, and stops the servers.
async fn open_shop(services: &Services, args: &Args) -> Result<Tally, BoxError> {
    let closing = CancellationToken::new();
    let (stock_listener, stock) = listen().await?;
    let (orders_listener, orders) = listen().await?;
    let (gateway_listener, gateway) = listen().await?;
    let servers = [
        tokio::spawn(inventory::serve(stock_listener, services.inventory.clone(), closing.clone())),
        tokio::spawn(orders::serve(orders_listener, services.orders.clone(), stock, closing.clone())),
        tokio::spawn(gateway::serve(gateway_listener, services.gateway.clone(), orders, closing.clone())),
    ];
    let tally = driver::run(&services.driver, gateway, !args.json).await;
    closing.cancel();
    for server in servers {
        server.await??;
    }
    tally
}

async fn listen() -> Result<(TcpListener, SocketAddr), BoxError> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// One handler panics on purpose; whatever else panics is reported as usual.
fn hush_the_planned_panic() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if panic.payload_as_str() != Some(orders::PLANNED_PANIC) {
            usual(panic);
        }
    }));
}

/// An error with its causes, in one line.
fn chain(error: &dyn Error) -> String {
    let causes = std::iter::successors(error.source(), |cause: &&dyn Error| (*cause).source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
