//! A limit of so many per second.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// Lets so many through per second, that many at once at most. Nobody waits: who finds no token goes without.
#[derive(Debug)]
pub(crate) struct TokenBucket {
    /// Nanoseconds between two tokens.
    interval: u64,
    /// How far ahead of the clock tokens may be taken.
    tolerance: u64,
    /// When the bucket is full again, in nanoseconds since `start`: the generic cell rate algorithm's one number.
    full: AtomicU64,
    /// The first instant that was seen.
    start: OnceLock<Instant>,
}

// === impl TokenBucket ===

impl TokenBucket {
    /// A full bucket. With 0 per second nothing passes; a rate above 10⁹ is that one.
    pub(crate) fn new(per_second: u32) -> Self {
        // Rounded up: rather a little less than was asked for than more.
        let interval = SECOND.div_ceil(u64::from(per_second.max(1)));
        let burst = u64::from(per_second);
        Self {
            interval,
            tolerance: if burst == 0 { 0 } else { interval * burst },
            full: AtomicU64::new(0),
            start: OnceLock::new(),
        }
    }

    /// Takes a token, if there is one.
    #[inline]
    pub(crate) fn take(&self, now: Instant) -> bool {
        let since = now.saturating_duration_since(*self.start.get_or_init(|| now)).as_nanos();
        let now = u64::try_from(since).unwrap_or(u64::MAX / 2);
        let taken = |full: u64| {
            let full = full.max(now) + self.interval;
            (full - now <= self.tolerance).then_some(full)
        };
        self.full.fetch_update(Ordering::Relaxed, Ordering::Relaxed, taken).is_ok()
    }
}

const SECOND: u64 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use std::thread;
    use std::time::Duration;

    use super::*;

    fn taken(bucket: &TokenBucket, at: Instant, asked: usize) -> usize {
        (0..asked).filter(|_| bucket.take(at)).count()
    }

    #[test]
    fn a_seconds_worth_at_once_then_one_by_one() {
        let (bucket, start) = (TokenBucket::new(10), Instant::now());
        for (millis, asked, wanted, why) in [
            (0, 100, 10, "a full bucket"),
            (0, 100, 0, "an empty one"),
            (99, 100, 0, "not yet"),
            (100, 100, 1, "the first is back"),
            (350, 100, 2, "two and a half"),
            (400, 100, 1, "the half was not lost"),
            (900, 3, 3, "some of five"),
            (900, 100, 2, "the others"),
            (60_000, 100, 10, "never more than a second's worth"),
            (30_000, 100, 0, "back in time: nothing is given twice"),
            (60_100, 100, 1, "and it goes on"),
        ] {
            assert_eq!(taken(&bucket, start + Duration::from_millis(millis), asked), wanted, "{millis} ms: {why}");
        }
    }

    #[test]
    fn any_rate() {
        let start = Instant::now();
        for (per_second, at_once, after_a_second) in
            [(0, 0, 0), (1, 1, 1), (3, 3, 2), (7, 7, 6), (1000, 1000, 1000), (u32::MAX, 2000, 2000)]
        {
            let bucket = TokenBucket::new(per_second);
            assert_eq!(taken(&bucket, start, 2000), at_once, "{per_second}");
            // Where a second cannot be divided, the last token comes some nanoseconds late.
            let found = taken(&bucket, start + Duration::from_secs(1), 2000);
            assert_eq!(found, after_a_second, "{per_second}");
        }
        let old = TokenBucket::new(1);
        assert!(old.take(start) && old.take(start + Duration::from_secs(u64::from(u32::MAX))));
    }

    #[test]
    fn threads_share_the_tokens() {
        let (bucket, now) = (TokenBucket::new(1000), Instant::now());
        let all: usize = thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| taken(&bucket, now, 2000))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(all, 1000);
    }
}
