//! The cell that a recorded span is written into, in place.
//!
//! Everything of variable size lies in a few flat vectors that are kept when the cell is used again: attributes of
//! 32 bytes, and one buffer for all text. Handing a finished span on is therefore a handful of copies.

mod head;
mod rare;
mod raw;
mod recording;
mod redact;
mod room;
mod told;

use std::mem;
use std::time::Instant;

use crate::attribute::{Key, KeyKind, Value};
use crate::clock::Clock;
use crate::{SpanContext, SpanId, SpanLimits, SpanName, TextList};

pub(crate) use self::head::{Head, Sort, Tally};
pub(crate) use self::rare::{OneSpans, Place, Rare};
pub(crate) use self::raw::{RawAttribute, RawEvent, RawKey, RawLink, RawName, RawValue, StatusCode, Text, slice};
pub use self::recording::Recording;
pub use self::redact::Edit;
use self::room::Room;
use self::told::Told;

#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) head: Head,
    pub(crate) attributes: Room<RawAttribute>,
    pub(crate) text: Room<u8>,
    pub(crate) rare: Rare,
    told: Told,
    pub(crate) limits: SpanLimits,
    pub(crate) clock: Clock,
    pub(crate) open: bool,
    /// Whether the sampler wants the span recorded; otherwise it is for the listeners alone.
    pub(crate) wanted: bool,
    /// Whether a processor without which the span may not be seen has failed at its start.
    pub(crate) condemned: bool,
}

// === impl Record ===

impl Record {
    /// A cell with the room that a usual span needs.
    pub(crate) fn new() -> Self {
        let mut record = Self::sealed();
        record.set_limits(SpanLimits::DEFAULT);
        record.attributes.grow(USUAL_ATTRIBUTES, RawAttribute::NONE);
        record.text.grow(USUAL_TEXT, 0);
        record
    }

    /// A cell without any room, for a node that has no span of its own or whose span has ended.
    pub(crate) fn sealed() -> Self {
        Self {
            head: Head::unused(),
            attributes: Room::new(),
            text: Room::new(),
            rare: Rare::new(),
            told: Told::new(),
            limits: SpanLimits::DEFAULT,
            clock: Clock::system(),
            open: false,
            wanted: false,
            condemned: false,
        }
    }

    /// A cell without any room, for spans of the same tracer.
    pub(crate) fn sealed_like(other: &Self) -> Self {
        let mut record = Self { clock: other.clock.clone(), ..Self::sealed() };
        record.set_limits(other.limits);
        record
    }

    /// Sets what spans of the cell may hold.
    pub(crate) fn set_limits(&mut self, limits: SpanLimits) {
        self.limits = limits;
        self.attributes.limit(limits.attributes, KEPT_ATTRIBUTES);
        self.text.limit(limits.text_length, KEPT_TEXT);
    }

    /// Begins a new span in a cell that held another one; its events and links were cleared by [`trim`](Self::trim).
    #[inline(always)]
    pub(crate) fn begin(&mut self, span_context: SpanContext, parent: Option<SpanId>, start: Instant) {
        self.attributes.clear();
        self.text.clear();
        let head = &mut self.head;
        head.trace_id = span_context.trace_id();
        head.span_id = span_context.span_id();
        head.flags = span_context.flags();
        head.parent = parent;
        head.start = start;
        head.description = Text::default();
        head.tally = Tally::ZERO;
        self.open = true;
    }

    /// Notes how much there is, so that the head can be copied as it stands.
    #[inline]
    pub(crate) fn seal(&mut self, tracestate: usize) {
        self.open = false;
        self.head.attributes = self.attributes.len() as u32;
        self.head.text = self.text.len() as u32;
        self.head.tracestate = tracestate as u32;
    }

    /// Gives back memory that only an unusual span needed.
    #[inline]
    pub(crate) fn trim(&mut self) {
        self.attributes.trim();
        self.text.trim();
        if self.head.tally.events | self.head.tally.links != 0 {
            self.rare.trim();
        }
    }

    /// Copies a text; nothing if there is no room for any of it.
    #[inline(always)]
    fn keep(&mut self, bytes: &[u8]) -> Option<Text> {
        let text = Text { at: self.text.len() as u32, len: bytes.len() as u32 };
        if bytes.len() <= self.limits.value_length as usize && self.text.extend(bytes) {
            return Some(text);
        }
        self.keep_part(bytes, false)
    }

