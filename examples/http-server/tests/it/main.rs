//! The server over real sockets: every route in every version of HTTP, and what its spans say.

#![expect(clippy::unwrap_used, reason = "a helper of tests may unwrap as tests do")]

mod abuse;
mod client;
mod edge;
mod outgoing;
mod process;
mod routes;
mod stopping;
mod streams;
mod websocket;

use std::net::SocketAddr;
use std::time::Duration;

use http_server::{App, Edge};
use throughline::testing::MemorySink;
use throughline::tower::ActiveRequests;
use throughline::{SpanData, Telemetry};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// A server of this process, with memory for its spans.
struct Server {
    address: SocketAddr,
    telemetry: Telemetry,
    spans: MemorySink,
    active: ActiveRequests,
    stop: Option<oneshot::Sender<()>>,
    running: JoinHandle<()>,
}

impl Server {
    async fn start() -> Self {
        Self::start_at(Edge::Trusted).await
    }

    async fn start_at(edge: Edge) -> Self {
        let active = ActiveRequests::new();
        let (telemetry, spans) = App::telemetry(&active).test();
        let app = App::new(&telemetry, &active, edge);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let running = tokio::spawn(http_server::serve(listener, app, async { drop(stopped.await) }));
        Self { address, telemetry, spans, active, stop: Some(stop), running }
    }

    /// Tells it to stop; it does so when it has done what it began.
    fn stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
    }

    /// The next span to end, and the only one since the last look. When it has come, no request is active.
    async fn span(&self) -> SpanData {
        let mut spans = self.spans(1).await;
        spans.remove(0)
    }

    async fn spans(&self, count: usize) -> Vec<SpanData> {
        self.spans.wait_for(count, LIMIT).await.unwrap();
        let spans = self.spans.take();
        assert_eq!(spans.len(), count, "{}", throughline::testing::tree(&spans));
        assert_eq!(self.active.server(), 0);
        spans
    }
}

/// The text of an attribute; numbers as they are written.
fn text(span: &SpanData, key: &str) -> Option<String> {
    span.attribute(key).map(ToString::to_string)
}

/// What takes longer hangs.
const LIMIT: Duration = Duration::from_secs(30);
