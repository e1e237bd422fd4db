//! What a span is expected to look like.

use throughline_core::{AttributeValue, SpanEnd, SpanKind, Status};

/// An expected span and those below it.
///
/// Kind, name, the number of children and the number of links must be as said. How it ended, its status and its
/// attributes are compared where something is said of them.
#[must_use = "an expected span does nothing unless it is part of a shape"]
#[derive(Clone, Debug)]
pub struct ExpectedSpan {
    pub(crate) kind: SpanKind,
    pub(crate) name: String,
    pub(crate) attributes: Vec<(String, Wanted)>,
    pub(crate) events: Vec<String>,
    pub(crate) end: Option<SpanEnd>,
    pub(crate) status: Option<Status>,
    pub(crate) service: Option<String>,
    pub(crate) links: Vec<ExpectedLink>,
    pub(crate) children: Vec<ExpectedSpan>,
    pub(crate) ordered: bool,
    pub(crate) open: bool,
}

/// An expected link to another span.
#[must_use = "an expected link does nothing unless it is part of a span"]
#[derive(Clone, Debug)]
pub struct ExpectedLink {
    /// Nothing if the span that is linked to is not among the spans.
    pub(crate) to: Option<String>,
    pub(crate) attributes: Vec<(String, Wanted)>,
}

/// What is said of an attribute.
#[derive(Clone, Debug)]
pub(crate) enum Wanted {
    Equal(AttributeValue),
    Present,
    Absent,
}

// === impl ExpectedSpan ===

impl ExpectedSpan {
    /// A span of that kind and name, without links and children.
    pub fn new(kind: SpanKind, name: impl Into<String>) -> Self {
        Self {
            kind,
            name: name.into(),
            attributes: Vec::new(),
            events: Vec::new(),
            end: None,
            status: None,
            service: None,
            links: Vec::new(),
            children: Vec::new(),
            ordered: false,
            open: false,
        }
    }

    /// A span of kind internal.
    pub fn internal(name: impl Into<String>) -> Self {
        Self::new(SpanKind::Internal, name)
    }

    /// A span of kind server.
    pub fn server(name: impl Into<String>) -> Self {
        Self::new(SpanKind::Server, name)
    }

    /// A span of kind client.
    pub fn client(name: impl Into<String>) -> Self {
        Self::new(SpanKind::Client, name)
    }

    /// A span of kind producer.
    pub fn producer(name: impl Into<String>) -> Self {
        Self::new(SpanKind::Producer, name)
    }

    /// A span of kind consumer.
    pub fn consumer(name: impl Into<String>) -> Self {
        Self::new(SpanKind::Consumer, name)
    }

    /// It has an attribute of this value.
    pub fn attribute(self, key: impl Into<String>, value: impl Into<AttributeValue>) -> Self {
        self.wanted(key, Wanted::Equal(value.into()))
    }

    /// It has an attribute of this key, with whatever value.
    pub fn with(self, key: impl Into<String>) -> Self {
        self.wanted(key, Wanted::Present)
    }

    /// It has no attribute of this key.
    pub fn without(self, key: impl Into<String>) -> Self {
        self.wanted(key, Wanted::Absent)
    }

    fn wanted(mut self, key: impl Into<String>, wanted: Wanted) -> Self {
        self.attributes.push((key.into(), wanted));
        self
    }

    /// It has an event of this name.
    pub fn event(mut self, name: impl Into<String>) -> Self {
        self.events.push(name.into());
        self
    }

    /// It ended like this.
    pub fn end(mut self, end: SpanEnd) -> Self {
        self.end = Some(end);
        self
    }

    /// It has this status. An error without a description stands for an error with any.
    pub fn status(mut self, status: Status) -> Self {
        self.status = Some(status);
        self
    }

    /// The service of this name made it.
    pub fn service(mut self, name: impl Into<String>) -> Self {
        self.service = Some(name.into());
        self
    }

    /// One more link.
    pub fn link(mut self, link: ExpectedLink) -> Self {
        self.links.push(link);
        self
    }

    /// One more child.
    pub fn child(mut self, child: Self) -> Self {
        self.children.push(child);
        self
    }

    /// Children must have started in the order in which they are given; by default in any.
    pub fn ordered(mut self) -> Self {
        self.ordered = true;
        self
    }

    /// There may be more children than these; by default not.
    pub fn open(mut self) -> Self {
        self.open = true;
        self
    }
}

// === impl ExpectedLink ===

impl ExpectedLink {
    /// A link to a span of that name.
    pub fn to(name: impl Into<String>) -> Self {
        Self { to: Some(name.into()), attributes: Vec::new() }
    }

    /// A link to a span that is not among the spans: of another service, or never recorded.
    pub fn remote() -> Self {
        Self { to: None, attributes: Vec::new() }
    }

    /// It has an attribute of this value.
    pub fn attribute(self, key: impl Into<String>, value: impl Into<AttributeValue>) -> Self {
        self.wanted(key, Wanted::Equal(value.into()))
    }

    /// It has an attribute of this key, with whatever value.
    pub fn with(self, key: impl Into<String>) -> Self {
        self.wanted(key, Wanted::Present)
    }

    /// It has no attribute of this key.
    pub fn without(self, key: impl Into<String>) -> Self {
        self.wanted(key, Wanted::Absent)
    }

    fn wanted(mut self, key: impl Into<String>, wanted: Wanted) -> Self {
        self.attributes.push((key.into(), wanted));
        self
    }
}
