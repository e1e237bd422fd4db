//! Futures, streams and sinks with a context: in every poll, and while the inner value is dropped (law 5).

mod common;

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{self, Poll};

use common::catch;
use futures_util::stream::{self, FusedStream, Stream, StreamExt};
use futures_util::{Sink, SinkExt, future, sink};
use throughline_core::{Context, ContextExt, WithContext};
use tokio_test::task::spawn;
use tokio_test::{assert_pending, assert_ready, assert_ready_eq};

fn marked(mark: u32) -> Context {
    Context::ROOT.with_value(mark)
}

fn here() -> Option<u32> {
    Context::current().value::<u32>().copied()
}

/// What was seen, when.
type Log = Rc<RefCell<Vec<(&'static str, Option<u32>)>>>;

/// Writes down the current context when it is polled and when it is dropped.
struct Probe {
    log: Log,
    pending: u32,
    panics: bool,
}

impl Probe {
    fn new(log: &Log, pending: u32) -> Self {
        Self { log: Rc::clone(log), pending, panics: false }
    }

    fn see(&self, what: &'static str) {
        self.log.borrow_mut().push((what, here()));
    }
}

impl Future for Probe {
    type Output = &'static str;

    fn poll(mut self: Pin<&mut Self>, _: &mut task::Context<'_>) -> Poll<&'static str> {
        self.see("poll");
        assert!(!self.panics, "on purpose");
        match self.pending.checked_sub(1) {
            Some(left) => {
                self.pending = left;
                Poll::Pending
            }
            None => Poll::Ready("done"),
        }
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        self.see("drop");
    }
}

impl Stream for Probe {
    type Item = u32;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut task::Context<'_>) -> Poll<Option<u32>> {
        self.see("next");
        let left = self.pending.checked_sub(1);
        self.pending = left.unwrap_or(0);
        Poll::Ready(left)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.pending as usize, Some(self.pending as usize))
    }
}

impl FusedStream for Probe {
    fn is_terminated(&self) -> bool {
        self.pending == 0
    }
}

impl Sink<u32> for Probe {
    type Error = &'static str;

