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
    /// Headers of another format to span context, and back.
    B3E,
    B3I,
    B3MultiE,
    B3MultiI,
    JaegerE,
    JaegerI,
    XRayE,
    XRayI,
    /// Headers of no format, to be read by all formats and by W3C's alone.
    NoneE,
    NoneW3cE,
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

/// What the headers of a workload say a context in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wire {
    B3,
    B3Multi,
    Jaeger,
    XRay,
    /// Nothing, read by every format, or by W3C's.
    None,
    NoneW3c,
}

/// Polls of one W5 task.
pub const POLLS: u32 = 1000;
/// Child spans of one W8 request: five times one inside another.
pub const CHILDREN: u64 = 10;

// === impl Workload ===

impl Workload {
    pub const ALL: [Self; 19] = [
        Self::W1,
        Self::W2,
        Self::W3,
        Self::W4E,
        Self::W4I,
        Self::B3E,
        Self::B3I,
        Self::B3MultiE,
        Self::B3MultiI,
        Self::JaegerE,
        Self::JaegerI,
        Self::XRayE,
        Self::XRayI,
        Self::NoneE,
        Self::NoneW3cE,
        Self::W5,
        Self::W6,
        Self::W8,
        Self::W9,
    ];

    /// The format, if it is another than W3C's.
    pub fn wire(self) -> Option<Wire> {
        Some(match self {
            Self::B3E | Self::B3I => Wire::B3,
            Self::B3MultiE | Self::B3MultiI => Wire::B3Multi,
            Self::JaegerE | Self::JaegerI => Wire::Jaeger,
            Self::XRayE | Self::XRayI => Wire::XRay,
            Self::NoneE => Wire::None,
            Self::NoneW3cE => Wire::NoneW3c,
            _ => return None,
        })
    }

    pub fn is_extract(self) -> bool {
        use Workload as W;
        matches!(self, W::W4E | W::B3E | W::B3MultiE | W::JaegerE | W::XRayE | W::NoneE | W::NoneW3cE)
    }

    pub fn is_inject(self) -> bool {
        matches!(self, Self::W4I | Self::B3I | Self::B3MultiI | Self::JaegerI | Self::XRayI)
    }

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
            Self::B3E => "B3E extract b3",
            Self::B3I => "B3I inject b3",
            Self::B3MultiE => "B3MultiE extract X-B3-…",
            Self::B3MultiI => "B3MultiI inject X-B3-…",
            Self::JaegerE => "JaegerE extract uber-trace-id",
            Self::JaegerI => "JaegerI inject uber-trace-id",
            Self::XRayE => "XRayE extract X-Amzn-Trace-Id",
            Self::XRayI => "XRayI inject X-Amzn-Trace-Id",
            Self::NoneE => "NoneE extract by all formats where there is nothing",
            Self::NoneW3cE => "NoneW3cE extract by W3C's formats where there is nothing",
            Self::W5 => "W5 future wrapper",
            Self::W6 => "W6 spawn and join with the context",
            Self::W8 => "W8 server as W1 and 10 child spans with 2 attributes each",
            Self::W9 => "W9 server as W1, a client span and its context in outgoing headers",
        }
    }

    pub fn unit(self) -> &'static str {
        match self {
            _ if self.is_extract() => "extract",
            _ if self.is_inject() => "inject",
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
