//! Two trees side by side.

use throughline_core::{LinkData, SpanData, SpanEnd, Status};

use crate::compare::Pair;
use crate::expected::{ExpectedLink, ExpectedSpan, Wanted};
use crate::forest::{Index, attribute_note, status_note};

struct Row {
    mark: char,
    expected: String,
    actual: String,
    differences: Vec<String>,
}

/// What a failed assertion says.
pub(crate) fn mismatch(all: &Pair<'_>, index: &Index<'_>) -> String {
    let mut rows = Vec::new();
    for child in &all.children {
        lines(&mut rows, child, &Sides::default(), index);
    }
    let width = rows.iter().map(|row| row.expected.trim_end().chars().count()).max().unwrap_or(0).max("expected".len());
    let mut out = format!("the trace is not as expected\n\n   {:width$}   actual\n", "expected");
    let first = rows.iter().position(|row| !row.differences.is_empty());
    for (number, row) in rows.iter().enumerate() {
        let arrow = if first == Some(number) { '>' } else { ' ' };
        let line = format!("{arrow}{} {:width$}   {}", row.mark, row.expected.trim_end(), row.actual);
        out.push_str(line.trim_end());
        out.push('\n');
    }
    let details = first.map_or(&all.differences, |first| &rows[first].differences);
    out.push_str(if first.is_some() { "\nfirst difference (>): " } else { "\n" });
    out.push_str(&details.join("; "));
    out.push('\n');
    let more = rows.iter().filter(|row| !row.differences.is_empty()).count().saturating_sub(1);
    if more > 0 {
        out.push_str(&format!("lines that differ as well (≠ differs, - is missing, + is not expected): {more}\n"));
    }
    out
}

/// What stands before a line, on each side.
#[derive(Clone, Default)]
struct Sides {
    expected: Lead,
    actual: Lead,
}

#[derive(Clone, Default)]
struct Lead {
    branch: String,
    indent: String,
}

impl Lead {
    fn below(&self, last: bool) -> Self {
        let (branch, indent) = if last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
        Self { branch: format!("{}{branch}", self.indent), indent: format!("{}{indent}", self.indent) }
    }

    /// A span, or the branches that pass by where there is none.
    fn line(&self, label: Option<String>) -> String {
        label.map_or_else(|| self.indent.clone(), |label| format!("{}{label}", self.branch))
    }
}

fn lines(rows: &mut Vec<Row>, pair: &Pair<'_>, lead: &Sides, index: &Index<'_>) {
    let mark = match (pair.differences.is_empty(), &pair.expected, &pair.actual) {
        (true, _, _) => ' ',
        (false, Some(_), None) => '-',
        (false, None, Some(_)) => '+',
        (false, _, _) => '≠',
    };
    let wanted = pair.expected.as_ref().and_then(|node| node.span);
    let trace = || "trace".to_owned();
    let expected = lead.expected.line(pair.expected.as_ref().map(|node| node.span.map_or_else(trace, expected_span)));
    let actual = pair.actual.as_ref().map(|node| node.span);
    let actual = actual.map(|span| span.map_or_else(trace, |span| actual_span(span, wanted, index)));
    let actual = lead.actual.line(actual);
    rows.push(Row { mark, expected, actual, differences: pair.differences.clone() });
    for (at, child) in pair.children.iter().enumerate() {
        let later = &pair.children[at + 1..];
        let below = Sides {
            expected: lead.expected.below(!later.iter().any(|pair| pair.expected.is_some())),
            actual: lead.actual.below(!later.iter().any(|pair| pair.actual.is_some())),
        };
        lines(rows, child, &below, index);
    }
}

fn expected_span(span: &ExpectedSpan) -> String {
    let mut notes = Vec::new();
    notes.extend(span.ordered.then(|| "ordered".to_owned()));
    notes.extend(span.open.then(|| "open".to_owned()));
    notes.extend(span.end.map(|end| format!("end = {end:?}")));
    let unset = || "status = Unset".to_owned();
    notes.extend(span.status.as_ref().map(|status| status_note(status).unwrap_or_else(unset)));
    notes.extend(span.service.as_ref().map(|service| format!("service = {service:?}")));
    notes.extend(span.attributes.iter().map(|(key, wanted)| wanted_note(key, wanted)));
    notes.extend(span.events.iter().map(|event| format!("event = {event:?}")));
    label(span.kind.as_str(), &span.name, &notes, span.links.iter().map(expected_link))
}

/// An actual span, with what was said of the expected one and what is unusual.
fn actual_span(span: &SpanData, expected: Option<&ExpectedSpan>, index: &Index<'_>) -> String {
    let mut notes = Vec::new();
    let (end, status) = expected.map_or((false, false), |span| (span.end.is_some(), span.status.is_some()));
    notes.extend((end || span.end != SpanEnd::Completed).then(|| format!("end = {:?}", span.end)));
    if status && span.status == Status::Unset {
        notes.push("status = Unset".to_owned());
    }
    notes.extend(status_note(&span.status));
    if let Some(expected) = expected {
        notes.extend(expected.service.as_ref().map(|_| format!("service = {:?}", span.service())));
        notes.extend(expected.attributes.iter().map(|(key, _)| match span.attribute(key) {
            Some(value) => attribute_note(key, value),
            None => format!("!{key:?}"),
        }));
        if !expected.events.is_empty() {
            notes.extend(span.events.iter().map(|event| format!("event = {:?}", event.name)));
        }
    }
    label(span.kind.as_str(), &span.name, &notes, span.links.iter().map(|link| actual_link(link, index)))
}

fn label(kind: &str, name: &str, notes: &[String], links: impl Iterator<Item = String>) -> String {
    let mut out = format!("{kind} {name:?}");
    if !notes.is_empty() {
        out.push_str(&format!(" [{}]", notes.join(", ")));
    }
    for link in links {
        out.push_str(&format!(" => {link}"));
    }
    out
}

pub(crate) fn expected_link(link: &ExpectedLink) -> String {
    let notes: Vec<_> = link.attributes.iter().map(|(key, wanted)| wanted_note(key, wanted)).collect();
    link_label(link.to.as_deref(), &notes)
}

pub(crate) fn actual_link(link: &LinkData, index: &Index<'_>) -> String {
    let notes: Vec<_> = link.attributes.iter().map(|(key, value)| attribute_note(key, value)).collect();
    link_label(index.name(&link.span_context), &notes)
}

fn link_label(to: Option<&str>, notes: &[String]) -> String {
    let to = to.map_or_else(|| "link remote".to_owned(), |name| format!("link {name:?}"));
    if notes.is_empty() { to } else { format!("{to} [{}]", notes.join(", ")) }
}

fn wanted_note(key: &str, wanted: &Wanted) -> String {
    match wanted {
        Wanted::Equal(value) => attribute_note(key, value),
        Wanted::Present => format!("{key:?}"),
        Wanted::Absent => format!("!{key:?}"),
    }
}
