//! Finished spans by value, many of them.

use std::slice;

use super::FinishedSpan;
use crate::Resource;
use crate::record::{Head, Place, Rare, RawAttribute};

/// Finished spans by value in a few flat vectors: what a sink copies a span into.
///
/// The vectors keep their memory when the buffer is [cleared](Self::clear), so that steady state allocates nothing.
///
/// ```
/// use throughline_core::{Resource, SpanBuffer};
///
/// let mut buffer = SpanBuffer::new();
/// // buffer.push(finished) in a sink; then, on the exporter's thread:
/// let resource = Resource::new("orders");
/// for span in buffer.spans(&resource) {
///     println!("{}", span.name());
/// }
/// buffer.clear();
/// ```
#[derive(Default, Debug)]
pub struct SpanBuffer {
    heads: Vec<Head>,
    attributes: Vec<RawAttribute>,
    text: Vec<u8>,
    rare: Rare,
}

impl SpanBuffer {
    /// An empty buffer; does not allocate.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Copies a span in.
    #[inline]
    pub fn push(&mut self, span: &FinishedSpan<'_>) {
        // As a slice: by value it would be copied twice.
        self.heads.extend_from_slice(slice::from_ref(span.head));
        self.attributes.extend_from_slice(span.attributes);
        if !span.text.is_empty() {
            self.text.extend_from_slice(span.text);
        }
        if !span.tracestate.is_empty() {
            self.text.extend_from_slice(span.tracestate);
        }
        if span.has_rare() {
            self.push_rare(span);
        }
    }

    #[cold]
    fn push_rare(&mut self, span: &FinishedSpan<'_>) {
        self.rare.extend(&span.rare());
    }

    /// The spans in the order in which they came, as those of this resource.
    pub fn spans<'a>(&'a self, resource: &'a Resource) -> impl Iterator<Item = FinishedSpan<'a>> {
        let mut attributes = &self.attributes[..];
        let mut text = &self.text[..];
        let mut place = Place::default();
        self.heads.iter().map(move |head| {
            let span = FinishedSpan {
                head,
                attributes: cut(&mut attributes, head.attributes as usize),
                text: cut(&mut text, head.text as usize),
                tracestate: cut(&mut text, head.tracestate as usize),
                rare: &self.rare,
                place,
                resource,
            };
            if span.has_rare() {
                place = place.after(&span.rare());
            }
            span
        })
    }

    /// How many spans there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.heads.len()
    }

    /// Whether there is no span.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.heads.is_empty()
    }

    /// The bytes that the spans take, without spare capacity.
    #[inline]
    #[must_use]
    pub fn bytes(&self) -> usize {
        size_of_val(&self.heads[..]) + size_of_val(&self.attributes[..]) + self.text.len() + self.rare.bytes()
    }

    /// The bytes of memory that the buffer holds, spare capacity included.
    #[must_use]
    pub fn allocated(&self) -> usize {
        fn of<T>(vec: &Vec<T>) -> usize {
            vec.capacity() * size_of::<T>()
        }
        of(&self.heads) + of(&self.attributes) + of(&self.text) + self.rare.allocated()
    }

    /// Forgets the spans and keeps the memory.
    pub fn clear(&mut self) {
        let Self { heads, attributes, text, rare } = self;
        heads.clear();
        attributes.clear();
        text.clear();
        rare.clear();
    }

    /// Makes room for spans of the usual size.
    pub fn reserve(&mut self, spans: usize) {
        self.heads.reserve(spans);
        self.attributes.reserve(spans * USUAL_ATTRIBUTES);
        self.text.reserve(spans * USUAL_TEXT);
    }
}

fn cut<'a, T>(rest: &mut &'a [T], at: usize) -> &'a [T] {
    let (front, back) = rest.split_at(at.min(rest.len()));
    *rest = back;
    front
}

const USUAL_ATTRIBUTES: usize = 10;
const USUAL_TEXT: usize = 160;
