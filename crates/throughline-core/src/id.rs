//! Trace and span ids.

use std::fmt;
use std::num::{NonZeroU64, NonZeroU128};
use std::str::FromStr;

use crate::hex;

/// W3C `trace-id`: 16 bytes, never all zero.
///
/// Two spans belong to one trace if and only if their trace ids are equal.
///
/// ```
/// use throughline_core::TraceId;
///
/// let id: TraceId = "0af7651916cd43dd8448eb211c80319c".parse()?;
/// assert_eq!(id.to_string(), "0af7651916cd43dd8448eb211c80319c");
/// assert!("0AF7651916CD43DD8448EB211C80319C".parse::<TraceId>().is_err());
/// # Ok::<(), throughline_core::InvalidId>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TraceId(NonZeroU128);

/// W3C `parent-id`, OpenTelemetry's span id: 8 bytes, never all zero.
///
/// ```
/// use throughline_core::SpanId;
///
/// let id: SpanId = "b7ad6b7169203331".parse()?;
/// assert_eq!(id.to_u64(), 0xb7ad_6b71_6920_3331);
/// # Ok::<(), throughline_core::InvalidId>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SpanId(NonZeroU64);

/// The text was not an id: wrong length, a byte that is no lower-case digit, or all zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidId(());

// === impl TraceId ===

impl TraceId {
    /// Makes an id of its value; zero is none.
    #[must_use]
    pub const fn from_u128(value: u128) -> Option<Self> {
        match NonZeroU128::new(value) {
            Some(value) => Some(Self(value)),
            None => None,
        }
    }

    /// Makes an id of its big-endian bytes; all zero is none.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Option<Self> {
        Self::from_u128(u128::from_be_bytes(bytes))
    }

    /// Reads 32 lower-case digits, or 16, which are those on the right.
    #[inline]
    pub(crate) fn from_hex(digits: &[u8]) -> Option<Self> {
        let mut decoder = hex::Decoder::default();
        let value = match digits.len() {
            32 => decoder.thirty_two(digits, 0),
            16 => decoder.sixteen(digits, 0).into(),
            _ => return None,
        };
        Self::from_u128(value).filter(|_| decoder.is_sound())
    }

    /// The id as a number.
    #[must_use]
    pub const fn to_u128(self) -> u128 {
        self.0.get()
    }

    /// The id as big-endian bytes, as OTLP and the binary formats carry it.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0.get().to_be_bytes()
    }

    /// The id as 32 lower-case digits, without allocating.
    #[must_use]
    pub fn to_hex(self) -> [u8; 32] {
        let mut digits = [0; 32];
        hex::encode32(&mut digits, 0, self.to_u128());
        digits
    }
}

impl FromStr for TraceId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        if text.len() == 32 { Self::from_hex(text.as_bytes()) } else { None }.ok_or(InvalidId(()))
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TraceId({self})")
    }
}

// === impl SpanId ===

impl SpanId {
    /// Makes an id of its value; zero is none.
    #[must_use]
    pub const fn from_u64(value: u64) -> Option<Self> {
        match NonZeroU64::new(value) {
            Some(value) => Some(Self(value)),
            None => None,
        }
    }

    /// Makes an id of its big-endian bytes; all zero is none.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 8]) -> Option<Self> {
        Self::from_u64(u64::from_be_bytes(bytes))
    }

    /// Reads 16 lower-case digits.
    #[inline]
    pub(crate) fn from_hex(digits: &[u8]) -> Option<Self> {
        if digits.len() != 16 {
            return None;
        }
        let mut decoder = hex::Decoder::default();
        let value = decoder.sixteen(digits, 0);
        Self::from_u64(value).filter(|_| decoder.is_sound())
    }

    /// The id as a number.
    #[must_use]
    pub const fn to_u64(self) -> u64 {
        self.0.get()
    }

    /// The id as big-endian bytes, as OTLP and the binary formats carry it.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 8] {
        self.0.get().to_be_bytes()
    }

    /// The id as 16 lower-case digits, without allocating.
    #[must_use]
    pub fn to_hex(self) -> [u8; 16] {
        let mut digits = [0; 16];
        hex::encode16(&mut digits, 0, self.to_u64());
        digits
    }
}

impl FromStr for SpanId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        Self::from_hex(text.as_bytes()).ok_or(InvalidId(()))
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SpanId({self})")
    }
}

// === impl InvalidId ===

impl fmt::Display for InvalidId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("invalid id: expected lower-case hex digits (32 for a trace, 16 for a span), not all zero")
    }
}

impl std::error::Error for InvalidId {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejects_malformed_ids() {
        for (input, why) in [
            ("0af7651916cd43dd8448eb211c80319", "31 digits"),
            ("0af7651916cd43dd8448eb211c80319c0", "33 digits"),
            ("+af7651916cd43dd8448eb211c80319c", "sign"),
            ("0AF7651916CD43DD8448EB211C80319C", "upper case"),
            ("00000000000000000000000000000000", "all zero"),
            ("", "empty"),
        ] {
            assert!(input.parse::<TraceId>().is_err(), "{why}: {input:?}");
        }
        for (input, why) in [
            ("b7ad6b716920333", "15 digits"),
            ("b7ad6b71692033310", "17 digits"),
            ("0000000000000000", "all zero"),
            ("b7ad6b716920333G", "no digit"),
        ] {
            assert!(input.parse::<SpanId>().is_err(), "{why}: {input:?}");
        }
    }

    #[test]
    fn an_optional_id_is_no_larger_than_an_id() {
        assert_eq!(size_of::<Option<TraceId>>(), 16);
        assert_eq!(size_of::<Option<SpanId>>(), 8);
    }

    #[test]
    fn hex_bytes_and_number_agree() {
        let id = TraceId::from_u128(0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10).unwrap();
        assert_eq!(TraceId::from_bytes(id.to_bytes()), Some(id));
        assert_eq!(std::str::from_utf8(&id.to_hex()), Ok(&*id.to_string()));
        let id = SpanId::from_u64(0x0102_0304_0506_0708).unwrap();
        assert_eq!(SpanId::from_bytes(id.to_bytes()), Some(id));
        assert_eq!(std::str::from_utf8(&id.to_hex()), Ok(&*id.to_string()));
    }
}
