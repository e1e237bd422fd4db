//! What the callers of a server are believed.

mod border;

pub(crate) use self::border::Border;

/// What the caller of a server is believed.
///
/// | policy | ids and tracestate | sampling | baggage |
/// |---|---|---|---|
/// | [`Trust`](Self::Trust) | believed: the caller is the parent | believed | believed |
/// | [`TrustIdsNotSampling`](Self::TrustIdsNotSampling) | believed: the caller is the parent | decided anew | believed |
/// | [`Link`](Self::Link) | a new trace; its root links to the caller | decided anew | dropped |
/// | [`Ignore`](Self::Ignore) | a new trace | decided anew | dropped |
///
/// Where an outer layer has attached a context, that of a span around the server, say, "a new trace" is one below it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[non_exhaustive]
pub enum Ingress {
    /// The caller is one of us: everything is believed. The default, for an internal network.
    #[default]
    Trust,
    /// The caller is one of us, but does not choose what is recorded here: whether the span is sampled is decided as if
    /// it were a root.
    TrustIdsNotSampling,
    /// The caller is a stranger: its trace is only linked to, for those who can see both. For a public edge.
    Link,
    /// The caller is a stranger, and what it sent is as good as not there.
    Ignore,
}
