//! What axum charges for any layer: one that does nothing.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::Router;
use axum::routing::get;
use pin_project_lite::pin_project;
use tower::{Service, layer::layer_fn};

use super::{ROUTE, user};
use crate::peer::Peer;
use crate::workload::{Handler, Workload};

pub(super) struct NoopLayer;

#[derive(Clone)]
struct Noop<S>(S);

pin_project! {
    struct ResponseFuture<F> {
        #[pin]
        inner: F,
    }
}

impl Peer for NoopLayer {
    fn name(&self) -> &'static str {
        "noop-layer"
    }

    fn about(&self) -> &'static str {
        "axum with a tower layer that does nothing: the floor of every layer"
    }

    fn runs(&self, workload: Workload) -> bool {
        matches!(workload, Workload::W1 | Workload::W2 | Workload::W3)
    }

    fn expected(&self, _: Workload, _: u64) -> u64 {
        0
    }

    fn router(&self, _: Handler) -> Router {
        Router::new().route(ROUTE, get(user)).layer(layer_fn(Noop))
    }
}

impl<R, S: Service<R>> Service<R> for Noop<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: R) -> Self::Future {
        ResponseFuture { inner: self.0.call(request) }
    }
}

impl<F: Future> Future for ResponseFuture<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.project().inner.poll(cx)
    }
}
