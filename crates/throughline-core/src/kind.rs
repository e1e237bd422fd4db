//! Small vocabulary of spans: kind, status, end, scope, name, suppression key.

use std::borrow::Cow;
use std::fmt;

/// What a span stands for, seen from its service.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum SpanKind {
    /// Work inside the service.
    #[default]
    Internal,
    /// A request that the service answers.
    Server,
    /// A request that the service makes and waits for.
    Client,
    /// A message that the service sends.
    Producer,
    /// A message that the service receives or processes.
    Consumer,
}

/// How a span ended. Every span ends exactly once, by one of these.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum SpanEnd {
    /// The work ran to its end.
    Completed,
    /// The work ran to its end and failed: the status is an error, if the application has not said otherwise.
    Failed,
    /// Whoever waited for the work gave up: its future or body was dropped, its task aborted.
    Cancelled,
    /// The work panicked.
    Panicked,
}

/// What OpenTelemetry's status says of a span.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Status {
    /// Nothing went wrong as far as instrumentation can tell.
    #[default]
    Unset,
    /// The application said that all is well; instrumentation never does.
    Ok,
    /// Something went wrong; the description is empty where a code or `error.type` explains it.
    Error {
        /// For people; never sensitive.
        description: Cow<'static, str>,
    },
}

/// The library that made a span: OpenTelemetry's instrumentation scope.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Scope {
    /// The crate's name.
    pub name: &'static str,
    /// The crate's version.
    pub version: &'static str,
}

/// The name of a span, perhaps in two parts that only the exporter joins.
#[derive(Clone, Copy)]
pub enum SpanName<'a> {
    /// A name known at compile time: `SpanName::Static(&"rebuild index")`.
    Static(&'static &'static str),
    /// A name made at run time.
    Text(&'a str),
    /// `{verb} {target}`, such as `GET /users/{id}`.
    Target {
        /// What is done.
        verb: &'static &'static str,
        /// To what.
        target: &'a str,
    },
}

/// What a span is about, so that an instrumentation inside another of the same kind stays quiet.
///
/// A gRPC client span does not suppress the HTTP client span beneath it; an HTTP client inside another does
/// (OpenTelemetry Java's `SpanSuppressionStrategy.SEMCONV`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
#[non_exhaustive]
pub enum SemanticKey {
    /// An HTTP request that is answered.
    HttpServer,
    /// An HTTP request that is made.
    HttpClient,
    /// A remote procedure call that is answered.
    RpcServer,
    /// A remote procedure call that is made.
    RpcClient,
    /// A database call.
    DbClient,
    /// A message that is created.
    ProducerCreate,
    /// A message that is sent.
    Producer,
    /// Messages that are received.
    ConsumerReceive,
    /// A message that is processed.
    ConsumerProcess,
    /// A message that is acknowledged or rejected.
    ConsumerSettle,
}

/// The [`SemanticKey`]s that are set in a context, as bits.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Suppression(u16);

// === impl SpanName ===

impl<'a> SpanName<'a> {
    /// The name as one text.
    #[must_use]
    pub fn to_text(&self) -> Cow<'a, str> {
        match *self {
            Self::Static(name) => Cow::Borrowed(name),
            Self::Text(name) => Cow::Borrowed(name),
            Self::Target { verb, target } => Cow::Owned(format!("{verb} {target}")),
        }
    }
}

impl<'a> From<&'a str> for SpanName<'a> {
    fn from(name: &'a str) -> Self {
        Self::Text(name)
    }
}

impl<'a> From<&'a String> for SpanName<'a> {
    fn from(name: &'a String) -> Self {
        Self::Text(name)
    }
}

impl fmt::Display for SpanName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Static(name) => f.write_str(name),
            Self::Text(name) => f.write_str(name),
            Self::Target { verb, target } => write!(f, "{verb} {target}"),
        }
    }
}

impl fmt::Debug for SpanName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.to_text(), f)
    }
}

// === impl SpanKind, SpanEnd, Status ===

impl SpanKind {
    /// The kind as OpenTelemetry writes it, in lower case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Internal => "internal",
            Self::Server => "server",
            Self::Client => "client",
            Self::Producer => "producer",
            Self::Consumer => "consumer",
        }
    }

    /// Whether a span of this kind is where a service is entered.
    #[must_use]
    pub const fn is_entry(self) -> bool {
        matches!(self, Self::Server | Self::Consumer)
    }
}

impl SpanEnd {
    /// The end in lower case, as `throughline.outcome` has it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Panicked => "panicked",
        }
    }
}

impl Status {
    /// An error that a code or an `error.type` explains.
    #[must_use]
    pub const fn error() -> Self {
        Self::Error { description: Cow::Borrowed("") }
    }

    /// Whether the status is an error.
    #[must_use]
    pub const fn is_error(&self) -> bool {
        matches!(self, Self::Error { .. })
    }

    /// The status in lower case, without its description.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Unset => "unset",
            Self::Ok => "ok",
            Self::Error { .. } => "error",
        }
    }
}

// === impl Suppression ===

impl Suppression {
    pub(crate) const NONE: Self = Self(0);
    /// Everything: what an exporter's own calls run under.
    pub(crate) const ALL: Self = Self(u16::MAX);

    pub(crate) const fn has(self, key: SemanticKey) -> bool {
        self.0 & (1 << key as u8) != 0
    }

    pub(crate) const fn is_all(self) -> bool {
        self.0 == u16::MAX
    }

    /// What is left of it below a span of this kind, as a mask: what a caller was doing says nothing about the one who
    /// answers, and the one who is called may be in this process.
    pub(crate) const fn kept_below(kind: SpanKind) -> Self {
        match kind {
            SpanKind::Internal => Self::ALL,
            SpanKind::Server | SpanKind::Consumer => Self::NONE,
            SpanKind::Client | SpanKind::Producer => Self(!Self::ENTRIES),
        }
    }

    /// What there is below a span; the caller has seen to [`ALL`](Self::ALL).
    #[inline(always)]
    pub(crate) const fn below(self, kept: Self, added: Self) -> Self {
        Self((self.0 & kept.0) | added.0)
    }

    const ENTRIES: u16 = Self::NONE
        .with(Some(SemanticKey::HttpServer))
        .with(Some(SemanticKey::RpcServer))
        .with(Some(SemanticKey::ConsumerReceive))
        .with(Some(SemanticKey::ConsumerProcess))
        .0;

    pub(crate) const fn with(self, key: Option<SemanticKey>) -> Self {
        match key {
            Some(key) => Self(self.0 | (1 << key as u8)),
            None => self,
        }
    }
}
