//! What a server's caller is believed: ids, sampling, tracestate, baggage, by policy.

use std::sync::Arc;
use std::time::Duration;

use http::{Method, Request};
use throughline_core::{AlwaysOff, Baggage, Clock, Context, ManualClock, Member, ParentBased, SpanContext, SpanEnd};
use throughline_testing::{MemorySink, tracer, tracer_with};
use throughline_tower::{HttpServerLayer, Ingress};

use crate::rig::{P, SAMPLED, T, UNSAMPLED, get, one, remote, request, seen_by_handler};

fn from(traceparent: &str) -> Request<()> {
    let fields = [("tracestate", &b"vendor=1"[..]), ("baggage", b"tenant=7")];
    let mut request = request(Method::GET, "/", fields);
    if !traceparent.is_empty() {
        request.headers_mut().insert("traceparent", traceparent.parse().unwrap());
    }
    request
}

/// Which trace and sampling, tracestate, baggage the handler finds; `-` for none.
fn shown(context: &Context, ambient: Option<&Context>) -> String {
    let of = |context: &Context| context.span_context().map(|span| span.trace_id());
    let ids = context.span_context().map_or("-".to_owned(), |span| {
        let trace = match span.trace_id() {
            trace if trace.to_string() == T => "T",
            trace if ambient.and_then(of) == Some(trace) => "ambient",
            _ => "new",
        };
        format!("{trace}{}", if span.is_sampled() { "+" } else { "" })
    });
    let state = context.tracestate().map_or("-", |state| state.as_str());
    let baggage = context.baggage();
    let baggage: Vec<_> = baggage.iter().map(Member::key).collect();
    format!("{ids} {state} {}", if baggage.is_empty() { "-".to_owned() } else { baggage.join(",") })
}

/// The recorded span's parent and links: `P` for the caller, `A` for the ambient span, `-` for none.
fn relations(spans: &MemorySink, ambient: Option<&Context>) -> String {
    let ended = spans.take();
    let Some(span) = ended.first() else { return "unrecorded".to_owned() };
    let local = ambient.and_then(Context::span_context).map(|span| span.span_id());
    let parent = match (span.parent_span_id, span.parent_is_remote) {
        (None, false) => "-",
        (Some(parent), true) if parent.to_string() == P => "P",
        (parent, false) if parent == local => "A",
        other => panic!("an unexpected parent: {other:?}"),
    };
    let links: Vec<SpanContext> = span.links.iter().map(|link| link.span_context).collect();
    let link = match links[..] {
        [] => "-",
        [link] if link.span_id().to_string() == P && link.trace_id().to_string() == T && link.is_remote() => "P",
        _ => panic!("unexpected links: {links:?}"),
    };
    format!("{parent} {link}")
}

#[test]
fn each_policy_believes_so_much() {
    use Ingress::{Ignore, Link, Trust, TrustIdsNotSampling as TrustIds};
    let malformed = "00-T-P-01";
    // What came; a sampler that says yes and one that says no where no parent decides.
    for (policy, traceparent, yes, no) in [
        (Trust, SAMPLED, "T+ vendor=1 tenant P -", "T+ vendor=1 tenant P -"),
        (Trust, UNSAMPLED, "T vendor=1 tenant unrecorded", "T vendor=1 tenant unrecorded"),
        (Trust, malformed, "new+ - tenant - -", "new - tenant unrecorded"),
        (Trust, "", "new+ - tenant - -", "new - tenant unrecorded"),
        (TrustIds, SAMPLED, "T+ vendor=1 tenant P -", "T vendor=1 tenant unrecorded"),
        (TrustIds, UNSAMPLED, "T+ vendor=1 tenant P -", "T vendor=1 tenant unrecorded"),
        (TrustIds, malformed, "new+ - tenant - -", "new - tenant unrecorded"),
        (TrustIds, "", "new+ - tenant - -", "new - tenant unrecorded"),
        (Link, SAMPLED, "new+ - - - P", "new - - unrecorded"),
        (Link, UNSAMPLED, "new+ - - - P", "new - - unrecorded"),
        (Link, malformed, "new+ - - - -", "new - - unrecorded"),
        (Link, "", "new+ - - - -", "new - - unrecorded"),
        (Ignore, SAMPLED, "new+ - - - -", "new - - unrecorded"),
        (Ignore, UNSAMPLED, "new+ - - - -", "new - - unrecorded"),
        (Ignore, malformed, "new+ - - - -", "new - - unrecorded"),
        (Ignore, "", "new+ - - - -", "new - - unrecorded"),
    ] {
        let set_ups = [tracer(), tracer_with(|tracer| tracer.sampler(ParentBased::new(AlwaysOff)))];
        for ((tracer, spans), wanted) in set_ups.into_iter().zip([yes, no]) {
            let layer = HttpServerLayer::new(&tracer).ingress(policy);
            let seen = shown(&seen_by_handler(&layer, from(traceparent)), None);
            assert_eq!(format!("{seen} {}", relations(&spans, None)), wanted, "{policy:?} {traceparent:?}");
            let counted = u64::from(traceparent == malformed);
            assert_eq!(tracer.stats().malformed_parents, counted, "{policy:?} {traceparent:?}: counted");
        }
    }
}

