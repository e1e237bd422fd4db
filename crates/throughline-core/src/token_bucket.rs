//! A limit of so many in a time.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Lets so many through in a time, and a number at once at most. Nobody waits: who finds no token goes without.
///
/// It takes no lock, and reads no clock.
#[doc(hidden)]
#[derive(Debug)]
pub struct TokenBucket {
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
    /// A full bucket for so many per second, all of which may come at once.
    #[must_use]
    pub fn per_second(tokens: u32) -> Self {
        Self::new(tokens, Duration::from_secs(1), tokens)
    }

    /// A full bucket. With 0 tokens nothing passes; a rate above one per nanosecond is that one.
    #[must_use]
    pub fn new(tokens: u32, per: Duration, burst: u32) -> Self {
        let per = u64::try_from(per.as_nanos()).unwrap_or(u64::MAX / 2).max(1);
        // Rounded up: rather a little less than was asked for than more.
        let interval = per.div_ceil(u64::from(tokens.max(1)));
        let burst = if tokens == 0 { 0 } else { u64::from(burst) };
        Self { interval, tolerance: interval.saturating_mul(burst), full: AtomicU64::new(0), start: OnceLock::new() }
    }

    /// Takes a token, if there is one.
    #[inline]
    #[must_use]
    pub fn take(&self, now: Instant) -> bool {
        let since = now.saturating_duration_since(*self.start.get_or_init(|| now)).as_nanos();
        let now = u64::try_from(since).unwrap_or(u64::MAX / 2);
        let taken = |full: u64| {
            let full = full.max(now).saturating_add(self.interval);
            (full - now <= self.tolerance).then_some(full)
        };
        self.full.fetch_update(Ordering::Relaxed, Ordering::Relaxed, taken).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    fn taken(bucket: &TokenBucket, at: Instant, asked: usize) -> usize {
        (0..asked).filter(|_| bucket.take(at)).count()
    }

    #[test]
    fn a_seconds_worth_at_once_then_one_by_one() {
        let (bucket, start) = (TokenBucket::per_second(10), Instant::now());
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
            let bucket = TokenBucket::per_second(per_second);
            assert_eq!(taken(&bucket, start, 2000), at_once, "{per_second}");
            // Where a second cannot be divided, the last token comes some nanoseconds late.
            let found = taken(&bucket, start + Duration::from_secs(1), 2000);
            assert_eq!(found, after_a_second, "{per_second}");
        }
        let old = TokenBucket::per_second(1);
        assert!(old.take(start) && old.take(start + Duration::from_secs(u64::from(u32::MAX))));
    }

    #[test]
    fn threads_share_the_tokens() {
        let (bucket, now) = (TokenBucket::per_second(1000), Instant::now());
        let all: usize = thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| taken(&bucket, now, 2000))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(all, 1000);
    }
}
