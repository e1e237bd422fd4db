//! Maps and lists of strings as carriers. Names are compared without regard to case, as in HTTP.

use std::collections::{BTreeMap, HashMap};
use std::hash::BuildHasher;

use super::{Extractor, Field, FieldValue, Injector};

fn get<'a>(pairs: impl Iterator<Item = (&'a String, &'a String)>, field: &Field) -> FieldValue<'a> {
    let mut found = FieldValue::Absent;
    for (_, value) in pairs.filter(|(name, _)| name.eq_ignore_ascii_case(field.as_str())) {
        found = match found {
            FieldValue::Absent => FieldValue::One(value.as_bytes()),
            FieldValue::One(_) | FieldValue::Many => FieldValue::Many,
        };
    }
    found
}

fn starts_with(name: &str, prefix: &str) -> bool {
    name.as_bytes().get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix.as_bytes()))
}

macro_rules! extractor_by_iteration {
    ([$($generics:tt)*] $carrier:ty, $pairs:expr) => {
        impl<$($generics)*> Extractor for $carrier {
            fn get(&self, field: &Field) -> FieldValue<'_> {
                get($pairs(self), field)
            }

            fn each<'a>(&'a self, field: &Field, see: &mut dyn FnMut(&'a [u8])) {
                for (_, value) in $pairs(self).filter(|(name, _)| name.eq_ignore_ascii_case(field.as_str())) {
                    see(value.as_bytes());
                }
            }

            fn each_prefixed<'a>(&'a self, prefix: &str, see: &mut dyn FnMut(&'a str, &'a [u8])) {
                for (name, value) in $pairs(self).filter(|(name, _)| starts_with(name, prefix)) {
                    see(name, value.as_bytes());
                }
            }
        }
    };
}

macro_rules! injector_by_entry {
    ([$($generics:tt)*] $carrier:ty) => {
        impl<$($generics)*> Injector for $carrier {
            fn set(&mut self, field: &Field, value: &[u8]) {
                Injector::remove(self, field);
                self.insert(field.spelling().to_owned(), String::from_utf8_lossy(value).into_owned());
            }

            fn remove(&mut self, field: &Field) {
                self.retain(|name, _| !name.eq_ignore_ascii_case(field.as_str()));
            }

            fn set_named(&mut self, name: &str, value: &[u8]) {
                self.retain(|known, _| !known.eq_ignore_ascii_case(name));
                self.insert(name.to_owned(), String::from_utf8_lossy(value).into_owned());
            }

            fn remove_prefixed(&mut self, prefix: &str) {
                self.retain(|name, _| !starts_with(name, prefix));
            }
        }
    };
}

extractor_by_iteration!([S: BuildHasher] HashMap<String, String, S>, HashMap::iter);
extractor_by_iteration!([] BTreeMap<String, String>, BTreeMap::iter);
extractor_by_iteration!([] Vec<(String, String)>, pairs_of);
injector_by_entry!([S: BuildHasher] HashMap<String, String, S>);
injector_by_entry!([] BTreeMap<String, String>);

impl Injector for Vec<(String, String)> {
    fn set(&mut self, field: &Field, value: &[u8]) {
        Injector::remove(self, field);
        self.push((field.spelling().to_owned(), String::from_utf8_lossy(value).into_owned()));
    }

    fn remove(&mut self, field: &Field) {
        self.retain(|(name, _)| !name.eq_ignore_ascii_case(field.as_str()));
    }

    fn set_named(&mut self, name: &str, value: &[u8]) {
        self.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self.push((name.to_owned(), String::from_utf8_lossy(value).into_owned()));
    }

    fn remove_prefixed(&mut self, prefix: &str) {
        self.retain(|(name, _)| !starts_with(name, prefix));
    }
}

fn pairs_of(pairs: &[(String, String)]) -> impl Iterator<Item = (&String, &String)> {
    pairs.iter().map(|(name, value)| (name, value))
}