/// What is of this process is believed whatever the policy: nobody else put it there.
#[test]
fn where_nobody_is_believed_the_ambient_context_is_the_parent() {
    use Ingress::{Ignore, Link, Trust, TrustIdsNotSampling as TrustIds};
    for (policy, traceparent, wanted) in [
        (Trust, SAMPLED, "T+ vendor=1 tenant P -"),
        (Trust, "", "ambient+ - tenant A -"),
        (TrustIds, SAMPLED, "T+ vendor=1 tenant P -"),
        (Link, SAMPLED, "ambient+ - local A P"),
        (Link, "", "ambient+ - local A -"),
        (Ignore, SAMPLED, "ambient+ - local A -"),
    ] {
        let (tracer, spans) = tracer();
        let accepting = tracer.span("accept loop").start();
        let ambient = accepting.context().with_baggage(Baggage::new().with("local", "1").unwrap());
        let layer = HttpServerLayer::new(&tracer).ingress(policy);
        let seen = ambient.scope(|| seen_by_handler(&layer, from(traceparent)));
        let found = format!("{} {}", shown(&seen, Some(&ambient)), relations(&spans, Some(&ambient)));
        assert_eq!(found, wanted, "{policy:?} {traceparent:?}");
        accepting.end(SpanEnd::Completed);
    }
}

#[test]
fn a_skipped_request_is_believed_no_more() {
    use Ingress::{Ignore, Link, Trust, TrustIdsNotSampling as TrustIds};
    for (policy, traceparent, alone, within) in [
        (Trust, SAMPLED, "T+ vendor=1 tenant", "T+ vendor=1 tenant"),
        (Trust, UNSAMPLED, "T vendor=1 tenant", "T vendor=1 tenant"),
        (Trust, "", "- - tenant", "ambient+ - tenant"),
        (TrustIds, SAMPLED, "T vendor=1 tenant", "T vendor=1 tenant"),
        (Link, SAMPLED, "- - -", "ambient+ - -"),
        (Ignore, SAMPLED, "- - -", "ambient+ - -"),
    ] {
        let (tracer, spans) = tracer();
        let accepting = tracer.span("accept loop").start();
        let layer = HttpServerLayer::new(&tracer).ingress(policy).skip(|_| true);
        for (ambient, wanted) in [(Context::ROOT, alone), (accepting.context(), within)] {
            let seen = ambient.scope(|| seen_by_handler(&layer, from(traceparent)));
            assert_eq!(shown(&seen, Some(&accepting.context())), wanted, "{policy:?} {traceparent:?}");
        }
        assert!(spans.is_empty(), "{policy:?}");
        accepting.end(SpanEnd::Completed);
    }
}

