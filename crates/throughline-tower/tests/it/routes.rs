//! Routes that become known late: which of two counts, and whose span is renamed.

use std::sync::{Arc, Mutex};

use http::{Extensions, Method, Request, Response};
use throughline_core::{AlwaysOff, Context, SpanData, SpanEnd, Tracer};
use throughline_testing::{BodyError, MemoryMeter, MemorySink, ScriptedBody, assert_trace, tracer, tracer_with};
use throughline_tower::RouteSource::{self, Controller, Filter, NestedController, Server};
use throughline_tower::{HttpClientLayer, HttpMetrics, HttpServerLayer, set_route};
use tower::{Service, ServiceExt};

use crate::rig::{SAMPLED, get, one, ready, request, text};

fn extension(extensions: &Extensions) -> Option<&str> {
    extensions.get::<&str>().copied()
}

/// Answers a request, which may know its route, by a handler that does this.
fn handle(layer: &HttpServerLayer, known: Option<&'static str>, work: impl FnOnce()) {
    let mut asked = get("/users/7");
    asked.extensions_mut().extend(
        known
            .map(|route| {
                let mut extensions = Extensions::new();
                extensions.insert(route);
                extensions
            })
            .unwrap_or_default(),
    );
    let mut work = Some(work);
    let handler = tower::service_fn(move |_: Request<()>| {
        work.take().expect("one request")();
        std::future::ready(Ok::<_, BodyError>(Response::new(ScriptedBody::new())))
    });
    drop(ready(layer.layer(handler).oneshot(asked)).unwrap());
}

fn span_of(known: Option<&'static str>, work: impl FnOnce()) -> SpanData {
    let (tracer, spans) = tracer();
    handle(&HttpServerLayer::new(&tracer).route(extension), known, work);
    one(&spans)
}

/// Name and attribute say the same.
#[track_caller]
fn assert_route(span: &SpanData, route: Option<&str>, why: &str) {
    let name = route.map_or("GET".to_owned(), |route| format!("GET {route}"));
    assert_eq!((span.name.clone(), text(span, "http.route").as_deref()), (name, route), "{why}");
    assert_eq!(
        span.attributes.iter().filter(|(key, _)| key == "http.route").count(),
        usize::from(route.is_some()),
        "{why}"
    );
}

const SOURCES: [RouteSource; 4] = [Filter, Server, Controller, NestedController];

#[test]
fn later_sources_know_better_and_of_one_source_the_first_or_the_longer() {
    // semantics.md 1.4: rows are the first source, columns the second.
    let replaces = [
        ["longer", "always", "always", "always"],
        ["never", "never", "always", "always"],
        ["never", "never", "never", "always"],
        ["never", "never", "never", "longer"],
    ];
    for (first, row) in SOURCES.into_iter().zip(replaces) {
        for (second, rule) in SOURCES.into_iter().zip(row) {
            for (length, route) in [("shorter", "/b"), ("as long", "/bbbbb"), ("longer", "/bbbbbbbbbb")] {
                let replaced = rule == "always" || rule == length;
                let wanted = if replaced { route } else { "/aaaaa" };
                let why = format!("{first:?}, then {second:?} that is {length}");
                let both = || {
                    set_route(first, "/aaaaa");
                    set_route(second, route);
                };
                assert_route(&span_of(None, both), Some(wanted), &why);
                if first == Server {
                    let span = span_of(Some("/aaaaa"), || set_route(second, route));
                    assert_route(&span, Some(wanted), &format!("{why}, from the layer's own source"));
                }
            }
        }
    }
}

#[test]
fn the_rule_holds_for_every_next_one() {
    let span = span_of(None, || {
        for (source, route) in [
            (Filter, "/f"),
            (NestedController, "/nested"),
            (Controller, "/controller/that/is/long"),
            (NestedController, "/nested/{id}"),
            (NestedController, "/n"),
            (Server, "/server"),
        ] {
            set_route(source, route);
        }
    });
    assert_route(&span, Some("/nested/{id}"), "the longest of the best");
    let span = span_of(Some("/server"), || {
        set_route(Controller, "/c");
        set_route(Filter, "/a/filter/that/is/long");
        set_route(Controller, "/another");
    });
    assert_route(&span, Some("/c"), "the first of the better");
}

#[test]
fn sources_are_in_order() {
    assert!(SOURCES.is_sorted());
    assert_eq!(SOURCES.map(|source| source as u8), [1, 2, 3, 4]);
}

