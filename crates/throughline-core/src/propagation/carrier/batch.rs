//! Everything that is to be written to headers, and then one pass that puts it in place.

use http::{HeaderMap, HeaderName, HeaderValue};

use super::{Field, FieldSet, Injector, put};
use crate::TraceState;

/// What one injection writes. A request that is sent again has its fields already: they are replaced where they are,
/// which costs neither a look-up nor a removal.
pub(crate) struct Batch<'a> {
    set: &'a FieldSet,
    /// By the fields' places in the set; what has no room here is in `more`.
    values: [Option<(usize, HeaderValue)>; FEW],
    len: usize,
    more: Vec<(HeaderName, HeaderValue)>,
}

// === impl Batch ===

impl<'a> Batch<'a> {
    #[inline(always)]
    pub(crate) fn new(set: &'a FieldSet) -> Self {
        Self { set, values: [const { None }; FEW], len: 0, more: Vec::new() }
    }

    /// Writes everything; nothing if a field of the set is there that is not written, or twice: then what is there must be
    /// cleared first.
    #[inline(always)]
    pub(crate) fn write(mut self, headers: &mut HeaderMap) -> bool {
        let prefixes = !self.set.prefixes().is_empty();
        for (name, place) in headers.iter_mut() {
            let name = name.as_str();
            if self.set.has_length(name.len()) {
                if let Some(at) = self.set.position(name) {
                    match self.take(at) {
                        Some(value) => *place = value,
                        None => return false,
                    }
                    continue;
                }
            }
            if prefixes && self.set.is_prefixed(name) {
                return false;
            }
        }
        for (at, value) in self.values.iter_mut().take(self.len).filter_map(Option::take) {
            if let Some(field) = self.set.fields().get(at) {
                put(headers, field, value);
            }
        }
        for (name, value) in self.more {
            let _ = headers.try_insert(name, value);
        }
        true
    }

    #[inline(always)]
    fn take(&mut self, at: usize) -> Option<HeaderValue> {
        let slot =
            self.values.iter_mut().take(self.len).find(|slot| slot.as_ref().is_some_and(|(place, _)| *place == at));
        slot.and_then(Option::take).map(|(_, value)| value)
    }

    /// Of two values for a field the later one counts.
    #[inline(always)]
    fn push(&mut self, field: &Field, value: HeaderValue) {
        if let Some(at) = self.set.position(field.as_str()) {
            drop(self.take(at));
            if let Some(slot) = self.values.get_mut(self.len) {
                *slot = Some((at, value));
                self.len += 1;
                return;
            }
        }
        self.more.retain(|(name, _)| name != field.header());
        self.more.push((field.header().clone(), value));
    }
}

impl Injector for Batch<'_> {
    #[inline(always)]
    fn set(&mut self, field: &Field, value: &[u8]) {
        match HeaderValue::from_bytes(value) {
            Ok(value) => self.push(field, value),
            // No propagator of ours writes such bytes.
            Err(_) => Injector::remove(self, field),
        }
    }

    #[inline(always)]
    fn remove(&mut self, field: &Field) {
        if self.len > 0 {
            if let Some(at) = self.set.position(field.as_str()) {
                drop(self.take(at));
            }
        }
        if !self.more.is_empty() {
            self.more.retain(|(name, _)| name != field.header());
        }
    }

    fn set_named(&mut self, name: &str, value: &[u8]) {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_bytes(value)) {
            self.more.retain(|(known, _)| *known != name);
            self.more.push((name, value));
        }
    }

    fn remove_prefixed(&mut self, prefix: &str) {
        self.more.retain(|(name, _)| !name.as_str().starts_with(prefix));
    }

    /// Nothing was written yet.
    #[inline(always)]
    fn clear(&mut self, _: &FieldSet) {}

    #[inline(always)]
    fn set_static(&mut self, field: &Field, value: &'static str) {
        self.push(field, HeaderValue::from_static(value));
    }

    #[inline(always)]
    fn set_tracestate(&mut self, field: &Field, value: &TraceState) {
        self.push(field, value.text().header().clone());
    }
}

/// Fields that most injections write at most.
const FEW: usize = 4;
