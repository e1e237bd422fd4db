//! Writing to a span.

use std::mem;
use std::time::Instant;

use super::{ERROR_TYPE, RawEvent, RawLink, Record, StatusCode, Text, cut};
use crate::attribute::{AttributeVisitor, Key, KeyKind, Value};
use crate::{SpanContext, SpanKind, SpanName, Status};

/// Writes to a span that has not ended.
///
/// It is lent by [`Span::record`](crate::Span::record), [`SpanRef::record`](crate::SpanRef::record) and at a span's
/// start and end. What exceeds the [`SpanLimits`](crate::SpanLimits) is dropped and counted in the span.
#[derive(Debug)]
pub struct Recording<'a>(pub(crate) &'a mut Record);

// === impl Recording ===

impl Recording<'_> {
    /// Sets an attribute; one with the same key is replaced. If there is no room for the new value the old one is gone,
    /// too, and the attribute is counted as dropped.
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

    /// The name that the span starts with.
    #[inline(always)]
    pub(crate) fn start_with_name(&mut self, name: SpanName<'_>) {
        let record = &mut *self.0;
        record.head.name = record.raw_name(name);
    }

    /// Changes the name, for good: its [rank](Self::name_rank) is the highest from now on.
    pub fn set_name<'n>(&mut self, name: impl Into<SpanName<'n>>) {
        self.0.set_name(name.into());
        self.0.head.tally.name_rank = u8::MAX;
    }

    /// Changes the second part of a name `verb target`; one without a verb becomes the target alone.
    ///
    /// Who knows better renames: the route that a router matched replaces the one that a filter guessed. Which of two
    /// knows better is for the caller to say, who compares ranks first; here the rank is only remembered. An
    /// instrumentation sets the `http.route` of a request in the same way.
    ///
    /// ```
    /// use throughline_core::{SpanName, Tracer};
    ///
    /// const ROUTER: u8 = 3;
    /// let tracer = Tracer::builder().build();
    /// let span = tracer.span(SpanName::Static(&"GET")).start();
    /// span.record(|span| {
    ///     if span.name_rank() < ROUTER {
    ///         span.set_target("/users/{id}", ROUTER); // GET /users/{id}
    ///     }
    /// });
    /// ```
    pub fn set_target(&mut self, target: &str, rank: u8) {
        self.0.set_target(target);
        self.0.head.tally.name_rank = rank;
    }

    /// How well whoever named the span knew what it is: 0 for the name that it started with, 255 for one that was
    /// [set](Self::set_name) as a whole, else what [`set_target`](Self::set_target) was told.
    #[must_use]
    pub fn name_rank(&self) -> u8 {
        self.0.head.tally.name_rank
    }

    /// Sets the status. `Ok` is final: neither `Unset` nor an error replaces it.
    pub fn set_status(&mut self, status: &Status) {
        let (code, description) = match status {
            Status::Unset => return,
            Status::Ok => (StatusCode::Ok, ""),
            Status::Error { description } => (StatusCode::Error, &**description),
        };
        if self.0.head.tally.status != StatusCode::Ok {
            self.0.head.tally.status = code;
            let old = mem::take(&mut self.0.head.description);
            if old.len > 0 {
                self.0.wipe(old);
            }
            self.0.head.description = if description.is_empty() {
                Text::default()
            } else {
                self.0.keep(description.as_bytes()).unwrap_or_default()
            };
        }
    }

    /// Marks the span as failed and says with what: `error.type` must be of low cardinality.
    pub fn set_error<'v>(&mut self, error_type: impl Into<Value<'v>>) {
        if self.0.head.tally.status == StatusCode::Unset {
            // A status that is an error already keeps its description.
            self.0.head.tally.status = StatusCode::Error;
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
        if record.rare.events.len() >= record.limits.events.min(u32::from(u16::MAX)) as usize {
            record.head.tally.dropped_events = record.head.tally.dropped_events.saturating_add(1);
            return;
        }
        let Some(name) = record.raw_key(name.into()) else {
            record.head.tally.dropped_events = record.head.tally.dropped_events.saturating_add(1);
            return;
        };
        let mut kept = mem::take(&mut record.rare.event_attributes);
        let counts = record.nest(attributes, record.limits.event_attributes, &mut kept);
        record.rare.event_attributes = kept;
        record.rare.events.push(RawEvent { name, time, attributes: counts.0, dropped: counts.1 });
        record.head.tally.events += 1;
    }

    /// Adds a link to another span.
    pub fn link(&mut self, to: SpanContext, attributes: &[(Key<'_>, Value<'_>)]) {
        let record = &mut *self.0;
        if record.rare.links.len() >= record.limits.links.min(u32::from(u16::MAX)) as usize {
            record.head.tally.dropped_links = record.head.tally.dropped_links.saturating_add(1);
            return;
        }
        let mut kept = mem::take(&mut record.rare.link_attributes);
        let counts = record.nest(attributes, record.limits.link_attributes, &mut kept);
        record.rare.link_attributes = kept;
        record.rare.links.push(RawLink { span_context: to, attributes: counts.0, dropped: counts.1 });
        record.head.tally.links += 1;
    }

    /// The value of an attribute that was set; a text comes as [`Value::Bytes`] unless it was known at compile time.
    #[must_use]
    pub fn attribute(&self, key: &str) -> Option<Value<'_>> {
        let at = self.position(Key::dynamic(key))?;
        Some(self.0.attributes[at].value.decode(&self.0.text))
    }

    /// Whether an attribute of this key was set.
    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        self.position(Key::dynamic(key)).is_some()
    }

    pub(super) fn position(&self, key: Key<'_>) -> Option<usize> {
        let wanted = match key.0 {
            KeyKind::Static(name) => name.as_bytes(),
            // As it would have been kept.
            KeyKind::Dynamic(name) => cut(name.as_bytes(), self.0.limits.value_length as usize),
        };
        self.0.attributes.iter().position(|known| self.0.key_str(known.key) == wanted)
    }

    /// The span's kind.
    #[must_use]
    pub fn kind(&self) -> SpanKind {
        self.0.head.sort.kind
    }

    /// The status that was set so far is an error.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.0.head.tally.status == StatusCode::Error
    }
}

impl AttributeVisitor for Recording<'_> {
    #[inline(always)]
    fn attribute(&mut self, key: Key<'_>, value: Value<'_>) {
        self.0.push(key, value);
    }
}
