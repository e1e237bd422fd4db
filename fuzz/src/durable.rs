//! Stored contexts and thresholds: what is taken reads the same again.

use throughline_core::{Baggage, DurableContext, Threshold, TraceState};

/// Any text, and any part of one that was taken.
pub fn durable(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Ok(threshold) = text.parse::<Threshold>() {
        assert_eq!(threshold.to_string().parse(), Ok(threshold));
        assert!((1..=14).contains(&text.len()) && (0.0..=1.0).contains(&threshold.ratio()));
    }
    let Ok(stored) = text.parse::<DurableContext>() else { return };
    assert!(text.trim().len() <= DurableContext::MAX_LENGTH);
    let again = stored.to_string();
    assert_eq!(again.parse(), Ok(stored.clone()));
    let context = stored.to_context();
    assert_eq!(context.span_context(), stored.span_context());
    assert_eq!(context.sampling_state(), stored.sampling_state());
    assert!(context.baggage().len() <= Baggage::MAX_MEMBERS);
    assert!(context.tracestate().is_none_or(|state| state.as_str().len() <= TraceState::MAX_LENGTH));
    // Normal after one more turn: what was invalid in it is gone.
    let normal = DurableContext::of(&context);
    assert_eq!(DurableContext::of(&normal.to_context()), normal);
    for at in (0..again.len().min(200)).filter(|at| again.is_char_boundary(*at)) {
        if let Ok(part) = again[..at].parse::<DurableContext>() {
            assert_eq!(part.to_string().parse(), Ok(part));
        }
    }
    assert!(stored.without_baggage().to_context().baggage().is_empty());
}
