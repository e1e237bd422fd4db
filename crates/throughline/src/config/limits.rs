//! `OTEL_SPAN_*_LIMIT` and their kin: how much one span may hold.

use throughline_core::SpanLimits;

use super::variables::Variables;
use crate::ConfigError;

pub(super) fn read(variables: &Variables<'_>, before: SpanLimits) -> Result<SpanLimits, ConfigError> {
    let mut limits = before;
    let count = |name| Ok::<_, ConfigError>(variables.number(name, 0..=MOST)?.map(|count| count as u32));
    if let Some(all) = count("OTEL_ATTRIBUTE_COUNT_LIMIT")? {
        (limits.attributes, limits.event_attributes, limits.link_attributes) = (all, all, all);
    }
    for (name, limit) in [
        ("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", &mut limits.attributes),
        ("OTEL_SPAN_EVENT_COUNT_LIMIT", &mut limits.events),
        ("OTEL_SPAN_LINK_COUNT_LIMIT", &mut limits.links),
        ("OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", &mut limits.event_attributes),
        ("OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", &mut limits.link_attributes),
    ] {
        *limit = count(name)?.unwrap_or(*limit);
    }
    for name in ["OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT"] {
        if let Some(length) = variables.number(name, 0..=LONGEST)? {
            limits.value_length = length as u32;
            // Who allows a value of that length wants to see it.
            limits.text_length = before.text_length.max(limits.value_length);
        }
    }
    Ok(limits)
}

/// What the counters of a span hold.
const MOST: u64 = u16::MAX as u64;
/// What one span may well take, if somebody wants it.
const LONGEST: u64 = 16 << 20;
