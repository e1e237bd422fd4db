//! Messages about throughline itself: `tracing` events of target `throughline`.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// A message that is written at most once per minute, however often its reason occurs.
///
/// ```
/// use throughline_core::Diagnostic;
///
/// static NO_ROUTE: Diagnostic = Diagnostic::new();
/// NO_ROUTE.warn(|| "no route was found; put the layer on the router that has the routes".to_owned());
/// ```
///
/// Never call it from `drop` or under a lock: a subscriber is the user's code.
#[derive(Debug)]
pub struct Diagnostic {
    /// Seconds since the first message of the process, plus one; zero is never.
    last: AtomicU64,
}

impl Diagnostic {
    /// A message that has not been written.
    #[must_use]
    pub const fn new() -> Self {
        Self { last: AtomicU64::new(0) }
    }

    /// Writes a warning, unless that was done less than a minute ago.
    pub fn warn(&self, message: impl FnOnce() -> String) {
        static START: OnceLock<Instant> = OnceLock::new();
        let now = START.get_or_init(Instant::now).elapsed().as_secs() + 1;
        let last = self.last.load(Ordering::Relaxed);
        let due = last == 0 || now >= last + INTERVAL;
        if due && self.last.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            tracing::warn!(target: "throughline", "{}", message());
        }
    }
}

impl Default for Diagnostic {
    fn default() -> Self {
        Self::new()
    }
}

const INTERVAL: u64 = 60;
