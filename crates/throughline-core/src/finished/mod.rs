//! Finished spans: borrowed here, buffered and owned in the files below.

mod buffer;
mod data;

use std::borrow::Cow;
use std::fmt;
use std::time::{Duration, SystemTime};

use crate::attribute::{AttributeValue, AttributeVisitor, Attributes, Key, Value};
use crate::record::{Head, OneSpans, Place, Rare, RawAttribute, RawEvent, RawLink, Record, StatusCode, slice};
use crate::{Resource, Scope, SpanContext, SpanEnd, SpanId, SpanKind, SpanName, Status, TraceState};

pub use self::buffer::SpanBuffer;
pub use self::data::{EventData, LinkData, SpanData};

/// A span that has ended, lent to a [`SpanSink`](crate::SpanSink) or read from a [`SpanBuffer`].
#[derive(Clone, Copy)]
pub struct FinishedSpan<'a> {
    head: &'a Head,
    attributes: &'a [RawAttribute],
    text: &'a [u8],
    tracestate: &'a [u8],
    rare: &'a Rare,
    place: Place,
    resource: &'a Resource,
}

/// An event of a [`FinishedSpan`].
#[derive(Clone, Copy)]
pub struct Event<'a> {
    raw: &'a RawEvent,
    span: FinishedSpan<'a>,
    attributes: &'a [RawAttribute],
}

/// A link of a [`FinishedSpan`].
#[derive(Clone, Copy)]
pub struct Link<'a> {
    raw: &'a RawLink,
    span: FinishedSpan<'a>,
    attributes: &'a [RawAttribute],
}

// === impl FinishedSpan ===

impl<'a> FinishedSpan<'a> {
    /// The span's own identity.
    #[must_use]
    pub fn span_context(&self) -> SpanContext {
        SpanContext::new(self.head.trace_id, self.head.span_id, self.head.flags)
    }

    /// The span that it is a child of.
    #[must_use]
    pub fn parent_span_id(&self) -> Option<SpanId> {
        self.head.parent
    }

    /// Whether the parent lives in another process.
    #[must_use]
    pub fn parent_is_remote(&self) -> bool {
        self.head.parent_remote
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> SpanName<'a> {
        let raw = self.head.name;
        match (raw.verb.is_empty(), raw.text.len) {
            (_, 0) => SpanName::Static(raw.verb),
            (true, _) => SpanName::Text(self.lossy(slice(self.text, raw.text))),
            (false, _) => SpanName::Target { verb: raw.verb, target: self.lossy(slice(self.text, raw.text)) },
        }
    }

    /// The kind.
    #[must_use]
    pub fn kind(&self) -> SpanKind {
        self.head.sort.kind
    }

    /// When it started, by the wall clock.
    #[must_use]
    pub fn start_time(&self) -> SystemTime {
        self.head.anchor.wall(self.head.start)
    }

    /// When it ended, by the wall clock: never before it started.
    #[must_use]
    pub fn end_time(&self) -> SystemTime {
        self.start_time() + self.duration()
    }

    /// How long it took, by the monotonic clock.
    #[must_use]
    pub fn duration(&self) -> Duration {
        self.head.end.saturating_duration_since(self.head.start)
    }

    /// How it ended.
    #[must_use]
    pub fn end(&self) -> SpanEnd {
        self.head.outcome
    }

    /// The status.
    #[must_use]
    pub fn status(&self) -> Status {
        match self.head.tally.status {
            StatusCode::Unset => Status::Unset,
            StatusCode::Ok => Status::Ok,
            StatusCode::Error => {
                let description = String::from_utf8_lossy(slice(self.text, self.head.description));
                Status::Error { description: description.into_owned().into() }
            }
        }
    }

    /// The attributes, in the order in which they were set. Text that was not known at compile time comes as
    /// [`Value::Bytes`]: whether a header's bytes are UTF-8 is only looked at by who needs it
    /// ([`Value::as_text`]).
    #[inline]
    #[must_use]
    pub fn attributes(&self) -> impl ExactSizeIterator<Item = (Key<'a>, Value<'a>)> {
        decode(self.attributes, self.text)
    }

