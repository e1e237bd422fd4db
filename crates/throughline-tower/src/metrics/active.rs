//! How many requests there are right now.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use throughline_core::{End, Listener, SemanticKey, Start};

/// Counts the HTTP requests that are going on: a [`Listener`] without a meter, for health pages and load shedding.
///
/// A clone reads the same numbers.
///
/// ```
/// use throughline_core::Tracer;
/// use throughline_tower::ActiveRequests;
///
/// let active = ActiveRequests::new();
/// let tracer = Tracer::builder().listener(active.clone()).build();
/// assert_eq!(active.server(), 0);
/// # let _ = tracer;
/// ```
#[derive(Clone, Debug, Default)]
pub struct ActiveRequests(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    server: AtomicI64,
    client: AtomicI64,
}

impl ActiveRequests {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Requests whose spans a server layer started and that have not ended: with their response's body.
    #[must_use]
    pub fn server(&self) -> i64 {
        self.0.server.load(Ordering::Relaxed)
    }

    /// Requests whose spans a client layer started and that have not ended.
    #[must_use]
    pub fn client(&self) -> i64 {
        self.0.client.load(Ordering::Relaxed)
    }

    fn add(&self, delta: i64, key: Option<SemanticKey>) {
        let count = match key {
            Some(SemanticKey::HttpServer) => &self.0.server,
            Some(SemanticKey::HttpClient) => &self.0.client,
            _ => return,
        };
        count.fetch_add(delta, Ordering::Relaxed);
    }
}

impl Listener for ActiveRequests {
    fn start(&self, start: &Start<'_>) {
        self.add(1, start.semantic_key);
    }

    fn end(&self, end: &End<'_>) {
        self.add(-1, end.semantic_key);
    }
}
