//! The current context: what is current when, and that contexts never change.

mod common;

use std::cell::RefCell;
use std::sync::mpsc;
use std::thread;

use common::{SAMPLED, UNSAMPLED, catch, recorder, remote};
use throughline_core::{
    Baggage, Context, ContextGuard, Entered, SamplingState, SemanticKey, SpanContext, SpanEnd, TraceState, Tracer,
};

#[derive(Clone, Copy, PartialEq, Debug)]
struct Mark(u32);

fn marked(mark: u32) -> Context {
    Context::ROOT.with_value(Mark(mark))
}

/// The number in the current context; none in the root context.
fn here() -> Option<u32> {
    Context::current().value::<Mark>().map(|mark| mark.0)
}

#[test]
fn a_bare_thread_is_at_the_root() {
    thread::spawn(|| {
        let current = Context::current();
        assert!(current.is_root() && !current.is_sampled() && !current.is_instrumentation_suppressed());
        assert_eq!(Context::current_span_context(), None);
        assert_eq!(current.sampling_state(), SamplingState::Defer);
        assert!(current.baggage().is_empty() && current.tracestate().is_none() && current.tracer().is_none());
        assert_eq!(current.value::<Mark>(), None);
        assert!(current.span().span_context().is_none() && !current.span().is_recording());
        current.span().set("nobody", "cares");
    })
    .join()
    .unwrap();
}

#[test]
fn what_was_current_is_current_again() {
    let outer = marked(1).attach();
    assert_eq!(here(), Some(1));
    {
        let _inner = marked(2).attach();
        assert_eq!(here(), Some(2));
        marked(3).scope(|| assert_eq!(here(), Some(3)));
        assert_eq!(here(), Some(2));
        let _root = Context::ROOT.attach();
        assert_eq!(here(), None, "the root context can be attached too");
    }
    assert_eq!(here(), Some(1));
    drop(outer);
    assert!(Context::current().is_root());
}

#[test]
fn a_panic_detaches() {
    let _outer = marked(1).attach();
    for attach in [
        (|| {
            let _guard = marked(2).attach();
            panic!("on purpose");
        }) as fn(),
        || marked(2).scope(|| panic!("on purpose")),
        || {
            let mut slot = marked(2);
            let _entered = slot.enter();
            panic!("on purpose");
        },
        || marked(2).wrap(|| panic!("on purpose"))(),
    ] {
        assert!(catch(attach));
        assert_eq!(here(), Some(1));
    }
}

#[test]
fn attaching_the_current_context_again_changes_nothing() {
    let _outer = marked(1).attach();
    {
        let _same = Context::current().attach();
        assert_eq!(here(), Some(1));
    }
    assert_eq!(here(), Some(1));
}

#[test]
fn a_guard_says_where_it_was_made() {
    let (guard, line) = (marked(1).attach(), line!());
    assert_eq!((guard.location().file(), guard.location().line()), (file!(), line));
}

#[test]
fn a_slot_that_was_entered_has_its_context_back_afterwards() {
    let mut slot = marked(2);
    for _ in 0..3 {
        let _entered = slot.enter();
        assert_eq!(here(), Some(2));
    }
    assert_eq!(slot.value::<Mark>(), Some(&Mark(2)));
}

#[test]
fn each_thread_has_its_own() {
    let _here = marked(1).attach();
    let there = thread::spawn(here).join().unwrap();
    assert_eq!((here(), there), (Some(1), None));
}

#[test]
fn wrapped_closures_carry_the_context_they_were_made_with() {
    let context = marked(7);
    let once = context.wrap(here);
    let mut seen = Vec::new();
    let mut again = context.wrap_mut(|add: u32| {
        seen.push(here().unwrap() + add);
        seen.len()
    });
    let many = context.wrap_fn(|add: u32| here().unwrap() + add);
    let _other = marked(1).attach();
    assert_eq!(thread::spawn(once).join().unwrap(), Some(7));
    assert_eq!((again(1), again(2)), (1, 2));
    assert_eq!(here(), Some(1), "and give back what was current");
    drop(again);
    assert_eq!(seen, [8, 9]);
    thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|add| {
                let many = &many;
                scope.spawn(move || many(add))
            })
            .collect();
        let sums: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
        assert_eq!(sums, [7, 8, 9, 10]);
    });
}

#[test]
fn a_wrapped_closure_can_be_called_again_after_it_panicked() {
    let mut wrapped = marked(7).wrap_mut(|fails: bool| {
        assert_eq!(here(), Some(7));
        assert!(!fails, "on purpose");
    });
    assert!(catch(|| wrapped(true)));
    assert_eq!(here(), None);
    wrapped(false);
}

