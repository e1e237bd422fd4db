//! `error.type`: what errors are called, of services and of bodies, on both sides.

use std::error::Error;
use std::fmt;
use std::io;

use http::{Request, Response};
use throughline_core::Status;
use throughline_testing::{BodyError, BoxError, EndStream, ScriptedBody, ScriptedService, tracer};
use throughline_tower::{EndAt, HttpClientLayer, HttpServerLayer};
use tower::Service;
use tower::timeout::error::Elapsed;

use crate::rig::{drain, get, one, ready, text};

/// An error whose type says nothing, with a cause.
#[derive(Debug)]
struct Wrapped(BoxError);

impl fmt::Display for Wrapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("wrapped")
    }
}

impl Error for Wrapped {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.0)
    }
}

/// How the four ways of failing name the error: a service and a body, below a server and below a client.
#[track_caller]
fn named<E: 'static>(server: fn(HttpServerLayer) -> HttpServerLayer, error: fn() -> E) -> String {
    let (tracer, spans) = tracer();
    let server = server(HttpServerLayer::new(&tracer));
    let client = HttpClientLayer::new(&tracer).end_at(EndAt::Body);
    let failing = || ScriptedService::<Request<()>, Response<ScriptedBody<E>>, E>::new().fail(error());
    let breaking = || {
        let body = ScriptedBody::<E>::of().data("a").error(error()).end_stream(EndStream::Never);
        ScriptedService::<Request<()>, _, E>::new().respond(Response::new(body))
    };
    let mut names = Vec::new();
    let mut note = || {
        let span = one(&spans);
        assert_eq!(span.status, Status::error());
        names.push(text(&span, "error.type").expect("an error has a type"));
    };
    assert!(ready(server.layer(failing()).call(get("/"))).is_err());
    note();
    let response = ready(server.layer(breaking()).call(get("/")));
    assert!(drain(response.ok().expect("the head is fine").body_mut()).is_err());
    note();
    assert_eq!(names[0], names[1], "a service and a body are named alike");
    if names[0].starts_with("own_") {
        return names.remove(0);
    }
    let mut note = || names.push(text(&one(&spans), "error.type").expect("an error has a type"));
    assert!(ready(client.layer(failing()).call(get("http://inventory/"))).is_err());
    note();
    let response = ready(client.layer(breaking()).call(get("http://inventory/")));
    assert!(drain(response.ok().expect("the head is fine").body_mut()).is_err());
    note();
    assert!(names.iter().all(|name| *name == names[0]), "both sides name alike: {names:?}");
    names.remove(0)
}

fn plain(layer: HttpServerLayer) -> HttpServerLayer {
    layer
}

fn refused() -> io::Error {
    io::ErrorKind::ConnectionRefused.into()
}

#[test]
fn errors_are_named_by_what_is_known_of_them() {
    for (found, wanted, why) in [
        (named(plain, || BodyError("text")), "BodyError", "a type of its own, never its text"),
        (named(plain, refused), "connection_refused", "a kind of input and output"),
        (named(plain, || BoxError::from(refused())), "connection_refused", "erased"),
        (named(plain, || BoxError::from(Wrapped(refused().into()))), "connection_refused", "the cause"),
        (named(plain, || BoxError::from(io::Error::other(refused()))), "connection_refused", "inside another"),
        (named(plain, || BoxError::from(Elapsed::new())), "timeout", "tower's timeout"),
        (named(plain, || BoxError::from(Wrapped(Elapsed::new().into()))), "timeout", "tower's timeout as a cause"),
        (named(plain, || BoxError::from(io::Error::from(io::ErrorKind::TimedOut))), "timeout", "the system's timeout"),
        (named(plain, || BoxError::from("user 17 has no money")), "_OTHER", "erased and unknown"),
        (named(plain, || BoxError::from(Wrapped("x".into()))), "_OTHER", "nothing in the chain is known"),
    ] {
        assert_eq!(found, wanted, "{why}");
    }
}

#[test]
fn the_application_may_name_its_errors() {
    fn own(layer: HttpServerLayer) -> HttpServerLayer {
        layer.error_type(|error: &BodyError| (error.0 == "quota").then_some("own_quota"))
    }
    assert_eq!(named(own, || BodyError("quota")), "own_quota");
    assert_eq!(named(own, || BodyError("other")), "BodyError", "left to throughline");
    assert_eq!(named(own, refused), "connection_refused", "another type");
}

#[test]
fn several_types_of_errors_may_be_named() {
    fn own(layer: HttpServerLayer) -> HttpServerLayer {
        layer
            .error_type(|_: &BodyError| Some("own_body"))
            .error_type(|_: &io::Error| Some("own_io"))
            .error_type(|error: &BodyError| (error.0 == "quota").then_some("own_quota"))
    }
    assert_eq!(named(own, || BodyError("quota")), "own_quota", "the later one is asked first");
    assert_eq!(named(own, || BodyError("other")), "own_body", "the later one leaves it to the earlier one");
    assert_eq!(named(own, refused), "own_io", "another type");
}

#[test]
fn clients_may_name_their_errors() {
    let (tracer, spans) = tracer();
    let layer = HttpClientLayer::new(&tracer).error_type(|error: &BodyError| Some(error.0));
    let service = ScriptedService::<Request<()>, Response<ScriptedBody>, _>::new().fail(BodyError("own"));
    assert!(ready(layer.layer(service).call(get("http://inventory/"))).is_err());
    assert_eq!(text(&one(&spans), "error.type").as_deref(), Some("own"));
}
