//! How much one span may hold.

/// The most that one span may hold; what exceeds it is dropped and counted in the span.
///
/// The defaults are OpenTelemetry's, but for the value length, which has one here because values come from the
/// network.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct SpanLimits {
    /// Attributes of the span (default 128).
    pub attributes: u32,
    /// Events (default 128).
    pub events: u32,
    /// Links (default 128).
    pub links: u32,
    /// Attributes of one event (default 128).
    pub event_attributes: u32,
    /// Attributes of one link (default 128).
    pub link_attributes: u32,
    /// Bytes of one textual value, name or key (default 4096); a longer one is cut at a character's border.
    pub value_length: u32,
    /// Bytes of all texts of a span together (default 64 KiB).
    pub text_length: u32,
}

impl SpanLimits {
    /// The default limits.
    pub const DEFAULT: Self = Self {
        attributes: 128,
        events: 128,
        links: 128,
        event_attributes: 128,
        link_attributes: 128,
        value_length: 4096,
        text_length: 64 * 1024,
    };
}

impl Default for SpanLimits {
    fn default() -> Self {
        Self::DEFAULT
    }
}
