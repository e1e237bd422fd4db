//! Lists of texts as the value of one attribute.

use std::borrow::Cow;
use std::fmt;
use std::iter;

/// A borrowed list of texts, the value of an attribute such as `http.request.header.accept`.
///
/// Its elements are bytes that nobody has checked, as headers are; [`texts`](Self::texts) shows them as text.
///
/// ```
/// use throughline_core::{TextList, Value};
///
/// let lines: [&[u8]; 2] = [b"text/html", b"*/*"];
/// let list = TextList::from(&lines[..]);
/// assert_eq!((list.len(), list.iter().next()), (2, Some(lines[0])));
/// assert_eq!(Value::from(list).to_string(), "[text/html, */*]");
/// ```
#[derive(Clone, Copy)]
pub struct TextList<'a>(Elements<'a>);

#[derive(Clone, Copy)]
enum Elements<'a> {
    Bytes(&'a [&'a [u8]]),
    Text(&'a [&'a str]),
    Owned(&'a [Cow<'static, str>]),
    /// Each element behind its length.
    Packed(&'a [u8]),
}

// === impl TextList ===

impl<'a> TextList<'a> {
    /// The elements in order.
    pub fn iter(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let mut rest = self.0;
        iter::from_fn(move || rest.next())
    }

    /// The elements in order; bytes that are no UTF-8 are replaced by U+FFFD.
    pub fn texts(&self) -> impl Iterator<Item = Cow<'a, str>> + use<'a> {
        self.iter().map(String::from_utf8_lossy)
    }

    /// How many elements there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// Whether there is no element.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.iter().next().is_none()
    }

    /// The elements that [`pack`](Self::pack) wrote.
    pub(crate) fn packed(bytes: &'a [u8]) -> Self {
        Self(Elements::Packed(bytes))
    }

    /// How many whole elements at the front fit into so many bytes, and how many bytes they take packed.
    pub(crate) fn fitting(self, most: usize) -> (usize, usize) {
        let (mut count, mut bytes) = (0, 0);
        for element in self.iter() {
            let more = bytes + LENGTH + element.len();
            if more > most {
                break;
            }
            (count, bytes) = (count + 1, more);
        }
        (count, bytes)
    }

    /// Writes so many elements at the front; whether everything was taken.
    pub(crate) fn pack(self, count: usize, mut to: impl FnMut(&[u8]) -> bool) -> bool {
        self.iter().take(count).all(|element| to(&(element.len() as u32).to_le_bytes()) && to(element))
    }
}

impl<'a> Elements<'a> {
    fn next(&mut self) -> Option<&'a [u8]> {
        match self {
            Self::Bytes(list) => split(list).copied(),
            Self::Text(list) => split(list).map(|text| text.as_bytes()),
            Self::Owned(list) => split(list).map(|text| text.as_bytes()),
            Self::Packed(bytes) => {
                let (length, rest) = bytes.split_first_chunk::<LENGTH>()?;
                let (element, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
                *bytes = rest;
                Some(element)
            }
        }
    }
}

fn split<'a, T>(list: &mut &'a [T]) -> Option<&'a T> {
    let (first, rest) = list.split_first()?;
    *list = rest;
    Some(first)
}

impl<'a> From<&'a [&'a [u8]]> for TextList<'a> {
    fn from(list: &'a [&'a [u8]]) -> Self {
        Self(Elements::Bytes(list))
    }
}

impl<'a> From<&'a [&'a str]> for TextList<'a> {
    fn from(list: &'a [&'a str]) -> Self {
        Self(Elements::Text(list))
    }
}

impl<'a> From<&'a [Cow<'static, str>]> for TextList<'a> {
    fn from(list: &'a [Cow<'static, str>]) -> Self {
        Self(Elements::Owned(list))
    }
}

/// Compares the elements.
impl PartialEq for TextList<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl fmt::Display for TextList<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[")?;
        for (at, text) in self.texts().enumerate() {
            f.write_str(if at == 0 { "" } else { ", " })?;
            f.write_str(&text)?;
        }
        f.write_str("]")
    }
}

impl fmt::Debug for TextList<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.texts()).finish()
    }
}

/// Bytes of an element's length.
const LENGTH: usize = size_of::<u32>();
