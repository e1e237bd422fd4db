//! Spans of connections that go on after the answer: when they end, and that nothing of them stays.

use std::future::{Ready, pending, ready as ready_future};
use std::sync::{Arc, Weak};

use http::{Method, Request, Response};
use throughline_core::{AlwaysOff, Context, SpanData, SpanEnd, SpanKind, Status, Tracer};
use throughline_testing::{BodyError, ContextLog, Gate, MemorySink, Point, ScriptedBody, tracer_with};
use throughline_tower::{ActiveRequests, HttpServerLayer, UpgradeSpan};
use tokio_test::{assert_pending, assert_ready, task};
use tower::ServiceExt;

use crate::rig::{one, panics, ready, request, status, text};

type Answered = Ready<Result<Response<ScriptedBody>, BodyError>>;

/// A server whose spans, active requests and contexts are counted.
struct Server {
    tracer: Tracer,
    spans: MemorySink,
    active: ActiveRequests,
    layer: HttpServerLayer,
}

impl Server {
    fn new(set_up: impl FnOnce(HttpServerLayer) -> HttpServerLayer) -> Self {
        let active = ActiveRequests::new();
        let (tracer, spans) = tracer_with(|tracer| tracer.listener(active.clone()));
        let layer = set_up(HttpServerLayer::new(&tracer));
        Self { tracer, spans, active, layer }
    }

    fn upgrading() -> Self {
        Self::new(HttpServerLayer::upgrades)
    }

    /// Answers a request in a context whose release can be seen.
    fn serve<R>(&self, request: Request<()>, handler: impl FnOnce() -> (R, Answered)) -> (R, Weak<()>) {
        let alive = Arc::new(());
        let weak = Arc::downgrade(&alive);
        let (mut handler, mut made) = (Some(handler), None);
        let service = tower::service_fn(|_: Request<()>| {
            let (result, answered) = handler.take().expect("one request")();
            made = Some(result);
            answered
        });
        let ambient = Context::ROOT.with_value(alive);
        drop(ambient.scope(|| ready(self.layer.layer(service).oneshot(request))));
        (made.expect("the handler ran"), weak)
    }

    /// One span, ended once; nobody is active, nothing was abandoned or is held.
    #[track_caller]
    fn ended(&self, released: &Weak<()>, why: &str) -> SpanData {
        let span = one(&self.spans);
        assert_eq!(self.active.server(), 0, "{why}: active");
        assert_eq!(self.tracer.stats().abandoned, 0, "{why}: abandoned");
        assert_eq!(released.strong_count(), 0, "{why}: the context is released");
        span
    }

    #[track_caller]
    fn goes_on(&self, why: &str) {
        assert!(self.spans.is_empty(), "{why}: it goes on");
        assert_eq!(self.active.server(), 1, "{why}: active");
    }
}

fn upgrade() -> Request<()> {
    request(Method::GET, "/ws", [("upgrade", b"websocket"), ("connection", b"upgrade")])
}

fn answer(code: u16) -> Answered {
    ready_future(Ok(status(code).body(ScriptedBody::new()).unwrap()))
}

fn current() -> UpgradeSpan {
    UpgradeSpan::current().expect("a layer that keeps spans open, and a request for another protocol")
}

fn events(span: &SpanData) -> Vec<&str> {
    span.events.iter().map(|event| &*event.name).collect()
}

#[track_caller]
fn assert_completed(span: &SpanData, code: &str, events: usize, why: &str) {
    assert_eq!((span.end, &span.status), (SpanEnd::Completed, &Status::Unset), "{why}");
    assert_eq!(text(span, "http.response.status_code").as_deref(), Some(code), "{why}");
    for absent in ["error.type", "throughline.outcome", "throughline.phase"] {
        assert_eq!(span.attribute(absent), None, "{why}: {absent}");
    }
    assert_eq!(self::events(span), vec!["http.response.first_byte"; events], "{why}");
}

#[test]
fn by_default_a_span_ends_with_the_answer() {
    let server = Server::new(|layer| layer);
    let (taken, released) = server.serve(upgrade(), || (UpgradeSpan::current(), answer(101)));
    assert!(taken.is_none());
    assert_completed(&server.ended(&released, "by default"), "101", 0, "by default");
}

#[test]
fn it_is_there_for_requests_that_ask_for_another_protocol() {
    let server = Server::upgrading();
    for (why, request, wanted) in [
        ("an upgrade", upgrade(), true),
        ("a tunnel", request(Method::CONNECT, "db.internal:5432", []), true),
        ("neither", request(Method::GET, "/", [("connection", b"upgrade")]), false),
    ] {
        let (taken, released) = server.serve(request, || (UpgradeSpan::current().is_some(), answer(200)));
        assert_eq!(taken, wanted, "{why}");
        server.ended(&released, why);
    }
    assert!(UpgradeSpan::current().is_none(), "outside of requests");
    let skipping = Server::new(|layer| layer.upgrades().skip(|_| true));
    let (taken, _) = skipping.serve(upgrade(), || (UpgradeSpan::current(), answer(101)));
    assert!(taken.is_none() && skipping.spans.is_empty(), "skipped");
}

