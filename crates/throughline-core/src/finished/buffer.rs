//! Finished spans by value, many of them.

use super::{FinishedSpan, Parts};
use crate::Resource;
use crate::record::{Head, RawAttribute, RawEvent, RawLink};

/// Finished spans by value in a few flat vectors: what a sink copies a span into.
///
/// The vectors keep their memory when the buffer is [cleared](Self::clear), so that steady state allocates nothing.
///
/// ```
/// use throughline_core::{Resource, SpanBuffer};
///
/// let mut buffer = SpanBuffer::new();
/// // buffer.push(finished) in a sink; then, on the exporter's thread:
/// let resource = Resource::new("orders");
/// for span in buffer.spans(&resource) {
///     println!("{}", span.name());
/// }
/// buffer.clear();
/// ```
#[derive(Default, Debug)]
pub struct SpanBuffer {
    heads: Vec<Head>,
    attributes: Vec<RawAttribute>,
    text: Vec<u8>,
    events: Vec<RawEvent>,
    links: Vec<RawLink>,
    event_attributes: Vec<RawAttribute>,
    link_attributes: Vec<RawAttribute>,
}

impl SpanBuffer {
    /// An empty buffer; does not allocate.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Copies a span in.
    #[inline]
    pub fn push(&mut self, span: &FinishedSpan<'_>) {
        let FinishedSpan { head, parts, resource: _ } = span;
        self.heads.push(**head);
        self.attributes.extend_from_slice(parts.attributes);
        self.text.extend_from_slice(parts.text);
        if !parts.tracestate.is_empty() {
            self.text.extend_from_slice(parts.tracestate);
        }
        if head.events | head.links != 0 {
            self.push_rare(parts);
        }
    }

    #[cold]
    fn push_rare(&mut self, parts: &Parts<'_>) {
        self.events.extend_from_slice(parts.events);
        self.links.extend_from_slice(parts.links);
        self.event_attributes.extend_from_slice(parts.event_attributes);
        self.link_attributes.extend_from_slice(parts.link_attributes);
    }

    /// The spans in the order in which they came, as those of this resource.
    pub fn spans<'a>(&'a self, resource: &'a Resource) -> impl Iterator<Item = FinishedSpan<'a>> {
        let mut attributes = &self.attributes[..];
        let mut text = &self.text[..];
        let mut events = &self.events[..];
        let mut links = &self.links[..];
        let mut event_attributes = &self.event_attributes[..];
        let mut link_attributes = &self.link_attributes[..];
        self.heads.iter().map(move |head| {
            let events = cut(&mut events, head.events.into());
            let links = cut(&mut links, head.links.into());
            let parts = Parts {
                attributes: cut(&mut attributes, head.attributes as usize),
                text: cut(&mut text, head.text as usize),
                tracestate: cut(&mut text, head.tracestate as usize),
                event_attributes: cut(&mut event_attributes, events.iter().map(|e| e.attributes as usize).sum()),
                link_attributes: cut(&mut link_attributes, links.iter().map(|l| l.attributes as usize).sum()),
                events,
                links,
            };
            FinishedSpan { head, parts, resource }
        })
    }

    /// How many spans there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.heads.len()
    }

    /// Whether there is no span.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.heads.is_empty()
    }

    /// The bytes that the spans take, without spare capacity.
    #[inline]
    #[must_use]
    pub fn bytes(&self) -> usize {
        size_of_val(&self.heads[..])
            + size_of_val(&self.attributes[..])
            + self.text.len()
            + size_of_val(&self.events[..])
            + size_of_val(&self.links[..])
            + size_of_val(&self.event_attributes[..])
            + size_of_val(&self.link_attributes[..])
    }

    /// The bytes of memory that the buffer holds, spare capacity included.
    #[must_use]
    pub fn allocated(&self) -> usize {
        fn of<T>(vec: &Vec<T>) -> usize {
            vec.capacity() * size_of::<T>()
        }
        of(&self.heads)
            + of(&self.attributes)
            + of(&self.text)
            + of(&self.events)
            + of(&self.links)
            + of(&self.event_attributes)
            + of(&self.link_attributes)
    }

    /// Forgets the spans and keeps the memory.
    pub fn clear(&mut self) {
        let Self { heads, attributes, text, events, links, event_attributes, link_attributes } = self;
        heads.clear();
        attributes.clear();
        text.clear();
        events.clear();
        links.clear();
        event_attributes.clear();
        link_attributes.clear();
    }

    /// Makes room for spans of the usual size.
    pub fn reserve(&mut self, spans: usize) {
        self.heads.reserve(spans);
        self.attributes.reserve(spans * USUAL_ATTRIBUTES);
        self.text.reserve(spans * USUAL_TEXT);
    }
}

fn cut<'a, T>(rest: &mut &'a [T], at: usize) -> &'a [T] {
    let (front, back) = rest.split_at(at.min(rest.len()));
    *rest = back;
    front
}

const USUAL_ATTRIBUTES: usize = 10;
const USUAL_TEXT: usize = 160;