#[test]
fn values_are_told_apart_by_type() {
    #[derive(PartialEq, Debug)]
    struct Mark(u8);

    let context = Context::ROOT.with_value(Mark(1)).with_value(self::Mark(2)).with_value(3_u8).with_value(4_u16);
    assert_eq!(context.value(), Some(&Mark(1)));
    assert_eq!(context.value(), Some(&self::Mark(2)));
    assert_eq!((context.value(), context.value()), (Some(&3_u8), Some(&4_u16)));
    assert_eq!(context.value::<u32>(), None);
    let replaced = context.with_value(5_u8);
    assert_eq!((context.value(), replaced.value()), (Some(&3_u8), Some(&5_u8)));
}

#[test]
fn values_are_inherited_and_dropped_with_the_last_context() {
    let alive = std::sync::Arc::new(());
    let parent = Context::ROOT.with_value(alive.clone());
    let (tracer, _) = recorder();
    let span = tracer.span("child").parent(&parent).start();
    assert!(span.context().value::<std::sync::Arc<()>>().is_some());
    drop(parent);
    assert_eq!(std::sync::Arc::strong_count(&alive), 2);
    span.end(SpanEnd::Completed);
    assert_eq!(std::sync::Arc::strong_count(&alive), 1, "the pool keeps no value");
}

fn state(text: &str) -> TraceState {
    TraceState::parse(text.as_bytes()).expect("the test's own input is valid")
}

#[test]
fn no_change_is_seen_in_the_context_it_was_made_of() {
    let base = Context::ROOT
        .with_span_context(remote(SAMPLED))
        .with_tracestate(Some(state("a=1")))
        .with_baggage(Baggage::new().with("k", "v").unwrap())
        .with_value(Mark(1));
    let before = format!("{base:?}");
    for (other, why) in [
        (base.with_value(Mark(2)), "value"),
        (base.with_baggage(Baggage::new()), "baggage"),
        (base.with_tracestate(Some(state("b=2"))), "tracestate"),
        (base.with_span_context(remote(UNSAMPLED)), "ids"),
        (base.with_sampling_state(SamplingState::Deny), "decision"),
        (base.with_instrumentation_suppressed(), "suppression"),
    ] {
        assert_eq!(format!("{base:?}"), before, "{why}");
        assert_eq!(base.value::<Mark>(), Some(&Mark(1)), "{why}");
        assert!(!base.is_instrumentation_suppressed(), "{why}");
        drop(other);
    }
    let copy = base.clone();
    drop(base);
    assert_eq!(format!("{copy:?}"), before);
}

#[test]
fn each_change_touches_its_own_part_only() {
    let base = Context::ROOT
        .with_span_context(remote(SAMPLED))
        .with_tracestate(Some(state("a=1")))
        .with_baggage(Baggage::new().with("k", "v").unwrap())
        .with_value(Mark(1));
    let parts = |context: &Context| {
        (
            context.span_context(),
            context.tracestate().map(ToString::to_string),
            context.baggage().to_string(),
            context.value::<Mark>().copied(),
            context.sampling_state(),
        )
    };
    let (ids, entries, pairs) = (Some(remote(SAMPLED)), Some("a=1".to_owned()), "k=v".to_owned());
    let (mark, accept) = (Some(Mark(1)), SamplingState::Accept);
    assert_eq!(parts(&base), (ids, entries.clone(), pairs.clone(), mark, accept));
    let other = base.with_value(Mark(2));
    assert_eq!(parts(&other), (ids, entries.clone(), pairs.clone(), Some(Mark(2)), accept));
    let other = base.with_baggage(Baggage::new());
    assert_eq!(parts(&other), (ids, entries.clone(), String::new(), mark, accept));
    let other = base.with_tracestate(None);
    assert_eq!(parts(&other), (ids, None, pairs.clone(), mark, accept));
    let other = base.with_span_context(remote(UNSAMPLED));
    assert_eq!(parts(&other), (Some(remote(UNSAMPLED)), None, pairs.clone(), mark, SamplingState::Deny));
    let other = base.with_sampling_state(SamplingState::Debug);
    assert_eq!(parts(&other), (ids, entries, pairs, mark, SamplingState::Debug), "ids that say the same stay");
}

#[test]
fn suppression_is_by_key_or_of_everything() {
    let (tracer, _) = recorder();
    let span = tracer.span("call").semantic_key(SemanticKey::HttpClient).start();
    let context = span.context();
    assert!(context.is_suppressed(SemanticKey::HttpClient) && !context.is_suppressed(SemanticKey::RpcClient));
    assert!(!context.is_instrumentation_suppressed());
    let all = context.with_instrumentation_suppressed();
    assert!(all.is_instrumentation_suppressed() && all.is_suppressed(SemanticKey::DbClient));
    assert!(all.with_value(1).is_instrumentation_suppressed(), "derived contexts keep it");
}

