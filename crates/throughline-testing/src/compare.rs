//! Pairs expected with actual spans and says what differs.

use std::collections::HashSet;

use throughline_core::SpanData;

use crate::differences::Differences;
use crate::expected::ExpectedSpan;
use crate::forest::{Actual, Index, by_trace, forest};
use crate::pairing::{self, Costs};
use crate::render;
use crate::shape::{Mismatch, Part, Shape};

/// An expected span with its children; without a span it is what holds the roots, or the roots of one trace.
#[derive(Clone, Debug)]
pub(crate) struct Expected<'a> {
    pub(crate) span: Option<&'a ExpectedSpan>,
    pub(crate) children: Vec<Expected<'a>>,
    pub(crate) size: usize,
    ordered: bool,
    open: bool,
    /// Below the root: whether roots are gathered into traces.
    traces: bool,
}

/// A line of both trees; what stands on one side only has nothing on the other.
#[derive(Clone, Debug)]
pub(crate) struct Pair<'a> {
    pub(crate) expected: Option<Expected<'a>>,
    pub(crate) actual: Option<Actual<'a>>,
    pub(crate) differences: Vec<String>,
    pub(crate) children: Vec<Pair<'a>>,
    cost: i64,
}

/// Whether the spans are as expected.
pub(crate) fn check(expected: &Expected<'_>, spans: &[SpanData]) -> Result<(), Mismatch> {
    let index = Index::new(spans);
    let mut actual = forest(spans, &index);
    if expected.traces {
        actual = by_trace(actual);
    }
    let mut all = Pair::compare(expected, &actual, &index);
    let mut ids = HashSet::new();
    for span in spans {
        let (trace, id) = (span.span_context.trace_id(), span.span_context.span_id());
        if !ids.insert((trace, id)) {
            all.differences.push(format!("span {id} of trace {trace} arrived twice"));
        }
    }
    let same = all.cost == 0 && all.differences.is_empty();
    if same { Ok(()) } else { Err(Mismatch(render::mismatch(&all, &index))) }
}

// === impl Expected ===

impl<'a> Expected<'a> {
    pub(crate) fn of_shape(shape: &'a Shape) -> Self {
        let traces = shape.parts.iter().any(|part| matches!(part, Part::Trace(_)));
        let children = shape.parts.iter().map(|part| match part {
            Part::Trace(trace) => Self::of_shape(trace),
            Part::Root(root) if traces => Self::new(None, vec![Self::of_span(root)], false, false),
            Part::Root(root) => Self::of_span(root),
        });
        Self { traces, ..Self::new(None, children.collect(), shape.ordered, shape.open) }
    }

    fn of_span(span: &'a ExpectedSpan) -> Self {
        let children = span.children.iter().map(Self::of_span).collect();
        Self::new(Some(span), children, span.ordered, span.open)
    }

    fn new(span: Option<&'a ExpectedSpan>, children: Vec<Self>, ordered: bool, open: bool) -> Self {
        let size = 1 + children.iter().map(|child| child.size).sum::<usize>();
        Self { span, children, size, ordered, open, traces: false }
    }
}

// === impl Pair ===

impl<'a> Pair<'a> {
    fn compare(expected: &Expected<'a>, actual: &Actual<'a>, index: &Index<'_>) -> Self {
        let mut differences = Differences::default();
        if let (Some(expected), Some(actual)) = (expected.span, actual.span) {
            differences.of_span(expected, actual, index);
        }
        let children = pair_children(expected, actual, index);
        let cost = differences.cost + children.iter().map(|child| child.cost).sum::<i64>();
        Self {
            expected: Some(expected.clone()),
            actual: Some(actual.clone()),
            differences: differences.texts,
            children,
            cost,
        }
    }

    fn missing(expected: &Expected<'a>) -> Self {
        let children = expected.children.iter().map(Self::missing).collect();
        let differences = vec!["it is missing".to_owned()];
        let cost = ABSENT * expected.size as i64;
        Self { expected: Some(expected.clone()), actual: None, differences, children, cost }
    }

    /// What nobody expected; where more is allowed that is no difference.
    fn unexpected(actual: &Actual<'a>, allowed: bool) -> Self {
        let children = actual.children.iter().map(|child| Self::unexpected(child, allowed)).collect();
        let differences = if allowed { Vec::new() } else { vec!["it is not expected".to_owned()] };
        let cost = if allowed { 0 } else { ABSENT * actual.size as i64 };
        Self { expected: None, actual: Some(actual.clone()), differences, children, cost }
    }
}

fn pair_children<'a>(expected: &Expected<'a>, actual: &Actual<'a>, index: &Index<'_>) -> Vec<Pair<'a>> {
    let compared: Vec<Vec<Pair<'a>>> = expected
        .children
        .iter()
        .map(|expected| actual.children.iter().map(|actual| Pair::compare(expected, actual, index)).collect())
        .collect();
    let missing: Vec<_> = expected.children.iter().map(Pair::missing).collect();
    let unexpected: Vec<_> = actual.children.iter().map(|child| Pair::unexpected(child, expected.open)).collect();
    let cost = |pairs: &[Pair<'_>]| pairs.iter().map(|pair| pair.cost).collect::<Vec<_>>();
    let paired = compared.iter().map(|row| cost(row)).collect();
    let costs = Costs { paired, missing: cost(&missing), unexpected: cost(&unexpected) };
    let choice = if expected.ordered { pairing::in_order(&costs) } else { pairing::in_any_order(&costs) };
    let mut pairs = Vec::new();
    for (row, column) in choice {
        pairs.push(match (row, column) {
            (Some(row), Some(column)) => compared[row][column].clone(),
            (Some(row), None) => missing[row].clone(),
            (None, Some(column)) => unexpected[column].clone(),
            (None, None) => continue,
        });
    }
    pairs
}

/// A span that is missing or too many costs more than one that differs in a few details.
const ABSENT: i64 = 8;
