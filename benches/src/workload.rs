//! What is measured.

/// A workload that runs in this process; W7, over sockets, is in `loopback`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Workload {
    /// Server, sampled traceparent, tracestate of two members.
    W1,
    /// Server, the same with flags 00.
    W2,
    /// Server, no traceparent: a new root.
    W3,
    /// Headers to span context.
    W4E,
    /// Span context to headers.
    W4I,
    /// One task polled [`POLLS`] times under the wrapper.
    W5,
    /// `tokio::spawn` and join of a trivial future that carries the context.
    W6,
    /// Server as W1, and [`CHILDREN`] child spans with two attributes each.
    W8,
    /// Server as W1, and a client span whose context goes into outgoing headers: the whole path of a request.
    W9,
}

/// What `GET /users/{id}` does before it answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Handler {
    Plain,
    Children,
    Outgoing,
}

/// Polls of one W5 task.
pub const POLLS: u32 = 1000;
/// Child spans of one W8 request: five times one inside another.
pub const CHILDREN: u64 = 10;

// === impl Workload ===

impl Workload {
    pub const ALL: [Self; 9] =
        [Self::W1, Self::W2, Self::W3, Self::W4E, Self::W4I, Self::W5, Self::W6, Self::W8, Self::W9];

    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|workload| format!("{workload:?}").eq_ignore_ascii_case(name))
    }

    pub fn title(self) -> &'static str {
        match self {
            Self::W1 => "W1 server, sampled traceparent and tracestate",
            Self::W2 => "W2 server, unsampled traceparent",
            Self::W3 => "W3 server, no traceparent",
            Self::W4E => "W4E extract traceparent and tracestate from a HeaderMap",
            Self::W4I => "W4I inject traceparent and tracestate into a HeaderMap",
            Self::W5 => "W5 future wrapper",
            Self::W6 => "W6 spawn and join with the context",
            Self::W8 => "W8 server as W1 and 10 child spans with 2 attributes each",
            Self::W9 => "W9 server as W1, a client span and its context in outgoing headers",
        }
    }

    pub fn unit(self) -> &'static str {
        match self {
            Self::W4E => "extract",
            Self::W4I => "inject",
            Self::W5 => "poll",
            Self::W6 => "spawn",
            _ => "request",
        }
    }

    /// Units in one iteration.
    pub fn units(self) -> u64 {
        if self == Self::W5 { POLLS.into() } else { 1 }
    }

    /// Iterations between two flushes: so few that no row's default queue, 2048 spans, overflows.
    pub fn chunk(self) -> u64 {
        match self {
            Self::W8 => 100,
            Self::W5 => 10,
            Self::W9 => 500,
            _ => 1000,
        }
    }

    pub fn is_server(self) -> bool {
        matches!(self, Self::W1 | Self::W2 | Self::W3 | Self::W8 | Self::W9)
    }

    pub fn handler(self) -> Handler {
        match self {
            Self::W8 => Handler::Children,
            Self::W9 => Handler::Outgoing,
            _ => Handler::Plain,
        }
    }
}
