//! `assert_trace!`: what it accepts, and the exact text of what it refuses.

use std::time::Duration;

use throughline_core::{Clock, Context, ManualClock, Resource, SpanContext, SpanEnd, SpanKind, Status, Tracer};
use throughline_testing::{ExpectedLink, ExpectedSpan, MemorySink, Shape, assert_trace, shape, tracer, tracer_with};

#[test]
fn a_tree_of_every_notation_is_accepted() {
    let (tracer, spans) = tracer();
    let send = tracer.span("send T").root().kind(SpanKind::Producer).start();
    let linked = send.span_context().unwrap();
    send.end(SpanEnd::Completed);

    let server = span(&tracer, SpanKind::Server, "GET /a/{id}", &Context::ROOT);
    server.set("http.response.status_code", 200);
    let client = span(&tracer, SpanKind::Client, "GET", &server.context());
    span(&tracer, SpanKind::Server, "GET /b", &client.context()).end(SpanEnd::Completed);
    client.end(SpanEnd::Completed);
    let work = span(&tracer, SpanKind::Internal, "work", &server.context());
    work.span_ref().event("retry", &[]);
    work.end_with(SpanEnd::Cancelled, |span| span.set_error("cancelled"));
    let resend = span(&tracer, SpanKind::Client, "GET", &server.context());
    resend.set("http.request.resend_count", 1);
    resend.span_ref().link(linked, &[("messaging.kafka.offset".into(), 7.into())]);
    resend.end(SpanEnd::Completed);
    server.end(SpanEnd::Completed);

    const STATUS: &str = "http.response.status_code";
    assert_trace!(
        spans,
        producer (format!("send {}", "T"))
        server "GET /a/{id}" [STATUS = 200, "http.response.status_code", service = "unknown_service"] {
            client "GET" {
                server "GET /b" {}
            }
            internal "work" [end = Cancelled, status = Error, "error.type" = "cancelled", event = "retry"],
            client "GET" ["http.request.resend_count" = 1, !"error.type"]
                => link "send T" ["messaging.kafka.offset" = 7, !"messaging.kafka.partition"]
        }
    );
    assert_trace!(
        spans.take(),
        trace { producer "send T" [status = Unset] }
        server "GET /a/{id}" [ordered] {
            client "GET" { server "GET /b" }
            internal "work" [status = Error]
            client "GET" => link "send T"
        }
    );
    assert_trace!(spans);
    assert_trace!(spans,);
}

#[test]
fn the_first_difference_is_marked() {
    let (tracer, spans) = tracer();
    let server = span(&tracer, SpanKind::Server, "GET /a/{id}", &Context::ROOT);
    let client = span(&tracer, SpanKind::Client, "GET", &server.context());
    span(&tracer, SpanKind::Server, "GET /c", &client.context()).end(SpanEnd::Completed);
    client.end(SpanEnd::Completed);
    span(&tracer, SpanKind::Internal, "one more", &server.context()).end(SpanEnd::Cancelled);
    let failed = span(&tracer, SpanKind::Internal, "work", &server.context());
    failed.end_with(SpanEnd::Failed, |span| span.set_error("timeout"));
    server.end(SpanEnd::Completed);

    let expected = shape!(server "GET /a/{id}" {
        client "GET" { server "GET /b" ["http.response.status_code" = 200] { client "SELECT" } }
        internal "work" ["error.type" = "cancelled", !"order.id", end = Cancelled]
    });
    assert_eq!(
        expected.check(&spans).unwrap_err().to_string(),
        r#"the trace is not as expected

   expected                                                                        actual
   server "GET /a/{id}"                                                            server "GET /a/{id}"
   ├─ client "GET"                                                                 ├─ client "GET"
>≠ │  └─ server "GET /b" ["http.response.status_code" = 200]                       │  └─ server "GET /c" [!"http.response.status_code"]
 - │     └─ client "SELECT"                                                        │
 ≠ └─ internal "work" [end = Cancelled, "error.type" = "cancelled", !"order.id"]   ├─ internal "work" [end = Failed, status = Error, "error.type" = "timeout", !"order.id"]
 +                                                                                 └─ internal "one more" [end = Cancelled]

first difference (>): the name is "GET /c" instead of "GET /b"; "http.response.status_code" is missing
lines that differ as well (≠ differs, - is missing, + is not expected): 3
"#
    );
}

