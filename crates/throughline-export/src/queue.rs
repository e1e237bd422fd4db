//! The bounded hand-off from the threads that end spans to the one that exports them.
//!
//! Spans lie in eight shards, chosen by a thread's number. What bounds them is *credit*: one pool of spans and one of
//! bytes for all shards, from which a shard takes a small share at a time. The usual span therefore touches nothing that
//! threads share, one busy thread may use the whole queue, and the bound is exact.

use std::cell::Cell;
use std::mem;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};
use std::thread::Thread;

use throughline_core::{FinishedSpan, SpanBuffer};

use crate::lock;

pub(crate) struct Queue {
    shards: [Shard; SHARDS],
    items: Pool,
    bytes: Pool,
    door: AtomicU8,
    /// Somebody has already woken the worker; it takes this back before it looks for a reason to stay awake.
    woken: AtomicBool,
    worker: OnceLock<Thread>,
    pub(crate) lost: Lost,
}

/// Spans that did not get in, by reason.
#[derive(Default)]
pub(crate) struct Lost {
    pub(crate) queue_full: AtomicU64,
    pub(crate) queue_bytes: AtomicU64,
    pub(crate) after_shutdown: AtomicU64,
    pub(crate) exporter_gone: AtomicU64,
}

/// Whether spans may come in.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Door {
    Open = 0,
    ExporterGone = 1,
    Closed = 2,
}

/// The worker's hands: what it took from each shard. Its buffers are swapped with those of the shards and kept.
#[derive(Default)]
pub(crate) struct Taken {
    pub(crate) buffers: [SpanBuffer; SHARDS],
    bytes: usize,
}

/// Two cache lines: the processor fetches them in pairs.
#[derive(Default)]
#[repr(align(128))]
struct Shard(Mutex<Lane>);

/// One shard's spans, and the credit that it has left.
#[derive(Default)]
struct Lane {
    items: usize,
    bytes: usize,
    buffer: SpanBuffer,
}

/// Credit that all shards share.
struct Pool {
    free: AtomicUsize,
    /// In the worker's hands.
    taken: AtomicUsize,
    most: usize,
    share: usize,
    trigger: usize,
}

// === impl Queue ===

impl Queue {
    pub(crate) fn new(items: usize, bytes: usize, batch: usize) -> Self {
        Self {
            shards: Default::default(),
            items: Pool::new(items, batch.min(items.div_ceil(2))),
            bytes: Pool::new(bytes, bytes.div_ceil(2)),
            door: AtomicU8::new(Door::Open as u8),
            woken: AtomicBool::new(false),
            worker: OnceLock::new(),
            lost: Lost::default(),
        }
    }

    /// Copies a span in, or counts why not.
    #[inline]
    pub(crate) fn push(&self, span: &FinishedSpan<'_>) {
        let size = span.bytes();
        let mut wake = false;
        {
            let mut lane = lock(&self.shards[thread_number() % SHARDS].0);
            if lane.items == 0 || lane.bytes < size {
                match self.admit(&mut lane, size) {
                    Some(due) => wake = due,
                    None => return,
                }
            }
            lane.items -= 1;
            lane.bytes -= size;
            lane.buffer.push(span);
        }
        if wake {
            self.wake();
        }
    }