    /// What exceeds the limit of one text is cut off; what exceeds that of all texts too, unless it must be whole.
    #[inline(never)]
    fn keep_part(&mut self, bytes: &[u8], whole: bool) -> Option<Text> {
        let wanted = cut(bytes, self.limits.value_length as usize);
        let part = cut(wanted, self.text.left());
        if part.len() < wanted.len() && (whole || part.is_empty()) {
            return None;
        }
        let text = Text { at: self.text.len() as u32, len: part.len() as u32 };
        (self.text.grow(part.len(), 0) && self.text.extend(part)).then_some(text)
    }

    /// Copies the front of a list; nothing if there is no room for any of it.
    #[inline(never)]
    fn keep_list(&mut self, list: TextList<'_>) -> Option<Text> {
        let (count, bytes) = list.fitting(self.text.left().min(self.limits.value_length as usize));
        if (count == 0 && !list.is_empty()) || !self.text.grow(bytes, 0) {
            return None;
        }
        let text = Text { at: self.text.len() as u32, len: bytes as u32 };
        list.pack(count, |part| self.text.extend(part)).then_some(text)
    }

    // Inlined by force: nearly every caller names the kind of value, and the match goes away.
    #[inline(always)]
    fn raw_value(&mut self, value: Value<'_>) -> Option<RawValue> {
        Some(match value {
            Value::Bool(value) => RawValue::Bool(value),
            Value::Int(value) => RawValue::Int(value),
            Value::F64(value) => RawValue::F64(value),
            Value::Static(text) => RawValue::Static(text),
            Value::Str(text) => RawValue::Text(self.keep(text.as_bytes())?),
            Value::Bytes(bytes) => RawValue::Text(self.keep(bytes)?),
            Value::List(list) => RawValue::List(self.keep_list(list)?),
        })
    }

    #[inline(always)]
    fn raw_key(&mut self, key: Key<'_>) -> Option<RawKey> {
        Some(match key.0 {
            KeyKind::Static(name) => RawKey::Static(name),
            KeyKind::Dynamic(name) => RawKey::Text(self.keep_part(name.as_bytes(), true)?),
        })
    }

    #[inline(always)]
    fn raw_attribute(&mut self, key: Key<'_>, value: Value<'_>) -> Option<RawAttribute> {
        Some(RawAttribute { key: self.raw_key(key)?, value: self.raw_value(value)? })
    }

    /// Adds an attribute whose key is known to be new.
    #[inline(always)]
    pub(crate) fn push(&mut self, key: Key<'_>, value: Value<'_>) {
        if self.attributes.is_full() && !self.attributes.grow(1, RawAttribute::NONE) {
            return self.drop_attribute();
        }
        match self.raw_attribute(key, value) {
            Some(attribute) => self.attributes.push(attribute),
            None => self.drop_attribute(),
        }
    }

    /// Replaces a value, in its old place if it fits there: writing one attribute again and again does not use up the
    /// span's text. One that there is no room for is dropped with the old value: what was overwritten is not left.
    fn replace(&mut self, at: usize, value: Value<'_>) {
        if self.told.is_unchanged(at) {
            return self.replace_told(at, value);
        }
        let text = self.attributes[at].value.text();
        if text.len > 0 {
            if let Some(value) = self.value_within(text, value) {
                self.attributes[at].value = value;
                return;
            }
            self.wipe(text);
        }
        match self.raw_value(value) {
            Some(value) => self.attributes[at].value = value,
            None => {
                self.attributes[at].value = RawValue::Bool(false);
                self.remove(at);
                self.drop_attribute();
            }
        }
    }

    /// Replaces a value that listeners saw, and keeps it with its text until they have been told of the end.
    #[cold]
    fn replace_told(&mut self, at: usize, value: Value<'_>) {
        let old = self.attributes[at];
        match self.raw_value(value) {
            Some(value) => {
                self.told.replaced(at, old);
                self.attributes[at].value = value;
            }
            None => {
                self.remove(at);
                self.drop_attribute();
            }
        }
    }

    /// Copies a textual value over an old text, if it fits there.
    fn value_within(&mut self, old: Text, value: Value<'_>) -> Option<RawValue> {
        match value {
            Value::Str(text) => self.keep_within(old, text.as_bytes()).map(RawValue::Text),
            Value::Bytes(bytes) => self.keep_within(old, bytes).map(RawValue::Text),
            _ => None,
        }
    }