#[test]
fn what_nobody_has_decided_is_decided_by_the_spans_below() {
    let (tracer, spans) = tracer();
    let layer = HttpServerLayer::new(&tracer).ingress(Ingress::TrustIdsNotSampling).skip(|_| true);
    let seen = seen_by_handler(&layer, from(UNSAMPLED));
    seen.scope(|| tracer.span("below").start()).end(SpanEnd::Completed);
    assert_eq!(one(&spans).parent_span_id, Some(remote(UNSAMPLED).span_id()));
}

#[test]
fn the_policy_may_depend_on_the_request() {
    let by_path = |layer: HttpServerLayer| {
        layer.ingress_by(|request| match request.path() {
            "/in" => Ingress::Trust,
            "/ids" => Ingress::TrustIdsNotSampling,
            _ => Ingress::Ignore,
        })
    };
    type SetUp = fn(HttpServerLayer) -> HttpServerLayer;
    let around: [(&str, SetUp, SetUp); 3] = [
        ("alone", |layer| layer, |layer| layer),
        ("after a policy for all", HttpServerLayer::public_edge, |layer| layer),
        ("before a policy for all", |layer| layer, HttpServerLayer::public_edge),
    ];
    for (why, before, after) in around {
        for (path, wanted) in
            [("/in", "T+ vendor=1 tenant P -"), ("/ids", "T+ vendor=1 tenant P -"), ("/other", "new+ - - - -")]
        {
            let (tracer, spans) = tracer();
            let layer = after(by_path(before(HttpServerLayer::new(&tracer))));
            let mut asked = from(SAMPLED);
            *asked.uri_mut() = path.parse().unwrap();
            let seen = shown(&seen_by_handler(&layer, asked), None);
            assert_eq!(format!("{seen} {}", relations(&spans, None)), wanted, "{why}: {path}");
        }
    }
}

#[test]
fn whoever_a_predicate_cannot_judge_is_a_stranger() {
    for skipped in [false, true] {
        let trace = if skipped { "-" } else { "new+" };
        for (policy, known) in [(Ingress::Trust, "- P"), (Ingress::Ignore, "- -")] {
            let (tracer, spans) = tracer();
            let layer = HttpServerLayer::new(&tracer).ingress(policy).ingress_by(|_| panic!("scripted panic"));
            let layer = layer.skip(move |_| skipped);
            let seen = shown(&seen_by_handler(&layer, from(SAMPLED)), None);
            assert!(seen.starts_with(&format!("{trace} ")), "{policy:?}, skipped: {skipped}: {seen}");
            assert_eq!(tracer.stats().hook_panics, 1, "{policy:?}, skipped: {skipped}");
            if !skipped {
                assert_eq!(relations(&spans, None), known, "{policy:?}");
            }
        }
    }
}

#[test]
fn of_two_calls_the_later_holds() {
    type SetUp = fn(HttpServerLayer) -> HttpServerLayer;
    let set_ups: [(&str, SetUp, &str); 5] = [
        ("a policy after the edge", |layer| layer.public_edge().ingress(Ingress::Trust), "T+ vendor=1 tenant P -"),
        ("the edge after a policy", |layer| layer.ingress(Ingress::Trust).public_edge(), "new+ - - - P"),
        ("two predicates", |layer| layer.ingress_by(|_| Ingress::Trust).ingress_by(|_| Ingress::Link), "new+ - - - P"),
        ("nothing", |layer| layer, "T+ vendor=1 tenant P -"),
        ("a limit is no policy", |layer| layer.public_edge().forced_sampling_limit(1), "new+ - - - P"),
    ];
    for (why, set_up, wanted) in set_ups {
        let (tracer, spans) = tracer();
        let layer = set_up(HttpServerLayer::new(&tracer));
        let seen = shown(&seen_by_handler(&layer, from(SAMPLED)), None);
        assert_eq!(format!("{seen} {}", relations(&spans, None)), wanted, "{why}");
    }
}

