//! What may be told to one destination, and how much room there is for it.

use std::borrow::Cow;

use super::pairs::Coding;
use super::{Allow, W3C_MEMBER};
use crate::{Baggage, Context, SamplingState, SpanContext, TraceState};

/// One injection: the context, what of it may be told, and the room that is left.
pub(super) struct Outbound<'a> {
    context: &'a Context,
    allow: Allow,
    /// Bytes left for tracestate and for baggage, their fields' names included.
    tracestate_room: usize,
    baggage_room: usize,
    /// The only keys of baggage that may leave, if there are such.
    keys: Option<&'a [Box<str>]>,
    /// Members of tracestate and of baggage that were left out for want of room.
    pub(super) lost: Lost,
}

#[derive(Clone, Copy, Default)]
pub(super) struct Lost {
    pub(super) tracestate: usize,
    pub(super) baggage: usize,
}

// === impl Outbound ===

impl<'a> Outbound<'a> {
    /// Everything that the formats' own limits let through.
    #[inline]
    pub(super) fn new(context: &'a Context, allow: Allow) -> Self {
        Self {
            context,
            allow,
            tracestate_room: usize::MAX,
            baggage_room: usize::MAX,
            keys: None,
            lost: Lost::default(),
        }
    }

    /// With so many bytes for everything but ids. Tracestate goes first; what it leaves is for baggage.
    pub(super) fn within(mut self, room: usize, has_tracestate: bool) -> Self {
        let span = self.span().filter(|_| has_tracestate && self.allow.tracestate);
        let state = span.and_then(|span| tracestate(self.context, span));
        let taken = state.map_or(0, |state| state.as_str().len() + TRACESTATE_NAME);
        self.tracestate_room = room;
        self.baggage_room = room.saturating_sub(taken);
        self
    }

    /// With no other baggage than of these keys.
    pub(super) fn only(mut self, keys: Option<&'a [Box<str>]>) -> Self {
        self.keys = keys;
        self
    }

    #[inline]
    pub(super) fn context(&self) -> &'a Context {
        self.context
    }

    #[inline]
    pub(super) fn allowed(&self) -> Allow {
        self.allow
    }

    #[inline]
    pub(super) fn span(&self) -> Option<SpanContext> {
        self.context.span_context().filter(|_| self.allow.ids)
    }

    /// What is said about sampling, with ids or without; nothing where ids may not be told either.
    #[inline]
    pub(super) fn sampling(&self) -> SamplingState {
        if self.allow.ids { self.context.sampling_state() } else { SamplingState::Defer }
    }

    /// The vendors' entries for a `traceparent` that names this span.
    #[inline]
    pub(super) fn tracestate(&mut self, span: SpanContext) -> Option<Cow<'a, TraceState>> {
        if !self.allow.tracestate {
            return None;
        }
        let state = tracestate(self.context, span)?;
        let room = self.tracestate_room.saturating_sub(TRACESTATE_NAME);
        if state.as_str().len() <= room {
            return Some(state);
        }
        let (state, lost) = state.shortened(room);
        self.lost.tracestate += lost;
        state.map(Cow::Owned)
    }

    /// The pairs as the value of one field whose name has so many bytes, whole members as long as there is room.
    #[inline]
    pub(super) fn baggage_field(&mut self, name: usize) -> Option<Cow<'a, [u8]>> {
        if !self.allow.baggage || !self.context.has_remote_baggage() {
            return None;
        }
        let room = self.baggage_room.saturating_sub(name).min(Baggage::MAX_LENGTH);
        if self.keys.is_none() {
            if let Some(raw) = self.context.unread_baggage().filter(|raw| raw.len() <= room) {
                self.baggage_room = self.baggage_room.saturating_sub(name + raw.len());
                return Some(Cow::Borrowed(raw));
            }
        }
        let keys = self.keys;
        let (text, lost) = self.context.baggage().to_field(room, |key| may_leave(keys, key));
        self.lost.baggage += lost;
        self.baggage_room = self.baggage_room.saturating_sub(if text.is_empty() { 0 } else { name + text.len() });
        (!text.is_empty()).then(|| Cow::Owned(text.into_bytes()))
    }

    /// Shows key and written value of each pair that there is room for; `overhead` are the bytes that it takes besides,
    /// `most` those that all may take.
    pub(super) fn each_pair(&mut self, coding: Coding, overhead: usize, most: usize, mut see: impl FnMut(&str, &str)) {
        if !self.allow.baggage || !self.context.has_remote_baggage() {
            return;
        }
        let mut left = most.min(self.baggage_room);
        let keys = self.keys;
        for (at, member) in self.context.baggage().iter().filter(|member| !member.is_local()).enumerate() {
            if !may_leave(keys, member.key()) {
                continue;
            }
            let written = coding.write(member).filter(|_| at < Baggage::MAX_MEMBERS);
            let size = written.as_ref().map_or(usize::MAX, |value| member.key().len() + value.len() + overhead);
            let Some(value) = written.filter(|_| size <= left) else {
                self.lost.baggage += 1;
                continue;
            };
            left -= size;
            self.baggage_room = self.baggage_room.saturating_sub(size);
            see(member.key(), &value);
        }
    }
}

fn may_leave(keys: Option<&[Box<str>]>, key: &str) -> bool {
    keys.is_none_or(|keys| keys.iter().any(|known| **known == *key))
}

/// The tracestate to send with a span: the context's, and in front what `traceparent` has no bit for.
#[inline]
pub(super) fn tracestate(context: &Context, span: SpanContext) -> Option<Cow<'_, TraceState>> {
    match context.sampling_state() {
        SamplingState::Accept | SamplingState::Deny => context.tracestate().map(Cow::Borrowed),
        SamplingState::Debug => with_own_member(context, "debug", span),
        SamplingState::Defer => with_own_member(context, "defer", span),
    }
}

#[cold]
fn with_own_member<'a>(context: &'a Context, word: &str, span: SpanContext) -> Option<Cow<'a, TraceState>> {
    let value = format!("{word}:{}", span.span_id());
    let state = context.tracestate();
    let made = match state {
        Some(state) => state.insert(W3C_MEMBER, &value),
        None => TraceState::new(W3C_MEMBER, &value),
    };
    made.ok().map(Cow::Owned).or(state.map(Cow::Borrowed))
}

const TRACESTATE_NAME: usize = "tracestate".len();