    /// Copies a text over an old one, if it fits there. Nothing of the old one is left.
    fn keep_within(&mut self, old: Text, new: &[u8]) -> Option<Text> {
        let new = cut(new, self.limits.value_length as usize);
        if new.is_empty() || new.len() > old.len as usize {
            return None;
        }
        let (at, end) = (old.at as usize, (old.at + old.len) as usize);
        self.text[at..at + new.len()].copy_from_slice(new);
        self.text[at + new.len()..end].fill(0);
        Some(Text { at: old.at, len: new.len() as u32 })
    }

    /// Overwrites a text that nothing refers to any more; if it is the last, its room is free again.
    fn wipe(&mut self, text: Text) {
        let (at, end) = (text.at as usize, (text.at + text.len) as usize);
        if let Some(bytes) = self.text.get_mut(at..end) {
            bytes.fill(0);
            if end == self.text.len() {
                self.text.truncate(at);
            }
        }
    }

    /// Lets the end of a span exceed the limits of attributes and text: an application that has used them up must not hide
    /// how its request ended. `write` does not panic.
    #[inline(always)]
    pub(crate) fn beyond_limit<R>(&mut self, write: impl FnOnce(&mut Self) -> R) -> R {
        let most = (self.attributes.raise_most(RESERVED), self.text.raise_most(RESERVED_TEXT));
        let result = write(self);
        self.attributes.set_most(most.0);
        self.text.set_most(most.1);
        result
    }

    #[cold]
    fn drop_attribute(&mut self) {
        let dropped = &mut self.head.tally.dropped_attributes;
        *dropped = dropped.saturating_add(1);
    }

    fn key_str(&self, key: RawKey) -> &[u8] {
        match key {
            RawKey::Static(name) => name.as_bytes(),
            RawKey::Text(text) => slice(&self.text, text),
        }
    }

    pub(crate) fn set_name(&mut self, name: SpanName<'_>) {
        let old = mem::take(&mut self.head.name.text);
        self.wipe(old);
        self.head.name = self.raw_name(name);
    }

    #[inline(always)]
    fn raw_name(&mut self, name: SpanName<'_>) -> RawName {
        match name {
            SpanName::Static(verb) => RawName { verb, text: Text::default() },
            SpanName::Text(text) => RawName { verb: &"", text: self.keep(text.as_bytes()).unwrap_or_default() },
            SpanName::Target { verb, target } => {
                RawName { verb, text: self.keep(target.as_bytes()).unwrap_or_default() }
            }
        }
    }
}

impl Record {
    /// Changes the second part of the name, in its old place if it fits there; without any room the old one stays.
    pub(crate) fn set_target(&mut self, target: &str) {
        let target = target.as_bytes();
        let old = self.head.name.text;
        if old.len == 0 {
            self.head.name.text = self.keep_part(target, true).unwrap_or_default();
        } else if let Some(text) = self.keep_within(old, target) {
            self.head.name.text = text;
        } else if let Some(text) = self.keep_part(target, true) {
            self.head.name.text = text;
            self.wipe(old);
        }
    }

    /// Copies the attributes of an event or a link; how many were kept and how many were not.
    fn nest(&mut self, attributes: &[(Key<'_>, Value<'_>)], most: u32, to: &mut Vec<RawAttribute>) -> (u32, u32) {
        let before = to.len();
        for (key, value) in attributes.iter().take(most as usize) {
            to.extend(self.raw_attribute(*key, *value));
        }
        let kept = to.len() - before;
        (kept as u32, (attributes.len() - kept) as u32)
    }
}

/// The front of a text, cut where a character begins.
fn cut(bytes: &[u8], most: usize) -> &[u8] {
    if bytes.len() <= most {
        return bytes;
    }
    let floor = most.saturating_sub(3);
    let at = (floor..=most).rev().find(|at| bytes[*at] & 0xc0 != 0x80).unwrap_or(most);
    &bytes[..at]
}

/// `error.type` of the semantic conventions.
pub(crate) const ERROR_TYPE: Key<'static> = Key::new("error.type");

/// Attributes that the end of a span may add to what the limit allows.
const RESERVED: usize = 8;
/// Bytes of text that it may add.
const RESERVED_TEXT: usize = 256;
const USUAL_TEXT: usize = 256;
const USUAL_ATTRIBUTES: usize = 16;
const KEPT_TEXT: usize = 4096;
const KEPT_ATTRIBUTES: usize = 64;