#[test]
fn no_route_is_no_route() {
    assert_route(&span_of(None, || set_route(NestedController, "")), None, "an empty one");
    assert_route(&span_of(Some("/a"), || set_route(NestedController, "")), Some("/a"), "an empty one is not better");
    assert_route(&span_of(Some(""), || {}), None, "an empty one from the layer's source");
    assert_route(&span_of(Some(""), || set_route(Filter, "/f")), Some("/f"), "which is unknown");
    assert_route(&span_of(None, || {}), None, "none at all");
}

#[test]
fn the_verb_stays() {
    let (tracer, spans) = tracer();
    for (method, name) in [("POST", "POST /a/{id}"), ("BREW", "HTTP /a/{id}")] {
        let handler = tower::service_fn(|_: Request<()>| {
            set_route(Controller, "/a/{id}");
            std::future::ready(Ok::<_, BodyError>(Response::new(ScriptedBody::new())))
        });
        let asked = request(Method::from_bytes(method.as_bytes()).unwrap(), "/a/1", []);
        drop(ready(HttpServerLayer::new(&tracer).layer(handler).oneshot(asked)).unwrap());
        assert_eq!(one(&spans).name, name);
    }
}

/// Whoever names a span as a whole means it.
#[test]
fn a_name_that_the_application_chose_stays() {
    for known in [None, Some("/a")] {
        let span = span_of(known, || {
            Context::current().span().record(|span| span.set_name("checkout"));
            set_route(NestedController, "/users/{id}");
        });
        assert_eq!(span.name, "checkout", "{known:?}");
        assert_eq!(text(&span, "http.route").as_deref(), Some(known.unwrap_or("/users/{id}")), "{known:?}");
    }
}

#[test]
fn it_may_be_said_anywhere_below_the_server() {
    type Place = fn(&Tracer);
    let places: [(&str, Place); 4] = [
        ("the handler", |_| set_route(Controller, "/users/{id}")),
        ("a child span", |tracer| {
            let child = tracer.span("load").start();
            child.context().scope(|| set_route(Controller, "/users/{id}"));
            child.end(SpanEnd::Completed);
        }),
        ("a grandchild, after its parent", |tracer| {
            let child = tracer.span("load").start();
            let grandchild = child.context().scope(|| tracer.span("load more").start());
            child.end(SpanEnd::Completed);
            grandchild.context().scope(|| set_route(Controller, "/users/{id}"));
            grandchild.end(SpanEnd::Completed);
        }),
        ("another thread, in a context that was derived", |_| {
            let context = Context::current().with_value(7_u8);
            std::thread::spawn(move || context.scope(|| set_route(Controller, "/users/{id}"))).join().unwrap();
        }),
    ];
    for (why, place) in places {
        for traceparent in ["", SAMPLED] {
            let (tracer, spans) = tracer();
            let handler = tower::service_fn(|_: Request<()>| {
                place(&tracer);
                std::future::ready(Ok::<_, BodyError>(Response::new(ScriptedBody::new())))
            });
            let mut asked = get("/users/7");
            if !traceparent.is_empty() {
                asked.headers_mut().insert("traceparent", traceparent.parse().unwrap());
            }
            drop(ready(HttpServerLayer::new(&tracer).layer(handler).oneshot(asked)).unwrap());
            let ended = spans.take();
            let server = ended.last().expect("the server ends last");
            assert_route(server, Some("/users/{id}"), why);
            for other in &ended[..ended.len() - 1] {
                assert_eq!(text(other, "http.route"), None, "{why}: nobody else's");
                assert!(other.name.starts_with("load"), "{why}: nobody else's");
            }
            assert_eq!(tracer.stats().late_writes, 0, "{why}");
        }
    }
}

#[test]
fn after_the_end_it_is_too_late_and_counted() {
    let (tracer, spans) = tracer();
    let kept = Arc::new(Mutex::new(Vec::new()));
    handle(&HttpServerLayer::new(&tracer), None, || {
        let child = tracer.span("audit").start();
        kept.lock().unwrap().extend([Context::current(), child.context()]);
        child.end(SpanEnd::Completed);
    });
    for (late, context) in kept.lock().unwrap().drain(..).enumerate() {
        context.scope(|| set_route(NestedController, "/late"));
        assert_eq!(tracer.stats().late_writes, late as u64 + 1);
    }
    let server = spans.take().pop().unwrap();
    assert_route(&server, None, "the ended span is as it was");
}

