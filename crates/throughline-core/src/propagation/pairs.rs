//! Baggage that comes as a field per key, put together as W3C's text: taken apart only when somebody reads it.

use std::borrow::Cow;

use super::outbound::Outbound;
use super::{Extracted, Injector};
use crate::baggage::is_octet;
use crate::span_context::trim_blanks;
use crate::{Baggage, Member};

/// How a format writes the values of its pairs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    /// As URLs have them; a blank may be a `+`.
    Url,
    /// As they are.
    Raw,
}

/// W3C's text, pair by pair, within W3C's limits.
pub(super) struct Pairs {
    coding: Coding,
    text: Vec<u8>,
    count: usize,
    oversized: bool,
}

// === impl Coding ===

impl Coding {
    /// The value as the format writes it; nothing if it cannot.
    pub(super) fn write(self, member: &Member) -> Option<String> {
        match self {
            // A `+` would be read as a blank.
            Self::Url => Some(member.encoded_value().to_string().replace('+', "%2B")),
            Self::Raw => {
                let value = member.value();
                let plain = value.bytes().all(|byte| matches!(byte, b' '..=b'~')) && value.trim_matches(' ') == value;
                plain.then(|| value.to_owned())
            }
        }
    }
}

// === impl Pairs ===

impl Pairs {
    pub(super) const fn new(coding: Coding) -> Self {
        Self { coding, text: Vec::new(), count: 0, oversized: false }
    }

    /// Adds the pair of a field that a format makes for it.
    pub(super) fn push_field(&mut self, prefix: &str, name: &str, value: &[u8]) {
        let key = name.as_bytes().get(prefix.len()..).unwrap_or_default();
        // Headers have lost the case of their names, and other carriers do as headers do.
        if key.iter().any(u8::is_ascii_uppercase) {
            self.push(&key.to_ascii_lowercase(), trim_blanks(value));
        } else {
            self.push(key, trim_blanks(value));
        }
    }

    /// Adds a pair: what W3C's text cannot hold is encoded; what URLs have encoded stays.
    pub(super) fn push(&mut self, key: &[u8], value: &[u8]) {
        if key.is_empty() || self.oversized {
            return;
        }
        let before = self.text.len();
        if self.count == Baggage::MAX_MEMBERS || before + key.len() + value.len() + 2 > Baggage::MAX_LENGTH {
            self.oversized = true;
            return;
        }
        if before > 0 {
            self.text.push(b',');
        }
        self.text.extend_from_slice(key);
        self.text.push(b'=');
        for &byte in value {
            match byte {
                b'+' if self.coding == Coding::Url => self.text.extend_from_slice(b"%20"),
                byte if is_octet(byte) && (byte != b'%' || self.coding == Coding::Url) => self.text.push(byte),
                byte => {
                    let digit = |nibble: u8| b"0123456789ABCDEF"[usize::from(nibble)];
                    self.text.extend_from_slice(&[b'%', digit(byte >> 4), digit(byte & 15)]);
                }
            }
        }
        if self.text.len() > Baggage::MAX_LENGTH {
            self.text.truncate(before);
            self.oversized = true;
        } else {
            self.count += 1;
        }
    }

    /// What was found in place of what earlier formats have found, if it was anything.
    pub(super) fn tell(self, found: &mut Extracted<'_>) {
        found.oversized |= self.oversized;
        if !self.text.is_empty() {
            found.baggage = Cow::Owned(self.text);
        }
    }
}

/// Writes a field per key.
#[inline]
pub(super) fn write_fields<I: Injector + ?Sized>(prefix: &str, coding: Coding, out: &mut Outbound<'_>, to: &mut I) {
    out.each_pair(coding, prefix.len(), Baggage::MAX_LENGTH, |key, value| {
        to.set_named(&format!("{prefix}{}", key.to_ascii_lowercase()), value.as_bytes());
    });
}
