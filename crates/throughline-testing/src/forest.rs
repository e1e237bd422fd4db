//! Spans as the trees that their parents make of them.

use std::collections::HashMap;
use std::fmt::Write as _;

use throughline_core::{AttributeValue, SpanContext, SpanData, SpanEnd, SpanId, Status, TraceId};

/// A span with its children; without a span it is what holds the roots, or the roots of one trace.
#[derive(Clone, Debug)]
pub(crate) struct Actual<'a> {
    pub(crate) span: Option<&'a SpanData>,
    pub(crate) children: Vec<Actual<'a>>,
    pub(crate) size: usize,
}

/// Finds spans by their ids.
pub(crate) struct Index<'a>(HashMap<(TraceId, SpanId), &'a SpanData>);

/// Writes spans as trees, for people to read.
///
/// Children stand in the order in which they started. A span whose parent is not among them is a root.
///
/// ```
/// use throughline_core::SpanEnd;
///
/// let (tracer, spans) = throughline_testing::tracer();
/// let parent = tracer.span("parent").start();
/// parent.context().scope(|| drop(tracer.span("child").start()));
/// parent.end(SpanEnd::Completed);
/// assert_eq!(
///     throughline_testing::tree(&spans.spans()),
///     "internal \"parent\"\n\
///      └─ internal \"child\" [end = Cancelled]\n"
/// );
/// ```
#[must_use]
pub fn tree(spans: &[SpanData]) -> String {
    let mut out = String::new();
    let forest = forest(spans, &Index::new(spans));
    for root in &forest.children {
        write_tree(&mut out, root, "", "");
    }
    out
}

fn write_tree(out: &mut String, node: &Actual<'_>, branch: &str, indent: &str) {
    if let Some(span) = node.span {
        let _ = write!(out, "{branch}{} {:?}", span.kind.as_str(), span.name);
        let mut notes = Vec::new();
        notes.extend((span.end != SpanEnd::Completed).then(|| format!("end = {:?}", span.end)));
        notes.extend(status_note(&span.status));
        notes.extend(span.attribute("error.type").map(|value| attribute_note("error.type", value)));
        if !notes.is_empty() {
            let _ = write!(out, " [{}]", notes.join(", "));
        }
        out.push('\n');
    }
    for (at, child) in node.children.iter().enumerate() {
        let (next_branch, next_indent) =
            if at + 1 == node.children.len() { ("└─ ", "   ") } else { ("├─ ", "│  ") };
        write_tree(out, child, &format!("{indent}{next_branch}"), &format!("{indent}{next_indent}"));
    }
}

/// The status as `assert_trace!` would have it, unless it is unset.
pub(crate) fn status_note(status: &Status) -> Option<String> {
    match status {
        Status::Unset => None,
        Status::Ok => Some("status = Ok".to_owned()),
        Status::Error { description } if description.is_empty() => Some("status = Error".to_owned()),
        Status::Error { description } => Some(format!("status = Error({description:?})")),
    }
}

/// An attribute as `assert_trace!` would have it.
pub(crate) fn attribute_note(key: &str, value: &AttributeValue) -> String {
    match value {
        AttributeValue::String(text) => format!("{key:?} = {text:?}"),
        AttributeValue::List(list) => format!("{key:?} = {list:?}"),
        other => format!("{key:?} = {other}"),
    }
}

/// All spans below one node that is none.
pub(crate) fn forest<'a>(spans: &'a [SpanData], index: &Index<'a>) -> Actual<'a> {
    let mut below: HashMap<(TraceId, SpanId), Vec<&SpanData>> = HashMap::new();
    let mut roots = Vec::new();
    for span in spans {
        match index.parent(span) {
            Some(parent) => below.entry(key(&parent.span_context)).or_default().push(span),
            None => roots.push(span),
        }
    }
    let mut nodes = grow(roots, &mut below);
    // Only ids that were given twice make circles. Their spans are shown as well.
    while let Some(id) = below.keys().next().copied() {
        let circle = below.remove(&id).unwrap_or_default();
        nodes.extend(grow(circle, &mut below));
    }
    Actual::new(None, nodes)
}

/// The same roots, those of one trace below one node.
pub(crate) fn by_trace(forest: Actual<'_>) -> Actual<'_> {
    let mut traces: Vec<(TraceId, Vec<Actual<'_>>)> = Vec::new();
    for root in forest.children {
        let Some(trace) = root.span.map(|span| span.span_context.trace_id()) else { continue };
        match traces.iter_mut().find(|(known, _)| *known == trace) {
            Some((_, roots)) => roots.push(root),
            None => traces.push((trace, vec![root])),
        }
    }
    Actual::new(None, traces.into_iter().map(|(_, roots)| Actual::new(None, roots)).collect())
}

fn grow<'a>(
    mut spans: Vec<&'a SpanData>,
    below: &mut HashMap<(TraceId, SpanId), Vec<&'a SpanData>>,
) -> Vec<Actual<'a>> {
    spans.sort_by_key(|span| span.start_time);
    let nodes = spans.into_iter().map(|span| {
        let children = below.remove(&key(&span.span_context)).unwrap_or_default();
        Actual::new(Some(span), grow(children, below))
    });
    nodes.collect()
}

fn key(span: &SpanContext) -> (TraceId, SpanId) {
    (span.trace_id(), span.span_id())
}

// === impl Actual ===

impl<'a> Actual<'a> {
    fn new(span: Option<&'a SpanData>, children: Vec<Actual<'a>>) -> Self {
        let size = 1 + children.iter().map(|child| child.size).sum::<usize>();
        Self { span, children, size }
    }
}

// === impl Index ===

impl<'a> Index<'a> {
    pub(crate) fn new(spans: &'a [SpanData]) -> Self {
        Self(spans.iter().map(|span| (key(&span.span_context), span)).collect())
    }

    /// The name of a span, if it is among these.
    pub(crate) fn name(&self, span: &SpanContext) -> Option<&'a str> {
        self.0.get(&key(span)).map(|span| &*span.name)
    }

    fn parent(&self, span: &SpanData) -> Option<&'a SpanData> {
        let parent = span.parent_span_id?;
        self.0.get(&(span.span_context.trace_id(), parent)).copied()
    }
}
