//! Durations are those of the monotonic clock, and no child is older than its parent.

use std::time::Duration;

use axum::Router;
use axum::routing::get;
use bytes::Bytes;
use http::Method;
use http_body_util::BodyExt as _;
use throughline_axum::HttpServerLayer;
use throughline_core::{Clock, ManualClock, SpanEnd, SpanKind, Tracer};
use throughline_testing::MemorySink;
use throughline_tower::HttpClientLayer;
use tower::{Service as _, ServiceExt as _};

use crate::clients::{ask, pooled};
use crate::rig::{WIRES, Wire, serve};
use crate::routes::LONG;

/// Only what the clock was moved by is in the spans: no wall clock is read twice.
#[tokio::test]
async fn a_span_lasts_as_long_as_the_monotonic_clock_says() {
    let (clock, spans) = (ManualClock::new(), MemorySink::new());
    let tracer = Tracer::builder().clock(Clock::manual(&clock)).sink(spans.clone()).build();
    let handler = {
        let (tracer, clock) = (tracer.clone(), clock.clone());
        async move || {
            clock.advance(Duration::from_millis(3));
            let work = tracer.span("work").start();
            clock.advance(Duration::from_millis(4));
            work.end(SpanEnd::Completed);
            "done"
        }
    };
    let address = serve(Router::new().route("/a", get(handler)).layer(HttpServerLayer::new(&tracer))).await;
    for wire in WIRES {
        let client = HttpClientLayer::new(&tracer).layer(pooled(wire));
        client.oneshot(ask(Method::GET, address, "/a")).await.unwrap().into_body().collect().await.unwrap();
        let ended = spans.wait_for(3, LONG).await.unwrap();
        spans.clear();
        let of = |kind| ended.iter().find(|span| span.kind == kind).unwrap();
        let (client, server, work) = (of(SpanKind::Client), of(SpanKind::Server), of(SpanKind::Internal));
        let millis = [client, server, work].map(|span| span.duration.as_millis());
        assert_eq!(millis, [7, 7, 4], "{wire:?}");
        assert_eq!(server.start_time, client.start_time, "{wire:?}: the clock stood still in between");
        assert_eq!(work.start_time, server.start_time + Duration::from_millis(3), "{wire:?}");
    }
}

/// With the system's own clock, over two hops.
#[tokio::test]
async fn children_start_after_their_parents() {
    let spans = MemorySink::new();
    let tracer = Tracer::builder().sink(spans.clone()).build();
    let back = serve(Router::new().route("/b", get(|| async { "b" })).layer(HttpServerLayer::new(&tracer))).await;
    let client = HttpClientLayer::new(&tracer).layer(pooled(Wire::Http1));
    let handler = async move || -> Bytes {
        // As an exporter does once per cycle: here it is the worst moment.
        Clock::resync();
        let response = client.clone().call(ask(Method::GET, back, "/b")).await.unwrap();
        response.into_body().collect().await.unwrap().to_bytes()
    };
    let front = serve(Router::new().route("/a", get(handler)).layer(HttpServerLayer::new(&tracer))).await;
    for _ in 0..50 {
        let response = pooled(Wire::Http1).request(ask(Method::GET, front, "/a")).await.unwrap();
        response.into_body().collect().await.unwrap();
    }
    let ended = spans.wait_for(150, LONG).await.unwrap();
    let mut pairs = 0;
    for child in &ended {
        let parent = ended.iter().find(|parent| Some(parent.span_context.span_id()) == child.parent_span_id);
        if let Some(parent) = parent {
            pairs += 1;
            assert!(child.start_time >= parent.start_time, "a child that starts before its parent");
        }
    }
    assert_eq!(pairs, 100);
}
