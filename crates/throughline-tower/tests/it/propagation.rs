//! What goes over the wire, and what is believed of what comes.

use http::{HeaderMap, Method, Request, Response};
use throughline_core::{Baggage, Context, SpanEnd, TraceState};
use throughline_testing::{BodyError, ScriptedBody, tracer};
use throughline_tower::{HttpClientLayer, HttpServerLayer};
use tower::Service;

use crate::rig::{P, SAMPLED, Scripted, T, exchange, get, header, one, ready, remote, request};

/// What arrives at the network of a request that is made in this context.
fn sent(layer: &HttpClientLayer, context: &Context, request: Request<()>) -> Request<()> {
    let network = Scripted::new().respond(Response::new(ScriptedBody::new()));
    context.scope(|| drop(ready(layer.layer(network.clone()).call(request)).unwrap()));
    network.take_requests().remove(0)
}

fn baggage() -> Context {
    Context::ROOT.with_baggage(Baggage::new().with("tenant", "7").unwrap())
}

fn names(headers: &HeaderMap) -> Vec<&str> {
    let mut names: Vec<_> = headers.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    names
}

#[test]
fn the_clients_own_span_is_what_the_other_side_is_told() {
    let (tracer, spans) = tracer();
    let parent = tracer.span("work").start();
    let seen = sent(&HttpClientLayer::new(&tracer), &parent.context(), get("http://inventory/"));
    let client = one(&spans);
    let told = remote(&header(&seen, "traceparent").unwrap());
    assert_eq!(told.span_id(), client.span_context.span_id());
    assert_ne!(Some(told.span_id()), parent.span_context().map(|span| span.span_id()));
    assert_eq!(client.parent_span_id, parent.span_context().map(|span| span.span_id()));
    assert_eq!(names(seen.headers()), ["traceparent"], "nothing else was to be told");
    parent.end(SpanEnd::Completed);
}

#[test]
fn stale_fields_of_the_request_are_replaced_or_removed() {
    let (tracer, spans) = tracer();
    let state = TraceState::parse(b"ours=1").unwrap();
    let (nothing, everything) = (Context::ROOT, baggage().with_span_context(remote(SAMPLED)));
    let everything = everything.with_tracestate(Some(state));
    for (why, context, told) in [
        ("nothing of our own", nothing, [None, None]),
        ("tracestate and baggage of our own", everything, [Some("ours=1"), Some("tenant=7")]),
    ] {
        let mut asked = get("http://inventory/");
        for _ in 0..2 {
            asked.headers_mut().append("traceparent", SAMPLED.parse().unwrap());
            asked.headers_mut().append("tracestate", "stale=1".parse().unwrap());
            asked.headers_mut().append("baggage", "stale=1".parse().unwrap());
        }
        let seen = sent(&HttpClientLayer::new(&tracer).baggage_to(["inventory"]).unwrap(), &context, asked);
        let client = one(&spans);
        let traceparent = remote(&header(&seen, "traceparent").unwrap());
        assert_eq!(traceparent.span_id(), client.span_context.span_id(), "{why}");
        assert_eq!(traceparent.trace_id(), client.span_context.trace_id(), "{why}");
        let others = [header(&seen, "tracestate"), header(&seen, "baggage")];
        assert_eq!(others, told.map(|text| text.map(str::to_owned)), "{why}");
    }
}

#[test]
fn withheld_baggage_takes_a_stale_field_along() {
    let (tracer, _) = tracer();
    let mut asked = get("http://elsewhere/");
    asked.headers_mut().insert("baggage", "stale=1".parse().unwrap());
    let seen = sent(&HttpClientLayer::new(&tracer).baggage_to(["inventory"]).unwrap(), &baggage(), asked);
    assert_eq!(header(&seen, "baggage"), None);
}

#[test]
fn a_request_that_is_sent_again_has_one_of_each_field() {
    let (tracer, spans) = tracer();
    let layer = HttpClientLayer::new(&tracer).baggage_to(["inventory"]).unwrap();
    let first = sent(&layer, &baggage(), get("http://inventory/"));
    let told = header(&first, "traceparent");
    let second = sent(&layer, &baggage(), first);
    assert_eq!(names(second.headers()), ["baggage", "traceparent"]);
    assert_ne!(header(&second, "traceparent"), told, "another attempt, another span");
    assert_eq!(spans.len(), 2);
}

