//! Every carrier and every road through a composite: one answer, and what is sent reads the same.

use std::collections::HashMap;

use http::{HeaderMap, HeaderName, HeaderValue};
use throughline_core::propagation::carrier::HeaderScan;
use throughline_core::propagation::{Allow, Composite, Extracted, Injector, Propagator};
use throughline_core::{Baggage, Context, TraceState};

const NAMES: [&str; 8] =
    ["traceparent", "tracestate", "baggage", "TraceParent", "x-other", "host", "tracestate", "baggage"];

/// The input is lines; the first byte of each chooses its name.
pub fn carriers(data: &[u8]) {
    let mut headers = HeaderMap::new();
    let mut text = true;
    for line in data.split(|byte| *byte == b'\n').take(64) {
        let Some((first, value)) = line.split_first() else { continue };
        let name: HeaderName = NAMES[usize::from(*first) % NAMES.len()].parse().expect("names of headers");
        if let Ok(value) = HeaderValue::from_bytes(value) {
            text &= value.to_str().is_ok();
            headers.append(name, value);
        }
    }
    let composite = Composite::w3c();
    let alone: &dyn Propagator = &composite;
    let wanted = Answer::of(&composite.extract_from(&headers));
    assert_eq!(Answer::of(&alone.extract(&headers)), wanted);
    assert_eq!(Answer::of(&composite.extract_headers(&headers)), wanted);
    assert_eq!(Answer::of(&composite.extract_scanned(&HeaderScan::new(&headers))), wanted);
    let mut list = Vec::new();
    if text {
        let line = |(name, value): (&HeaderName, &HeaderValue)| {
            (name.as_str().to_uppercase(), value.to_str().unwrap_or_default().to_owned())
        };
        list.extend(headers.iter().map(line));
        assert_eq!(Answer::of(&composite.extract_from(&list)), wanted);
    }

    let context = composite.extract_from(&headers).to_context(&Context::ROOT);
    for allow in [Allow::ALL, Allow::TRACE, Allow::NONE] {
        let mut sent = headers.clone();
        composite.inject_into(&context, allow, &mut sent);
        composite.inject_into(&context, allow, &mut sent);
        for name in ["traceparent", "tracestate", "baggage"] {
            assert!(sent.get_all(name).iter().count() <= 1, "one of each field");
            assert!(sent.get(name).is_none_or(|value| !value.is_empty()), "never an empty one");
        }
        let again = Answer::of(&composite.extract_from(&sent));
        assert_eq!(again.parent, wanted.parent.filter(|_| allow.ids));
        let state = wanted.tracestate.as_ref().filter(|_| allow.tracestate && wanted.parent.is_some());
        assert_eq!(again.tracestate.as_ref(), state);
        if allow.baggage && wanted.baggage.to_string().len() <= Baggage::MAX_LENGTH {
            assert_eq!(again.baggage, wanted.baggage);
        } else if !allow.baggage {
            assert!(again.baggage.is_empty());
        }
        assert!(sent.get("tracestate").is_none_or(|value| value.len() <= TraceState::MAX_LENGTH));
        assert!(sent.get("baggage").is_none_or(|value| value.len() <= Baggage::MAX_LENGTH));

        let mut map: HashMap<String, String> = list.iter().cloned().collect();
        composite.inject_into(&context, allow, &mut map);
        for name in ["traceparent", "tracestate", "baggage"] {
            let value = sent.get(name).and_then(|value| value.to_str().ok());
            assert_eq!(map.get(name).map(String::as_str), value);
        }
        let mut lines = list.clone();
        let injector: &mut dyn Injector = &mut lines;
        alone.inject(&context, allow, injector);
        assert_eq!(Answer::of(&alone.extract(&lines)), again);
    }
}

#[derive(PartialEq, Debug)]
struct Answer {
    parent: Option<throughline_core::SpanContext>,
    malformed: bool,
    tracestate: Option<TraceState>,
    baggage: Baggage,
}

impl Answer {
    fn of(extracted: &Extracted<'_>) -> Self {
        let context = extracted.to_context(&Context::ROOT);
        assert_eq!(context.span_context(), extracted.span_context());
        Self {
            parent: extracted.span_context(),
            malformed: extracted.is_malformed(),
            tracestate: context.tracestate().cloned(),
            baggage: context.baggage().clone(),
        }
    }
}
