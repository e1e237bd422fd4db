//! Taking back what was written to a span.

use super::{RawAttribute, RawKey, RawValue, Record, Recording, Text};
use crate::SpanContext;
use crate::attribute::{AttributeValue, Key, Value};

/// What becomes of an attribute that [`Recording::edit`] shows.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub enum Edit {
    /// It stays.
    Keep,
    /// It is removed.
    Remove,
    /// It gets another value; if there is no room for that it is removed and counted as dropped.
    Replace(AttributeValue),
}

// === impl Recording ===

/// Taking back: the bytes of what is removed or replaced, text and keys made at run time, are overwritten in the span's
/// memory. No [`SpanBuffer`](crate::SpanBuffer) that the span is copied to has them.
impl Recording<'_> {
    /// Removes an attribute; whether there was one.
    ///
    /// ```
    /// use throughline_core::Tracer;
    ///
    /// let span = Tracer::builder().build().span("log in").start();
    /// span.set("user.email", "ada@example.org");
    /// span.record(|span| {
    ///     assert!(span.remove("user.email"));
    ///     assert!(!span.has("user.email"));
    /// });
    /// ```
    pub fn remove(&mut self, key: &str) -> bool {
        let found = self.position(Key::dynamic(key));
        if let Some(at) = found {
            self.0.remove(at);
        }
        found.is_some()
    }

    /// Removes the attributes for which `keep` says no. Those of events and links are not shown: see
    /// [`edit`](Self::edit).
    pub fn retain(&mut self, mut keep: impl FnMut(Key<'_>, Value<'_>) -> bool) {
        let mut at = 0;
        while let Some(attribute) = self.0.attributes.get(at).copied() {
            let (key, value) = attribute.decode(&self.0.text);
            if keep(key, value) {
                at += 1;
            } else {
                self.0.remove(at);
            }
        }
    }

    /// Shows every attribute, those of events and links too, and does with it what the answer says. Text that was not
    /// known at compile time comes as [`Value::Bytes`].
    ///
    /// If `edit` panics, what it answered before is done.
    ///
    /// ```
    /// use throughline_core::{Edit, Tracer};
    ///
    /// let span = Tracer::builder().build().span("log in").start();
    /// span.set("user.email", "ada@example.org");
    /// span.record(|span| {
    ///     span.edit(|key, _| match key.as_str() {
    ///         "user.email" => Edit::Replace("[redacted]".into()),
    ///         _ => Edit::Keep,
    ///     });
    /// });
    /// ```
    pub fn edit(&mut self, mut edit: impl FnMut(Key<'_>, Value<'_>) -> Edit) {
        let record = &mut *self.0;
        let mut at = 0;
        while let Some(attribute) = record.attributes.get(at).copied() {
            let (key, value) = attribute.decode(&record.text);
            let before = record.attributes.len();
            match edit(key, value) {
                Edit::Keep => {}
                Edit::Remove => record.remove(at),
                Edit::Replace(value) => record.replace(at, value.as_value()),
            }
            at += usize::from(record.attributes.len() == before);
        }
        for owners in [Owners::Events, Owners::Links] {
            Pass::over(record, owners, &mut edit);
        }
    }

    /// Removes the events, each with its attributes, for whose name `keep` says no.
    pub fn retain_events(&mut self, mut keep: impl FnMut(&str) -> bool) {
        let record = &mut *self.0;
        let (mut at, mut first) = (0, 0);
        while let Some(event) = record.rare.events.get(at).copied() {
            if keep(event.name.decode(&record.text).as_str()) {
                at += 1;
                first += event.attributes as usize;
                continue;
            }
            record.rare.events.remove(at);
            record.head.tally.events -= 1;
            record.remove_nested(Owners::Events, first, event.attributes as usize);
            if let RawKey::Text(name) = event.name {
                record.wipe(name);
            }
        }
    }

    /// Removes the links, each with its attributes, for which `keep` says no.
    pub fn retain_links(&mut self, mut keep: impl FnMut(SpanContext) -> bool) {
        let record = &mut *self.0;
        let (mut at, mut first) = (0, 0);
        while let Some(link) = record.rare.links.get(at).copied() {
            if keep(link.span_context) {
                at += 1;
                first += link.attributes as usize;
                continue;
            }
            record.rare.links.remove(at);
            record.head.tally.links -= 1;
            record.remove_nested(Owners::Links, first, link.attributes as usize);
        }
    }
}

/// Whose attributes lie one after the other's.
#[derive(Clone, Copy)]
enum Owners {
    Events,
    Links,
}

