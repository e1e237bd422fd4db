//! tokio's functions that spawn, with the context.

use std::borrow::Cow;
use std::future::Future;

use throughline_core::{Context, ContextExt as _};
use tokio::runtime::Handle;
use tokio::task::{self, JoinHandle};

use crate::traced;

/// Spawns a future that runs in the context that is current now: [`tokio::spawn`] with the same bounds and result.
///
/// No span is made; see [`traced`] for one. An aborted or panicking task behaves as tokio's does, and its future is
/// dropped in the context.
///
/// ```
/// use throughline_core::{Context, SpanEnd, Tracer};
/// use throughline_task as task;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let tracer = Tracer::builder().build();
/// let span = tracer.span("order").start();
/// let audit = span.context().scope(|| task::spawn(async { Context::current_span_context() }));
/// assert_eq!(audit.await.unwrap(), span.span_context());
/// span.end(SpanEnd::Completed);
/// # }
/// ```
///
/// # Panics
///
/// If it is called outside a tokio runtime.
#[track_caller]
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    tokio::spawn(future.with_current_context())
}

/// Spawns a future as a span of a new trace that links to the current span.
///
/// For work that nobody waits for: as a child it would stretch the trace far beyond the request that caused it. The
/// same as [`spawn`] of [`traced(…).linked()`](crate::Traced::linked).
///
/// ```
/// use throughline_core::SpanEnd;
/// use throughline_testing::{assert_trace, tracer};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let (tracer, spans) = tracer();
/// let request = tracer.span("request").start();
/// let task = request.context().scope(|| throughline_task::spawn_linked("send newsletter", async {}));
/// request.end(SpanEnd::Completed);
/// task.await.unwrap();
/// assert_trace!(spans,
///     trace { internal "request" }
///     trace { internal "send newsletter" => link "request" }
/// );
/// # }
/// ```
///
/// # Panics
///
/// If it is called outside a tokio runtime.
#[track_caller]
pub fn spawn_linked<F>(name: impl Into<Cow<'static, str>>, future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    tokio::spawn(traced(name, future).linked())
}

/// Runs a closure in the context that is current now on a thread where blocking is fine: [`tokio::task::spawn_blocking`].
///
/// ```
/// use throughline_core::Context;
/// use throughline_task as task;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let context = Context::ROOT.with_value(7_u8);
/// let seen = context.scope(|| task::spawn_blocking(|| Context::current().value::<u8>().copied()));
/// assert_eq!(seen.await.unwrap(), Some(7));
/// # }
/// ```
///
/// # Panics
///
/// If it is called outside a tokio runtime.
#[track_caller]
pub fn spawn_blocking<F, R>(work: F) -> JoinHandle<R>
where
    F: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
{
    task::spawn_blocking(Context::current().wrap(work))
}

/// Spawns a future that need not be `Send` in the context that is current now: [`tokio::task::spawn_local`].
///
/// ```
/// use throughline_core::Context;
/// use throughline_task as task;
/// use tokio::task::LocalSet;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let context = Context::ROOT.with_value(7_u8);
/// let local = LocalSet::new();
/// let spawn = || task::spawn_local(async { Context::current().value::<u8>().copied() });
/// let seen = local.run_until(async { context.scope(spawn).await }).await;
/// assert_eq!(seen.unwrap(), Some(7));
/// # }
/// ```
///
/// # Panics
///
/// If it is called outside a [`LocalSet`](tokio::task::LocalSet) or local runtime.
#[track_caller]
pub fn spawn_local<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    task::spawn_local(future.with_current_context())
}

/// Spawns on a given runtime in the context that is current at the call.
///
/// ```
/// use throughline_core::Context;
/// use throughline_task::HandleExt as _;
/// use tokio::runtime::Handle;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let context = Context::ROOT.with_value(7_u8);
/// let handle = Handle::current();
/// let seen = context.scope(|| handle.spawn_in_context(async { Context::current().value::<u8>().copied() }));
/// assert_eq!(seen.await.unwrap(), Some(7));
/// # }
/// ```
pub trait HandleExt: sealed::Sealed {
    /// Spawns a future: [`Handle::spawn`].
    #[track_caller]
    fn spawn_in_context<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static;

    /// Runs a closure where blocking is fine: [`Handle::spawn_blocking`].
    #[track_caller]
    fn spawn_blocking_in_context<F, R>(&self, work: F) -> JoinHandle<R>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static;
}

impl HandleExt for Handle {
    #[track_caller]
    fn spawn_in_context<F>(&self, future: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.spawn(future.with_current_context())
    }

    #[track_caller]
    fn spawn_blocking_in_context<F, R>(&self, work: F) -> JoinHandle<R>
    where
        F: FnOnce() -> R + Send + 'static,
        R: Send + 'static,
    {
        self.spawn_blocking(Context::current().wrap(work))
    }
}

impl sealed::Sealed for Handle {}

mod sealed {
    pub trait Sealed {}
}
