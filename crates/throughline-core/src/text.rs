//! Validated field text that many contexts share.

use std::fmt;

#[cfg(feature = "http")]
use {bytes::Bytes, bytes::BytesMut, http::HeaderValue, std::cell::RefCell};

/// Printable ASCII (and tabs) whose clone is one refcount, ready to be a header value where there is `http`.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct SharedText(Inner);

#[cfg(feature = "http")]
type Inner = HeaderValue;
#[cfg(not(feature = "http"))]
type Inner = std::sync::Arc<str>;

#[cfg(feature = "http")]
impl SharedText {
    /// Text of printable ASCII, blanks and tabs, which the caller has checked; nothing for what a field cannot hold.
    pub(crate) fn new(text: &[u8]) -> Option<Self> {
        // Cut from a chunk: a value made of a `Vec` allocates once now and again at its first clone.
        let shared = CHUNK.try_with(|chunk| {
            let mut chunk = chunk.borrow_mut();
            if chunk.capacity() < text.len() {
                *chunk = BytesMut::with_capacity(CHUNK_SIZE.max(text.len()));
            }
            chunk.extend_from_slice(text);
            chunk.split().freeze()
        });
        // Other destructors of an ending thread may run after the chunk's.
        let shared = shared.unwrap_or_else(|_| Bytes::copy_from_slice(text));
        HeaderValue::from_maybe_shared(shared).ok().map(Self)
    }

    pub(crate) fn header(&self) -> &HeaderValue {
        &self.0
    }

    pub(crate) fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }
}

#[cfg(not(feature = "http"))]
impl SharedText {
    pub(crate) fn new(text: &[u8]) -> Option<Self> {
        let visible = text.iter().all(|byte| matches!(byte, b'\t' | 0x20..=0x7e));
        std::str::from_utf8(text).ok().filter(|_| visible).map(|text| Self(text.into()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SharedText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

#[cfg(feature = "http")]
thread_local! {
    static CHUNK: RefCell<BytesMut> = RefCell::new(BytesMut::new());
}

#[cfg(feature = "http")]
const CHUNK_SIZE: usize = 4096;
