//! W3C `tracestate`.

use std::fmt;

use crate::hex;
use crate::span_context::trim_blanks;
use crate::text::SharedText;

/// W3C `tracestate`: what other vendors want to be told again further down the trace.
///
/// The text is kept as it came, so that what nobody changed is sent on byte for byte. It is shared: a clone is one
/// refcount. [`insert`](Self::insert) and [`remove`](Self::remove) make new values and follow the mutation rules of
/// [Trace Context level 2 §3.3](https://www.w3.org/TR/trace-context-2/#tracestate-header): a changed member moves to
/// the front, the order of the others is kept, and the right-most goes when there are more than 32.
///
/// ```
/// use throughline_core::TraceState;
///
/// let state = TraceState::parse(b"rojo=00f067aa0ba902b7,congo=t61rcWkgMzE")?;
/// assert_eq!(state.get("congo"), Some("t61rcWkgMzE"));
/// assert_eq!(state.insert("congo", "1")?.as_str(), "congo=1,rojo=00f067aa0ba902b7");
/// # Ok::<(), throughline_core::InvalidTraceState>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct TraceState(SharedText);

/// The text was not a `tracestate`, or the member not one that may be added to one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidTraceState(());

// === impl TraceState ===

impl TraceState {
    /// The most members that a list may have.
    pub const MAX_MEMBERS: usize = 32;

    /// The most bytes that are sent on. A longer list loses whole members: first those of more than 128 bytes, then
    /// the right-most. The specification asks for at least 512.
    pub const MAX_LENGTH: usize = 4096;

    /// Checks a field value; several header lines are joined by commas beforehand.
    ///
    /// Of members with the same key the first counts.
    ///
    /// # Errors
    ///
    /// One invalid member, or more than 32, make the whole list invalid, and so does a list without any member.
    pub fn parse(text: &[u8]) -> Result<Self, InvalidTraceState> {
        Self::within_limits(text, 0)
    }

    /// As [`parse`](Self::parse); the first `kept` members are not among those that a long list loses.
    #[inline]
    fn within_limits(text: &[u8], kept: usize) -> Result<Self, InvalidTraceState> {
        let count = match count_plain(text) {
            Some(count) => count,
            None => split(text).try_fold(0, |count, member| valid_member(member).then_some(count + 1)).unwrap_or(0),
        };
        if !(1..=Self::MAX_MEMBERS).contains(&count) {
            return Err(InvalidTraceState(()));
        }
        let text =
            if text.len() > Self::MAX_LENGTH { &*shorten(text, kept, Self::MAX_LENGTH) } else { trim_blanks(text) };
        SharedText::new(text).map(Self).ok_or(InvalidTraceState(()))
    }

    /// The list as it is sent.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The members in order, later ones with a key that was there before included.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.as_str().split(',').filter_map(|member| trim_member(member).split_once('='))
    }

    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.iter().find_map(|(name, value)| (name == key).then_some(value))
    }

    /// The list with the member in front; other members of that key are gone.
    ///
    /// # Errors
    ///
    /// The key must be valid in level 1 and in level 2 (a simple key starts with a letter, `tenant@vendor` has one
    /// `@`), the value 1 to 256 printable characters without comma and equals sign that do not end in a blank.
    pub fn insert(&self, key: &str, value: &str) -> Result<Self, InvalidTraceState> {
        let first = single(key, value)?;
        let others = self.iter().filter(|(name, _)| *name != key);
        let mut text = first;
        for (name, value) in others.take(Self::MAX_MEMBERS - 1) {
            push_member(&mut text, name, value);
        }
        Self::within_limits(text.as_bytes(), 1)
    }

    /// The list without the members of a key; nothing if none is left.
    #[must_use]
    pub fn remove(&self, key: &str) -> Option<Self> {
        let mut text = String::new();
        for (name, value) in self.iter().filter(|(name, _)| *name != key) {
            push_member(&mut text, name, value);
        }
        Self::parse(text.as_bytes()).ok()
    }

    /// A list with one member; the rules are those of [`insert`](Self::insert).
    ///
    /// # Errors
    ///
    /// As [`insert`](Self::insert).
    pub fn new(key: &str, value: &str) -> Result<Self, InvalidTraceState> {
        Self::parse(single(key, value)?.as_bytes())
    }

    /// Whole members that fit into so many bytes, if any do, and how many did not. Members of more than 128 bytes go
    /// first, then the right-most.
    #[cold]
    pub(crate) fn shortened(&self, most: usize) -> (Option<Self>, usize) {
        let text = shorten(self.as_str().as_bytes(), 0, most);
        let lost = split(self.as_str().as_bytes()).count() - split(&text).count();
        (Self::parse(&text).ok(), lost)
    }

    #[cfg(feature = "http")]
    pub(crate) fn text(&self) -> &SharedText {
        &self.0
    }
}

impl fmt::Display for TraceState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for TraceState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TraceState").field(&self.as_str()).finish()
    }
}

// === impl InvalidTraceState ===

impl fmt::Display for InvalidTraceState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("invalid tracestate: expected 1 to 32 members `key=value` separated by commas")
    }
}

impl std::error::Error for InvalidTraceState {}

fn single(key: &str, value: &str) -> Result<String, InvalidTraceState> {
    let text = format!("{key}={value}");
    let valid = level_1_key(key.as_bytes()) && valid_member(text.as_bytes()) && !value.ends_with(' ');
    if valid { Ok(text) } else { Err(InvalidTraceState(())) }
}

fn push_member(text: &mut String, key: &str, value: &str) {
    if !text.is_empty() {
        text.push(',');
    }
    text.push_str(key);
    text.push('=');
    text.push_str(value);
}

