//! `cargo run -p http-server -- --port N --edge public|trusted`

use std::error::Error;
use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

use http_server::{App, chain};
use throughline::tower::ActiveRequests;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use self::args::{Args, Command, USAGE};

mod args;
mod signal;

fn main() -> ExitCode {
    let done = match Command::parse(std::env::args_os().skip(1)) {
        Ok(Command::Help) => io::stdout().write_all(USAGE.as_bytes()).map_err(Into::into),
        Ok(Command::Serve(args)) => run(&args),
        Err(problem) => {
            eprint!("{problem}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}", chain(&*error));
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    let active = ActiveRequests::new();
    let telemetry = App::telemetry(&active).env()?.build()?;
    let app = App::new(&telemetry, &active, args.edge);
    let runtime = Runtime::new()?;
    runtime.block_on(serve(args, app))?;
    // With the runtime every task is gone, and with every task its spans have ended: now nothing can come late.
    runtime.shutdown_timeout(GRACE);
    // A collector that is not there is no failure of the server.
    if let Err(error) = telemetry.shutdown(GRACE).wait() {
        eprintln!("{}", chain(&error));
    }
    Ok(())
}

/// Serves until a signal comes, and then for as long as requests may take to end.
async fn serve(args: &Args, app: App) -> Result<(), Box<dyn Error>> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, args.port));
    let listener = TcpListener::bind(address).await.map_err(|error| format!("cannot listen on {address}: {error}"))?;
    // Listened for before the address is told: whoever reads it may stop the server at once.
    let stop = signal::stop()?;
    writeln!(io::stdout(), "listening on http://{}", listener.local_addr()?)?;

    let (stopping, stopped) = tokio::sync::oneshot::channel();
    let server = http_server::serve(listener, app, async {
        stop.await;
        _ = stopping.send(());
    });
    let overdue = async {
        _ = stopped.await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        () = server => {}
        () = overdue => eprintln!("some requests did not end within {GRACE:?}"),
    }
    Ok(())
}

/// How long requests, and then spans, may take to end once the server is to stop.
const GRACE: Duration = Duration::from_secs(5);
