//! The one diagnostic of a missing route, in a process of its own: it is said once.

#![expect(clippy::unwrap_used, reason = "tests may unwrap")]

use std::cell::Cell;
use std::fmt::Write as _;
use std::future::{Ready, ready};
use std::sync::{Arc, Mutex};

use http::{Extensions, Request, Response};
use http_body_util::Empty;
use throughline_core::AlwaysOff;
use throughline_testing::{tracer, tracer_with};
use throughline_tower::{HttpServerLayer, RouteSource, UpgradeSpan, set_route};
use tower::{ServiceExt, service_fn};
use tracing::field::{Field, Visit};

type Handler = fn(Request<()>) -> Ready<Result<Response<Empty<&'static [u8]>>, std::convert::Infallible>>;

/// Keeps the messages of `throughline`.
#[derive(Clone, Default)]
struct Messages(Arc<Mutex<Vec<String>>>);

impl tracing::Subscriber for Messages {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target() == "throughline"
    }

    fn event(&self, event: &tracing::Event<'_>) {
        struct Message(String);
        impl Visit for Message {
            fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
                if field.name() == "message" {
                    write!(self.0, "{value:?}").unwrap();
                }
            }
        }
        let mut message = Message(String::new());
        event.record(&mut message);
        self.0.lock().unwrap().push(message.0);
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

fn status(code: u16) -> Ready<Result<Response<Empty<&'static [u8]>>, std::convert::Infallible>> {
    ready(Ok(Response::builder().status(code).body(Empty::new()).unwrap()))
}

fn unknown(_: &Extensions) -> Option<&str> {
    None
}

fn serve(layer: &HttpServerLayer, handler: Handler) {
    let asked = Request::get("/users/7").header("upgrade", "websocket").body(()).unwrap();
    let answered = layer.layer(service_fn(handler)).oneshot(asked);
    drop(tokio_test::block_on(answered).unwrap());
    drop(KEPT.take());
}

thread_local! {
    static KEPT: Cell<Option<UpgradeSpan>> = const { Cell::new(None) };
}

#[test]
fn a_route_that_nobody_knows_is_reported_once() {
    let messages = Messages::default();
    let said = || messages.0.lock().unwrap().len();
    let guard = messages.clone();
    tracing::subscriber::with_default(guard, || {
        let (tracer, spans) = tracer();
        let (unsampled, _) = tracer_with(|tracer| tracer.sampler(AlwaysOff));
        let ok: Handler = |_| status(200);
        let quiet: [(&str, HttpServerLayer, Handler); 9] = [
            ("no route source", HttpServerLayer::new(&tracer), ok),
            ("a route", HttpServerLayer::new(&tracer).route(|_| Some("/a")), ok),
            ("a route that came late", HttpServerLayer::new(&tracer).route(unknown), |_| {
                set_route(RouteSource::NestedController, "/users/{id}");
                status(200)
            }),
            ("not found", HttpServerLayer::new(&tracer).route(unknown), |_| status(404)),
            ("a bad request", HttpServerLayer::new(&tracer).route(unknown), |_| status(400)),
            ("a failure", HttpServerLayer::new(&tracer).route(unknown), |_| status(500)),
            ("skipped", HttpServerLayer::new(&tracer).route(unknown).skip(|_| true), ok),
            ("not recorded", HttpServerLayer::new(&unsampled).route(unknown), ok),
            // It ends in a destructor, which says nothing.
            ("upgraded", HttpServerLayer::new(&tracer).route(unknown).upgrades(), |_| {
                KEPT.set(UpgradeSpan::current());
                status(101)
            }),
        ];
        for (why, layer, handler) in quiet {
            serve(&layer, handler);
            assert_eq!(said(), 0, "{why}");
        }
        spans.clear();
        for code in [302, 200, 201] {
            match code {
                302 => serve(&HttpServerLayer::new(&tracer).route(unknown), |_| status(302)),
                200 => serve(&HttpServerLayer::new(&tracer).route(|_| Some("")), |_| status(200)),
                _ => serve(&HttpServerLayer::new(&tracer).route(unknown), |_| status(201)),
            }
            assert_eq!(said(), 1, "{code}");
        }
        let message = messages.0.lock().unwrap()[0].clone();
        assert!(message.contains("route") && message.contains("RouteLayer"), "{message}");
        assert!(!message.contains("  ") && !message.contains('\n'), "one line of text: {message}");
        assert!(!message.contains("/users/7"), "no path");
    });
}
