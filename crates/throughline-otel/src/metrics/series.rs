//! Sets of attributes that were seen before, as OpenTelemetry wants them.

use std::hash::{BuildHasher, RandomState};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use opentelemetry::{KeyValue, Value as Theirs};
use throughline_core::{Key, Value};

use crate::convert;

/// Up to [`MOST`] sets, found without a lock and without an allocation; they stay. Sets beyond that are built per call.
pub(super) struct SeriesCache {
    /// Unknown to whoever would like all sets to be in one place.
    seed: u64,
    /// Open addressing: a set is in the first slots from its hash on, or nowhere. Made at the first use.
    slots: OnceLock<Box<[OnceLock<Series>]>>,
    sets: AtomicUsize,
}

struct Series {
    hash: u64,
    attributes: Box<[KeyValue]>,
}

// === impl SeriesCache ===

impl SeriesCache {
    pub(super) fn new() -> Self {
        Self { seed: RandomState::new().hash_one(0), slots: OnceLock::new(), sets: AtomicUsize::new(0) }
    }

    /// Lends the set as OpenTelemetry wants it.
    #[inline]
    pub(super) fn with<R>(&self, attributes: &[(Key<'_>, Value<'_>)], to: impl FnOnce(&[KeyValue]) -> R) -> R {
        let hash = self.hash(attributes);
        let mut free = None;
        for slot in self.probe(hash) {
            match slot.get() {
                Some(series) if series.hash == hash && is_same(&series.attributes, attributes) => {
                    return to(&series.attributes);
                }
                Some(_) => {}
                None => {
                    free = Some(slot);
                    break;
                }
            }
        }
        to(&self.build(hash, attributes, free))
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.sets.load(Ordering::Relaxed)
    }

    /// So few that nobody gains by sets whose hashes collide.
    fn probe(&self, hash: u64) -> impl Iterator<Item = &OnceLock<Series>> {
        let slots = self.slots.get_or_init(|| (0..SLOTS).map(|_| OnceLock::new()).collect());
        (0..PROBES).filter_map(move |step| slots.get((hash as usize).wrapping_add(step) % SLOTS))
    }

    /// If another thread takes the slot meanwhile, the set finds one another time.
    #[cold]
    fn build(
        &self,
        hash: u64,
        attributes: &[(Key<'_>, Value<'_>)],
        free: Option<&OnceLock<Series>>,
    ) -> Box<[KeyValue]> {
        let built: Box<[_]> =
            attributes.iter().map(|(key, value)| KeyValue::new(key.to_name(), convert::value(*value))).collect();
        let has_room = self.sets.load(Ordering::Relaxed) < MOST && is_worth_it(&built, attributes);
        if let Some(slot) = free.filter(|_| has_room)
            && slot.set(Series { hash, attributes: built.clone() }).is_ok()
        {
            self.sets.fetch_add(1, Ordering::Relaxed);
        }
        built
    }

    #[inline]
    fn hash(&self, attributes: &[(Key<'_>, Value<'_>)]) -> u64 {
        attributes.iter().fold(self.seed, |hash, (key, value)| {
            // Keys differ in length, or else in their values.
            let hash = mix(hash, key.as_str().len() as u64);
            match value {
                Value::Bool(value) => mix(hash, u64::from(*value)),
                Value::Int(value) => mix(hash, *value as u64),
                Value::F64(value) => mix(hash, value.to_bits()),
                Value::Str(text) => mix_text(hash, text.as_bytes()),
                // By its place: a library that has it in two pays for two entries.
                Value::Static(text) => mix(hash, text.as_ptr() as u64),
                Value::Bytes(bytes) => mix_text(hash, bytes),
                _ => hash,
            }
        })
    }
}

/// Whether a set can be found again, and is no larger than what sets are made of.
fn is_worth_it(built: &[KeyValue], attributes: &[(Key<'_>, Value<'_>)]) -> bool {
    let length = |attribute: &KeyValue| {
        let text = if let Theirs::String(text) = &attribute.value { text.as_str() } else { "" };
        attribute.key.as_str().len() + text.len()
    };
    is_same(built, attributes) && built.iter().map(length).sum::<usize>() <= MOST_TEXT
}

#[inline]
fn is_same(known: &[KeyValue], attributes: &[(Key<'_>, Value<'_>)]) -> bool {
    known.len() == attributes.len()
        && known.iter().zip(attributes).all(|(known, (key, value))| {
            let value = match (&known.value, value) {
                (Theirs::String(known), Value::Str(text)) => known.as_str() == *text,
                (Theirs::String(known), Value::Static(text)) => is_text(known.as_str(), text),
                (Theirs::String(known), Value::Bytes(bytes)) => known.as_str().as_bytes() == *bytes,
                (Theirs::I64(known), Value::Int(value)) => known == value,
                (Theirs::Bool(known), Value::Bool(value)) => known == value,
                (Theirs::F64(known), Value::F64(value)) => known.to_bits() == value.to_bits(),
                _ => false,
            };
            value && is_text(known.key.as_str(), key.as_str())
        })
}

