//! Numbers from query strings, which anybody may have written.

use serde::Deserialize;

/// A number of no more than `MAX`; others are refused where they are read.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(try_from = "u64")]
pub(crate) struct AtMost<const MAX: u64>(u64);

/// How often something may happen.
pub(crate) type Count = AtMost<100_000>;
/// How many milliseconds something may take.
pub(crate) type Millis = AtMost<60_000>;
/// How many bytes a body may have.
pub(crate) type Size = AtMost<{ 1 << 30 }>;

impl<const MAX: u64> AtMost<MAX> {
    /// This number, which is checked while the program is compiled.
    pub(crate) const fn of<const N: u64>() -> Self {
        const { assert!(N <= MAX) };
        Self(N)
    }

    pub(crate) const fn get(self) -> u64 {
        self.0
    }
}

impl<const MAX: u64> TryFrom<u64> for AtMost<MAX> {
    type Error = String;

    fn try_from(number: u64) -> Result<Self, String> {
        if number <= MAX { Ok(Self(number)) } else { Err(format!("{number} is more than {MAX}")) }
    }
}