    /// The value of one attribute.
    #[must_use]
    pub fn attribute(&self, key: &str) -> Option<Value<'a>> {
        self.attributes().find_map(|(name, value)| (name.as_str() == key).then_some(value))
    }

    /// The events, in the order in which they were added.
    pub fn events(&self) -> impl Iterator<Item = Event<'a>> {
        let OneSpans { events, event_attributes, .. } = self.rare();
        let (span, mut rest) = (*self, event_attributes);
        events.iter().map(move |raw| {
            let (attributes, following) = rest.split_at(rest.len().min(raw.attributes as usize));
            rest = following;
            Event { raw, span, attributes }
        })
    }

    /// The links, in the order in which they were added.
    pub fn links(&self) -> impl Iterator<Item = Link<'a>> {
        let OneSpans { links, link_attributes, .. } = self.rare();
        let (span, mut rest) = (*self, link_attributes);
        links.iter().map(move |raw| {
            let (attributes, following) = rest.split_at(rest.len().min(raw.attributes as usize));
            rest = following;
            Link { raw, span, attributes }
        })
    }

    /// The vendors' entries that the span carried. They are checked here, by the call.
    #[must_use]
    pub fn tracestate(&self) -> Option<TraceState> {
        if self.tracestate.is_empty() { None } else { TraceState::parse(self.tracestate).ok() }
    }

    /// Attributes that exceeded the limits.
    #[must_use]
    pub fn dropped_attributes(&self) -> u32 {
        self.head.tally.dropped_attributes.into()
    }

    /// Events that exceeded the limits.
    #[must_use]
    pub fn dropped_events(&self) -> u32 {
        self.head.tally.dropped_events.into()
    }

    /// Links that exceeded the limits.
    #[must_use]
    pub fn dropped_links(&self) -> u32 {
        self.head.tally.dropped_links.into()
    }

    /// The library that made the span.
    #[must_use]
    pub fn scope(&self) -> &'static Scope {
        self.head.scope
    }

    /// The service that made the span.
    #[must_use]
    pub fn resource(&self) -> &'a Resource {
        self.resource
    }

    /// The bytes that the span takes in a [`SpanBuffer`]: each push adds as many to [`SpanBuffer::bytes`].
    #[inline]
    #[must_use]
    pub fn bytes(&self) -> usize {
        let bytes = size_of::<Head>() + size_of_val(self.attributes) + self.text.len() + self.tracestate.len();
        if self.has_rare() { bytes + self.rare().bytes() } else { bytes }
    }

    /// The span, owned.
    #[must_use]
    pub fn to_data(&self) -> SpanData {
        SpanData {
            span_context: self.span_context(),
            parent_span_id: self.parent_span_id(),
            parent_is_remote: self.parent_is_remote(),
            name: self.name().to_text().into_owned(),
            kind: self.kind(),
            start_time: self.start_time(),
            duration: self.duration(),
            status: self.status(),
            end: self.end(),
            attributes: owned(self.attributes()),
            events: self.events().map(Event::to_data).collect(),
            links: self.links().map(Link::to_data).collect(),
            tracestate: self.tracestate(),
            dropped_attributes: self.dropped_attributes(),
            dropped_events: self.dropped_events(),
            dropped_links: self.dropped_links(),
            scope: *self.scope(),
            resource: self.resource.clone(),
        }
    }

    /// Names and keys come from `&str`; cutting them at a limit keeps them UTF-8.
    fn lossy(&self, text: &'a [u8]) -> &'a str {
        std::str::from_utf8(text).unwrap_or("\u{fffd}")
    }

    /// Whether there are events or links.
    #[inline]
    fn has_rare(&self) -> bool {
        self.head.tally.events | self.head.tally.links != 0
    }

    fn rare(&self) -> OneSpans<'a> {
        self.rare.at(self.place, self.head.tally.events, self.head.tally.links)
    }

    #[inline]
    pub(crate) fn of(record: &'a Record, tracestate: &'a [u8], resource: &'a Resource) -> Self {
        let Record { head, attributes, text, rare, .. } = record;
        Self { head, attributes, text, tracestate, rare, place: Place::default(), resource }
    }
}

impl Attributes for FinishedSpan<'_> {
    fn visit(&self, visitor: &mut dyn AttributeVisitor) {
        for (key, value) in self.attributes() {
            visitor.attribute(key, value);
        }
    }
}

impl fmt::Debug for FinishedSpan<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_data().fmt(f)
    }
}

// === impl Event, Link ===

impl<'a> Event<'a> {
    /// The name.
    #[must_use]
    pub fn name(&self) -> &'a str {
        self.raw.name.decode(self.span.text).as_str()
    }

    /// When it happened, by the wall clock.
    #[must_use]
    pub fn time(&self) -> SystemTime {
        self.span.head.anchor.wall(self.raw.time)
    }

    /// The attributes.
    #[must_use]
    pub fn attributes(&self) -> impl ExactSizeIterator<Item = (Key<'a>, Value<'a>)> {
        decode(self.attributes, self.span.text)
    }

    /// Attributes that exceeded the limits.
    #[must_use]
    pub fn dropped_attributes(&self) -> u32 {
        self.raw.dropped
    }

    fn to_data(self) -> EventData {
        EventData {
            name: self.name().to_owned().into(),
            time: self.time(),
            attributes: owned(self.attributes()),
            dropped_attributes: self.dropped_attributes(),
        }
    }
}

impl<'a> Link<'a> {
    /// The span that is linked to.
    #[must_use]
    pub fn span_context(&self) -> SpanContext {
        self.raw.span_context
    }

    /// The attributes.
    #[must_use]
    pub fn attributes(&self) -> impl ExactSizeIterator<Item = (Key<'a>, Value<'a>)> {
        decode(self.attributes, self.span.text)
    }

    /// Attributes that exceeded the limits.
    #[must_use]
    pub fn dropped_attributes(&self) -> u32 {
        self.raw.dropped
    }

    fn to_data(self) -> LinkData {
        LinkData {
            span_context: self.span_context(),
            attributes: owned(self.attributes()),
            dropped_attributes: self.dropped_attributes(),
        }
    }
}

#[inline]
fn decode<'a>(
    attributes: &'a [RawAttribute],
    text: &'a [u8],
) -> impl ExactSizeIterator<Item = (Key<'a>, Value<'a>)> + use<'a> {
    attributes.iter().map(move |raw| raw.decode(text))
}

fn owned<'a>(attributes: impl Iterator<Item = (Key<'a>, Value<'a>)>) -> Vec<(Cow<'static, str>, AttributeValue)> {
    attributes.map(|(key, value)| (key.to_name(), value.to_owned())).collect()
}