/// The members, trimmed, without the empty ones.
fn split(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| *byte == b',').map(trim_blanks).filter(|member| !member.is_empty())
}

fn trim_member(member: &str) -> &str {
    member.trim_matches([' ', '\t'])
}

/// `key=value` by the grammar of level 2.
fn valid_member(member: &[u8]) -> bool {
    let Some(equals) = member.iter().position(|byte| CLASS[usize::from(*byte)] & KEY == 0) else { return false };
    let (key, value) = (&member[..equals], &member[equals..]);
    let Some((b'=', value)) = value.split_first() else { return false };
    (1..=256).contains(&key.len())
        && CLASS[usize::from(key[0])] & FIRST != 0
        && (1..=256).contains(&value.len())
        && value.iter().all(|byte| CLASS[usize::from(*byte)] & VALUE != 0)
}

/// The number of members of a list as nearly everybody writes it, without blanks and empty members; one pass.
fn count_plain(text: &[u8]) -> Option<usize> {
    let mut rest = text;
    let mut count = 0;
    loop {
        let key = rest.iter().position(|byte| CLASS[usize::from(*byte)] & KEY == 0)?;
        if rest[key] != b'=' || !(1..=256).contains(&key) || CLASS[usize::from(rest[0])] & FIRST == 0 {
            return None;
        }
        rest = &rest[key + 1..];
        let value = value_length(rest);
        if !(1..=256).contains(&value) || rest[value - 1] == b' ' {
            return None;
        }
        count += 1;
        match rest.get(value) {
            None => return Some(count),
            Some(b',') => rest = &rest[value + 1..],
            Some(_) => return None,
        }
    }
}

/// How many bytes at the front may be part of a value; eight at a time.
#[inline(always)]
fn value_length(text: &[u8]) -> usize {
    let mut words = text.chunks_exact(8);
    let mut length = 0;
    for word in words.by_ref() {
        let others = others(hex::eight(word, 0));
        if others != 0 {
            return length + others.trailing_zeros() as usize / 8;
        }
        length += 8;
    }
    length + words.remainder().iter().take_while(|byte| CLASS[usize::from(**byte)] & VALUE != 0).count()
}

/// Marks bytes that no value has: control characters, comma, equals sign, and whatever is not ASCII. The lowest mark is
/// right; above it there may be wrong ones.
#[inline(always)]
fn others(bytes: [u8; 8]) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let word = u64::from_le_bytes(bytes);
    // A borrow begins at a byte that is marked, so it cannot hide or make a lower mark.
    let zero = |word: u64| word.wrapping_sub(ONES) & !word;
    let equal = |byte: u8| zero(word ^ (ONES * u64::from(byte)));
    let control = word.wrapping_sub(ONES * 0x20) & !word;
    (equal(b',') | equal(b'=') | equal(0x7f) | control | word) & (ONES * 0x80)
}

/// The key grammar of level 1: `letter …` or `tenant@vendor` (at most 241 and 14 characters).
fn level_1_key(key: &[u8]) -> bool {
    let simple = |part: &[u8], most: usize| {
        (1..=most).contains(&part.len()) && part.iter().all(|b| *b != b'@' && CLASS[usize::from(*b)] & KEY != 0)
    };
    match key.iter().position(|byte| *byte == b'@') {
        None => simple(key, 256) && key[0].is_ascii_lowercase(),
        Some(at) => {
            let (tenant, vendor) = (&key[..at], &key[at + 1..]);
            simple(tenant, 241)
                && !matches!(tenant[0], b'_' | b'-' | b'*' | b'/')
                && simple(vendor, 14)
                && vendor[0].is_ascii_lowercase()
        }
    }
}

/// Whole members that fit into so many bytes, the first `kept` among them.
#[cold]
fn shorten(text: &[u8], kept: usize, most: usize) -> Vec<u8> {
    let mut members: Vec<&[u8]> = split(text).collect();
    let length = |members: &[&[u8]]| members.iter().map(|m| m.len() + 1).sum::<usize>().saturating_sub(1);
    while members.len() > kept && length(&members) > most {
        let long = members[kept..].iter().rposition(|member| member.len() > LONG_MEMBER);
        members.remove(long.map_or(members.len() - 1, |at| at + kept));
    }
    members.join(&b',')
}

/// Members longer than this go first when a list must be shortened.
const LONG_MEMBER: usize = 128;

const KEY: u8 = 1;
const FIRST: u8 = 2;
const VALUE: u8 = 4;

/// What a byte may be part of.
const CLASS: [u8; 256] = {
    let mut class = [0; 256];
    let mut byte = 0x20;
    while byte < 0x7f {
        if byte != b',' as usize && byte != b'=' as usize {
            class[byte] |= VALUE;
        }
        if matches!(byte as u8, b'a'..=b'z' | b'0'..=b'9') {
            class[byte] |= KEY | FIRST;
        }
        if matches!(byte as u8, b'_' | b'-' | b'*' | b'/' | b'@') {
            class[byte] |= KEY;
        }
        byte += 1;
    }
    class
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_ends_where_its_grammar_says() {
        let usual = *b"t61rcWkg zE!~abcdefgh";
        for length in 0..usual.len() {
            for at in 0..length {
                for byte in 0..=255_u8 {
                    for next in [b'x', b',', b'-', byte ^ 1] {
                        let mut text = usual[..length].to_vec();
                        text[at] = byte;
                        if let Some(after) = text.get_mut(at + 1) {
                            *after = next;
                        }
                        let wanted = text.iter().position(|byte| CLASS[usize::from(*byte)] & VALUE == 0);
                        assert_eq!(value_length(&text), wanted.unwrap_or(length), "{byte:#x} at {at} of {text:?}");
                    }
                }
            }
        }
    }
}
