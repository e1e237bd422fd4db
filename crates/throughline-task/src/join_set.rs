//! Join sets, with the context.

use std::future::Future;

use throughline_core::{Context, ContextExt as _};
use tokio::runtime::Handle;
use tokio::task::{AbortHandle, JoinSet, LocalSet};

/// Spawns into a [`JoinSet`] in the context that is current at the call.
///
/// Every method is the one of the same name without `_in_context`, with the same bounds and result. Tasks that are
/// aborted because the set was dropped are dropped in their context.
///
/// ```
/// use throughline_core::Context;
/// use throughline_task::JoinSetExt as _;
/// use tokio::task::JoinSet;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let mut tasks = JoinSet::new();
/// for request in [7_u8, 8] {
///     let context = Context::ROOT.with_value(request);
///     context.scope(|| tasks.spawn_in_context(async { Context::current().value::<u8>().copied() }));
/// }
/// let mut seen = tasks.join_all().await;
/// seen.sort_unstable();
/// assert_eq!(seen, [Some(7), Some(8)]);
/// # }
/// ```
pub trait JoinSetExt<T>: sealed::Sealed {
    /// Spawns a future: [`JoinSet::spawn`].
    #[track_caller]
    fn spawn_in_context<F>(&mut self, future: F) -> AbortHandle
    where
        F: Future<Output = T> + Send + 'static,
        T: Send;

    /// Spawns a future on that runtime: [`JoinSet::spawn_on`].
    #[track_caller]
    fn spawn_in_context_on<F>(&mut self, future: F, handle: &Handle) -> AbortHandle
    where
        F: Future<Output = T> + Send + 'static,
        T: Send;

    /// Spawns a future that need not be `Send`: [`JoinSet::spawn_local`].
    #[track_caller]
    fn spawn_local_in_context<F>(&mut self, future: F) -> AbortHandle
    where
        F: Future<Output = T> + 'static;

    /// Spawns a future that need not be `Send` on that set: [`JoinSet::spawn_local_on`].
    #[track_caller]
    fn spawn_local_in_context_on<F>(&mut self, future: F, local: &LocalSet) -> AbortHandle
    where
        F: Future<Output = T> + 'static;

    /// Runs a closure where blocking is fine: [`JoinSet::spawn_blocking`].
    #[track_caller]
    fn spawn_blocking_in_context<F>(&mut self, work: F) -> AbortHandle
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send;

    /// Runs a closure on that runtime where blocking is fine: [`JoinSet::spawn_blocking_on`].
    #[track_caller]
    fn spawn_blocking_in_context_on<F>(&mut self, work: F, handle: &Handle) -> AbortHandle
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send;
}

impl<T: 'static> JoinSetExt<T> for JoinSet<T> {
    #[track_caller]
    fn spawn_in_context<F>(&mut self, future: F) -> AbortHandle
    where
        F: Future<Output = T> + Send + 'static,
        T: Send,
    {
        self.spawn(future.with_current_context())
    }

    #[track_caller]
    fn spawn_in_context_on<F>(&mut self, future: F, handle: &Handle) -> AbortHandle
    where
        F: Future<Output = T> + Send + 'static,
        T: Send,
    {
        self.spawn_on(future.with_current_context(), handle)
    }

    #[track_caller]
    fn spawn_local_in_context<F>(&mut self, future: F) -> AbortHandle
    where
        F: Future<Output = T> + 'static,
    {
        self.spawn_local(future.with_current_context())
    }

    #[track_caller]
    fn spawn_local_in_context_on<F>(&mut self, future: F, local: &LocalSet) -> AbortHandle
    where
        F: Future<Output = T> + 'static,
    {
        self.spawn_local_on(future.with_current_context(), local)
    }

    #[track_caller]
    fn spawn_blocking_in_context<F>(&mut self, work: F) -> AbortHandle
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send,
    {
        self.spawn_blocking(Context::current().wrap(work))
    }

    #[track_caller]
    fn spawn_blocking_in_context_on<F>(&mut self, work: F, handle: &Handle) -> AbortHandle
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send,
    {
        self.spawn_blocking_on(Context::current().wrap(work), handle)
    }
}

impl<T> sealed::Sealed for JoinSet<T> {}

mod sealed {
    pub trait Sealed {}
}
