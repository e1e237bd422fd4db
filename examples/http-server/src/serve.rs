//! The app on a socket.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Extension;
use axum::extract::ConnectInfo;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tower::Layer as _;

use crate::App;

/// Serves HTTP/1.0, HTTP/1.1 and h2c until `stop` is ready.
///
/// Then nobody is let in any more, idle connections are closed, and requests and tasks that have begun go on. It returns
/// when the last of them has ended; whoever cannot wait drops it, and the runtime for what is left.
pub async fn serve(listener: TcpListener, app: App, stop: impl Future<Output = ()>) {
    let connections = GracefulShutdown::new();
    let mut stop = std::pin::pin!(stop);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stop => break,
        };
        match accepted {
            Ok((socket, peer)) => drop(tokio::spawn(connection(socket, peer, &app, &connections))),
            Err(error) if is_the_peers(&error) => {}
            // Out of file descriptors, mostly: there will be some when others have gone.
            Err(_) => tokio::time::sleep(RETRY_ACCEPT).await,
        }
    }
    drop(listener);
    connections.shutdown().await;
    app.tasks.close();
    app.tasks.wait().await;
}

/// Serves one connection; the future ends with it.
fn connection(
    socket: TcpStream,
    peer: SocketAddr,
    app: &App,
    connections: &GracefulShutdown,
) -> impl Future<Output = ()> + Send + use<> {
    // Small writes at once; a socket that refuses is served all the same.
    drop(socket.set_nodelay(true));
    // Where throughline and handlers look for the peer's address.
    let service = Extension(ConnectInfo(peer)).layer(app.router.clone());
    let watcher = connections.watcher();
    async move {
        let mut builder = auto::Builder::new(TokioExecutor::new());
        // With a timer a head must come within 30 seconds.
        builder.http1().timer(TokioTimer::new());
        builder.http2().timer(TokioTimer::new());
        let service = TowerToHyperService::new(service);
        let connection = builder.serve_connection_with_upgrades(TokioIo::new(socket), service);
        // How a connection breaks is known to the spans of its requests.
        drop(watcher.watch(connection.into_owned()).await);
    }
}

/// Whether a connection was gone before it was accepted.
fn is_the_peers(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

const RETRY_ACCEPT: Duration = Duration::from_millis(100);