/// What is known at compile time is mostly one and the same.
#[inline]
fn is_text(known: &str, text: &str) -> bool {
    std::ptr::eq(known, text) || known == text
}

#[inline]
fn mix(hash: u64, word: u64) -> u64 {
    let product = (hash ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    product ^ product >> 32
}

/// In words, of which the last overlaps the one before.
#[inline]
fn mix_text(hash: u64, text: &[u8]) -> u64 {
    let mut hash = mix(hash, text.len() as u64);
    if let Some(last) = text.last_chunk::<8>() {
        let (words, rest) = text.as_chunks::<8>();
        hash = words.iter().fold(hash, |hash, word| mix(hash, u64::from_le_bytes(*word)));
        return if rest.is_empty() { hash } else { mix(hash, u64::from_le_bytes(*last)) };
    }
    if let (Some(first), Some(last)) = (text.first_chunk::<4>(), text.last_chunk::<4>()) {
        return mix(hash, u64::from(u32::from_le_bytes(*first)) << 32 | u64::from(u32::from_le_bytes(*last)));
    }
    text.iter().fold(hash, |hash, byte| mix(hash, u64::from(*byte)))
}

/// As many series as OpenTelemetry's SDK keeps of one instrument.
const MOST: usize = 2000;
/// Bytes of keys and values in one set.
const MOST_TEXT: usize = 1024;
/// About half of them stay free, so that searches are short: 128 KiB.
const SLOTS: usize = 4096;
const PROBES: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn lent(cache: &SeriesCache, attributes: &[(Key<'_>, Value<'_>)]) -> (*const KeyValue, Vec<KeyValue>) {
        cache.with(attributes, |known| (known.as_ptr(), known.to_vec()))
    }

    #[test]
    fn a_set_is_built_once() {
        let cache = SeriesCache::new();
        let sets = [
            vec![],
            vec![(Key::new("a"), Value::Str("1"))],
            vec![(Key::new("b"), Value::Str("1"))],
            vec![(Key::new("a"), Value::Int(1))],
            vec![(Key::new("a"), Value::Bool(true))],
            vec![(Key::new("a"), Value::F64(1.0))],
            vec![(Key::new("a"), Value::Str("1")), (Key::new("b"), Value::Str("2"))],
            vec![(Key::new("a"), Value::Str("12")), (Key::new("b"), Value::Str(""))],
            vec![(Key::new("b"), Value::Str("2")), (Key::new("a"), Value::Str("1"))],
        ];
        let first: Vec<_> = sets.iter().map(|set| lent(&cache, set).1).collect();
        for (set, built) in sets.iter().zip(&first) {
            let (place, again) = lent(&cache, set);
            assert_eq!((&again, place), (built, lent(&cache, set).0), "{set:?}");
        }
        assert_eq!(cache.len(), sets.len(), "none is taken for another");
        let name = String::from("a");
        assert_eq!(lent(&cache, &[(Key::dynamic(&name), Value::Bytes(b"1"))]).1, first[1]);
        assert_eq!(cache.len(), sets.len(), "text is text");
        assert_eq!(lent(&cache, &[(Key::dynamic(&name), Value::Static(&"1"))]).1, first[1]);
    }

    #[test]
    fn what_nobody_should_pay_for_twice_is_not_kept() {
        let cache = SeriesCache::new();
        let long = "x".repeat(MOST_TEXT);
        for (value, why) in [(Value::Str(&long), "too long"), (Value::Bytes(b"\xff"), "replaced when it is shown")] {
            let set = [(Key::new("a"), value)];
            assert_eq!(lent(&cache, &set).1, lent(&cache, &set).1, "{why}");
            assert_eq!(cache.len(), 0, "{why}");
        }
    }

    #[test]
    fn a_flood_fills_it_and_no_more() {
        let cache = SeriesCache::new();
        for number in 0..20_000 {
            let built = lent(&cache, &[(Key::new("a"), Value::Int(number))]).1;
            assert_eq!(built, [KeyValue::new("a", number)]);
        }
        assert!((MOST - 50..=MOST).contains(&cache.len()), "{}", cache.len());
        let known = [(Key::new("a"), Value::Int(0))];
        assert_eq!(lent(&cache, &known).0, lent(&cache, &known).0, "who came before the flood stays");
    }

    #[test]
    fn threads_share_it() {
        let cache = SeriesCache::new();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for number in 0..1000 {
                        let built = lent(&cache, &[(Key::new("a"), Value::Int(number))]).1;
                        assert_eq!(built, [KeyValue::new("a", number)]);
                    }
                });
            }
        });
        assert!(cache.len() >= 1000);
    }
}
