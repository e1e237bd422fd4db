//! What listeners were told at a span's start, until they have been told of its end.

use super::{RawAttribute, Record};

/// How the attributes that listeners saw at the start can still be shown, whatever was done to them since.
#[derive(Debug)]
pub(super) struct Told {
    /// How many there were; zero if nobody listens.
    count: usize,
    /// Those that were replaced or removed since.
    changed: Vec<Changed>,
}

#[derive(Debug)]
struct Changed {
    /// Which of those at the start it was.
    place: usize,
    was: RawAttribute,
    removed: bool,
}

// === impl Told ===

impl Told {
    pub(super) const fn new() -> Self {
        Self { count: 0, changed: Vec::new() }
    }

    /// Whether listeners saw the attribute that lies there now, as it is now.
    #[inline(always)]
    pub(super) fn is_unchanged(&self, at: usize) -> bool {
        self.count > 0 && self.place(at).is_some_and(|place| self.changed.iter().all(|known| known.place != place))
    }

    /// An attribute of the start has another value from now on.
    pub(super) fn replaced(&mut self, at: usize, was: RawAttribute) {
        if let Some(place) = self.place(at) {
            self.changed.push(Changed { place, was, removed: false });
        }
    }

    /// What lay there was taken out, and was like this if it was unchanged; whether listeners saw it.
    pub(super) fn removed(&mut self, at: usize, was: Option<RawAttribute>) -> bool {
        let Some(place) = self.place(at) else { return false };
        match (self.changed.iter_mut().find(|known| known.place == place), was) {
            (Some(known), _) => known.removed = true,
            (None, Some(was)) => self.changed.push(Changed { place, was, removed: true }),
            (None, None) => {}
        }
        true
    }

    /// Which attribute of the start lies there now.
    fn place(&self, at: usize) -> Option<usize> {
        if self.changed.is_empty() {
            return (at < self.count).then_some(at);
        }
        let mut left = (0..self.count).filter(|place| !self.is_removed(*place));
        left.nth(at)
    }

    fn is_removed(&self, place: usize) -> bool {
        self.changed.iter().any(|known| known.removed && known.place == place)
    }
}

impl Record {
    /// Listeners have seen the attributes that there are.
    pub(crate) fn note_told(&mut self) {
        self.told.count = self.attributes.len();
    }

    /// The attributes that listeners saw at the start, as they were.
    pub(crate) fn told(&self) -> impl Iterator<Item = RawAttribute> {
        let mut now = self.attributes.iter().copied();
        (0..self.told.count).filter_map(move |place| {
            match self.told.changed.iter().find(|known| known.place == place) {
                Some(known) => {
                    if !known.removed {
                        now.next();
                    }
                    Some(known.was)
                }
                None => now.next(),
            }
        })
    }

    /// Listeners have been told of the end: what was replaced or removed is gone for good.
    pub(crate) fn forget_told(&mut self) {
        self.told.count = 0;
        while let Some(Changed { was, removed, .. }) = self.told.changed.pop() {
            if removed {
                self.wipe_attribute(was);
            } else {
                self.wipe_value(was.value);
            }
        }
        if self.told.changed.capacity() > KEPT_CHANGED {
            self.told.changed.shrink_to(KEPT_CHANGED);
        }
    }
}

const KEPT_CHANGED: usize = 8;
