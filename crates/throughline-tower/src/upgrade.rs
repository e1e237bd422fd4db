//! Spans of connections that go on after the answer: WebSockets, tunnels.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{self, Poll};

use pin_project_lite::pin_project;
use throughline_core::Context;

use crate::exchange::{Exchange, Phase};

/// Keeps the server span of an upgraded connection open until it is dropped.
///
/// By default a span ends with the 101 that switches protocols. Where
/// [`HttpServerLayer::upgrades`](crate::HttpServerLayer::upgrades) is on, a handler may take the span with it: it then ends
/// when the last of these is dropped, which counts as completed, and it has an event `http.response.first_byte` where it
/// would have ended.
///
/// ```
/// # async fn echo() {}
/// use throughline_tower::UpgradeSpan;
///
/// async fn handler() {
///     // Taken in the handler, before the answer; used in the task that talks to the upgraded connection.
///     if let Some(span) = UpgradeSpan::current() {
///         let connection = span.hold(echo());
///         // tokio::spawn(connection);
///         # drop(connection);
///     }
/// }
/// ```
///
/// Long spans upset latency histograms: whoever keeps them open should know that their durations are those of connections.
#[must_use = "the span ends when this is dropped"]
#[derive(Debug)]
pub struct UpgradeSpan {
    slot: Arc<UpgradeSlot>,
    cancelled: bool,
}

pin_project! {
    /// A future that holds an [`UpgradeSpan`]; made by [`UpgradeSpan::hold`].
    #[must_use = "futures do nothing unless polled"]
    #[derive(Debug)]
    pub struct Held<F> {
        #[pin]
        inner: Option<F>,
        span: Option<UpgradeSpan>,
        context: Context,
    }

    impl<F> PinnedDrop for Held<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            let mut drop_inner = || this.context.scope(|| this.inner.set(None));
            let Some(span) = this.span.take() else { return drop_inner() };
            span.run(drop_inner);
            span.cancel();
        }
    }
}

/// Where the exchange waits while somebody holds its span. It lies in the request's context as a typed value.
#[derive(Debug, Default)]
pub(crate) struct UpgradeSlot(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    holders: usize,
    exchange: Option<Exchange>,
}

// === impl UpgradeSpan ===

impl UpgradeSpan {
    /// The span of the request that is being handled; nothing if the layer does not keep spans open or the request asks for
    /// no other protocol.
    #[must_use]
    pub fn current() -> Option<Self> {
        let slot = Arc::clone(Context::current().value::<Arc<UpgradeSlot>>()?);
        slot.lock().holders += 1;
        Some(Self { slot, cancelled: false })
    }

    /// Runs a future in the current context and keeps the span open until it is done. Dropped before that the span ends as
    /// cancelled, and by a panic as panicked.
    pub fn hold<F: Future>(self, future: F) -> Held<F> {
        Held { inner: Some(future), span: Some(self), context: Context::current() }
    }

    /// Lets go without having come to an end; whoever lets go last says how the span ends.
    fn cancel(mut self) {
        self.cancelled = true;
    }

    fn run<R>(&self, work: impl FnOnce() -> R) -> R {
        let armed = Armed(&self.slot);
        let result = work();
        std::mem::forget(armed);
        result
    }
}

impl Drop for UpgradeSpan {
    fn drop(&mut self) {
        let mut waiting = self.slot.lock();
        waiting.holders -= 1;
        let ended = if waiting.holders == 0 { waiting.exchange.take() } else { None };
        drop(waiting);
        match ended {
            Some(mut exchange) if self.cancelled => exchange.cancel(Phase::Body, None),
            Some(mut exchange) => exchange.complete(None),
            None => {}
        }
    }
}

/// Ends the span as panicked while a panic unwinds through.
struct Armed<'a>(&'a UpgradeSlot);

impl Drop for Armed<'_> {
    #[cold]
    fn drop(&mut self) {
        self.0.end(Exchange::panicked);
    }
}

// === impl Held ===

impl<F: Future> Future for Held<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<F::Output> {
        let mut this = self.project();
        let poll = || {
            let Some(inner) = this.inner.as_mut().as_pin_mut() else { panic!("`Held` polled after completion") };
            let output = inner.poll(cx);
            if output.is_ready() {
                this.inner.set(None);
            }
            output
        };
        let output = match this.span {
            Some(span) => span.run(|| this.context.scope(poll)),
            None => this.context.scope(poll),
        };
        if output.is_ready() {
            *this.span = None;
        }
        output
    }
}

// === impl UpgradeSlot ===

impl UpgradeSlot {
    /// The context with an empty slot.
    pub(crate) fn offer(context: &Context) -> Context {
        context.with_value(Arc::new(Self::default()))
    }

    /// Keeps the exchange for those who hold its span; without any it is complete.
    pub(crate) fn fill(mut exchange: Exchange) {
        let slot = exchange.context.value::<Arc<Self>>().cloned();
        exchange.leave_slot();
        if let Some(slot) = slot.filter(|slot| slot.lock().holders > 0) {
            // Not under the lock: whoever writes to the span may ask for another holder meanwhile.
            exchange.first_byte();
            let mut waiting = slot.lock();
            if waiting.holders > 0 {
                waiting.exchange = Some(exchange);
                return;
            }
        }
        exchange.complete(Some(0));
    }

    fn end(&self, end: impl FnOnce(&mut Exchange)) {
        let ended = self.lock().exchange.take();
        if let Some(mut exchange) = ended {
            end(&mut exchange);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
