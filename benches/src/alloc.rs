//! A counting global allocator over the system's.
//!
//! Switched off it costs one relaxed load per call, the same for every row.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ops::Sub;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

pub struct Counting;

/// Allocations so far, on this thread and on all.
#[derive(Clone, Copy)]
pub struct Snapshot {
    pub here: Count,
    pub all: Count,
}

#[derive(Clone, Copy, Default)]
pub struct Count {
    pub calls: u64,
    pub bytes: u64,
}

pub fn counting(on: bool) {
    ON.store(on, Ordering::Relaxed);
}

pub fn snapshot() -> Snapshot {
    let all = Count { calls: CALLS.load(Ordering::Relaxed), bytes: BYTES.load(Ordering::Relaxed) };
    Snapshot { here: HERE.get(), all }
}

impl Sub for Count {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self { calls: self.calls - earlier.calls, bytes: self.bytes - earlier.bytes }
    }
}

// SAFETY: every call goes to `System` unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size);
        unsafe { System.realloc(at, layout, size) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        unsafe { System.dealloc(at, layout) }
    }
}

#[inline]
fn count(size: usize) {
    if ON.load(Ordering::Relaxed) {
        let bytes = size as u64;
        CALLS.fetch_add(1, Ordering::Relaxed);
        BYTES.fetch_add(bytes, Ordering::Relaxed);
        let here = HERE.get();
        HERE.set(Count { calls: here.calls + 1, bytes: here.bytes + bytes });
    }
}

static ON: AtomicBool = AtomicBool::new(false);
static CALLS: AtomicU64 = AtomicU64::new(0);
static BYTES: AtomicU64 = AtomicU64::new(0);

thread_local! {
    static HERE: Cell<Count> = const { Cell::new(Count { calls: 0, bytes: 0 }) };
}
