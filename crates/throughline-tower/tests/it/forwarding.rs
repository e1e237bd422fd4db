//! What the application and the server see of the layers: nothing.

use std::future::Future;
use std::pin::Pin;
use std::task::{self, Poll};

use http::{Request, Response};
use http_body::{Body, SizeHint};
use throughline_testing::{BodyError, BoxError, EndStream, Gate, ScriptedBody, tracer};
use throughline_tower::{
    EndAt, HttpClient, HttpClientLayer, HttpServer, HttpServerLayer, Resend, ResendFuture, ResendLayer, ResponseBody,
    ResponseFuture,
};
use tokio_test::{assert_pending, assert_ready_err, assert_ready_ok};
use tower::{Layer, Service, ServiceBuilder, ServiceExt};
use tower_test::mock;

use crate::rig::{SAMPLED, drain, exchange, frame, get, one, poll_frame, ready, text};

#[test]
fn readiness_is_the_inner_services() {
    let (tracer, spans) = tracer();
    let (server, client) = (HttpServerLayer::new(&tracer), HttpClientLayer::new(&tracer));
    type Mock = mock::Mock<Request<()>, Response<ScriptedBody>>;
    type Handle = mock::Handle<Request<()>, Response<ScriptedBody>>;

    fn check<S: Service<Request<()>, Error = BoxError>>((mut service, mut handle): (mock::Spawn<S>, Handle)) {
        handle.allow(0);
        assert_pending!(service.poll_ready());
        handle.allow(1);
        assert!(service.is_woken());
        assert_ready_ok!(service.poll_ready());
        handle.send_error(BodyError("overloaded"));
        assert!(assert_ready_err!(service.poll_ready()).is::<BodyError>(), "the error is the inner service's");
    }
    check(mock::spawn_with(|mock: Mock| server.layer(mock)));
    check(mock::spawn_with(|mock: Mock| client.layer(mock)));
    check(mock::spawn_with(|mock: Mock| ResendLayer::new().layer(mock)));
    assert!(spans.is_empty(), "being ready is no request");
}

#[test]
fn a_body_is_the_inner_body_in_all_it_says() {
    type Script = fn() -> ScriptedBody;
    let (tracer, _) = tracer();
    let server = HttpServerLayer::new(&tracer);
    let client = HttpClientLayer::new(&tracer).end_at(EndAt::Body);
    let scripts: [(&str, Script); 8] = [
        ("unknown size", || ScriptedBody::new().data("abc").data("de")),
        ("exact size", || ScriptedBody::new().data("abc").pending().data("de").exact_size()),
        ("bounds", || ScriptedBody::new().data("abc").data("de").size(between(2, 7))),
        ("a lie", || ScriptedBody::new().data("abc").data("de").size(SizeHint::with_exact(1))),
        ("never says so", || ScriptedBody::new().data("abc").end_stream(EndStream::Never)),
        ("always says so", || ScriptedBody::new().data("abc").end_stream(EndStream::Always)),
        ("trailers", || ScriptedBody::new().data("abc").trailers([("x", "1"), ("y", "2")])),
        ("nothing", ScriptedBody::new),
    ];
    for (why, script) in scripts {
        for side in ["server", "client"] {
            let mut plain = script();
            let mut ours = match side {
                "server" => exchange(&server, get("/"), Response::new(script())).into_body(),
                _ => exchange(&client, get("http://inventory/"), Response::new(script())).into_body(),
            };
            loop {
                let ended = plain.is_end_stream();
                assert_eq!(ours.is_end_stream(), ended, "{side}: {why}");
                if !ended {
                    assert_eq!(bounds(&ours), bounds(&plain), "{side}: {why}");
                }
                let (theirs, mine) = (frame(&mut plain), frame(&mut ours));
                assert_eq!(format!("{mine:?}"), format!("{theirs:?}"), "{side}: {why}");
                if mine.is_none() {
                    break;
                }
            }
        }
    }
}

fn between(lower: u64, upper: u64) -> SizeHint {
    let mut hint = SizeHint::new();
    hint.set_lower(lower);
    hint.set_upper(upper);
    hint
}

fn bounds(body: &impl Body) -> (u64, Option<u64>) {
    (body.size_hint().lower(), body.size_hint().upper())
}

#[test]
fn trailers_arrive() {
    let (tracer, _) = tracer();
    let body = ScriptedBody::new().data("a").trailers([("grpc-status", "0"), ("x", "1")]);
    let server = HttpServerLayer::new(&tracer);
    let mut response = exchange(&server, get("/"), Response::new(body));
    assert_eq!(frame(response.body_mut()).unwrap().unwrap().into_data().unwrap(), "a");
    let trailers = frame(response.body_mut()).unwrap().unwrap().into_trailers().unwrap();
    assert_eq!((trailers.len(), &trailers["grpc-status"]), (2, &"0".parse().unwrap()));
}

#[test]
fn a_pending_body_is_pending_and_wakes() {
    let (tracer, _) = tracer();
    let gate = Gate::new();
    let body = ScriptedBody::new().wait(&gate).data("a");
    let server = HttpServerLayer::new(&tracer);
    let response = exchange(&server, get("/"), Response::new(body));
    let mut body = tokio_test::task::spawn(response.into_body());
    assert_pending!(poll_frame(&mut body));
    assert!(!body.is_woken());
    gate.open();
    assert!(body.is_woken());
    assert!(poll_frame(&mut body).is_ready());
}

