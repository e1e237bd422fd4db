//! Finished spans, owned.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use crate::attribute::AttributeValue;
use crate::{Resource, Scope, SpanContext, SpanEnd, SpanId, SpanKind, Status, TraceState};

/// A finished span, owned: for tests, for the console, for whoever keeps spans.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub struct SpanData {
    /// The span's own identity.
    pub span_context: SpanContext,
    /// The span that it is a child of.
    pub parent_span_id: Option<SpanId>,
    /// Whether the parent lives in another process.
    pub parent_is_remote: bool,
    /// The name, as one text.
    pub name: String,
    /// The kind.
    pub kind: SpanKind,
    /// When it started, by the wall clock.
    pub start_time: SystemTime,
    /// How long it took, by the monotonic clock.
    pub duration: Duration,
    /// The status.
    pub status: Status,
    /// How it ended.
    pub end: SpanEnd,
    /// The attributes, in the order in which they were set.
    pub attributes: Vec<(Cow<'static, str>, AttributeValue)>,
    /// The events.
    pub events: Vec<EventData>,
    /// The links.
    pub links: Vec<LinkData>,
    /// The vendors' entries that the span carried.
    pub tracestate: Option<TraceState>,
    /// Attributes that exceeded the limits.
    pub dropped_attributes: u32,
    /// Events that exceeded the limits.
    pub dropped_events: u32,
    /// Links that exceeded the limits.
    pub dropped_links: u32,
    /// The library that made the span.
    pub scope: Scope,
    /// The service that made the span.
    pub resource: Resource,
}

/// An event, owned.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub struct EventData {
    /// The name.
    pub name: Cow<'static, str>,
    /// When it happened, by the wall clock.
    pub time: SystemTime,
    /// The attributes.
    pub attributes: Vec<(Cow<'static, str>, AttributeValue)>,
    /// Attributes that exceeded the limits.
    pub dropped_attributes: u32,
}

/// A link, owned.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub struct LinkData {
    /// The span that is linked to.
    pub span_context: SpanContext,
    /// The attributes.
    pub attributes: Vec<(Cow<'static, str>, AttributeValue)>,
    /// Attributes that exceeded the limits.
    pub dropped_attributes: u32,
}

impl SpanData {
    /// The value of one attribute.
    #[must_use]
    pub fn attribute(&self, key: &str) -> Option<&AttributeValue> {
        self.attributes.iter().find_map(|(name, value)| (name == key).then_some(value))
    }

    /// The name of the service that made the span.
    #[must_use]
    pub fn service(&self) -> &str {
        self.resource.service_name()
    }
}
