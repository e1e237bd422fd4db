use throughline_core::{Context, SpanEnd, SpanKind, Tracer};

use super::super::rig::{Rig, child, elsewhere, sent};
use super::*;

const QUIET: Duration = Duration::from_millis(300);

/// A store whose time is a number.
struct Desk {
    store: Store,
    start: Instant,
    shared: bool,
}

impl Desk {
    fn new(max_spans: usize, max_bytes: usize) -> Self {
        Self { store: Store::new(QUIET, max_spans, max_bytes), start: Instant::now(), shared: false }
    }

    fn at(&self, millis: u64) -> Instant {
        self.start + Duration::from_millis(millis)
    }

    fn add(&mut self, millis: u64, spans: Vec<SpanData>) {
        let now = self.at(millis);
        spans.into_iter().for_each(|span| self.store.add(span, now));
    }

    /// The names of what is drawn at a time, a trace each.
    fn drawn(&mut self, millis: u64) -> Vec<String> {
        let now = self.at(millis);
        std::iter::from_fn(|| self.store.due(now, self.shared)).map(|drawing| names(&drawing)).collect()
    }

    fn pause(&mut self, millis: u64) {
        self.store.pause(self.at(millis));
    }

    fn resume(&mut self, millis: u64) {
        self.store.resume(self.at(millis));
    }

    fn next_due(&self) -> Option<u64> {
        self.store.next_due(self.shared).map(|at| (at - self.start).as_millis() as u64)
    }
}

fn names(drawing: &Drawing) -> String {
    let names: Vec<_> = drawing.spans.iter().map(|span| span.name.as_str()).collect();
    format!("{}{}", if drawing.continues.is_some() { "… " } else { "" }, names.join(" "))
}

fn roots(rig: &Rig, tracer: &Tracer, names: &[&str]) -> Vec<SpanData> {
    names.iter().for_each(|name| tracer.span(*name).root().start().end(SpanEnd::Completed));
    rig.ended()
}

#[test]
fn a_trace_is_drawn_when_its_root_has_ended_and_nothing_came_for_a_while() {
    let (rig, mut desk) = (Rig::new(), Desk::new(100, 1 << 20));
    let service = rig.service("s");
    let root = service.span("root").root().start();
    child(&service, "a", SpanKind::Internal, &root.context()).end(SpanEnd::Completed);
    desk.add(0, rig.ended());
    assert_eq!((desk.next_due(), desk.drawn(10_000)), (None, vec![]), "its root has not ended");
    let late = child(&service, "b", SpanKind::Internal, &root.context());
    root.end(SpanEnd::Completed);
    desk.add(10_000, rig.ended());
    assert_eq!((desk.next_due(), desk.drawn(10_299)), (Some(10_300), vec![]), "somebody may still be late");
    late.end(SpanEnd::Completed);
    desk.add(10_200, rig.ended());
    assert_eq!(desk.drawn(10_499), [""; 0], "somebody was late");
    assert_eq!(desk.drawn(10_500), ["a root b"]);
    assert_eq!((desk.next_due(), desk.drawn(99_999)), (None, vec![]));
}

/// Whoever is in an export may have more of the trace waiting.
#[test]
fn the_time_of_exports_is_not_quiet_time() {
    let (rig, mut desk) = (Rig::new(), Desk::new(100, 1 << 20));
    let service = rig.service("s");
    desk.pause(0);
    desk.add(0, roots(&rig, &service, &["a"]));
    assert_eq!(desk.drawn(1000), [""; 0], "in an export");
    desk.pause(1000);
    desk.resume(1100);
    assert_eq!(desk.drawn(1399), [""; 0], "one of two is still in its export");
    desk.resume(1400);
    assert_eq!((desk.next_due(), desk.drawn(1699)), (Some(1700), vec![]), "what waited comes now");
    assert_eq!(desk.drawn(1700), ["a"]);

    desk.add(2000, roots(&rig, &service, &["b"]));
    for export in 0..10 {
        desk.pause(2000 + export * 20);
        desk.resume(2001 + export * 20);
    }
    assert_eq!(desk.next_due(), Some(2310), "many short exports do not delay it much");
    assert_eq!(desk.drawn(2310), ["b"]);

    desk.add(3000, roots(&rig, &service, &["c"]));
    desk.pause(3200);
    assert_eq!((desk.next_due(), desk.drawn(5999)), (Some(6000), vec![]));
    assert_eq!(desk.drawn(6000), ["c"], "an exporter that hangs does not hide it for ever");
}

#[test]
fn late_spans_are_a_continuation() {
    let (rig, mut desk) = (Rig::new(), Desk::new(100, 1 << 20));
    let service = rig.service("s");
    let root = service.span("root").root().start();
    let context = root.context();
    rig.millis(5);
    root.end(SpanEnd::Completed);
    let spans = rig.ended();
    let origin = spans[0].start_time;
    desk.add(0, spans);
    assert_eq!(desk.drawn(300), ["root"]);
    for round in 1..3 {
        child(&service, "late", SpanKind::Internal, &context).end(SpanEnd::Completed);
        desk.add(1000 * round, rig.ended());
        assert_eq!(desk.drawn(1000 * round + 299), [""; 0]);
        let drawing = desk.store.due(desk.at(1000 * round + 300), false).unwrap();
        assert_eq!((names(&drawing), drawing.continues), ("… late".to_owned(), Some(origin)));
    }
}

