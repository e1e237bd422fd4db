//! The few attributes of a span that its metrics have.

use throughline_core::{AttributeVisitor, Key, Value};

/// Which attributes an instrument has, as bits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Choice(u16);

/// The chosen attributes of one request, copied: what a visitor is shown does not outlive its call.
pub(super) struct Chosen {
    /// What is still to be found; what was found.
    wanted: Choice,
    found: Choice,
    values: [Copied; KEYS.len()],
    text: Text,
}

#[derive(Clone, Copy)]
enum Copied {
    Bool(bool),
    Int(i64),
    F64(f64),
    Static(&'static &'static str),
    Text(u32, u32),
}

/// Room for the texts, on the stack as far as it goes.
struct Text {
    near: [u8; ROOM],
    used: usize,
    /// Everything from the first text on that found no room.
    far: Vec<u8>,
}

// === impl Choice ===

impl Choice {
    pub(super) const NONE: Self = Self(0);
    pub(super) const ADDRESS: Self = Self(1 << SERVER_ADDRESS | 1 << SERVER_PORT);
    pub(super) const SERVER_ACTIVE: Self = Self(1 << METHOD | 1 << SCHEME);
    pub(super) const CLIENT_ACTIVE: Self = Self(1 << METHOD | 1 << SCHEME | 1 << TEMPLATE).and(Self::ADDRESS);
    pub(super) const SERVER_DURATION: Self =
        Self(1 << ROUTE | 1 << SYNTHETIC).and(Self::SERVER_ACTIVE).and(Self::RESPONSE);
    pub(super) const CLIENT_DURATION: Self = Self::CLIENT_ACTIVE.and(Self::RESPONSE);
    const RESPONSE: Self =
        Self(1 << ERROR_TYPE | 1 << STATUS_CODE | 1 << PROTOCOL_NAME | 1 << PROTOCOL_VERSION).and(Self::SIZES);
    const SIZES: Self = Self(1 << REQUEST_SIZE | 1 << RESPONSE_SIZE);

    pub(super) const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    const fn has(self, at: usize) -> bool {
        self.0 & 1 << at != 0
    }
}

// === impl Chosen ===

impl Chosen {
    /// Nothing yet.
    #[inline]
    pub(super) fn new(wanted: Choice) -> Self {
        Self {
            wanted,
            found: Choice::NONE,
            values: [Copied::Int(0); KEYS.len()],
            text: Text { near: [0; ROOM], used: 0, far: Vec::new() },
        }
    }

    /// Shows the attributes by which series are told apart, always in the same order.
    #[inline]
    pub(super) fn show<R>(&self, to: impl FnOnce(&[(Key<'_>, Value<'_>)]) -> R) -> R {
        let mut shown = [(Key::new(""), Value::Bool(false)); LABELS];
        let mut count = 0;
        let mut rest = self.found.without(Choice::SIZES).0;
        while rest != 0 {
            let at = rest.trailing_zeros() as usize;
            rest &= rest - 1;
            shown[count] = (Key::new(KEYS[at]), self.value(self.values[at]));
            count += 1;
        }
        to(&shown[..count])
    }

    pub(super) fn request_size(&self) -> Option<f64> {
        self.size(REQUEST_SIZE)
    }

    pub(super) fn response_size(&self) -> Option<f64> {
        self.size(RESPONSE_SIZE)
    }

    fn size(&self, at: usize) -> Option<f64> {
        match self.values[at] {
            Copied::Int(bytes @ 0..) if self.found.has(at) => Some(bytes as f64),
            _ => None,
        }
    }

    #[inline(never)]
    fn take(&mut self, at: usize, value: Value<'_>) {
        let mut copy = |text: &[u8]| {
            let (start, end) = self.text.push(text);
            Copied::Text(start as u32, end as u32)
        };
        self.values[at] = match value {
            Value::Str(text) => copy(text.as_bytes()),
            Value::Bytes(bytes) => copy(bytes),
            Value::Static(text) => Copied::Static(text),
            Value::Bool(value) => Copied::Bool(value),
            Value::Int(value) => Copied::Int(value),
            Value::F64(value) => Copied::F64(value),
            _ => return,
        };
        let this = Choice(1 << at);
        (self.wanted, self.found) = (self.wanted.without(this), self.found.and(this));
    }

    #[inline]
    fn value(&self, copied: Copied) -> Value<'_> {
        match copied {
            Copied::Bool(value) => Value::Bool(value),
            Copied::Int(value) => Value::Int(value),
            Copied::F64(value) => Value::F64(value),
            Copied::Static(text) => Value::Static(text),
            Copied::Text(start, end) => Value::Bytes(self.text.get(start as usize, end as usize)),
        }
    }
}

