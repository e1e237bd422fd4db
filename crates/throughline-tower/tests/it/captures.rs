//! [`CaptureLayer`]: whose child a call is that another task makes.

use std::future::Ready;
use std::task::Poll;

use http::{Request, Response};
use throughline_core::{Context, Span, SpanEnd};
use throughline_testing::{BodyError, ScriptedBody, assert_trace, tracer};
use throughline_tower::{CaptureLayer, HttpClientLayer, HttpServerLayer, ResendLayer, UrlTemplate};
use tokio_test::task;
use tower::retry::Policy;
use tower::util::BoxCloneSyncService;
use tower::{Service, ServiceBuilder, ServiceExt};
use tower_test::mock::{self, Handle};

use crate::rig::{Scripted, get, header, one, ready, status};

type Answer = Response<ScriptedBody>;
type Client = BoxCloneSyncService<Request<()>, Answer, BodyError>;

/// A queue whose worker is the test itself: as `tower::buffer`, poll by poll.
struct Queue {
    front: mock::Mock<Request<()>, Answer>,
    back: Handle<Request<()>, Answer>,
}

impl Queue {
    fn new() -> Self {
        let (front, mut back) = mock::pair();
        back.allow(10);
        Self { front, back }
    }

    /// Puts a request in: inside this context, behind a layer that captures or none.
    fn ask(
        &self,
        captures: bool,
        context: &Context,
        request: Request<()>,
    ) -> task::Spawn<impl Future<Output = Answer> + use<>> {
        let capture = captures.then(CaptureLayer::new);
        let front = ServiceBuilder::new().option_layer(capture).service(self.front.clone());
        let mut asked = task::spawn(async move { front.oneshot(request).await.unwrap() });
        assert!(context.scope(|| asked.poll()).is_pending(), "nobody works yet");
        asked
    }

    /// Takes the next request out and makes the call, in no context.
    fn work(&mut self, client: &mut Client) {
        assert!(Context::current().is_root());
        let next = task::spawn(()).enter(|cx, _| {
            let _ = cx;
            self.back.poll_request()
        });
        let Poll::Ready(Some((request, respond))) = next else { panic!("nobody asked") };
        respond.send_response(ready(client.call(request)).unwrap());
    }
}

/// A client whose span ends at the head; the body is the network's.
fn client(layer: HttpClientLayer, network: &Scripted) -> Client {
    let layered = ServiceBuilder::new().layer(layer).service(network.clone());
    BoxCloneSyncService::new(layered.map_response(|response| response.map(|_| ScriptedBody::new())))
}

fn network(codes: &[u16]) -> Scripted {
    codes
        .iter()
        .fold(Scripted::new(), |network, code| network.respond(status(*code).body(ScriptedBody::new()).unwrap()))
}

fn id(span: &Span) -> Option<throughline_core::SpanId> {
    span.span_context().map(|span| span.span_id())
}

#[test]
fn inside_a_queue_the_parent_is_whoever_asked() {
    for captures in [true, false] {
        let (tracer, spans) = tracer();
        let network = network(&[200]);
        let mut client = client(HttpClientLayer::new(&tracer), &network);
        let (mut queue, asking) = (Queue::new(), tracer.span("work").start());
        let mut asked = queue.ask(captures, &asking.context(), get("http://inventory/"));
        queue.work(&mut client);
        assert!(asked.poll().is_ready());
        let call = one(&spans);
        assert_eq!(call.parent_span_id, id(&asking).filter(|_| captures), "captures: {captures}");
        let told = header(&network.take_requests()[0], "traceparent").unwrap();
        assert!(told.contains(&call.span_context.span_id().to_string()), "{told}");
        asking.end(SpanEnd::Completed);
    }
}

#[test]
fn outside_a_queue_the_client_layer_needs_no_help() {
    let (tracer, spans) = tracer();
    let (mut queue, asking) = (Queue::new(), tracer.span("work").start());
    let front = HttpClientLayer::new(&tracer).layer(queue.front.clone());
    let mut asked = asking.context().scope(|| {
        let mut asked = task::spawn(front.oneshot(get("http://inventory/")));
        assert!(asked.poll().is_pending());
        asked
    });
    let Poll::Ready(Some((request, respond))) = task::spawn(()).enter(|_, _| queue.back.poll_request()) else {
        panic!("nobody asked")
    };
    let told = header(&request, "traceparent").unwrap();
    respond.send_response(Response::new(ScriptedBody::new()));
    assert!(asked.poll().is_ready());
    let call = one(&spans);
    assert_eq!(call.parent_span_id, id(&asking));
    assert!(told.contains(&call.span_context.span_id().to_string()), "{told}");
    asking.end(SpanEnd::Completed);
}

