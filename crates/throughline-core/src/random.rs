//! Where ids come from.

use std::cell::Cell;

use rand::RngExt as _;

use crate::{SpanId, TraceId};

/// Makes the ids of new traces and spans.
///
/// The built-in generator draws trace ids from `rand`'s cryptographic, self-reseeding thread generator and span ids
/// from a fast one that is seeded by it. A test or a backend with rules of its own (X-Ray wants a time stamp in
/// the trace id) gives a [`Tracer`](crate::Tracer) another.
pub trait IdGenerator: Send + Sync + 'static {
    /// The id of a new trace.
    fn trace_id(&self) -> TraceId;
    /// The id of a new span.
    fn span_id(&self) -> SpanId;
    /// Whether at least the right-most seven bytes of the trace ids are random, which the *random* flag promises.
    fn is_random(&self) -> bool {
        false
    }
}

/// The default [`IdGenerator`]: unpredictable ids without a lock or a system call in steady state.
///
/// Forking a process without `exec` is not supported: both halves would draw the same span ids.
#[derive(Clone, Copy, Debug, Default)]
pub struct RandomIds;

impl IdGenerator for RandomIds {
    #[inline]
    fn trace_id(&self) -> TraceId {
        loop {
            if let Some(id) = TraceId::from_u128(rand::rng().random()) {
                return id;
            }
        }
    }

    #[inline]
    fn span_id(&self) -> SpanId {
        loop {
            if let Some(id) = SpanId::from_u64(next()) {
                return id;
            }
        }
    }

    fn is_random(&self) -> bool {
        true
    }
}

/// xoroshiro128++. Its two words are two cells: as an array they go through memory and stall.
#[inline]
fn next() -> u64 {
    STATE.with(|(first, second)| {
        let (mut a, mut b) = (first.get(), second.get());
        if a | b == 0 {
            (a, b) = seed();
        }
        let result = a.wrapping_add(b).rotate_left(17).wrapping_add(a);
        b ^= a;
        first.set(a.rotate_left(49) ^ b ^ (b << 21));
        second.set(b.rotate_left(28));
        result
    })
}

#[cold]
fn seed() -> (u64, u64) {
    // The generator stands still at zero.
    (rand::rng().random::<u64>() | 1, rand::rng().random())
}

thread_local! {
    static STATE: (Cell<u64>, Cell<u64>) = const { (Cell::new(0), Cell::new(0)) };
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_do_not_repeat() {
        let spans: HashSet<_> = (0..10_000).map(|_| RandomIds.span_id()).collect();
        assert_eq!(spans.len(), 10_000);
        let traces: HashSet<_> = (0..10_000).map(|_| RandomIds.trace_id()).collect();
        assert_eq!(traces.len(), 10_000);
    }

    #[test]
    fn every_thread_draws_other_ids() {
        let draw = || (0..100).map(|_| RandomIds.span_id()).collect::<Vec<_>>();
        let here = draw();
        let there = std::thread::spawn(draw).join().unwrap();
        assert!(here.iter().all(|id| !there.contains(id)));
    }
}