impl AttributeVisitor for Chosen {
    #[inline]
    fn attribute(&mut self, key: Key<'_>, value: Value<'_>) {
        // Of two with one key the first counts: it is the one that a span shows.
        if self.wanted.0 == 0 {
            return;
        }
        if let Some(at) = position(key.as_str()).filter(|at| self.wanted.has(*at)) {
            self.take(at, value);
        }
    }
}

// === impl Text ===

impl Text {
    fn push(&mut self, text: &[u8]) -> (usize, usize) {
        if self.far.is_empty() {
            let start = self.used;
            if let Some(room) = self.near.get_mut(start..start + text.len()) {
                room.copy_from_slice(text);
                self.used += text.len();
                return (start, self.used);
            }
        }
        let start = ROOM + self.far.len();
        self.far.extend_from_slice(text);
        (start, ROOM + self.far.len())
    }

    fn get(&self, start: usize, end: usize) -> &[u8] {
        match start.checked_sub(ROOM) {
            Some(start) => self.far.get(start..end - ROOM).unwrap_or_default(),
            None => self.near.get(start..end).unwrap_or_default(),
        }
    }
}

/// Where the key is in [`KEYS`]. By its length first: most of a span's attributes are none of these. Then by literals,
/// which the compiler compares in a few words.
#[inline]
fn position(key: &str) -> Option<usize> {
    let (at, is_it) = match key.len() {
        10 if key == "url.scheme" => (SCHEME, true),
        10 if key == "http.route" => (ROUTE, true),
        10 => (ERROR_TYPE, key == "error.type"),
        11 => (SERVER_PORT, key == "server.port"),
        12 => (TEMPLATE, key == "url.template"),
        14 => (SERVER_ADDRESS, key == "server.address"),
        19 => (METHOD, key == "http.request.method"),
        21 => (PROTOCOL_NAME, key == "network.protocol.name"),
        22 => (REQUEST_SIZE, key == "http.request.body.size"),
        23 => (RESPONSE_SIZE, key == "http.response.body.size"),
        24 => (PROTOCOL_VERSION, key == "network.protocol.version"),
        25 if key == "http.response.status_code" => (STATUS_CODE, true),
        25 => (SYNTHETIC, key == "user_agent.synthetic.type"),
        _ => return None,
    };
    is_it.then_some(at)
}

/// In alphabetical order, which metrics libraries sort by; the sizes, which are no labels, at the end.
const KEYS: [&str; 13] = [
    "error.type",
    "http.request.method",
    "http.response.status_code",
    "http.route",
    "network.protocol.name",
    "network.protocol.version",
    "server.address",
    "server.port",
    "url.scheme",
    "url.template",
    "user_agent.synthetic.type",
    "http.request.body.size",
    "http.response.body.size",
];

const ERROR_TYPE: usize = 0;
const METHOD: usize = 1;
const STATUS_CODE: usize = 2;
const ROUTE: usize = 3;
const PROTOCOL_NAME: usize = 4;
const PROTOCOL_VERSION: usize = 5;
const SERVER_ADDRESS: usize = 6;
const SERVER_PORT: usize = 7;
const SCHEME: usize = 8;
const TEMPLATE: usize = 9;
const SYNTHETIC: usize = 10;
const REQUEST_SIZE: usize = 11;
const RESPONSE_SIZE: usize = 12;

/// How many of [`KEYS`] tell series apart.
const LABELS: usize = REQUEST_SIZE;

const ROOM: usize = 512;

#[cfg(test)]
mod tests {
    use throughline_core::Attributes as _;

    use super::*;

    #[test]
    fn every_key_is_found() {
        for (at, key) in KEYS.iter().enumerate() {
            assert_eq!(position(key), Some(at), "{key}");
        }
        assert!(KEYS[..LABELS].is_sorted());
    }

    #[test]
    fn texts_that_find_no_room_are_kept_all_the_same() {
        for length in [0, 1, ROOM - 10, ROOM, 3 * ROOM] {
            let (route, kind) = ("r".repeat(length), "e".repeat(200));
            let given = [
                (Key::new("http.route"), Value::Str(&route)),
                (Key::new("error.type"), Value::Bytes(kind.as_bytes())),
                (Key::new("url.scheme"), Value::Str("https")),
                (Key::new("url.scheme"), Value::Str("a second one")),
                (Key::new("url.path"), Value::Str("not chosen")),
            ];
            let visit = |visitor: &mut dyn AttributeVisitor| given.visit(visitor);
            let mut chosen = Chosen::new(Choice::SERVER_DURATION);
            visit(&mut chosen);
            chosen.show(|attributes| {
                let texts: Vec<_> = attributes.iter().filter_map(|(_, value)| value.as_text()).collect();
                assert_eq!(texts, [&*kind, &*route, "https"], "{length}");
            });
        }
    }
}