/// A clock that stands still, and a tracer that records what callers ask for and nothing else.
fn limited() -> (Arc<ManualClock>, throughline_core::Tracer, MemorySink) {
    let manual = ManualClock::new();
    let clock = Clock::manual(&manual);
    let (tracer, spans) = tracer_with(|tracer| tracer.clock(clock).sampler(ParentBased::new(AlwaysOff)));
    (manual, tracer, spans)
}

#[test]
fn callers_force_so_many_traces_per_second() {
    let (clock, tracer, _) = limited();
    let layer = HttpServerLayer::new(&tracer).forced_sampling_limit(2);
    for (why, wait, traceparent, sampled, limited) in [
        ("the first of the burst", 0, SAMPLED, true, 0),
        ("who asks for nothing takes nothing", 0, UNSAMPLED, false, 0),
        ("nor who says nothing", 0, "", false, 0),
        ("the second", 0, SAMPLED, true, 0),
        ("one too many", 0, SAMPLED, false, 1),
        ("another one", 499, SAMPLED, false, 2),
        ("half a second later", 1, SAMPLED, true, 2),
        ("but no more than one", 0, SAMPLED, false, 3),
        ("not asked for", 0, UNSAMPLED, false, 3),
    ] {
        clock.advance(Duration::from_millis(wait));
        let seen = seen_by_handler(&layer, from(traceparent));
        let told = shown(&seen, None);
        let trace = if traceparent.is_empty() { "new" } else { "T" };
        let state = if traceparent.is_empty() { "-" } else { "vendor=1" };
        let flag = if sampled { "+" } else { "" };
        assert_eq!(told, format!("{trace}{flag} {state} tenant"), "{why}: ids, tracestate and baggage are believed");
        assert_eq!(tracer.stats().forced_sampling_limited, limited, "{why}");
    }
}

#[test]
fn only_who_is_trusted_is_limited() {
    let (_, tracer, _) = limited();
    let layer = HttpServerLayer::new(&tracer).forced_sampling_limit(0).ingress_by(|request| match request.path() {
        "/ids" => Ingress::TrustIdsNotSampling,
        "/link" => Ingress::Link,
        "/ignore" => Ingress::Ignore,
        _ => Ingress::Trust,
    });
    for (path, limited) in [("/ids", 0), ("/link", 0), ("/ignore", 0), ("/trust", 1)] {
        let mut asked = from(SAMPLED);
        *asked.uri_mut() = path.parse().unwrap();
        assert!(!seen_by_handler(&layer, asked).is_sampled(), "{path}");
        assert_eq!(tracer.stats().forced_sampling_limited, limited, "{path}");
    }
}

#[test]
fn beyond_the_limit_the_sampler_decides() {
    let (tracer, spans) = tracer();
    let layer = HttpServerLayer::new(&tracer).forced_sampling_limit(0);
    assert!(seen_by_handler(&layer, from(SAMPLED)).is_sampled(), "it records everything");
    assert_eq!(one(&spans).parent_span_id, Some(remote(SAMPLED).span_id()));
    assert_eq!(tracer.stats().forced_sampling_limited, 1);
}

#[test]
fn skipped_requests_are_limited_as_well_and_clones_share_the_limit() {
    let (_, tracer, _) = limited();
    let layer = HttpServerLayer::new(&tracer).forced_sampling_limit(1);
    let skipping = layer.clone().skip(|_| true);
    assert!(seen_by_handler(&skipping, from(SAMPLED)).is_sampled());
    assert!(!seen_by_handler(&skipping, from(SAMPLED)).is_sampled());
    assert!(!seen_by_handler(&layer, from(SAMPLED)).is_sampled());
    assert_eq!(tracer.stats().forced_sampling_limited, 2);
}

/// Settings change the layer that they are called on, not those that it was cloned from.
#[test]
fn a_clone_is_set_up_for_itself() {
    let (tracer, _) = tracer();
    let layer = HttpServerLayer::new(&tracer);
    let edge = layer.clone().public_edge().skip(|_| true);
    assert!(shown(&seen_by_handler(&layer, from(SAMPLED)), None).starts_with("T+"));
    assert!(seen_by_handler(&edge, get("/")).is_root());
}
