//! Futures that are spans, and may fail.

use std::future::Future;
use std::pin::Pin;
use std::task::{self, Poll};

use pin_project_lite::pin_project;
use throughline_core::error_type;

use crate::Traced;

pin_project! {
    /// A future that is a span and fails if its output is an `Err`; made by [`Traced::result`].
    #[must_use = "futures do nothing unless polled"]
    #[derive(Debug)]
    pub struct TracedResult<F> {
        #[pin]
        traced: Traced<F>,
    }
}

impl<F> TracedResult<F> {
    pub(crate) fn new(traced: Traced<F>) -> Self {
        Self { traced }
    }
}

impl<F: Future<Output = Result<T, E>>, T, E: 'static> Future for TracedResult<F> {
    type Output = F::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<F::Output> {
        self.project().traced.poll_judged(cx, |output| output.as_ref().err().map(error_type))
    }
}
