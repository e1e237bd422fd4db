//! What a trace is expected to look like.

use std::fmt;

use crate::compare::{self, Expected};
use crate::{ExpectedSpan, Spans};

/// The expected shape of one or several traces; [`shape!`](crate::shape) writes it as a tree.
///
/// ```
/// use throughline_testing::{ExpectedSpan, Shape, shape, tracer};
///
/// let by_hand = Shape::new().root(ExpectedSpan::server("GET /").child(ExpectedSpan::client("GET")));
/// let by_macro = shape!(server "GET /" { client "GET" });
///
/// let (_, spans) = tracer();
/// let error = by_hand.check(&spans).unwrap_err();
/// assert_eq!(error.to_string(), by_macro.check(&spans).unwrap_err().to_string());
/// ```
#[must_use = "a shape does nothing unless checked"]
#[derive(Clone, Debug, Default)]
pub struct Shape {
    pub(crate) parts: Vec<Part>,
    pub(crate) ordered: bool,
    pub(crate) open: bool,
}

/// A root, or the roots of one trace.
#[doc(hidden)]
#[derive(Clone, Debug)]
pub enum Part {
    Root(ExpectedSpan),
    Trace(Shape),
}

/// The spans are not of the expected shape; shows both, side by side.
///
/// `Debug` prints the same text as `Display`, so that `unwrap` shows the trees.
#[derive(Clone, PartialEq, Eq)]
pub struct Mismatch(pub(crate) String);

// === impl Shape ===

impl Shape {
    /// No span at all.
    pub fn new() -> Self {
        Self::default()
    }

    /// One more root: a span without a parent, or whose parent is not among the spans.
    pub fn root(self, root: ExpectedSpan) -> Self {
        self.part(root)
    }

    /// One more trace, whose roots these are.
    ///
    /// As soon as there is one such trace, every other root is expected to be a trace of its own.
    pub fn trace(self, trace: Self) -> Self {
        self.part(trace)
    }

    /// Roots must have started in the order in which they are given; by default in any.
    pub fn ordered(mut self) -> Self {
        self.ordered = true;
        self
    }

    /// There may be more roots than these; by default not.
    pub fn open(mut self) -> Self {
        self.open = true;
        self
    }

    #[doc(hidden)]
    pub fn part(mut self, part: impl Into<Part>) -> Self {
        self.parts.push(part.into());
        self
    }

    /// Compares the spans with the shape. Siblings are paired so that as little as possible is wrong.
    ///
    /// # Errors
    ///
    /// [`Mismatch`], if anything is missing, too many or different.
    pub fn check(&self, spans: &(impl Spans + ?Sized)) -> Result<(), Mismatch> {
        compare::check(&Expected::of_shape(self), &spans.to_spans())
    }

    /// Panics unless the spans are of this shape.
    ///
    /// # Panics
    ///
    /// With the text of [`Mismatch`], if anything is missing, too many or different.
    #[track_caller]
    pub fn assert(&self, spans: &(impl Spans + ?Sized)) {
        if let Err(mismatch) = self.check(spans) {
            panic!("{mismatch}");
        }
    }
}

impl From<ExpectedSpan> for Part {
    fn from(root: ExpectedSpan) -> Self {
        Self::Root(root)
    }
}

impl From<Shape> for Part {
    fn from(trace: Shape) -> Self {
        Self::Trace(trace)
    }
}

// === impl Mismatch ===

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Mismatch {}
