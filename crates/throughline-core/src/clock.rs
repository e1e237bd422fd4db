//! Time: monotonic while it runs, wall clock when it is shown.

use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant, SystemTime};

/// Where spans read the time.
///
/// Durations are monotonic. The wall clock is read once, and once more whenever it has moved away by more than a
/// second (somebody set it, or the machine slept); spans below a local root keep the root's reading, so that a child
/// never starts before its parent.
#[derive(Clone, Debug, Default)]
pub struct Clock(Option<Arc<ManualClock>>);

/// A clock for tests: it stands still until it is told to move.
///
/// ```
/// use std::time::Duration;
/// use throughline_core::{Clock, ManualClock};
///
/// let manual = ManualClock::new();
/// let clock = Clock::manual(&manual);
/// let before = clock.now();
/// manual.advance(Duration::from_millis(5));
/// assert_eq!(clock.now() - before, Duration::from_millis(5));
/// ```
#[derive(Debug)]
pub struct ManualClock {
    base: Instant,
    nanos: AtomicU64,
}

/// Which reading of the wall clock a span is told by.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Anchor(u16);

struct Reading {
    instant: Instant,
    system: SystemTime,
}

// === impl Clock ===

impl Clock {
    /// The system's monotonic clock.
    #[must_use]
    pub const fn system() -> Self {
        Self(None)
    }

    /// A clock that a test moves.
    #[must_use]
    pub fn manual(clock: &Arc<ManualClock>) -> Self {
        Self(Some(Arc::clone(clock)))
    }

    /// The time.
    #[inline]
    #[must_use]
    pub fn now(&self) -> Instant {
        match &self.0 {
            None => Instant::now(),
            Some(manual) => manual.base + Duration::from_nanos(manual.nanos.load(Ordering::Acquire)),
        }
    }

    /// Compares the wall clock with the monotonic one; spans that start from now on follow the wall clock if the two
    /// have moved apart by more than a second. Exporters call it once per cycle.
    pub fn resync() {
        let Reading { instant, system } = Reading::now();
        let expected = Anchor::latest().wall(instant);
        let drift = system.duration_since(expected).unwrap_or_else(|behind| behind.duration());
        if drift > MAX_DRIFT {
            let mut readings = READINGS.write().unwrap_or_else(PoisonError::into_inner);
            if readings.len() < MAX_READINGS {
                readings.push(Reading { instant, system });
                LATEST.store(readings.len() as u16 - 1, Ordering::Release);
            }
        }
    }
}

// === impl ManualClock ===

impl ManualClock {
    /// A clock that stands at the time of this call.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::new(Self { base: Instant::now(), nanos: AtomicU64::new(0) })
    }

    /// Moves the clock on.
    pub fn advance(&self, by: Duration) {
        let nanos = u64::try_from(by.as_nanos()).unwrap_or(u64::MAX);
        self.nanos.fetch_add(nanos, Ordering::AcqRel);
    }
}

// === impl Anchor ===

impl Anchor {
    /// The newest reading.
    #[inline]
    pub(crate) fn latest() -> Self {
        Self(LATEST.load(Ordering::Relaxed))
    }

    /// The wall clock at a point of the monotonic one.
    pub(crate) fn wall(self, instant: Instant) -> SystemTime {
        {
            let readings = READINGS.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(reading) = readings.get(self.0 as usize) {
                return reading.at(instant);
            }
        }
        let mut readings = READINGS.write().unwrap_or_else(PoisonError::into_inner);
        if readings.is_empty() {
            readings.push(Reading::now());
        }
        readings[0].at(instant)
    }
}

impl Reading {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock: once per anchor")]
    fn now() -> Self {
        Self { instant: Instant::now(), system: SystemTime::now() }
    }

    fn at(&self, instant: Instant) -> SystemTime {
        match instant.checked_duration_since(self.instant) {
            Some(after) => self.system + after,
            None => self.system - self.instant.duration_since(instant),
        }
    }
}

/// The readings of this process: facts about its machine, not configuration.
static READINGS: RwLock<Vec<Reading>> = RwLock::new(Vec::new());
static LATEST: AtomicU16 = AtomicU16::new(0);

const MAX_DRIFT: Duration = Duration::from_secs(1);
const MAX_READINGS: usize = 1024;
