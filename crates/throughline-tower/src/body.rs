//! The response body of both sides.

use std::pin::Pin;
use std::task::{self, Poll, ready};

use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::exchange::{Exchange, Phase};

pin_project! {
    /// Response body of [`HttpServer`](crate::HttpServer) and [`HttpClient`](crate::HttpClient).
    ///
    /// It is the inner body in everything but that the request's context is current when it is polled or dropped, and
    /// that it ends the request's span: at its end (as failed if that comes before the declared length), at trailers, at an error,
    /// when the declared length was handed on, or as cancelled when it is dropped before that. An inner body that says it has ended is dropped at once.
    #[derive(Debug)]
    pub struct ResponseBody<B> {
        #[pin]
        inner: Option<B>,
        watch: Option<Watch>,
    }

    impl<B> PinnedDrop for ResponseBody<B> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            let Some(mut watch) = this.watch.take() else { return };
            watch.exchange.run(Phase::Body, || this.inner.set(None));
            watch.exchange.cancel(Phase::Body, Some(watch.sent));
        }
    }
}

/// What a body must be watched by.
#[doc(hidden)]
#[derive(Debug)]
pub struct Watch {
    pub(crate) exchange: Exchange,
    /// Bytes until nobody asks any more.
    pub(crate) left: Option<u64>,
    /// Bytes that were handed on.
    pub(crate) sent: u64,
}

impl<B> ResponseBody<B> {
    #[inline]
    #[doc(hidden)]
    pub fn watched(inner: B, watch: Option<Watch>) -> Self {
        Self { inner: Some(inner), watch }
    }

    /// The inner body.
    #[must_use]
    pub fn get_ref(&self) -> Option<&B> {
        self.inner.as_ref()
    }
}

impl<B: Body> ResponseBody<B> {
    /// Polls for a frame, with another error in place of the body's: what the span knows of a failure is that one.
    ///
    /// For adapters whose bodies wrap their errors.
    #[doc(hidden)]
    #[inline]
    pub fn poll_frame_with<E: 'static>(
        self: Pin<&mut Self>,
        cx: &mut task::Context<'_>,
        map: impl FnOnce(B::Error) -> E,
    ) -> Poll<Option<Result<Frame<B::Data>, E>>> {
        use bytes::Buf as _;

        let mut this = self.project();
        let Some(mut inner) = this.inner.as_mut().as_pin_mut() else { return Poll::Ready(None) };
        let Some(Watch { exchange, left, sent }) = this.watch else {
            return inner.poll_frame(cx).map_err(map);
        };
        let frame = ready!(exchange.run(Phase::Body, || inner.as_mut().poll_frame(cx))).map(|frame| frame.map_err(map));
        let ended = match &frame {
            None => true,
            Some(Err(_)) => true,
            Some(Ok(frame)) => match frame.data_ref() {
                None => frame.is_trailers(),
                Some(data) => {
                    let length = data.remaining() as u64;
                    if *sent == 0 && length > 0 && exchange.wants_first_byte() {
                        exchange.first_byte();
                    }
                    *sent += length;
                    *left = left.map(|left| left.saturating_sub(length));
                    *left == Some(0) || inner.is_end_stream()
                }
            },
        };
        if ended {
            if frame.is_none() || inner.is_end_stream() {
                // Nothing follows: it is dropped while its context is at hand.
                exchange.run(Phase::Body, || this.inner.set(None));
            }
            match &frame {
                Some(Err(error)) => exchange.fail(error, Some(*sent)),
                // The other side was promised more and takes the message for broken.
                _ if left.is_some_and(|left| left > 0) => exchange.fall_short(*sent),
                _ => exchange.complete(Some(*sent)),
            }
            *this.watch = None;
        }
        Poll::Ready(frame)
    }
}

impl<B> Body for ResponseBody<B>
where
    B: Body,
    B::Error: 'static,
{
    type Data = B::Data;
    type Error = B::Error;

    #[inline]
    fn poll_frame(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        self.poll_frame_with(cx, |error| error)
    }

    #[inline]
    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    #[inline]
    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

impl<B: Default> Default for ResponseBody<B> {
    fn default() -> Self {
        Self::watched(B::default(), None)
    }
}
