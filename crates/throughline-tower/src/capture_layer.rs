//! Contexts that travel with requests through queues.

use std::task::{self, Poll};

use http::Request;
use throughline_core::Context;
use tower_layer::Layer;
use tower_service::Service;

/// [`Layer`] that puts the current context into each request's extensions, where an
/// [`HttpClientLayer`](crate::HttpClientLayer) further in finds its parent.
///
/// For what calls its inner service from a task of its own, such as `tower::buffer`, and only if the client layer stands
/// inside it: outside, the client layer sees the caller's context by itself.
///
/// ```text
/// ServiceBuilder::new().layer(CaptureLayer::new()).buffer(64).layer(http_client_layer).service(client)
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct CaptureLayer(());

/// [`Service`] made by [`CaptureLayer`].
#[derive(Clone, Copy, Debug)]
pub struct Capture<S> {
    inner: S,
}

/// The context of whoever made the request.
#[derive(Clone, Debug)]
pub(crate) struct Captured(pub(crate) Context);

// === impl CaptureLayer ===

impl CaptureLayer {
    /// A layer that captures.
    #[must_use]
    pub const fn new() -> Self {
        Self(())
    }
}

impl<S> Layer<S> for CaptureLayer {
    type Service = Capture<S>;

    fn layer(&self, inner: S) -> Capture<S> {
        Capture { inner }
    }
}

// === impl Capture ===

crate::hooks::inner_service!(Capture);

impl<S: Service<Request<B>>, B> Service<Request<B>> for Capture<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    #[inline]
    fn poll_ready(&mut self, cx: &mut task::Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    #[inline]
    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        request.extensions_mut().insert(Captured(Context::current()));
        self.inner.call(request)
    }
}