    /// Fetches credit; whether the worker has to be woken, or nothing if the span does not get in.
    #[cold]
    fn admit(&self, lane: &mut Lane, size: usize) -> Option<bool> {
        // A door is shut before the credit of the shards is withdrawn, so whoever still has some came in time.
        let refused = match self.door() {
            Door::Closed => Some(&self.lost.after_shutdown),
            Door::ExporterGone => Some(&self.lost.exporter_gone),
            Door::Open if lane.items == 0 && !self.items.fetch(&mut lane.items, 1) => Some(&self.lost.queue_full),
            Door::Open if lane.bytes < size && !self.bytes.fetch(&mut lane.bytes, size) => Some(&self.lost.queue_bytes),
            Door::Open => None,
        };
        if let Some(reason) = refused {
            reason.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        // An empty buffer gets room for a batch at once: what is not used of it is never touched.
        let room = if lane.buffer.is_empty() { self.items.trigger.min(MOST_RESERVED) } else { lane.items };
        lane.buffer.reserve(room.min(MOST_RESERVED));
        Some(self.is_due() && !self.woken.swap(true, Ordering::SeqCst))
    }

    /// Whether enough for a batch has gathered.
    pub(crate) fn is_due(&self) -> bool {
        self.items.is_due() || self.bytes.is_due()
    }

    /// From now on a full batch wakes the worker again. It must look at [`is_due`](Self::is_due) after this.
    pub(crate) fn rearm(&self) {
        self.woken.store(false, Ordering::SeqCst);
    }

    pub(crate) fn wake(&self) {
        if let Some(worker) = self.worker.get() {
            worker.unpark();
        }
    }

    pub(crate) fn set_worker(&self, worker: Thread) {
        // Set once, by whoever spawned the worker.
        let _ = self.worker.set(worker);
    }

    pub(crate) fn door(&self) -> Door {
        match self.door.load(Ordering::SeqCst) {
            0 => Door::Open,
            1 => Door::ExporterGone,
            _ => Door::Closed,
        }
    }

    /// Lets no more spans in. A span either came before this, and will be taken, or is counted by the door's reason.
    pub(crate) fn shut(&self, door: Door) {
        self.door.fetch_max(door as u8, Ordering::SeqCst);
        for shard in &self.shards {
            self.withdraw(&mut lock(&shard.0));
        }
    }

    /// How many spans wait in the shards.
    pub(crate) fn len(&self) -> usize {
        self.shards.iter().map(|shard| lock(&shard.0).buffer.len()).sum()
    }

    /// Swaps what waits into the worker's empty hands; how many spans there are.
    pub(crate) fn take(&self, taken: &mut Taken) -> usize {
        let mut items = 0;
        for (shard, buffer) in self.shards.iter().zip(&mut taken.buffers) {
            let mut lane = lock(&shard.0);
            self.withdraw(&mut lane);
            if !lane.buffer.is_empty() {
                mem::swap(&mut lane.buffer, buffer);
            }
            drop(lane);
            items += buffer.len();
            taken.bytes += buffer.bytes();
        }
        self.items.taken.fetch_add(items, Ordering::SeqCst);
        self.bytes.taken.fetch_add(taken.bytes, Ordering::SeqCst);
        items
    }

    /// So many of the taken spans wait no longer.
    pub(crate) fn done(&self, items: usize) {
        self.items.give_taken(items);
    }

    /// Empties the worker's hands. Memory that only an unusual burst needed is given back.
    pub(crate) fn clear(&self, taken: &mut Taken) {
        let mut room = self.bytes.most / 2;
        for buffer in &mut taken.buffers {
            let held = buffer.allocated();
            if held > room {
                *buffer = SpanBuffer::new();
            } else {
                room -= held;
                buffer.clear();
            }
        }
        self.bytes.give_taken(mem::take(&mut taken.bytes));
    }

    /// Forgets what waits; how many spans that were.
    pub(crate) fn discard(&self) -> usize {
        let mut taken = Taken::default();
        let items = self.take(&mut taken);
        self.done(items);
        self.clear(&mut taken);
        items
    }

    fn withdraw(&self, lane: &mut Lane) {
        self.items.give(mem::take(&mut lane.items));
        self.bytes.give(mem::take(&mut lane.bytes));
    }
}

// === impl Pool ===

impl Pool {
    fn new(most: usize, trigger: usize) -> Self {
        Self {
            free: AtomicUsize::new(most),
            taken: AtomicUsize::new(0),
            most,
            share: (most / SHARES).min(trigger / SHARDS).max(1),
            trigger,
        }
    }

