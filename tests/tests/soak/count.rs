//! Two independent accounts of the same operations: the listener's and the exporter's.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use throughline_core::{End, Listener, SemanticKey, SpanContext, SpanEnd, Start};
use throughline_export::{Batch, ExportError, Exporter};
use tokio::sync::Notify;

/// Listens to the operations of one side, recorded or not.
#[derive(Clone)]
pub(crate) struct Operations(Arc<Accounts>);

struct Accounts {
    side: SemanticKey,
    active: AtomicI64,
    started: AtomicU64,
    ended: AtomicU64,
    sampled: AtomicU64,
    cancelled: AtomicU64,
    failed: AtomicU64,
    panicked: AtomicU64,
    ids_started: AtomicU64,
    ids_ended: AtomicU64,
    ids_sampled: AtomicU64,
    changed: Notify,
}

/// What was counted; of ids the wrapping sum, which is another if one is missing, or there twice.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Books {
    pub(crate) active: i64,
    pub(crate) started: u64,
    pub(crate) ended: u64,
    pub(crate) sampled: u64,
    pub(crate) cancelled: u64,
    pub(crate) failed: u64,
    pub(crate) panicked: u64,
    pub(crate) ids_started: u64,
    pub(crate) ids_ended: u64,
    pub(crate) ids_sampled: u64,
}

/// Exporter that counts.
pub(crate) struct Counting(Exported);

/// What [`Counting`] has counted.
#[derive(Clone, Default)]
pub(crate) struct Exported(Arc<(AtomicU64, AtomicU64)>);

// === impl Operations ===

impl Operations {
    pub(crate) fn of(side: SemanticKey) -> Self {
        let number = AtomicU64::default;
        Self(Arc::new(Accounts {
            side,
            active: AtomicI64::default(),
            started: number(),
            ended: number(),
            sampled: number(),
            cancelled: number(),
            failed: number(),
            panicked: number(),
            ids_started: number(),
            ids_ended: number(),
            ids_sampled: number(),
            changed: Notify::new(),
        }))
    }

    pub(crate) fn read(&self) -> Books {
        let Accounts { active, started, ended, sampled, cancelled, failed, panicked, .. } = &*self.0;
        let Accounts { ids_started, ids_ended, ids_sampled, .. } = &*self.0;
        let read = |number: &AtomicU64| number.load(Ordering::SeqCst);
        Books {
            active: active.load(Ordering::SeqCst),
            started: read(started),
            ended: read(ended),
            sampled: read(sampled),
            cancelled: read(cancelled),
            failed: read(failed),
            panicked: read(panicked),
            ids_started: read(ids_started),
            ids_ended: read(ids_ended),
            ids_sampled: read(ids_sampled),
        }
    }

    /// Waits until nothing is going on. A server learns of a visitor who has gone when it next looks.
    pub(crate) async fn idle(&self) {
        let idle = async {
            loop {
                let changed = self.0.changed.notified();
                if self.0.active.load(Ordering::SeqCst) == 0 {
                    return;
                }
                changed.await;
            }
        };
        let idle = tokio::time::timeout(Duration::from_secs(30), idle).await;
        assert!(idle.is_ok(), "requests go on although everybody has gone: {}", self.read());
    }
}

fn id(span: SpanContext) -> u64 {
    u64::from_be_bytes(span.span_id().to_bytes())
}

impl Listener for Operations {
    fn start(&self, start: &Start<'_>) {
        if start.semantic_key == Some(self.0.side) {
            self.0.active.fetch_add(1, Ordering::SeqCst);
            self.0.started.fetch_add(1, Ordering::SeqCst);
            self.0.ids_started.fetch_add(id(start.span_context), Ordering::SeqCst);
        }
    }

    fn end(&self, end: &End<'_>) {
        if end.semantic_key != Some(self.0.side) {
            return;
        }
        let count = |number: &AtomicU64, by| number.fetch_add(by, Ordering::SeqCst);
        count(&self.0.ended, 1);
        count(&self.0.ids_ended, id(end.span_context));
        if end.span_context.is_sampled() {
            count(&self.0.sampled, 1);
            count(&self.0.ids_sampled, id(end.span_context));
        }
        match end.end {
            SpanEnd::Completed => 0,
            SpanEnd::Failed => count(&self.0.failed, 1),
            SpanEnd::Cancelled => count(&self.0.cancelled, 1),
            SpanEnd::Panicked => count(&self.0.panicked, 1),
        };
        if self.0.active.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.0.changed.notify_waiters();
        }
    }
}

impl fmt::Display for Books {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { active, started, ended, sampled, cancelled, failed, panicked, .. } = self;
        write!(f, "{started} started, {ended} ended ({cancelled} cancelled, {failed} failed, {panicked} panicked), ")?;
        write!(f, "{active} active, {sampled} sampled")
    }
}

// === impl Counting ===

impl Counting {
    pub(crate) fn new() -> (Self, Exported) {
        let exported = Exported::default();
        (Self(exported.clone()), exported)
    }
}

impl Exporter for Counting {
    fn export(&mut self, batch: &Batch<'_>) -> Result<(), ExportError> {
        let Exported(counts) = &self.0;
        for span in batch.spans() {
            counts.0.fetch_add(1, Ordering::SeqCst);
            counts.1.fetch_add(id(span.span_context()), Ordering::SeqCst);
        }
        Ok(())
    }
}

impl Exported {
    /// How many, and the sum of their ids.
    pub(crate) fn read(&self) -> (u64, u64) {
        (self.0.0.load(Ordering::SeqCst), self.0.1.load(Ordering::SeqCst))
    }
}