/// Goes through the attributes of all events or of all links. What is removed leaves a gap between the written and the
/// read ones, which is closed at the end, that of a panic too.
struct Pass<'a> {
    record: &'a mut Record,
    owners: Owners,
    written: usize,
    read: usize,
}

// === impl Record ===

impl Record {
    /// Takes an attribute out. What listeners saw of it is wiped when they have been told of the end.
    pub(super) fn remove(&mut self, at: usize) {
        let Some(old) = self.attributes.get(at).copied() else { return };
        let unchanged = self.told.is_unchanged(at);
        self.attributes.remove(at);
        let shown = self.told.removed(at, unchanged.then_some(old));
        if !unchanged {
            self.wipe_value(old.value);
        }
        if !shown {
            self.wipe_key(old.key);
        }
    }

    pub(super) fn wipe_attribute(&mut self, attribute: RawAttribute) {
        self.wipe_value(attribute.value);
        self.wipe_key(attribute.key);
    }

    pub(super) fn wipe_value(&mut self, value: RawValue) {
        self.wipe(value.text());
    }

    fn wipe_key(&mut self, key: RawKey) {
        if let RawKey::Text(text) = key {
            self.wipe(text);
        }
    }

    /// Another value for the attribute of an event or a link; nothing if there is no room for it.
    fn rewrite(&mut self, mut attribute: RawAttribute, value: Value<'_>) -> Option<RawAttribute> {
        let text = attribute.value.text();
        attribute.value = match self.value_within(text, value) {
            Some(value) => value,
            None => {
                self.wipe(text);
                match self.raw_value(value) {
                    Some(value) => value,
                    None => {
                        self.wipe_key(attribute.key);
                        return None;
                    }
                }
            }
        };
        Some(attribute)
    }

    fn remove_nested(&mut self, owners: Owners, first: usize, count: usize) {
        // From the back: the last text gives its room back.
        for at in (first..first + count).rev() {
            if let Some(attribute) = self.nested(owners).get(at).copied() {
                self.wipe_attribute(attribute);
            }
        }
        let nested = self.nested(owners);
        let end = nested.len().min(first + count);
        nested.drain(first.min(end)..end);
    }

    fn nested(&mut self, owners: Owners) -> &mut Vec<RawAttribute> {
        match owners {
            Owners::Events => &mut self.rare.event_attributes,
            Owners::Links => &mut self.rare.link_attributes,
        }
    }

    /// How many attributes an event or a link has, and how many were dropped.
    fn counts(&mut self, owners: Owners, at: usize) -> Option<(&mut u32, &mut u32)> {
        match owners {
            Owners::Events => self.rare.events.get_mut(at).map(|event| (&mut event.attributes, &mut event.dropped)),
            Owners::Links => self.rare.links.get_mut(at).map(|link| (&mut link.attributes, &mut link.dropped)),
        }
    }
}

// === impl RawValue ===

impl RawValue {
    /// Where its text lies; an empty place if it has none.
    pub(super) fn text(self) -> Text {
        match self {
            Self::Text(text) | Self::List(text) => text,
            Self::Bool(_) | Self::Int(_) | Self::F64(_) | Self::Static(_) => Text::default(),
        }
    }
}

// === impl Pass ===

impl<'a> Pass<'a> {
    fn over(record: &'a mut Record, owners: Owners, edit: &mut dyn FnMut(Key<'_>, Value<'_>) -> Edit) {
        let mut pass = Self { record, owners, written: 0, read: 0 };
        let mut owner = 0;
        while let Some((count, _)) = pass.record.counts(owners, owner) {
            for _ in 0..*count {
                pass.step(owner, edit);
            }
            owner += 1;
        }
    }

    fn step(&mut self, owner: usize, edit: &mut dyn FnMut(Key<'_>, Value<'_>) -> Edit) {
        let Some(old) = self.record.nested(self.owners).get(self.read).copied() else { return };
        let (key, value) = old.decode(&self.record.text);
        let (new, dropped) = match edit(key, value) {
            Edit::Keep => (Some(old), 0),
            Edit::Remove => {
                self.record.wipe_attribute(old);
                (None, 0)
            }
            Edit::Replace(value) => (self.record.rewrite(old, value.as_value()), 1),
        };
        self.read += 1;
        if let Some(new) = new {
            let written = self.written;
            self.record.nested(self.owners)[written] = new;
            self.written += 1;
        } else if let Some((count, all_dropped)) = self.record.counts(self.owners, owner) {
            *count -= 1;
            *all_dropped += dropped;
        }
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        let (written, read) = (self.written, self.read);
        if written < read {
            self.record.nested(self.owners).drain(written..read);
        }
    }
}
