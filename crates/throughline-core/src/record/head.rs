//! What every span has, whatever is written to it.

use std::time::Instant;

use super::{RawName, StatusCode, Text};
use crate::clock::Anchor;
use crate::{Scope, SemanticKey, SpanEnd, SpanId, SpanKind, TraceFlags, TraceId};

/// What every span has, by value. 128 bytes, which are copied without a call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head {
    pub(crate) trace_id: TraceId,
    pub(crate) span_id: SpanId,
    pub(crate) parent: Option<SpanId>,
    pub(crate) start: Instant,
    pub(crate) end: Instant,
    pub(crate) name: RawName,
    pub(crate) scope: &'static Scope,
    pub(crate) description: Text,
    pub(crate) attributes: u32,
    pub(crate) text: u32,
    pub(crate) tracestate: u32,
    pub(crate) anchor: Anchor,
    pub(crate) sort: Sort,
    pub(crate) flags: TraceFlags,
    pub(crate) parent_remote: bool,
    pub(crate) outcome: SpanEnd,
    pub(crate) tally: Tally,
}

/// What a span is about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sort {
    pub(crate) kind: SpanKind,
    pub(crate) key: Option<SemanticKey>,
}

/// What is zero in a span that nobody has written to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tally {
    pub(crate) events: u16,
    pub(crate) links: u16,
    pub(crate) dropped_attributes: u16,
    pub(crate) dropped_events: u16,
    pub(crate) dropped_links: u16,
    pub(crate) status: StatusCode,
    pub(crate) name_rank: u8,
}

// === impl Head, Tally ===

impl Head {
    /// The head of a cell that no span has used yet.
    pub(crate) fn unused() -> Self {
        UNUSED.with(|head| *head)
    }

    fn empty() -> Self {
        let now = Instant::now();
        let (trace_id, span_id) = (TraceId::from_u128(1), SpanId::from_u64(1));
        let (Some(trace_id), Some(span_id)) = (trace_id, span_id) else { unreachable!("one is not zero") };
        Self {
            trace_id,
            span_id,
            parent: None,
            start: now,
            end: now,
            name: RawName::NONE,
            scope: &NOBODY,
            description: Text::default(),
            attributes: 0,
            text: 0,
            tracestate: 0,
            anchor: Anchor::default(),
            sort: Sort { kind: SpanKind::Internal, key: None },
            flags: TraceFlags::NONE,
            parent_remote: false,
            outcome: SpanEnd::Cancelled,
            tally: Tally::ZERO,
        }
    }
}

impl Tally {
    pub(crate) const ZERO: Self = Self {
        events: 0,
        links: 0,
        dropped_attributes: 0,
        dropped_events: 0,
        dropped_links: 0,
        status: StatusCode::Unset,
        name_rank: 0,
    };
}

thread_local! {
    /// Made once per thread: `Instant`s cannot be made in a constant.
    static UNUSED: Head = Head::empty();
}

static NOBODY: Scope = Scope { name: "", version: "" };

const _: () = assert!(size_of::<Head>() <= 128);
