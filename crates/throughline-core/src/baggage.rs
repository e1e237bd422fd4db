//! W3C `baggage`: the application's own key-value pairs that travel with a request.

use std::borrow::Cow;
use std::fmt;
use std::fmt::Write as _;
use std::sync::Arc;

use crate::span_context::trim_blanks;

/// Key-value pairs that travel along with a request, beside its trace.
///
/// Immutable: [`with`](Self::with) and [`without`](Self::without) make new values, a clone is one refcount. Baggage is
/// sent to **no** host unless the client layer was told which (`.baggage_to([…])`), and it is never copied to span
/// attributes by itself.
///
/// A pair may be [local](Self::with_local): it stays in the process.
///
/// At most [64 members](Self::MAX_MEMBERS) and [8192 bytes](Self::MAX_LENGTH) in all header lines together are read or
/// written; beyond that whole members are left out, never a part of one
/// ([W3C Baggage §3.3.2](https://www.w3.org/TR/baggage/#limits)).
///
/// ```
/// use throughline_core::Baggage;
///
/// let baggage = Baggage::new().with("tenant", "Ünal & Co")?.with("tier", "gold")?;
/// assert_eq!(baggage.get("tenant"), Some("Ünal & Co"));
/// assert_eq!(baggage.to_string(), "tenant=%C3%9Cnal%20&%20Co,tier=gold");
/// # Ok::<(), throughline_core::InvalidBaggage>(())
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Baggage {
    members: Option<Arc<[Member]>>,
}

/// One pair of a [`Baggage`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Member {
    key: Box<str>,
    value: Box<str>,
    properties: Box<str>,
    local: bool,
}

/// The key is no token, or the pair would exceed the limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidBaggage(());

// === impl Baggage ===

impl Baggage {
    /// The most members that are read or written.
    pub const MAX_MEMBERS: usize = 64;

    /// The most bytes, of all header lines together, that are read or written.
    pub const MAX_LENGTH: usize = 8192;

    /// No pairs; does not allocate.
    #[must_use]
    pub const fn new() -> Self {
        Self { members: None }
    }

    /// Reads a field value; several header lines are joined by commas beforehand.
    ///
    /// Never fails: a member that is not valid is left out, and so is what exceeds the limits. Values are
    /// percent-decoded, sequences that are no UTF-8 become U+FFFD, a `%` without two digits stays as it is.
    /// Of members with the same key the last one counts.
    #[must_use]
    pub fn parse(text: &[u8]) -> Self {
        Self::parse_counting(text).0
    }

    /// As [`parse`](Self::parse); the number is that of the members that were left out.
    #[must_use]
    pub fn parse_counting(text: &[u8]) -> (Self, usize) {
        let mut members: Vec<Member> = Vec::new();
        let (mut taken, mut skipped, mut used) = (0, 0, 0);
        for part in text.split(|byte| *byte == b',') {
            let trimmed = trim_blanks(part);
            if trimmed.is_empty() {
                continue;
            }
            used += trimmed.len() + 1;
            if taken == Self::MAX_MEMBERS || used > Self::MAX_LENGTH + 1 {
                // Counted without being looked at: what nobody may send is not worth a parse.
                skipped += 1;
                continue;
            }
            match Member::parse(trimmed) {
                Some(member) => {
                    taken += 1;
                    members.retain(|known| known.key != member.key);
                    members.push(member);
                }
                None => skipped += 1,
            }
        }
        (Self::of(members), skipped)
    }

    /// The value of a key, decoded. Keys are case-sensitive.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.iter().find(|member| member.key() == key).map(Member::value)
    }

    /// The members, in the order in which they are sent.
    #[must_use]
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Member> {
        self.members.as_deref().unwrap_or_default().iter()
    }

    /// How many members there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.iter().len()
    }

    /// Whether there is no member.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The same pairs and one more; an earlier one of that key is replaced.
    ///
    /// # Errors
    ///
    /// The key must be a token (RFC 7230 §3.2.6); any text will do as a value. It is also an error to exceed the limits.
    pub fn with(&self, key: &str, value: &str) -> Result<Self, InvalidBaggage> {
        self.with_properties(key, value, "")
    }

    /// As [`with`](Self::with), with the pair's properties as they are written: `a;b=c`.
    ///
    /// # Errors
    ///
    /// As [`with`](Self::with); properties must be of the characters that a value may have on the wire.
    pub fn with_properties(&self, key: &str, value: &str, properties: &str) -> Result<Self, InvalidBaggage> {
        let member = Member::new(key, value, properties).ok_or(InvalidBaggage(()))?;
        let mut members: Vec<Member> = self.iter().filter(|known| known.key() != key).cloned().collect();
        members.push(member);
        let baggage = Self::of(members);
        if baggage.len() > Self::MAX_MEMBERS || baggage.to_string().len() > Self::MAX_LENGTH {
            return Err(InvalidBaggage(()));
        }
        Ok(baggage)
    }

    /// As [`with`](Self::with), with a pair that stays in the process: it is never sent.
    ///
    /// # Errors
    ///
    /// As [`with`](Self::with).
    pub fn with_local(&self, key: &str, value: &str) -> Result<Self, InvalidBaggage> {
        let member = Member::new(key, value, "").ok_or(InvalidBaggage(()))?;
        let mut members: Vec<Member> = self.iter().filter(|known| known.key() != key).cloned().collect();
        members.push(Member { local: true, ..member });
        let local: usize = members.iter().filter(|member| member.local).map(|m| m.key.len() + m.value.len()).sum();
        if members.len() > Self::MAX_MEMBERS || local > Self::MAX_LENGTH {
            return Err(InvalidBaggage(()));
        }
        Ok(Self::of(members))
    }

    /// The same pairs but for one.
    #[must_use]
    pub fn without(&self, key: &str) -> Self {
        Self::of(self.iter().filter(|member| member.key() != key).cloned().collect())
    }

    fn of(members: Vec<Member>) -> Self {
        Self { members: (!members.is_empty()).then(|| members.into()) }
    }

    /// Whether there is a pair that may be sent.
    pub(crate) fn has_remote(&self) -> bool {
        self.iter().any(|member| !member.local)
    }

    /// The field value to send: whole members in so many bytes, although decoding and encoding may have made what came in
    /// longer; and how many there was no room for.
    pub(crate) fn to_field(&self, most: usize, may_leave: impl Fn(&str) -> bool) -> (String, usize) {
        let (mut text, mut lost) = (String::new(), 0);
        let remote = self.iter().filter(|member| !member.local && may_leave(&member.key));
        for (at, member) in remote.enumerate() {
            let before = text.len();
            let comma = if before == 0 { "" } else { "," };
            let _ = write!(text, "{comma}{member}");
            if text.len() > most || at >= Self::MAX_MEMBERS {
                text.truncate(before);
                lost += 1;
            }
        }
        (text, lost)
    }
}