#[test]
fn baggage_goes_to_named_hosts_only() {
    let (tracer, _) = tracer();
    for (why, named, target, host, allowed) in [
        ("nobody is named", &[][..], "http://inventory/", "", false),
        ("named", &["inventory"], "http://inventory/", "", true),
        ("one of several", &["orders", "inventory"], "http://inventory/", "", true),
        ("another", &["orders"], "http://inventory/", "", false),
        ("another case", &["Inventory"], "http://INVENTORY/", "", true),
        ("a port", &["inventory"], "http://inventory:8080/", "", true),
        ("a longer name", &["inventory"], "http://inventory.evil.example/", "", false),
        ("a longer name in front", &["inventory"], "http://my-inventory/", "", false),
        ("a suffix", &["*.shop.internal"], "https://a.b.shop.internal:8443/", "", true),
        ("a suffix in another case", &["*.SHOP.internal"], "https://a.Shop.Internal/", "", true),
        ("the suffix itself is another host", &["*.shop.internal"], "https://shop.internal/", "", false),
        ("a suffix without its dot", &["*.internal"], "http://evilinternal/", "", false),
        ("IPv4", &["127.0.0.1"], "http://127.0.0.1:81/", "", true),
        ("its port", &["inventory:81"], "http://inventory:81/", "", true),
        ("another port", &["inventory:81"], "http://inventory:82/", "", false),
        ("another IPv4", &["127.0.0.1"], "http://127.0.0.11/", "", false),
        ("IPv6", &["::1"], "http://[::1]:81/", "", true),
        ("IPv6 in brackets", &["[::1]"], "http://[::1]:81/", "", true),
        ("user information is no host", &["inventory"], "http://inventory:80@evil.example/", "", false),
        ("user information before a host", &["inventory"], "http://user:pw@inventory/", "", true),
        ("a host that ends before the suffix", &["*.internal"], "http://evil.example:[::1]81.internal/", "", false),
        ("origin form, by the host", &["inventory"], "/stock", "inventory:81", true),
        ("origin form, another host", &["inventory"], "/stock", "evil.example", false),
        ("origin form, no host", &["inventory"], "/stock", "", false),
        ("the target before the host", &["inventory"], "http://evil.example/", "inventory", false),
    ] {
        let mut asked = get(target);
        if !host.is_empty() {
            asked.headers_mut().insert("host", host.parse().unwrap());
        }
        let before = tracer.stats().baggage_withheld;
        let seen = sent(&HttpClientLayer::new(&tracer).baggage_to(named).unwrap(), &baggage(), asked);
        assert_eq!(header(&seen, "baggage").as_deref(), allowed.then_some("tenant=7"), "{why}");
        assert_eq!(tracer.stats().baggage_withheld - before, u64::from(!allowed), "{why}: counted");
        assert!(header(&seen, "traceparent").is_some(), "{why}: ids go to every host");
    }
}

#[test]
fn no_baggage_is_not_withheld() {
    let (tracer, _) = tracer();
    sent(&HttpClientLayer::new(&tracer), &Context::ROOT, get("http://inventory/"));
    assert_eq!(tracer.stats().baggage_withheld, 0);
}

#[test]
fn a_server_goes_on_with_the_trace_it_is_told_of() {
    let (tracer, spans) = tracer();
    let asked = request(
        Method::GET,
        "/",
        [
            ("traceparent", SAMPLED.as_bytes()),
            ("tracestate", b"a=1,b=2"),
            ("tracestate", b"c=3"),
            ("baggage", b"tenant=7"),
            ("baggage", b"tier=gold"),
        ],
    );
    let seen = tower::service_fn(|_: Request<()>| {
        let context = Context::current();
        assert_eq!(context.tracestate().unwrap().as_str(), "a=1,b=2,c=3", "two lines are one list");
        let baggage = context.baggage();
        assert_eq!((baggage.get("tenant"), baggage.get("tier")), (Some("7"), Some("gold")));
        std::future::ready(Ok::<_, BodyError>(Response::new(ScriptedBody::new())))
    });
    drop(ready(tower::ServiceExt::oneshot(HttpServerLayer::new(&tracer).layer(seen), asked)).unwrap());
    let span = one(&spans);
    assert_eq!(span.span_context.trace_id().to_string(), T);
    assert_eq!(span.parent_span_id.map(|id| id.to_string()).as_deref(), Some(P));
    assert!(span.parent_is_remote);
    assert_eq!(span.tracestate.unwrap().as_str(), "a=1,b=2,c=3");
    assert_eq!(tracer.stats().malformed_parents, 0);
}

