//! Futures, streams and sinks that carry a context.

use std::future::Future;
use std::pin::Pin;
use std::task::{self, Poll};

use futures_core::{FusedStream, Stream};
use futures_sink::Sink;
use pin_project_lite::pin_project;

use crate::Context;

pin_project! {
    /// A future, stream or sink with a context attached; made by [`ContextExt`].
    ///
    /// # Guarantees
    ///
    /// * The context is current in every poll, and while the inner value is dropped, whether it is done or not:
    ///   destructors that run because a task was cancelled see the right context.
    /// * A finished future is dropped at once, inside the context.
    /// * Wrappers nest: inside the inner one its own context is current, afterwards the outer one's again, on panic too.
    /// * A poll costs two swaps of one word. No allocation, no refcount, no lock, no clock.
    #[must_use = "futures, streams and sinks do nothing unless polled"]
    #[derive(Debug)]
    pub struct WithContext<T> {
        #[pin]
        inner: Option<T>,
        context: Context,
    }

    impl<T> PinnedDrop for WithContext<T> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            if this.inner.is_some() {
                let _entered = this.context.enter();
                this.inner.set(None);
            }
        }
    }
}

/// Attaches a context to futures. For streams and sinks there is [`WithContext::new`].
///
/// ```
/// use throughline_core::{Context, ContextExt};
///
/// # tokio_test::block_on(async {
/// let context = Context::ROOT.with_value(7_u8);
/// let seen = async { Context::current().value::<u8>().copied() }.with_context(context).await;
/// assert_eq!(seen, Some(7));
/// # });
/// ```
pub trait ContextExt: Future + Sized {
    /// Attaches this context whenever the future is polled or dropped.
    fn with_context(self, context: Context) -> WithContext<Self> {
        WithContext::new(self, context)
    }

    /// Attaches the context that is current now.
    fn with_current_context(self) -> WithContext<Self> {
        self.with_context(Context::current())
    }
}

// For futures alone: on every type, `with_context` would be ambiguous beside `anyhow::Context`'s.
impl<F: Future> ContextExt for F {}

// === impl WithContext ===

impl<T> WithContext<T> {
    /// Attaches a context to a future, a stream or a sink whenever it is polled or dropped.
    ///
    /// ```
    /// use futures_util::stream::{self, StreamExt};
    /// use throughline_core::{Context, WithContext};
    ///
    /// # tokio_test::block_on(async {
    /// let numbers = stream::iter([1, 2]).map(|n| (n, Context::current().value::<u8>().copied()));
    /// let traced = WithContext::new(numbers, Context::ROOT.with_value(7_u8));
    /// assert_eq!(traced.collect::<Vec<_>>().await, [(1, Some(7)), (2, Some(7))]);
    /// # });
    /// ```
    pub fn new(inner: T, context: Context) -> Self {
        Self { inner: Some(inner), context }
    }

    /// The context that is attached.
    #[must_use]
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// The inner value, unless it was a future that has finished.
    #[must_use]
    pub fn get_ref(&self) -> Option<&T> {
        self.inner.as_ref()
    }

    /// The inner value, unless it was a future that has finished. It is not polled in the context through this.
    pub fn get_mut(&mut self) -> Option<&mut T> {
        self.inner.as_mut()
    }
}

impl<F: Future> Future for WithContext<F> {
    type Output = F::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<F::Output> {
        let mut this = self.project();
        let _entered = this.context.enter();
        let Some(inner) = this.inner.as_mut().as_pin_mut() else { panic!("`WithContext` polled after completion") };
        let output = inner.poll(cx);
        if output.is_ready() {
            this.inner.set(None);
        }
        output
    }
}

impl<S: Stream> Stream for WithContext<S> {
    type Item = S::Item;

    #[inline]
    fn poll_next(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Option<S::Item>> {
        let this = self.project();
        let _entered = this.context.enter();
        match this.inner.as_pin_mut() {
            Some(inner) => inner.poll_next(cx),
            None => Poll::Ready(None),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.inner.as_ref().map_or((0, Some(0)), Stream::size_hint)
    }
}

impl<S: FusedStream> FusedStream for WithContext<S> {
    fn is_terminated(&self) -> bool {
        self.inner.as_ref().is_none_or(FusedStream::is_terminated)
    }
}

impl<S: Sink<Item>, Item> Sink<Item> for WithContext<S> {
    type Error = S::Error;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Result<(), S::Error>> {
        self.with_sink(|sink| sink.poll_ready(cx))
    }

    fn start_send(self: Pin<&mut Self>, item: Item) -> Result<(), S::Error> {
        self.with_sink(|sink| sink.start_send(item))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Result<(), S::Error>> {
        self.with_sink(|sink| sink.poll_flush(cx))
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Result<(), S::Error>> {
        self.with_sink(|sink| sink.poll_close(cx))
    }
}

impl<S> WithContext<S> {
    fn with_sink<R>(self: Pin<&mut Self>, work: impl FnOnce(Pin<&mut S>) -> R) -> R {
        let this = self.project();
        let _entered = this.context.enter();
        let Some(sink) = this.inner.as_pin_mut() else { panic!("`WithContext` used after completion") };
        work(sink)
    }
}
