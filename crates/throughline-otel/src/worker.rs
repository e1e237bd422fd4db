//! The runtime that a foreign exporter lives on.

use std::cell::RefCell;
use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context as TaskContext, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use throughline_core::{Context, ContextGuard};
use tokio::runtime::{Builder, Runtime};

/// A runtime with one worker. Whoever uses it stands outside: the runtime is entered, so that sockets, timers and
/// `tokio::spawn` work, but never blocked on, so that blocking clients, which refuse to run inside a runtime, work too.
pub(crate) struct Worker {
    /// `None` only while it is dropped.
    runtime: Option<Runtime>,
}

/// Everything that keeps a thread from being traced, for as long as it is held.
struct Quiet {
    _ours: ContextGuard,
    _theirs: opentelemetry::ContextGuard,
}

/// Wakes the thread that [`Worker::block_on`] polls on.
struct Unpark {
    thread: Thread,
    woken: AtomicBool,
}

// === impl Worker ===

impl Worker {
    pub(crate) fn new() -> io::Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("throughline-otel")
            .on_thread_start(|| QUIET.set(Some(Quiet::new())))
            .on_thread_stop(|| drop(QUIET.take()))
            .enable_all()
            .build()?;
        Ok(Self { runtime: Some(runtime) })
    }

    /// Runs foreign code with the runtime at hand and nothing traced.
    pub(crate) fn enter<R>(&self, work: impl FnOnce() -> R) -> R {
        let _quiet = Quiet::new();
        let _entered = self.runtime.as_ref().map(Runtime::enter);
        work()
    }

    /// Polls a future on this thread until it is ready; nothing if that takes longer than `limit`.
    pub(crate) fn block_on<T>(&self, future: impl Future<Output = T>, limit: Duration) -> Option<T> {
        self.enter(|| {
            let mut future = pin!(future);
            let unpark = Arc::new(Unpark { thread: thread::current(), woken: AtomicBool::new(false) });
            let waker = Waker::from(Arc::clone(&unpark));
            let mut cx = TaskContext::from_waker(&waker);
            let deadline = Instant::now().checked_add(limit);
            loop {
                if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
                    return Some(output);
                }
                // The flag, not the thread's token, is what counts: a blocking client inside may have taken the token.
                while !unpark.woken.swap(false, Ordering::Acquire) {
                    match deadline.map(|deadline| deadline.saturating_duration_since(Instant::now())) {
                        None => thread::park(),
                        Some(Duration::ZERO) => return None,
                        Some(left) => thread::park_timeout(left),
                    }
                }
            }
        })
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Waits for nobody, and is therefore allowed inside another runtime.
            runtime.shutdown_background();
        }
    }
}

// === impl Quiet ===

impl Quiet {
    fn new() -> Self {
        Self {
            _ours: Context::ROOT.with_instrumentation_suppressed().attach(),
            _theirs: opentelemetry::Context::enter_telemetry_suppressed_scope(),
        }
    }
}

// === impl Unpark ===

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.woken.store(true, Ordering::Release);
        self.thread.unpark();
    }
}

thread_local! {
    /// Held by the runtime's threads from their start to their stop.
    static QUIET: RefCell<Option<Quiet>> = const { RefCell::new(None) };
}
