//! Events and links, which few spans have.

use super::{KEPT_ATTRIBUTES, RawAttribute, RawEvent, RawLink};

/// The events and links of one span in its cell, or of many in a buffer, one span's after the other's.
#[derive(Default, Debug)]
pub(crate) struct Rare {
    pub(crate) events: Vec<RawEvent>,
    pub(crate) links: Vec<RawLink>,
    /// The attributes of all events, one event's after the other's; likewise those of the links.
    pub(crate) event_attributes: Vec<RawAttribute>,
    pub(crate) link_attributes: Vec<RawAttribute>,
}

/// Where the events and links of one span begin.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Place {
    events: u32,
    links: u32,
    event_attributes: u32,
    link_attributes: u32,
}

/// The events and links of one span.
#[derive(Clone, Copy)]
pub(crate) struct OneSpans<'a> {
    pub(crate) events: &'a [RawEvent],
    pub(crate) links: &'a [RawLink],
    pub(crate) event_attributes: &'a [RawAttribute],
    pub(crate) link_attributes: &'a [RawAttribute],
}

// === impl Rare ===

impl Rare {
    pub(crate) const fn new() -> Self {
        Self { events: Vec::new(), links: Vec::new(), event_attributes: Vec::new(), link_attributes: Vec::new() }
    }

    /// What lies at a place, for so many events and links; nothing of what does not lie within.
    pub(crate) fn at(&self, place: Place, events: u16, links: u16) -> OneSpans<'_> {
        let events = part(&self.events, place.events, events.into());
        let links = part(&self.links, place.links, links.into());
        let of_events = events.iter().map(|event| event.attributes as usize).sum();
        let of_links = links.iter().map(|link| link.attributes as usize).sum();
        OneSpans {
            events,
            links,
            event_attributes: part(&self.event_attributes, place.event_attributes, of_events),
            link_attributes: part(&self.link_attributes, place.link_attributes, of_links),
        }
    }

    pub(crate) fn extend(&mut self, one: &OneSpans<'_>) {
        self.events.extend_from_slice(one.events);
        self.links.extend_from_slice(one.links);
        self.event_attributes.extend_from_slice(one.event_attributes);
        self.link_attributes.extend_from_slice(one.link_attributes);
    }

    /// The bytes in use.
    #[inline]
    pub(crate) fn bytes(&self) -> usize {
        size_of_val(&self.events[..])
            + size_of_val(&self.links[..])
            + size_of_val(&self.event_attributes[..])
            + size_of_val(&self.link_attributes[..])
    }

    /// The bytes of memory, spare capacity included.
    pub(crate) fn allocated(&self) -> usize {
        self.events.capacity() * size_of::<RawEvent>()
            + self.links.capacity() * size_of::<RawLink>()
            + (self.event_attributes.capacity() + self.link_attributes.capacity()) * size_of::<RawAttribute>()
    }

    /// Forgets everything and keeps the memory.
    pub(crate) fn clear(&mut self) {
        let Self { events, links, event_attributes, link_attributes } = self;
        events.clear();
        links.clear();
        event_attributes.clear();
        link_attributes.clear();
    }

    /// Forgets everything and gives back memory that only an unusual span needed.
    #[cold]
    pub(crate) fn trim(&mut self) {
        self.clear();
        self.events.shrink_to(KEPT_EVENTS);
        self.links.shrink_to(KEPT_EVENTS);
        self.event_attributes.shrink_to(KEPT_ATTRIBUTES);
        self.link_attributes.shrink_to(KEPT_ATTRIBUTES);
    }
}

// === impl Place, OneSpans ===

impl Place {
    /// The place behind these.
    pub(crate) fn after(self, one: &OneSpans<'_>) -> Self {
        Self {
            events: self.events + one.events.len() as u32,
            links: self.links + one.links.len() as u32,
            event_attributes: self.event_attributes + one.event_attributes.len() as u32,
            link_attributes: self.link_attributes + one.link_attributes.len() as u32,
        }
    }
}

impl OneSpans<'_> {
    pub(crate) fn bytes(&self) -> usize {
        size_of_val(self.events)
            + size_of_val(self.links)
            + size_of_val(self.event_attributes)
            + size_of_val(self.link_attributes)
    }
}

fn part<T>(all: &[T], from: u32, len: usize) -> &[T] {
    let from = from as usize;
    all.get(from..from.saturating_add(len)).unwrap_or_default()
}

const KEPT_EVENTS: usize = 16;
