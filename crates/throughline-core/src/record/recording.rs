//! Writing to a span.

use std::mem;
use std::time::Instant;

use super::{ERROR_TYPE, RawEvent, RawLink, Record, StatusCode, Text, cut};
use crate::attribute::{AttributeVisitor, Key, KeyKind, Value};
use crate::{SpanContext, SpanName, Status};

/// Writes to a span that has not ended.
///
/// It is lent by [`Span::record`](crate::Span::record), [`SpanRef::record`](crate::SpanRef::record) and at a span's
/// start and end. What exceeds the [`SpanLimits`](crate::SpanLimits) is dropped and counted in the span.
#[derive(Debug)]
pub struct Recording<'a>(pub(crate) &'a mut Record);

// === impl Recording ===

impl Recording<'_> {
    /// Sets an attribute; one with the same key is replaced.
    #[inline]
    pub fn set<'k, 'v>(&mut self, key: impl Into<Key<'k>>, value: impl Into<Value<'v>>) {
        let (key, value) = (key.into(), value.into());
        match self.position(key) {
            Some(at) => self.0.replace(at, value),
            None => self.0.push(key, value),
        }
    }

    /// Adds an attribute whose key the span does not have yet: [`set`](Self::set) without the search for it.
    #[inline(always)]
    pub fn push<'k, 'v>(&mut self, key: impl Into<Key<'k>>, value: impl Into<Value<'v>>) {
        self.0.push(key.into(), value.into());
    }

    /// Changes the name.
    pub fn set_name<'n>(&mut self, name: impl Into<SpanName<'n>>) {
        self.0.set_name(name.into());
    }

    /// Sets the status. `Ok` is final: neither `Unset` nor an error replaces it.
    pub fn set_status(&mut self, status: &Status) {
        let (code, description) = match status {
            Status::Unset => return,
            Status::Ok => (StatusCode::Ok, ""),
            Status::Error { description } => (StatusCode::Error, &**description),
        };
        if self.0.head.status != StatusCode::Ok {
            self.0.head.status = code;
            self.0.head.description = if description.is_empty() {
                Text::default()
            } else {
                self.0.keep(description.as_bytes()).unwrap_or_default()
            };
        }
    }

    /// Marks the span as failed and says with what: `error.type` must be of low cardinality.
    pub fn set_error<'v>(&mut self, error_type: impl Into<Value<'v>>) {
        if self.0.head.status == StatusCode::Unset {
            // A status that is an error already keeps its description.
            self.0.head.status = StatusCode::Error;
        }
        self.set(ERROR_TYPE, error_type);
    }

    /// Adds an event that happens now.
    pub fn event<'k>(&mut self, name: impl Into<Key<'k>>, attributes: &[(Key<'_>, Value<'_>)]) {
        let now = self.0.clock.now();
        self.event_at(name, now, attributes);
    }

    /// Adds an event of another time.
    pub fn event_at<'k>(&mut self, name: impl Into<Key<'k>>, time: Instant, attributes: &[(Key<'_>, Value<'_>)]) {
        let record = &mut *self.0;
        if record.events.len() >= record.limits.events.min(u32::from(u16::MAX)) as usize {
            record.head.dropped_events = record.head.dropped_events.saturating_add(1);
            return;
        }
        let Some(name) = record.raw_key(name.into()) else {
            record.head.dropped_events = record.head.dropped_events.saturating_add(1);
            return;
        };
        let mut kept = mem::take(&mut record.event_attributes);
        let counts = record.nest(attributes, record.limits.event_attributes, &mut kept);
        record.event_attributes = kept;
        record.events.push(RawEvent { name, time, attributes: counts.0, dropped: counts.1 });
        record.head.events += 1;
    }

    /// Adds a link to another span.
    pub fn link(&mut self, to: SpanContext, attributes: &[(Key<'_>, Value<'_>)]) {
        let record = &mut *self.0;
        if record.links.len() >= record.limits.links.min(u32::from(u16::MAX)) as usize {
            record.head.dropped_links = record.head.dropped_links.saturating_add(1);
            return;
        }
        let mut kept = mem::take(&mut record.link_attributes);
        let counts = record.nest(attributes, record.limits.link_attributes, &mut kept);
        record.link_attributes = kept;
        record.links.push(RawLink { span_context: to, attributes: counts.0, dropped: counts.1 });
        record.head.links += 1;
    }

    /// Whether an attribute of this key was set.
    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        self.position(Key::dynamic(key)).is_some()
    }

    fn position(&self, key: Key<'_>) -> Option<usize> {
        let wanted = match key.0 {
            KeyKind::Static(name) => name.as_bytes(),
            // As it would have been kept.
            KeyKind::Dynamic(name) => cut(name.as_bytes(), self.0.limits.value_length as usize),
        };
        self.0.attributes.iter().position(|known| self.0.key_str(known.key) == wanted)
    }

    /// The status that was set so far is an error.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.0.head.status == StatusCode::Error
    }
}

impl AttributeVisitor for Recording<'_> {
    #[inline(always)]
    fn attribute(&mut self, key: Key<'_>, value: Value<'_>) {
        self.0.push(key, value);
    }
}
