//! The pipeline: from the threads that end spans to the thread that exports them.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::thread;
use std::time::Duration;

use throughline_core::{FinishedSpan, Resource, SpanSink};

use crate::error::{BuildError, Failure, FlushError, ShutdownError};
use crate::guarded::Guarded;
use crate::queue::{Queue, Taken};
use crate::request::{Answer, Request};
use crate::shared::Shared;
use crate::worker::Worker;
use crate::{Exporter, PipelineStats};

/// Takes finished spans from the threads that end them to an [`Exporter`] on a thread of its own.
///
/// A clone is one refcount. The handle is the one who flushes and shuts down; what a
/// [`Tracer`](throughline_core::Tracer) gets is its [`sink`](Self::sink).
///
/// ```
/// use std::time::Duration;
/// use throughline_core::{Resource, SpanEnd, Tracer};
/// use throughline_export::{JsonLines, Pipeline};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let service = Resource::new("orders");
/// let pipeline = Pipeline::builder(JsonLines::new(Vec::new())).resource(service.clone()).build()?;
/// let tracer = Tracer::builder().resource(service).sink(pipeline.sink()).build();
///
/// tracer.span("rebuild index").start().end(SpanEnd::Completed);
///
/// pipeline.shutdown(Duration::from_secs(5)).wait()?; // or `.await`, in async code
/// assert_eq!(pipeline.stats().exported, 1);
/// # Ok(()) }
/// ```
///
/// # Guarantees
///
/// * **Bounds.** No more than `max_queue_size` spans and `max_queue_bytes` bytes wait or are being exported at any time,
///   over all threads. One thread alone may use all of it; with many, up to an eighth may stay unused. Bytes are those of
///   the spans themselves; the spare room of the vectors that they lie in, which is kept for the next spans, is bounded
///   too and comes on top. What does not get in is counted by reason ([`PipelineStats`]).
/// * **Cost.** The thread that ends a span takes one lock that only one thread in eight shares, and copies the span. It
///   allocates nothing in steady state and wakes nobody but when a batch is full.
/// * **A bad exporter** costs the application nothing but counted spans. A panic is caught and counts the batch as failed;
///   after three in a row the exporter is put aside. One that hangs cannot be killed: its batch is counted as lost after
///   the export timeout, the queue fills up to its bounds, and a flush or shutdown returns at its deadline.
/// * **Order.** Spans of one thread are exported in the order in which they ended, those of different threads in any order.
/// * **Runtimes.** None is needed. The worker is a thread of the system, named `throughline-export`; flush and shutdown
///   work in async code on any runtime, `current_thread` included, and, blocking, in `Drop` and in panic hooks.
/// * **Drop.** When the last handle is dropped without a shutdown, that is done for one second at most, blocking.
#[derive(Clone)]
pub struct Pipeline(Arc<Handle>);

/// Sets up a [`Pipeline`]; made by [`Pipeline::builder`].
#[must_use]
pub struct PipelineBuilder {
    exporter: Box<dyn Exporter>,
    resource: Resource,
    max_queue_size: usize,
    max_queue_bytes: usize,
    max_export_batch_size: usize,
    schedule_delay: Duration,
    export_timeout: Duration,
}

/// Where a [`Tracer`](throughline_core::Tracer) hands the spans to that a [`Pipeline`] exports; made by
/// [`Pipeline::sink`].
///
/// It does not keep the pipeline running: after its shutdown, or when its last handle is gone, spans are dropped and
/// counted.
#[derive(Clone)]
pub struct PipelineSink(Arc<Shared>);

/// Waits until all that ended before the call was exported; made by [`Pipeline::flush`].
///
/// The flush goes on if this is dropped.
#[must_use = "await it, or call `wait`"]
pub struct Flush(Request);

/// Waits until all was exported and the exporter has finished; made by [`Pipeline::shutdown`].
///
/// The shutdown goes on if this is dropped, without a deadline.
#[must_use = "await it, or call `wait`"]
pub struct Shutdown(Request);

/// What all clones of a pipeline share and its sinks do not.
struct Handle(Arc<Shared>);

// === impl Pipeline ===

