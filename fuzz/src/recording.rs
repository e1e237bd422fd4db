//! Anything written to a span: the limits hold, and a buffer gives back what the sink saw.

use std::sync::{Arc, Mutex, PoisonError};

use throughline_core::{
    FinishedSpan, Key, Recording, Resource, SpanBuffer, SpanContext, SpanData, SpanEnd, SpanLimits, SpanSink, Status,
    Tracer, Value,
};

#[derive(Clone, Default)]
struct Both(Arc<Mutex<(SpanBuffer, Vec<SpanData>)>>);

impl SpanSink for Both {
    fn on_end(&self, span: &FinishedSpan<'_>) {
        let mut both = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        both.0.push(span);
        both.1.push(span.to_data());
    }
}

/// The first bytes are limits, the others are what is written: a byte for the kind of it, one for a length, the text.
pub fn recording(data: &[u8]) {
    let Some((head, rest)) = data.split_first_chunk::<8>() else { return };
    let mut rest = &rest[..rest.len().min(LONGEST)];
    let mut limits = SpanLimits::DEFAULT;
    let all = [&mut limits.attributes, &mut limits.events, &mut limits.links, &mut limits.event_attributes];
    for (limit, byte) in all.into_iter().zip(head) {
        *limit = u32::from(*byte) % 16;
    }
    limits.link_attributes = u32::from(head[4]) % 4;
    limits.value_length = u32::from(head[5]) % 64;
    limits.text_length = u32::from(head[6]) * 4;

    let sink = Both::default();
    let tracer = Tracer::builder().sink(sink.clone()).limits(limits).build();
    let mut kept = Vec::new();
    while !rest.is_empty() {
        let span = tracer.span("span").start();
        if head[7] & 1 != 0 {
            kept.push(span.context());
        }
        let end = rest.iter().position(|byte| *byte == 0xff).unwrap_or(rest.len());
        let mut writes = &rest[..end];
        rest = rest.get(end + 1..).unwrap_or_default();
        span.record(|span| {
            while !writes.is_empty() {
                writes = write(span, writes);
            }
        });
        span.end(SpanEnd::Completed);
    }

    let both = sink.0.lock().unwrap_or_else(PoisonError::into_inner);
    let resource = Resource::default();
    let again: Vec<_> = both.0.spans(&resource).map(|span| span.to_data()).collect();
    assert!(again == both.1, "{again:#?}\n{:#?}", both.1);
    for span in &again {
        assert!(span.attributes.len() <= limits.attributes as usize);
        assert!(span.events.len() <= limits.events as usize && span.links.len() <= limits.links as usize);
        assert!(span.events.iter().all(|event| event.attributes.len() <= limits.event_attributes as usize));
        assert!(span.links.iter().all(|link| link.attributes.len() <= limits.link_attributes as usize));
    }
}

fn write<'a>(span: &mut Recording<'_>, data: &'a [u8]) -> &'a [u8] {
    let [what, length, rest @ ..] = data else { return &[] };
    let (text, rest) = rest.split_at(rest.len().min(usize::from(*length)));
    let lossy = String::from_utf8_lossy(text).into_owned();
    let (key, some) = (Key::dynamic(&lossy), [(Key::dynamic(&lossy), Value::Bytes(text)), (Key::new("n"), 1.into())]);
    match what % 9 {
        0 => span.set(key, Value::Bytes(text)),
        1 => span.push(key, &lossy),
        2 => span.set("number", f64::from(*length) / 8.0),
        3 => span.event(key, &some),
        4 => span.event(key, &[]),
        5 => span.link(LINK(), &some),
        6 => span.set_status(&Status::Error { description: lossy.into() }),
        7 => span.set_name(&lossy),
        _ => span.set_error(&lossy),
    }
    rest
}

const LONGEST: usize = 1500;

const LINK: fn() -> SpanContext = || {
    let text = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    SpanContext::from_traceparent(text).expect("a valid one")
};
