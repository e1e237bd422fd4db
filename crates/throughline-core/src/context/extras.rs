//! What few contexts carry beside their ids: tracestate, baggage, typed values.

use std::any::{Any, TypeId};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::{Baggage, TraceState};

/// What few contexts carry; shared with the contexts below.
#[derive(Default)]
pub(crate) struct Extras {
    pub(crate) tracestate: LazyTraceState,
    pub(crate) baggage: LazyBaggage,
    pub(crate) values: Vec<(TypeId, Arc<dyn Any + Send + Sync>)>,
}

/// Field text as it came, checked when somebody asks: a service that only passes it on unread never pays for it.
#[derive(Default, Clone)]
pub(crate) struct LazyTraceState {
    pub(crate) raw: Vec<u8>,
    checked: OnceLock<Option<TraceState>>,
}

#[derive(Default, Clone)]
pub(crate) struct LazyBaggage {
    raw: Vec<u8>,
    parsed: OnceLock<Baggage>,
    /// What it was changed to, for all copies.
    updated: OnceLock<Arc<Mutex<Option<Baggage>>>>,
}

// === impl Extras ===

impl Extras {
    #[inline]
    pub(super) fn fill(&mut self, tracestate: &[u8], baggage: &[u8]) {
        self.tracestate.fill(tracestate);
        self.baggage.fill(baggage);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.tracestate.raw.is_empty() && self.baggage.is_empty() && self.values.is_empty()
    }

    /// Whether the next request may use its buffers: they have not grown unusually large, and hold nobody's values.
    #[inline]
    pub(super) fn is_usual(&self) -> bool {
        self.tracestate.raw.capacity() <= KEPT_FIELD
            && self.baggage.raw.capacity() <= KEPT_FIELD
            && self.values.is_empty()
    }

    pub(crate) fn value<T: Any>(&self) -> Option<&T> {
        let (_, value) = self.values.iter().find(|(id, _)| *id == TypeId::of::<T>())?;
        value.downcast_ref()
    }

    pub(crate) fn set_value<T: Any + Send + Sync>(&mut self, value: T) {
        self.values.retain(|(id, _)| *id != TypeId::of::<T>());
        self.values.push((TypeId::of::<T>(), Arc::new(value)));
    }

    /// The same content to be changed. Updates of baggage are seen by both.
    pub(crate) fn copy(&self) -> Self {
        self.baggage.updated.get_or_init(Arc::default);
        Self { tracestate: self.tracestate.clone(), baggage: self.baggage.clone(), values: self.values.clone() }
    }
}

impl LazyTraceState {
    #[inline]
    pub(super) fn fill(&mut self, raw: &[u8]) {
        self.raw.clear();
        self.raw.extend_from_slice(raw);
        if self.checked.get().is_some() {
            self.checked = OnceLock::new();
        }
    }

    #[inline]
    pub(crate) fn get(&self) -> Option<&TraceState> {
        if self.raw.is_empty() {
            return None;
        }
        self.checked.get_or_init(|| TraceState::parse(&self.raw).ok()).as_ref()
    }

    pub(crate) fn set(&mut self, state: Option<TraceState>) {
        self.raw.clear();
        if let Some(state) = &state {
            self.raw.extend_from_slice(state.as_str().as_bytes());
        }
        self.checked = OnceLock::from(state);
    }
}

impl LazyBaggage {
    #[inline]
    pub(crate) fn fill(&mut self, raw: &[u8]) {
        self.raw.clear();
        self.raw.extend_from_slice(raw);
        if self.parsed.get().is_some() {
            self.parsed = OnceLock::new();
        }
        if self.updated.get().is_some() {
            self.updated = OnceLock::new();
        }
    }

    pub(crate) fn get(&self) -> Baggage {
        self.updated().unwrap_or_else(|| self.as_it_came().clone())
    }

    fn as_it_came(&self) -> &Baggage {
        self.parsed.get_or_init(|| Baggage::parse(&self.raw))
    }

    #[inline]
    fn updated(&self) -> Option<Baggage> {
        self.updated.get().and_then(|updated| updated.lock().unwrap_or_else(PoisonError::into_inner).clone())
    }

    #[cfg(test)]
    pub(crate) fn is_parsed(&self) -> bool {
        self.parsed.get().is_some()
    }

    pub(crate) fn set(&mut self, baggage: Baggage) {
        self.raw.clear();
        self.parsed = OnceLock::from(baggage);
        self.updated = OnceLock::new();
    }

    pub(crate) fn update<E>(&self, change: impl FnOnce(&Baggage) -> Result<Baggage, E>) -> Result<(), E> {
        let updated = self.updated.get_or_init(Arc::default);
        let mut updated = updated.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = change(updated.as_ref().unwrap_or_else(|| self.as_it_came()))?;
        *updated = Some(changed);
        Ok(())
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.holds_no(|baggage| !baggage.is_empty())
    }

    #[inline]
    pub(crate) fn has_remote(&self) -> bool {
        !self.holds_no(Baggage::has_remote)
    }

    #[inline]
    fn holds_no(&self, wanted: impl Fn(&Baggage) -> bool) -> bool {
        if self.updated.get().is_some() {
            if let Some(updated) = self.updated() {
                return !wanted(&updated);
            }
        }
        self.raw.is_empty() && !self.parsed.get().is_some_and(wanted)
    }

    /// What came, if nobody has changed it and every carrier can have it: no more than the members that may be sent, and
    /// nothing but printable ASCII, blanks and tabs.
    pub(crate) fn unread(&self) -> Option<&[u8]> {
        let mut commas = 0;
        let mut plain = true;
        for &byte in &self.raw {
            commas += usize::from(byte == b',');
            plain &= matches!(byte, b' '..=b'~' | b'\t');
        }
        let fits = plain && !self.raw.is_empty() && commas < Baggage::MAX_MEMBERS;
        if fits && self.updated().is_none() { Some(&self.raw) } else { None }
    }
}

/// Bytes of a field's buffer that a kept node keeps.
const KEPT_FIELD: usize = 1024;
