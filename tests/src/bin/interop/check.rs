//! Compares what one side read with what the other wrote.

use std::fmt;

use throughline::{SpanData, SpanKind};

use crate::cases::Case;
use crate::facts::Facts;
use crate::peer::PeerAnswer;
use crate::service::{Arrival, Round};

/// Where something is read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Point {
    /// By us, from the headers of the table.
    Arrival,
    /// By our layers, which make spans of it.
    Spans,
    /// By the peer, from what we sent.
    Peer,
    /// By us, from what the peer sent.
    Return,
}

/// One fact that did not arrive.
#[derive(PartialEq, Eq, Debug)]
pub(crate) struct Difference {
    pub(crate) at: Point,
    pub(crate) field: &'static str,
    pub(crate) expected: String,
    pub(crate) read: String,
}

/// Collects differences.
struct Check<'a> {
    case: &'a Case,
    peer: &'a str,
    found: Vec<Difference>,
}

/// A round that began with headers. The ids are those of our CLIENT spans.
pub(crate) fn round(case: &Case, peer: &str, round: &Round, clients: &[String], spans: &[SpanData]) -> Vec<Difference> {
    let mut check = Check { case, peer, found: Vec::new() };
    let Round { arrival, peer: answer } = round;
    check.facts(Point::Arrival, case.facts.clone(), &arrival.extracted);

    let mut ours = case.facts.clone();
    ours.sampling = decided(&ours.sampling).to_owned();
    ours.span_id.clone_from(&arrival.server.span_id);
    if ours.trace_id.is_empty() {
        ours.trace_id.clone_from(&arrival.server.trace_id);
    }
    check.facts(Point::Spans, ours.clone(), &arrival.server);

    ours.span_id = clients.join(" and ");
    if let Some(extracted) = &answer.extracted {
        check.facts(Point::Peer, check.told(check.carried(ours)), &extracted.facts());
        check.same(Point::Peer, "remote", "true", &extracted.is_remote().to_string());
        check.same(Point::Peer, "trace id of its spans", &extracted.facts().trace_id, &answer.server.facts().trace_id);
    }
    check.back(answer);

    let parent = &case.facts.span_id;
    check.server(spans, arrival, parent);
    if is_sampled(&arrival.server) {
        let client = spans.iter().find(|span| span.kind == SpanKind::Client);
        let parent = client.and_then(|span| span.parent_span_id).map(|id| id.to_string());
        check.same(Point::Spans, "parent of the CLIENT span", &arrival.server.span_id, &parent.unwrap_or_default());
    }
    check.server(spans, &answer.back, &answer.back.extracted.span_id);
    check.same(Point::Spans, "number", &recorded(round).to_string(), &spans.len().to_string());
    check.found
}

/// A trace that the peer started.
pub(crate) fn start(case: &Case, peer: &str, answer: &PeerAnswer, spans: &[SpanData]) -> Vec<Difference> {
    let mut check = Check { case, peer, found: Vec::new() };
    let mut theirs = case.facts.clone();
    let told = answer.client.facts();
    (theirs.trace_id, theirs.span_id) = (told.trace_id.clone(), told.span_id.clone());
    // Else the peer was not told what the table says.
    check.facts(Point::Peer, theirs, &told);
    check.back(answer);
    check.server(spans, &answer.back, &answer.back.extracted.span_id);
    check.same(
        Point::Spans,
        "number",
        &usize::from(is_sampled(&answer.back.server)).to_string(),
        &spans.len().to_string(),
    );
    check.found
}

/// How many spans of ours are recorded in a round.
pub(crate) fn recorded(round: &Round) -> usize {
    let here = if is_sampled(&round.arrival.server) { 2 } else { 0 };
    here + usize::from(is_sampled(&round.peer.back.server))
}

pub(crate) fn is_sampled(server: &Facts) -> bool {
    matches!(&*server.sampling, "accept" | "debug")
}

// === impl Check ===

impl Check<'_> {
    /// What we read of what the peer sent, and made of it.
    fn back(&mut self, answer: &PeerAnswer) {
        let sent = self.carried(answer.client.facts());
        self.facts(Point::Return, sent, &answer.back.extracted);
        let extracted = &answer.back.extracted;
        let expected = Facts { sampling: decided(&extracted.sampling).to_owned(), ..extracted.clone() };
        let read = Facts { span_id: expected.span_id.clone(), ..answer.back.server.clone() };
        self.facts(Point::Spans, expected, &read);
    }

    /// Our SERVER span, if it was recorded, is a child of the caller's.
    fn server(&mut self, spans: &[SpanData], arrival: &Arrival, parent: &str) {
        if !is_sampled(&arrival.server) {
            return;
        }
        let span = spans.iter().find(|span| span.span_context.span_id().to_string() == arrival.server.span_id);
        let read = span.and_then(|span| span.parent_span_id).map(|id| id.to_string());
        self.same(Point::Spans, "parent of the SERVER span", parent, &read.unwrap_or_default());
        let remote = span.is_some_and(|span| span.parent_is_remote);
        self.same(Point::Spans, "parent is remote", &(!parent.is_empty()).to_string(), &remote.to_string());
    }

    /// What the format can say of it.
    fn carried(&self, mut facts: Facts) -> Facts {
        if self.case.format != "tracecontext" {
            facts.tracestate.clear();
        }
        if self.case.format == "ottrace" && facts.trace_id.len() == 32 {
            // 64 bits are sent.
            facts.trace_id.replace_range(..16, "0000000000000000");
        }
        facts
    }

    /// What the peer's SDK can say of it.
    fn told(&self, mut facts: Facts) -> Facts {
        let knows_debug = self.peer == "js" && self.case.format.starts_with("b3");
        if facts.sampling == "debug" && !knows_debug {
            "accept".clone_into(&mut facts.sampling);
        }
        facts
    }

    #[expect(clippy::needless_pass_by_value, reason = "the callers make it for this")]
    fn facts(&mut self, at: Point, expected: Facts, read: &Facts) {
        for ((field, expected), (_, read)) in expected.fields().into_iter().zip(read.fields()) {
            self.same(at, field, &expected, &read);
        }
    }

    fn same(&mut self, at: Point, field: &'static str, expected: &str, read: &str) {
        if expected != read {
            self.found.push(Difference { at, field, expected: expected.to_owned(), read: read.to_owned() });
        }
    }
}

// === impl Point ===

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Arrival => "read by us at first",
            Self::Spans => "our spans",
            Self::Peer => "read by the peer",
            Self::Return => "read by us from the peer",
        })
    }
}

// === impl Difference ===

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, field, expected, read } = self;
        write!(f, "{at}: {field}: expected {expected:?}, is {read:?}")
    }
}

/// Where nobody has decided, we do: every trace is recorded.
fn decided(sampling: &str) -> &str {
    if sampling == "defer" { "accept" } else { sampling }
}