    fn poll_ready(self: Pin<&mut Self>, _: &mut task::Context<'_>) -> Poll<Result<(), &'static str>> {
        self.see("ready");
        Poll::Ready(Ok(()))
    }

    fn start_send(self: Pin<&mut Self>, item: u32) -> Result<(), &'static str> {
        self.see("send");
        if item == 0 { Err("zero") } else { Ok(()) }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut task::Context<'_>) -> Poll<Result<(), &'static str>> {
        self.see("flush");
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut task::Context<'_>) -> Poll<Result<(), &'static str>> {
        self.see("close");
        Poll::Ready(Ok(()))
    }
}

#[test]
fn every_poll_sees_the_context_and_a_finished_future_is_dropped_in_it() {
    let log = Log::default();
    let mut task = spawn(Probe::new(&log, 2).with_context(marked(7)));
    let _other = marked(1).attach();
    assert_pending!(task.poll());
    assert_eq!(here(), Some(1), "between polls nothing of it is current");
    assert_pending!(task.poll());
    assert_ready_eq!(task.poll(), "done");
    assert_eq!(*log.borrow(), [("poll", Some(7)), ("poll", Some(7)), ("poll", Some(7)), ("drop", Some(7))]);
    assert!(task.get_ref().is_none());
    drop(task);
    assert_eq!(log.borrow().len(), 4, "dropped once");
    assert_eq!(here(), Some(1));
}

#[test]
fn a_cancelled_future_is_dropped_in_its_context() {
    for polls in [0, 1, 2] {
        let log = Log::default();
        let mut task = spawn(Probe::new(&log, 9).with_context(marked(7)));
        let _other = marked(1).attach();
        for _ in 0..polls {
            assert_pending!(task.poll());
        }
        drop(task);
        assert_eq!(log.borrow().last(), Some(&("drop", Some(7))), "after {polls} polls");
        assert_eq!(here(), Some(1));
    }
}

#[test]
fn a_panicking_poll_restores_and_the_future_is_dropped_in_its_context() {
    let log = Log::default();
    let mut probe = Probe::new(&log, 0);
    probe.panics = true;
    let mut task = spawn(probe.with_context(marked(7)));
    let _other = marked(1).attach();
    assert!(catch(|| assert!(task.poll().is_pending())));
    assert_eq!(here(), Some(1));
    drop(task);
    assert_eq!(*log.borrow(), [("poll", Some(7)), ("drop", Some(7))]);
}

#[test]
fn a_panicking_drop_restores() {
    struct Bomb;

    impl Drop for Bomb {
        fn drop(&mut self) {
            assert_eq!(here(), Some(7));
            panic!("on purpose");
        }
    }

    let _other = marked(1).attach();
    let bomb = Bomb;
    let cancelled = async move { drop(bomb) }.with_context(marked(7));
    assert!(catch(|| drop(cancelled)));
    assert_eq!(here(), Some(1));
}

#[test]
fn nested_wrappers_restore_the_outer_context() {
    let log = Log::default();
    let see = |what| {
        let log = Rc::clone(&log);
        move || log.borrow_mut().push((what, here()))
    };
    let (before, after, inside) = (see("before"), see("after"), see("inside"));
    let inner = async move {
        inside();
        yield_once().await;
        inside();
    };
    let outer = async move {
        before();
        inner.with_context(marked(8)).await;
        after();
    };
    let mut task = spawn(outer.with_context(marked(7)));
    assert_pending!(task.poll());
    assert_eq!(here(), None);
    assert_ready!(task.poll());
    assert_eq!(*log.borrow(), [("before", Some(7)), ("inside", Some(8)), ("inside", Some(8)), ("after", Some(7))]);
}

#[test]
fn a_cancelled_nest_drops_each_level_in_its_own_context() {
    let log = Log::default();
    let (outer, inner) = (Probe::new(&log, 9), Probe::new(&log, 9));
    let nest = async move {
        let _outer = outer;
        inner.with_context(marked(8)).await
    };
    let mut task = spawn(nest.with_context(marked(7)));
    assert_pending!(task.poll());
    drop(task);
    assert_eq!(*log.borrow(), [("poll", Some(8)), ("drop", Some(8)), ("drop", Some(7))]);
}

#[test]
fn the_context_that_is_current_at_the_call_can_be_taken_along() {
    let wrapped = marked(5).scope(|| future::lazy(|_| here()).with_current_context());
    assert_ready_eq!(spawn(wrapped).poll(), Some(5));
    assert_eq!(future::ready(()).with_context(marked(3)).context().value::<u32>(), Some(&3));
}

#[test]
fn a_future_that_changes_threads_takes_its_context_along() {
    let mut wrapped = Box::pin(
        async {
            let first = here();
            yield_once().await;
            (first, here())
        }
        .with_context(marked(7)),
    );
    assert!(spawn(poll_fn(|cx| wrapped.as_mut().poll(cx))).poll().is_pending());
    let seen = std::thread::spawn(move || tokio_test::block_on(wrapped)).join().unwrap();
    assert_eq!(seen, (Some(7), Some(7)));
}

#[test]
fn streams_see_the_context_and_keep_their_hints() {
    let log = Log::default();
    let mut task = spawn(Probe::new(&log, 2).with_context(marked(7)));
    assert_eq!(task.size_hint(), (2, Some(2)));
    assert!(!task.is_terminated());
    let _other = marked(1).attach();
    assert_ready_eq!(task.poll_next(), Some(1));
    assert_ready_eq!(task.poll_next(), Some(0));
    assert_ready_eq!(task.poll_next(), None);
    assert!(task.is_terminated());
    assert_eq!(here(), Some(1));
    drop(task);
    let next = ("next", Some(7));
    assert_eq!(*log.borrow(), [next, next, next, ("drop", Some(7))]);
}

#[test]
fn stream_combinators_work_on_the_wrapper() {
    let stream = WithContext::new(stream::iter(0..3).map(|n| (n, here())), marked(7));
    let seen = tokio_test::block_on(stream.collect::<Vec<_>>());
    assert_eq!(seen, [(0, Some(7)), (1, Some(7)), (2, Some(7))]);
}

#[test]
fn sinks_see_the_context_in_every_call() {
    let log = Log::default();
    let mut wrapped = Probe::new(&log, 0).with_context(marked(7));
    let _other = marked(1).attach();
    tokio_test::block_on(async {
        wrapped.feed(1).await.unwrap();
        wrapped.flush().await.unwrap();
        assert_eq!(wrapped.feed(0).await, Err("zero"), "the error is the sink's own");
        wrapped.close().await.unwrap();
    });
    drop(wrapped);
    let all = ["ready", "send", "flush", "ready", "send", "flush", "close", "drop"];
    let seen: Vec<_> = log.borrow().iter().filter(|(what, _)| *what != "flush").map(|(what, _)| *what).collect();
    assert_eq!(seen, all.into_iter().filter(|what| *what != "flush").collect::<Vec<_>>());
    assert!(log.borrow().iter().all(|(_, mark)| *mark == Some(7)), "{:?}", log.borrow());
    assert_eq!(here(), Some(1));
}

#[test]
fn a_panicking_sink_restores() {
    let mut wrapped = pin!(WithContext::new(
        sink::unfold((), |(), fails: bool| async move {
            assert!(!fails, "on purpose");
            Ok::<(), ()>(())
        }),
        marked(7),
    ));
    let _other = marked(1).attach();
    assert!(catch(|| tokio_test::block_on(wrapped.send(true)).unwrap()));
    assert_eq!(here(), Some(1));
}

#[test]
fn a_root_context_hides_the_ambient_one() {
    let _other = marked(1).attach();
    assert_ready_eq!(spawn(future::lazy(|_| here()).with_context(Context::ROOT)).poll(), None);
}

#[test]
fn polling_a_finished_future_panics_and_restores() {
    let mut task = spawn(future::ready(()).with_context(marked(7)));
    assert_ready!(task.poll());
    assert!(catch(|| assert!(task.poll().is_pending())));
    assert_eq!(here(), None);
}

#[test]
fn the_inner_value_can_be_reached() {
    let mut wrapped = WithContext::new(stream::iter([1]), Context::ROOT);
    assert_eq!(wrapped.get_ref().map(Stream::size_hint), Some((1, Some(1))));
    assert!(wrapped.get_mut().is_some());
}

fn yield_once() -> impl Future<Output = ()> {
    let mut yielded = false;
    poll_fn(move |_| if std::mem::replace(&mut yielded, true) { Poll::Ready(()) } else { Poll::Pending })
}

#[test]
fn the_wrapper_adds_one_word() {
    type F = future::Ready<[usize; 4]>;
    assert!(size_of::<WithContext<F>>() <= size_of::<F>() + 2 * size_of::<usize>());
}

const _: () = {
    const fn send<T: Send>() {}
    const fn sync<T: Sync>() {}
    const fn unpin<T: Unpin>() {}
    send::<WithContext<future::Ready<()>>>();
    sync::<WithContext<future::Ready<()>>>();
    unpin::<WithContext<future::Ready<()>>>();
};

/// Not `Send` with an inner value that is not.
const _: fn() = || {
    trait Ambiguous<A> {
        fn some() {}
    }
    impl<T: ?Sized> Ambiguous<()> for T {}
    struct IfSend;
    impl<T: ?Sized + Send> Ambiguous<IfSend> for T {}
    let _ = <WithContext<Rc<()>> as Ambiguous<_>>::some;
};