/// Each attempt of a request that a server handles, in a queue between the retry and the client.
#[test]
fn attempts_are_counted_through_a_queue() {
    #[derive(Clone)]
    struct Again;
    impl<E> Policy<Request<()>, Answer, E> for Again {
        type Future = Ready<()>;

        fn retry(&mut self, _: &mut Request<()>, result: &mut Result<Answer, E>) -> Option<Ready<()>> {
            result.as_ref().is_ok_and(|answer| answer.status() == 503).then(|| std::future::ready(()))
        }

        fn clone_request(&mut self, request: &Request<()>) -> Option<Request<()>> {
            Some(request.clone())
        }
    }
    let (tracer, spans) = tracer();
    let network = network(&[503, 503, 200]);
    let mut client = client(HttpClientLayer::new(&tracer), &network);
    let mut queue = Queue::new();
    let asking = tracer.span("work").start();
    let front = ServiceBuilder::new()
        .layer(ResendLayer::new())
        .layer(CaptureLayer::new())
        .retry(Again)
        .service(queue.front.clone());
    let mut asked = task::spawn(front.oneshot(get("http://inventory/")));
    asking.context().scope(|| assert!(asked.poll().is_pending()));
    for _ in 0..2 {
        queue.work(&mut client);
        assert!(asked.poll().is_pending(), "again");
    }
    queue.work(&mut client);
    assert!(asked.poll().is_ready());
    asking.end(SpanEnd::Completed);
    assert_trace!(spans, internal "work" [ordered] {
        client "GET" [!"http.request.resend_count"]
        client "GET" ["http.request.resend_count" = 1]
        client "GET" ["http.request.resend_count" = 2]
    });
}

#[test]
fn whether_a_span_is_wanted_is_asked_where_the_request_comes_from() {
    let (tracer, spans) = tracer();
    let asking = tracer.span("export").start();
    let quiet = asking.context().with_instrumentation_suppressed();
    let (mut queue, network) = (Queue::new(), network(&[200, 200, 200]));
    let mut client = client(HttpClientLayer::new(&tracer), &network);
    let _asked = queue.ask(true, &quiet, get("http://collector/"));
    queue.work(&mut client);
    assert!(spans.is_empty(), "the exporter's own call");
    assert!(network.take_requests()[0].headers().is_empty(), "and nothing is told");

    // A call within a call: the one that asked has a span of the same kind.
    let within = std::sync::Mutex::new(None);
    let outer = tower::service_fn(|_: Request<()>| {
        *within.lock().unwrap() = Some(queue.ask(true, &Context::current(), get("http://inventory/")));
        std::future::ready(Ok::<_, BodyError>(Response::new(ScriptedBody::new())))
    });
    drop(ready(HttpClientLayer::new(&tracer).layer(outer).oneshot(get("http://outer/"))).unwrap());
    let call = one(&spans);
    let _asked = within.lock().unwrap().take();
    queue.work(&mut client);
    assert!(spans.is_empty());
    assert_eq!(tracer.stats().suppressed, 1);
    let told = header(&network.take_requests()[0], "traceparent").unwrap();
    assert!(told.contains(&call.span_context.span_id().to_string()), "the outer call's span: {told}");
    asking.end(SpanEnd::Completed);
}

#[test]
fn a_skipped_call_carries_the_context_that_was_captured() {
    let (tracer, spans) = tracer();
    let network = network(&[200, 200]);
    let mut client = client(HttpClientLayer::new(&tracer).skip(|_| true), &network);
    let (mut queue, asking) = (Queue::new(), tracer.span("work").start());
    let _asked = queue.ask(true, &asking.context(), get("http://inventory/"));
    queue.work(&mut client);
    let told = header(&network.take_requests()[0], "traceparent").unwrap();
    assert!(told.contains(&id(&asking).unwrap().to_string()), "{told}");
    let _asked = queue.ask(true, &Context::ROOT, get("http://inventory/"));
    queue.work(&mut client);
    assert!(network.take_requests()[0].headers().is_empty());
    assert!(spans.is_empty());
    asking.end(SpanEnd::Completed);
}

/// What was captured is used once: a layer further in sees the span that was made of it.
#[test]
fn two_client_layers_behind_a_queue_make_one_span() {
    let (tracer, spans) = tracer();
    let network = network(&[200]);
    let inner = client(HttpClientLayer::new(&tracer), &network);
    let both = ServiceBuilder::new().layer(HttpClientLayer::new(&tracer)).service(inner);
    let mut both = BoxCloneSyncService::new(both.map_response(|response| response.map(|_| ScriptedBody::new())));
    let (mut queue, asking) = (Queue::new(), tracer.span("work").start());
    let mut asked = get("http://inventory/users/7");
    asked.extensions_mut().insert(UrlTemplate::new("/users/{id}"));
    let _asked = queue.ask(true, &asking.context(), asked);
    queue.work(&mut both);
    let call = one(&spans);
    assert_eq!((call.name.as_str(), call.parent_span_id), ("GET /users/{id}", id(&asking)));
    assert_eq!(tracer.stats().suppressed, 1);
    let request = network.take_requests().remove(0);
    assert!(request.extensions().get::<UrlTemplate>().is_some(), "other extensions stay");
    asking.end(SpanEnd::Completed);
}

/// What was captured belongs to the caller: a server that is asked in the same process goes by the headers.
#[test]
fn a_server_behind_the_queue_is_the_calls_child() {
    let (tracer, spans) = tracer();
    let network = network(&[200]);
    let server = ServiceBuilder::new().layer(HttpServerLayer::new(&tracer)).service(network);
    let called = ServiceBuilder::new().layer(HttpClientLayer::new(&tracer)).service(server);
    let mut called = BoxCloneSyncService::new(called.map_response(|response| response.map(|_| ScriptedBody::new())));
    let (mut queue, asking) = (Queue::new(), tracer.span("work").start());
    let _asked = queue.ask(true, &asking.context(), get("http://inventory/"));
    queue.work(&mut called);
    asking.end(SpanEnd::Completed);
    assert_trace!(spans, internal "work" { client "GET" { server "GET" } });
}