#[test]
fn held_until_the_future_is_done_it_is_completed() {
    let server = Server::upgrading();
    for (why, request, code) in [
        ("a WebSocket", upgrade(), 101),
        ("a tunnel", request(Method::CONNECT, "db.internal:5432", []), 200),
        ("a WebSocket over HTTP/2", request(Method::CONNECT, "http://h/ws", [("x-protocol", b"websocket")]), 204),
    ] {
        let gate = Gate::new();
        let (connection, released) = server.serve(request, || (current().hold(gate.opened()), answer(code)));
        server.goes_on(why);
        let mut connection = task::spawn(connection);
        assert_pending!(connection.poll());
        server.goes_on(why);
        gate.open();
        assert_ready!(connection.poll());
        assert_eq!(server.active.server(), 0, "{why}: it has ended though the future is still there");
        drop(connection);
        assert_completed(&server.ended(&released, why), &code.to_string(), 1, why);
    }
}

#[test]
fn taken_by_hand_it_ends_when_it_is_dropped() {
    let server = Server::upgrading();
    let (span, released) = server.serve(upgrade(), || (current(), answer(101)));
    server.goes_on("held");
    drop(span);
    assert_completed(&server.ended(&released, "dropped"), "101", 1, "dropped");
}

#[test]
fn answers_that_are_no_upgrade_end_as_always() {
    let server = Server::upgrading();
    for (why, request, code) in [
        ("refused", upgrade(), 426),
        ("answered", upgrade(), 200),
        ("no tunnel", request(Method::CONNECT, "db.internal:5432", []), 407),
        ("nothing follows", upgrade(), 204),
    ] {
        let (span, released) = server.serve(request, || (current(), answer(code)));
        assert_eq!(server.active.server(), 0, "{why}: though somebody holds it");
        drop(span);
        assert_completed(&server.ended(&released, why), &code.to_string(), 0, why);
    }
    let (span, released) = server.serve(upgrade(), || (current(), ready_future(Err(BodyError("x")))));
    drop(span);
    let span = server.ended(&released, "failed");
    assert_eq!((span.end, text(&span, "error.type").as_deref()), (SpanEnd::Failed, Some("BodyError")));
}

#[test]
fn dropped_before_the_head_it_is_not_held() {
    let server = Server::upgrading();
    for (why, taken) in [("never taken", false), ("taken and dropped", true)] {
        let (_, released) = server.serve(upgrade(), || {
            if taken {
                drop(current());
            }
            ((), answer(101))
        });
        assert_completed(&server.ended(&released, why), "101", 0, why);
    }
    let (_, released) = server.serve(upgrade(), || (drop(current().hold(pending::<()>())), answer(101)));
    assert_completed(&server.ended(&released, "a future that was dropped"), "101", 0, "before the head");
}

#[test]
fn a_connection_that_is_dropped_is_cancelled() {
    let server = Server::upgrading();
    for polls in [0, 2] {
        let (connection, released) = server.serve(upgrade(), || (current().hold(pending::<()>()), answer(101)));
        let mut connection = task::spawn(connection);
        for _ in 0..polls {
            assert_pending!(connection.poll());
        }
        drop(connection);
        let span = server.ended(&released, "dropped");
        assert_eq!((span.end, &span.status), (SpanEnd::Cancelled, &Status::error()));
        assert_eq!(text(&span, "error.type").as_deref(), Some("cancelled"));
        assert_eq!(text(&span, "throughline.phase").as_deref(), Some("body"));
        assert_eq!(text(&span, "http.response.status_code").as_deref(), Some("101"));
    }
}

/// Panics when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("scripted panic");
    }
}

async fn exploding(in_poll: bool, done: bool) {
    if in_poll {
        panic!("scripted panic");
    }
    let _bomb = Bomb;
    if !done {
        pending::<()>().await;
    }
}

#[test]
fn a_connection_that_panics_says_so() {
    for (why, in_poll, done) in [
        ("in a poll", true, true),
        ("in a destructor, when it is done", false, true),
        ("in a destructor, dropped", false, false),
    ] {
        let server = Server::upgrading();
        let (connection, released) =
            server.serve(upgrade(), || (current().hold(exploding(in_poll, done)), answer(101)));
        let mut connection = task::spawn(connection);
        panics(move || {
            assert!(connection.poll().is_pending(), "not the script's own");
            drop(connection);
        });
        let span = server.ended(&released, why);
        assert_eq!((span.end, &span.status), (SpanEnd::Panicked, &Status::error()), "{why}");
        assert_eq!(text(&span, "error.type").as_deref(), Some("panic"), "{why}");
        assert_eq!(text(&span, "throughline.phase").as_deref(), Some("body"), "{why}");
        assert_eq!(text(&span, "http.response.status_code").as_deref(), Some("101"), "{why}");
    }
}

