//! What holds for any input: nothing panics, what is accepted reads the same again, no limit is exceeded.
//!
//! Each function takes bytes and asserts. `tests/seeded.rs` drives them by a seeded mutator on stable, `fuzz_targets/`
//! by libFuzzer on nightly.

#![forbid(unsafe_code)]

mod carriers;
mod durable;
mod formats;
mod mutator;
mod recording;
mod reference;
pub mod targets;

pub use self::carriers::carriers;
pub use self::durable::durable;
pub use self::formats::{b3, formats, jaeger, ot_trace, xray};
pub use self::mutator::{Mutator, drive_from};
pub use self::recording::recording;

use throughline_core::propagation::{Allow, Propagator, W3cBaggage};
use throughline_core::{Baggage, Context, SpanContext, SpanId, TraceId, TraceState};

/// `traceparent`: accepted exactly if a plain reading of the specification accepts it.
pub fn traceparent(data: &[u8]) {
    let read = SpanContext::from_traceparent(data).ok();
    let wanted = reference::traceparent(data);
    assert_eq!(read.map(|read| (read.trace_id().to_bytes(), read.span_id().to_bytes(), read.flags().bits())), wanted);
    if let Some(read) = read {
        let text = read.to_traceparent();
        assert!(read.is_remote());
        assert_eq!(SpanContext::from_traceparent(&text), Ok(read));
        assert!(text.starts_with(b"00-") && matches!(&text[53..], b"00" | b"01" | b"02" | b"03"));
    }
    let text = String::from_utf8_lossy(data);
    if let Ok(id) = text.parse::<TraceId>() {
        assert_eq!(id.to_string(), text);
    }
    if let Ok(id) = text.parse::<SpanId>() {
        assert_eq!(id.to_string(), text);
    }
}

/// `tracestate`: accepted exactly if a plain reading of the specification accepts it; changes follow its rules.
pub fn tracestate(data: &[u8]) {
    let read = TraceState::parse(data);
    let wanted = reference::tracestate(data);
    assert_eq!(read.is_ok(), wanted.is_some());
    let (Ok(state), Some(wanted)) = (read, wanted) else { return };
    holds(&state);
    if data.len() <= TraceState::MAX_LENGTH {
        let found: Vec<_> = state.iter().filter(|(key, _)| !key.is_empty()).collect();
        let wanted: Vec<_> = wanted.iter().map(|(key, value)| (&**key, &**value)).collect();
        assert_eq!(found, wanted);
    }
    assert_eq!(TraceState::parse(state.as_str().as_bytes()), Ok(state.clone()));

    // Some key and value that the input has, and some that nothing has.
    let keys: Vec<String> = state.iter().map(|(key, _)| key.to_owned()).chain(["new".into()]).collect();
    let values: Vec<String> = state.iter().map(|(_, value)| value.to_owned()).chain(["v".repeat(256)]).collect();
    let pick = data.len() + usize::from(data.first().copied().unwrap_or(0));
    let (key, value) = (&keys[pick % keys.len()], &values[pick / 7 % values.len()]);
    if let Ok(inserted) = state.insert(key, value) {
        holds(&inserted);
        assert_eq!(inserted.iter().next(), Some((&**key, &**value)));
        assert_eq!(inserted.iter().filter(|(known, _)| known == key).count(), 1);
    }
    if let Some(removed) = state.remove(key) {
        holds(&removed);
        assert_eq!(removed.get(key), None);
    }
}

fn holds(state: &TraceState) {
    assert!((1..=TraceState::MAX_LENGTH).contains(&state.as_str().len()));
    assert!(state.iter().filter(|(key, _)| !key.is_empty()).count() <= TraceState::MAX_MEMBERS);
}

/// `baggage`: within the limits both ways, and what is sent reads as what was meant.
pub fn baggage(data: &[u8]) {
    let (baggage, skipped) = Baggage::parse_counting(data);
    let members =
        data.split(|byte| *byte == b',').filter(|part| !part.iter().all(|byte| b" \t".contains(byte))).count();
    assert!(baggage.len() <= Baggage::MAX_MEMBERS && baggage.len() + skipped <= members);
    for member in baggage.iter() {
        assert!(!member.key().is_empty() && member.key().is_ascii());
        assert_eq!(baggage.get(member.key()), Some(member.value()));
        assert_eq!(baggage.iter().filter(|other| other.key() == member.key()).count(), 1);
        assert!(member.properties().all(|(key, _)| !key.is_empty()));
    }
    let text = baggage.to_string();
    assert!(text.bytes().all(|byte| matches!(byte, b'\t' | 0x20..=0x7e)));
    if text.len() <= Baggage::MAX_LENGTH {
        assert_eq!(Baggage::parse(text.as_bytes()), baggage);
    }
    let mut carrier: Vec<(String, String)> = vec![("baggage".into(), "stale=1".into())];
    W3cBaggage.inject(&Context::ROOT.with_baggage(baggage.clone()), Allow::ALL, &mut carrier);
    match &carrier[..] {
        [] => assert!(baggage.is_empty() || text.len() > Baggage::MAX_LENGTH),
        [(_, sent)] => {
            assert!((1..=Baggage::MAX_LENGTH).contains(&sent.len()));
            let again = Baggage::parse(sent.as_bytes());
            assert!(again.iter().all(|member| baggage.get(member.key()) == Some(member.value())));
        }
        more => panic!("one field: {more:?}"),
    }

    // The other way round: any text as a value.
    let value = String::from_utf8_lossy(&data[..data.len().min(600)]);
    let made = Baggage::new().with("k", &value).expect("three bytes for each, and a replaced one has three");
    assert_eq!(Baggage::parse(made.to_string().as_bytes()), made);
}
