//! Two things that are waited for as one.

use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Both are waited for, even if one fails; the first error is the result.
#[derive(Debug)]
pub(crate) struct Both<F, E> {
    pending: [Option<F>; 2],
    result: Result<(), E>,
}

impl<F, E> Both<F, E> {
    pub(crate) fn new(one: Option<F>, other: Option<F>) -> Self {
        Self { pending: [one, other], result: Ok(()) }
    }

    pub(crate) fn wait(self, wait: impl Fn(F) -> Result<(), E>) -> Result<(), E> {
        self.pending.into_iter().flatten().fold(self.result, |result, pending| {
            let waited = wait(pending);
            result.and(waited)
        })
    }
}

impl<F: Future<Output = Result<(), E>> + Unpin, E: Unpin> Future for Both<F, E> {
    type Output = Result<(), E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { pending, result } = &mut *self;
        for slot in &mut *pending {
            let Some(future) = slot else { continue };
            if let Poll::Ready(output) = Pin::new(future).poll(cx) {
                *slot = None;
                *result = mem::replace(result, Ok(())).and(output);
            }
        }
        if pending.iter().any(Option::is_some) {
            return Poll::Pending;
        }
        Poll::Ready(mem::replace(result, Ok(())))
    }
}