    /// Raises `credit` to `need`, if that much is left, and by a share more, if there is one.
    fn fetch(&self, credit: &mut usize, need: usize) -> bool {
        let missing = need.saturating_sub(*credit);
        let mut free = self.free.load(Ordering::Relaxed);
        loop {
            if free < missing {
                return false;
            }
            let grant = free.min(missing.max(self.share));
            match self.free.compare_exchange_weak(free, free - grant, Ordering::SeqCst, Ordering::Relaxed) {
                Ok(_) => {
                    *credit += grant;
                    return true;
                }
                Err(now) => free = now,
            }
        }
    }

    fn give(&self, credit: usize) {
        if credit != 0 {
            self.free.fetch_add(credit, Ordering::SeqCst);
        }
    }

    fn give_taken(&self, credit: usize) {
        self.taken.fetch_sub(credit, Ordering::SeqCst);
        self.give(credit);
    }

    /// Credit that a shard holds counts as used: at most a share per shard too much.
    fn is_due(&self) -> bool {
        let idle = self.free.load(Ordering::SeqCst) + self.taken.load(Ordering::SeqCst);
        self.most.saturating_sub(idle) >= self.trigger
    }
}

/// A number that tells threads apart; the shards are shared out by it.
#[inline]
fn thread_number() -> usize {
    match NUMBER.get() {
        u32::MAX => number_thread(),
        number => number as usize,
    }
}

#[cold]
fn number_thread() -> usize {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed) & 0xffff;
    NUMBER.set(number);
    number as usize
}

thread_local! {
    /// Without a destructor: spans that end while a thread is torn down still find it.
    static NUMBER: Cell<u32> = const { Cell::new(u32::MAX) };
}

const SHARDS: usize = 8;
/// A share is this part of the queue: small enough that idle shards hold back no more than an eighth of it.
const SHARES: usize = 64;
/// Room for no more spans is made at a time.
const MOST_RESERVED: usize = 512;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use throughline_core::{SpanEnd, SpanSink, Tracer};

    use super::*;

    struct Sink(Arc<Queue>);

    impl SpanSink for Sink {
        fn on_end(&self, span: &FinishedSpan<'_>) {
            let before = Self::bytes(&self.0);
            self.0.push(span);
            assert_eq!(Self::bytes(&self.0) - before, span.bytes());
        }
    }

    impl Sink {
        fn bytes(queue: &Queue) -> usize {
            queue.shards.iter().map(|shard| lock(&shard.0).buffer.bytes()).sum()
        }
    }

    /// All credit is either free, with a shard, in use by a span that waits, or in the worker's hands.
    #[test]
    fn credit_is_neither_lost_nor_made() {
        let queue = Arc::new(Queue::new(100, 100_000, 10));
        let tracer = Tracer::builder().sink(Sink(Arc::clone(&queue))).build();
        let mut taken = Taken::default();
        for round in 0..5 {
            for _ in 0..20 {
                let span = tracer.span("a name made at run time").root().start();
                span.set("key", "value");
                span.record(|span| span.event("event", &[("in".into(), "it".into())]));
                span.end(SpanEnd::Completed);
            }
            let spans = queue.take(&mut taken);
            assert_eq!(spans, 20, "{round}");
            let (items, bytes) = (&queue.items, &queue.bytes);
            assert_eq!((items.free.load(Ordering::SeqCst), items.taken.load(Ordering::SeqCst)), (80, 20));
            let used = taken.buffers.iter().map(SpanBuffer::bytes).sum::<usize>();
            assert_eq!((bytes.free.load(Ordering::SeqCst), bytes.taken.load(Ordering::SeqCst)), (100_000 - used, used));
            assert!(!queue.is_due());
            queue.done(spans);
            queue.clear(&mut taken);
            assert_eq!((items.free.load(Ordering::SeqCst), bytes.free.load(Ordering::SeqCst)), (100, 100_000));
        }
        assert_eq!(tracer.stats().hook_panics, 0);
    }

    #[test]
    fn a_shut_door_is_never_opened_again() {
        let queue = Queue::new(10, 1000, 5);
        queue.shut(Door::Closed);
        queue.shut(Door::ExporterGone);
        assert!(queue.door() == Door::Closed);
    }
}
