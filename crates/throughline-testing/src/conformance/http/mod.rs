//! What an HTTP server's or client's adapter must do: names, attributes, ends, propagation, over real sockets.
//!
//! The rules are the stable HTTP conventions of OpenTelemetry and throughline's table of when a span ends. HTTP/1.1 goes
//! over a socket by hand, so that aborts, resets, half bodies and malformed heads are exactly what the case says;
//! HTTP/2 is that of the `h2` crate, frame by frame.
//!
//! A server's test serves the [`Site`] behind the adapter's layer:
//!
//! ```text
//! let report = ServerSuite::new().run(async |setup| {
//!     let app = Router::new().route(Site::ROUTE, any_service(setup.site())).layer(HttpServerLayer::new(setup.tracer()));
//!     serve(app).await
//! });
//! report.await.assert_conforms();
//! ```
//!
//! A client's test sends what a [`Call`] asks for, through the adapter.

mod backend;
mod client;
mod http1;
mod http2;
mod server;
mod site;
mod tally;
mod visitor;

pub use self::client::{Call, ClientSuite, Read};
pub use self::server::{ServerSuite, Setup};
pub use self::site::{Acting, Site};

use std::time::Duration;

/// The path of requests that an adapter under test is to skip, on either side.
pub const SKIPPED: &str = "/skipped";

/// The version of HTTP that a case is run with.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Wire {
    /// HTTP/1.1; some cases speak HTTP/1.0.
    Http1,
    /// HTTP/2 over plain TCP, with prior knowledge.
    Http2,
}

/// Longer than anything here takes, shorter than whoever runs it would wait.
const DEADLINE: Duration = Duration::from_secs(10);

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const UNSAMPLED: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";

impl Wire {
    const ALL: [Self; 2] = [Self::Http1, Self::Http2];

    fn version(self) -> &'static str {
        match self {
            Self::Http1 => "1.1",
            Self::Http2 => "2",
        }
    }
}

/// Fails with the reason where something takes longer than [`DEADLINE`].
async fn in_time<T>(what: &str, work: impl Future<Output = T>) -> Result<T, String> {
    tokio::time::timeout(DEADLINE, work).await.map_err(|_| format!("{what} did not come within {DEADLINE:?}"))
}
