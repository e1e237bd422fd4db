//! Pairs expected with actual spans and says what differs.

use std::collections::HashSet;

use throughline_core::{AttributeValue, LinkData, SpanData, Status};

use crate::assignment::assign;
use crate::forest::{Actual, Index, by_trace, forest};
use crate::render;
use crate::shape::{ExpectedLink, ExpectedSpan, Mismatch, Part, Shape, Wanted};

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
        let size = usize::from(span.is_some()) + children.iter().map(|child| child.size).sum::<usize>();
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
    let choose = if expected.ordered { in_order } else { in_any_order };
    let mut pairs = Vec::new();
    for (row, column) in choose(&compared, &missing, &unexpected) {
        pairs.push(match (row, column) {
            (Some(row), Some(column)) => compared[row][column].clone(),
            (Some(row), None) => missing[row].clone(),
            (None, Some(column)) => unexpected[column].clone(),
            (None, None) => continue,
        });
    }
    pairs
}

type Choice = Vec<(Option<usize>, Option<usize>)>;

/// Every expected one in its order, then what is left.
fn in_any_order(compared: &[Vec<Pair<'_>>], missing: &[Pair<'_>], unexpected: &[Pair<'_>]) -> Choice {
    let (rows, columns) = (missing.len(), unexpected.len());
    let size = rows.max(columns);
    let cost = |row: usize, column: usize| match (row < rows, column < columns) {
        (true, true) => compared[row][column].cost,
        (true, false) => missing[row].cost,
        (false, true) => unexpected[column].cost,
        (false, false) => 0,
    };
    let costs: Vec<Vec<i64>> = (0..size).map(|row| (0..size).map(|column| cost(row, column)).collect()).collect();
    let assigned = assign(&costs);
    let mut choice: Choice =
        (0..rows).map(|row| (Some(row), Some(assigned[row]).filter(|column| *column < columns))).collect();
    let mut left: Vec<usize> = (rows..size).map(|row| assigned[row]).filter(|column| *column < columns).collect();
    left.sort_unstable();
    choice.extend(left.into_iter().map(|column| (None, Some(column))));
    choice
}

/// Both in their order: the alignment that costs least.
fn in_order(compared: &[Vec<Pair<'_>>], missing: &[Pair<'_>], unexpected: &[Pair<'_>]) -> Choice {
    let (rows, columns) = (missing.len(), unexpected.len());
    // From the end: what the rest costs, and the first step to take.
    let mut best = vec![vec![(0_i64, (None, None)); columns + 1]; rows + 1];
    for row in (0..=rows).rev() {
        for column in (0..=columns).rev() {
            let mut steps = Vec::new();
            if row < rows && column < columns {
                steps.push((compared[row][column].cost + best[row + 1][column + 1].0, (Some(row), Some(column))));
            }
            if row < rows {
                steps.push((missing[row].cost + best[row + 1][column].0, (Some(row), None)));
            }
            if column < columns {
                steps.push((unexpected[column].cost + best[row][column + 1].0, (None, Some(column))));
            }
            if let Some(step) = steps.into_iter().min_by_key(|(cost, _)| *cost) {
                best[row][column] = step;
            }
        }
    }
    let (mut row, mut column, mut choice) = (0, 0, Vec::new());
    while row < rows || column < columns {
        let (_, step) = best[row][column];
        row += usize::from(step.0.is_some());
        column += usize::from(step.1.is_some());
        choice.push(step);
    }
    choice
}

// === what differs between two spans ===

#[derive(Default)]
struct Differences {
    texts: Vec<String>,
    cost: i64,
}

impl Differences {
    fn add(&mut self, cost: i64, text: String) {
        self.cost += cost;
        self.texts.push(text);
    }

    fn of_span(&mut self, expected: &ExpectedSpan, actual: &SpanData, index: &Index<'_>) {
        if expected.name != actual.name {
            self.add(NAME, format!("the name is {:?} instead of {:?}", actual.name, expected.name));
        }
        if expected.kind != actual.kind {
            self.add(KIND, format!("the kind is {} instead of {}", actual.kind.as_str(), expected.kind.as_str()));
        }
        if let Some(end) = expected.end.filter(|end| *end != actual.end) {
            self.add(DETAIL, format!("it ended as {:?} instead of {end:?}", actual.end));
        }
        if let Some(status) = expected.status.as_ref().filter(|status| !status_fits(status, &actual.status)) {
            self.add(DETAIL, format!("the status is {:?} instead of {status:?}", actual.status));
        }
        if let Some(service) = expected.service.as_deref().filter(|service| *service != actual.service()) {
            self.add(DETAIL, format!("the service is {:?} instead of {service:?}", actual.service()));
        }
        for (key, wanted) in &expected.attributes {
            if let Some(text) = attribute_differs(key, wanted, actual.attribute(key)) {
                self.add(DETAIL, text);
            }
        }
        for event in &expected.events {
            if !actual.events.iter().any(|actual| actual.name == *event) {
                self.add(DETAIL, format!("there is no event {event:?}"));
            }
        }
        self.of_links(&expected.links, &actual.links, index);
    }

    fn of_links(&mut self, expected: &[ExpectedLink], actual: &[LinkData], index: &Index<'_>) {
        if expected.len() != actual.len() {
            self.add(DETAIL, format!("there are {} links instead of {}", actual.len(), expected.len()));
            return;
        }
        let fits = |expected: &ExpectedLink, actual: &LinkData| link_fits(expected, actual, index);
        let costs: Vec<Vec<i64>> =
            expected.iter().map(|e| actual.iter().map(|a| i64::from(!fits(e, a))).collect()).collect();
        for (row, column) in assign(&costs).into_iter().enumerate() {
            if costs[row][column] != 0 {
                let (expected, actual) = (&expected[row], &actual[column]);
                let (expected, actual) = (render::expected_link(expected), render::actual_link(actual, index));
                self.add(DETAIL, format!("there is {actual} instead of {expected}"));
            }
        }
    }
}

fn link_fits(expected: &ExpectedLink, actual: &LinkData, index: &Index<'_>) -> bool {
    let attribute = |key: &str| actual.attributes.iter().find_map(|(name, value)| (name == key).then_some(value));
    expected.to.as_deref() == index.name(&actual.span_context)
        && expected.attributes.iter().all(|(key, wanted)| attribute_differs(key, wanted, attribute(key)).is_none())
}

fn attribute_differs(key: &str, wanted: &Wanted, actual: Option<&AttributeValue>) -> Option<String> {
    match (wanted, actual) {
        (Wanted::Equal(wanted), Some(actual)) if same(wanted, actual) => None,
        (Wanted::Equal(wanted), Some(actual)) => Some(format!("{key:?} is {actual:?} instead of {wanted:?}")),
        (Wanted::Equal(_) | Wanted::Present, None) => Some(format!("{key:?} is missing")),
        (Wanted::Absent, Some(actual)) => Some(format!("{key:?} is there: {actual:?}")),
        (Wanted::Present, Some(_)) | (Wanted::Absent, None) => None,
    }
}

fn same(wanted: &AttributeValue, actual: &AttributeValue) -> bool {
    match (wanted, actual) {
        // A test that expects no number does expect it.
        (AttributeValue::F64(wanted), AttributeValue::F64(actual)) => wanted.total_cmp(actual).is_eq(),
        _ => wanted == actual,
    }
}

fn status_fits(wanted: &Status, actual: &Status) -> bool {
    match (wanted, actual) {
        (Status::Error { description }, Status::Error { .. }) if description.is_empty() => true,
        _ => wanted == actual,
    }
}

/// A span that is missing or too many costs more than one that differs in a few details.
const ABSENT: i64 = 8;
const NAME: i64 = 4;
const KIND: i64 = 3;
const DETAIL: i64 = 1;
