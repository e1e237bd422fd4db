//! Futures that are spans.

use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::task::{self, Poll};

use pin_project_lite::pin_project;
use throughline_core::{AttributeValue, Context, SpanEnd, SpanKind, Tracer};

use crate::TracedResult;
use crate::plan::{Ending, Plan, Running};

pin_project! {
    /// A future that is a span; made by [`traced`].
    ///
    /// | the span ends when | as |
    /// |---|---|
    /// | the output is ready | completed |
    /// | the future is dropped before, its task aborted | cancelled, status unset |
    /// | the future panics | panicked, status error, `error.type` = `panic` |
    ///
    /// # Guarantees
    ///
    /// * The span's context is attached in every poll and while the future is dropped. The future is dropped first, then
    ///   the span ends: what destructors write is still part of it.
    /// * The span starts at the first poll. A future that is dropped before makes no span, and is dropped in the context
    ///   that it would have been a child of; see [`started_now`](Self::started_now).
    /// * A panic is told apart from a cancellation also where another panic is what drops the future.
    /// * A poll costs two words swapped. Starting allocates nothing, unless attributes or a tracer were set.
    #[must_use = "futures do nothing unless polled"]
    pub struct Traced<F> {
        #[pin]
        inner: Option<F>,
        state: State,
    }

    impl<F> PinnedDrop for Traced<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            if let State::Planned(plan) = this.state {
                let _entered = plan.parent.enter();
                return this.inner.set(None);
            }
            let State::Running(running) = mem::replace(this.state, State::Done) else { return };
            // A destructor that panics ends the span as well.
            let end = if running.unwound { SpanEnd::Panicked } else { SpanEnd::Cancelled };
            let mut ending = Ending { running, end: SpanEnd::Panicked };
            {
                let _entered = ending.running.context.enter();
                this.inner.set(None);
            }
            ending.end = end;
        }
    }
}

enum State {
    Planned(Plan),
    Running(Running),
    Done,
}

/// Makes a future a span, a child of the span that is current now.
///
/// The parent is captured by the call, the span starts at the first poll. Its tracer is the parent's, else
/// [`Tracer::global`]; its kind is internal.
///
/// ```
/// use throughline_core::{SpanEnd, SpanKind};
/// use throughline_task::{self as task, traced};
/// use throughline_testing::{assert_trace, tracer};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let (tracer, spans) = tracer();
/// let request = tracer.span("request").start();
/// let audit = request.context().scope(|| {
///     task::spawn(traced("audit", async { traced("write", async {}).await }).attribute("order.id", 7))
/// });
/// request.end(SpanEnd::Completed);
/// audit.await.unwrap();
/// assert_trace!(spans, internal "request" {
///     internal "audit" ["order.id" = 7] { internal "write" }
/// });
/// # }
/// ```
pub fn traced<F: Future>(name: impl Into<Cow<'static, str>>, future: F) -> Traced<F> {
    let parent = Context::current();
    let plan = Plan { parent, name: name.into(), kind: SpanKind::Internal, linked: false, more: None };
    Traced { inner: Some(future), state: State::Planned(plan) }
}

// === impl Traced ===

impl<F: Future> Traced<F> {
    /// The kind of the span; by default internal. Without effect after [`started_now`](Self::started_now).
    pub fn kind(self, kind: SpanKind) -> Self {
        self.plan(|plan| plan.kind = kind)
    }

    /// An attribute of the span, which the sampler may look at.
    ///
    /// What is only known while the future runs is set by `Context::current().span().set(…)`.
    pub fn attribute(mut self, key: impl Into<Cow<'static, str>>, value: impl Into<AttributeValue>) -> Self {
        let attribute = (key.into(), value.into());
        match &mut self.state {
            State::Planned(plan) => plan.more.get_or_insert_default().attributes.push(attribute),
            State::Running(running) => running.set(&attribute),
            State::Done => {}
        }
        self
    }