impl Pipeline {
    /// Sets up a pipeline to this exporter, with OpenTelemetry's defaults.
    pub fn builder(exporter: impl Exporter) -> PipelineBuilder {
        PipelineBuilder {
            exporter: Box::new(exporter),
            resource: Resource::default(),
            max_queue_size: 2048,
            max_queue_bytes: 8 << 20,
            max_export_batch_size: 512,
            schedule_delay: Duration::from_secs(5),
            export_timeout: Duration::from_secs(30),
        }
    }

    /// Where a tracer hands its spans to.
    #[must_use]
    pub fn sink(&self) -> PipelineSink {
        PipelineSink(Arc::clone(&self.0.0))
    }

    /// Exports everything that ended before this call, on whatever thread, and lets the exporter finish it.
    ///
    /// It starts with the call, not with the first poll. It ends at the deadline, counted from the call, even if the
    /// exporter hangs.
    ///
    /// # Errors
    ///
    /// The deadline came first, or the exporter failed meanwhile.
    pub fn flush(&self, deadline: Duration) -> Flush {
        Flush(Request::flush(&self.0.0, deadline))
    }

    /// Lets no more spans in, exports those that ended before this call, shuts the exporter down and ends its thread.
    ///
    /// It starts with the call, not with the first poll. At the deadline, counted from the call, what is not exported is
    /// lost and counted, even if the exporter hangs. A second shutdown has the result of the first.
    ///
    /// # Errors
    ///
    /// The deadline came first, or the exporter failed meanwhile.
    pub fn shutdown(&self, deadline: Duration) -> Shutdown {
        Shutdown(Request::shutdown(&self.0.0, deadline))
    }

    /// What was counted so far.
    #[must_use]
    pub fn stats(&self) -> PipelineStats {
        self.0.0.stats()
    }
}

impl fmt::Debug for Pipeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pipeline").field("resource", &self.0.0.resource).field("stats", &self.stats()).finish()
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        let mut shutdown = Request::shutdown(&self.0, DROP_DEADLINE);
        if !shutdown.is_own_worker() {
            // The result has nobody to go to; what was lost is counted.
            let _ = shutdown.wait();
        }
    }
}

// === impl PipelineBuilder ===

impl PipelineBuilder {
    /// The service whose spans these are; the tracer's resource.
    pub fn resource(mut self, resource: Resource) -> Self {
        self.resource = resource;
        self
    }

    /// How many spans may wait or be in export; by default 2048 (`OTEL_BSP_MAX_QUEUE_SIZE`).
    pub fn max_queue_size(mut self, spans: usize) -> Self {
        self.max_queue_size = spans;
        self
    }

    /// How many bytes the spans that wait or are in export may take; by default 8 MiB.
    pub fn max_queue_bytes(mut self, bytes: usize) -> Self {
        self.max_queue_bytes = bytes;
        self
    }

    /// How many spans the exporter gets at once; by default 512 (`OTEL_BSP_MAX_EXPORT_BATCH_SIZE`).
    ///
    /// An export begins when so many have gathered, or as many as fill half of the queue.
    pub fn max_export_batch_size(mut self, spans: usize) -> Self {
        self.max_export_batch_size = spans;
        self
    }

    /// After how long fewer spans are exported, too; by default 5 seconds (`OTEL_BSP_SCHEDULE_DELAY`).
    pub fn schedule_delay(mut self, delay: Duration) -> Self {
        self.schedule_delay = delay;
        self
    }

    /// After how long a batch is counted as lost; by default 30 seconds (`OTEL_BSP_EXPORT_TIMEOUT`), never if zero.
    pub fn export_timeout(mut self, timeout: Duration) -> Self {
        self.export_timeout = timeout;
        self
    }