#[test]
fn of_two_holders_the_last_ends_it() {
    let server = Server::upgrading();
    let ((span, held), released) =
        server.serve(upgrade(), || ((current(), current().hold(pending::<()>())), answer(101)));
    drop(span);
    server.goes_on("one of two");
    drop(held);
    assert_eq!(server.ended(&released, "last the future").end, SpanEnd::Cancelled);
    let ((span, held), released) =
        server.serve(upgrade(), || ((current(), current().hold(pending::<()>())), answer(101)));
    drop(held);
    server.goes_on("the other one");
    drop(span);
    assert_completed(&server.ended(&released, "last by hand"), "101", 1, "last by hand");
}

#[test]
fn the_requests_context_is_current_while_the_connection_is_polled_and_dropped() {
    let server = Server::upgrading();
    let log = ContextLog::new();
    let probe = throughline_testing::ContextProbe::new(&log).pending(1);
    let ((connection, own), _) =
        server.serve(upgrade(), || ((current().hold(probe), Context::current_span_context()), answer(101)));
    ready(connection);
    assert_eq!(log.points(), [Point::Poll, Point::Poll, Point::Drop]);
    log.assert_only(own);
    assert_eq!(one(&server.spans).span_context, own.unwrap());

    let log = ContextLog::new();
    let probe = throughline_testing::ContextProbe::new(&log).forever();
    let ((connection, own), _) =
        server.serve(upgrade(), || ((current().hold(probe), Context::current_span_context()), answer(101)));
    drop(connection);
    assert_eq!(log.points(), [Point::Drop]);
    log.assert_only(own);
}

#[test]
fn the_span_can_be_written_to_while_it_is_held() {
    let server = Server::upgrading();
    let ((span, context), released) = server.serve(upgrade(), || ((current(), Context::current()), answer(101)));
    context.scope(|| {
        let child = server.tracer.span("message").start();
        child.end(SpanEnd::Completed);
    });
    context.span().set("ws.messages", 1_u32);
    let child = one_named(&server.spans, "message");
    drop(context);
    drop(span);
    let span = server.ended(&released, "written to");
    assert_eq!(text(&span, "ws.messages").as_deref(), Some("1"));
    assert_eq!(child.parent_span_id, Some(span.span_context.span_id()));
}

fn one_named(spans: &MemorySink, name: &str) -> SpanData {
    let span = one(spans);
    assert_eq!(span.name, name);
    span
}

/// Who talks to a connection may call a server of the same process: neither ends, nor holds, the other.
#[test]
fn calls_within_a_tunnel_have_their_own_ends() {
    let server = Server::upgrading();
    let ((span, context), released) = server.serve(upgrade(), || ((current(), Context::current()), answer(101)));
    for (why, request, code) in [
        ("a plain request", request(Method::GET, "/", []), 200),
        ("one that is upgraded though it did not ask", request(Method::GET, "/", []), 101),
        ("one that is upgraded", upgrade(), 101),
    ] {
        let service = server.layer.layer(tower::service_fn(|_: Request<()>| answer(code)));
        let client = throughline_tower::HttpClientLayer::new(&server.tracer).layer(service);
        drop(context.scope(|| ready(client.oneshot(request))).unwrap());
        let ended = server.spans.take();
        assert_eq!(
            ended.iter().map(|span| span.kind).collect::<Vec<_>>(),
            [SpanKind::Server, SpanKind::Client],
            "{why}"
        );
        assert_completed(&ended[0], &code.to_string(), 0, why);
        server.goes_on(why);
    }
    drop(context);
    drop(span);
    assert_completed(&server.ended(&released, "the tunnel"), "101", 1, "the tunnel");
}

#[test]
fn unsampled_connections_are_counted_as_long_as_they_are_held() {
    let active = ActiveRequests::new();
    let (tracer, spans) = tracer_with(|tracer| tracer.sampler(AlwaysOff).listener(active.clone()));
    let layer = HttpServerLayer::new(&tracer).upgrades();
    let server = Server { tracer, spans, active, layer };
    let (span, released) = server.serve(upgrade(), || (current(), answer(101)));
    server.goes_on("unsampled");
    drop(span);
    assert!(server.spans.is_empty());
    assert_eq!((server.active.server(), released.strong_count()), (0, 0));
}

#[test]
fn a_holder_on_another_thread_ends_it_there() {
    let server = Server::upgrading();
    let (span, released) = server.serve(upgrade(), || (current(), answer(101)));
    std::thread::spawn(move || drop(span)).join().unwrap();
    assert_completed(&server.ended(&released, "elsewhere"), "101", 1, "elsewhere");
}

#[test]
fn a_client_that_is_upgraded_ends_at_the_head() {
    let (tracer, spans) = tracer_with(|tracer| tracer);
    let layer = throughline_tower::HttpClientLayer::new(&tracer);
    drop(crate::rig::exchange(&layer, upgrade(), status(101).body(ScriptedBody::new()).unwrap()));
    assert_completed(&one(&spans), "101", 0, "a client");
}