#[test]
fn what_came_is_sent_on() {
    let (tracer, spans) = tracer();
    let network = Scripted::new().respond(Response::new(ScriptedBody::new()));
    let handler = HttpClientLayer::new(&tracer).baggage_to(["*.internal"]).unwrap().layer(network.clone());
    let mut service = HttpServerLayer::new(&tracer).layer(handler);
    let asked = request(
        Method::GET,
        "http://inventory.internal/",
        [("traceparent", SAMPLED.as_bytes()), ("tracestate", b"a=1"), ("tracestate", b"b=2"), ("baggage", b"k=%C3%9C")],
    );
    drop(ready(service.call(asked)).unwrap());
    let seen = network.take_requests().remove(0);
    assert_eq!(names(seen.headers()), ["baggage", "traceparent", "tracestate"]);
    assert_eq!(header(&seen, "tracestate").as_deref(), Some("a=1,b=2"));
    assert_eq!(header(&seen, "baggage").as_deref(), Some("k=%C3%9C"));
    let told = remote(&header(&seen, "traceparent").unwrap());
    assert_eq!(told.span_id(), spans.spans()[0].span_context.span_id(), "the client's, which ended first");
}

#[test]
fn malformed_parents_are_counted_and_begin_a_new_trace() {
    let (tracer, spans) = tracer();
    let good = SAMPLED.as_bytes();
    for (number, (why, lines)) in [
        ("empty", vec![&b""[..]]),
        ("not a traceparent", vec![b"hello"]),
        ("upper case", vec![b"00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01"]),
        ("no trace id", vec![b"00-00000000000000000000000000000000-00f067aa0ba902b7-01"]),
        ("no span id", vec![b"00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01"]),
        ("version ff", vec![b"ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"]),
        ("too long", vec![b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x"]),
        ("no text", vec![b"\xff\xfe\xfd"]),
        (
            "a multi-byte character on a boundary",
            vec!["00-4bf92f3577b34da6a3ce929d0e0e473é-00f067aa0ba902b7-01".as_bytes()],
        ),
        ("twice", vec![good, good]),
        ("twice, one malformed", vec![good, b"hello"]),
    ]
    .into_iter()
    .enumerate()
    {
        let mut asked = request(Method::GET, "/", [("tracestate", b"a=1")]);
        for line in lines {
            asked.headers_mut().append("traceparent", http::HeaderValue::from_bytes(line).unwrap());
        }
        let answer = Response::new(ScriptedBody::new());
        drop(exchange(&HttpServerLayer::new(&tracer), asked, answer));
        let span = one(&spans);
        assert_eq!(span.parent_span_id, None, "{why}");
        assert_ne!(span.span_context.trace_id().to_string(), T, "{why}");
        assert_eq!(span.tracestate, None, "{why}: it belonged to the parent");
        assert_eq!(tracer.stats().malformed_parents, number as u64 + 1, "{why}");
    }
}

#[test]
fn a_parent_on_the_wire_wins_over_the_ambient_one() {
    let (tracer, spans) = tracer();
    let ambient = tracer.span("accept loop").start();
    for (asked, parent) in [(from_wire(), Some(remote(SAMPLED).span_id())), (get("/"), None)] {
        let inner = Scripted::new().respond(Response::new(ScriptedBody::new()));
        let mut service = HttpServerLayer::new(&tracer).layer(inner);
        ambient.context().scope(|| drop(ready(service.call(asked)).unwrap()));
        let wanted = parent.or(ambient.span_context().map(|span| span.span_id()));
        assert_eq!(one(&spans).parent_span_id, wanted);
    }
    ambient.end(SpanEnd::Completed);
}

fn from_wire() -> Request<()> {
    request(Method::GET, "/", [("traceparent", SAMPLED.as_bytes())])
}