    /// Starts the pipeline's thread.
    ///
    /// # Errors
    ///
    /// A size or the delay is zero, a batch would exceed the queue, or the system gives no thread.
    pub fn build(self) -> Result<Pipeline, BuildError> {
        let Self {
            exporter,
            resource,
            max_queue_size,
            max_queue_bytes,
            max_export_batch_size,
            schedule_delay,
            export_timeout,
        } = self;
        for (setting, is_zero) in [
            ("max_queue_size", max_queue_size == 0),
            ("max_queue_bytes", max_queue_bytes == 0),
            ("max_export_batch_size", max_export_batch_size == 0),
            ("schedule_delay", schedule_delay.is_zero()),
        ] {
            if is_zero {
                return Err(BuildError::Zero { setting });
            }
        }
        if max_export_batch_size > max_queue_size {
            return Err(BuildError::BatchExceedsQueue { batch: max_export_batch_size, queue: max_queue_size });
        }
        let queue = Queue::new(max_queue_size, max_queue_bytes, max_export_batch_size);
        let shared = Arc::new(Shared::new(queue, resource, export_timeout));
        let worker = Worker {
            shared: Arc::clone(&shared),
            exporter: Guarded::new(exporter),
            batch: max_export_batch_size,
            delay: schedule_delay,
            taken: Taken::default(),
            dropped: 0,
        };
        let thread = thread::Builder::new().name("throughline-export".to_owned());
        let thread = thread.spawn(move || worker.run()).map_err(BuildError::Thread)?;
        shared.queue.set_worker(thread.thread().clone());
        Ok(Pipeline(Arc::new(Handle(shared))))
    }
}

impl fmt::Debug for PipelineBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PipelineBuilder")
            .field("resource", &self.resource)
            .field("max_queue_size", &self.max_queue_size)
            .field("max_queue_bytes", &self.max_queue_bytes)
            .field("max_export_batch_size", &self.max_export_batch_size)
            .field("schedule_delay", &self.schedule_delay)
            .field("export_timeout", &self.export_timeout)
            .finish_non_exhaustive()
    }
}

// === impl PipelineSink ===

impl SpanSink for PipelineSink {
    #[inline]
    fn on_end(&self, span: &FinishedSpan<'_>) {
        self.0.queue.push(span);
    }
}

impl fmt::Debug for PipelineSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PipelineSink").finish_non_exhaustive()
    }
}

// === impl Flush ===

impl Flush {
    /// Blocks the thread instead: for `Drop`, panic hooks and code without a runtime.
    ///
    /// # Errors
    ///
    /// As of [`Pipeline::flush`].
    pub fn wait(mut self) -> Result<(), FlushError> {
        flushed(self.0.wait())
    }
}

impl Future for Flush {
    type Output = Result<(), FlushError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.poll(cx.waker()).map_or(Poll::Pending, |answer| Poll::Ready(flushed(answer)))
    }
}

impl fmt::Debug for Flush {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flush").finish_non_exhaustive()
    }
}

// === impl Shutdown ===

impl Shutdown {
    /// Blocks the thread instead: for `Drop`, panic hooks and code without a runtime.
    ///
    /// # Errors
    ///
    /// As of [`Pipeline::shutdown`].
    pub fn wait(mut self) -> Result<(), ShutdownError> {
        shut_down(self.0.wait())
    }
}

impl Future for Shutdown {
    type Output = Result<(), ShutdownError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.poll(cx.waker()).map_or(Poll::Pending, |answer| Poll::Ready(shut_down(answer)))
    }
}

impl fmt::Debug for Shutdown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shutdown").finish_non_exhaustive()
    }
}

fn flushed(answer: Answer) -> Result<(), FlushError> {
    match answer {
        Answer::Done(done) => done.map_err(Failure::into_flush),
        Answer::Stopped(outcome) => outcome.map_err(FlushError::from),
        Answer::TimedOut(waiting) => Err(FlushError::TimedOut { waiting }),
    }
}

fn shut_down(answer: Answer) -> Result<(), ShutdownError> {
    match answer {
        Answer::Stopped(outcome) => outcome,
        Answer::Done(done) => done.map_err(Failure::into_shutdown),
        Answer::TimedOut(lost) => Err(ShutdownError::TimedOut { lost }),
    }
}

const DROP_DEADLINE: Duration = Duration::from_secs(1);

const fn assert_auto_traits<T: Send + Sync + Unpin + 'static>() {}
const _: () = {
    assert_auto_traits::<Pipeline>();
    assert_auto_traits::<PipelineSink>();
    assert_auto_traits::<Flush>();
    assert_auto_traits::<Shutdown>();
};
