//! The response future of both sides.

use std::future::Future;
use std::pin::Pin;
use std::task::{self, Poll, ready};

use http::Response;
use http_body::Body;
use pin_project_lite::pin_project;

use crate::attributes::content_length;
use crate::body::{ResponseBody, Watch};
use crate::exchange::{Exchange, Phase, Side};

pin_project! {
    /// Response future of [`HttpServer`](crate::HttpServer) and [`HttpClient`](crate::HttpClient).
    #[must_use = "futures do nothing unless polled"]
    #[derive(Debug)]
    pub struct ResponseFuture<F> {
        #[pin]
        inner: Option<F>,
        // Moved into the body, or idle once the span has ended.
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

/// A response, and what its body must be watched by.
type Watched<B> = (Response<B>, Option<Watch>);

impl<F> ResponseFuture<F> {
    #[inline]
    #[doc(hidden)]
    pub fn new(inner: F, exchange: Exchange) -> Self {
        Self { inner: Some(inner), exchange: Some(exchange) }
    }

    #[doc(hidden)]
    pub fn untraced(inner: F) -> Self {
        Self { inner: Some(inner), exchange: None }
    }
}

impl<F: Future> ResponseFuture<F> {
    /// Polls for the output, and for the exchange that is to be ended with it, if there is one.
    ///
    /// For adapters to clients whose responses are no `http::Response`.
    #[inline]
    #[doc(hidden)]
    pub fn poll_exchange(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<(F::Output, Option<Exchange>)> {
        let mut this = self.project();
        let Some(exchange) = this.exchange else { return poll_inner(this.inner, cx).map(|output| (output, None)) };
        let output = ready!(exchange.run(Phase::Head, || poll_inner(this.inner.as_mut(), cx)));
        Poll::Ready((output, this.exchange.take()))
    }
}

impl<F, B, E> ResponseFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body,
    E: 'static,
{
    /// Polls for the response as it is, and for what its body must be watched by, if it must.
    ///
    /// For adapters with a body type of their own: [`ResponseBody::watched`] makes the wrapper.
    #[inline]
    #[doc(hidden)]
    pub fn poll_watched(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Result<Watched<B>, E>> {
        let (result, exchange) = ready!(self.poll_exchange(cx));
        let Some(mut exchange) = exchange else { return Poll::Ready(result.map(|response| (response, None))) };
        Poll::Ready(match result {
            Ok(mut response) => {
                exchange.head(&mut response);
                let watch = watch(&response, exchange);
                Ok((response, watch))
            }
            Err(error) => {
                exchange.fail(&error, None);
                Err(error)
            }
        })
    }
}

impl<F, B, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body,
    E: 'static,
{
    type Output = Result<Response<ResponseBody<B>>, E>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Self::Output> {
        let response = self.poll_watched(cx);
        response.map_ok(|(response, watch)| response.map(|body| ResponseBody::watched(body, watch)))
    }
}

/// Polls the future and drops it where it is done: inside the context.
#[inline]
fn poll_inner<F: Future>(mut future: Pin<&mut Option<F>>, cx: &mut task::Context<'_>) -> Poll<F::Output> {
    let Some(inner) = future.as_mut().as_pin_mut() else { panic!("`ResponseFuture` polled after completion") };
    let output = inner.poll(cx);
    if output.is_ready() {
        future.set(None);
    }
    output
}

/// Ends the span at the head where that is its end, else leaves it to the body.
#[inline]
fn watch<B: Body>(response: &Response<B>, mut exchange: Exchange) -> Option<Watch> {
    let body = response.body();
    if exchange.side == Side::ClientHead {
        let size = match (exchange.measures_body(), exchange.has_no_body()) {
            (false, _) => None,
            (true, true) => Some(0),
            (true, false) => content_length(response.headers()),
        };
        exchange.complete(size);
        return None;
    }
    if exchange.has_no_body() || body.is_end_stream() {
        exchange.complete_at_head();
        return None;
    }
    if !exchange.is_recording() && body.size_hint().exact().is_some() {
        // Nobody waits for its end, and a body whose length is known needs no context to be sent.
        exchange.complete(None);
        return None;
    }
    let left = declared_length(response);
    if left == Some(0) {
        exchange.complete(Some(0));
        return None;
    }
    Some(Watch { exchange, left, sent: 0 })
}

/// After so many bytes the server asks no more: `Content-Length`, else what the body knows of itself.
#[inline]
fn declared_length<B: Body>(response: &Response<B>) -> Option<u64> {
    content_length(response.headers()).or_else(|| response.body().size_hint().exact())
}
