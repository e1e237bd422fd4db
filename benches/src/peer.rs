//! What a row of the tables provides.

use std::future::Future;
use std::hint::black_box;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use axum::Router;
use http::HeaderMap;

use crate::workload::{CHILDREN, Handler, POLLS, Workload};

pub trait Peer: Sync {
    fn name(&self) -> &'static str;

    /// What it is, in one line.
    fn about(&self) -> &'static str;

    /// Whether the workload makes sense for it.
    fn runs(&self, workload: Workload) -> bool;

    /// Installs subscriber, provider, reporter. Called once per process.
    fn setup(&self) {}

    /// Hands every finished span to the exporter before it returns.
    fn flush(&self) {}

    /// Spans that the exporter has seen so far in this process.
    fn exported(&self) -> u64 {
        0
    }

    /// Spans that so many iterations must export: anything else is an error.
    fn expected(&self, workload: Workload, iterations: u64) -> u64;

    /// `GET /users/{id}` under the row's layer.
    fn router(&self, _: Handler) -> Router {
        unreachable!("{} has no server", self.name())
    }

    /// Something that depends on every extracted context.
    fn extract(&self, _: Workload, _: &HeaderMap, _times: u64) -> u64 {
        unreachable!("{} does not extract", self.name())
    }

    fn inject(&self, _: Workload, _: &mut HeaderMap, _times: u64) {
        unreachable!("{} does not inject", self.name())
    }

    fn polls(&self, _tasks: u64) {
        unreachable!("{} wraps no future", self.name())
    }

    fn spawns(&self, _tasks: u64) -> Spawns {
        unreachable!("{} does not spawn", self.name())
    }
}

pub type Spawns = Pin<Box<dyn Future<Output = ()>>>;

/// Pending `POLLS - 1` times, then ready; wakes nobody.
pub struct Yields(u32);

/// What most rows expect: one span for each sampled request, and one for each that the handler makes.
pub fn one_span_per_request(workload: Workload, iterations: u64) -> u64 {
    match workload {
        Workload::W1 | Workload::W3 => iterations,
        Workload::W8 => iterations * (1 + CHILDREN),
        Workload::W9 => iterations * 2,
        _ => 0,
    }
}

/// Polls to completion with a waker that does nothing.
pub fn drive<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let mut cx = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return output;
        }
    }
}

/// The spawned work of W6.
pub async fn trivial() -> u64 {
    black_box(1)
}

// === impl Yields ===

impl Yields {
    pub fn new() -> Self {
        Self(POLLS - 1)
    }
}

impl Future for Yields {
    type Output = ();

    #[inline(never)]
    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if black_box(self.0) == 0 {
            return Poll::Ready(());
        }
        self.0 -= 1;
        Poll::Pending
    }
}
