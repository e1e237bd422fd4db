//! The router and what its handlers share.

use axum::Router;
use axum::extract::FromRef;
use throughline::tower::ActiveRequests;
use throughline::{Telemetry, TelemetryBuilder};
use tokio_util::task::TaskTracker;

use crate::outgoing::{Client, RetryingClient, client, retrying};
use crate::routes;

/// Whose trace headers are believed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Edge {
    /// Everybody's: the callers are services of our own.
    #[default]
    Trusted,
    /// Nobody's: a request begins a trace of its own, with a link to the one that it names.
    Public,
}

/// The router behind its layer, and the tasks that it leaves running.
#[derive(Clone, Debug)]
pub struct App {
    pub(crate) router: Router,
    pub(crate) tasks: TaskTracker,
}

/// What handlers may ask for.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) telemetry: Telemetry,
    pub(crate) active: ActiveRequests,
    pub(crate) tasks: TaskTracker,
    client: Client,
    retrying: RetryingClient,
}

// === impl App ===

impl App {
    /// Every route, traced; the counter is a listener of the telemetry ([`App::telemetry`]).
    #[must_use]
    pub fn new(telemetry: &Telemetry, active: &ActiveRequests, edge: Edge) -> Self {
        let tasks = TaskTracker::new();
        let shared = Shared {
            telemetry: telemetry.clone(),
            active: active.clone(),
            tasks: tasks.clone(),
            client: client(telemetry),
            retrying: retrying(telemetry),
        };
        let layer = telemetry.axum_server().skip(|request| request.path() == "/healthz");
        let layer = match edge {
            Edge::Trusted => layer,
            Edge::Public => layer.public_edge(),
        };
        // Around the whole router, so that what no route wants has a span as well.
        Self { router: routes::all().layer(layer).with_state(shared), tasks }
    }

    /// The telemetry of this program, to be completed by the environment or for a test.
    pub fn telemetry(active: &ActiveRequests) -> TelemetryBuilder {
        Telemetry::builder().service_name("http-server").listener(active.clone())
    }
}

// === impl Shared ===

impl FromRef<Shared> for Client {
    fn from_ref(shared: &Shared) -> Self {
        shared.client.clone()
    }
}

impl FromRef<Shared> for RetryingClient {
    fn from_ref(shared: &Shared) -> Self {
        shared.retrying.clone()
    }
}