#[test]
fn a_context_outlives_its_thread_and_its_tracer() {
    let context = thread::spawn(|| {
        let (tracer, _) = recorder();
        let span = tracer.span("elsewhere").start();
        span.context().with_baggage(Baggage::new().with("k", "v").unwrap())
    })
    .join()
    .unwrap();
    assert_eq!(context.baggage().get("k"), Some("v"));
    assert!(!context.span().is_recording(), "the span was dropped, hence ended");
}

#[test]
fn contexts_may_be_dropped_while_a_thread_ends() {
    struct Last(Context);

    impl Drop for Last {
        fn drop(&mut self) {
            let _guard = self.0.clone().attach();
            drop(self.0.with_value(Mark(9)));
            assert_eq!(here(), Some(1));
            let _ = TraceState::parse(b"a=1");
        }
    }

    thread_local! {
        static LAST: RefCell<Option<Last>> = const { RefCell::new(None) };
    }

    thread::spawn(|| {
        // First registered, last destroyed: the core's own thread-locals are gone by then.
        LAST.with_borrow_mut(|last| *last = Some(Last(marked(1))));
        let (tracer, _) = recorder();
        tracer.span("uses the pool").start().end(SpanEnd::Completed);
        drop(marked(2).with_tracestate(Some(state("a=1"))));
    })
    .join()
    .unwrap();
}

#[test]
fn contexts_cross_threads_in_both_directions() {
    let (to, from) = mpsc::channel::<Context>();
    let worker = thread::spawn(move || from.into_iter().map(|context| context.scope(here)).collect::<Vec<_>>());
    for mark in 0..100 {
        to.send(marked(mark)).unwrap();
    }
    drop(to);
    assert_eq!(worker.join().unwrap(), (0..100).map(Some).collect::<Vec<_>>());
}

#[test]
fn the_tracer_of_a_context_is_that_of_its_span() {
    let (one, one_spans) = recorder();
    let (two, two_spans) = recorder();
    let outer = one.span("outer").start();
    outer.context().scope(|| {
        let inner = two.span("inner").start();
        inner.context().scope(|| Tracer::current().span("innermost").start().end(SpanEnd::Completed));
        inner.end(SpanEnd::Completed);
        Tracer::current().span("middle").start().end(SpanEnd::Completed);
    });
    outer.end(SpanEnd::Completed);
    let names = |spans: Vec<throughline_core::SpanData>| spans.into_iter().map(|span| span.name).collect::<Vec<_>>();
    assert_eq!(names(two_spans.take()), ["innermost", "inner"]);
    assert_eq!(names(one_spans.take()), ["middle", "outer"]);
}

#[test]
fn a_context_is_one_word() {
    assert_eq!(size_of::<Context>(), size_of::<usize>());
    assert_eq!(size_of::<Option<SpanContext>>(), size_of::<SpanContext>());
}

/// Ambiguous for what is `Send`, hence no compilation if `T` ever becomes so.
macro_rules! assert_not_send {
    ($($name:ty),*) => {$(
        const _: fn() = || {
            trait Ambiguous<A> {
                fn some() {}
            }
            impl<T: ?Sized> Ambiguous<()> for T {}
            struct IfSend;
            impl<T: ?Sized + Send> Ambiguous<IfSend> for T {}
            let _ = <$name as Ambiguous<_>>::some;
        };
    )*};
}

assert_not_send!(ContextGuard, Entered<'_>);

const _: () = {
    const fn send_sync_static<T: Send + Sync + 'static>() {}
    send_sync_static::<Context>();
};

#[test]
fn contexts_are_made_while_the_span_is_written_to() {
    let (done, finished) = mpsc::channel();
    thread::spawn(move || {
        let (tracer, memory) = recorder();
        let span = tracer.span("name").start();
        let context = span.context();
        context.span().record(|span| {
            let derived = context.with_value(Mark(7)).with_baggage(Baggage::new()).with_instrumentation_suppressed();
            span.set("mark", derived.value::<Mark>().map_or(0, |mark| mark.0));
        });
        span.end(SpanEnd::Completed);
        done.send(memory.one().attributes.len())
    });
    // A lock that is taken twice does not come back: the limit is for the failure only.
    assert_eq!(finished.recv_timeout(std::time::Duration::from_secs(30)), Ok(1));
}
