//! Every carrier and every propagator at once: they may not differ.

use std::collections::{BTreeMap, HashMap, HashSet};

use throughline_core::propagation::{Allow, Composite, Extracted, Extractor, Injector, Propagator};
use throughline_core::{Context, SamplingState, SpanContext};

/// What came of a carrier's lines.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Read {
    pub(crate) parent: Option<SpanContext>,
    pub(crate) sampling: SamplingState,
    pub(crate) malformed: bool,
    pub(crate) tracestate: Option<String>,
    /// Key, value, properties.
    pub(crate) baggage: Vec<(String, String, String)>,
}

impl Read {
    fn of(extracted: &Extracted<'_>) -> Self {
        let context = extracted.to_context(&Context::ROOT);
        Self {
            parent: extracted.span_context(),
            sampling: extracted.sampling_state(),
            malformed: extracted.is_malformed(),
            tracestate: context.tracestate().map(ToString::to_string),
            baggage: context.baggage().iter().map(|m| (m.key().into(), m.value().into(), properties(m))).collect(),
        }
    }

    pub(crate) fn keys(&self) -> Vec<&str> {
        self.baggage.iter().map(|(key, ..)| &**key).collect()
    }
}

fn properties(member: &throughline_core::Member) -> String {
    let parts = member.properties().map(|(key, value)| match value {
        Some(value) => format!("{key}={value}"),
        None => key.to_owned(),
    });
    parts.collect::<Vec<_>>().join(";")
}

/// Reads lines through every carrier that can hold them, by every road, and insists on one answer.
#[track_caller]
pub(crate) fn read(lines: &[(&str, &str)]) -> Read {
    read_by(&Composite::w3c(), lines)
}

/// As [`read`], by this composite.
#[track_caller]
pub(crate) fn read_by(composite: &Composite, lines: &[(&str, &str)]) -> Read {
    let mut answers = Vec::new();
    let owned: Vec<(String, String)> = lines.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    roads(composite, "list", &owned, &mut answers);
    let names: HashSet<_> = lines.iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
    if names.len() == lines.len() {
        roads(composite, "hash map", &owned.iter().cloned().collect::<HashMap<_, _>>(), &mut answers);
        roads(composite, "tree map", &owned.iter().cloned().collect::<BTreeMap<_, _>>(), &mut answers);
    }
    let bytes: Vec<_> = lines.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
    headers(composite, &bytes, &mut answers);
    agree(answers)
}

/// As [`read`], for bytes that are no text; nothing if no carrier takes them.
#[track_caller]
pub(crate) fn read_bytes(lines: &[(&str, &[u8])]) -> Option<Read> {
    let mut answers = Vec::new();
    headers(&Composite::w3c(), lines, &mut answers);
    (!answers.is_empty()).then(|| agree(answers))
}

#[track_caller]
fn agree(answers: Vec<(String, Read)>) -> Read {
    for (road, answer) in &answers {
        assert_eq!(*answer, answers[0].1, "{road} differs from {}", answers[0].0);
    }
    answers.into_iter().next().expect("there is a list at least").1
}

fn roads<E: Extractor>(composite: &Composite, carrier: &str, it: &E, answers: &mut Vec<(String, Read)>) {
    let alone: Box<dyn Propagator> = Box::new(composite.clone());
    answers.push((format!("{carrier}, extract_from"), Read::of(&composite.extract_from(it))));
    answers.push((format!("{carrier}, dyn Propagator"), Read::of(&alone.extract(it))));
}

#[cfg(feature = "http")]
fn headers(composite: &Composite, lines: &[(&str, &[u8])], answers: &mut Vec<(String, Read)>) {
    let mut map = http::HeaderMap::new();
    for (name, value) in lines {
        let name = name.parse::<http::HeaderName>();
        let (Ok(name), Ok(value)) = (name, http::HeaderValue::from_bytes(value)) else { return };
        map.append(name, value);
    }
    roads(composite, "HeaderMap", &map, answers);
    let scan = throughline_core::propagation::carrier::HeaderScan::new(&map);
    answers.push(("HeaderScan".into(), Read::of(&composite.extract_scanned(&scan))));
    answers.push(("extract_headers".into(), Read::of(&composite.extract_headers(&map))));
    // So many headers that they are looked up instead.
    for at in 0..200 {
        let name: http::HeaderName = format!("x-{at}").parse().expect("a name");
        map.append(name, http::HeaderValue::from_static("x"));
    }
    answers.push(("many headers".into(), Read::of(&composite.extract_headers(&map))));
}

#[cfg(not(feature = "http"))]
fn headers(_: &Composite, _: &[(&str, &[u8])], _: &mut Vec<(String, Read)>) {}

/// What a context writes to an empty carrier.
#[track_caller]
pub(crate) fn written(context: &Context, allow: Allow) -> BTreeMap<String, String> {
    written_over(&[], &Composite::w3c(), context, allow)
}

/// What is in a carrier after a context was written to one that had these fields; each kind of carrier, each road.
#[track_caller]
pub(crate) fn written_over(
    stale: &[(&str, &str)],
    composite: &Composite,
    context: &Context,
    allow: Allow,
) -> BTreeMap<String, String> {
    let mut answers = Vec::new();
    for dynamic in [false, true] {
        for times in [1, 2] {
            let owned = || stale.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            let mut list: Vec<(String, String)> = owned().collect();
            let mut hash: HashMap<String, String> = owned().collect();
            let mut tree: BTreeMap<String, String> = owned().collect();
            for _ in 0..times {
                write(composite, dynamic, context, allow, &mut list);
                write(composite, dynamic, context, allow, &mut hash);
                write(composite, dynamic, context, allow, &mut tree);
            }
            let names: HashSet<_> = list.iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
            assert_eq!(names.len(), list.len(), "one of each field: {list:?}");
            answers.push(("list", list.into_iter().collect()));
            answers.push(("hash map", hash.into_iter().collect()));
            answers.push(("tree map", tree));
            #[cfg(feature = "http")]
            answers.push(("HeaderMap", header_map(stale, composite, dynamic, times, context, allow)));
        }
    }
    // Only some carriers mind how a name is spelt.
    let lower =
        |answer: BTreeMap<String, String>| answer.into_iter().map(|(name, v)| (name.to_lowercase(), v)).collect();
    let mut answers: Vec<_> = answers.into_iter().map(|(carrier, answer)| (carrier, lower(answer))).collect();
    for (carrier, answer) in &answers {
        assert_eq!(*answer, answers[0].1, "{carrier} differs");
    }
    answers.swap_remove(0).1
}

fn write<I: Injector>(composite: &Composite, dynamic: bool, context: &Context, allow: Allow, carrier: &mut I) {
    if dynamic {
        let alone: &dyn Propagator = composite;
        alone.inject(context, allow, carrier);
    } else {
        composite.inject_into(context, allow, carrier);
    }
}

#[cfg(feature = "http")]
fn header_map(
    stale: &[(&str, &str)],
    composite: &Composite,
    dynamic: bool,
    times: usize,
    context: &Context,
    allow: Allow,
) -> BTreeMap<String, String> {
    let mut map = http::HeaderMap::new();
    for (name, value) in stale {
        let name: http::HeaderName = name.parse().expect("the test's own name");
        map.append(name, value.parse().expect("the test's own value"));
    }
    for _ in 0..times {
        write(composite, dynamic, context, allow, &mut map);
    }
    assert_eq!(map.keys_len(), map.len(), "one of each field: {map:?}");
    let text = |value: &http::HeaderValue| value.to_str().expect("only text is written").to_owned();
    map.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect()
}