#[test]
fn a_trace_that_began_elsewhere_has_its_root_here() {
    let (rig, mut desk) = (Rig::new(), Desk::new(100, 1 << 20));
    let service = rig.service("s");
    let remote = Context::ROOT.with_span_context(elsewhere(9, 9).with_remote(true));
    child(&service, "GET /", SpanKind::Server, &remote).end(SpanEnd::Completed);
    desk.add(0, rig.ended());
    assert_eq!(desk.next_due(), Some(300));
    // Somebody else may hold the parent.
    desk.shared = true;
    assert_eq!((desk.drawn(2999), desk.next_due()), (vec![], Some(3000)));
    desk.shared = false;
    assert_eq!(desk.drawn(300), ["GET /"]);
}

#[test]
fn a_quiet_time_without_end_is_one() {
    let (rig, mut desk) = (Rig::new(), Desk::new(100, 1 << 20));
    desk.store = Store::new(Duration::MAX, 100, 1 << 20);
    let service = rig.service("s");
    let remote = Context::ROOT.with_span_context(elsewhere(9, 9).with_remote(true));
    child(&service, "GET /", SpanKind::Server, &remote).end(SpanEnd::Completed);
    desk.add(0, rig.ended());
    desk.shared = true;
    assert_eq!((desk.next_due(), desk.drawn(99_999)), (None, vec![]));
}

#[test]
fn a_remote_parent_that_is_here_is_no_root() {
    let (rig, mut desk) = (Rig::new(), Desk::new(100, 1 << 20));
    let (shop, orders) = (rig.service("shop"), rig.service("orders"));
    let root = shop.span("root").root().start();
    let call = child(&shop, "call", SpanKind::Client, &root.context());
    child(&orders, "answer", SpanKind::Server, &sent(&call)).end(SpanEnd::Completed);
    call.end(SpanEnd::Completed);
    desk.add(0, rig.ended());
    assert_eq!(desk.next_due(), None, "the root is in this process and has not ended");
    root.end(SpanEnd::Completed);
    desk.add(50, rig.ended());
    assert_eq!(desk.drawn(350), ["answer call root"]);
}

/// A queue of several shards hands spans over in any order.
#[test]
fn traces_are_drawn_in_the_order_in_which_they_started() {
    let (rig, mut desk) = (Rig::new(), Desk::new(100, 1 << 20));
    let service = rig.service("s");
    let mut spans = Vec::new();
    for name in ["a", "b", "c"] {
        rig.millis(1);
        let root = service.span(name).root().start();
        rig.millis(5);
        child(&service, "inner", SpanKind::Internal, &root.context()).end(SpanEnd::Completed);
        root.end(SpanEnd::Completed);
        // The trace's earliest span is not its first to arrive.
        spans.splice(0..0, rig.ended());
    }
    desk.add(0, spans.clone());
    assert_eq!(desk.drawn(300), ["inner a", "inner b", "inner c"], "due at the same time");
    desk.store.drawn.clear();
    desk.add(1000, spans);
    let left: Vec<_> = std::iter::from_fn(|| desk.store.next()).map(|drawing| names(&drawing)).collect();
    assert_eq!(left, ["inner a", "inner b", "inner c"], "left over");
}

#[test]
fn what_started_at_the_same_time_is_drawn_in_the_order_in_which_it_came() {
    let (rig, mut desk) = (Rig::new(), Desk::new(100, 1 << 20));
    let service = rig.service("s");
    desk.add(0, roots(&rig, &service, &["a", "b", "c"]));
    let open = service.span("open").root().start();
    child(&service, "orphan", SpanKind::Internal, &open.context()).end(SpanEnd::Completed);
    desk.add(0, rig.ended());
    let drawn: Vec<_> = std::iter::from_fn(|| desk.store.next()).map(|drawing| names(&drawing)).collect();
    assert_eq!(drawn, ["a", "b", "c", "orphan"]);
    open.end(SpanEnd::Completed);
}

#[test]
fn the_oldest_traces_make_room_and_are_counted_and_mentioned_once() {
    let (rig, mut desk) = (Rig::new(), Desk::new(3, 1 << 20));
    let service = rig.service("s");
    desk.add(0, roots(&rig, &service, &["a", "b", "c", "d", "e"]));
    assert_eq!((desk.store.dropped(), desk.store.spans), (2, 3));
    let first = desk.store.next().unwrap();
    assert_eq!((names(&first), first.dropped), ("c".to_owned(), 2));
    assert_eq!(desk.store.next().unwrap().dropped, 0);
}

#[test]
fn the_store_is_bounded_in_bytes() {
    let (rig, mut desk) = (Rig::new(), Desk::new(1000, 10_000));
    let service = rig.service("s");
    let name = "n".repeat(2000);
    desk.add(0, roots(&rig, &service, &[name.as_str(); 20]));
    assert!(desk.store.bytes <= 10_000 && desk.store.spans >= 3, "{} {}", desk.store.bytes, desk.store.spans);
    assert_eq!(desk.store.dropped() + desk.store.spans as u64, 20);
    let huge = "n".repeat(20_000);
    let kept = desk.store.spans;
    let mut spans = roots(&rig, &service, &["small"]);
    spans[0].name = huge;
    desk.add(0, spans);
    assert_eq!(desk.store.spans, kept, "what would never fit does not cost the others their place");
    while desk.store.next().is_some() {}
    assert_eq!((desk.store.bytes, desk.store.spans, desk.store.numbers.len()), (0, 0, 0));
}

#[test]
fn only_so_many_drawn_traces_are_remembered() {
    let (rig, mut desk) = (Rig::new(), Desk::new(10_000, 1 << 24));
    let service = rig.service("s");
    for _ in 0..3 {
        desk.add(0, roots(&rig, &service, &["r"; 700]));
        while desk.store.next().is_some() {}
    }
    assert_eq!(desk.store.drawn.len(), REMEMBERED);
}
