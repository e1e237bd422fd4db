//! That a processor is disabled is said where it may be said. Alone in its process: it is said once a minute.

use std::sync::{Arc, Mutex};

use throughline_core::processor::{essential, on_end};
use throughline_core::{SpanEnd, Tracer};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

#[derive(Clone, Default)]
struct Messages(Arc<Mutex<Vec<String>>>);

impl Subscriber for Messages {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        event.record(&mut self.clone());
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

impl Visit for Messages {
    fn record_debug(&mut self, _: &Field, value: &dyn std::fmt::Debug) {
        self.0.lock().expect("no panic under the lock").push(format!("{value:?}"));
    }
}

#[test]
fn that_a_processor_is_disabled_is_said_when_the_next_span_starts() {
    let messages = Messages::default();
    let count = || messages.0.lock().unwrap().len();
    tracing::subscriber::with_default(messages.clone(), || {
        let processor = essential(on_end(|_| panic!("on purpose")));
        let tracer = Tracer::builder().processor(processor).max_hook_panics(2).build();
        for _ in 0..2 {
            tracer.span("s").start().end(SpanEnd::Completed);
            assert_eq!(count(), 0, "not at the end, which may be in a drop");
        }
        tracer.span("s").start().end(SpanEnd::Completed);
        assert_eq!(count(), 1);
        tracer.span("s").start().end(SpanEnd::Completed);
        assert_eq!(count(), 1, "once");
    });
    let text = messages.0.lock().unwrap().remove(0);
    assert!(text.contains("panicked 2 times") && text.contains("OnEnd") && text.contains("dropped without"), "{text}");
}
