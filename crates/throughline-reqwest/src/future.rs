//! The response future.

use std::future::Future;
use std::pin::Pin;
use std::task::{self, Poll, ready};

use pin_project_lite::pin_project;
use reqwest::Response;
use throughline_tower::{Exchange, Phase};

use crate::error_type::error_type;

pin_project! {
    /// Response future of [`HttpClient`](crate::HttpClient).
    #[must_use = "futures do nothing unless polled"]
    #[derive(Debug)]
    pub struct ResponseFuture<F> {
        #[pin]
        inner: Option<F>,
        exchange: Option<Exchange>,
    }

    impl<F> PinnedDrop for ResponseFuture<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            let Some(mut exchange) = this.exchange.take() else { return };
            exchange.run(Phase::Head, || this.inner.set(None));
            exchange.cancel(Phase::Head, None);
        }
    }
}

impl<F> ResponseFuture<F> {
    pub(crate) fn new(inner: F, exchange: Exchange) -> Self {
        Self { inner: Some(inner), exchange: Some(exchange) }
    }

    pub(crate) fn untraced(inner: F) -> Self {
        Self { inner: Some(inner), exchange: None }
    }
}

impl<F, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response, E>>,
    E: 'static,
{
    type Output = Result<Response, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let Some(exchange) = this.exchange else { return poll_inner(this.inner, cx) };
        let result = ready!(exchange.run(Phase::Head, || poll_inner(this.inner.as_mut(), cx)));
        end(exchange, &result);
        *this.exchange = None;
        Poll::Ready(result)
    }
}

/// Polls the future and drops it where it is done: inside the context.
fn poll_inner<F: Future>(mut future: Pin<&mut Option<F>>, cx: &mut task::Context<'_>) -> Poll<F::Output> {
    let Some(inner) = future.as_mut().as_pin_mut() else { panic!("`ResponseFuture` polled after completion") };
    let output = inner.poll(cx);
    if output.is_ready() {
        future.set(None);
    }
    output
}

fn end<E: 'static>(exchange: &mut Exchange, result: &Result<Response, E>) {
    match result {
        Ok(response) => {
            exchange.foreign_head(response.status(), response.version(), response.headers());
            if let Some(peer) = response.remote_addr() {
                exchange.peer(peer);
            }
            exchange.complete(response.content_length());
        }
        Err(error) => exchange.fail_as(error, error_type, None),
    }
}
