//! The sampler is asked before anything is copied: what it sees lies where the server has put it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::routing::get;
use http::Method;
use throughline_axum::HttpServerLayer;
use throughline_core::{Key, Sampler, SamplingDecision, SamplingInput, Tracer, Value};
use throughline_testing::MemorySink;

use crate::rig::{Connection, WIRES, serve};

/// Where the path of the request lies, and where the sampler finds it.
#[derive(Clone, Debug, Default)]
struct Places(Arc<(AtomicUsize, AtomicUsize)>);

impl Sampler for Places {
    fn sample(&self, input: &SamplingInput<'_>) -> SamplingDecision {
        input.attributes().visit(&mut |key: Key<'_>, value: Value<'_>| {
            if let ("url.path", Value::Str(path)) = (key.as_str(), value) {
                self.0.1.store(path.as_ptr().addr(), Ordering::SeqCst);
            }
        });
        SamplingDecision::DROP
    }
}

#[tokio::test]
async fn an_unsampled_request_s_attributes_are_never_copied() {
    let (places, spans) = (Places::default(), MemorySink::new());
    let tracer = Tracer::builder().sampler(places.clone()).sink(spans.clone()).build();
    let noted = places.clone();
    // The predicate is asked first, and sees the request itself.
    let layer = HttpServerLayer::new(&tracer).skip(move |request| {
        noted.0.0.store(request.path().as_ptr().addr(), Ordering::SeqCst);
        false
    });
    let address = serve(Router::new().route("/a/{id}", get(|| async { "a" })).layer(layer)).await;
    for wire in WIRES {
        Connection::open(address, wire).await.fetch(Method::GET, "/a/7").await.unwrap().1.unwrap();
        let [request, sampler] = [&places.0.0, &places.0.1].map(|place| place.swap(0, Ordering::SeqCst));
        assert_ne!(request, 0, "{wire:?}");
        assert_eq!(request, sampler, "{wire:?}: the sampler sees the request's own bytes");
    }
    assert!(spans.is_empty());
}
