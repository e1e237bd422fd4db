//! What differs between two spans.

use throughline_core::{AttributeValue, LinkData, SpanData, Status};

use crate::assignment::assign;
use crate::expected::{ExpectedLink, ExpectedSpan, Wanted};
use crate::forest::Index;
use crate::render;

/// The differences of one span in words, and what they cost.
#[derive(Default)]
pub(crate) struct Differences {
    pub(crate) texts: Vec<String>,
    pub(crate) cost: i64,
}

impl Differences {
    fn add(&mut self, cost: i64, text: String) {
        self.cost += cost;
        self.texts.push(text);
    }

    pub(crate) fn of_span(&mut self, expected: &ExpectedSpan, actual: &SpanData, index: &Index<'_>) {
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

const NAME: i64 = 4;
const KIND: i64 = 3;
const DETAIL: i64 = 1;
