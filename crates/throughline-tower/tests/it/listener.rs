//! Listeners, of which metrics are made: one start and one end per request, whatever becomes of it.

use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use http::{Method, Response};
use throughline_core::{AlwaysOff, AlwaysOn, End, Listener, SemanticKey, SpanEnd, SpanKind, Start};
use throughline_testing::{Answer, BodyError, EndStream, ScriptedBody, tracer_with};
use throughline_tower::{EndAt, HttpClientLayer, HttpServerLayer};
use tower::Service;

use crate::rig::{Scripted, drain, exchange, frame, get, panics, ready, request, status};

/// Counts what is going on, as `http.server.active_requests` does.
#[derive(Clone, Default)]
struct Active(Arc<Counts>);

#[derive(Default)]
struct Counts {
    active: AtomicI64,
    starts: AtomicUsize,
    ends: Mutex<Vec<SpanEnd>>,
}

impl Listener for Active {
    fn start(&self, start: &Start<'_>) {
        assert_eq!((start.kind, start.semantic_key), (SpanKind::Server, Some(SemanticKey::HttpServer)));
        self.0.active.fetch_add(1, Ordering::Relaxed);
        self.0.starts.fetch_add(1, Ordering::Relaxed);
    }

    fn end(&self, end: &End<'_>) {
        self.0.active.fetch_sub(1, Ordering::Relaxed);
        self.0.ends.lock().unwrap().push(end.end);
    }
}

#[test]
fn one_end_for_every_start() {
    let endless = || ScriptedBody::new().data("abc").data("de").end_stream(EndStream::Never);
    for sampled in [true, false] {
        let active = Active::default();
        let (tracer, spans) = tracer_with(|tracer| {
            let tracer = tracer.listener(active.clone());
            if sampled { tracer.sampler(AlwaysOn) } else { tracer.sampler(AlwaysOff) }
        });
        let server = HttpServerLayer::new(&tracer);
        let answered = |answer| exchange(&server, get("/"), answer);
        let scripted = || Scripted::<ScriptedBody>::new();
        let mut wanted = Vec::new();
        for _ in 0..3 {
            drop(answered(status(204).body(endless()).unwrap()));
            drop(answered(Response::new(ScriptedBody::new())));
            drop(exchange(&server, request(Method::HEAD, "/", []), Response::new(endless())));
            drain(answered(Response::new(endless())).body_mut()).unwrap();
            drain(answered(Response::new(endless().exact_size())).body_mut()).unwrap();
            wanted.extend([SpanEnd::Completed; 5]);
            drop(answered(Response::new(endless())));
            let mut read = answered(Response::new(endless().exact_size()));
            assert_eq!(active.0.active.load(Ordering::Relaxed), 1, "it goes on as long as its body");
            drop(frame(read.body_mut()));
            drop(read);
            drop(server.layer(scripted().answer(Answer::never())).call(get("/")));
            wanted.extend([SpanEnd::Cancelled; 3]);
            panics(|| server.layer(scripted().answer(Answer::panic_in_call())).call(get("/")));
            panics(|| ready(server.layer(scripted().answer(Answer::panic())).call(get("/"))));
            let mut panicking = answered(Response::new(ScriptedBody::new().panic()));
            panics(|| frame(panicking.body_mut()));
            wanted.extend([SpanEnd::Panicked; 3]);
            assert!(ready(server.layer(scripted().fail(BodyError("x"))).call(get("/"))).is_err());
            assert!(drain(answered(Response::new(ScriptedBody::new().error(BodyError("x")))).body_mut()).is_err());
            wanted.extend([SpanEnd::Failed; 2]);
        }
        assert_eq!(active.0.active.load(Ordering::Relaxed), 0);
        assert_eq!(active.0.starts.load(Ordering::Relaxed), wanted.len());
        assert_eq!(*active.0.ends.lock().unwrap(), wanted);
        assert_eq!(spans.len(), if sampled { wanted.len() } else { 0 });
        assert_eq!((tracer.stats().hook_panics, tracer.stats().abandoned), (0, 0));
    }
}

/// Ends with the attributes that it started with, and with those of the response.
#[derive(Clone, Default)]
struct Shown(Arc<Mutex<Vec<String>>>);

impl Listener for Shown {
    fn start(&self, start: &Start<'_>) {
        self.note("start", start.attributes);
    }

    fn end(&self, end: &End<'_>) {
        self.note("end", end.attributes);
    }
}

impl Shown {
    fn note(&self, what: &str, attributes: &dyn throughline_core::Attributes) {
        let mut line = what.to_owned();
        attributes.visit(&mut |key: throughline_core::Key<'_>, value: throughline_core::Value<'_>| {
            if matches!(key.as_str(), "http.request.method" | "http.response.status_code" | "error.type") {
                line.push_str(&format!(" {value}"));
            }
        });
        self.0.lock().unwrap().push(line);
    }
}

#[test]
fn a_client_is_listened_to_as_well() {
    let log = Shown::default();
    let (tracer, _) = tracer_with(|tracer| tracer.sampler(AlwaysOff).listener(log.clone()));
    for end in [EndAt::Head, EndAt::Body] {
        let layer = HttpClientLayer::new(&tracer).end_at(end);
        let answer = status(503).body(ScriptedBody::new().data("a").data("b")).unwrap();
        let mut response = exchange(&layer, get("http://inventory/"), answer);
        assert_eq!(log.0.lock().unwrap().len(), if end == EndAt::Head { 2 } else { 1 });
        drain(response.body_mut()).unwrap();
        assert_eq!(*log.0.lock().unwrap(), ["start GET", "end GET 503 503"]);
        log.0.lock().unwrap().clear();
    }
}