#[test]
fn a_client_has_no_route() {
    let (tracer, spans) = tracer();
    let network = tower::service_fn(|_: Request<()>| {
        set_route(NestedController, "/users/{id}");
        std::future::ready(Ok::<_, BodyError>(Response::new(ScriptedBody::new())))
    });
    drop(ready(HttpClientLayer::new(&tracer).layer(network).oneshot(get("http://h/"))).unwrap());
    assert_route(&one(&spans), None, "the local root is a client");
    let work = tracer.span("work").start();
    work.context().scope(|| set_route(NestedController, "/users/{id}"));
    work.end(SpanEnd::Completed);
    let span = one(&spans);
    assert_eq!((span.name.as_str(), text(&span, "http.route")), ("work", None), "the local root is a job");
    set_route(NestedController, "/nowhere");
    assert_eq!(tracer.stats().late_writes, 0);
}

/// In one process: each server has its own route, and a handler's calls have none.
#[test]
fn servers_of_one_process_are_told_apart() {
    let (tracer, spans) = tracer();
    let inner = tower::service_fn(|_: Request<()>| {
        set_route(Controller, "/inner");
        std::future::ready(Ok::<_, BodyError>(Response::new(ScriptedBody::new())))
    });
    let mut call = HttpClientLayer::new(&tracer).layer(HttpServerLayer::new(&tracer).layer(inner));
    let outer = tower::service_fn(|_: Request<()>| {
        set_route(Controller, "/outer");
        call.call(get("http://h/"))
    });
    drop(ready(HttpServerLayer::new(&tracer).layer(outer).oneshot(get("/"))).unwrap());
    assert_trace!(spans, server "GET /outer" { client "GET" { server "GET /inner" } });
}

/// A server whose parent is this process's own is not the local root; its handler's word counts all the same.
#[test]
fn a_server_below_local_work_has_its_route() {
    for ended in [false, true] {
        let (tracer, spans) = tracer();
        let accepting = tracer.span("accept loop").start();
        let context = accepting.context();
        if ended {
            accepting.end(SpanEnd::Completed);
            spans.clear();
        }
        context.scope(|| handle(&HttpServerLayer::new(&tracer), None, || set_route(Controller, "/users/{id}")));
        assert_route(&one(&spans), Some("/users/{id}"), &format!("accept loop ended: {ended}"));
        assert_eq!(tracer.stats().late_writes, 0);
    }
}

fn measured() -> (Tracer, MemorySink, MemoryMeter) {
    let meter = MemoryMeter::new();
    let (tracer, spans) = tracer_with(|tracer| tracer.sampler(AlwaysOff).listener(HttpMetrics::new(&meter)));
    (tracer, spans, meter)
}

#[test]
fn metrics_of_unsampled_requests_know_the_route_that_came_late() {
    for (known, late, wanted) in [
        (None, None, None),
        (Some("/server"), None, Some("/server")),
        (None, Some("/late/{id}"), Some("/late/{id}")),
        (Some("/server"), Some("/late/{id}"), Some("/late/{id}")),
    ] {
        let (tracer, spans, meter) = measured();
        handle(&HttpServerLayer::new(&tracer).route(extension), known, || {
            if let Some(route) = late {
                set_route(Controller, route);
            }
        });
        assert!(spans.is_empty());
        let route = |instrument: &str| meter.series(instrument)[0].attribute("http.route").map(ToString::to_string);
        assert_eq!(route("http.server.request.duration").as_deref(), wanted);
        assert_eq!(route("http.server.active_requests"), None);
        assert_eq!(meter.sum("http.server.active_requests"), 0.0, "up and down with the same attributes");
        assert_eq!(meter.series("http.server.active_requests").len(), 1);
    }
}

/// Without anybody who listens there is nothing to be told, and nothing is looked for.
#[test]
fn unsampled_and_unheard_routes_are_not_looked_for() {
    let (tracer, spans) = tracer();
    let layer = HttpServerLayer::new(&tracer).route(|_| panic!("nobody wants to know"));
    let mut asked = get("/");
    asked.headers_mut().insert("traceparent", crate::rig::UNSAMPLED.parse().unwrap());
    let context = crate::rig::seen_by_handler(&layer, asked);
    context.scope(|| set_route(Controller, "/a"));
    assert!(spans.is_empty());
    assert_eq!((tracer.stats().hook_panics, tracer.stats().late_writes), (0, 0));
}
