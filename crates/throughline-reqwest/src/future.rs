//! The response future.

use std::future::Future;
use std::pin::Pin;
use std::task::{self, Poll, ready};

use pin_project_lite::pin_project;
use reqwest::Response;
use throughline_tower::Exchange;

use crate::error_type::error_type;

pin_project! {
    /// Response future of [`HttpClient`](crate::HttpClient).
    #[must_use = "futures do nothing unless polled"]
    #[derive(Debug)]
    pub struct ResponseFuture<F> {
        #[pin]
        inner: throughline_tower::ResponseFuture<F>,
    }
}

impl<F> ResponseFuture<F> {
    pub(crate) fn new(inner: F, exchange: Exchange) -> Self {
        Self { inner: throughline_tower::ResponseFuture::new(inner, exchange) }
    }

    pub(crate) fn untraced(inner: F) -> Self {
        Self { inner: throughline_tower::ResponseFuture::untraced(inner) }
    }
}

impl<F, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response, E>>,
    E: 'static,
{
    type Output = Result<Response, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Self::Output> {
        let (result, exchange) = ready!(self.project().inner.poll_exchange(cx));
        if let Some(mut exchange) = exchange {
            end(&mut exchange, &result);
        }
        Poll::Ready(result)
    }
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