/// As it is sent: without the pairs that stay in the process.
impl fmt::Display for Baggage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, member) in self.iter().filter(|member| !member.local).enumerate() {
            if at > 0 {
                f.write_char(',')?;
            }
            member.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Baggage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter().map(|member| (member.key(), member.value()))).finish()
    }
}

// === impl Member ===

impl Member {
    /// The key, as it was sent.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The value, decoded.
    #[must_use]
    pub fn value(&self) -> &str {
        &self.value
    }

    /// The properties, each with its value if it has one, as they were sent.
    pub fn properties(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        let parts = self.properties.split(';').map(trim_str).filter(|part| !part.is_empty());
        parts.map(|part| match part.split_once('=') {
            Some((key, value)) => (trim_str(key), Some(trim_str(value))),
            None => (part, None),
        })
    }

    /// Whether the pair stays in the process.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.local
    }

    /// The value as it is sent.
    pub(crate) fn encoded_value(&self) -> impl fmt::Display {
        Encoded(&self.value)
    }

    fn new(key: &str, value: &str, properties: &str) -> Option<Self> {
        let properties = trim_str(properties);
        let fits = is_token(key.as_bytes()) && properties.split(';').all(|p| valid_property(p.as_bytes()));
        fits.then(|| Self { key: key.into(), value: value.into(), properties: properties.into(), local: false })
    }

    /// `key OWS = OWS value *( OWS ; OWS property )`.
    fn parse(text: &[u8]) -> Option<Self> {
        let mut parts = text.splitn(2, |byte| *byte == b';');
        let pair = parts.next()?;
        let properties = trim_blanks(parts.next().unwrap_or_default());
        let equals = pair.iter().position(|byte| *byte == b'=')?;
        let (key, value) = (trim_blanks(&pair[..equals]), trim_blanks(&pair[equals + 1..]));
        let valid = is_token(key)
            && value.iter().all(|byte| is_octet(*byte))
            && properties.split(|byte| *byte == b';').all(valid_property);
        if !valid {
            return None;
        }
        Some(Self {
            key: std::str::from_utf8(key).ok()?.into(),
            value: decode(value).into(),
            properties: std::str::from_utf8(properties).ok()?.into(),
            local: false,
        })
    }
}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.key, self.encoded_value())?;
        if !self.properties.is_empty() {
            write!(f, ";{}", self.properties)?;
        }
        Ok(())
    }
}

/// Percent-encoded.
struct Encoded<'a>(&'a str);

impl fmt::Display for Encoded<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.0.bytes() {
            if is_octet(byte) && byte != b'%' {
                f.write_char(byte.into())?;
            } else {
                write!(f, "%{byte:02X}")?;
            }
        }
        Ok(())
    }
}

// === impl InvalidBaggage ===

impl fmt::Display for InvalidBaggage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("invalid baggage: the key must be a token, and all of it at most 64 members and 8192 bytes")
    }
}

impl std::error::Error for InvalidBaggage {}

/// `OWS key [ OWS = OWS value ]`; an empty one is tolerated.
fn valid_property(text: &[u8]) -> bool {
    let text = trim_blanks(text);
    match text.iter().position(|byte| *byte == b'=') {
        None => text.is_empty() || is_token(text),
        Some(at) => is_token(trim_blanks(&text[..at])) && trim_blanks(&text[at + 1..]).iter().all(|b| is_octet(*b)),
    }
}

/// RFC 7230 `token`.
fn is_token(text: &[u8]) -> bool {
    let tchar = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    !text.is_empty() && text.iter().all(tchar)
}

/// `baggage-octet`: what a value may have on the wire.
pub(crate) fn is_octet(byte: u8) -> bool {
    matches!(byte, 0x21 | 0x23..=0x2b | 0x2d..=0x3a | 0x3c..=0x5b | 0x5d..=0x7e)
}

/// Percent-decoded; a `%` that no two digits follow is literal.
pub(crate) fn decode(value: &[u8]) -> Cow<'_, str> {
    if !value.contains(&b'%') {
        return String::from_utf8_lossy(value);
    }
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value;
    while let [first, after @ ..] = rest {
        match (first, after) {
            (b'%', [high, low, beyond @ ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                bytes.push((digit(*high) << 4) | digit(*low));
                rest = beyond;
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned().into()
}

fn digit(hex: u8) -> u8 {
    match hex {
        b'0'..=b'9' => hex - b'0',
        _ => (hex | 0x20) - b'a' + 10,
    }
}

fn trim_str(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}
