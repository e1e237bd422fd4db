//! What one span may hold, and that a buffer gives back what a span had.

mod common;

use std::sync::{Arc, Mutex};

use common::{SAMPLED, recorder, recorder_with, remote};
use proptest::prelude::*;
use throughline_core::{
    AttributeValue, Context, FinishedSpan, Key, Recording, Resource, SpanBuffer, SpanData, SpanEnd, SpanLimits,
    SpanName, SpanSink, Status, TextList, TraceState, Tracer, Value,
};

fn limits(change: impl FnOnce(&mut SpanLimits)) -> SpanLimits {
    let mut limits = SpanLimits::DEFAULT;
    change(&mut limits);
    limits
}

/// The one span that a tracer with these limits recorded.
fn recorded(limits: SpanLimits, write: impl FnOnce(&mut Recording<'_>)) -> SpanData {
    let (tracer, memory) = recorder_with(|builder| builder.limits(limits));
    tracer.span("name").start_with(write).end(SpanEnd::Completed);
    memory.one()
}

fn text_of(span: &SpanData, key: &str) -> String {
    span.attribute(key).and_then(AttributeValue::as_str).map(str::to_owned).unwrap_or_default()
}

#[test]
fn the_defaults_are_128_of_everything() {
    let link = remote(SAMPLED);
    let inner: Vec<_> = (0..130).map(|at| (Key::new("k"), Value::from(at))).collect();
    let span = recorded(SpanLimits::default(), |span| {
        for at in 0..131 {
            span.push("k", at);
        }
        for _ in 0..132 {
            span.event("e", &inner);
        }
        for _ in 0..133 {
            span.link(link, &inner);
        }
    });
    assert_eq!((span.attributes.len(), span.events.len(), span.links.len()), (128, 128, 128));
    assert_eq!((span.dropped_attributes, span.dropped_events, span.dropped_links), (3, 4, 5));
    assert!(span.events.iter().all(|event| (event.attributes.len(), event.dropped_attributes) == (128, 2)));
    assert!(span.links.iter().all(|link| (link.attributes.len(), link.dropped_attributes) == (128, 2)));
    assert_eq!(span.attributes[127].1, AttributeValue::Int(127), "the first ones stay");
}

#[test]
fn a_replaced_attribute_takes_no_place() {
    let span = recorded(limits(|l| l.attributes = 2), |span| {
        for at in 0..5 {
            span.set("a", at);
            span.set("b", at);
            span.set("c", at);
        }
    });
    assert_eq!(span.attributes, [("a".into(), 4.into()), ("b".into(), 4.into())]);
    assert_eq!(span.dropped_attributes, 5);
}

#[test]
fn limits_of_zero_keep_nothing_and_count_all() {
    let none = limits(|l| {
        (l.attributes, l.events, l.links, l.event_attributes, l.link_attributes) = (0, 0, 0, 0, 0);
    });
    let span = recorded(none, |span| {
        span.set("k", 1);
        span.event("e", &[]);
        span.link(remote(SAMPLED), &[]);
    });
    assert_eq!((span.attributes.len(), span.events.len(), span.links.len()), (0, 0, 0));
    assert_eq!((span.dropped_attributes, span.dropped_events, span.dropped_links), (1, 1, 1));
}

#[test]
fn a_long_text_is_cut_where_a_character_ends() {
    for (most, value, wanted, why) in [
        (4, "abcd", "abcd", "as long as it may be"),
        (4, "abcde", "abcd", "one longer"),
        (4, "abc€", "abc", "a character of three bytes does not fit"),
        (5, "abc€", "abc", "nor with one more byte"),
        (6, "abc€", "abc€", "it fits"),
        (3, "😀", "", "not even the first one fits"),
        (4, "😀😀", "😀", "one of two"),
        (0, "abc", "", "nothing may be"),
    ] {
        let span = recorded(limits(|l| l.value_length = most), |span| {
            span.push("k", value);
            span.event("e", &[(Key::new("k"), Value::from(value))]);
            span.set_status(&Status::Error { description: value.to_owned().into() });
        });
        assert_eq!(text_of(&span, "k"), wanted, "{why}");
        assert_eq!(span.events[0].attributes[0].1.as_str(), Some(wanted), "{why}: in an event");
        assert_eq!(span.status, Status::Error { description: wanted.to_owned().into() }, "{why}: in the status");
    }
    let span = recorded(limits(|l| l.value_length = 4), |span| {
        span.push("static", Value::Static(&"is not copied"));
        span.set_name("a long name");
        span.push("bytes", Value::Bytes(b"\x80\x80\x80\x80\x80\x80"));
    });
    assert_eq!(span.name, "a lo");
    assert!(text_of(&span, "bytes").chars().count() <= 4, "what is no text at all is cut anywhere");
}

#[test]
fn all_texts_together_have_a_limit() {
    let span = recorded(limits(|l| l.text_length = 100), |span| {
        for _ in 0..20 {
            span.push("k", "0123456789");
        }
        span.push("n", 7);
    });
    let bytes: usize = span.attributes.iter().filter_map(|(_, value)| value.as_str()).map(str::len).sum();
    assert!(bytes + span.name.len() <= 100, "{bytes}");
    assert_eq!(span.attribute("n"), Some(&7.into()), "what needs no text is kept");
    assert!(span.attributes[..9].iter().all(|(_, value)| value.as_str() == Some("0123456789")));
}

#[test]
fn an_application_that_has_used_up_the_text_does_not_hide_how_its_request_ended() {
    let limits = limits(|limits| limits.text_length = 64);
    let (tracer, memory) = recorder_with(|builder| builder.limits(limits));
    for _ in 0..2 {
        let span = tracer.span(SpanName::Target { verb: &"GET", target: "/a" }).start_with(|span| {
            span.push("filler", "x".repeat(62).as_str());
            span.set_target("/users/{id}", 2);
        });
        span.end_with(SpanEnd::Failed, |span| span.set_error("connection_reset"));
    }
    for span in memory.spans() {
        assert_eq!(text_of(&span, "error.type"), "connection_reset");
        assert_eq!(span.name, "GET /a", "a route is whole or is not there");
        assert_eq!(text_of(&span, "filler").len(), 62, "the next span has the limit that it should have");
    }
}

#[test]
fn a_list_is_cut_between_its_elements() {
    for (most, list, wanted, why) in [
        (4096, &["a", "", "€"][..], Some(&["a", "", "€"][..]), "all of it"),
        (15, &["abc", "def"], Some(&["abc", "def"]), "more than it needs: four bytes and the text of each"),
        (14, &["abc", "def"], Some(&["abc", "def"]), "just enough"),
        (13, &["abc", "def"], Some(&["abc"]), "one byte too few"),
        (13, &["abc", "def", ""], Some(&["abc"]), "the first that does not fit is the end"),
        (8, &["€uro"], None, "an element is not cut"),
        (0, &[], Some(&[]), "an empty list needs nothing"),
        (3, &[""], None, "an empty text does"),
    ] {
        let text_too = |l: &mut SpanLimits| l.text_length = most + 4;
        for limits in [limits(|l| l.value_length = most), limits(text_too)] {
            let span = recorded(limits, |span| span.push("k", TextList::from(list)));
            let wanted: Option<AttributeValue> = wanted
                .map(|list: &[&str]| AttributeValue::List(list.iter().map(|text| (*text).to_owned().into()).collect()));
            assert_eq!(span.attribute("k"), wanted.as_ref(), "{why}");
            assert_eq!(span.dropped_attributes, u32::from(wanted.is_none()), "{why}");
        }
    }
}

#[test]
fn an_attribute_whose_key_does_not_fit_is_dropped_and_counted() {
    let keys: Vec<String> = (0..20).map(|at| format!("key{at:07}")).collect();
    let span = recorded(limits(|l| l.text_length = 100), |span| {
        for key in &keys {
            span.push(key, 1);
        }
    });
    assert!(span.attributes.iter().all(|(key, _)| key.len() == 10), "{:?}", span.attributes);
    assert_eq!(span.attributes.len() as u32 + span.dropped_attributes, 20);
}

#[test]
fn a_long_key_is_replaced_like_any_other() {
    let key = "k".repeat(50);
    let span = recorded(limits(|l| l.value_length = 10), |span| {
        span.set(&key, 1);
        span.set(&key, 2);
    });
    assert_eq!(span.attributes, [("k".repeat(10).into(), 2.into())]);
}

#[test]
fn replacing_a_text_again_and_again_does_not_use_up_the_span() {
    let span = recorded(limits(|l| l.text_length = 200), |span| {
        for at in 0..100 {
            span.set("progress", &format!("step {at:03}"));
        }
        span.set("after", "still fits");
    });
    assert_eq!((text_of(&span, "progress"), text_of(&span, "after")), ("step 099".into(), "still fits".into()));
}

#[test]
fn limits_hold_in_every_span_of_the_tracer() {
    let (tracer, memory) = recorder_with(|builder| builder.limits(limits(|l| (l.attributes, l.value_length) = (2, 3))));
    let (other, others) = recorder();
    for round in 0..20 {
        let outer = tracer.span("outer").start();
        // Kept contexts and derived ones take other ways back to the pool.
        let kept = (round % 2 == 0).then(|| outer.context());
        let derived = (round % 3 == 0).then(|| outer.context().with_value(round));
        for _ in 0..3 {
            outer.record(|span| span.push("k", "long text"));
        }
        outer.end(SpanEnd::Completed);
        let span = memory.one();
        assert_eq!((span.attributes.len(), span.dropped_attributes), (2, 1), "round {round}");
        assert_eq!(text_of(&span, "k"), "lon", "round {round}");
        drop((kept, derived));
        let span = other.span("other").start();
        for _ in 0..3 {
            span.record(|span| span.push("k", "long text"));
        }
        span.end(SpanEnd::Completed);
        let span = others.one();
        assert_eq!((span.attributes.len(), &*text_of(&span, "k")), (3, "long text"), "round {round}");
        if round % 5 == 0 {
            tracer.span("warm").start().end(SpanEnd::Completed);
            memory.take();
        }
    }
}

#[test]
fn texts_of_an_earlier_span_take_no_room() {
    let (tracer, memory) = recorder_with(|builder| builder.limits(limits(|l| l.text_length = 50)));
    for round in 0..5 {
        tracer.span("name").start_with(|span| span.push("k", "thirty bytes of text, all told")).end(SpanEnd::Completed);
        assert_eq!(text_of(&memory.one(), "k"), "thirty bytes of text, all told", "round {round}");
    }
}

#[test]
fn limits_hold_after_a_span_whose_context_was_kept() {
    let (tracer, memory) = recorder_with(|builder| builder.limits(limits(|l| l.attributes = 2)));
    for derive in [false, true] {
        for round in 0..5 {
            let span = tracer.span("span").start();
            let kept = if derive { span.context().with_value(1) } else { span.context() };
            for _ in 0..3 {
                span.record(|span| span.push("k", 1));
            }
            span.end(SpanEnd::Completed);
            drop(kept);
            assert_eq!(memory.one().attributes.len(), 2, "round {round}, derive {derive}");
        }
    }
}

/// Copies every span into a buffer, and owns a copy of what it was.
#[derive(Clone, Default)]
struct Both(Arc<Mutex<(SpanBuffer, Vec<SpanData>)>>);

impl SpanSink for Both {
    fn on_end(&self, span: &FinishedSpan<'_>) {
        let mut both = self.0.lock().expect("no test panics in here");
        both.0.push(span);
        both.1.push(span.to_data());
    }
}

#[test]
fn an_empty_buffer_has_no_spans() {
    let buffer = SpanBuffer::new();
    assert!(buffer.is_empty() && buffer.bytes() == 0);
    assert_eq!(buffer.spans(&Resource::default()).count(), 0);
}

#[derive(Clone, Debug)]
enum Write {
    Attribute(String, Option<String>, i64),
    List(String, Vec<String>),
    Event(String, Vec<(String, String)>),
    Link(Vec<(String, i64)>),
    Status(String),
    Name(String),
}

fn writes() -> impl Strategy<Value = Write> {
    let text = || "[a-z€]{0,6}";
    prop_oneof![
        (text(), prop::option::of(text()), any::<i64>()).prop_map(|(k, s, n)| Write::Attribute(k, s, n)),
        (text(), prop::collection::vec(text(), 0..4)).prop_map(|(k, list)| Write::List(k, list)),
        (text(), prop::collection::vec((text(), text()), 0..4)).prop_map(|(name, of)| Write::Event(name, of)),
        prop::collection::vec((text(), any::<i64>()), 0..4).prop_map(Write::Link),
        text().prop_map(Write::Status),
        text().prop_map(Write::Name),
    ]
}

fn write(span: &mut Recording<'_>, what: &Write) {
    match what {
        Write::Attribute(key, Some(text), _) => span.set(key, text),
        Write::Attribute(key, None, number) => span.push(key, *number),
        Write::List(key, list) => {
            let list: Vec<_> = list.iter().map(String::as_str).collect();
            span.set(key, TextList::from(&list[..]));
        }
        Write::Event(name, of) => {
            let of: Vec<_> = of.iter().map(|(k, v)| (Key::dynamic(k), Value::from(v))).collect();
            span.event(name, &of);
        }
        Write::Link(of) => {
            let of: Vec<_> = of.iter().map(|(k, v)| (Key::dynamic(k), Value::from(*v))).collect();
            span.link(remote(SAMPLED), &of);
        }
        Write::Status(text) => span.set_status(&Status::Error { description: text.clone().into() }),
        Write::Name(text) => span.set_name(text),
    }
}

/// The same writes, as a span that was never in a buffer would show them.
fn model(name: &str, writes: &[Write]) -> (String, Vec<(String, AttributeValue)>, Status) {
    let (mut name, mut attributes, mut status) =
        (name.to_owned(), Vec::<(String, AttributeValue)>::new(), Status::Unset);
    let set = |attributes: &mut Vec<(String, AttributeValue)>, key: &String, value| match attributes
        .iter_mut()
        .find(|(known, _)| known == key)
    {
        Some((_, known)) => *known = value,
        None => attributes.push((key.clone(), value)),
    };
    for what in writes {
        match what {
            Write::Attribute(key, Some(text), _) => set(&mut attributes, key, text.into()),
            Write::List(key, list) => {
                let list = list.iter().map(|text| text.clone().into()).collect();
                set(&mut attributes, key, AttributeValue::List(list));
            }
            Write::Attribute(key, None, number) => attributes.push((key.clone(), (*number).into())),
            Write::Status(text) => status = Status::Error { description: text.clone().into() },
            Write::Name(text) => name.clone_from(text),
            Write::Event(..) | Write::Link(_) => {}
        }
    }
    (name, attributes, status)
}

proptest! {
    #[test]
    fn a_buffer_gives_back_what_the_spans_had(
        spans in prop::collection::vec((prop::collection::vec(writes(), 0..12), prop::option::of("[a-z]=[a-z]{1,9}")), 1..6),
        rounds in 1_usize..3,
    ) {
        let sink = Both::default();
        let tracer = Tracer::builder().sink(sink.clone()).resource(Resource::new("svc")).build();
        for _ in 0..rounds {
            sink.0.lock().unwrap().0.clear();
            sink.0.lock().unwrap().1.clear();
            for (writes, state) in &spans {
                let state = state.as_ref().map(|text| TraceState::parse(text.as_bytes()).unwrap());
                let parent = Context::ROOT.with_span_context(remote(SAMPLED)).with_tracestate(state);
                let span = tracer.span("first").parent(&parent).start_with(|span| {
                    writes.iter().take(3).for_each(|what| write(span, what));
                });
                for what in writes.iter().skip(3) {
                    span.record(|span| write(span, what));
                }
                span.end(SpanEnd::Completed);
            }
            let both = sink.0.lock().unwrap();
            let resource = Resource::new("svc");
            let again: Vec<_> = both.0.spans(&resource).map(|span| span.to_data()).collect();
            prop_assert_eq!(&again, &both.1);
            prop_assert_eq!(both.0.len(), spans.len());
            for (data, (writes, state)) in again.iter().zip(&spans) {
                let (name, attributes, status) = model("first", writes);
                let found: Vec<_> = data.attributes.iter().map(|(k, v)| (k.to_string(), v.clone())).collect();
                prop_assert_eq!(&data.name, &name);
                prop_assert_eq!(found, attributes);
                prop_assert_eq!(&data.status, &status);
                prop_assert_eq!(data.tracestate.as_ref().map(TraceState::as_str), state.as_deref());
                let events: Vec<_> = writes.iter().filter_map(|what| match what {
                    Write::Event(name, of) => Some((name.clone(), of.clone())),
                    _ => None,
                }).collect();
                let found: Vec<_> = data.events.iter().map(|event| {
                    let of = event.attributes.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
                    (event.name.to_string(), of)
                }).collect();
                prop_assert_eq!(found, events);
                let links = writes.iter().filter(|what| matches!(what, Write::Link(_))).count();
                prop_assert_eq!(data.links.len(), links);
            }
        }
    }

    #[test]
    fn no_limit_is_ever_exceeded(
        writes in prop::collection::vec(writes(), 0..40),
        most in (0_u32..5, 0_u32..3, 0_u32..3, 0_u32..7, 0_u32..40),
    ) {
        let limits = limits(|l| (l.attributes, l.events, l.links, l.value_length, l.text_length) = most);
        let span = recorded(limits, |span| writes.iter().for_each(|what| write(span, what)));
        prop_assert!(span.attributes.len() <= most.0 as usize && span.events.len() <= most.1 as usize);
        prop_assert!(span.links.len() <= most.2 as usize);
        for (key, value) in &span.attributes {
            let text = match value {
                AttributeValue::List(list) => list.iter().map(|text| text.len()).sum(),
                other => other.as_str().map_or(0, str::len),
            };
            prop_assert!(key.len().max(text) <= most.3 as usize);
        }
    }
}

#[test]
fn a_span_that_is_full_still_says_how_it_ended() {
    let (tracer, memory) = recorder_with(|builder| builder.limits(limits(|l| l.attributes = 2)));
    let span = tracer.span("span").start_with(|span| {
        for at in 0..3 {
            span.push("k", at);
        }
    });
    span.end_with(SpanEnd::Cancelled, |span| span.push("status", 503));
    let span = memory.one();
    assert_eq!((span.attributes.len(), span.dropped_attributes), (4, 1), "two, the status, the outcome");
    tracer.span("next").start_with(|span| (0..3).for_each(|at| span.push("k", at))).end(SpanEnd::Completed);
    assert_eq!(memory.spans().last().map(|span| span.attributes.len()), Some(2), "the next span has the limit again");
}
