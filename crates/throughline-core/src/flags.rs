//! W3C trace flags.

use std::fmt;

/// W3C `trace-flags`: what a parent says about its trace.
///
/// Only the bits that a specification has given a meaning are kept: bit 0, *sampled* (level 1), and bit 1,
/// *random* (level 2). Unknown bits that come in are dropped, because they must not be sent on
/// ([Trace Context, "Other Flags"](https://www.w3.org/TR/trace-context-2/#other-flags)).
///
/// ```
/// use throughline_core::TraceFlags;
///
/// let flags = TraceFlags::from_bits(0xff);
/// assert_eq!(flags, TraceFlags::SAMPLED | TraceFlags::RANDOM);
/// assert!(flags.is_sampled());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct TraceFlags(u8);

impl TraceFlags {
    /// No flag.
    pub const NONE: Self = Self(0);
    /// The caller may have recorded the trace.
    pub const SAMPLED: Self = Self(1);
    /// The right-most seven bytes of the trace id are random.
    pub const RANDOM: Self = Self(2);

    /// Keeps the known bits of a flags byte.
    #[must_use]
    pub const fn from_bits(bits: u8) -> Self {
        Self(bits & 3)
    }

    /// The flags as a byte between 0 and 3.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.0
    }

    /// Whether *sampled* is set.
    #[must_use]
    pub const fn is_sampled(self) -> bool {
        self.0 & Self::SAMPLED.0 != 0
    }

    /// Whether *random* is set.
    #[must_use]
    pub const fn is_random(self) -> bool {
        self.0 & Self::RANDOM.0 != 0
    }

    /// The same flags with *sampled* set or cleared.
    #[must_use]
    pub const fn with_sampled(self, sampled: bool) -> Self {
        Self((self.0 & !Self::SAMPLED.0) | sampled as u8)
    }
}

impl std::ops::BitOr for TraceFlags {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl fmt::Debug for TraceFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TraceFlags({:02x})", self.0)
    }
}