#[test]
#[should_panic(expected = "first difference (>): it is missing")]
fn the_macro_panics_with_the_text() {
    assert_trace!(MemorySink::new(), internal "work");
}

#[test]
fn siblings_are_paired_as_well_as_possible() {
    // Greedy pairing in either order would give the first `GET` to the wrong one.
    let (tracer, spans) = tracer();
    let server = span(&tracer, SpanKind::Server, "GET /", &Context::ROOT);
    for (count, below) in [(None, "c"), (Some(1), "a"), (Some(2), "b")] {
        let client = span(&tracer, SpanKind::Client, "GET", &server.context());
        if let Some(count) = count {
            client.set("http.request.resend_count", count);
        }
        span(&tracer, SpanKind::Server, below, &client.context()).end(SpanEnd::Completed);
        client.end(SpanEnd::Completed);
    }
    server.end(SpanEnd::Completed);
    assert_trace!(spans, server "GET /" {
        client "GET" ["http.request.resend_count"] { server "b" }
        client "GET" { server "a" }
        client "GET" [!"http.request.resend_count"] { server "c" }
    });
    assert_trace!(spans, server "GET /" [open] { client "GET" { server "a" } });
}

#[test]
fn what_is_wrong_is_said() {
    let (tracer, spans) = tracer_with(|builder| builder.resource(Resource::new("orders")));
    let root = span(&tracer, SpanKind::Consumer, "process T", &Context::ROOT);
    let remote = SpanContext::from_traceparent(b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01").unwrap();
    root.span_ref().link(remote, &[]);
    root.set("count", 2);
    root.span_ref().set_status(&Status::Error { description: "boom".into() });
    root.end(SpanEnd::Completed);
    assert_trace!(spans, consumer "process T" ["count" = 2_u8, status = Error("boom")] => link remote);
    for (shape, said) in [
        (shape!(), "it is not expected"),
        (shape!(producer "process T" => link remote), "the kind is consumer instead of producer"),
        (shape!(consumer "process U" => link remote), r#"the name is "process T" instead of "process U""#),
        (shape!(consumer "process T"), "there are 1 links instead of 0"),
        (shape!(consumer "process T" => link "send T"), r#"there is link remote instead of link "send T""#),
        (
            shape!(consumer "process T" => link remote ["offset" = 1]),
            r#"there is link remote instead of link remote ["offset" = 1]"#,
        ),
        (shape!(consumer "process T" [end = Failed] => link remote), "it ended as Completed instead of Failed"),
        (
            shape!(consumer "process T" [status = Unset] => link remote),
            r#"the status is Error { description: "boom" } instead of Unset"#,
        ),
        (shape!(consumer "process T" ["count" = "2"] => link remote), r#""count" is Int(2) instead of String("2")"#),
        (shape!(consumer "process T" ["other"] => link remote), r#""other" is missing"#),
        (shape!(consumer "process T" [!"count"] => link remote), r#""count" is there: Int(2)"#),
        (shape!(consumer "process T" [event = "retry"] => link remote), r#"there is no event "retry""#),
        (
            shape!(consumer "process T" [service = "users"] => link remote),
            r#"the service is "orders" instead of "users""#,
        ),
        (shape!(consumer "process T" => link remote { internal "work" }), "it is missing"),
    ] {
        let text = shape.check(&spans).unwrap_err().to_string();
        assert!(text.contains(&format!("first difference (>): {said}\n")), "{said}: {text}");
    }
}

#[test]
fn order_counts_only_where_it_is_asked_for() {
    let clock = ManualClock::new();
    let (tracer, spans) = tracer_with(|builder| builder.clock(Clock::manual(&clock)));
    let root = span(&tracer, SpanKind::Internal, "root", &Context::ROOT);
    for name in ["a", "b", "c"] {
        clock.advance(Duration::from_millis(1));
        span(&tracer, SpanKind::Internal, name, &root.context()).end(SpanEnd::Completed);
    }
    root.end(SpanEnd::Completed);
    assert_trace!(spans, internal "root" { internal "c" internal "a" internal "b" });
    assert_trace!(spans, internal "root" [ordered] { internal "a" internal "b" internal "c" });
    assert_trace!(spans, internal "root" [ordered, open] { internal "a" internal "c" });
    assert_eq!(
        shape!(internal "root" [ordered] { internal "a" internal "c" }).check(&spans).unwrap_err().to_string(),
        r#"the trace is not as expected

   expected                    actual
   internal "root" [ordered]   internal "root"
   ├─ internal "a"             ├─ internal "a"
>+ │                           ├─ internal "b"
   └─ internal "c"             └─ internal "c"

first difference (>): it is not expected
"#
    );
}

#[test]
fn spans_with_a_remote_parent_are_roots_and_traces_are_told_apart() {
    let (tracer, spans) = tracer();
    let remote = SpanContext::from_traceparent(b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01").unwrap();
    let remote = Context::ROOT.with_span_context(remote);
    span(&tracer, SpanKind::Server, "one", &remote).end(SpanEnd::Completed);
    span(&tracer, SpanKind::Server, "two", &remote).end(SpanEnd::Completed);
    span(&tracer, SpanKind::Server, "three", &Context::ROOT).end(SpanEnd::Completed);
    assert_trace!(spans, server "one" server "two" server "three");
    assert_trace!(spans, server "three" trace { server "two" server "one" });
    assert!(shape!(trace {} server "three" trace { server "two" server "one" }).check(&spans).is_err());
    let text = shape!(trace { server "one" } trace { server "two" } trace { server "three" }).check(&spans);
    assert_eq!(
        text.unwrap_err().to_string(),
        r#"the trace is not as expected

   expected            actual
>- trace
 - └─ server "one"
   trace               trace
   └─ server "two"     ├─ server "two"
 +                     └─ server "one"
   trace               trace
   └─ server "three"   └─ server "three"

first difference (>): it is missing
lines that differ as well (≠ differs, - is missing, + is not expected): 2
"#
    );
}

#[test]
fn lists_are_compared_as_a_whole() {
    let (tracer, spans) = tracer();
    let server = span(&tracer, SpanKind::Server, "GET", &Context::ROOT);
    server.set("http.request.header.accept", &["text/html", "*/*"]);
    server.end(SpanEnd::Completed);
    assert_trace!(spans, server "GET" ["http.request.header.accept" = ["text/html", "*/*"]]);
    let text =
        shape!(server "GET" ["http.request.header.accept" = ["text/html"]]).check(&spans).unwrap_err().to_string();
    assert!(text.contains(r#"["http.request.header.accept" = ["text/html", "*/*"]]"#), "{text}");
}

#[test]
fn shapes_are_made_without_the_macro_too() {
    let (tracer, spans) = tracer();
    let send = span(&tracer, SpanKind::Producer, "send T", &Context::ROOT);
    let process = span(&tracer, SpanKind::Consumer, "process T", &send.context());
    process.span_ref().link(send.span_context().unwrap(), &[]);
    process.end(SpanEnd::Completed);
    send.end(SpanEnd::Completed);
    let process = ExpectedSpan::consumer("process T").without("error.type").link(ExpectedLink::to("send T"));
    Shape::new().root(ExpectedSpan::producer("send T").child(process)).assert(&spans);
}

fn span(tracer: &Tracer, kind: SpanKind, name: &str, parent: &Context) -> throughline_core::Span {
    tracer.span(name).kind(kind).parent(parent).start()
}
