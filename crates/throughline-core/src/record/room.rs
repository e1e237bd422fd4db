//! A vector whose spare room is filled: one comparison tells both that there is room and that the limit allows it.

use std::ops::{Deref, DerefMut};

/// Items in front of spare ones. There are never more slots than the limit allows items.
#[derive(Debug)]
pub(crate) struct Room<T> {
    slots: Vec<T>,
    len: usize,
    most: usize,
    /// So many slots are kept when the cell is used again.
    kept: usize,
}

// === impl Room ===

impl<T: Copy> Room<T> {
    /// No room; some of it is made up to the limit, which is to be set.
    pub(crate) const fn new() -> Self {
        Self { slots: Vec::new(), len: 0, most: 0, kept: 0 }
    }

    /// Sets the limit, and how much is kept for the next span.
    pub(crate) fn limit(&mut self, most: u32, kept: usize) {
        self.most = most as usize;
        self.kept = kept.min(self.most);
        self.len = 0;
        self.trim();
    }

    #[inline(always)]
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    #[inline(always)]
    pub(crate) fn clear(&mut self) {
        self.len = 0;
    }

    /// Takes an item out of its place; those behind it move up.
    pub(crate) fn remove(&mut self, at: usize) {
        if at < self.len {
            self.slots.copy_within(at + 1..self.len, at);
            self.len -= 1;
        }
    }

    pub(crate) fn truncate(&mut self, len: usize) {
        self.len = self.len.min(len);
    }

    /// How many more the limit allows.
    pub(crate) fn left(&self) -> usize {
        self.most.saturating_sub(self.len)
    }

    /// Whether there is no room for an item.
    #[inline(always)]
    pub(crate) fn is_full(&self) -> bool {
        self.len >= self.slots.len()
    }

    /// Adds an item, unless it [is full](Self::is_full).
    #[inline(always)]
    pub(crate) fn push(&mut self, item: T) {
        if let Some(slot) = self.slots.get_mut(self.len) {
            *slot = item;
            self.len += 1;
        }
    }

    /// Adds items if there is room for all of them.
    #[inline(always)]
    #[must_use]
    pub(crate) fn extend(&mut self, items: &[T]) -> bool {
        let end = self.len + items.len();
        let Some(place) = self.slots.get_mut(self.len..end) else { return false };
        place.copy_from_slice(items);
        self.len = end;
        true
    }

    /// Makes room for so many more, if the limit allows it.
    #[cold]
    pub(crate) fn grow(&mut self, more: usize, filler: T) -> bool {
        let wanted = self.len + more;
        if wanted > self.most {
            return false;
        }
        if wanted > self.slots.len() {
            self.slots.resize(wanted.max(2 * self.slots.len()).min(self.most), filler);
        }
        true
    }

    /// Raises the limit until it is [set](Self::set_most) to what it was, which is given back.
    #[inline(always)]
    pub(crate) fn raise_most(&mut self, by: usize) -> usize {
        let before = self.most;
        self.most = before.saturating_add(by);
        before
    }

    #[inline(always)]
    pub(crate) fn set_most(&mut self, most: usize) {
        self.most = most;
    }

    /// Gives back memory that only an unusual span needed; the items may be gone.
    #[inline(always)]
    pub(crate) fn trim(&mut self) {
        if self.slots.len() > self.kept {
            self.trim_slots();
        }
    }

    #[cold]
    fn trim_slots(&mut self) {
        self.len = 0;
        self.slots.truncate(self.kept);
        self.slots.shrink_to_fit();
    }
}

impl<T> Deref for Room<T> {
    type Target = [T];

    #[inline(always)]
    fn deref(&self) -> &[T] {
        self.slots.get(..self.len).unwrap_or_default()
    }
}

impl<T> DerefMut for Room<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        self.slots.get_mut(..self.len).unwrap_or_default()
    }
}