#[test]
fn responses_are_the_inner_services() {
    let (tracer, _) = tracer();
    let answer = || {
        let mut answer = Response::builder().status(418).header("x", "1").header("x", "2").body(ScriptedBody::new());
        let _ = answer.as_mut().map(|answer| answer.extensions_mut().insert(7_u8));
        answer.unwrap()
    };
    let check = |response: Response<ResponseBody<ScriptedBody>>| {
        assert_eq!(response.status(), 418);
        assert_eq!(response.headers().len(), 2, "no header was added");
        assert_eq!(response.extensions().get(), Some(&7_u8));
    };
    check(exchange(&HttpServerLayer::new(&tracer), get("/"), answer()));
    check(exchange(&HttpClientLayer::new(&tracer), get("http://h/"), answer()));
}

#[test]
fn a_server_hands_the_request_on_as_it_came() {
    let (tracer, _) = tracer();
    let service =
        throughline_testing::ScriptedService::<_, _, BodyError>::new().respond(Response::new(ScriptedBody::new()));
    let mut asked = Request::put("/x?q=1").header("traceparent", SAMPLED).header("cookie", "a=b").body("body").unwrap();
    asked.extensions_mut().insert(7_u8);
    drop(ready(HttpServerLayer::new(&tracer).layer(service.clone()).call(asked)).unwrap());
    let seen = service.take_requests().remove(0);
    assert_eq!((seen.method().as_str(), seen.uri().to_string().as_str(), *seen.body()), ("PUT", "/x?q=1", "body"));
    assert_eq!(seen.headers().len(), 2);
    assert_eq!(seen.headers()["traceparent"], SAMPLED, "a proxy may pass it on");
    assert_eq!(seen.extensions().get(), Some(&7_u8));
}

/// Not `Clone`, and neither are its future and its body.
struct Single(Option<ScriptedBody>);

impl Service<Request<()>> for Single {
    type Response = Response<ScriptedBody>;
    type Error = BodyError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<ScriptedBody>, BodyError>>>>;

    fn poll_ready(&mut self, _: &mut task::Context<'_>) -> Poll<Result<(), BodyError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<()>) -> Self::Future {
        let body = self.0.take().expect("it is called once: by the very service that was wrapped");
        Box::pin(async { Ok(Response::new(body)) })
    }
}

#[test]
fn the_inner_service_is_not_cloned() {
    let (tracer, spans) = tracer();
    let mut service = ServiceBuilder::new()
        .layer(HttpServerLayer::new(&tracer))
        .layer(HttpClientLayer::new(&tracer))
        .service(Single(Some(ScriptedBody::new().data("a"))));
    let mut response = ready(ready(service.ready()).unwrap().call(get("http://h/"))).unwrap();
    drain(response.body_mut()).unwrap();
    assert!(service.into_inner().into_inner().0.is_none());
    assert_eq!(spans.len(), 2);
}

#[test]
fn a_body_has_a_default_where_the_inner_one_has() {
    let mut body = ResponseBody::<ScriptedBody>::default();
    assert!(body.is_end_stream() && body.get_ref().is_some());
    assert_eq!(drain(&mut body), Ok(0));
}

#[test]
fn wrappers_are_small() {
    assert!(size_of::<ResponseFuture<()>>() <= 128, "{}", size_of::<ResponseFuture<()>>());
    assert!(size_of::<ResponseBody<()>>() <= 128, "{}", size_of::<ResponseBody<()>>());
}

// Auto traits are API.
const fn send_sync<T: Send + Sync>() {}
const fn send<T: Send>() {}
const fn clone<T: Clone>() {}
const fn unpin<T: Unpin>() {}
const _: () = {
    send_sync::<HttpServerLayer>();
    send_sync::<HttpClientLayer>();
    send_sync::<HttpServer<()>>();
    send_sync::<HttpClient<()>>();
    send_sync::<ResponseFuture<()>>();
    send_sync::<ResponseBody<()>>();
    send_sync::<Resend<()>>();
    send_sync::<ResendFuture<()>>();
    send::<ResponseFuture<std::cell::Cell<()>>>();
    send::<ResponseBody<std::cell::Cell<()>>>();
    clone::<HttpServer<()>>();
    clone::<HttpClient<()>>();
    unpin::<ResponseFuture<()>>();
    unpin::<ResponseBody<()>>();
};

/// Nothing asks more of the inner types than the layers need.
#[test]
fn errors_need_not_be_errors_and_futures_need_not_be_unpin() {
    #[derive(Debug, PartialEq)]
    struct NoError;

    let (tracer, spans) = tracer();
    let service = tower::service_fn(|_: Request<()>| async {
        throughline_testing::ContextProbe::new(&throughline_testing::ContextLog::new()).pending(1).await;
        Err::<Response<ScriptedBody>, _>(NoError)
    });
    assert_eq!(ready(HttpServerLayer::new(&tracer).layer(service).oneshot(get("/"))).err(), Some(NoError));
    assert_eq!(text(&one(&spans), "error.type").as_deref(), Some("NoError"));
}
