//! Counts the attempts of one request.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{self, Poll};

use pin_project_lite::pin_project;
use throughline_core::{Context, ContextExt as _, WithContext};
use tower_layer::Layer;
use tower_service::Service;

/// [`Layer`] that numbers the attempts which a retry makes of one request.
///
/// It belongs outside the retry, the [`HttpClientLayer`](crate::HttpClientLayer) inside: attempts after the first get
/// `http.request.resend_count` 1, 2, …
///
/// ```text
/// ServiceBuilder::new().layer(ResendLayer::new()).retry(policy).layer(http_client_layer).service(client)
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct ResendLayer(());

/// [`Service`] made by [`ResendLayer`].
#[derive(Clone, Copy, Debug)]
pub struct Resend<S> {
    inner: S,
}

pin_project! {
    /// Response future of [`Resend`].
    #[must_use = "futures do nothing unless polled"]
    #[derive(Debug)]
    pub struct ResendFuture<F> {
        #[pin]
        inner: WithContext<F>,
    }
}

/// How many attempts were made.
#[derive(Clone, Debug, Default)]
struct Attempts(Arc<AtomicU32>);

/// The number of this attempt: 0 for the first, or where nobody counts.
pub(crate) fn next() -> u32 {
    next_in(&Context::current())
}

/// As [`next`], where the request was made in another context.
pub(crate) fn next_in(context: &Context) -> u32 {
    match context.value::<Attempts>() {
        Some(attempts) => attempts.0.fetch_add(1, Ordering::Relaxed),
        None => 0,
    }
}

impl ResendLayer {
    /// A layer that counts.
    #[must_use]
    pub const fn new() -> Self {
        Self(())
    }
}

impl<S> Layer<S> for ResendLayer {
    type Service = Resend<S>;

    fn layer(&self, inner: S) -> Resend<S> {
        Resend { inner }
    }
}

impl<S> Resend<S> {
    /// The inner service.
    #[must_use]
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S: Service<R>, R> Service<R> for Resend<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResendFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut task::Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: R) -> Self::Future {
        let context = Context::current().with_value(Attempts::default());
        let inner = context.scope(|| self.inner.call(request));
        ResendFuture { inner: inner.with_context(context) }
    }
}

impl<F: Future> Future for ResendFuture<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<F::Output> {
        self.project().inner.poll(cx)
    }
}