    /// The tracer that makes the span; by default the parent's, else the process's. Without effect after
    /// [`started_now`](Self::started_now).
    pub fn tracer(self, tracer: &Tracer) -> Self {
        self.plan(|plan| plan.more.get_or_insert_default().tracer = Some(tracer.clone()))
    }

    /// Begins a new trace, with a link to the span that would have been the parent. Without effect after
    /// [`started_now`](Self::started_now).
    ///
    /// For work that nobody waits for. Baggage and values of the context are kept, its sampling decision is not.
    pub fn linked(self) -> Self {
        self.plan(|plan| plan.linked = true)
    }

    /// Starts the span now and not at the first poll: the time until a task is run counts, and a future that is dropped
    /// before makes a cancelled span. Call it last.
    pub fn started_now(mut self) -> Self {
        self.start();
        self
    }

    /// Ends the span as failed, with status error and an `error.type`, if the output is an `Err`. Call it last.
    ///
    /// `error.type` is what [`error_type`](throughline_core::error_type) says of the error, unless the future has set
    /// an error itself. `Err` is not logged nor changed.
    ///
    /// ```
    /// use throughline_task::traced;
    /// use throughline_testing::{assert_trace, tracer};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// let (tracer, spans) = tracer();
    /// let parse = traced("parse", async { "one".parse::<u8>() }).tracer(&tracer).result();
    /// assert!(parse.await.is_err());
    /// assert_trace!(spans, internal "parse" [end = Failed, status = Error, "error.type" = "ParseIntError"]);
    /// # }
    /// ```
    pub fn result<T, E: 'static>(self) -> TracedResult<F>
    where
        F: Future<Output = Result<T, E>>,
    {
        TracedResult::new(self)
    }

    fn plan(mut self, change: impl FnOnce(&mut Plan)) -> Self {
        if let State::Planned(plan) = &mut self.state {
            change(plan);
        }
        self
    }
}

impl<F> Traced<F> {
    fn start(&mut self) {
        self.state.running();
    }

    /// Polls the future; `judge` says of an output with what it failed, if it did.
    #[inline]
    pub(crate) fn poll_judged(
        self: Pin<&mut Self>,
        cx: &mut task::Context<'_>,
        judge: impl FnOnce(&F::Output) -> Option<&'static str>,
    ) -> Poll<F::Output>
    where
        F: Future,
    {
        let mut this = self.project();
        let (Some(inner), Some(running)) = (this.inner.as_mut().as_pin_mut(), this.state.running()) else {
            panic!("`Traced` polled after completion");
        };
        running.unwound = true;
        let output = {
            let _entered = running.context.enter();
            let output = inner.poll(cx);
            if output.is_ready() {
                this.inner.set(None);
            }
            output
        };
        running.unwound = false;
        if let Poll::Ready(output) = &output {
            if let State::Running(mut running) = mem::replace(this.state, State::Done) {
                match judge(output) {
                    None => running.end(SpanEnd::Completed, |_| {}),
                    Some(error) => running.end(SpanEnd::Failed, |span| {
                        if !span.is_error() {
                            span.set_error(error);
                        }
                    }),
                }
            }
        }
        output
    }
}

impl<F: Future> Future for Traced<F> {
    type Output = F::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<F::Output> {
        self.poll_judged(cx, |_| None)
    }
}

impl<F> fmt::Debug for Traced<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Traced");
        match &self.state {
            State::Planned(plan) => out.field("name", &plan.name),
            State::Running(running) => out.field("span", &running.context.span_context()),
            State::Done => &mut out,
        };
        out.finish_non_exhaustive()
    }
}

impl State {
    /// The span, which is started if it was not; nothing if it has ended.
    #[inline]
    fn running(&mut self) -> Option<&mut Running> {
        if let Self::Planned(plan) = self {
            *self = Self::Running(plan.start());
        }
        match self {
            Self::Running(running) => Some(running),
            Self::Planned(_) | Self::Done => None,
        }
    }
}
