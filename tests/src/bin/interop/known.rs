//! Where an official SDK leaves a format's specification, or has no word for what another says.

use crate::check::{Difference, Point};

/// One such place: whatever else differs is a failure, and so is one of these that no longer differs.
pub(crate) struct Known {
    pub(crate) peer: &'static str,
    pub(crate) format: &'static str,
    pub(crate) at: Point,
    pub(crate) field: &'static str,
    pub(crate) expected: &'static str,
    pub(crate) read: &'static str,
    pub(crate) why: &'static str,
}

// === impl Known ===

impl Known {
    pub(crate) fn covers(&self, peer: &str, format: &str, difference: &Difference) -> bool {
        let Difference { at, field, expected, read } = difference;
        (self.peer, self.format, self.at, self.field) == (peer, format, *at, *field)
            && (self.expected, self.read) == (expected, read)
    }
}

pub(crate) const KNOWN: &[Known] = &[
    Known {
        peer: "js",
        format: "tracecontext",
        at: Point::Peer,
        field: "baggage",
        expected: "k= | l=1",
        read: "l=1",
        why: "it drops members without a value: in W3C baggage a value may be empty",
    },
    Known {
        peer: "python",
        format: "tracecontext",
        at: Point::Peer,
        field: "baggage",
        expected: "k=a+b",
        read: "k=a b",
        why: "it decodes as forms are: in W3C baggage a plus is a plus",
    },
    Known {
        peer: "python",
        format: "tracecontext",
        at: Point::Return,
        field: "baggage",
        expected: "k=a b",
        read: "k=a+b",
        why: "it encodes as forms are: in W3C baggage a plus is no space",
    },
    Known {
        peer: "python",
        format: "jaeger",
        at: Point::Return,
        field: "sampling",
        expected: "accept",
        read: "debug",
        why: "it sets the debug flag wherever it samples",
    },
];
