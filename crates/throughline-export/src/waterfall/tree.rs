//! The order and indentation of a trace's spans.

use std::collections::HashMap;
use std::rc::Rc;

use throughline_core::{SpanData, SpanId};

/// One line of the tree.
pub(crate) struct Row<'a> {
    pub(crate) span: &'a SpanData,
    /// What stands before the name.
    pub(crate) indent: String,
    /// What stands before the lines that belong to the span.
    pub(crate) below: Rc<str>,
    /// The parent of a span that is not drawn below it.
    pub(crate) apart: Option<Apart>,
}

/// Why a span is not drawn below its parent.
pub(crate) enum Apart {
    /// The parent is not among the spans.
    Missing(SpanId),
    /// The parent is a descendant of the span, or the span itself.
    Circle(SpanId),
}

/// Every span once: children below their parents, by the time they started; at the top those without a parent here.
///
/// The spans come from the network: ids may repeat and parents may form circles.
pub(crate) fn rows(trace: &[SpanData], deepest: usize) -> Vec<Row<'_>> {
    let mut known = HashMap::new();
    for (at, span) in trace.iter().enumerate() {
        known.entry(span.span_context.span_id()).or_insert(at);
    }
    let parent_of = |at: usize| {
        let parent = trace[at].parent_span_id.and_then(|id| known.get(&id).copied());
        parent.filter(|parent| *parent != at)
    };
    let mut order: Vec<usize> = (0..trace.len()).collect();
    order.sort_by_key(|at| trace[*at].start_time);
    let mut children = vec![Vec::new(); trace.len()];
    let mut tops = Vec::new();
    for at in order.iter().copied() {
        match parent_of(at) {
            Some(parent) => children[parent].push(at),
            None => tops.push(at),
        }
    }
    let mut tree = Tree { trace, known: &known, children, deepest, drawn: vec![false; trace.len()], rows: Vec::new() };
    // In a circle everyone has a parent: whoever started first is drawn as if it had none.
    for top in tops.into_iter().chain(order) {
        tree.draw(top);
    }
    tree.rows
}

struct Tree<'a, 'k> {
    trace: &'a [SpanData],
    known: &'k HashMap<SpanId, usize>,
    children: Vec<Vec<usize>>,
    deepest: usize,
    drawn: Vec<bool>,
    rows: Vec<Row<'a>>,
}

struct Next {
    at: usize,
    depth: usize,
    indent: String,
    below: Rc<str>,
}

// === impl Tree ===

impl Tree<'_, '_> {
    /// Without recursion: a chain of spans may be longer than the stack is deep.
    fn draw(&mut self, top: usize) {
        let mut stack = vec![Next { at: top, depth: 0, indent: String::new(), below: "".into() }];
        while let Some(Next { at, depth, indent, below }) = stack.pop() {
            if std::mem::replace(&mut self.drawn[at], true) {
                continue;
            }
            let children: Vec<usize> = self.children[at].iter().copied().filter(|at| !self.drawn[*at]).collect();
            let span = &self.trace[at];
            let own: Rc<str> = if children.is_empty() { format!("{below}   ") } else { format!("{below}│  ") }.into();
            let apart = span.parent_span_id.filter(|_| depth == 0).map(|parent| {
                if self.known.contains_key(&parent) { Apart::Circle(parent) } else { Apart::Missing(parent) }
            });
            self.rows.push(Row { span, indent, below: own, apart });
            for (number, child) in children.iter().copied().enumerate().rev() {
                let last = number + 1 == children.len();
                let next = if depth >= self.deepest {
                    Next { at: child, depth: depth + 1, indent: format!("{below}⋯ "), below: Rc::clone(&below) }
                } else {
                    let (glyph, beside) = if last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
                    Next {
                        at: child,
                        depth: depth + 1,
                        indent: format!("{below}{glyph}"),
                        below: format!("{below}{beside}").into(),
                    }
                };
                stack.push(next);
            }
        }
    }
}
