//! `cargo run -p trace-context -- --port N`

use std::error::Error;
use std::future::Future;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::oneshot;

use self::args::{Args, Command, USAGE};

mod args;

#[tokio::main]
async fn main() -> ExitCode {
    let done = match Command::parse(std::env::args_os().skip(1)) {
        Ok(Command::Help) => io::stdout().write_all(USAGE.as_bytes()).map_err(Into::into),
        Ok(Command::Serve(args)) => serve(&args).await,
        Err(problem) => {
            eprint!("{problem}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}", trace_context::describe(&*error));
            ExitCode::FAILURE
        }
    }
}

async fn serve(args: &Args) -> Result<(), Box<dyn Error>> {
    let Args { host, port } = args;
    let telemetry = trace_context::telemetry().env()?.build()?;
    let app = trace_context::router(&telemetry)?.into_make_service_with_connect_info::<SocketAddr>();
    let listener = TcpListener::bind((&**host, *port))
        .await
        .map_err(|error| format!("cannot listen on {host}:{port}: {error}"))?;
    // Listened for before the address is told: whoever reads it may stop the service at once.
    let stop = stop_signal()?;
    writeln!(io::stdout(), "listening on http://{}/test", listener.local_addr()?)?;

    let (stopping, stopped) = oneshot::channel();
    let server = axum::serve(listener, app).with_graceful_shutdown(async {
        stop.await;
        _ = stopping.send(());
    });
    tokio::select! {
        served = server => served?,
        () = async {
            _ = stopped.await;
            tokio::time::sleep(GRACE).await;
        } => eprintln!("some requests did not end within {GRACE:?}"),
    }

    // A collector that is not there is no failure of the service.
    if let Err(error) = telemetry.shutdown(GRACE).await {
        eprintln!("{}", trace_context::describe(&error));
    }
    Ok(())
}

/// Ends at Ctrl-C, and at what a supervisor sends.
#[cfg(unix)]
fn stop_signal() -> io::Result<impl Future<Output = ()> + Send + 'static> {
    use tokio::signal::unix::{SignalKind, signal};

    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// Ends at Ctrl-C.
#[cfg(windows)]
fn stop_signal() -> io::Result<impl Future<Output = ()> + Send + 'static> {
    let mut ctrl_c = tokio::signal::windows::ctrl_c()?;
    Ok(async move {
        ctrl_c.recv().await;
    })
}

/// How long requests, and then spans, may take to end once the service is to stop.
const GRACE: Duration = Duration::from_secs(5);
